"""The step that Ignite calls for each batch is gone."""

from exercises.edits import blank, swap
from exercises.kit import build_trainer, compare_steps, first_difference, random_tensor

chapter = '04_advanced_pytorch'
kind = 'write'

place = ('trainer.py', 'Trainer._train_step')
edit = blank(*place)
wrong = [
    # After the first validation, the model stays in evaluation mode.
    swap(*place, 'self.model.train()', ''),
    swap(*place, 'self.optimizer.zero_grad()', ''),
    # The graph of each step would be kept until the end of the epoch.
    swap(*place, 'loss.detach()', 'loss'),
    # The norm of the parameters, not that of the gradients.
    swap(*place, 'p.grad', 'p.detach()'),
    swap(*place, 'x, y = ...', 'x, y = batch'),
]


def check(chapter):
    """Compare three steps with gradient descent by hand, then look at the report."""
    from types import SimpleNamespace

    import torch
    from torch import nn

    x, y, crit = random_tensor(6, 3), random_tensor(6, 2), nn.MSELoss()
    model = nn.Linear(3, 2)

    def get_trainer(model, optimizer):
        return build_trainer(chapter, model, crit, optimizer)

    def train(model, optimizer, n_steps):
        trainer = get_trainer(model, optimizer)
        for _ in range(n_steps):
            trainer._train_step(None, (x, y))

    difference = compare_steps(train, x, y, crit, model)
    if difference:
        return difference

    loss = crit(model(x), y)
    gradients = torch.autograd.grad(loss, model.parameters())
    expected = {'loss': loss.detach(), 'y': y}
    expected['|grad|'] = torch.cat([g.flatten() for g in gradients]).norm()
    trainer = get_trainer(model, torch.optim.SGD(model.parameters(), lr=0.01))
    moved = []

    def move(tensor):
        return SimpleNamespace(to=lambda *_, **__: moved.append(1) or tensor)

    model.eval()
    try:
        report = trainer._train_step(None, (move(x), move(y)))
    except (AttributeError, TypeError):
        if len(moved) == 2:
            raise
        return (
            'x and y are not moved to the device of the model.',
            'x와 y를 모델이 있는 장치로 옮기지 않아요.',
        )
    if not model.training:
        return (
            'The model is still in the evaluation mode of the last validation.',
            '모델이 지난 검증의 평가 모드에 그대로 있어요.',
        )
    if not isinstance(report, dict) or {*report} != {*expected}:
        return (
            f'The step should return a dict of {", ".join(expected)}.',
            f'{", ".join(expected)}를 담은 딕셔너리를 돌려줘야 해요.',
        )
    if getattr(report['loss'], 'requires_grad', False):
        return (
            'The loss of the report still holds the graph of its step.',
            '보고하는 loss가 아직 그 step의 계산 그래프를 붙들고 있어요.',
        )
    for name, tensor in expected.items():
        difference = first_difference(name, report[name], tensor)
        if difference:
            return difference
    return None
