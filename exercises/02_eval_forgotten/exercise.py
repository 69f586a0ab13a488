"""Validation runs with dropout, and batch normalisation learns from its images."""

from exercises.edits import swap
from exercises.kit import first_difference, get_config, random_tensor

chapter = '02_mnist_tutorial'
kind = 'fault'

edit = swap('trainer.py', 'Trainer._validate', 'self.model.eval()', '')
wrong = [
    # Once, at the beginning: the training then goes back to train().
    [
        edit,
        swap(
            'trainer.py',
            'Trainer.__init__',
            'self.crit = crit',
            'self.crit = crit\nmodel.eval()',
        ),
    ],
    # In the training, too: now dropout and batch normalisation never work.
    swap('trainer.py', 'Trainer._train', 'self.model.train()', 'self.model.eval()'),
]


def check(chapter):
    """Train and validate a network with dropout and batch normalisation."""
    import copy

    import torch
    from torch import nn

    x, y, crit = random_tensor(8, 4), random_tensor(8, 4), nn.MSELoss()
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4), nn.Dropout(0.5))
    modes = []
    model.register_forward_hook(lambda *_: modes.append(model.training))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = chapter.trainer.Trainer(model, crit, optimizer)
    config = get_config(batch_size=8)
    trainer._train(x, y, config)
    if not all(modes):
        return (
            'In _train, dropout and batch normalisation are not in training mode.',
            '_train에서 드롭아웃과 배치 정규화가 학습 모드로 동작하지 않아요.',
        )
    before = copy.deepcopy(model)
    loss = torch.tensor(trainer._validate(x, y, config))
    if not torch.equal(before[0].running_mean, model[0].running_mean):
        return (
            'The running mean of batch normalisation changes in the validation.',
            '검증하는 동안 배치 정규화의 이동 평균이 바뀌어요.',
        )
    with torch.no_grad():
        return first_difference('loss', loss, crit(before.eval()(x), y))
