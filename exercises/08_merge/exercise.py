"""The function that merges one pair of symbols is gone."""

from exercises.edits import blank, rewrite

chapter = '08_preprocessing'
kind = 'write'

place = ('model.py', 'merge')
edit = blank(*place)
wrong = [
    # Only the first occurrence is merged.
    rewrite(
        *place,
        """
        merged = list(symbols)
        for i in range(len(merged) - 1):
            if (merged[i], merged[i + 1]) == pair:
                return [*merged[:i], ''.join(pair), *merged[i + 2 :]]
        return merged
        """,
    ),
    # Symbols with the same letters are mistaken for the pair.
    rewrite(
        *place,
        """
        new = ''.join(pair)
        return ' '.join(symbols).replace(' '.join(pair), new).split()
        """,
    ),
    # A symbol is part of two merges.
    rewrite(
        *place,
        """
        merged = []
        for i, symbol in enumerate(symbols):
            if tuple(symbols[i : i + 2]) == pair:
                merged.append(''.join(pair))
            elif i == 0 or tuple(symbols[i - 1 : i + 1]) != pair:
                merged.append(symbol)
        return merged
        """,
    ),
    # From the right.
    rewrite(
        *place,
        """
        merged, i = list(symbols), len(symbols) - 2
        while i >= 0:
            if tuple(merged[i : i + 2]) == pair:
                merged[i : i + 2] = [''.join(pair)]
                i -= 1
            i -= 1
        return merged
        """,
    ),
    # The symbols of the caller are changed.
    rewrite(
        *place,
        """
        i = 0
        while i < len(symbols) - 1:
            if tuple(symbols[i : i + 2]) == pair:
                symbols[i : i + 2] = [''.join(pair)]
            i += 1
        return symbols
        """,
    ),
]


def check(chapter):
    """Compare with the chapter, on rows that are made of few different symbols."""
    import random

    chance, pair = random.Random(0), ('a', 'b')
    rows = [['a', 'b'], ['b', 'a'], ['a', 'b', 'c', 'a', 'b'], ['a'], []]
    rows += [['▁a', 'b', 'a', 'b'], ['ca', 'b', 'a', 'bc']]
    cases = [(row, pair) for row in rows]
    cases += [(['a'] * n, ('a', 'a')) for n in (2, 3, 4, 5)]
    for _ in range(200):
        row = chance.choices(['a', 'b', 'ab', '▁a'], k=chance.randint(2, 9))
        cases.append((row, tuple(chance.choices(['a', 'b', 'ab'], k=2))))

    for row, pair in cases:
        symbols, expected = [*row], chapter.original.model.merge(row, pair)
        found = chapter.model.merge(symbols, pair)
        if found is None or [*found] != expected:
            return (
                f'merge({row}, {pair}) returns {found}, expected {expected}.',
                f'merge({row}, {pair})의 결과가 {found}인데 {expected}이어야 해요.',
            )
        if symbols != row:
            return (
                f'After merge({row}, {pair}), the list of the caller is {symbols}: it '
                'should stay as it is. Change a copy.',
                f'merge({row}, {pair})를 부른 쪽의 리스트가 {symbols}로 바뀌었어요. '
                '그대로 두고 복사본을 바꾸세요.',
            )
        chapter.model.merge(tuple(row), pair)
    return None
