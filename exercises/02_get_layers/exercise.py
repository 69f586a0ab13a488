"""The function that builds the layers from a list of sizes is empty."""

from exercises.edits import blank, swap

chapter = '02_mnist_tutorial'
kind = 'write'

place = ('model.py', 'get_layers')
edit = blank(*place)
wrong = [
    # Batch normalisation and leaky ReLU after the last layer, too.
    [
        swap(*place, 'len(sizes) - 2', 'len(sizes) - 1'),
        swap(*place, 'return ...', 'return nn.Sequential(*layers)'),
    ],
    # The size of the batch normalisation is that of its input.
    swap(*place, 'nn.BatchNorm1d(...)', 'nn.BatchNorm1d(sizes[i])'),
    # No activation: then all the layers are one linear layer.
    swap(*place, 'nn.LeakyReLU()', 'nn.Identity()'),
]


def check(chapter):
    """Compare the layers one by one, for several lists of sizes."""
    for sizes in ([4, 3], [6, 5, 2], [7, 6, 5, 3]):
        network = chapter.model.get_layers(sizes)
        found = list_layers(network)
        expected = list_layers(chapter.original.model.get_layers(sizes))
        for number, (layer, right) in enumerate(zip(found, expected, strict=False), 1):
            if layer != right:
                return (
                    f'Sizes {sizes}: layer {number} is {layer}, expected {right}.',
                    f'sizes가 {sizes}일 때 {number}번째 층: '
                    f'{layer}인데 {right}이어야 해요.',
                )
        if len(found) != len(expected):
            counts = len(found), len(expected)
            return (
                f'Sizes {sizes}: there are {counts[0]} layers, expected {counts[1]}.',
                f'sizes가 {sizes}이면 층이 {counts[1]}개여야 하는데 {counts[0]}개예요.',
            )
    return None


def list_layers(network):
    """Return the layers as text, those inside others included."""
    return [str(layer) for layer in network.modules() if not list(layer.children())]
