"""Three ways to overfit less, each of them off unless its option is given.

Words are dropped, a sentence passes the network twice (R-Drop), or the weights are
averaged over the steps. model.py and trainer.py do not know of this file.
"""

from ignite.handlers import EMAHandler
from torch import nn
from torch.nn import functional

from data_loader import PAD_ID
from trainer import Trainer


def drop_words(model, p):
    """Let a network drop words: their vectors are zero, but not their positions.

    As in Sennrich et al. 2016. In training only; the vectors that are left are scaled
    by 1 / (1 - p), as dropout does.

    Arguments:
        model: a Transformer.
        p: the probability to drop a word.
    """

    def drop(embedding, inputs, x):
        # |x| = (batch_size, length, hidden_size)
        return functional.dropout1d(x, p, embedding.training)

    for embedding in {model.x_embedding, model.y_embedding}:
        embedding.register_forward_hook(drop)


def repeat(network, inputs):
    """Let each sentence of a batch pass the network twice in training."""
    if not network.training:
        return inputs
    x, lengths, y = inputs
    return x.repeat(2, 1), lengths.repeat(2), y.repeat(2, 1)


class RDropLoss(nn.Module):
    """The loss of two passes, and how much their predictions differ (Wu et al. 2021).

    Dropout makes another network of each pass. For the distributions p and q of a
    target in both of them, half of the loss of the paper is

        loss = (crit(p) + crit(q)) / 2 + alpha / 4 * (KL(p | q) + KL(q | p))

    so that the mean loss is as large as without R-Drop where both passes agree.

    Arguments:
        crit: the loss of one pass, a mean over the targets.
        alpha: the weight of the difference.
    """

    def __init__(self, crit, alpha):
        super().__init__()
        self.crit, self.alpha = crit, alpha

    def forward(self, y_hat, y):
        """Return the mean loss.

        Arguments:
            y_hat: the logits of the first pass, then those of the second: at all
                positions, or only at those that have a target.
            y: the target ids, padding at the positions that have none.
        """
        # |y| = (n_positions,)
        p, q = y_hat.chunk(2)
        loss = (self.crit(p, y) + self.crit(q, y)) / 2
        is_target = y != PAD_ID
        if len(p) == len(y):
            p, q = p[is_target], q[is_target]
        # |p| = (n_targets, y_vocab_size)
        return loss + self.alpha / 4 * get_divergence(p, q)


def get_divergence(p, q):
    """Return the mean of KL(p | q) + KL(q | p), which is sum((p - q)(log p - log q)).

    Arguments:
        p, q: the logits of both distributions.
    """
    # |p| = (n_targets, y_vocab_size)
    # |q| = (n_targets, y_vocab_size)
    log_p, log_q = p.log_softmax(dim=-1), q.log_softmax(dim=-1)
    divergences = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=-1)
    # |divergences| = (n_targets,)
    return divergences.mean()


class RegularisedTrainer(Trainer):
    """A Trainer with the options word_dropout_p, r_drop and ema_decay.

    With ema_decay, the network that is validated, and saved as the best one, is an
    exponential moving average of the trained one (Polyak and Juditsky 1992 take the
    plain mean). After each step,

        average = ema_decay * average + (1 - ema_decay) * weights

    Arguments:
        model, crit, optimizer, scheduler, metrics, checkpoint: as in Trainer.
    """

    def __init__(self, model, crit, optimizer, scheduler, metrics, checkpoint):
        super().__init__(model, crit, optimizer, scheduler, metrics, checkpoint)
        config = self.config
        if config['word_dropout_p'] > 0:
            drop_words(model, config['word_dropout_p'])
        if config['r_drop'] > 0:
            self.network.register_forward_pre_hook(repeat)
            self.crit = RDropLoss(crit, config['r_drop'])
        self.averaging, self.best_model = None, model
        if config['ema_decay'] > 0:
            self.averaging = EMAHandler(model, 1 - config['ema_decay'])
            self.best_model = self.averaging.ema_model
            self.best.to_save = {'best': {'model': self.best_model}}
            self.to_save['average'] = self.best_model

    def _valid_step(self, engine, batch):
        """Predict with the network that is saved as the best one."""
        trained, self.model = self.model, self.best_model
        result = super()._valid_step(engine, batch)
        self.model = trained
        return result

    def _attach_handlers(self, valid_loader):
        """Attach the averaging, too: after each step, so before the validation."""
        if self.averaging:
            self.averaging.attach(self.trainer, warn_if_exists=False)
        super()._attach_handlers(valid_loader)
