"""The training loop: trains any model that maps x to y, knows nothing of digits."""

import copy
import math

import torch
from tqdm import tqdm

from utils import InputError, log


class Trainer:
    """Moves a model's parameters down the slope of a loss.

    Arguments:
        model: maps a batch of x to y_hat.
        crit: maps y_hat and y to the mean loss of the batch.
        optimizer: updates the parameters of the model.
    """

    def __init__(self, model, crit, optimizer):
        self.model = model
        self.crit = crit
        self.optimizer = optimizer

        # The parameters with the lowest validation loss so far, that loss, and the
        # losses of all epochs by name.
        self.best_model = None
        self.best_loss = math.inf
        self.history = {'train_loss': [], 'valid_loss': []}

    def train(self, train_data, valid_data, config):
        """Go through the training data once in each epoch, and keep the best model.

        Arguments:
            train_data, valid_data: pairs of x and y.
            config: n_epochs, batch_size and verbose.

        Raises:
            InputError: the loss is not a number any more.
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
        """Go through x and y once, in batches, in random order.

        Returns:
            The mean loss over the samples.
        """
        self.model.train()
        total_loss = torch.zeros((), device=x.device)

        # Equal batches: a last one of a single sample would have no variance for
        # batch normalisation to work with.
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

            # Report: the sum stays on the device, so that no step waits for it
            total_loss += loss.detach() * len(x_i)

        return total_loss.item() / len(x)

    @torch.no_grad()
    def _validate(self, x, y, config):
        """Go through x and y once, in batches, and learn nothing.

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
