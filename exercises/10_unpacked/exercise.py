"""The LSTM reads the padding, too, because the sequences are not packed."""

from exercises.edits import swap
from exercises.kit import first_difference

chapter = '10_text_classification'
kind = 'fault'

place = ('model.py', 'SequenceClassifier.forward')
pack = 'x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)'
edit = swap(*place, pack, '')
wrong = [
    # All texts get the length of the longest one.
    swap(*place, pack, pack.replace('lengths', 'lengths * 0 + x.size(1)')),
    # The vectors of the padding are zero, but the LSTM reads them.
    swap(*place, pack, 'x = x * (x != 0)'),
    # The last output is right for the forward direction alone.
    [
        edit,
        swap(
            *place,
            '_, (h_n, _) = ...\nfeatures = ...',
            """
            z, _ = self.rnn(x)
            features = z[torch.arange(len(z)), lengths - 1]
            """,
        ),
    ],
]


def check(chapter):
    """Compare texts in a padded batch with the same texts alone."""
    import torch
    from torch import nn

    embedding = nn.Embedding(9, 4, padding_idx=0)
    model = chapter.model.SequenceClassifier(embedding, 2, 5, 1, 0.0).eval()
    x = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 0, 0, 0, 0], [4, 2, 7, 0, 0, 0]])
    lengths = torch.tensor([6, 2, 3])
    with torch.no_grad():
        y_hat = model(x, lengths)
        for i, length in enumerate(lengths.tolist()):
            alone = model(x[i : i + 1, :length], lengths[i : i + 1])
            difference = first_difference('y_hat', y_hat[i : i + 1], alone)
            if difference:
                return (
                    f'A text of {length} tokens gives other logits in a batch with a '
                    'text of 6 tokens than alone.',
                    f'토큰이 {length}개인 텍스트의 로짓이, 토큰이 6개인 텍스트와 한 '
                    '배치에 있을 때와 혼자 있을 때 서로 달라요.',
                )
        expected = chapter.original.model.SequenceClassifier(embedding, 2, 5, 1, 0.0)
        expected.load_state_dict(model.state_dict())
        return first_difference('y_hat', y_hat, expected.eval()(x, lengths))
