"""The heap of the pairs still holds counts from before the last merges."""

from exercises.edits import swap
from exercises.kit import get_config

chapter = '08_preprocessing'
kind = 'fault'

place = ('trainer.py', 'BytePairTrainer._find_best')
current = """
if current == -count:
    return pair if current >= self.config.min_count else None
if current:
    heapq.heappush(self.heap, (-current, pair))
"""
stale = """
if current:
    return pair if current >= self.config.min_count else None
"""
edit = swap(*place, current, stale)
wrong = [
    # Pairs whose count has decreased are lost for ever.
    swap(*place, current, stale.replace('if current:', 'if current == -count:')),
    # The first of them ends the training.
    swap(*place, current, 'return pair if current == -count else None'),
    # The counts themselves are wrong: each word counts once.
    [
        edit,
        swap(
            'trainer.py',
            'BytePairTrainer._count_pairs',
            'self.pair_counts[pair] += count',
            'self.pair_counts[pair] += 1',
        ),
    ],
]


def check(chapter):
    """Count all pairs again before each merge, as the paper does."""
    from collections import Counter
    from itertools import pairwise

    words = {'abcab': 6, 'abd': 5, 'bcd': 5, 'cabcd': 3, 'bdbd': 4, 'dab': 2, 'cdd': 3}
    trainer = chapter.trainer.BytePairTrainer(get_config(n_merges=8, min_count=1))
    trainer.train(words)
    model = chapter.original.model
    symbols = {word: model.get_symbols(word) for word in words}
    for number, pair in enumerate(trainer.merges, start=1):
        counts = Counter()
        for word, count in words.items():
            for found in pairwise(symbols[word]):
                counts[found] += count
        best, largest = counts.most_common(1)[0]
        if counts[pair] != largest:
            pairs = ' + '.join(pair), ' + '.join(best)
            return (
                f'Merge {number} is {pairs[0]}, which occurs {counts[pair]} times by '
                f'then. {pairs[1]} occurs {largest} times.',
                f'{number}번째로 {pairs[0]}를 병합해요. 이때 이 쌍은 {counts[pair]}번 '
                f'나오고, {pairs[1]}는 {largest}번 나와요.',
            )
        symbols = {word: model.merge(s, pair) for word, s in symbols.items()}
    n_merges = len(trainer.merges)
    if n_merges < 8:
        return (
            f'There are only {n_merges} merges, expected 8.',
            f'병합이 {n_merges}개뿐이에요. 8개여야 해요.',
        )
    return None
