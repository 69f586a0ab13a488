"""The training loss of an epoch is an exponential average that begins in epoch 1."""

from exercises.edits import swap
from exercises.kit import first_difference

chapter = '04_advanced_pytorch'
kind = 'fault'

place = ('trainer.py', 'Trainer._attach_metrics')
loss = (
    *place,
    "Loss(get_loss, inputs, device=self.device).attach(self.trainer, 'train_loss')",
)
average = """
from ignite.metrics import RunningAverage
average = RunningAverage(output_transform=itemgetter('loss'))
average.attach(self.trainer, 'train_loss')
"""
edit = swap(*loss, average)
wrong = [
    # It forgets faster, and is still no mean of the epoch.
    swap(*loss, average.replace('(output', '(alpha=0.5, output')),
    # The mean of the batches, whatever their sizes are.
    swap(
        *loss,
        """
        from ignite.metrics import Average
        Average(itemgetter('loss')).attach(self.trainer, 'train_loss')
        """,
    ),
]


def check(chapter):
    """Train on batches of different sizes with a model that does not change."""
    import torch
    from torch import nn

    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    options = {'seed': 0, 'n_epochs': 2, 'early_stop': 0, 'verbose': 0}
    checkpoint = {'config': {**options, 'log_dir': None, 'model_fn': 'model.pth'}}
    trainer = chapter.trainer.Trainer(model, nn.MSELoss(), optimizer, {}, checkpoint)
    x = torch.randn(6, 1)
    y = torch.tensor([[1.0], [2], [3], [4], [9], [9]])
    batches = [*zip(x.split(4), y.split(4), strict=True)]
    trainer.train(batches, batches)
    losses = torch.tensor(trainer.history['train_loss'])
    with torch.no_grad():
        expected = nn.functional.mse_loss(model(x), y).expand(2)
    return first_difference('train_loss', losses, expected)
