"""Words with the same count are in the order of a set, which differs in each run."""

from exercises.edits import swap

chapter = '08_preprocessing'
kind = 'fault'

place = ('data_loader.py', 'get_vocabulary')
words = (
    *place,
    """
    frequent = ...
    frequent.sort(key=lambda word: (-counts[word], word))
    """,
)
edit = swap(
    *words,
    """
    frequent = {word for word in counts if counts[word] >= min_freq}
    frequent = sorted(frequent, key=lambda word: -counts[word])
    """,
)
wrong = [
    # Each run gives the same ids, but they depend on the order of the lines.
    swap(
        *words,
        """
        frequent = [word for word in counts if counts[word] >= min_freq]
        frequent.sort(key=lambda word: -counts[word])
        """,
    ),
    # Frequent words no longer come first.
    swap(*words, 'frequent = sorted(w for w in counts if counts[w] >= min_freq)'),
    # The rare words come first.
    swap(
        *words,
        """
        frequent = [word for word in counts if counts[word] >= min_freq]
        frequent.sort(key=lambda word: (counts[word], word))
        """,
    ),
]


def check(chapter):
    """Ask for the words of a text with many ties, in two orders."""
    ties = [f'{a}{b}' for a in 'dacb' for b in 'zyxwv']
    expected = ['<unk>', 'often', 'twice', *sorted(ties)]
    for words in (ties, ties[::-1]):
        text = ['rare', 'twice', *words, *words, 'often', 'twice', 'often', 'often']
        text += ['twice', 'often']
        found = chapter.data_loader.get_vocabulary(text, 2, ['<unk>'])
        if [*found] == expected:
            continue
        if sorted(found) != sorted(expected):
            return (
                f'The vocabulary is {found}, expected the words {expected}.',
                f'어휘가 {found}인데 단어는 {expected}이어야 해요.',
            )
        if found[:3] != expected[:3]:
            return (
                f'After <unk>, the most frequent words come first: the vocabulary '
                f'begins with {found[:3]}, expected {expected[:3]}.',
                f'<unk> 다음에는 자주 나오는 단어부터 와야 해요. 어휘가 {found[:3]}로 '
                f'시작하는데 {expected[:3]}이어야 해요.',
            )
        return (
            f'{len(ties)} words occur equally often. Their order is {found[3:6]} ..., '
            f'expected {expected[3:6]} ..., whatever their order in the text is.',
            f'단어 {len(ties)}개가 똑같은 횟수로 나와요. 순서가 {found[3:6]} …인데 '
            f'텍스트 속 순서와 상관없이 {expected[3:6]} …이어야 해요.',
        )
    return None
