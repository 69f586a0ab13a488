"""The norm of the gradient gets a limit, as an option."""

from exercises.edits import swap
from exercises.kit import random_tensor, recorded, run_program

chapter = '04_advanced_pytorch'
kind = 'change'

option = swap(
    'train.py',
    'add_training_options',
    'option = ...',
    """
    option = parser.add_argument_group('training').add_argument
    norm = {'type': number(float, 0), 'default': 1.0}
    option('--max_grad_norm', **norm, help='largest norm of the gradient')
    """,
)
place = ('trainer.py', 'Trainer._train_step')
norm = (*place, 'grad_norm = ...')
clip = """
max_norm = self.config['max_grad_norm']
grad_norm = nn.utils.clip_grad_norm_(self.model.parameters(), max_norm)
"""
imports = swap('trainer.py', '', 'import torch', 'import torch\nfrom torch import nn')
solution = [option, imports, swap(*norm, clip)]
wrong = [
    # The step is over before the gradient is clipped.
    [
        *(option, imports, swap(*norm, '')),
        swap(*place, 'self.optimizer.step()', 'self.optimizer.step()\n' + clip),
    ],
    # Each number is limited, so the direction changes.
    [
        *(option, imports),
        swap(
            *norm,
            """
            grad_norm = get_total_norm([p.grad for p in self.model.parameters()])
            max_norm = self.config['max_grad_norm']
            nn.utils.clip_grad_value_(self.model.parameters(), max_norm)
            """,
        ),
    ],
    # The norm of each parameter is limited, and not that of all together.
    [
        *(option, imports),
        swap(
            *norm,
            """
            grad_norm = get_total_norm([p.grad for p in self.model.parameters()])
            for p in self.model.parameters():
                nn.utils.clip_grad_norm_([p], self.config['max_grad_norm'])
            """,
        ),
    ],
    # The option has no effect.
    option,
]


def check(chapter):
    """Compare one step of gradient descent with one that is written out here."""
    import copy

    import torch
    from torch import nn

    x, y = random_tensor(8, 784), torch.arange(8)
    for limit in (0.5, 1000.0):
        arguments = ['--dataset', 'digits', '--max_grad_norm', limit]
        with recorded(chapter.trainer.Trainer, 'train') as calls:
            run_program(chapter.train, *arguments, '--gpu_id', -1)
        trainer = calls[0][0]
        model = copy.deepcopy(trainer.model).train()
        trainer.optimizer = torch.optim.SGD(trainer.model.parameters(), lr=1.0)
        # Dropout draws the same numbers in both.
        torch.manual_seed(1)
        loss = nn.functional.cross_entropy(model(x), y)
        gradients = torch.autograd.grad(loss, [*model.parameters()])
        gradient = torch.cat([g.flatten() for g in gradients])
        expected = gradient * min(1, limit / gradient.norm().item())
        torch.manual_seed(1)
        trainer._train_step(None, (x, y))
        pairs = zip(model.parameters(), trainer.model.parameters(), strict=True)
        step = torch.cat([(a - b).detach().flatten() for a, b in pairs])
        if not torch.allclose(step, expected, atol=1e-4):
            norms = gradient.norm(), limit, step.norm()
            return (
                'A gradient of norm {:.2f}, with --max_grad_norm {}: the step has '
                'norm {:.2f}, or another direction.'.format(*norms),
                '노름이 {:.2f}인 기울기에 --max_grad_norm {}: step의 노름이 '
                '{:.2f}이거나 방향이 달라요.'.format(*norms),
            )
    return None
