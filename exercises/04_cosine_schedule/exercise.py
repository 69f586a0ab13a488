"""The learning rate falls from epoch to epoch, along a cosine."""

import contextlib

from exercises.edits import swap
from exercises.kit import build_trainer

chapter = '04_advanced_pytorch'
kind = 'change'

create = ('trainer.py', 'Trainer._create_handlers')
load = swap(
    'trainer.py',
    '',
    'from torch.nn.utils import get_total_norm',
    (
        'from torch.nn.utils import get_total_norm\n'
        'from torch.optim.lr_scheduler import CosineAnnealingLR'
    ),
)
schedule = swap(
    *create,
    'patience = ...',
    """
    patience = self.config['early_stop'] or sys.maxsize
    self.schedule = CosineAnnealingLR(self.optimizer, self.config['n_epochs'])
    """,
)
save = swap(*create, "'optimizer'", "'schedule': self.schedule, 'optimizer'")
attach = ('trainer.py', 'Trainer._attach_handlers')
step = 'attach(Events.EPOCH_COMPLETED, lambda _: self.schedule.step())'
report = 'attach(Events.EPOCH_COMPLETED, self._report)'
last = 'attach(Events.EPOCH_COMPLETED, self.last)'
early = swap(*attach, report, f'{report}\n{step}')
solution = [load, schedule, save, early]
wrong = [
    # A resumed training begins with a new schedule.
    [load, schedule, early],
    # The last state is saved before the learning rate falls.
    [load, schedule, save, swap(*attach, last, f'{last}\n{step}')],
    # A step of the schedule for each batch.
    [
        *(load, schedule, save),
        swap(
            *attach,
            report,
            f'{report}\n{step.replace("EPOCH", "ITERATION")}',
        ),
    ],
]


def check(chapter):
    """Look at the learning rate of each epoch, without and with an interruption."""
    import math

    import torch
    from torch import nn

    x, n_epochs = torch.ones(2, 1), 6
    expected = [
        0.05 * (1 + math.cos(math.pi * epoch / n_epochs)) for epoch in range(n_epochs)
    ]

    def train(state=None, stop=None):
        model, rates = nn.Linear(1, 1), []
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        crit = nn.MSELoss()
        trainer = build_trainer(chapter, model, crit, optimizer, n_epochs=n_epochs)
        if state:
            trainer.load_state_dict(state)

        def remember(optimizer, *_):
            if len(rates) == stop:
                raise KeyboardInterrupt
            rates.append(optimizer.param_groups[0]['lr'])

        optimizer.register_step_pre_hook(remember)
        with contextlib.suppress(KeyboardInterrupt):
            trainer.train([(x, x)] * 2, [(x, x)])
        return rates[::2]

    def compare(rates, first, english, korean):
        for epoch, (rate, right) in enumerate(
            zip(rates, expected[first:], strict=True)
        ):
            if abs(rate - right) > 1e-4:
                return (
                    f'{english}: with --lr 0.1, epoch {first + epoch + 1} of 6 has the '
                    f'learning rate {rate:.4f}, expected {right:.4f}.',
                    f'{korean}: --lr이 0.1일 때 6 에포크 중 {first + epoch + 1}번째 '
                    f'학습률이 {rate:.4f}인데 {right:.4f}이어야 해요.',
                )
        return None

    difference = compare(train(), 0, 'A whole training', '한 번에 학습할 때')
    if difference:
        return difference
    # Three epochs are whole, the fourth is interrupted.
    train(stop=7)
    state = chapter.guards.load_checkpoint('x.last.pth', chapter.folder.name)
    return compare(
        train(state), 3, 'Resumed after epoch 3', '3 에포크 뒤에 이어서 학습할 때'
    )
