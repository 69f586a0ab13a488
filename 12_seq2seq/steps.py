"""The two networks that export.py writes: one starts a translation, one takes a step.

They compute what Seq2Seq.start() and Seq2Seq.step() compute, for one source sentence
and any number of hypotheses. A file contains a network and no objects, so the tensors
of the State go in and come out one by one.
"""

import torch
from torch import nn

from model import State


class Start(nn.Module):
    """Encodes a source sentence.

    Arguments:
        model: the trained network.
    """

    inputs = {'x': {1: 'x_length'}}
    outputs = {'memory': {1: 'x_length'}, 'h': {}, 'c': {}, 'h_tilde': {}}

    def __init__(self, model):
        super().__init__()
        self.encoder = model.encoder

    def forward(self, x):
        """Return the state before the first step. A single sentence has no padding."""
        # |x| = (1, x_length)
        memory, state = self.encoder.rnn(self.encoder.embedding(x))
        # |memory| = (1, x_length, hidden_size)
        h, c = (self.encoder._join_directions(s) for s in state)
        # |h| = (n_layers, 1, hidden_size)
        return memory, h, c, torch.zeros_like(memory[:, :1])


class Step(nn.Module):
    """Takes one step for all hypotheses of the sentence.

    Arguments:
        model: the trained network.
    """

    inputs = {
        'y': {1: 'n_hypotheses'},
        'memory': {1: 'x_length'},
        'h': {1: 'n_hypotheses'},
        'c': {1: 'n_hypotheses'},
        'h_tilde': {1: 'n_hypotheses'},
    }
    outputs = {
        'logits': {},
        'weights': {},
        'new_h': {},
        'new_c': {},
        'new_h_tilde': {},
    }

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, y, memory, h, c, h_tilde):
        """Return logits, attention weights and what is new of the state.

        Arguments:
            y: the last token of each hypothesis.
            memory, h, c, h_tilde: the state after the previous step.
        """
        # |y| = (1, n_hypotheses)
        # |memory| = (1, x_length, hidden_size)
        # |h| = (n_layers, n_hypotheses, hidden_size)
        # |h_tilde| = (1, n_hypotheses, hidden_size)
        pad_mask = torch.zeros(memory.shape[:2], dtype=torch.bool)
        state = State(memory, pad_mask, h, c, h_tilde)
        decoder = self.model.decoder
        h_tilde, weights = decoder.step(decoder.embedding(y), state)
        logits = self.model.generate(h_tilde)
        # |logits| = (1, n_hypotheses, y_vocab_size)
        # There is one layer with one head.
        weights = weights.unsqueeze(0)
        # |weights| = (1, 1, n_hypotheses, x_length)
        return logits, weights, state.h, state.c, state.h_tilde
