"""The training loop: it trains any model that maps x to y, not only a line."""

import math

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

    def train(self, x, y, config):
        """Take one step over all of x and y in each epoch.

        Returns:
            The loss of each epoch, a list of numbers.

        Raises:
            InputError: the loss is no longer a finite number.
        """
        history = []
        for epoch in range(1, config.n_epochs + 1):
            # Forward
            y_hat = self.model(x)
            loss = self.crit(y_hat, y)

            # Backward
            self.optimizer.zero_grad()
            loss.backward()

            # Step
            self.optimizer.step()

            # Report
            history.append(loss.item())
            if config.verbose == 2 or (config.verbose == 1 and epoch % 100 == 0):
                log(f'epoch {epoch}: loss={loss.item()}')
            if not math.isfinite(loss.item()):
                raise InputError(f'loss={loss.item()} in epoch {epoch}: lower --lr')

        return history
