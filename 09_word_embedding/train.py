"""Train word vectors that know the parts of words: FastText, through gensim.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --train_fn my_texts.txt --model cbow
    python train.py --model_fn model.pth --train_fn ratings.tsv --column 1 --lang ko

This file is the table of contents: device, data, model, trainer, save.
"""

from pathlib import Path

from utils import (
    check_model_fn,
    draw_learning_curve,
    get_argparser,
    get_device,
    log,
    number,
    run,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train word vectors with FastText.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options that say what to learn from."""
    p = parser.add_argument_group('data')
    p.add_argument(
        '--train_fn',
        help='text file, a text a line; None: lee_background.cor, news, of gensim',
    )
    p.add_argument(
        '--column',
        type=number(int, 0),
        help='column of a file with tabs, from 0; None: the whole line',
    )
    p.add_argument(
        '--lang',
        choices=['en', 'ko'],
        default='en',
        help='en: words in lower case, ko: morphemes, by Kiwi',
    )
    p.add_argument(
        '--min_count', type=number(int, 1), default=5, help='leave out rarer words'
    )
    p.add_argument(
        '--valid_ratio',
        type=number(float, 0.001, 0.9),
        default=0.05,
        help='share of the texts to measure the loss on',
    )


def add_training_options(parser):
    """Add the options that say how to learn."""
    p = parser.add_argument_group('training')
    p.add_argument(
        '--seed', type=number(int, 0), default=0, help='of all that is random'
    )
    p.add_argument('--n_epochs', type=number(int, 1), default=30, help='times all data')
    p.add_argument(
        '--batch_size',
        type=number(int, 1),
        default=10_000,
        help='words that a worker gets at a time, with one learning rate',
    )
    p.add_argument(
        '--lr', type=number(float, 0.0), default=0.025, help='it falls in a line to 0'
    )
    p.add_argument(
        '--verbose',
        type=int,
        choices=[0, 1, 2],
        default=2,
        help='0: silent, 1: a line an epoch, 2: a progress bar too',
    )
    p.add_argument(
        '--n_workers',
        type=number(int, 1, 1024),
        default=1,
        help='threads; with more than one, no two runs give the same vectors',
    )


def add_model_options(parser):
    """Add the options that say what kind of vectors are learned."""
    p = parser.add_argument_group('model')
    p.add_argument(
        '--model',
        choices=['skipgram', 'cbow'],
        default='skipgram',
        help='skipgram: neighbours from a word, cbow: a word from its neighbours',
    )
    p.add_argument(
        '--word_vec_size', type=number(int, 1, 10_000), default=100, help='of a vector'
    )
    p.add_argument(
        '--window', type=number(int, 1, 1000), default=5, help='words on each side'
    )
    p.add_argument(
        '--n_negatives', type=number(int, 1, 1000), default=5, help='noise words'
    )
    p.add_argument(
        '--sample',
        type=number(float, 0.0, 1.0),
        default=1e-3,
        help='share of the text above which a word becomes rarer; 0: none does',
    )
    p.add_argument(
        '--min_n', type=number(int, 1, 100), default=3, help='letters of an n-gram'
    )
    p.add_argument(
        '--max_n',
        type=number(int, 0, 100),
        default=6,
        help='letters of an n-gram at most; 0: no n-grams',
    )
    p.add_argument(
        '--n_buckets',
        type=number(int, 1, 100_000_000),
        default=50_000,
        help='vectors that all n-grams share, by hashing',
    )


def main(config):
    """Train and save word vectors."""
    from data_loader import get_examples, load_sentences
    from model import build_vocabulary, get_counts, get_model
    from trainer import Trainer

    check_model_fn(config.model_fn)
    device = get_device(config.gpu_id)

    # Data
    train_sentences, valid_sentences = load_sentences(config)

    # Model
    model = get_model(config)
    build_vocabulary(model, train_sentences)
    counts = get_counts(model)
    log(f'{len(counts)} words occur {config.min_count} times or more')

    # Trainer
    examples = get_examples(valid_sentences, counts, config)
    trainer = Trainer(model, examples, device, config)
    try:
        trainer.train(train_sentences)
    finally:
        if trainer.history['valid_loss']:
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)
            log(f'saved: {config.model_fn}, learning curve: {picture_fn}')


if __name__ == '__main__':
    run(main, define_argparser())
