"""The validation loss is the mean of batch means, so a batch of one counts like 143."""

from exercises.edits import swap
from exercises.kit import first_difference, get_config, random_tensor

chapter = '02_mnist_tutorial'
kind = 'fault'

place = ('trainer.py', 'Trainer._validate')
total = (*place, 'total_loss += ...')
mean = (*place, 'return ...')
edit = [
    swap(*total, 'total_loss += self.crit(y_hat_i, y_i)'),
    swap(*mean, 'return total_loss.item() / len(x.split(config.batch_size))'),
]
wrong = [
    # The last batch is smaller than batch_size.
    swap(*total, 'total_loss += self.crit(y_hat_i, y_i) * config.batch_size'),
    # A sum of means, divided by the number of samples.
    swap(*total, 'total_loss += self.crit(y_hat_i, y_i)'),
]


def check(chapter):
    """Validate seven samples in batches of three."""
    import torch
    from torch import nn

    x, y, model, crit = (
        random_tensor(7, 4),
        random_tensor(7, 2),
        nn.Linear(4, 2),
        nn.MSELoss(),
    )
    trainer = chapter.trainer.Trainer(model, crit, optimizer=None)
    with torch.no_grad():
        expected = crit(model(x), y)
    loss = torch.tensor(trainer._validate(x, y, get_config(batch_size=3)))
    return first_difference('loss', loss, expected)
