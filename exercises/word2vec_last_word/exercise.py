"""The window to the right ends a word too early."""

from exercises.edits import swap
from exercises.kit import get_config

chapter = 'appendix_word2vec'
kind = 'fault'

others = ('model.py', 'get_examples', 'others = ...')
edit = swap(*others, 'others = words[max(0, i - size) : i] + words[i + 1 : i + size]')
wrong = [
    # A word predicts itself.
    swap(*others, 'others = words[max(0, i - size) : i + 1 + size]'),
    # At the beginning of a sentence, a negative index counts from the end.
    swap(*others, 'others = words[i - size : i] + words[i + 1 : i + 1 + size]'),
    # Both sides are a word too short.
    swap(
        *others,
        'others = words[max(0, i - size + 1) : i] + words[i + 1 : i + size]',
    ),
]


def check(chapter):
    """Look at the pairs of one sentence, in which no word occurs twice."""
    words = list('abcdef')
    counts = dict.fromkeys(words, 5)
    options = {'model': 'skipgram', 'n_negatives': 1, 'sample': 0, 'seed': 0}
    for window in (2, 3):
        config = get_config(window=window, **options)
        x, y, _ = chapter.model.get_examples([words], counts, config)
        found = sorted(zip(x.flatten().tolist(), y.tolist(), strict=True))
        # The seed and the sizes of the windows are those of the chapter.
        x, y, _ = chapter.original.model.get_examples([words], counts, config)
        expected = sorted(zip(x.flatten().tolist(), y.tolist(), strict=True))
        if found == expected:
            continue
        for sign, pairs in (('-', expected), ('+', found)):
            rest = found if sign == '-' else expected
            odd = [pair for pair in pairs if pair not in rest]
            if odd:
                return describe(words, *odd[0], sign, window)
        return (
            'A pair of words is there more than once.',
            '같은 단어 쌍이 두 번 이상 나와요.',
        )
    return None


def describe(words, i, j, sign, window):
    """Return the sentences for a pair that is missing ('-') or should not be there."""
    names = f'{" ".join(words)}, --window {window}'
    if sign == '-':
        return (
            f'{names}: {words[i]} should predict {words[j]}, but this pair is missing.',
            f'{names}: {words[i]}에서 {words[j]}를 예측하는 쌍이 빠졌어요.',
        )
    return (
        f'{names}: {words[i]} predicts {words[j]}, which should not be a pair.',
        f'{names}: {words[i]}에서 {words[j]}를 예측하는 쌍은 없어야 해요.',
    )
