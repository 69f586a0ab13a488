"""The function that assigns the words of documents to topics is gone."""

from exercises.edits import blank, swap
from exercises.kit import first_difference, random_tensor

chapter = 'appendix_lda'
kind = 'write'

place = ('model.py', 'LatentDirichletAllocation.get_statistics')
edit = blank(*place)
wrong = [
    # A word that occurs in two documents keeps the share of the last one.
    swap(
        *place,
        'statistics.index_add_(...)',
        'statistics[words.flatten()] = responsibilities.flatten(0, 1)',
    ),
    # The responsibilities of a word do not add up to its count.
    swap(
        *place,
        'ratios.unsqueeze(2) * theta.unsqueeze(1) * beta',
        'counts.unsqueeze(2) * theta.unsqueeze(1) * beta',
    ),
    # The mean of the mixture, in the place of exp(E[log p]).
    swap(*place, 'theta = ...', 'theta = gamma / gamma.sum(dim=1, keepdim=True)'),
    # One occurrence of each word.
    swap(
        *place,
        'ratios = ...',
        'ratios = self._get_ratios(beta, torch.ones_like(counts), theta)',
    ),
    # Words and topics are exchanged.
    swap(*place, 'return statistics.t()', 'return statistics'),
]


def check(chapter):
    """Compare with a loop over documents, words and topics."""
    import torch

    n_topics, vocabulary_size = 3, 6
    model = chapter.model.LatentDirichletAllocation(n_topics, vocabulary_size, 0.1, 0.1)
    model.topics.copy_(random_tensor(n_topics, vocabulary_size).exp())
    weights = chapter.original.model.get_expectation(model.topics).exp().t()
    words = torch.tensor([[1, 4, 0, 2], [3, 1, 0, 0], [5, 0, 0, 0]])
    # The last words of the shorter documents are padding.
    counts = torch.tensor([[2.0, 1, 1, 3], [1, 4, 0, 0], [2, 0, 0, 0]])
    gamma = random_tensor(3, n_topics).exp()
    theta = chapter.original.model.get_expectation(gamma).exp()

    expected = torch.zeros(n_topics, vocabulary_size)
    for d, document in enumerate(words.tolist()):
        for i, word in enumerate(document):
            p = theta[d] * weights[word]
            expected[:, word] += counts[d, i] * p / p.sum()

    found = model.get_statistics(words, counts, gamma, weights.contiguous())
    same_shape = isinstance(found, torch.Tensor) and found.shape == expected.shape
    if same_shape and abs(found.sum() - counts.sum()) > 1e-3:
        return (
            f'The documents have {counts.sum():g} words, but the statistics add up to '
            f'{found.sum():.4g}. Each occurrence should be shared among the topics.',
            f'문서의 단어는 모두 {counts.sum():g}개인데 statistics의 합이 '
            f'{found.sum():.4g}이에요. 나온 횟수를 남김없이 토픽에 나누어야 해요.',
        )
    return first_difference('statistics', found, expected)
