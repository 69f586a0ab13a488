"""Learn subwords from a text.

    python train.py --model_fn bpe.pth
    python train.py --model_fn bpe.pth --train_fn nsmc.train.tsv --column 1
    python train.py --model_fn spm.pth --engine sentencepiece --model_type unigram

This file is the table of contents: device, data, trainer, save.
"""

from pathlib import Path

from guards import (
    add_encoding,
    check_model_fn,
    get_argparser,
    log,
    number,
    run,
    save_checkpoint,
)
from tables import add_column_option, read_texts
from utils import draw_pieces, get_device


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Learn subwords from a text.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options of the data."""
    group = parser.add_argument_group('data')
    group.add_argument('--train_fn', default='sample.train.tsv', help='the text')
    add_column_option(group, default=1)
    add_encoding(group)
    group.add_argument('--raw', action='store_true', help='all lines are raw text')


def add_training_options(parser):
    """Add the options of the training."""
    option = parser.add_argument_group('training').add_argument
    option('--n_merges', type=number(int, 0), default=8000, help='for bpe')
    count_help = 'for bpe: a pair that occurs less often is not merged'
    option('--min_count', type=number(int, 1), default=2, help=count_help)
    option('--vocab_size', type=number(int, 1), default=8000, help='for sentencepiece')
    verbose_help = '0: silent, 1: a line every 500 merges, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)


def add_model_options(parser):
    """Add the options of the model."""
    option = parser.add_argument_group('model').add_argument
    bpe = {'choices': ['bpe', 'sentencepiece'], 'default': 'bpe'}
    option('--engine', **bpe, help='bpe: written out here, sentencepiece: the library')
    unigram = {'choices': ['unigram', 'bpe'], 'default': 'unigram'}
    option('--model_type', **unigram, help='for sentencepiece')


def main(config):
    """Learn from the words of a text, and save the model."""
    from trainer import count_words, get_stages, get_trainer

    check_model_fn(config.model_fn)
    get_device(config.gpu_id)

    # Data
    texts = read_texts(config.column, config.train_fn, config.encoding)
    words = count_words(texts, config.train_fn, config.raw)
    log(f'{config.train_fn}: {sum(words.values())} words, {len(words)} different ones')

    # Trainer
    trainer = get_trainer(config)
    try:
        trainer.train(words)
    finally:
        # After Ctrl-C too, the merges so far are saved.
        model = trainer.get_model()
        if model:
            checkpoint = {
                'chapter': '08_preprocessing',
                'config': vars(config),
                'model': model.state_dict(),
            }
            save_checkpoint(checkpoint, config.model_fn)
            picture_fn = Path(config.model_fn).with_suffix('.png')
            stages = get_stages(model, words, trainer.history)
            draw_pieces(stages, picture_fn, trainer.history)
            log(f'saved: {config.model_fn} of {len(model.vocabulary)} pieces')


if __name__ == '__main__':
    run(main, define_argparser())
