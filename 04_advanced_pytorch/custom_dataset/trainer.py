"""The training loop: it trains any model that maps x to y, not only tables."""

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
        self.device = next(model.parameters()).device

        # The parameters with the lowest validation loss so far, this loss, its epoch,
        # and the losses of all epochs.
        self.best_model = None
        self.best_loss = math.inf
        self.best_epoch = 0
        self.history = {'train_loss': [], 'valid_loss': []}

    def train(self, train_loader, valid_loader, config):
        """Pass over the training data once an epoch, and keep the best model.

        Arguments:
            train_loader, valid_loader: give batches of x and y.
            config: n_epochs, early_stop and verbose.

        Raises:
            InputError: the loss is no longer a finite number.
        """
        bar = None if config.verbose == 2 else True
        epochs = tqdm(range(1, config.n_epochs + 1), unit='epoch', disable=bar)
        for epoch in epochs:
            train_loss = self._train(train_loader)
            valid_loss = self._validate(valid_loader)
            self.history['train_loss'].append(train_loss)
            self.history['valid_loss'].append(valid_loss)

            # Keep the best
            if valid_loss < self.best_loss:
                self.best_loss = valid_loss
                self.best_model = copy.deepcopy(self.model.state_dict())
                self.best_epoch = epoch

            # Report
            losses = f'train_loss={train_loss:.4f} valid_loss={valid_loss:.4f}'
            epochs.set_postfix_str(losses)
            if config.verbose > 0:
                log(f'epoch {epoch}/{config.n_epochs}: {losses}')
            if not math.isfinite(train_loss + valid_loss):
                raise InputError(f'{losses} in epoch {epoch}: lower --lr')

            # Stop early
            if 0 < config.early_stop <= epoch - self.best_epoch:
                log(f'no better model since epoch {self.best_epoch}: stopped early')
                break

    def _train(self, loader):
        """Train on all batches of the loader once.

        Returns:
            The mean loss over the samples.
        """
        self.model.train()
        total_loss = torch.zeros((), device=self.device)
        n_samples = 0

        for x_i, y_i in loader:
            # Move
            x_i, y_i = x_i.to(self.device), y_i.to(self.device)

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
            n_samples += len(x_i)

        return total_loss.item() / n_samples

    @torch.no_grad()
    def _validate(self, loader):
        """Compute the loss of all batches of the loader, without training.

        Returns:
            The mean loss over the samples.
        """
        self.model.eval()
        total_loss = torch.zeros((), device=self.device)
        n_samples = 0

        for x_i, y_i in loader:
            x_i, y_i = x_i.to(self.device), y_i.to(self.device)
            y_hat_i = self.model(x_i)
            total_loss += self.crit(y_hat_i, y_i) * len(x_i)
            n_samples += len(x_i)

        return total_loss.item() / n_samples
