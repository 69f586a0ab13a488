"""Batch normalisation and leaky ReLU follow the last layer of both halves, too."""

from exercises.edits import swap

chapter = '03_mnist_autoencoder'
kind = 'fault'

place = ('model.py', 'get_layers')
linear = 'nn.Linear(sizes[-2], sizes[-1])'
edit = [
    swap(*place, 'len(sizes) - 2', 'len(sizes) - 1'),
    swap(*place, 'return ...', 'return nn.Sequential(*layers)'),
]
wrong = [
    swap(
        *place, 'return ...', f'return nn.Sequential(*layers, {linear}, nn.LeakyReLU())'
    ),
    # A layer too many: the linear layer follows the activation.
    [
        edit[0],
        swap(
            *place,
            'return ...',
            'return nn.Sequential(*layers, nn.Linear(sizes[-1], sizes[-1]))',
        ),
    ],
]


def check(chapter):
    """Look at the layers for a list of sizes."""
    layers = [str(layer) for layer in chapter.model.get_layers([6, 4, 2])]
    expected = [str(layer) for layer in chapter.original.model.get_layers([6, 4, 2])]
    if layers[-1] != expected[-1]:
        return (
            f'The last layer is {layers[-1]}, expected {expected[-1]}.',
            f'마지막 층: {layers[-1]}인데 {expected[-1]}이어야 해요.',
        )
    if layers != expected:
        return (
            f'The layers are {", ".join(layers)}; expected {", ".join(expected)}.',
            f'층이 {", ".join(layers)}인데 {", ".join(expected)}이어야 해요.',
        )
    return None
