"""The E-step takes the logarithm of the mean, and not the mean of the logarithm."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = 'appendix_lda'
kind = 'fault'

result = ('model.py', 'get_expectation', 'return ...')
edit = swap(*result, 'return (x / x.sum(dim=-1, keepdim=True)).log()')
wrong = [
    # The second term is missing.
    swap(*result, 'return x.digamma()'),
    # Only one of the two logarithms became a digamma function.
    swap(*result, 'return x.digamma() - x.sum(dim=-1, keepdim=True).log()'),
    # All rows are taken for one distribution.
    swap(*result, 'return x.digamma() - x.sum().digamma()'),
    # One distribution for each column.
    swap(*result, 'return x.digamma() - x.sum(dim=0, keepdim=True).digamma()'),
]


def check(chapter):
    """Compare with the derivative of the logarithm of the normalising constant."""
    import torch

    x = (random_tensor(3, 4).exp() * 2).double().requires_grad_()
    # E[log p] is the derivative of sum(log gamma(x)) - log gamma(sum(x)).
    constant = x.lgamma().sum() - x.sum(dim=-1).lgamma().sum()
    [expected] = torch.autograd.grad(constant, x)
    x = x.detach()
    found = chapter.model.get_expectation(x)
    if isinstance(found, torch.Tensor) and found.shape == x.shape:
        means = (x / x.sum(dim=-1, keepdim=True)).log()
        if torch.allclose(found, means):
            return (
                'This is log E[p], the logarithm of the mean. Expected is E[log p], '
                'the mean of the logarithm, which is smaller.',
                '이것은 평균의 로그인 log E[p]예요. 로그의 평균인 E[log p]여야 하고, '
                '그 값은 더 작아요.',
            )
    return first_difference('get_expectation(x)', found, expected)
