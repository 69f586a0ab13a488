"""The models: a multi-layer perceptron, a convolutional and a recurrent network."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


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
        """Return the logits of a batch of images."""
        # |x| = (batch_size, n_channels, height, width)
        x = x.flatten(start_dim=1)
        # |x| = (batch_size, input_size)
        y_hat = self.layers(self.dropout(x))
        # |y_hat| = (batch_size, output_size)
        return y_hat


class ConvolutionBlock(nn.Module):
    """Two 3 x 3 convolutions; the second one halves height and width.

    It has a stride of two instead of a pooling layer, so the network learns how to
    reduce four pixels to one (Springenberg et al. 2015).

    Arguments:
        in_channels: the number of channels of the input.
        out_channels: the number of channels of the output.
    """

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, stride=2, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(),
        )

    def forward(self, x):
        """Return the features of a batch of images: half as high, half as wide."""
        # |x| = (batch_size, in_channels, height, width)
        y = self.layers(x)
        # |y| = (batch_size, out_channels, (height + 1) // 2, (width + 1) // 2)
        return y


class ConvolutionalClassifier(nn.Module):
    """Convolution blocks, the mean of their features over the image, a linear layer.

    Arguments:
        in_channels: the number of channels of an image, 1 for grey.
        output_size: the number of classes.
        channel_sizes: the number of channels after each block.
        dropout_p: the probability that a feature is set to zero in training.
    """

    def __init__(self, in_channels, output_size, channel_sizes, dropout_p):
        super().__init__()
        sizes = [in_channels, *channel_sizes]
        blocks = [
            ConvolutionBlock(sizes[i], sizes[i + 1]) for i in range(len(channel_sizes))
        ]
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout_p)
        self.linear = nn.Linear(sizes[-1], output_size)

    def forward(self, x):
        """Return the logits of a batch of images."""
        # |x| = (batch_size, in_channels, height, width)
        features = self.blocks(x)
        # |features| = (batch_size, n_features, small_height, small_width)
        features = features.mean(dim=(2, 3))
        # |features| = (batch_size, n_features)
        y_hat = self.linear(self.dropout(features))
        # |y_hat| = (batch_size, output_size)
        return y_hat


class SequenceClassifier(nn.Module):
    """A bidirectional LSTM that reads an image row by row, and one linear layer.

    The rows are the time steps. The linear layer classifies the final hidden states of
    both directions: the forward direction ends at the last row, the backward direction
    at the first row. The output at the last row is not enough, because there the
    backward direction has read only one row.

    Arguments:
        input_size: the number of pixels of a row.
        output_size: the number of classes.
        hidden_size: the size of the hidden state of each direction.
        n_layers: the number of LSTM layers.
        dropout_p: the probability that a feature is set to zero in training.
    """

    def __init__(self, input_size, output_size, hidden_size, n_layers, dropout_p):
        super().__init__()
        self.rnn = nn.LSTM(
            input_size,
            hidden_size,
            n_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout_p if n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout_p)
        self.linear = nn.Linear(2 * hidden_size, output_size)

    def forward(self, x, lengths=None):
        """Return the logits of a batch of images.

        Arguments:
            x: the images.
            lengths: the number of rows to read of each image, a long tensor of shape
                (batch_size,) on the CPU; None: all rows.
        """
        # |x| = (batch_size, 1, length, input_size)
        x = x.squeeze(dim=1)
        # |x| = (batch_size, length, input_size)
        if lengths is not None:
            # Neither direction reads the rows beyond the lengths.
            x = pack_padded_sequence(x, lengths, True, enforce_sorted=False)

        _, (h_n, _) = self.rnn(x)
        # |h_n| = (n_states, batch_size, hidden_size)
        # The states of all layers and directions; the last two are the last layer's.
        features = torch.cat([h_n[-2], h_n[-1]], dim=-1)
        # |features| = (batch_size, hidden_size * 2)
        y_hat = self.linear(self.dropout(features))
        # |y_hat| = (batch_size, output_size)
        return y_hat


def get_model(config, output_size):
    """Build the network that the options of the training describe.

    Arguments:
        config: the options, a dict.
        output_size: the number of classes.
    """
    if config['model'] == 'fc':
        return FullyConnectedClassifier(
            input_size=28 * 28,
            output_size=output_size,
            hidden_sizes=config['hidden_sizes'],
            dropout_p=config['dropout_p'],
        )
    if config['model'] == 'cnn':
        return ConvolutionalClassifier(
            in_channels=1,
            output_size=output_size,
            channel_sizes=config['channel_sizes'],
            dropout_p=config['dropout_p'],
        )
    return SequenceClassifier(
        input_size=28,
        output_size=output_size,
        hidden_size=config['hidden_size'],
        n_layers=config['n_layers'],
        dropout_p=config['dropout_p'],
    )
