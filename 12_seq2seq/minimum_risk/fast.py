"""Faster pieces, which compute the same as the plain ones of the same names.

translate.py takes topk() and translate_batches() for its search. --no-fast does without
them.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import torch
from torch.nn import functional


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
