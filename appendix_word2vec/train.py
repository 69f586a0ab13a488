"""Train word vectors with skip-gram or CBOW and negative sampling, written out.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --train_fn my_texts.txt --model cbow
    python train.py --model_fn model.pth --train_fn ratings.tsv --column 1 --lang ko
    python train.py --model_fn model.pth --vectors_fn vectors.txt

This file is the table of contents: device, data, model, optimizer, trainer, save.
"""

import argparse
from pathlib import Path

from guards import check_model_fn, get_argparser, log, number, run
from utils import draw_learning_curve, get_device, set_seed


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train word vectors with word2vec.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options that say what to learn from."""
    option = parser.add_argument_group('data').add_argument
    train_help = 'text file, a text a line; None: lee_background.cor, news, of gensim'
    option('--train_fn', help=train_help)
    column_help = 'column of a file with tabs, from 0; None: the whole line'
    option('--column', type=number(int, 0), help=column_help)
    lang_help = 'en: words in lower case, ko: morphemes, by Kiwi'
    option('--lang', choices=['en', 'ko'], default='en', help=lang_help)
    count_help = 'leave out rarer words'
    option('--min_count', type=number(int, 1), default=5, help=count_help)
    ratio, ratio_help = number(float, 0.001, 0.9), 'share of the texts for validation'
    option('--valid_ratio', type=ratio, default=0.05, help=ratio_help)


def add_training_options(parser):
    """Add the options that say how to train."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=30, help='passes over the text')
    batch_help = 'words a step; fewer if one word makes up much of the text'
    option('--batch_size', type=number(int, 1), default=2048, help=batch_help)
    lr_help = 'learning rate; it falls linearly to 0'
    option('--lr', type=number(float, 0), default=0.025, help=lr_help)
    verbose_help = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)
    fast_help = 'the gradients of fast.py; else autograd'
    option(
        '--fast', action=argparse.BooleanOptionalAction, default=True, help=fast_help
    )
    block_help = 'fast: words that share their noise words'
    option('--block_size', type=number(int, 1, 10_000), default=32, help=block_help)
    noise_help = 'fast: noise words of a block, weighted as --n_negatives for each pair'
    option('--n_noise', type=number(int, 1, 10_000), default=16, help=noise_help)
    option('--vectors_fn', help="text file of word2vec's format, too; None: none")


def add_model_options(parser):
    """Add the options that say which vectors are trained."""
    option = parser.add_argument_group('model').add_argument
    model_help = 'skipgram: neighbours from a word, cbow: a word from its neighbours'
    kinds = ['skipgram', 'cbow']
    option('--model', choices=kinds, default='skipgram', help=model_help)
    size_help = 'size of a vector'
    option('--word_vec_size', type=number(int, 1, 10_000), default=100, help=size_help)
    window_help = 'words on each side'
    option('--window', type=number(int, 1, 1000), default=5, help=window_help)
    negatives_help = 'noise words of each pair'
    option('--n_negatives', type=number(int, 1, 1000), default=5, help=negatives_help)
    sample_help = 'share of the text above which a word is thinned out; 0: none is'
    option('--sample', type=number(float, 0, 1), default=1e-3, help=sample_help)


def main(config):
    """Train and save word vectors."""
    from torch import optim

    from data_loader import count_words, load_sentences
    from model import load_vectors, save_text_vectors

    if config.fast:
        from fast import Trainer, get_model
    else:
        from model import get_model
        from trainer import Trainer

    check_model_fn(config.model_fn)
    if config.vectors_fn:
        check_model_fn(config.vectors_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    train_sentences, valid_sentences = load_sentences(config)
    counts = count_words(train_sentences, config.min_count)
    log(f'{len(counts)} words occur {config.min_count} times or more')

    # Model and optimizer
    model = get_model(config, len(counts)).to(device)
    optimizer = optim.SGD(model.parameters(), lr=config.lr)

    # Trainer
    checkpoint = {
        'chapter': 'appendix_word2vec',
        'config': vars(config),
        'words': list(counts),
    }
    trainer = Trainer(model, optimizer, counts, checkpoint)
    try:
        trainer.train(train_sentences, valid_sentences)
    finally:
        if trainer.history['train_loss']:
            log(f'saved: {config.model_fn}')
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)
            if config.vectors_fn:
                save_text_vectors(load_vectors(config.model_fn), config.vectors_fn)


if __name__ == '__main__':
    run(main, define_argparser())
