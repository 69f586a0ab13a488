"""The decoder reads the very token that it has to predict."""

from exercises.edits import swap
from exercises.kit import get_config

chapter = '12_seq2seq/attention'
kind = 'fault'

train = ('trainer.py', 'Trainer._train_step')
valid = ('trainer.py', 'Trainer._valid_step')
old, new = 'y[:, :-1]', 'y[:, 1:]'
targets = 'y[:, 1:].flatten()', 'y[:, :-1].flatten()'
edit = [swap(*train, old, new), swap(*valid, old, new)]
wrong = [
    # Only the training is mended.
    swap(*valid, old, new),
    # The input is right, but now the targets are the same.
    [swap(*train, *targets), swap(*valid, *targets)],
    # The decoder does not read BOS.
    [swap(*train, old, 'y[:, 1:-1]'), swap(*train, targets[0], 'y[:, 2:].flatten()')],
]


def check(chapter):
    """Look at what the decoder reads, and at the targets, in both steps."""
    import torch
    from torch import nn

    inputs, outputs = [], []

    class Network(nn.Linear):
        """Remembers what the decoder reads."""

        def forward(self, x, lengths, y):
            inputs.append(y.tolist())
            return super().forward(torch.zeros(*y.shape, 2))

    def crit(y_hat, y):
        outputs.append(y.tolist())
        return nn.functional.cross_entropy(y_hat, y)

    network, config = Network(2, 9), vars(get_config(early_stop=0, max_grad=1.0))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    trainer = chapter.trainer.Trainer(network, crit, optimizer, {}, {'config': config})
    # BOS is 2, EOS is 3.
    batch = torch.tensor([[5, 6]]), torch.tensor([2]), torch.tensor([[2, 7, 8, 3]])
    trainer._train_step(None, batch)
    _, y = trainer._valid_step(None, batch)
    outputs.append(y.tolist())
    for step, read, targets in zip(('train', 'valid'), inputs, outputs, strict=True):
        if read != [[2, 7, 8]] or targets != [7, 8, 3]:
            name, found = f'_{step}_step', f'{read[0]} -> {targets}'
            return (
                f'{name}, for the sentence [2, 7, 8, 3] (2 is BOS, 3 is EOS): the '
                f'decoder reads and predicts {found}, expected [2, 7, 8] -> [7, 8, 3].',
                f'{name}에서 문장이 [2, 7, 8, 3]일 때(2는 BOS, 3은 EOS) 디코더의 '
                f'입력과 정답이 {found}인데 [2, 7, 8] -> [7, 8, 3]이어야 해요.',
            )
    return None
