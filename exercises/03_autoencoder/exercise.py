"""The encoder and the decoder are gone, and so is the way through both."""

from exercises.edits import blank, rewrite, swap
from exercises.kit import compare_models, random_tensor

chapter = '03_mnist_autoencoder'
kind = 'write'

init, forward = (
    ('model.py', 'Autoencoder.__init__'),
    ('model.py', 'Autoencoder.forward'),
)
edit = [
    rewrite(*init, "super().__init__()\nraise NotImplementedError('encoder, decoder')"),
    blank(*forward),
]
wrong = [
    # The decoder is another encoder.
    swap(*init, 'sizes[::-1]', 'sizes'),
    # One hidden layer is missing in the decoder.
    swap(*init, 'sizes[::-1]', '[btl_size, *hidden_sizes[:0:-1], input_size]'),
    swap(*forward, 'return x_hat', 'return z'),
]


def check(chapter):
    """Compare the sizes of all layers, then the output with the same weights."""
    found, expected = chapter.model.Autoencoder, chapter.original.model.Autoencoder
    arguments = {'input_size': 7, 'btl_size': 2, 'hidden_sizes': [5, 4, 3]}
    models = found(**arguments), expected(**arguments)
    for name in ('encoder', 'decoder'):
        sizes = [get_sizes(getattr(model, name)) for model in models]
        if sizes[0] != sizes[1]:
            return (
                f'{name}: the sizes of its layers are {sizes[0]}, expected {sizes[1]}.',
                f'{name}: 층의 크기가 {sizes[0]}인데 {sizes[1]}이어야 해요.',
            )
    return compare_models(expected, found, arguments, random_tensor(4, 7))


def get_sizes(network):
    """Return the size of the input and of each layer after it."""
    weights = [weight for weight in network.parameters() if weight.dim() == 2]
    return [weights[0].size(1), *(len(weight) for weight in weights)]
