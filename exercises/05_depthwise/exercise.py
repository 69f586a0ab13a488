"""Each convolution becomes two: one for the neighbours, one for the channels."""

from exercises.edits import swap
from exercises.kit import random_tensor

chapter = '05_cnn'
kind = 'change'

place = ('model.py', 'ConvolutionBlock.__init__', 'self.layers = nn.Sequential(...)')
layers = """
def get_convolution(in_channels, stride):
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels),
        nn.Conv2d(in_channels, out_channels, kernel_size=1),
    )

self.layers = nn.Sequential(
    get_convolution(in_channels, stride=1),
    nn.BatchNorm2d(out_channels),
    nn.LeakyReLU(),
    get_convolution(out_channels, stride=2),
    nn.BatchNorm2d(out_channels),
    nn.LeakyReLU(),
)
"""
solution = swap(*place, layers)
wrong = [
    # The 3 x 3 convolution still mixes the channels.
    swap(*place, layers.replace(', groups=in_channels', '')),
    # Nothing mixes the channels any more, except where their number grows.
    swap(
        *place,
        layers.replace('kernel_size=1', 'kernel_size=1, groups=in_channels'),
    ),
    # The stride is in both convolutions.
    swap(*place, layers.replace('kernel_size=1', 'kernel_size=1, stride=stride')),
]


def check(chapter):
    """Look at the shape, at the weights, and at which numbers depend on which."""
    block = chapter.model.ConvolutionBlock(4, 8).eval()
    x = random_tensor(2, 4, 9, 8).requires_grad_()
    y = block(x)
    if y.shape != (2, 8, 5, 4):
        shapes = f'|x| = {tuple(x.shape)}, |y| = {tuple(y.shape)}'
        return (
            f'{shapes}: |y| should be (2, 8, 5, 4).',
            f'{shapes}: |y|가 (2, 8, 5, 4)여야 해요.',
        )
    weights = [tuple(p.shape) for p in block.parameters() if p.dim() == 4]
    expected = [(4, 1, 3, 3), (8, 4, 1, 1), (8, 1, 3, 3), (8, 8, 1, 1)]
    if sorted(weights) != sorted(expected):
        return (
            f'The weights of the convolutions from 4 to 8 channels are {weights}, '
            f'expected {expected}.',
            f'4채널에서 8채널로 가는 합성곱의 가중치가 {weights}인데 '
            f'{expected}이어야 해요.',
        )
    # A number of y depends on 5 x 5 positions of each channel of x.
    y[0, 0, 2, 2].backward()
    n_seen = (x.grad[0] != 0).sum(dim=(1, 2)).tolist()
    if n_seen != [25] * 4:
        return (
            f'A number of y depends on {n_seen} pixels of the four channels of x, '
            'expected 25 of each.',
            f'y의 값 하나가 x의 네 채널에서 픽셀 {n_seen}개에 좌우돼요. 채널마다 '
            '25개여야 해요.',
        )
    return None
