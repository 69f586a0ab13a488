"""What the recurrent classifier makes of its rows is gone."""

from exercises.edits import blank, swap
from exercises.kit import compare_final_states

chapter = '07_rnn'
kind = 'write'

place = ('model.py', 'SequenceClassifier.forward')
edit = blank(*place)
features = 'features = torch.cat([h_n[-2], h_n[-1]], dim=-1)'
wrong = [
    # At the last row, the backward direction has read one row.
    [
        swap(*place, '_, (h_n, _) = self.rnn(x)', 'outputs, _ = self.rnn(x)'),
        swap(*place, features, 'features = outputs[:, -1]'),
    ],
    # The states of the first layer.
    swap(*place, features, 'features = torch.cat([h_n[0], h_n[1]], dim=-1)'),
    # The states of different images are mixed.
    swap(*place, features, 'features = h_n[-2:].reshape(x.size(0), -1)'),
    # The rows beyond the lengths are read.
    swap(
        *place,
        'x = pack_padded_sequence(x, lengths, True, enforce_sorted=False)',
        'pass',
    ),
    swap(*place, 'self.dropout(features)', 'features'),
]


def check(chapter):
    """Compare with the final states of both directions, for two layers."""
    return compare_final_states(chapter)
