"""The model: an autoencoder, which compresses an image into a bottleneck."""

from torch import nn


def get_layers(sizes):
    """Return linear layers, with batch normalisation and leaky ReLU between them.

    Arguments:
        sizes: of the input, of each hidden layer and of the output.
    """
    layers = []
    for i in range(len(sizes) - 2):
        layers += [
            nn.Linear(sizes[i], sizes[i + 1]),
            nn.BatchNorm1d(sizes[i + 1]),
            nn.LeakyReLU(),
        ]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


class Autoencoder(nn.Module):
    """An encoder that compresses an image, and a decoder that reconstructs it.

    The decoder sees nothing of the image but the few numbers of the bottleneck (Hinton
    and Salakhutdinov 2006).

    Arguments:
        input_size: the number of pixels of an image.
        btl_size: the size of the bottleneck.
        hidden_sizes: the sizes of the encoder's hidden layers; the decoder's are the
            same in reverse.
    """

    def __init__(self, input_size, btl_size, hidden_sizes):
        super().__init__()
        sizes = [input_size, *hidden_sizes, btl_size]
        self.encoder = get_layers(sizes)
        self.decoder = get_layers(sizes[::-1])

    def forward(self, x):
        """Return the reconstruction of a batch of flattened images."""
        # |x| = (batch_size, input_size)
        z = self.encoder(x)
        # |z| = (batch_size, btl_size)
        x_hat = self.decoder(z)
        # |x_hat| = (batch_size, input_size)
        return x_hat


def get_model(config):
    """Build the network that the options of the training describe.

    Arguments:
        config: the options, a dict.
    """
    return Autoencoder(
        input_size=28 * 28,
        btl_size=config['btl_size'],
        hidden_sizes=config['hidden_sizes'],
    )
