"""A word is split in another way each time: BPE-dropout."""

from exercises.edits import rewrite, swap
from exercises.kit import run_program

chapter = '08_preprocessing'
kind = 'change'

load = swap('model.py', '', 'import re', 'import random\nimport re')
default = swap(
    'model.py',
    'SubwordModel',
    'max_length = 1000',
    'max_length = 1000\ndropout_p = 0.0',
)
cached = 'len(token) <= self.max_cached_length'
cache = swap(
    'model.py', 'SubwordModel.segment', cached, f'self.dropout_p == 0 and {cached}'
)
body = """
symbols = get_symbols(token)
while True:
    found = set(pairwise(symbols)) & self.ranks.keys()
    pairs = [pair for pair in found if random.random() >= self.dropout_p]
    if not pairs:
        return symbols
    symbols = merge(symbols, min(pairs, key=self.ranks.get))
"""
split = rewrite('model.py', 'BytePairModel.split', body)
option = swap(
    'predict.py',
    'define_argparser',
    'add_column_option(p)',
    """
    dropout = {'type': number(float, 0, 1), 'default': 0.0}
    option('--dropout_p', **dropout, help='probability that a merge is left out')
    add_column_option(p)
    """,
)
number = swap(
    'predict.py',
    '',
    'from guards import add_encoding, get_argparser, load_checkpoint, run',
    'from guards import add_encoding, get_argparser, load_checkpoint, number, run',
)
use = swap(
    'predict.py',
    'main',
    'model = get_model(checkpoint[...][...], checkpoint[...])',
    """
    model = get_model(checkpoint['config']['engine'], checkpoint['model'])
    model.dropout_p = config.dropout_p
    """,
)
solution = [load, default, cache, split, option, number, use]
wrong = [
    # The first split of a word is kept in the cache.
    [load, default, split, option, number, use],
    # The probability to keep a merge.
    [
        *(load, default, cache, option, number, use),
        rewrite('model.py', 'BytePairModel.split', body.replace('>=', '<')),
    ],
    # The option is not used.
    [load, default, cache, split, option, number],
]


def check(chapter):
    """Split a word many times, with different probabilities."""
    import io
    import sys

    token = '▁가나다라마바'
    merges = [('▁가', '나'), ('다', '라'), ('마', '바'), ('▁가나', '다라')]
    expected = ['▁가나다라', '마바']
    model = chapter.model.BytePairModel(merges, ['▁가', *'나다라마바'])
    if model.segment([token]) != expected:
        return (
            'Without dropout, a word should be split as before.',
            '드롭아웃이 없으면 단어가 전과 같이 나뉘어야 해요.',
        )

    checkpoint = {'chapter': chapter.original.folder.name, 'config': {'engine': 'bpe'}}
    checkpoint['model'] = model.state_dict()
    chapter.guards.save_checkpoint(checkpoint, 'x.pth')

    def split(dropout_p, n_times):
        lines = f'{token.removeprefix("▁")}\n' * n_times
        stdin = sys.stdin
        sys.stdin = io.TextIOWrapper(io.BytesIO(lines.encode()), 'utf-8')
        try:
            options = '--model_fn', 'x.pth', '--gpu_id', -1, '--dropout_p', dropout_p
            return run_program(chapter.predict, *options).splitlines()
        finally:
            sys.stdin = stdin

    if split(0, 3) != [' '.join(expected)] * 3:
        return (
            'With --dropout_p 0, a word should be split as before.',
            '--dropout_p가 0이면 단어가 전과 같이 나뉘어야 해요.',
        )
    if split(1, 3) != ['▁가 나 다 라 마 바'] * 3:
        return (
            'With --dropout_p 1, only the characters should be left.',
            '--dropout_p가 1이면 글자만 남아야 해요.',
        )
    found = split(0.25, 400)
    if any(line.replace(' ', '') != token for line in found):
        return (
            'Joined, the pieces of a word are not the word.',
            '조각을 이어도 원래 단어가 되지 않아요.',
        )
    if len({*found}) < 4:
        return (
            f'400 times the same word gives only {len({*found})} different splits. '
            'Where are splits remembered?',
            f'같은 단어를 400번 나눠도 결과가 {len({*found})}가지뿐이에요. 나눈 결과를 '
            '어디에 기억해 두나요?',
        )
    n_merged = sum('마바' in line.split() for line in found)
    if not 200 < n_merged < 398:
        return (
            f'With --dropout_p 0.25, {n_merged} of 400 words had a merge that was '
            'possible, expected 300 or some more.',
            f'--dropout_p가 0.25일 때 가능한 병합이 400번 중 {n_merged}번 있었어요. '
            '300번이나 그보다 조금 더 되어야 해요.',
        )
    return None
