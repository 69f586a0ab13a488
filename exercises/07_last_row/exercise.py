"""The outputs at the last row are classified: backwards, that is the first step."""

from exercises.edits import swap
from exercises.kit import compare_final_states

chapter = '07_rnn'
kind = 'fault'

load = swap(
    'model.py',
    '',
    'from torch.nn.utils.rnn import pack_padded_sequence',
    'from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence',
)
place = ('model.py', 'SequenceClassifier.forward')
read = '_, (h_n, _) = self.rnn(x)'
features = 'features = torch.cat([h_n[-2], h_n[-1]], dim=-1)'
outputs = """
outputs, _ = self.rnn(x)
if lengths is None:
    features = outputs[:, -1]
else:
    outputs, lengths = pad_packed_sequence(outputs, batch_first=True)
    features = outputs[range(len(outputs)), lengths - 1]
"""
edit = [load, swap(*place, f'{read}\n{features}', outputs)]
wrong = [
    # Now the forward direction has read one row.
    [load, swap(*place, f'{read}\n{features}', outputs.replace('[:, -1]', '[:, 0]'))],
    # The final states of the first layer.
    swap(*place, features, features.replace('-2', '0').replace('-1]]', '1]]')),
    # The forward direction twice.
    swap(*place, features, features.replace('h_n[-1]', 'h_n[-2]')),
]


def check(chapter):
    """Compare with the final states of both directions, for two layers."""
    return compare_final_states(chapter)
