"""The loop of gradient descent is gone: forward, backward, step."""

from exercises.edits import swap
from exercises.kit import compare_steps, first_difference, get_config, random_tensor

chapter = '01_linear_regression'
kind = 'write'

place = ('trainer.py', 'Trainer.train')
edit = swap(
    *place,
    """
    y_hat = self.model(x)
    ...
    self.optimizer.step()
    """,
    """
    loss = ...

    # Backward

    # Step
    """,
)
wrong = [
    # The gradient of the step before is not removed.
    swap(*place, 'self.optimizer.zero_grad()', ''),
    # The model is asked for the wrong thing: y from y.
    swap(*place, 'self.model(x)', 'self.model(y)'),
    swap(*place, 'self.optimizer.step()', ''),
]


def check(chapter):
    """Compare three steps of Trainer.train() with gradient descent by hand."""
    import torch
    from torch import nn

    x, model = random_tensor(5, 1), nn.Linear(1, 1)
    y = 3 * x + 1

    def train(model, optimizer, n_steps):
        trainer = chapter.trainer.Trainer(model, nn.MSELoss(), optimizer)
        history = trainer.train(x, y, get_config(n_epochs=n_steps))
        losses.append(torch.tensor(history[:1]))

    losses = []
    difference = compare_steps(train, x, y, nn.MSELoss(), model)
    expected = nn.MSELoss()(model(x), y)[None]
    return difference or first_difference('history', losses[0], expected)
