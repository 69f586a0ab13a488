"""The model: a multi-layer perceptron that classifies."""

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


class FullyConnectedClassifier(nn.Module):
    """A multi-layer perceptron with dropout on its input.

    It returns logits, not probabilities, because cross-entropy computes their softmax.
    In training, dropout sets some inputs to zero, so that no class can be recognised
    by a few inputs alone (Srivastava et al. 2014).

    Arguments:
        input_size: the number of features of a sample.
        output_size: the number of classes.
        hidden_sizes: the sizes of the hidden layers.
        dropout_p: the probability that an input is set to zero in training.
    """

    def __init__(self, input_size, output_size, hidden_sizes, dropout_p):
        super().__init__()
        self.dropout = nn.Dropout(dropout_p)
        self.layers = get_layers([input_size, *hidden_sizes, output_size])

    def forward(self, x):
        """Return the logits of a batch of samples."""
        # |x| = (batch_size, input_size)
        y_hat = self.layers(self.dropout(x))
        # |y_hat| = (batch_size, output_size)
        return y_hat


def get_model(config, input_size, output_size):
    """Build the network that the options of the training describe.

    Arguments:
        config: the options, a dict.
        input_size: the number of features of a sample.
        output_size: the number of classes.
    """
    return FullyConnectedClassifier(
        input_size=input_size,
        output_size=output_size,
        hidden_sizes=config['hidden_sizes'],
        dropout_p=config['dropout_p'],
    )
