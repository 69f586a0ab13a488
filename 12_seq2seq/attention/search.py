"""Greedy search, for any network that decodes step by step.

Nothing here knows how a network works. It has to have

    start(x, lengths) -> state
    step(y, state) -> logits of the next token
"""

import torch


@torch.inference_mode()
def greedy_search(network, x, lengths, bos_id, eos_id, max_length):
    """Take the most probable token at each step, until all sentences have ended.

    Arguments:
        x: a long tensor of shape (batch_size, length), the source sentences.
        lengths: a long tensor of shape (batch_size,), on the CPU.
        bos_id, eos_id: the tokens that begin and end a sentence.
        max_length: the largest number of tokens, EOS included.

    Returns:
        A long tensor of shape (batch_size, max_length): the translations, filled up
        with eos_id.
    """
    result = torch.full((len(x), max_length), eos_id, device=x.device)
    state = network.start(x, lengths)
    y = torch.full((len(x), 1), bos_id, device=x.device)
    has_ended = torch.zeros_like(y, dtype=torch.bool)
    for t in range(max_length - 1):
        logits = network.step(y, state)
        # |logits| = (batch_size, 1, vocab_size)
        y = logits.argmax(dim=-1).masked_fill(has_ended, eos_id)
        # |y| = (batch_size, 1)
        result[:, t] = y.squeeze(1)
        has_ended = y == eos_id
        if has_ended.all():
            break
    return result
