"""The table of sine waves that encodes the positions is gone."""

from exercises.edits import blank, swap
from exercises.kit import first_difference

chapter = '13_transformer'
kind = 'write'

place = ('model.py', 'PositionalEncoding.make_table')
edit = blank(*place)
exponents = 'torch.arange(0, self.hidden_size, 2) / self.hidden_size'
table = 'torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)'
wrong = [
    # i / d instead of 2i / d.
    swap(*place, exponents, 'torch.arange(self.hidden_size // 2) / self.hidden_size'),
    # All sines, then all cosines.
    swap(*place, table, 'torch.cat([angles.sin(), angles.cos()], dim=1)'),
    swap(*place, 'positions / 10000**exponents', 'positions * 10000**exponents'),
    # The positions begin with 1.
    swap(
        *place,
        'torch.arange(length).unsqueeze(1)',
        'torch.arange(1, length + 1).unsqueeze(1)',
    ),
]


def check(chapter):
    """Compare with the formula, one number after the other."""
    import math

    import torch

    encoding = chapter.model.PositionalEncoding(8)
    expected = torch.empty(300, 8)
    for t in range(300):
        for i in range(4):
            angle = t / 10000 ** (2 * i / 8)
            expected[t, 2 * i] = math.sin(angle)
            expected[t, 2 * i + 1] = math.cos(angle)
    difference = first_difference('table', encoding.make_table(300), expected, 1e-3)
    if difference:
        return difference
    found = encoding(298, 2)
    return first_difference('positions 298 and 299', found, expected[298:], 1e-3)
