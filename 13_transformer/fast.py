"""Faster pieces, which compute the same as the plain ones of the same names.

speed_up() puts the classes into a network or a criterion; translate.py takes topk() and
translate_batches() for its search. --no-fast does without them.
"""

import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import torch
from torch import nn
from torch.nn import functional

import model
from data_loader import EOS_ID, PAD_ID
from guards import input_errors


def speed_up(*modules):
    """Turn each part of some modules into the class of the same name in this file.

    The classes here are subclasses that override methods only: parameters, buffers and
    the keys of state_dict() stay the same.
    """
    for part in (part for module in modules for part in module.modules()):
        fast_class = globals().get(type(part).__name__)
        if fast_class and issubclass(fast_class, type(part)):
            part.__class__ = fast_class


def quantize(*modules):
    """Let the linear layers of some modules multiply matrices of 8-bit integers.

    Dynamic quantisation: each row of a weight is rounded to integers once, with a scale
    of its own, and the inputs of a layer at each call. The logits are only similar,
    so translate.py does it only with --int8. torch calls this function deprecated, but
    what replaces it is in another package, torchao.

    Raises:
        InputError: this torch does not have it.
    """
    with warnings.catch_warnings(), input_errors('--int8', (ImportError, RuntimeError)):
        warnings.simplefilter('ignore')
        from torch.ao import quantization

        kinds = {nn.Linear: quantization.per_channel_dynamic_qconfig}
        for module in modules:
            quantization.quantize_dynamic(module, kinds, inplace=True)


class Transformer(model.Transformer):
    """Computes logits only at the positions that have a target; decodes in BlockCaches.

    The generator is the largest matrix product of a training. The features before
    padding are dropped before it, so no logits of padding are computed or stored.
    """

    def forward(self, x, lengths, y):
        """Return the logits of the target tokens of all sentences, one after another.

        Padding is not followed by a target, and neither is EOS.
        """
        # |x| = (batch_size, x_length)
        # |lengths| = (batch_size,)
        # |y| = (batch_size, y_length)
        positions = ((y != PAD_ID) & (y != EOS_ID)).flatten().nonzero().squeeze(1)
        # |positions| = (n_targets,)
        z = self.decode(y, *self.encode(x, lengths))
        y_hat = self.generator(z.flatten(0, 1)[positions])
        # |y_hat| = (n_targets, y_vocab_size)
        return y_hat

    def start(self, x, lengths):
        """Encode source sentences; return the State before the first step."""
        state = super().start(x, lengths)
        n_heads = self.decoder[0].attention.n_heads
        state.caches = [BlockCache(cache.memory, n_heads) for cache in state.caches]
        return state


