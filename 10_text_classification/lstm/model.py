"""The model: a recurrent classifier of texts."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


def get_embedding(n_vectors, vec_size, pad_id):
    """Return an embedding with small vectors, and a zero vector for the padding.

    The vectors of rare words hardly change in training. With the large initial values
    of PyTorch, they would add noise.
    """
    embedding = nn.Embedding(n_vectors, vec_size, padding_idx=pad_id)
    nn.init.normal_(embedding.weight, std=0.1)
    nn.init.zeros_(embedding.weight[pad_id])
    return embedding


class SequenceClassifier(nn.Module):
    """A bidirectional LSTM that reads a text token by token, and one linear layer.

    The input of the linear layer is the final hidden state of both directions: the
    forward direction ends at the last token, the backward direction at the first one.
    The sequences are packed, so that neither direction reads any padding.

    Arguments:
        embedding: maps token ids to vectors of size embedding.embedding_dim.
        output_size: the number of classes.
        hidden_size: the size of the hidden state of each direction.
        n_layers: the number of LSTM layers.
        dropout_p: the probability to set a feature to zero in training.
    """

    def __init__(self, embedding, output_size, hidden_size, n_layers, dropout_p):
        super().__init__()
        self.embedding = embedding
        self.rnn = nn.LSTM(
            embedding.embedding_dim,
            hidden_size,
            n_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout_p if n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout_p)
        self.linear = nn.Linear(2 * hidden_size, output_size)

    def forward(self, x, lengths):
        """Return the logits of a batch of texts.

        Arguments:
            x: the token ids.
            lengths: the number of tokens of each text, on the CPU.
        """
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        x = self.dropout(self.embedding(x))
        # |x| = (batch_size, length, vec_size)
        x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)

        _, (h_n, _) = self.rnn(x)
        # |h_n| = (n_states, batch_size, hidden_size)
        # A state for each layer and direction; the two of the last layer come last.
        features = torch.cat([h_n[-2], h_n[-1]], dim=-1)
        # |features| = (batch_size, hidden_size * 2)
        y_hat = self.linear(self.dropout(features))
        # |y_hat| = (batch_size, output_size)
        return y_hat


def get_model(config, output_size, vocabulary):
    """Build the network.

    Arguments:
        config: the options of the training, a dict.
        output_size: the number of classes.
        vocabulary: its length is the number of word vectors.
    """
    embedding = get_embedding(
        len(vocabulary), config['word_vec_size'], vocabulary.pad_id
    )
    return SequenceClassifier(
        embedding=embedding,
        output_size=output_size,
        hidden_size=config['hidden_size'],
        n_layers=config['n_layers'],
        dropout_p=config['dropout_p'],
    )
