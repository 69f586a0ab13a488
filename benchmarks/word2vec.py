"""Words a second and quality of appendix_word2vec, beside gensim and a plain loop.

    python benchmarks/word2vec.py my_texts.en more_texts.en
    python benchmarks/word2vec.py my_texts.en --models skipgram --n_seeds 1

All train on the same text, gensim's lee_background.cor and the files of the command
line, repeated to five million words, with the same settings. One sentence of twenty is
held out. The times are those of training from lists of words, without counting them:

- ours: an epoch of the Trainer of fast.py, which has two threads.
- plain: an epoch of the Trainer of trainer.py, as with --no-fast, on one seed, on the
  first --n_plain_words words of the text.
- gensim: Word2Vec.train() with two workers.
- loop: a step of PyTorch for each pair of words, as tutorials show it, on the first
  words of the text, with the dense gradients that nn.Embedding has by default.
- sparse loop: the same with nn.Embedding(sparse=True).

The loss is that of negative sampling on the sentences held out, the same examples and
noise for all; wordsim353 is Spearman's correlation over the pairs that all know.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from gensim.models import KeyedVectors, Word2Vec
from gensim.test.utils import datapath
from torch import nn, optim
from torch.nn import functional

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
from chapters import importable, load_chapter  # noqa: E402


def read_corpus(chapter, fns, n_words):
    """Return sentences of that many words or more, and those held out."""
    sentences = []
    for fn in [*fns, datapath('lee_background.cor')]:
        texts = chapter.tables.read_texts(-1, fn)
        sentences += filter(None, chapter.data_loader.tokenize_english(texts))
    train = [words for number, words in enumerate(sentences) if number % 20]
    n_repeats = -(-n_words // sum(map(len, train)))
    return train * n_repeats, sentences[::20]


def get_config(chapter, model, seed):
    """Return the chapter's options: its defaults, for one epoch."""
    options = ['--model', model, '--seed', str(seed), '--n_epochs', '1']
    options += ['--verbose', '0', '--gpu_id', '-1']
    return chapter.train.define_argparser().parse_args(options)


def train_ours(chapter, config, sentences, counts, form='fast'):
    """Return seconds, and the vectors in the order of counts."""
    trainer_module = chapter.fast if form == 'fast' else chapter.trainer
    model_module = chapter.fast if form == 'fast' else chapter.model
    torch.manual_seed(config.seed)
    model = model_module.get_model(config, len(counts))
    optimizer = optim.SGD(model.parameters(), lr=config.lr)
    checkpoint = {'config': vars(config)}
    start = time.perf_counter()
    trainer = trainer_module.Trainer(model, optimizer, counts, checkpoint)
    trainer._train(sentences, epoch=1)
    seconds = time.perf_counter() - start
    return seconds, (model.in_vectors.data, model.out_vectors.data)


def train_gensim(chapter, config, sentences, counts):
    """Return seconds, and the vectors in the order of counts."""
    model = Word2Vec(
        vector_size=config.word_vec_size,
        sg=int(config.model == 'skipgram'),
        window=config.window,
        negative=config.n_negatives,
        sample=config.sample,
        min_count=config.min_count,
        alpha=config.lr,
        workers=2,
        seed=config.seed,
    )
    model.build_vocab(sentences)
    start = time.perf_counter()
    model.train(sentences, total_examples=model.corpus_count, epochs=1)
    seconds = time.perf_counter() - start
    order = [model.wv.key_to_index[word] for word in counts]
    vectors = model.wv.vectors[order], model.syn1neg[order]
    return seconds, tuple(torch.from_numpy(matrix) for matrix in vectors)


class TutorialSkipGram(nn.Module):
    """Skip-gram as tutorials have it."""

    def __init__(self, vocabulary_size, word_vec_size, sparse):
        super().__init__()
        self.centre = nn.Embedding(vocabulary_size, word_vec_size, sparse=sparse)
        self.context = nn.Embedding(vocabulary_size, word_vec_size, sparse=sparse)

    def forward(self, centre, context, noise):
        v = self.centre(centre)
        true = functional.logsigmoid((v * self.context(context)).sum(-1))
        false = functional.logsigmoid(-(self.context(noise) @ v.squeeze(0)))
        return -(true.sum() + false.sum())


