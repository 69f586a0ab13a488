"""Train word vectors with skip-gram or CBOW and negative sampling, written out.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --train_fn my_texts.txt --model cbow
    python train.py --model_fn model.pth --train_fn ratings.tsv --column 1 --lang ko
    python train.py --model_fn model.pth --vectors_fn vectors.txt

This file is the table of contents: device, data, model, optimizer, trainer,
save.
"""

import argparse
from pathlib import Path

from guards import add_encoding, check_model_fn, get_argparser, log, number, run
from tables import add_column_option
from utils import draw_learning_curve, get_device, set_seed


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train word vectors with word2vec.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options of the data."""
    group = parser.add_argument_group('data')
    option, ratio = group.add_argument, number(float, 0.001, 0.9)
    option('--train_fn', help="texts, one a line; None: gensim's lee_background.cor")
    add_column_option(group)
    add_encoding(group)
    option('--lang', choices=['en', 'ko'], default='en', help='ko: morphemes, by Kiwi')
    option('--min_count', type=number(int, 1), default=5, help='leave out rarer words')
    option('--valid_ratio', type=ratio, default=0.05, help='of the texts, for the loss')


def add_training_options(parser):
    """Add the options of the training."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=30, help='passes over the texts')
    count, rate = number(int, 1), number(float, 0)
    batch_help = 'words a step, at most; fewer if one word is very frequent'
    option('--batch_size', type=count, default=2048, help=batch_help)
    option('--lr', type=rate, default=0.025, help='learning rate; falls linearly to 0')
    verbose_help = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)
    is_optional = argparse.BooleanOptionalAction
    option(
        '--fast', action=is_optional, default=True, help='the faster forms of fast.py'
    )
    few = number(int, 1, 10_000)
    option('--block_size', type=few, default=32, help='words that share noise words')
    option(
        '--n_noise', type=few, default=16, help='noise words of a block; --fast alone'
    )
    option('--vectors_fn', help="text file of word2vec's format to write, too")


def add_model_options(parser):
    """Add the options of the model."""
    option = parser.add_argument_group('model').add_argument
    kinds = {'choices': ['skipgram', 'cbow'], 'default': 'skipgram'}
    option('--model', **kinds, help='cbow: predict a word from its neighbours')
    size, share = number(int, 1, 10_000), number(float, 0, 1)
    option('--word_vec_size', type=size, default=100, help='size of a vector')
    option('--window', type=number(int, 1, 1000), default=5, help='words on each side')
    option('--n_negatives', type=number(int, 1, 1000), default=5, help='noise words')
    option('--sample', type=share, default=1e-3, help='share of words to subsample')


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
