"""y has lost its second dimension, so the loss compares every pair of points."""

from exercises.edits import swap
from exercises.kit import first_difference

chapter = '01_linear_regression'
kind = 'fault'

result = ('utils.py', 'load_data', 'return values[:, :1], values[:, 1:]')
edit = swap(*result, 'return values[:, :1], values[:, 1]')
wrong = [
    swap(*result, 'return values[:, :1], values[:, 1][None]'),
    swap(*result, 'return values[:, 0], values[:, 1]'),
]


def check(chapter):
    """Read a table of three rows."""
    import torch

    with open('points.csv', 'w', encoding='utf-8') as file:
        file.write('x,y\n1,5\n2,6\n4,8\n')
    x, y = chapter.utils.load_data('points.csv')
    expected_x, expected_y = (
        torch.tensor([[1.0], [2], [4]]),
        torch.tensor([[5.0], [6], [8]]),
    )
    return first_difference('x', x, expected_x) or first_difference('y', y, expected_y)
