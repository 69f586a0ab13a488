"""A frozen backbone does not stay in evaluation mode, so its statistics change."""

from exercises.edits import redefine, swap
from exercises.kit import first_difference, random_tensor

chapter = '06_transfer_learning'
kind = 'fault'

edit = redefine('model.py', 'TransferClassifier.train', '')
wrong = [
    # Once, at the beginning: each training step then calls train().
    [
        edit,
        swap(
            'model.py',
            'TransferClassifier.__init__',
            'self.backbone = ...',
            'self.backbone = backbone.requires_grad_(not is_frozen).eval()',
        ),
    ],
    # A backbone that is not frozen stays in evaluation mode, too.
    swap('model.py', 'TransferClassifier.train', 'self.is_frozen', 'True'),
    # The running statistics stay, but the features depend on those of the batch.
    [
        edit,
        swap(
            'model.py',
            'TransferClassifier.__init__',
            'self.backbone = ...',
            """
            self.backbone = backbone.requires_grad_(not is_frozen)
            for layer in backbone.modules():
                if is_frozen and isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                    layer.momentum = 0.0
            """,
        ),
    ],
]


def check(chapter):
    """Train a small backbone with batch normalisation for one step."""
    import torch

    x = random_tensor(8, 1, 2, 2)
    model, features = train_once(chapter, x, is_frozen=True)
    with torch.no_grad():
        if first_difference('features', features, model.eval().backbone(x)):
            return (
                'A frozen backbone gives other features in a training step than '
                'afterwards. Which statistics does batch normalisation use and change?',
                '고정한 백본인데 학습 step에서 나온 특징과 그 뒤에 나온 특징이 달라요. '
                '배치 정규화가 어떤 통계를 쓰고 어떤 통계를 바꾸나요?',
            )
    model, _ = train_once(chapter, x, is_frozen=False)
    if not model.backbone[0].running_mean.any():
        return (
            'A backbone that is not frozen should train as before, but the running '
            'mean of its batch normalisation does not change.',
            '고정하지 않은 백본은 전처럼 학습해야 하는데, 배치 정규화의 이동 평균이 '
            '변하지 않아요.',
        )
    return None


def train_once(chapter, x, is_frozen):
    """Take one step of the Trainer; return the model, and its features in this step."""
    import torch
    from torch import nn

    backbone, features = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten()), []
    model = chapter.model.TransferClassifier(backbone, 4, 3, is_frozen)
    backbone.register_forward_hook(lambda *values: features.append(values[-1].detach()))
    trainer = chapter.trainer.Trainer(
        model,
        nn.CrossEntropyLoss(),
        torch.optim.SGD(model.parameters(), lr=0.1),
        metrics={},
        checkpoint={'config': {'amp': 'off', 'early_stop': 0}},
    )
    trainer._train_step(None, (x, torch.arange(8) % 3))
    return model, features[0]
