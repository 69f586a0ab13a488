"""The model: a multi-layer perceptron that classifies."""

from torch import nn


def get_layers(sizes):
    """Return fully connected layers, normalised and leaky but for the last one.

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
    """A multi-layer perceptron behind a dropout of its input.

    It returns logits, not probabilities: cross-entropy takes their softmax itself.
    Dropout blanks out a share of the input while it trains, so that no class is known
    by a few numbers alone (Srivastava et al. 2014).

    Arguments:
        input_size: the number of numbers that describe a sample.
        output_size: the number of classes.
        hidden_sizes: the sizes of the layers in between.
        dropout_p: the probability of a number to be blanked out in training.
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