class MultiHeadAttention(model.MultiHeadAttention):
    """The same formula as other products, for the few queries of a step.

    torch's fused function is made for many queries. A step has one for each hypothesis.
    """

    def forward(self, x, keys_values, mask=None, is_causal=False):
        """Return a context vector for each position of x.

        Arguments:
            x, mask, is_causal: as in model.py.
            keys_values: as in model.py, or the memory of a BlockCache.
        """
        if keys_values.dim() == 4:
            context = self._attend_to_memory(x, keys_values, mask)
        elif x.size(1) == 1 and mask is None:
            context = self._attend_alone(x, keys_values)
        else:
            return super().forward(x, keys_values, mask, is_causal)
        return self.output(context)

    def _attend_to_memory(self, x, memory, mask):
        """Return the context vectors of all hypotheses, by products of batches."""
        # |x| = (n_sentences, n_hypotheses, hidden_size)
        # |memory| = (n_sentences, n_heads, memory_length, pair_size)
        q = self.split_heads(self.query(x) / math.sqrt(memory.size(-1) // 2))
        k, v = memory.flatten(0, 1).chunk(2, dim=-1)
        scores = torch.bmm(q.flatten(0, 1), k.transpose(1, 2)).view(*q.shape[:3], -1)
        # |scores| = (n_sentences, n_heads, n_hypotheses, memory_length)
        weights = scores.masked_fill_(~mask, -torch.inf).softmax(dim=-1)
        context = torch.bmm(weights.flatten(0, 1), v).view_as(q)
        # |context| = (n_sentences, n_heads, n_hypotheses, head_size)
        return context.transpose(1, 2).flatten(2)

    def _attend_alone(self, x, keys_values):
        """Return the context vector of a single position, by products of features."""
        # |x| = (n_rows, 1, hidden_size)
        # |keys_values| = (n_rows, k_length, hidden_size * 2)
        q = self.query(x).unflatten(-1, (self.n_heads, -1))
        k, v = keys_values.unflatten(-1, (2, self.n_heads, -1)).unbind(2)
        # |k| = (n_rows, k_length, n_heads, head_size)
        scores = (q / math.sqrt(q.size(-1)) * k).sum(dim=-1, keepdim=True)
        # |scores| = (n_rows, k_length, n_heads, 1)
        context = (scores.softmax(dim=1) * v).sum(dim=1, keepdim=True)
        # |context| = (n_rows, 1, n_heads, head_size)
        return context.flatten(2)


class BlockCache(model.BlockCache):
    """Keys and values in memory that is allocated before they come.

    torch.cat copies all positions at each step, and select() copies them once more into
    new memory. Here a position is written into its place, and select() copies into a
    second buffer that is allocated already. Both grow by doubling. The memory is
    divided among the heads once, not at each step.

    Arguments:
        memory: the keys and values of the source sentences.
        n_heads: the number of heads.
    """

    def __init__(self, memory, n_heads):
        # |memory| = (n_sentences, memory_length, kv_size)
        super().__init__(memory)
        memory = memory.unflatten(-1, (2, n_heads, -1)).permute(0, 3, 1, 2, 4)
        # |memory| = (n_sentences, n_heads, memory_length, 2, head_size)
        self.memory = memory.flatten(3)
        self.length = 0
        self.buffer = self.spare = self.keys_values[:0]

    def add(self, keys_values):
        """Append a position; return the keys and values of all positions so far."""
        # |keys_values| = (n_rows, 1, kv_size)
        n_rows = len(keys_values)
        if self.length == self.buffer.size(1):
            self._grow(max(n_rows, len(self.buffer)), 2 * self.length + 8)
        self.length += 1
        self.keys_values = self.buffer[:n_rows, : self.length]
        self.keys_values[:, -1:] = keys_values
        # |self.keys_values| = (n_rows, n_positions, kv_size)
        return self.keys_values

    def select(self, rows, sentences):
        """Keep the given hypotheses, in this order, and the given sentences."""
        if len(rows) > len(self.buffer):
            self._grow(len(rows), self.buffer.size(1))
        selected = self.spare[: len(rows), : self.length]
        torch.index_select(self.keys_values, 0, rows, out=selected)
        self.keys_values = selected
        self.buffer, self.spare = self.spare, self.buffer
        if len(sentences) < len(self.memory):
            self.memory = self.memory[sentences]

    def _grow(self, n_rows, max_length):
        buffer = self.buffer.new_empty(n_rows, max_length, self.buffer.size(-1))
        buffer[: len(self.keys_values), : self.length] = self.keys_values
        self.buffer, self.spare = buffer, torch.empty_like(buffer)


class Dropout(nn.Dropout):
    """Dropout with cheaper random numbers on the CPU.

    nn.Dropout spends a sixth of a training on random numbers there. Here eight features
    share one number of 64 bits, of which each gets 8 bits. So p is rounded to a
    multiple of 1/256.
    """

    def forward(self, x):
        """Return x in evaluation; in training, x with some features set to zero."""
        if not self.training or self.p == 0 or x.device.type != 'cpu':
            return super().forward(x)
        numbers = torch.empty(math.ceil(x.numel() / 8), dtype=torch.int64)
        noise = numbers.random_(-(2**63), None).view(torch.uint8)[: x.numel()]
        n_dropped = round(256 * self.p)
        # In place, and in the type of x: comparisons that return bools are slow.
        is_kept = noise.view(x.shape).to(x.dtype).ge_(n_dropped)
        return x * is_kept.mul_(256 / (256 - n_dropped))


class CrossEntropyLoss(nn.CrossEntropyLoss):
    """The mean loss over the targets, with its gradient written out.

    Autograd computes the same gradient with twice as many passes over the logits, which
    are the largest tensor of a training.
    """

    def forward(self, y_hat, y):
        """Return the mean loss.

        Arguments:
            y_hat: the logits at all positions, or only at those that have a target.
            y: the target ids, ignore_index at the positions that have none.
        """
        # |y| = (n_positions,)
        is_target = y != self.ignore_index
        y = y[is_target]
        if len(y_hat) > len(y):
            y_hat = y_hat[is_target]
        return SmoothCrossEntropy.apply(y_hat, y, self.label_smoothing)


class SmoothCrossEntropy(torch.autograd.Function):
    """Cross-entropy with label smoothing (Szegedy et al. 2016, section 7).

    For logits z of V tokens, and a smoothing of s:

        loss     = -(1 - s) * log softmax(z)[target] - s * mean(log softmax(z))
        gradient = softmax(z) - (1 - s) * one_hot(target) - s / V
    """

    @staticmethod
    def forward(ctx, y_hat, y, smoothing):
        """Return the mean loss."""
        # |y_hat| = (n_targets, vocab_size)
        # |y| = (n_targets,)
        log_p = y_hat.log_softmax(dim=-1)
        ctx.save_for_backward(log_p, y)
        ctx.smoothing = smoothing
        target_log_p = log_p.gather(1, y.unsqueeze(1)).squeeze(1)
        # |target_log_p| = (n_targets,)
        losses = -(1 - smoothing) * target_log_p - smoothing * log_p.mean(dim=-1)
        # |losses| = (n_targets,)
        return losses.mean()

    @staticmethod
    def backward(ctx, grad):
        """Return the gradients of the arguments of forward()."""
        log_p, y = ctx.saved_tensors
        # In place, since log_p is not needed any more.
        y_hat_grad = log_p.exp_().sub_(ctx.smoothing / log_p.size(1))
        # |y_hat_grad| = (n_targets, vocab_size)
        target_grad = log_p.new_full((len(y), 1), ctx.smoothing - 1)
        y_hat_grad.scatter_add_(1, y.unsqueeze(1), target_grad)
        return y_hat_grad.mul_(grad / len(y)), None, None


def topk(log_p, k, group_size=100):
    """Return the k largest values of each row and their indices, as torch.topk does.

    The k largest values are in the k groups with the largest maxima: so only these
    groups have to be searched, which saves most of the sorting.

    Arguments:
        log_p: the values, with the rows in the last dimension.
        k: the number of values to return.
        group_size: the number of values in a group.
    """
    if log_p.size(-1) < 2 * k * group_size:
        return log_p.topk(k)
    n_missing = -log_p.size(-1) % group_size
    if n_missing > 0:
        log_p = functional.pad(log_p, (0, n_missing), value=-torch.inf)
    groups = log_p.unflatten(-1, (-1, group_size))
    # |groups| = (n_open, n_hypotheses, n_groups, group_size)
    _, numbers = groups.amax(dim=-1).topk(k)
    # |numbers| = (n_open, n_hypotheses, k)
    repeated = numbers.unsqueeze(-1).expand(-1, -1, -1, group_size)
    values, inside = groups.gather(2, repeated).flatten(2).topk(k)
    # |values| = (n_open, n_hypotheses, k)
    indices = numbers.gather(2, inside // group_size) * group_size + inside % group_size
    # |indices| = (n_open, n_hypotheses, k)
    return values, indices


def translate_batches(translator, batches, config):
    """Yield the translations of each batch, with a thread for each batch on the CPU.

    A step of a search is too small to be divided among several threads. So each of the
    threads that torch may use translates a batch of its own.

    Arguments:
        translator: has translate().
        batches: a list of batches, each the ids of its sentences.
        config: the options of the search.
    """
    n_threads = torch.get_num_threads()
    n_workers = n_threads if translator.device.type == 'cpu' else 1
    n_workers = max(1, min(n_workers, len(batches)))
    with ThreadPoolExecutor(
        n_workers, initializer=torch.set_num_threads, initargs=(n_threads // n_workers,)
    ) as executor:
        yield from executor.map(translator.translate, batches, repeat(config))
