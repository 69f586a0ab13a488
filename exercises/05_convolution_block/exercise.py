"""The layers of a convolution block are gone."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '05_cnn'
kind = 'write'

place = ('model.py', 'ConvolutionBlock.__init__')
layers = 'self.layers = nn.Sequential(...)'
edit = swap(*place, layers, 'self.layers = nn.Sequential()')
first = 'nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)'
second = 'nn.Conv2d(out_channels, out_channels, kernel_size=3, stride=2, padding=1)'
wrong = [
    # Without padding, the edges get lost.
    swap(*place, second, second.replace(', padding=1', '')),
    # The first convolution halves the image, so the second one sees less of it.
    [
        swap(*place, second, second.replace(', stride=2', '')),
        swap(*place, first, first.replace('padding', 'stride=2, padding')),
    ],
    # Normalised after the activation.
    swap(
        *place,
        layers,
        """
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.LeakyReLU(),
            nn.BatchNorm2d(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, stride=2, padding=1),
            nn.LeakyReLU(),
            nn.BatchNorm2d(out_channels),
        )
        """,
    ),
]


def check(chapter):
    """Compare with the convolutions, written out with the weights of the learner."""
    import torch
    from torch import nn
    from torch.nn import functional

    for height, width in ((8, 8), (7, 5)):
        block, x = (
            chapter.model.ConvolutionBlock(2, 3),
            random_tensor(4, 2, height, width),
        )
        y = block(x)
        shape = 4, 3, (height + 1) // 2, (width + 1) // 2
        if y.shape != shape:
            shapes = f'|x| = {tuple(x.shape)}, |y| = {tuple(y.shape)}'
            return (
                f'{shapes}: |y| should be {shape}.',
                f'{shapes}: |y|가 {shape}이어야 해요.',
            )
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    if (len(convolutions), len(norms)) != (2, 2):
        return (
            f'The block has {len(convolutions)} convolutions and {len(norms)} batch '
            'normalisations, expected two of each.',
            f'블록에 합성곱이 {len(convolutions)}개, 배치 정규화가 {len(norms)}개 '
            '있어요. 각각 2개여야 해요.',
        )
    expected = x
    for convolution, norm, stride in zip(convolutions, norms, (1, 2), strict=True):
        if (convolution.stride, convolution.kernel_size) != ((stride,) * 2, (3, 3)):
            return (
                'Both convolutions should be 3 x 3, and only the second one should '
                'have a stride of two.',
                '합성곱은 둘 다 3 x 3이고, 두 번째만 stride가 2여야 해요.',
            )
        weights = convolution.weight, convolution.bias
        expected = functional.conv2d(expected, *weights, stride=stride, padding=1)
        expected = functional.batch_norm(
            expected, None, None, norm.weight, norm.bias, training=True
        )
        expected = functional.leaky_relu(expected)
    with torch.no_grad():
        return first_difference('y', y, expected)