def time_loop(chapter, config, sentences, counts, n_words, sparse):
    """Return the words a second of a step for each pair of words."""
    numbers = {word: number for number, word in enumerate(counts)}
    all_counts = torch.tensor(list(counts.values()))
    noise_p = chapter.model.get_noise_p(all_counts).float()
    keep_p = chapter.model.get_keep_p(all_counts, config.sample)
    model = TutorialSkipGram(len(counts), config.word_vec_size, sparse)
    optimizer = optim.SGD(model.parameters(), lr=config.lr)
    n_done, start = 0, time.perf_counter()
    for sentence in sentences:
        words = [numbers[word] for word in sentence if word in numbers]
        words = [word for word in words if torch.rand(1) < keep_p[word]]
        for i, word in enumerate(words):
            size = int(torch.randint(1, config.window + 1, (1,)))
            for other in words[max(0, i - size) : i] + words[i + 1 : i + 1 + size]:
                noise = torch.multinomial(noise_p, config.n_negatives, replacement=True)
                optimizer.zero_grad()
                loss = model(torch.tensor([word]), torch.tensor([other]), noise)
                loss.backward()
                optimizer.step()
        n_done += len(sentence)
        if n_done >= n_words:
            break
    return n_done / (time.perf_counter() - start)


def get_quality(chapter, config, vectors, counts, held_out):
    """Return the loss of what was held out, and the correlation with people."""
    examples = chapter.model.get_examples(
        held_out, counts, SimpleNamespace(**vars(config) | {'seed': 0})
    )
    model = chapter.model.get_model(config, len(counts))
    names = 'in_vectors', 'out_vectors'
    model.load_state_dict(dict(zip(names, vectors, strict=True)))
    trainer = chapter.trainer.Trainer(model, None, counts, {'config': vars(config)})
    loss = trainer._validate(examples)
    keyed = KeyedVectors(config.word_vec_size)
    keyed.add_vectors(list(counts), vectors[0].numpy())
    pairs = keyed.evaluate_word_pairs(datapath('wordsim353.tsv'))
    return loss, pairs[1][0]


def measure(chapter, kind, sentences, held_out, n_seeds):
    """Print the rows of one kind of model."""
    n_words = sum(map(len, sentences))
    ways = {'ours': train_ours, 'gensim': train_gensim}
    rows = {way: [] for way in ways}
    for seed in range(1, n_seeds + 1):
        config = get_config(chapter, kind, seed)
        counts = chapter.data_loader.count_words(sentences, config.min_count)
        for way, train in ways.items():
            seconds, vectors = train(chapter, config, sentences, counts)
            quality = get_quality(chapter, config, vectors, counts, held_out)
            rows[way].append((n_words / seconds, *quality))
            print(f'# {kind} {way} seed {seed}: {rows[way][-1]}', flush=True)
    speed = {
        way: statistics.median(row[0] for row in rows_) for way, rows_ in rows.items()
    }
    for way, rows_ in rows.items():
        loss, spearman = (
            statistics.mean(row[column] for row in rows_) for column in (1, 2)
        )
        print(
            f'{kind:9} {way:11} {speed[way]:9,.0f} words/s '
            f'({speed["ours"] / speed[way]:.2f})  loss {loss:.4f}  '
            f'wordsim353 {spearman:.4f}',
            flush=True,
        )
    return speed['ours']


def main():
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('fns', nargs='*', help='English texts')
    parser.add_argument('--models', nargs='+', default=['skipgram', 'cbow'])
    parser.add_argument('--n_words', type=int, default=5_000_000)
    parser.add_argument('--n_loop_words', type=int, default=1000)
    parser.add_argument('--n_plain_words', type=int, default=500_000)
    parser.add_argument('--n_seeds', type=int, default=3)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    chapter = load_chapter('appendix_word2vec')
    with importable(chapter):
        sentences, held_out = read_corpus(chapter, arguments.fns, arguments.n_words)
        n_words = sum(map(len, sentences))
        print(f'{n_words:,} words', flush=True)
        for kind in arguments.models:
            ours = measure(chapter, kind, sentences, held_out, arguments.n_seeds)
            if kind != 'skipgram' or arguments.n_loop_words == 0:
                continue
            config = get_config(chapter, kind, 1)
            counts = chapter.data_loader.count_words(sentences, config.min_count)
            plain = sentences[: arguments.n_plain_words * len(sentences) // n_words]
            seconds, _ = train_ours(chapter, config, plain, counts, form='plain')
            speed = sum(map(len, plain)) / seconds
            print(f'{kind:9} {"plain":11} {speed:9,.0f} words/s ({ours / speed:.2f})')
            for name, sparse in (('loop', False), ('sparse loop', True)):
                speed = time_loop(
                    chapter, config, sentences, counts, arguments.n_loop_words, sparse
                )
                print(f'{kind:9} {name:11} {speed:9,.0f} words/s ({ours / speed:.2f})')


if __name__ == '__main__':
    main()
