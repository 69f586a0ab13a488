"""The training step of one batch is gone."""

from exercises.edits import swap
from exercises.kit import compare_steps, first_difference, get_config, random_tensor

chapter = '02_mnist_tutorial'
kind = 'write'

place = ('trainer.py', 'Trainer._train')
edit = swap(
    *place,
    'y_hat_i = ...\n...\nself.optimizer.step()',
    """
    loss = ...

    # Backward

    # Step
    """,
)
wrong = [
    swap(*place, 'self.optimizer.zero_grad()', ''),
    # Every step uses all of the data.
    [
        swap(*place, 'self.model(x_i)', 'self.model(x)'),
        swap(*place, 'self.crit(...)', 'self.crit(y_hat_i, y)'),
    ],
    swap(*place, 'loss.backward()', 'pass'),
]


def check(chapter):
    """Compare three steps with gradient descent by hand, and the batches."""
    import torch
    from torch import nn

    x, crit, model = random_tensor(6, 3), nn.MSELoss(), nn.Linear(3, 2)
    y = random_tensor(6, 2)
    sizes, losses = [], []

    def train(model, optimizer, n_steps, batch_size=6):
        trainer = chapter.trainer.Trainer(model, crit, optimizer)
        for _ in range(n_steps):
            losses.append(trainer._train(x, y, get_config(batch_size=batch_size)))

    difference = compare_steps(train, x, y, crit, model)
    if difference:
        return difference
    with torch.no_grad():
        expected = crit(model(x), y)
    difference = first_difference('loss', torch.tensor(losses[0]), expected)
    if difference:
        return difference

    model.register_forward_hook(lambda module, inputs, y_hat: sizes.append(len(y_hat)))
    train(model, torch.optim.SGD(model.parameters(), lr=0.01), 1, batch_size=2)
    if sizes != [2, 2, 2]:
        return (
            f'Six samples in batches of 2: the model gets {sizes} samples.',
            f'샘플 6개를 2개씩 나누면 [2, 2, 2]인데, 모델은 {sizes}개씩 받았어요.',
        )
    return None
