"""The loss: cross-entropy with label smoothing, for many classes."""

import torch
from torch import nn


class SmoothCrossEntropy(torch.autograd.Function):
    """The loss and its gradient, written out.

    With label smoothing (Szegedy et al. 2016, section 7) the true token is asked for
    with a probability of 1 - s only, and s is shared by all V tokens. For logits z:

        loss     = -(1 - s) * log softmax(z)[true] - s * mean(log softmax(z))
        gradient = softmax(z) - (1 - s) * one_hot(true) - s / V

    Autograd would find the same gradient, by twice as many passes over what is the
    largest tensor of a training.
    """

    @staticmethod
    def forward(ctx, y_hat, y, smoothing):
        """Return the mean loss."""
        # |y_hat| = (n_targets, vocab_size)
        # |y| = (n_targets,)
        log_p = y_hat.log_softmax(dim=-1)
        ctx.save_for_backward(log_p, y)
        ctx.smoothing = smoothing
        true_log_p = log_p.gather(1, y.unsqueeze(1)).squeeze(1)
        # |true_log_p| = (n_targets,)
        losses = -(1 - smoothing) * true_log_p - smoothing * log_p.mean(dim=-1)
        # |losses| = (n_targets,)
        return losses.mean()

    @staticmethod
    def backward(ctx, grad):
        """Return the gradient of what forward() was given."""
        log_p, y = ctx.saved_tensors
        # In place, since nobody needs log_p any more.
        y_hat_grad = log_p.exp_().sub_(ctx.smoothing / log_p.size(1))
        # |y_hat_grad| = (n_targets, vocab_size)
        true_grad = log_p.new_full((len(y), 1), ctx.smoothing - 1)
        y_hat_grad.scatter_add_(1, y.unsqueeze(1), true_grad)
        return y_hat_grad.mul_(grad / len(y)), None, None


class SmoothCrossEntropyLoss(nn.Module):
    """What nn.CrossEntropyLoss(label_smoothing=...) computes, in half the time.

    Arguments:
        smoothing: share of the probability that is not asked of the true token.
    """

    def __init__(self, smoothing):
        super().__init__()
        self.smoothing = smoothing

    def forward(self, y_hat, y):
        """Return the mean loss of logits, given the ids of the true tokens."""
        return SmoothCrossEntropy.apply(y_hat, y, self.smoothing)
