"""A resumed training begins with an optimizer that has forgotten its averages."""

from exercises.edits import rewrite, swap
from exercises.kit import build_trainer, random_tensor

chapter = '04_advanced_pytorch'
kind = 'fault'

place = ('trainer.py', 'Trainer._create_handlers', 'self.to_save = ...')
edit = swap(
    *place,
    """
    self.to_save = {
        'model': self.model,
        'trainer': self.trainer,
        'early_stopping': self.early_stopping,
        'best': self.best,
    }
    """,
)
wrong = [
    # The random numbers were never the problem.
    [
        edit,
        rewrite('trainer.py', 'Trainer._start_epoch', "set_seed(self.config['seed'])"),
    ],
    # Saved, but not loaded.
    swap(
        'trainer.py',
        'Trainer.load_state_dict',
        'Checkpoint.load_objects(...)',
        """
        objects = {'model': self.model, 'trainer': self.trainer}
        Checkpoint.load_objects(objects, state)
        """,
    ),
    # The optimizer is there, but early stopping counts from zero again.
    swap(
        *place,
        """
        self.to_save = {
            'model': self.model,
            'optimizer': self.optimizer,
            'trainer': self.trainer,
            'best': self.best,
        }
        """,
    ),
]


def check(chapter):
    """Compare a training that is stopped and resumed with one that is not."""
    import torch
    from torch import nn

    first = nn.Linear(3, 1)
    x = random_tensor(8, 3)
    y = x.sum(dim=1, keepdim=True)

    def train(n_epochs, state=None):
        model = nn.Linear(3, 1)
        model.load_state_dict(first.state_dict())
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        crit = nn.MSELoss()
        trainer = build_trainer(
            chapter, model, crit, optimizer, n_epochs=n_epochs, early_stop=3
        )
        if state:
            trainer.load_state_dict(state)
        # The prediction for the validation gets worse, so early stopping counts.
        trainer.train([(x, y)], [(x, first(x).detach())])
        return model.weight.detach(), len(trainer.history['valid_loss'])

    expected, n_epochs = train(9)
    train(2)
    found, n_found = train(
        9, chapter.guards.load_checkpoint('x.last.pth', chapter.folder.name)
    )
    if n_found != n_epochs:
        return (
            f'Early stopping ends the whole training after {n_epochs} epochs, but the '
            f'resumed one after {n_found}.',
            f'조기 종료가 한 번에 학습하면 {n_epochs} 에포크 뒤에 끝내는데, 이어서 '
            f'학습하면 {n_found} 에포크 뒤에 끝내요.',
        )
    if not torch.allclose(found, expected, atol=1e-5):
        return (
            'A training that is resumed after epoch 2 ends with other weights. What '
            'does epoch 3 need from the epochs before?',
            '2 에포크 뒤에 이어서 학습하면 가중치가 달라져요. 3번째 에포크는 앞 '
            '에포크에서 무엇을 물려받아야 하나요?',
        )
    return None
