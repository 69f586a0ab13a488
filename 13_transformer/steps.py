"""The two networks that export.py writes: one starts a translation, one takes a step.

They compute what Transformer.start() and Transformer.step() compute, for one source
sentence and any number of hypotheses. A file contains a network and no objects, so the
tensors of the State go in and come out one by one.
"""

import copy

import torch
from torch import nn

from model import BlockCache, State, get_attention_weights


class Start(nn.Module):
    """Encodes a source sentence.

    Arguments:
        model: the trained network.
    """

    inputs = {'x': {1: 'x_length'}}
    outputs = {'memory': {}, 'cache': {}}

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        """Return the state before the first step: a cache of no positions."""
        # |x| = (1, x_length)
        state = self.model.start(x, torch.tensor([x.size(1)]))
        memory = torch.stack([cache.memory for cache in state.caches])
        # |memory| = (n_layers, 1, x_length, kv_size)
        cache = torch.stack([cache.keys_values for cache in state.caches])
        # |cache| = (n_layers, 1, 0, kv_size)
        return memory, cache


class Step(nn.Module):
    """Takes one step for all hypotheses of the sentence.

    Arguments:
        model: the trained network.
    """

    inputs = {
        'y': {1: 'n_hypotheses'},
        'memory': {2: 'x_length'},
        'cache': {1: 'n_hypotheses', 2: 'n_steps'},
    }
    outputs = {'logits': {}, 'weights': {}, 'new_cache': {}}

    def __init__(self, model):
        super().__init__()
        # A copy, because its attention is replaced by one that keeps its weights.
        self.model = copy.deepcopy(model)

    def forward(self, y, memory, cache):
        """Return logits, attention weights and what is new of the state.

        Arguments:
            y: the last token of each hypothesis.
            memory: the keys and values of the source sentence, of each layer.
            cache: the keys and values of all steps so far, of each layer.
        """
        # |y| = (1, n_hypotheses)
        # |memory| = (n_layers, 1, x_length, kv_size)
        # |cache| = (n_layers, n_hypotheses, n_steps, kv_size)
        # A single sentence has no padding.
        mask = torch.ones(1, 1, 1, memory.size(2), dtype=torch.bool)
        state = State([BlockCache(layer) for layer in memory], mask)
        state.t = cache.size(2)
        for block_cache, keys_values in zip(state.caches, cache, strict=True):
            block_cache.keys_values = keys_values
        weights = []

        def attend(q, k, v, mask, is_causal):
            weights.append(get_attention_weights(q, k, mask, is_causal))
            return weights[-1] @ v

        for block in self.model.decoder:
            block.memory_attention.attend = attend
        logits = self.model.step(y, state)
        # |logits| = (1, n_hypotheses, y_vocab_size)
        weights = torch.cat(weights)
        # |weights| = (n_layers, n_heads, n_hypotheses, x_length)
        cache = torch.stack([cache.keys_values for cache in state.caches])
        return logits, weights, cache
