"""A pooling layer halves height and width, instead of a stride of two."""

from exercises.edits import swap
from exercises.kit import random_tensor

chapter = '05_cnn'
kind = 'change'

place = ('model.py', 'ConvolutionBlock.__init__')
layers = (*place, 'self.layers = ...')
pooled = """
self.layers = nn.Sequential(
    nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
    nn.BatchNorm2d(out_channels),
    nn.LeakyReLU(),
    nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
    nn.BatchNorm2d(out_channels),
    nn.LeakyReLU(),
    nn.MaxPool2d(2, ceil_mode=True),
)
"""
solution = swap(*layers, pooled)
wrong = [
    # Height and width are halved twice.
    swap(*layers, pooled.replace('padding=1', 'stride=2, padding=1', 1)),
    # Seven becomes three, so the last row and column are lost.
    swap(*layers, pooled.replace(', ceil_mode=True', '')),
    # The mean, not the maximum.
    swap(*layers, pooled.replace('MaxPool2d', 'AvgPool2d')),
]


def check(chapter):
    """Compare with the layers that are written out here."""
    import torch
    from torch import nn

    block = chapter.model.ConvolutionBlock(3, 5)
    x = random_tensor(2, 3, 7, 10)
    y = block(x)
    if y.shape != (2, 5, 4, 5):
        shape = tuple(y.shape)
        return (
            f'For |x| = (2, 3, 7, 10), |y| is {shape}, expected (2, 5, 4, 5).',
            f'|x| = (2, 3, 7, 10)일 때 |y|: {shape}인데 (2, 5, 4, 5)여야 해요.',
        )
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    if len(convolutions) != 2 or any(m.stride != (1, 1) for m in convolutions):
        return (
            'There should be two convolutions, both with a stride of one.',
            '합성곱이 두 개이고 둘 다 stride가 1이어야 해요.',
        )
    norm = nn.BatchNorm2d(5)
    with torch.no_grad():
        for convolution in convolutions:
            x = nn.functional.leaky_relu(norm(convolution(x)))
    x = nn.functional.pad(x, [0, 0, 0, 1], value=-1e9)
    expected = x.unflatten(3, (5, 2)).unflatten(2, (4, 2)).amax(dim=(3, 5))
    if not torch.allclose(y, expected, atol=1e-4):
        return (
            'The shapes agree, but y is not the maximum of each 2 x 2 pixels after '
            'the second activation.',
            'shape은 맞지만, y가 두 번째 활성화 함수 뒤에서 2 x 2 픽셀마다 구한 '
            '최댓값이 아니에요.',
        )
    return None
