"""Faster pieces with the same results as the plain ones; --no-fast turns them off."""

import hashlib
import io
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ignite.distributed as idist
import torch
from tqdm import tqdm

from guards import InputError, load_checkpoint, log, save_checkpoint


def tokenize_texts(tokenizer, texts, config):
    """data_loader.tokenize_texts(), with a cache in config.cache_dir.

    It saves the second training on the same texts the time to tokenize them. The name
    of a cache file is a hash of the tokenizer and the texts.
    """
    buffer = io.BytesIO()
    torch.save([tokenizer.state_dict(), texts], buffer)
    content = hashlib.sha256(buffer.getvalue())
    cache_fn = Path(config.cache_dir, f'{content.hexdigest()[:20]}.pth')
    # The first process of a machine tokenizes, the others read the cache.
    with idist.one_rank_first(local=True):
        if cache_fn.exists():
            lines = load_checkpoint(cache_fn, 'tokens')['lines']
            return [line.split('\n') if line else [] for line in lines]
        is_silent = config.verbose < 2 or not sys.stderr.isatty()
        options = {'total': len(texts), 'disable': is_silent, 'leave': False}
        token_lists = list(tqdm(tokenizer.tokenize(texts), 'tokens', **options))
        lines = ['\n'.join(tokens) for tokens in token_lists]
        try:
            cache_fn.parent.mkdir(parents=True, exist_ok=True)
            save_checkpoint({'chapter': 'tokens', 'lines': lines}, cache_fn)
        except (InputError, OSError) as error:
            log(f'warning: {error}; the next run will tokenize the texts again')
    return token_lists


def run_ahead(values, n_ahead=2):
    """Yield values, while another thread is already computing the next ones.

    While the networks classify texts, it tokenizes the next ones: the time of the
    faster of the two is saved.
    """
    values, end = iter(values), object()
    # The threads of Python take turns; short ones, because a network waits for each.
    sys.setswitchinterval(0.0005)
    with ThreadPoolExecutor(max_workers=1) as executor:
        ahead = deque(executor.submit(next, values, end) for _ in range(n_ahead))
        while (value := ahead.popleft().result()) is not end:
            ahead.append(executor.submit(next, values, end))
            yield value
