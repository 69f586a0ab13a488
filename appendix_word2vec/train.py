"""Train word vectors with skip-gram or CBOW and negative sampling, written out.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --train_fn my_texts.txt --model cbow
    python train.py --model_fn model.pth --train_fn ratings.tsv --column 1 --lang ko
    python train.py --model_fn model.pth --vectors_fn vectors.txt

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
    set_seed,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train word vectors with word2vec.')
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
        default=2048,
        help='words a step; fewer if one word makes up much of the text',
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
        '--block_size',
        type=number(int, 1, 10_000),
        default=32,
        help='words of a step that share their noise',
    )
    p.add_argument(
        '--n_noise',
        type=number(int, 1, 10_000),
        default=16,
        help='noise words of a block, weighted as --n_negatives for each pair',
    )
    p.add_argument(
        '--vectors_fn', help="text file of word2vec's format, too; None: no such file"
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


def main(config):
    """Train and save word vectors."""
    from data_loader import BlockDataset, count_words, get_examples, load_sentences
    from model import get_model, load_vectors, save_text_vectors
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
    examples = get_examples(valid_sentences, counts, config)
    dataset = BlockDataset(train_sentences, counts, config, device)

    # Model
    model = get_model(config, len(counts)).to(device)

    # Trainer
    checkpoint = {
        'chapter': 'appendix_word2vec',
        'config': vars(config),
        'words': list(counts),
    }
    trainer = Trainer(model, examples, checkpoint)
    try:
        trainer.train(dataset)
    finally:
        if trainer.history['train_loss']:
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)
            log(f'saved: {config.model_fn}, learning curve: {picture_fn}')
            if config.vectors_fn:
                save_text_vectors(load_vectors(config.model_fn), config.vectors_fn)


if __name__ == '__main__':
    run(main, define_argparser())
