"""Learn the topics of documents from counts of their words.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --engine gensim
    python train.py --model_fn model.pth --engine lsa
    python train.py --model_fn model.pth --train_fn reviews.txt --lang ko

This file is the table of contents: device, data, model, engine, trainer, save.
"""

from pathlib import Path

from utils import (
    check_model_fn,
    draw_topics,
    get_argparser,
    get_beginning,
    get_coherence,
    get_data,
    get_device,
    log,
    number,
    print_topics,
    run,
    save_checkpoint,
    set_seed,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Learn the topics of documents.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options that say what to learn from."""
    p = parser.add_argument_group('data')
    p.add_argument(
        '--train_fn', help='documents, one a line; None: 300 news that gensim ships'
    )
    p.add_argument(
        '--lang',
        choices=['en', 'ko'],
        default='en',
        help='en: words, ko: nouns that Kiwi finds',
    )
    p.add_argument('--stop_fn', help='more words to leave out, one a line')
    p.add_argument(
        '--min_document_freq',
        type=number(int, 1),
        default=5,
        help='leave out words of fewer documents',
    )
    p.add_argument(
        '--max_document_ratio',
        type=number(float, 0.001, 1.0),
        default=0.5,
        help='leave out words of a greater share of the documents',
    )
    p.add_argument(
        '--valid_ratio',
        type=number(float, 0.01, 0.9),
        default=0.2,
        help='share of the documents to hold out',
    )


def add_training_options(parser):
    """Add the options that say how to learn."""
    p = parser.add_argument_group('training')
    p.add_argument(
        '--seed', type=number(int, 0), default=0, help='of all that is random'
    )
    p.add_argument('--n_epochs', type=number(int, 1), default=20, help='times all data')
    p.add_argument(
        '--update',
        choices=['batch', 'online'],
        default='online',
        help='topics change once an epoch, or after --batch_size documents',
    )
    p.add_argument(
        '--batch_size', type=number(int, 1), default=64, help='of online updates'
    )
    p.add_argument(
        '--offset',
        type=number(float, 0.0),
        default=10.0,
        help='the n-th online update goes (offset + n) ** -decay of the way',
    )
    p.add_argument('--decay', type=number(float, 0.5, 1.0), default=0.7, help='see it')
    p.add_argument(
        '--verbose',
        type=int,
        choices=[0, 1, 2],
        default=2,
        help='0: silent, 1: a line an epoch, 2: a progress bar too',
    )


def add_model_options(parser):
    """Add the options that say what is learned, and by what."""
    p = parser.add_argument_group('model')
    p.add_argument(
        '--engine',
        choices=['torch', 'sklearn', 'gensim', 'lsa'],
        default='torch',
        help='LDA written out or by a library, or LSA to compare with',
    )
    p.add_argument('--n_topics', type=number(int, 2, 1000), default=10, help='how many')
    p.add_argument(
        '--alpha',
        type=number(float, 1e-6, 1e6),
        help='prior of mixtures; None: 1 / n_topics',
    )
    p.add_argument(
        '--eta',
        type=number(float, 1e-6, 1e6),
        help='prior of topics; None: 1 / n_topics',
    )
    p.add_argument(
        '--n_words', type=number(int, 2, 1000), default=10, help='of a topic to show'
    )


def main(config):
    """Learn topics, and save them with what is needed to find them again."""
    from model import get_model
    from trainer import Trainer, get_engine, get_mixtures

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    texts, words, counts, seen, unseen, vocabulary = get_data(config)
    log(f'{len(texts)} documents to learn from, {len(vocabulary)} words')

    # Model and engine
    config.alpha = config.alpha or 1 / config.n_topics
    config.eta = config.eta or 1 / config.n_topics
    model = get_model(vars(config), len(vocabulary)).to(device)
    engine = get_engine(model, len(texts), config)

    # Trainer
    trainer = Trainer(model, engine)
    try:
        trainer.train(counts, seen, unseen, config)
    finally:
        # After Ctrl-C too, what has been learned so far is kept.
        if trainer.n_epochs:
            checkpoint = {
                'chapter': 'appendix_lda',
                'model': model.state_dict(),
                'config': vars(config),
                'vocabulary': vocabulary,
                'word_counts': counts.sum(axis=0).tolist(),
                'beginnings': [get_beginning(text) for text in texts],
                'lengths': counts.sum(axis=1).tolist(),
                'mixtures': get_mixtures(model, counts),
            }
            save_checkpoint(checkpoint, config.model_fn)
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_topics(model, vocabulary, picture_fn, trainer.history)
            log(f'saved: {config.model_fn}, picture of the topics: {picture_fn}')

    # Report
    print_topics(model, vocabulary, config.n_words)
    if trainer.history:
        print(f'perplexity: {trainer.history[-1]:.2f}')
    print(f'coherence: {get_coherence(model, vocabulary, words):.4f}')


if __name__ == '__main__':
    run(main, define_argparser())
