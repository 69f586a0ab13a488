"""Learn subwords from a text.

    python train.py --model_fn bpe.pth
    python train.py --model_fn bpe.pth --train_fn nsmc.train.tsv --column 1
    python train.py --model_fn spm.pth --engine sentencepiece --model_type unigram

This file is the table of contents: device, data, trainer, save.
"""

from pathlib import Path

from filters import add_column_option
from utils import (
    check_model_fn,
    get_argparser,
    get_device,
    log,
    number,
    run,
    save_checkpoint,
)

SAMPLE_FN = 'sample.train.tsv'


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Learn subwords from a text.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options that say what to learn from."""
    p = parser.add_argument_group('data')
    p.add_argument('--train_fn', default=SAMPLE_FN, help='text to learn from')
    add_column_option(p, default=1)
    p.add_argument(
        '--raw',
        action='store_true',
        help="take the text for raw, even if it looks like tokenizer.py's tokens",
    )


def add_training_options(parser):
    """Add the options that say how to learn."""
    p = parser.add_argument_group('training')
    p.add_argument('--n_merges', type=number(int, 0), default=8000, help='for bpe')
    p.add_argument(
        '--min_count',
        type=number(int, 1),
        default=2,
        help='for bpe: a pair that occurs less often is not merged',
    )
    p.add_argument(
        '--vocab_size', type=number(int, 1), default=8000, help='for sentencepiece'
    )
    p.add_argument(
        '--verbose',
        type=int,
        choices=[0, 1, 2],
        default=2,
        help='0: silent, 1: a line now and then, 2: a progress bar too',
    )


def add_model_options(parser):
    """Add the options that say what kind of model learns."""
    p = parser.add_argument_group('model')
    p.add_argument(
        '--engine',
        choices=['bpe', 'sentencepiece'],
        default='bpe',
        help='bpe is written out here, sentencepiece is a library',
    )
    p.add_argument(
        '--model_type',
        choices=['unigram', 'bpe'],
        default='unigram',
        help='for sentencepiece',
    )


def main(config):
    """Learn from the words of a text, and save the model."""
    from data_loader import count_words
    from drawing import draw_subwords
    from trainer import get_trainer

    check_model_fn(config.model_fn)
    get_device(config.gpu_id)

    # Data
    words = count_words(config.train_fn, config.column, config.raw)
    log(f'{config.train_fn}: {sum(words.values())} words, {len(words)} different ones')

    # Trainer
    trainer = get_trainer(config)
    try:
        trainer.train(words)
    finally:
        model = trainer.get_model()
        if model:
            checkpoint = {
                'chapter': '08_preprocessing',
                'config': vars(config),
                'model': model.state_dict(),
            }
            save_checkpoint(checkpoint, config.model_fn)
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_subwords(model, words, trainer.history, picture_fn)
            log(
                f'saved: {config.model_fn} of {len(model.vocabulary)} pieces, '
                f'picture: {picture_fn}'
            )


if __name__ == '__main__':
    run(main, define_argparser())
