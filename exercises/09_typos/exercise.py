"""A third test of the vectors: does a typing error lead back to its word?"""

import contextlib
import io
import random

from exercises.edits import swap
from exercises.kit import get_config

chapter = '09_word_embedding'
kind = 'change'

CODE = """
from guards import InputError, input_errors, write_file


def get_typo_accuracy(vectors):
    n_right = n_typos = 0
    for word in vectors.index_to_key:
        middle = len(word) // 2
        typo = word[:middle] + word[middle + 1 :]
        if len(word) >= 6 and typo not in vectors.key_to_index:
            [(nearest, _)] = vectors.most_similar(typo, topn=1)
            n_right += nearest == word
            n_typos += 1
    return n_right / n_typos
"""


def define(old='', new=''):
    """Return the edit that adds the test, with some code in the place of other."""
    code = CODE.replace(old, new) if old else CODE
    return swap(
        'model.py', '', 'from guards import InputError, input_errors, write_file', code
    )


show = swap(
    'model.py',
    'evaluate',
    'n = ...',
    """
    print(f'typos_accuracy: {get_typo_accuracy(vectors):.4f}')
    n = len(total['correct']) + len(total['incorrect'])
    """,
)
solution = [define(), show]
wrong = [
    # Nothing is printed.
    [define()],
    # A word of the vocabulary is no typing error.
    [define(' and typo not in vectors.key_to_index'), show],
    # Short words count, too.
    [define('len(word) >= 6 and '), show],
    # The last letter is left out.
    [define('len(word) // 2', 'len(word) - 1'), show],
    # The share of all words.
    [define('n_right / n_typos', 'n_right / len(vectors.index_to_key)'), show],
]


def check(chapter):
    """Compare with cosines by hand, for the random vectors of some invented words."""
    model, chance = chapter.model, random.Random(0)
    config = get_config(
        **{'word_vec_size': 4, 'model': 'skipgram', 'window': 2, 'n_negatives': 2},
        **{'sample': 0, 'min_count': 1, 'min_n': 3, 'max_n': 4, 'n_buckets': 50},
        **{'lr': 0.1, 'batch_size': 100, 'n_epochs': 1, 'n_workers': 1, 'seed': 0},
    )
    words = [''.join(chance.choices('abc', k=3 + i % 6)) for i in range(40)]
    # The middle letter of two of these words can be left out.
    words += ['abcxabc', 'abcabc', 'cbaxcba', 'cbacba']
    fasttext = model.get_model(config)
    model.build_vocabulary(fasttext, [words])
    vectors, expected = fasttext.wv, get_expected(fasttext.wv)
    found = model.get_typo_accuracy(vectors)
    if not isinstance(found, float) or abs(found - expected) > 1e-6:
        n_words = len(vectors.index_to_key)
        return (
            f'get_typo_accuracy returns {found} for {n_words} invented words, expected '
            f'{expected:.4f}. Which words count, and which letter is left out?',
            f'지어낸 단어 {n_words}개에 대해 get_typo_accuracy의 결과가 {found}인데 '
            f'{expected:.4f}이어야 해요. 어떤 단어를 세고 어떤 글자를 빼나요?',
        )

    vectors.evaluate_word_pairs = lambda fn: (None, (0.5, 0), 90)
    total = {'correct': [1], 'incorrect': [1]}
    vectors.evaluate_word_analogies = lambda fn: (0.5, [total])
    with contextlib.redirect_stdout(io.StringIO()) as output:
        model.evaluate(vectors)
    lines = output.getvalue().splitlines()
    if f'typos_accuracy: {expected:.4f}' not in lines or len(lines) != 5:
        return (
            f'evaluate should print its four lines and "typos_accuracy: '
            f'{expected:.4f}", but it prints: {" | ".join(lines)}.',
            f'evaluate는 원래의 네 줄과 "typos_accuracy: {expected:.4f}"를 출력해야 '
            f'하는데, 지금은 {" | ".join(lines)}를 출력해요.',
        )
    return None


def get_expected(vectors):
    """Return the accuracy, from the cosines with all words."""
    import numpy as np

    names = vectors.index_to_key
    rows = np.stack([vectors.get_vector(name, norm=True) for name in names])
    right = []
    for word in names:
        typo = word[: len(word) // 2] + word[len(word) // 2 + 1 :]
        if len(word) >= 6 and typo not in names:
            nearest = names[(rows @ vectors.get_vector(typo)).argmax()]
            right.append(nearest == word)
    return sum(right) / len(right)
