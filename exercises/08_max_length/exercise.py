"""Byte-pair encoding whose pieces have a limited number of characters."""

from exercises.edits import swap
from exercises.kit import recorded, run_program

chapter = '08_preprocessing'
kind = 'change'

option = swap(
    'train.py',
    'add_training_options',
    'option = ...',
    """
    option = parser.add_argument_group('training').add_argument
    length_help = 'for bpe: characters of a piece, without the mark'
    option('--max_length', type=number(int, 1), default=16, help=length_help)
    """,
)
find = ('trainer.py', 'BytePairTrainer._find_best')
pop = (*find, 'count, pair = heapq.heappop(self.heap)')
solution = [
    option,
    swap(
        *pop,
        """
        count, pair = heapq.heappop(self.heap)
        if len(''.join(pair).strip(MARK)) > self.config.max_length:
            continue
        """,
    ),
]
wrong = [
    # The option has no effect.
    [option],
    # The first pair that is too long ends the training.
    [
        option,
        swap(
            *pop,
            """
            count, pair = heapq.heappop(self.heap)
            if len(''.join(pair).strip(MARK)) > self.config.max_length:
                return None
            """,
        ),
    ],
    # The mark counts as a character.
    [
        option,
        swap(
            *pop,
            """
            count, pair = heapq.heappop(self.heap)
            if len(''.join(pair)) > self.config.max_length:
                continue
            """,
        ),
    ],
    # A piece of exactly this length is refused.
    [
        option,
        swap(
            *pop,
            """
            count, pair = heapq.heappop(self.heap)
            if len(''.join(pair).strip(MARK)) >= self.config.max_length:
                continue
            """,
        ),
    ],
    # Long words are left out, instead of long pieces.
    [
        option,
        swap(
            'train.py',
            'main',
            'words = count_words(...)',
            """
            words = count_words(texts, config.train_fn, config.raw)
            for word in [*words]:
                if len(word) > config.max_length + 1:
                    del words[word]
            """,
        ),
    ],
]

TEXT = 'tomato tomatoes potato potatoes atom atoms toast a banana bandana\n'


def check(chapter):
    """Compare the merges with byte-pair encoding by brute force."""
    from pathlib import Path

    Path('x.txt').write_text(f'{TEXT * 3}tomato banana atom a\n', encoding='utf-8')
    words = {f'▁{word}': 3 for word in TEXT.split()}
    for word in ('tomato', 'banana', 'atom', 'a'):
        words[f'▁{word}'] += 1

    for max_length in (1, 2, 3, 16):
        found, expected = learn(chapter, max_length), brute_force(words, max_length)
        name = f'--max_length {max_length}'
        long = [
            piece for piece in map(''.join, found) if len(piece.strip('▁')) > max_length
        ]
        if long:
            return (
                f'With {name}, there is a piece {long[0]!r}.',
                f'{name}인데 {long[0]!r}라는 조각이 있어요.',
            )
        if found == expected:
            continue
        if len(found) != len(expected):
            return (
                f'With {name}, there are {len(found)} merges, expected '
                f'{len(expected)}. Which pairs are too long? What happens after one?',
                f'{name}일 때 병합이 {len(found)}번인데 {len(expected)}번이어야 해요. '
                '어떤 쌍이 너무 길고, 그런 쌍을 만난 다음에는 어떻게 되나요?',
            )
        i = next(i for i, pair in enumerate(found) if pair != expected[i])
        return (
            f'With {name}, merge {i + 1} is {found[i]}, expected {expected[i]}: the '
            'most frequent pair that is short enough.',
            f'{name}일 때 {i + 1}번째 병합이 {found[i]}인데, 길이가 맞는 쌍 중 가장 '
            f'자주 나오는 {expected[i]}이어야 해요.',
        )
    return None


def learn(chapter, max_length):
    """Return the merges that train.py saves."""
    train = chapter.train
    options = '--train_fn x.txt --column -1 --gpu_id -1 --verbose 0 --model_fn x.pth'
    with recorded(train, 'draw_pieces'), recorded(train, 'save_checkpoint') as calls:
        run_program(train, *options.split(), '--max_length', max_length)
    return [tuple(pair) for pair in calls[0][0]['model']['merges']]


def brute_force(words, max_length):
    """Return the merges of pairs that occur twice or more, counted again each time."""
    from collections import Counter

    rows = [([word[:2], *word[2:]], count) for word, count in words.items()]
    merges = []
    while True:
        counts = Counter()
        for row, count in rows:
            for pair in zip(row, row[1:], strict=False):
                if len(''.join(pair).strip('▁')) <= max_length:
                    counts[pair] += count
        if not counts:
            return merges
        count, pair = min((-count, pair) for pair, count in counts.items())
        if -count < 2:
            return merges
        merges.append(pair)
        for row, _ in rows:
            i = 0
            while i < len(row) - 1:
                if (row[i], row[i + 1]) == pair:
                    row[i : i + 2] = [''.join(pair)]
                i += 1
