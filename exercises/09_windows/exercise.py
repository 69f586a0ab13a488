"""The loop that says which words are predicted from which is gone."""

from collections import Counter

from exercises.edits import swap
from exercises.kit import get_config

chapter = '09_word_embedding'
kind = 'write'

place = ('model.py', 'get_examples')
body = """
others = ...
if config.model == 'skipgram':
    inputs += ...
    targets += ...
elif others:
    ...
"""
edit = swap(
    *place,
    body,
    """
    # The words of the window around words[i]

    # The inputs, and the targets
    raise NotImplementedError('the examples of words[i]')
    """,
)
others = (*place, 'others = ...')
padded = (*place, 'inputs.append(...)')
wrong = [
    # The last word of the window is left out.
    swap(*others, 'others = words[max(0, i - size) : i] + words[i + 1 : i + size]'),
    # At the beginning, a negative index counts from the end.
    swap(*others, 'others = words[i - size : i] + words[i + 1 : i + 1 + size]'),
    # The word itself is one of its neighbours.
    swap(*others, 'others = words[max(0, i - size) : i + 1 + size]'),
    # The window always has its largest size.
    swap(
        *others,
        """
        size = config.window
        others = words[max(0, i - size) : i] + words[i + 1 : i + 1 + size]
        """,
    ),
    # The word in the middle is predicted from its neighbours, one by one.
    [
        swap(*place, 'inputs += ...', 'inputs += [[word] for word in others]'),
        swap(*place, 'targets += ...', 'targets += [words[i]] * len(others)'),
    ],
    # Word 0 fills the rows, and so is the neighbour of all words.
    swap(
        *padded,
        'inputs.append(others + [0] * (2 * config.window - len(others)))',
    ),
]


def check(chapter):
    """Compare the examples of short sentences, without regard to their order."""
    counts = dict.fromkeys('abcdefgh', 1)
    sentences = [[*'abcdefgh'], [*'cab'], ['d'], [], [*'ha']]
    for kind in ('skipgram', 'cbow'):
        for window in (1, 2, 4):
            config = get_config(
                **{'model': kind, 'window': window, 'n_negatives': 1},
                **{'sample': 0, 'seed': 0},
            )
            found, expected = (
                describe(part.model.get_examples(sentences, counts, config))
                for part in (chapter, chapter.original)
            )
            name = f'--model {kind} --window {window}'
            for extra in found - expected:
                return (
                    f'{name}: there is an example {extra}, which should not be there.',
                    f'{name}: {extra}라는 예가 있는데, 없어야 해요.',
                )
            for missing in expected - found:
                return (
                    f'{name}: the example {missing} is missing.',
                    f'{name}: {missing}라는 예가 빠졌어요.',
                )
    return None


def describe(examples):
    """Return a Counter of examples such as "a c -> b": from a and c, predict b."""
    names = {**dict(enumerate('abcdefgh')), -1: ''}
    x, y, _ = examples
    rows = [''.join(sorted(names[i] for i in row)) for row in x.tolist()]
    return Counter(
        f'"{" ".join(row)} -> {names[i]}"'
        for row, i in zip(rows, y.tolist(), strict=True)
    )
