"""The gradients are clipped before they are there."""

from exercises.edits import swap
from exercises.kit import build_trainer

chapter = '07_rnn'
kind = 'fault'

place = ('trainer.py', 'Trainer._train_step')
clip = "grad_norm = clip_grad_norm_(self.model.parameters(), self.config['max_grad'])"
backward = 'self.optimizer.zero_grad()\nloss.backward()'
step = 'self.optimizer.step()'
edit = swap(
    *place,
    f'{backward}\n{clip}',
    f'# Clip\n{clip}\n\n# Backward\n{backward}',
)
wrong = [
    # After the step it is too late.
    swap(*place, f'{clip}\n{step}', f'{step}\n\n# Clip\n{clip}'),
    # Between zero_grad() and backward() there is nothing to clip.
    swap(
        *place,
        f'{backward}\n{clip}',
        f'self.optimizer.zero_grad()\n{clip}\nloss.backward()',
    ),
    # The norm is only measured.
    swap(
        *place,
        clip,
        'grad_norm = get_total_norm([p.grad for p in self.model.parameters()])',
    ),
]


def check(chapter):
    """Compare the change of the weights with the gradient, for two steps."""
    import torch
    from torch import nn

    x, y = torch.ones(1, 2), torch.full((1, 1), 100.0)
    for max_grad in (1.0, 1e6):
        model = nn.Linear(2, 1, bias=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        trainer = build_trainer(
            chapter, model, nn.MSELoss(), optimizer, max_grad=max_grad
        )
        for step in (1, 2):
            before = model.weight.detach().clone()
            (gradient,) = torch.autograd.grad(nn.MSELoss()(model(x), y), model.weight)
            report = trainer._train_step(None, (x, y))
            found = (model.weight.detach() - before).norm().item() / 0.01
            norm = gradient.norm().item()
            place = f'max_grad={max_grad:g}', f'{norm:.1f}'
            if abs(found - min(norm, max_grad)) > 0.01 * found:
                return (
                    f'{place[0]}: the gradient of step {step} has the norm {place[1]}. '
                    f'The step uses one of norm {found:.1f}, expected '
                    f'{min(norm, max_grad):.1f}.',
                    f'{place[0]}: {step}번째 step의 기울기는 노름이 {place[1]}이에요. '
                    f'step이 쓴 기울기의 노름은 {found:.1f}인데 '
                    f'{min(norm, max_grad):.1f}이어야 해요.',
                )
            reported = f'|grad|={report["|grad|"].item():.1f}'
            if abs(report['|grad|'].item() - norm) > 0.01 * norm:
                return (
                    f'{place[0]}: step {step} reports {reported}, but the norm of its '
                    f'gradient is {place[1]}.',
                    f'{place[0]}: {step}번째 step이 {reported}로 보고하지만 기울기의 '
                    f'노름은 {place[1]}이에요.',
                )
    return None
