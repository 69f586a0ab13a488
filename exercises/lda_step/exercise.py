"""One iteration of the E-step is to be written."""

from exercises.edits import blank, rewrite, swap
from exercises.kit import first_difference, random_tensor

chapter = 'appendix_lda'
kind = 'write'

place = ('model.py', 'LatentDirichletAllocation._step')
edit = blank(*place)
wrong = [
    # The prior is missing.
    rewrite(
        *place,
        """
        theta = get_expectation(gamma).exp()
        ratios = self._get_ratios(beta, counts, theta)
        return theta * torch.bmm(ratios.unsqueeze(1), beta).squeeze(1)
        """,
    ),
    # The mean of the mixture in the place of exp(E[log theta]).
    swap(
        *place,
        'theta = ...',
        'theta = gamma / gamma.sum(dim=-1, keepdim=True)',
    ),
    # Each word counts once.
    swap(
        *place,
        'self._get_ratios(beta, counts, theta)',
        'self._get_ratios(beta, (counts > 0).float(), theta)',
    ),
    # The responsibilities of a word do not add up to 1.
    rewrite(
        *place,
        """
        theta = get_expectation(gamma).exp()
        return self.alpha + theta * (counts.unsqueeze(2) * beta).sum(dim=1)
        """,
    ),
]


def check(chapter):
    """Compare with the responsibilities, computed and added up one by one."""
    import torch

    n_topics, alpha = 3, 0.2
    model = chapter.model.LatentDirichletAllocation(n_topics, 6, alpha, 0.1)
    beta = random_tensor(2, 4, n_topics).exp()
    gamma = random_tensor(2, n_topics).exp()
    counts = torch.tensor([[2.0, 1, 3, 1], [1, 4, 0, 0]])

    # As in a document of two words: the last two columns are padding.
    expected = torch.full((2, n_topics), alpha)
    for d in range(2):
        theta = (gamma[d].digamma() - gamma[d].sum().digamma()).exp()
        for w in range(4):
            phi = theta * beta[d, w]
            expected[d] += counts[d, w] * phi / phi.sum()
    found = model._step(beta, counts, gamma)
    difference = first_difference('new_gamma', found, expected)
    if difference and torch.is_tensor(found) and found.shape == expected.shape:
        total, right = found.sum(dim=1)[0].item(), expected.sum(dim=1)[0].item()
        if abs(total - right) > 1e-3:
            return (
                f'A document of 7 words and {n_topics} topics with the prior {alpha}: '
                f'gamma should add up to {right:.1f}, but its sum is {total:.4g}.',
                f'단어 7개, 토픽 {n_topics}개, 사전 분포 {alpha}인 문서에서 gamma를 '
                f'더하면 {right:.1f}이어야 하는데 {total:.4g}이에요.',
            )
    return difference
