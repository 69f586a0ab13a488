"""The batches that are left over at the end of an epoch take no step."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '12_seq2seq'
kind = 'fault'

place = ('trainer.py', 'Trainer._is_update')
answer = (
    *place,
    "return is_last or n_batches % self.config['iteration_per_update'] == 0",
)
edit = swap(*answer, "return n_batches % self.config['iteration_per_update'] == 0")
wrong = [
    # One step an epoch, whatever the option says.
    swap(*answer, 'return is_last'),
    # One step a batch.
    swap(*answer, 'return True'),
    # The batches are counted from 0.
    swap(
        *place, '(state.iteration - 1) % state.epoch_length + 1', 'state.iteration - 1'
    ),
]


def check(chapter):
    """Train with 5 batches in groups of 2, and compare with the steps by hand."""
    import torch
    from torch import nn

    class Network(nn.Linear):
        """Predicts from random features, which x contains."""

        def forward(self, x, lengths, y):
            return super().forward(x)

    config = {'amp': 'off', 'early_stop': 0, 'iteration_per_update': 2}
    config['max_grad'] = 1e6
    network, crit = Network(3, 4), nn.CrossEntropyLoss(ignore_index=0)
    expected = [p.detach().clone() for p in network.parameters()]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    trainer = chapter.trainer.Trainer(
        network, crit, optimizer, None, {}, {'config': config}
    )
    steps, step = [], optimizer.step
    optimizer.step = lambda *arguments: (steps.append(1), step(*arguments))[1]
    batches = [
        (random_tensor(2, n, 3), None, torch.randint(1, 4, (2, n + 1)))
        for n in (1, 4, 2, 3, 5)
    ]
    trainer.trainer.run(batches, max_epochs=1)
    if len(steps) != 3:
        return (
            f'Of 5 batches, --iteration_per_update 2 makes {len(steps)} step(s), '
            'expected 3: after 2, 4 and 5 batches.',
            f'배치가 5개이고 --iteration_per_update가 2일 때 한 에포크에 step이 '
            f'{len(steps)}번인데, 배치 2개, 4개, 5개 뒤에 한 번씩 3번이어야 해요.',
        )
    for group in (batches[:2], batches[2:4], batches[4:]):
        x = torch.cat([x.flatten(0, 1) for x, _, _ in group])
        y = torch.cat([y[:, 1:].flatten() for _, _, y in group])
        weight, bias = (p.requires_grad_() for p in expected)
        grads = torch.autograd.grad(crit(x @ weight.T + bias, y), expected)
        expected = [p.detach() - 0.1 * g for p, g in zip(expected, grads, strict=True)]
    return first_difference('weight', network.weight.detach(), expected[0])
