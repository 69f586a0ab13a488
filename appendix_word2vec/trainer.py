"""The training: examples drawn anew in each epoch, and stochastic gradient descent.

The trainer draws the examples as word2vec's program does. It does not know how a loss
is computed: it trains any model that maps x, y and noise to a sum of losses.
"""

import math
import sys
from types import SimpleNamespace

import torch
from tqdm import tqdm

from guards import InputError, log, save_checkpoint
from model import get_examples, get_keep_p

# The limit of learning rate x window x how often the most frequent word is in a step.
# A word gets the sum of so many gradients, all computed from the same vectors. Beyond
# twice this limit, the vectors of small vocabularies have been seen to diverge.
MAX_STEP_SIZE = 1.0


def get_max_batch_size(counts, config):
    """Return how many words of the text a step may have at most.

    Arguments:
        counts: a tensor of shape (vocabulary_size,).
        config: the options model, window, sample and lr.
    """
    kept_counts = counts * get_keep_p(counts, config.sample)
    shares = kept_counts / kept_counts.sum()
    n_gradients = shares.max() * config.window
    if config.model == 'cbow':
        # A mean moves as far as its words do on average, and most of them are rarer
        # than the most frequent word; and a word is predicted once in its window.
        n_gradients = max(shares.max(), (shares * shares).sum() * config.window)
    return int(MAX_STEP_SIZE / (float(n_gradients) * max(config.lr, 1e-9)))


class Trainer:
    """Trains a model, and after each epoch measures, reports and saves it.

    Arguments:
        model: it maps x, y and noise of get_examples() to the sum of their losses and
            their number.
        optimizer: plain stochastic gradient descent.
        counts: a dict from words to their counts.
        checkpoint: what the checkpoints hold beside the model; its 'config' are the
            options.
    """

    def __init__(self, model, optimizer, counts, checkpoint):
        self.model = model
        self.optimizer = optimizer
        self.counts = counts
        self.checkpoint = checkpoint
        self.config = SimpleNamespace(**checkpoint['config'])
        self.device = model.in_vectors.device
        counts = torch.tensor(list(counts.values()))
        self.n_words = (counts * get_keep_p(counts, self.config.sample)).sum().item()
        # Both forms take whole blocks of words, so that their steps are the same.
        max_batch_size = get_max_batch_size(counts, self.config)
        max_batch_size = min(self.config.batch_size, max_batch_size)
        self.n_blocks = max(1, max_batch_size // self.config.block_size)
        self.history = {'train_loss': [], 'valid_loss': []}

    def train(self, train_sentences, valid_sentences):
        """Train for all epochs.

        Arguments:
            train_sentences: lists of words to train on.
            valid_sentences: lists of words to measure the loss on.

        Raises:
            InputError: the loss is not a number any more.
        """
        valid_examples = get_examples(valid_sentences, self.counts, self.config)
        for epoch in range(1, self.config.n_epochs + 1):
            train_loss = self._train(train_sentences, epoch)
            valid_loss = self._validate(valid_examples)
            self._check_loss(valid_loss, epoch)

            if self.config.verbose > 0:
                losses = f'train_loss={train_loss:.4f} valid_loss={valid_loss:.4f}'
                log(f'epoch {epoch}/{self.config.n_epochs}: {losses}')
            state = {'model': self.model.state_dict()}
            save_checkpoint(self.checkpoint | state, self.config.model_fn)
            self.history['train_loss'].append(train_loss)
            self.history['valid_loss'].append(valid_loss)

    def _train(self, sentences, epoch):
        """Go through the text once; return the mean loss of its examples."""
        is_silent = self.config.verbose < 2 or not sys.stderr.isatty()
        options = {'unit': ' words', 'unit_scale': True, 'leave': False}
        n_words = sum(map(len, sentences))
        bar = tqdm(desc=f'epoch {epoch}', total=n_words, disable=is_silent, **options)
        total, n_examples = 0.0, 0
        for done, batch in self._get_batches(sentences, epoch):
            # The learning rate falls linearly, from --lr to almost 0.
            remaining = 1 - (epoch - 1 + done) / self.config.n_epochs
            for group in self.optimizer.param_groups:
                group['lr'] = self.config.lr * max(remaining, 1e-4)

            loss, n = self._train_step(*batch)
            self._check_loss(loss, epoch)
            total, n_examples = total + loss, n_examples + n
            bar.update(int(done * n_words) - bar.n)
        bar.close()
        return total / max(1, n_examples)

    def _get_batches(self, sentences, epoch):
        """Yield the batches of an epoch, each with the share of the text before it."""
        # Other words are left out in each epoch, and the noise is another.
        config = SimpleNamespace(**vars(self.config))
        config.seed += epoch
        examples = get_examples(sentences, self.counts, config)
        # As many steps as the text has batches of words, on average.
        batch_size = self.n_blocks * self.config.block_size
        n_steps = max(1, round(self.n_words / batch_size))
        parts = [part.chunk(n_steps) for part in examples]
        for i, batch in enumerate(zip(*parts, strict=True)):
            yield i / len(parts[0]), [part.to(self.device) for part in batch]

    def _train_step(self, x, y, noise):
        """Learn from a batch; return the sum of its losses and their number."""
        # Forward
        loss, n = self.model(x, y, noise)

        # Backward
        self.optimizer.zero_grad()
        loss.backward()

        # Step
        self.optimizer.step()
        return loss.item(), n

    @torch.no_grad()
    def _validate(self, examples):
        """Return the mean loss of the examples."""
        parts = [part.to(self.device).split(4096) for part in examples]
        results = [self.model(*batch) for batch in zip(*parts, strict=True)]
        return sum(loss.item() for loss, _ in results) / sum(n for _, n in results)

    def _check_loss(self, loss, epoch):
        """Stop before a loss that is not a number spoils what has been saved."""
        if not math.isfinite(loss):
            found = f'loss={loss} in epoch {epoch}'
            raise InputError(f'{found}: lower --lr or --batch_size')
