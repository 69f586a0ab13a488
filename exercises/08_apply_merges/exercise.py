"""The loop that applies the merges to a new word is gone."""

from exercises.edits import blank, rewrite
from exercises.kit import get_config

chapter = '08_preprocessing'
kind = 'write'

place = ('model.py', 'BytePairModel.split')
edit = blank(*place)
wrong = [
    # The first pair from the left, not the one that was learned first.
    rewrite(
        *place,
        """
        symbols = get_symbols(token)
        while pairs := [pair for pair in pairwise(symbols) if pair in self.ranks]:
            symbols = merge(symbols, pairs[0])
        return symbols
        """,
    ),
    # The pair that was learned last.
    rewrite(
        *place,
        """
        symbols = get_symbols(token)
        while pairs := self.ranks.keys() & set(pairwise(symbols)):
            symbols = merge(symbols, max(pairs, key=self.ranks.get))
        return symbols
        """,
    ),
    # The longest piece of the vocabulary, from the left.
    rewrite(
        *place,
        """
        pieces = []
        while token:
            end = len(token)
            while end > 1 and token[:end] not in self.ids:
                end -= 1
            pieces.append(token[:end])
            token = token[end:]
        return pieces
        """,
    ),
]


def check(chapter):
    """Learn merges of random words, and apply them one after the other to others."""
    import random

    chance = random.Random(0)
    original = chapter.original.model

    def draw_word():
        mark = chance.choice(['', original.MARK])
        return mark + ''.join(chance.choices('abcd', k=chance.randint(1, 9)))

    trainer = chapter.original.trainer.BytePairTrainer(
        get_config(n_merges=60, min_count=1)
    )
    trainer.train({draw_word(): chance.randint(1, 9) for _ in range(80)})
    model = chapter.model.BytePairModel(trainer.merges, trainer.characters)
    for token in [*(draw_word() for _ in range(200)), '▁xaby']:
        expected = original.get_symbols(token)
        for pair in trainer.merges:
            expected = original.merge(expected, pair)
        found = model.split(token)
        if not isinstance(found, list) or ''.join(map(str, found)) != token:
            return (
                f'Joined, the pieces of {token} should be the token; found {found}.',
                f'조각을 이으면 토큰 {token}이 되어야 하는데 {found}를 돌려줘요.',
            )
        if found != expected:
            splits = ' '.join(found), ' '.join(expected)
            return (
                f'{token} is split into {splits[0]}, expected {splits[1]}. Which pair '
                'was learned first?',
                f'{token}: {splits[0]}로 나뉘는데 {splits[1]}가 되어야 해요. 어느 쌍을 '
                '먼저 학습했나요?',
            )
    return None
