"""The nearest words of a question are to be found without gensim."""

from exercises.edits import swap

chapter = '09_word_embedding'
kind = 'write'

place = ('model.py', 'answer', 'neighbours = ...')
edit = swap(
    *place,
    """
    # The sum of the vectors of the question, each with its sign and the length 1

    # Its cosines with the vectors of all words
    # |cosines| = (vocabulary_size,)

    # The n_best words with the largest cosines, without those of the question
    neighbours = []
    """,
)
code = """
import numpy as np

# The sum of the vectors of the question, each with its sign and the length 1
query = sum(sign * vectors.get_vector(word, norm={}) for word, sign in terms)

# Its cosines with the vectors of all words
cosines = {}
# |cosines| = (vocabulary_size,)

# The n_best words with the largest cosines, without those of the question
order = np.argsort(-cosines)
names = [vectors.index_to_key[i] for i in order]
neighbours = [
    (name, cosines[i])
    for i, name in zip(order, names, strict=True)
    {}
][:n_best]
"""
cosines = 'vectors.get_normed_vectors() @ (query / np.linalg.norm(query))'
new = 'if name not in words'
solution = swap(*place, code.format(True, cosines, new))
wrong = [
    # Products instead of cosines: long vectors win.
    swap(*place, code.format(True, 'vectors.vectors @ query', new)),
    # A word of the question is its own neighbour.
    swap(*place, code.format(True, cosines, '')),
    # Long vectors of the question count more.
    swap(*place, code.format(False, cosines, new)),
]


def check(chapter):
    """Ask small vectors of different lengths, and compare the lines of the answers."""
    import numpy as np
    from gensim.models import KeyedVectors

    vectors = KeyedVectors(2)
    points = {
        'north': (0, 1),
        'up': (0.1, 2),
        'east': (3, 0.2),
        'right': (0.5, 0.1),
        'northeast': (5, 6),
        'south': (0.2, -4),
        'west': (-1, 0.1),
    }
    vectors.add_vectors([*points], np.array([*points.values()], dtype=np.float32))
    questions = [
        ('north', 'the neighbours of a word', '단어 하나의 이웃'),
        ('north + east', 'the neighbours of a sum', '합의 이웃'),
        ('west - south + right', 'a difference', '뺄셈이 있는 질문'),
    ]
    for question, english, korean in questions:
        found, _ = chapter.model.answer(vectors, question, 3)
        expected, _ = chapter.original.model.answer(vectors, question, 3)
        pairs = found.replace('\t', ', '), expected.replace('\t', ', ')
        if not is_close(*pairs):
            return (
                f'{english}, `{question}`, of small vectors: the answer is '
                f"'{pairs[0]}', expected '{pairs[1]}'.",
                f'{korean} `{question}`: 작은 벡터들로 물으면 답이 '
                f"'{pairs[0]}'인데 '{pairs[1]}'이어야 해요.",
            )
    return None


def is_close(found, expected):
    """Return whether two answers have the same words, and cosines up to rounding."""
    words, others = found.replace(',', '').split(), expected.replace(',', '').split()
    return words[::2] == others[::2] and all(
        abs(float(a) - float(b)) < 2e-4
        for a, b in zip(words[1::2], others[1::2], strict=True)
    )
