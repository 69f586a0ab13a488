"""The best model is that of the training loss, which hardly ever rises."""

from exercises.edits import swap
from exercises.kit import build_trainer

chapter = '04_advanced_pytorch'
kind = 'fault'

place = ('trainer.py', 'Trainer._create_handlers')
score = "Checkpoint.get_default_score_fn('valid_loss', -1.0)"
edit = swap(*place, score, "Checkpoint.get_default_score_fn('train_loss', -1.0)")
wrong = [
    # The highest loss is the best one.
    swap(*place, score, "Checkpoint.get_default_score_fn('valid_loss')"),
    # Only early stopping is mended.
    [
        edit,
        swap(
            *place,
            'EarlyStopping(patience, get_score, ...)',
            f'EarlyStopping(patience, {score}, self.trainer)',
        ),
    ],
    # Only the checkpoint is mended.
    [
        edit,
        swap(
            *place,
            'self.best = ...',
            f'self.best = Checkpoint(best, score_function={score}, **options)',
        ),
    ],
]


def check(chapter):
    """Train with a validation loss that falls and then rises."""
    import torch
    from torch import nn

    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    x = torch.ones(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = build_trainer(
        chapter, model, nn.MSELoss(), optimizer, n_epochs=12, early_stop=2
    )
    trainer.train([(x, 3 * x)], [(x, 1.5 * x)])

    losses = trainer.history['valid_loss']
    best = 1 + losses.index(min(losses))
    saved = torch.load('x.pth', weights_only=True)['model']['weight'].item()
    found = min(range(len(losses)), key=lambda i: abs(losses[i] - (saved - 1.5) ** 2))
    if found + 1 != best:
        return (
            f'The validation loss is lowest in epoch {best}, but the saved model is '
            f'that of epoch {found + 1}.',
            f'검증 손실은 {best}번째 에포크에서 가장 낮은데, 저장된 모델은 '
            f'{found + 1}번째 에포크의 모델이에요.',
        )
    if len(losses) != best + 2:
        return (
            f'With early_stop=2 and the best model in epoch {best}, the training '
            f'should end after epoch {best + 2}, but it ends after {len(losses)}.',
            f'early_stop이 2이고 가장 좋은 모델이 {best}번째 에포크에서 나왔으니 '
            f'{best + 2} 에포크 뒤에 끝나야 하는데, {len(losses)} 에포크를 학습해요.',
        )
    return None
