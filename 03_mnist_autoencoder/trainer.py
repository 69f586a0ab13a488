"""The training loop: it trains any model that maps x to y, not only digits."""

import copy
import math

import torch
from tqdm import tqdm

from guards import InputError, log


class Trainer:
    """Trains a model by gradient descent.

    Arguments:
        model: maps a batch of x to y_hat.
        crit: maps y_hat and y to the mean loss of the batch.
        optimizer: updates the parameters of the model.
    """

    def __init__(self, model, crit, optimizer):
        self.model = model
        self.crit = crit
        self.optimizer = optimizer

        # The parameters with the lowest validation loss so far, this loss, and the
        # losses of all epochs.
        self.best_model = None
        self.best_loss = math.inf
        self.history = {'train_loss': [], 'valid_loss': []}

    def train(self, train_data, valid_data, config):
        """Pass over the training data once an epoch, and keep the best model.

        Arguments:
            train_data, valid_data: pairs of x and y.
            config: n_epochs, batch_size and verbose.

        Raises:
            InputError: the loss is no longer a finite number.
        """
        bar = None if config.verbose == 2 else True
        epochs = tqdm(range(1, config.n_epochs + 1), unit='epoch', disable=bar)
        for epoch in epochs:
            train_loss = self._train(*train_data, config)
            valid_loss = self._validate(*valid_data, config)
            self.history['train_loss'].append(train_loss)
            self.history['valid_loss'].append(valid_loss)

            # Keep the best
            if valid_loss < self.best_loss:
                self.best_loss = valid_loss
                self.best_model = copy.deepcopy(self.model.state_dict())

            # Report
            losses = f'train_loss={train_loss:.4f} valid_loss={valid_loss:.4f}'
            epochs.set_postfix_str(losses)
            if config.verbose > 0:
                log(f'epoch {epoch}/{config.n_epochs}: {losses}')
            if not math.isfinite(train_loss + valid_loss):
                raise InputError(f'{losses} in epoch {epoch}: lower --lr')

    def _train(self, x, y, config):
        """Train on x and y once, in batches, in random order.

        Returns:
            The mean loss over the samples.
        """
        self.model.train()
        total_loss = torch.zeros((), device=x.device)

        # Batches of nearly equal size: batch normalisation fails on a last batch of one
        # sample, which has no variance.
        indices = torch.randperm(len(x)).to(x.device)
        for batch in indices.tensor_split(max(1, len(x) // config.batch_size)):
            x_i, y_i = x[batch], y[batch]

            # Forward
            y_hat_i = self.model(x_i)
            loss = self.crit(y_hat_i, y_i)

            # Backward
            self.optimizer.zero_grad()
            loss.backward()

            # Step
            self.optimizer.step()

            # Report: the sum stays on the device, so no step has to wait for it
            total_loss += loss.detach() * len(x_i)

        return total_loss.item() / len(x)

    @torch.no_grad()
    def _validate(self, x, y, config):
        """Compute the loss of x and y, in batches, without training.

        Returns:
            The mean loss over the samples.
        """
        self.model.eval()
        total_loss = torch.zeros((), device=x.device)

        batches = zip(
            x.split(config.batch_size), y.split(config.batch_size), strict=True
        )
        for x_i, y_i in batches:
            y_hat_i = self.model(x_i)
            total_loss += self.crit(y_hat_i, y_i) * len(x_i)

        return total_loss.item() / len(x)
