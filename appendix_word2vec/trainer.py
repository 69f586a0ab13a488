"""The training: plain stochastic gradient descent, with a learning rate that falls.

Nothing here knows what a word is: it trains any model with a step() of its own.
"""

import math
import sys
from concurrent.futures import ThreadPoolExecutor

import torch
from tqdm import tqdm

from model import get_loss
from utils import InputError, log, save_checkpoint

# How many steps are prepared at once.
N_STEPS_AHEAD = 8


class Trainer:
    """Trains a model, and after each epoch measures, reports and saves it.

    Arguments:
        model: it has step(), which learns from a batch, and forward(), which returns
            the sum of its losses and their number.
        examples: x, y and noise of get_examples(), from sentences held out.
        checkpoint: what the checkpoints hold beside the model; its 'config' are the
            options n_epochs, batch_size, block_size, lr, verbose and model_fn.
    """

    def __init__(self, model, examples, checkpoint):
        self.model = model
        self.examples = [tensor.to(model.in_vectors.device) for tensor in examples]
        self.checkpoint = checkpoint
        self.config = checkpoint['config']
        self.history = {'train_loss': [], 'valid_loss': []}

    def train(self, dataset):
        """Train for all epochs.

        Arguments:
            dataset: a BlockDataset.

        Raises:
            InputError: the loss is not a number any more.
        """
        # The matrices are small: threads within a product would wait for one another.
        # There are two threads all the same, see _get_batches().
        torch.set_num_threads(1)
        for epoch in range(1, self.config['n_epochs'] + 1):
            train_loss = self._train(dataset, epoch)
            valid_loss = self._validate()
            self._check_loss(valid_loss, epoch)

            if self.config['verbose'] > 0:
                losses = f'train_loss={train_loss:.4f} valid_loss={valid_loss:.4f}'
                log(f'epoch {epoch}/{self.config["n_epochs"]}: {losses}')
            state = {'model': self.model.state_dict()}
            save_checkpoint(self.checkpoint | state, self.config['model_fn'])
            self.history['train_loss'].append(train_loss)
            self.history['valid_loss'].append(valid_loss)

    def _train(self, dataset, epoch):
        """Go through the text once; returns the mean loss of every hundredth step."""
        dataset.draw()
        bar = tqdm(
            desc=f'epoch {epoch}',
            total=len(dataset) * self.config['block_size'],
            disable=self.config['verbose'] < 2 or not sys.stderr.isatty(),
            leave=False,
            unit=' words',
            unit_scale=True,
        )
        total, n_examples = 0.0, 0
        for step, (done, batch) in enumerate(self._get_batches(dataset)):
            if step % 100 == 0:
                loss, n = (value.item() for value in self.model(*batch))
                self._check_loss(loss, epoch)
                total, n_examples = total + loss, n_examples + n

            # The learning rate falls in a line, from --lr to almost nothing.
            rest = 1 - (epoch - 1 + done) / self.config['n_epochs']
            self.model.step(*batch, self.config['lr'] * max(rest, 1e-4))
            bar.update(len(batch[0]) * self.config['block_size'])
        bar.close()
        return total / max(1, n_examples)

    def _get_batches(self, dataset):
        """Yield the share of the text that is done, and the batch of the next step.

        A second thread prepares what comes next, for several steps at once.
        """
        batch_size = min(self.config['batch_size'], dataset.max_batch_size)
        n_blocks = max(1, batch_size // self.config['block_size'])
        starts = range(0, len(dataset), n_blocks * N_STEPS_AHEAD)

        def prepare(start):
            blocks = slice(start, start + n_blocks * N_STEPS_AHEAD)
            return self.model.prepare(*dataset[blocks])

        with ThreadPoolExecutor(max_workers=1) as executor:
            next_parts = executor.submit(prepare, 0)
            for start in starts:
                parts = next_parts.result()
                next_parts = executor.submit(prepare, start + len(parts[0]))
                for n_done, batch in enumerate(
                    zip(*(part.split(n_blocks) for part in parts), strict=True)
                ):
                    yield (start + n_done * n_blocks) / len(dataset), batch

    def _validate(self):
        """Return the loss of the examples."""
        vectors = (self.model.in_vectors, self.model.out_vectors)
        return get_loss(*vectors, *self.examples)

    def _check_loss(self, loss, epoch):
        """Stop before a loss that is not a number spoils what has been saved."""
        if not math.isfinite(loss):
            raise InputError(
                f'loss={loss} in epoch {epoch}: lower --lr or --batch_size'
            )
