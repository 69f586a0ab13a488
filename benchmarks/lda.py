"""Seconds for 10 passes of LDA: the three engines of appendix_lda, on the same counts.

    python benchmarks/lda.py                           # 300 news repeated to 2,000
    python benchmarks/lda.py --train_fn documents.txt  # one's own, one a line
    python benchmarks/lda.py --train_fn documents.txt --lang ko

Batch updates, 20 topics, the same start, and the same limits of the E-step for all
three: 100 iterations, a mean change of 0.001. They take turns; the median of each is
printed with its held-out perplexity.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
from chapters import importable, load_chapter  # noqa: E402

ENGINES = ['torch', 'sklearn', 'gensim']


def get_counts(chapter, config):
    """Return the training counts, repeated or cut to n_documents, and the halves."""
    options = ['--min_document_freq', '3', *config.options]
    if config.train_fn:
        options += ['--train_fn', config.train_fn]
    data_config = chapter.train.define_argparser().parse_args(options)
    _, _, counts, seen, unseen, vocabulary = chapter.data_loader.get_data(data_config)
    rows = torch.arange(config.n_documents).remainder(counts.shape[0]).numpy()
    return counts[rows], seen, unseen, vocabulary


def measure(chapter, engine, data, config):
    """Return the seconds of all passes, and the held-out perplexity after them."""
    counts, seen, unseen, vocabulary = data
    options = ['--engine', engine, '--update', config.update]
    options += ['--n_topics', str(config.n_topics), '--batch_size', '256']
    train_config = chapter.train.define_argparser().parse_args(options)
    train_config.alpha = train_config.eta = 1 / config.n_topics
    model = chapter.model.get_model(vars(train_config), len(vocabulary))
    model = model.to(config.device)
    engine = chapter.trainer.get_engine(model, counts.shape[0], train_config)
    batch_size = chapter.trainer.get_batch_size(counts.shape[0], train_config)

    begin = time.perf_counter()
    for _ in range(config.n_epochs):
        for i in range(0, counts.shape[0], batch_size):
            engine.update(counts[i : i + batch_size])
    seconds = time.perf_counter() - begin
    return seconds, chapter.trainer.get_perplexity(model, seen, unseen)


def main():
    """Measure the engines in turns."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--train_fn')
    parser.add_argument('--n_documents', type=int, default=2000)
    parser.add_argument('--n_topics', type=int, default=20)
    parser.add_argument('--n_epochs', type=int, default=10)
    parser.add_argument('--n_repeats', type=int, default=3)
    parser.add_argument('--update', choices=['batch', 'online'], default='batch')
    parser.add_argument('--device', default='cpu')
    config, config.options = parser.parse_known_args()

    chapter = load_chapter('appendix_lda')
    with importable(chapter):
        data = get_counts(chapter, config)
        n_documents, vocabulary_size = data[0].shape
        print(
            f'{n_documents} documents of {data[0].sum() / n_documents:.0f} words, '
            f'{vocabulary_size} words known, {config.n_topics} topics, '
            f'{config.n_epochs} passes, {config.update}, '
            f'torch {torch.__version__} with {torch.get_num_threads()} threads'
        )
        results = {engine: [] for engine in ENGINES}
        for _ in range(config.n_repeats):
            for engine, rows in results.items():
                rows.append(measure(chapter, engine, data, config))

    base = statistics.median(seconds for seconds, _ in results['torch'])
    for engine, rows in results.items():
        seconds = statistics.median(seconds for seconds, _ in rows)
        print(
            f'{engine:8} {seconds:7.2f} s  ({seconds / base:.2f} x torch)  '
            f'perplexity {rows[0][1]:.1f}'
        )


if __name__ == '__main__':
    main()
