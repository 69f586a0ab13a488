"""Padding counts in the loss, as if it were a word."""

from types import SimpleNamespace

from exercises.edits import swap
from exercises.kit import recorded, run_program

chapter = '12_seq2seq/attention'
kind = 'fault'

crit = ('train.py', 'main', 'nn.CrossEntropyLoss(ignore_index=PAD_ID)')
names = ('train.py', 'main', 'from data_loader import PAD_ID, get_loaders')
edit = swap(*crit, 'nn.CrossEntropyLoss()')
wrong = [
    # EOS is left out, and padding is not.
    [
        swap(*names, 'from data_loader import EOS_ID, get_loaders'),
        swap(*crit, 'nn.CrossEntropyLoss(ignore_index=EOS_ID)'),
    ],
    swap(*crit, "nn.CrossEntropyLoss(ignore_index=PAD_ID, reduction='sum')"),
    # The validation alone is mended.
    [
        edit,
        swap(
            'trainer.py',
            'Trainer._valid_step',
            'return ...',
            """
            targets = y[:, 1:].flatten()
            return y_hat.flatten(0, 1)[targets > 0], targets[targets > 0]
            """,
        ),
    ],
]


class Subwords:
    """The subwords of a language that has nine of them."""

    def __len__(self):
        return 9

    def serialized_model_proto(self):
        """Return some bytes."""
        return b'subwords'


def check(chapter):
    """Compare both losses with the mean over the tokens that are not padding."""
    import torch
    from torch.nn import functional

    loader = SimpleNamespace(dataset=[])
    data = loader, loader, Subwords(), Subwords()
    with (
        recorded(chapter.data_loader, 'get_loaders', data),
        recorded(chapter.trainer.Trainer, 'train') as calls,
    ):
        run_program(chapter.train, '--gpu_id', -1, '--dropout_p', 0)
    trainer = calls[0][0]

    x, lengths = torch.tensor([[5, 6], [7, 8]]), torch.tensor([2, 2])
    # BOS is 2, EOS is 3, padding is 0.
    y = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
    batch = x, lengths, y
    with torch.no_grad():
        y_hat, targets = trainer.model(x, lengths, y[:, :-1]), y[:, 1:]
        expected = functional.cross_entropy(y_hat[targets > 0], targets[targets > 0])
        valid_loss = trainer.crit(*trainer._valid_step(None, batch))
    train_loss = trainer._train_step(None, batch)['loss']
    for name, loss in (('train', train_loss), ('valid', valid_loss)):
        if abs(loss - expected) > 1e-4:
            return (
                f'_{name}_step, for two sentences of 4 and 2 tokens and 2 of padding: '
                f'the loss is {loss:.4f}, expected {expected:.4f}, the mean over 6.',
                f'_{name}_step에서 토큰이 4개, 2개이고 패딩이 2개인 두 문장의 손실이 '
                f'{loss:.4f}인데, 토큰 6개의 평균인 {expected:.4f}이어야 해요.',
            )
    return None
