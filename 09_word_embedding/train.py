"""Train word vectors that know the parts of words: FastText, through gensim.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --train_fn my_texts.txt --model cbow
    python train.py --model_fn model.pth --train_fn ratings.tsv --column 1 --lang ko

This file is the table of contents: device, data, model, trainer, save.
"""

from pathlib import Path

from guards import add_encoding, check_model_fn, get_argparser, log, number, run
from tables import add_column_option
from utils import draw_learning_curve, get_device


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train word vectors with FastText.')
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
    count, rate, threads = number(int, 1), number(float, 0), number(int, 1, 1024)
    option('--batch_size', type=count, default=10_000, help='words a thread gets')
    option('--lr', type=rate, default=0.025, help='learning rate; falls linearly to 0')
    verbose_help = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)
    option('--n_workers', type=threads, default=1, help='threads; only 1 is repeatable')


def add_model_options(parser):
    """Add the options of the model."""
    option = parser.add_argument_group('model').add_argument
    kinds = {'choices': ['skipgram', 'cbow'], 'default': 'skipgram'}
    option('--model', **kinds, help='cbow: predict a word from its neighbours')
    size, share = number(int, 1, 10_000), number(float, 0, 1)
    option('--word_vec_size', type=size, default=100, help='size of a vector')
    option('--window', type=number(int, 1, 1000), default=5, help='words on each side')
    option('--n_negatives', type=number(int, 1, 1000), default=5, help='noise words')
    option('--sample', type=share, default=1e-3, help='subsample above this share')
    option('--min_n', type=number(int, 1, 100), default=3, help='letters of an n-gram')
    option('--max_n', type=number(int, 0, 100), default=6, help='0: no n-grams')
    option('--n_buckets', type=number(int, 1, 10**8), default=50_000, help='of n-grams')


def main(config):
    """Train and save word vectors."""
    from data_loader import load_sentences
    from model import build_vocabulary, get_examples, get_model
    from trainer import Trainer

    check_model_fn(config.model_fn)
    device = get_device(config.gpu_id)

    # Data
    train_sentences, valid_sentences = load_sentences(config)

    # Model
    model = get_model(config)
    counts = build_vocabulary(model, train_sentences)
    log(f'{len(counts)} words occur {config.min_count} times or more')

    # Trainer
    examples = get_examples(valid_sentences, counts, config)
    trainer = Trainer(model, examples, device, config)
    try:
        trainer.train(train_sentences)
    finally:
        if trainer.history['valid_loss']:
            log(f'saved: {config.model_fn}')
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)


if __name__ == '__main__':
    run(main, define_argparser())
