"""Seconds and memory of chapter 08: learning subwords, and each filter on a long text.

    python benchmarks/subwords.py reviews.tsv --column 1

First, 8,000 merges and 8,000 pieces are learned from the text: by the chapter, and by
SentencePiece on one thread, through the chapter and by itself. Then the text, repeated
up to so many lines, goes through one filter after the other, and in the end is compared
with what went in. Each row is a process of its own, with its peak of memory.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = ROOT / '08_preprocessing'

SENTENCEPIECE = """\
import sys
import sentencepiece
sentencepiece.SentencePieceTrainer.train(
    input=sys.argv[1], model_prefix=sys.argv[2], model_type=sys.argv[3],
    vocab_size=8000, num_threads=1, minloglevel=2)
"""


def measure(name, *arguments, stdin=None, stdout=None, folder=CHAPTER):
    """Run Python, and print a row of the table."""
    start = time.perf_counter()
    with open(stdin or os.devnull, 'rb') as source, open(stdout, 'wb') as target:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=folder,
            stdin=source,
            stdout=target,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    print(
        f'{name:34} {seconds:8.1f} s  {usage.ru_utime + usage.ru_stime:8.1f} s of CPU  '
        f'{usage.ru_maxrss / 1024:8.0f} MB  exit status {process.returncode}',
        flush=True,
    )
    return seconds


def get_texts(fn, column):
    """Yield the texts of a file, their spaces normalised."""
    with open(fn, encoding='utf-8', newline='\n') as file:
        for line in file:
            cells = line.rstrip('\n').split('\t')
            yield ' '.join(cells[column].split())


def measure_learning(fn, column, folder):
    """Learn by all engines."""
    data = ['--train_fn', fn, '--column', column, '--verbose', 0]
    model = ['--model_fn', folder / 'bpe.pth']
    measure('bpe, written out', 'train.py', *data, *model, stdout=os.devnull)
    text_fn = folder / 'text.txt'
    text_fn.write_text('\n'.join(get_texts(fn, column)), encoding='utf-8')
    for kind in ('bpe', 'unigram'):
        model = ['--engine', 'sentencepiece', '--model_type', kind]
        model += ['--model_fn', folder / f'{kind}.pth']
        name = f'sentencepiece {kind}'
        measure(name, 'train.py', *data, *model, stdout=os.devnull)
        arguments = ['-c', SENTENCEPIECE, text_fn, folder / kind, kind]
        measure(f'{name}, by itself', *arguments, stdout=os.devnull)


def repeat_lines(fn, n_lines, long_fn):
    """Write the lines of a file, again and again, up to so many."""
    with open(fn, 'rb') as source, open(long_fn, 'wb') as target:
        lines = source.read().splitlines(keepends=True)
        target.writelines(itertools.islice(itertools.cycle(lines), n_lines))


def measure_filters(fn, column, n_lines, steps, folder):
    """Send a text through filters, and compare what comes out with what went in.

    What the first one, refine, has put out counts as what went in.
    """
    fns = [folder / f'step{number}' for number in range(len(steps) + 1)]
    repeat_lines(fn, n_lines, fns[0])
    print(f'{n_lines} lines, {fns[0].stat().st_size / 1e6:.0f} MB:')
    for (name, *arguments), before, after in zip(steps, fns, fns[1:], strict=False):
        seconds = measure(name, *arguments, stdin=before, stdout=after)
        print(f'{"":34} {n_lines / seconds:8.0f} lines/s', flush=True)
    compare(fns[1], fns[-1], column)


def compare(fn, other_fn, column):
    """Print how many texts of two files are the same but for their spaces."""
    n_lines = n_equal = 0
    texts, others = get_texts(fn, column), get_texts(other_fn, column)
    for text, other in zip(texts, others, strict=True):
        n_lines += 1
        n_equal += text == other
    print(f'{n_equal} of {n_lines} texts have come back', flush=True)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('text_fn', type=lambda fn: Path(fn).resolve())
    parser.add_argument('--column', type=int, default=1)
    parser.add_argument('--lang', default='ko')
    parser.add_argument('--n_lines', type=int, default=1_000_000, help='without Kiwi')
    parser.add_argument('--n_tokenized', type=int, default=100_000, help='with Kiwi')
    config = parser.parse_args()

    column = ['--column', config.column]
    refine = ('refine', 'refine.py', 'rules.tsv', config.column)
    tokenizer = ('tokenizer', 'tokenizer.py', '--lang', config.lang, *column)
    detokenizer = ('detokenizer', 'detokenizer.py', *column)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        data = config.text_fn, config.column
        measure_learning(*data, folder)
        predict = ('predict', 'predict.py', *column, '--model_fn', folder / 'bpe.pth')
        steps = [refine, tokenizer, predict, detokenizer]
        measure_filters(*data, config.n_tokenized, steps, folder)
        for kind in ('bpe', 'unigram'):
            predict = (f'predict, {kind}', 'predict.py', '--raw', *column)
            predict += ('--model_fn', folder / f'{kind}.pth')
            steps = [refine, predict, detokenizer]
            measure_filters(*data, config.n_lines, steps, folder)


if __name__ == '__main__':
    main()
