"""Learn the topics of documents from counts of their words.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --engine gensim
    python train.py --model_fn model.pth --engine lsa
    python train.py --model_fn model.pth --train_fn reviews.txt --lang ko

This file is the table of contents: device, data, model, engine, trainer, save.
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
from tables import add_column_option
from utils import (
    draw_topics,
    get_beginning,
    get_coherence,
    get_device,
    print_topics,
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
    group = parser.add_argument_group('data')
    option = group.add_argument
    train_help = 'documents, one a line; None: 300 news articles that gensim ships'
    option('--train_fn', help=train_help)
    add_column_option(group)
    add_encoding(group)
    lang_help = 'en: words, ko: nouns, by Kiwi'
    option('--lang', choices=['en', 'ko'], default='en', help=lang_help)
    option('--stop_fn', help='additional stop words, separated by spaces or lines')
    min_help = 'leave out words of fewer documents'
    option('--min_document_freq', type=number(int, 1), default=5, help=min_help)
    ratio, max_help = number(float, 0.001, 1), 'leave out words of a greater share'
    option('--max_document_ratio', type=ratio, default=0.5, help=max_help)
    ratio, valid_help = number(float, 0.01, 0.9), 'share of the documents to hold out'
    option('--valid_ratio', type=ratio, default=0.2, help=valid_help)


def add_training_options(parser):
    """Add the options that say how to train."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=20, help='passes over the data')
    update_help = 'batch: one update an epoch, online: one for --batch_size documents'
    option('--update', choices=['batch', 'online'], default='online', help=update_help)
    batch_help = 'documents of an online update'
    option('--batch_size', type=number(int, 1), default=64, help=batch_help)
    offset_help = 'the n-th online update has the weight (offset + n) ** -decay'
    option('--offset', type=number(float, 0), default=10.0, help=offset_help)
    option('--decay', type=number(float, 0.5, 1), default=0.7, help='see --offset')
    verbose_help = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)


def add_model_options(parser):
    """Add the options that say which model is trained, and by which engine."""
    option = parser.add_argument_group('model').add_argument
    engines = ['torch', 'sklearn', 'gensim', 'lsa']
    engine_help = 'LDA written out or by a library, or LSA to compare with'
    option('--engine', choices=engines, default='torch', help=engine_help)
    option('--n_topics', type=number(int, 2, 1000), default=10, help='number of topics')
    prior = number(float, 1e-6, 1e6)
    option('--alpha', type=prior, help='prior of mixtures; None: 1 / n_topics')
    option('--eta', type=prior, help='prior of topics; None: 1 / n_topics')
    words_help = 'words of each topic to print'
    option('--n_words', type=number(int, 2, 1000), default=10, help=words_help)


def main(config):
    """Learn topics, and save them with all that predict.py needs."""
    from data_loader import get_data
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
        # After Ctrl-C too, the topics so far are saved.
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
            log(f'saved: {config.model_fn}')
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_topics(model, vocabulary, picture_fn, trainer.history)

    # Result
    print_topics(model, vocabulary, config.n_words)
    if trainer.history:
        print(f'perplexity: {trainer.history[-1]:.2f}')
    print(f'coherence: {get_coherence(model, vocabulary, words):.4f}')


if __name__ == '__main__':
    run(main, define_argparser())
