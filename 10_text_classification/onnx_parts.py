"""What ONNX computes in another way than PyTorch: a search, and an LSTM with lengths.

export.py puts them in the place of the parts that can't be exported.
"""

import torch
from torch import nn


def search_sorted(known, keys, **options):
    """Return what torch.searchsorted() returns for n_grams.py, by operators of ONNX.

    ONNX has none for this. A binary search halves the step, until each index is that of
    the largest known key that is not larger than the key itself. If the key is known,
    both functions return its index.

    Arguments:
        known: a sorted tensor whose first entry is smaller than all keys.
        keys: a tensor of any shape.
        options: those of torch.searchsorted(), which are not used.
    """
    from onnxscript import opset18 as op

    last = known.shape[0] - 1
    indices = op.Sub(keys, keys)
    for step in (2**i for i in reversed(range(last.bit_length()))):
        further = op.Min(op.Add(indices, op.Constant(value_int=step)), last)
        is_reached = op.LessOrEqual(op.Gather(known, further), keys)
        indices = op.Where(is_reached, further, indices)
    return indices


class OnnxSequenceClassifier(nn.Module):
    """A SequenceClassifier in evaluation mode, with the LSTM operator of ONNX.

    The operator takes the lengths of the sequences, so they need not be packed. It is
    only described here: PyTorch can export this network, but can't compute it.

    Arguments:
        model: the SequenceClassifier.
    """

    def __init__(self, model):
        super().__init__()
        self.embedding, self.linear = model.embedding, model.linear
        self.hidden_size, self.n_layers = model.rnn.hidden_size, model.rnn.num_layers
        for i in range(self.n_layers):
            self.register_buffer(f'w_{i}', get_gates(model.rnn, f'weight_ih_l{i}'))
            self.register_buffer(f'r_{i}', get_gates(model.rnn, f'weight_hh_l{i}'))
            b = [get_gates(model.rnn, f'bias_{kind}_l{i}') for kind in ('ih', 'hh')]
            self.register_buffer(f'b_{i}', torch.cat(b, dim=1))

    def forward(self, x, lengths):
        """Return the logits of a batch of texts.

        Arguments:
            x: the token ids.
            lengths: the number of tokens of each text.
        """
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        x = self.embedding(x).transpose(0, 1)
        # |x| = (length, batch_size, vec_size)
        (length, batch_size), size = x.shape[:2], self.hidden_size
        for i in range(self.n_layers):
            weights = [self.get_buffer(f'{kind}_{i}') for kind in 'wrb']
            y, h_n = torch.onnx.ops.symbolic_multi_out(
                'LSTM',
                (x, *weights, lengths.int()),
                {'direction': 'bidirectional', 'hidden_size': size},
                dtypes=(x.dtype, x.dtype),
                shapes=((length, 2, batch_size, size), (2, batch_size, size)),
            )
            # |y| = (length, 2, batch_size, hidden_size)
            # |h_n| = (2, batch_size, hidden_size)
            x = y.transpose(1, 2).flatten(2)
            # |x| = (length, batch_size, hidden_size * 2)
        features = torch.cat([h_n[0], h_n[1]], dim=-1)
        # |features| = (batch_size, hidden_size * 2)
        y_hat = self.linear(features)
        # |y_hat| = (batch_size, output_size)
        return y_hat


def get_gates(rnn, name):
    """Return the weights of both directions of an LSTM layer, as ONNX expects them.

    The gates of ONNX are in the order input, output, forget, cell; those of PyTorch in
    the order input, forget, cell, output.

    Arguments:
        rnn: an nn.LSTM.
        name: of the weights of the forward direction, such as weight_ih_l0.
    """
    directions = []
    for weights in (getattr(rnn, name), getattr(rnn, f'{name}_reverse')):
        gates = weights.detach().chunk(4)
        directions.append(torch.cat([gates[i] for i in (0, 3, 1, 2)]))
    return torch.stack(directions)
