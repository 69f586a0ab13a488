"""The gradients of all steps add up, because nothing sets them to zero."""

from exercises.edits import swap
from exercises.kit import compare_steps, get_config, random_tensor

chapter = '01_linear_regression'
kind = 'fault'

place = ('trainer.py', 'Trainer.train')
edit = swap(*place, 'self.optimizer.zero_grad()', '')
wrong = [
    # Between backward and step: no gradient is left.
    swap(
        *place,
        'self.optimizer.zero_grad()\nloss.backward()',
        'loss.backward()\nself.optimizer.zero_grad()',
    ),
    # Once before the loop.
    [edit, swap(*place, 'history = []', 'history = []\nself.optimizer.zero_grad()')],
]


def check(chapter):
    """Compare three steps of Trainer.train() with gradient descent by hand."""
    from torch import nn

    x = random_tensor(5, 1)

    def train(model, optimizer, n_steps):
        trainer = chapter.trainer.Trainer(model, nn.MSELoss(), optimizer)
        trainer.train(x, 3 * x + 1, get_config(n_epochs=n_steps))

    return compare_steps(train, x, 3 * x + 1, nn.MSELoss(), nn.Linear(1, 1))
