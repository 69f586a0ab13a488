"""The mixture of a held-out document is estimated from the words to predict."""

from exercises.edits import swap

chapter = 'appendix_lda'
kind = 'fault'

place = ('trainer.py', 'get_perplexity')
edit = swap(*place, 'get_mixtures(model, seen)', 'get_mixtures(model, unseen)')
wrong = [
    # From all of the words.
    swap(*place, 'get_mixtures(model, seen)', 'get_mixtures(model, seen + unseen)'),
    # The words that the mixture comes from are the ones that are predicted.
    [
        swap(*place, 'get_blocks(unseen, ...)', 'get_blocks(seen, mixtures.device)'),
        swap(
            *place,
            'return math.exp(-log_likelihood / unseen.sum())',
            'return math.exp(-log_likelihood / seen.sum())',
        ),
    ],
    # The number of all words.
    swap(
        *place,
        'return math.exp(-log_likelihood / unseen.sum())',
        'return math.exp(-log_likelihood / (seen.sum() + unseen.sum()))',
    ),
]


def check(chapter):
    """One half of the words decides the mixture, and the other half is scored."""
    import torch
    from scipy.sparse import csr_array

    model = chapter.model.LatentDirichletAllocation(2, 4, 0.1, 0.1)
    # Topic 1 has the words 0 and 1, topic 2 the words 2 and 3.
    model.topics.copy_(torch.tensor([[6.0, 2, 0.1, 0.1], [0.1, 0.1, 3, 5]]))
    seen = csr_array([[3, 1, 0, 0], [0, 1, 0, 4]])
    unseen = csr_array([[1, 0, 0, 2], [0, 0, 2, 0]])

    mixtures = model.get_mixtures(torch.arange(4).expand(2, 4), to_tensor(seen))
    log_p = (mixtures @ model.get_distributions()).log()
    expected = (-(log_p * to_tensor(unseen)).sum() / unseen.sum()).exp().item()
    found = chapter.trainer.get_perplexity(model, seen, unseen)
    if abs(found - expected) > 1e-3 * expected:
        return (
            f'For two small documents the perplexity is {found:.3f}, '
            f'expected {expected:.3f}: the words of `seen` give the mixtures, '
            'and the words of `unseen` are predicted with them.',
            f'작은 문서 두 개로 계산한 perplexity가 {found:.3f}인데 {expected:.3f}'
            '이어야 해요. `seen`의 단어로 혼합 비율을 구하고, 그것으로 `unseen`의 '
            '단어를 예측해야 해요.',
        )
    return None


def to_tensor(counts):
    """Return a sparse scipy matrix as a tensor of floats."""
    import torch

    return torch.from_numpy(counts.toarray()).float()
