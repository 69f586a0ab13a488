"""The data: pairs of sentences as subword ids, in batches of similar length."""

import hashlib
import os
import re
from pathlib import Path

import ignite.distributed as idist
import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from guards import InputError, load_checkpoint, log, read_lines, save_checkpoint

PAD_ID, UNKNOWN_ID, BOS_ID, EOS_ID = range(4)
# The letters of a language; of all others, the Latin ones.
LETTERS = {'ko': '[가-힣ㄱ-ㅣ]', 'ja': '[ぁ-ヿ一-鿿]', 'zh': '[一-鿿]', 'ru': '[а-яё]'}


def read_pairs(prefix, lang, encoding='utf-8', drop_odd=False):
    """Read parallel text: the lines of prefix.ko and of prefix.en, if lang is koen.

    A pair with an empty side is left out, and the number of these is logged. So are the
    lines of odd pairs, which are left out with drop_odd.

    Returns:
        The source sentences and the target sentences, two lists of strings.

    Raises:
        InputError: a file can't be read, the numbers of lines differ, or no pair is
            left.
    """
    fns = [f'{prefix}.{lang[:2]}', f'{prefix}.{lang[2:]}']
    x, y = ([' '.join(line.split()) for line in read_lines(fn, encoding)] for fn in fns)
    if len(x) != len(y):
        raise InputError(
            f'{fns[1]}, line {min(len(x), len(y)) + 1}: expected as many lines as '
            f'{fns[0]} has, {len(x)}, found {len(y)}'
        )
    pairs = {i: pair for i, pair in enumerate(zip(x, y, strict=True), 1) if all(pair)}
    n_empty = len(x) - len(pairs)
    if n_empty > 0:
        log(f'{prefix}: {n_empty} pairs have an empty side and are left out')
    for kind, lines in find_odd(pairs, lang).items():
        if lines:
            fate = 'they are left out' if drop_odd else '--drop_odd leaves them out'
            found = f'{len(lines)} of {len(x)} pairs {kind}, first in lines {lines[:3]}'
            log(f'{prefix}: {found}; {fate}')
        for i in lines if drop_odd else ():
            del pairs[i]
    if not pairs:
        raise InputError(f'{fns[0]}: expected sentences, found none')
    return tuple(map(list, zip(*pairs.values(), strict=True)))


def find_odd(pairs, lang):
    """Find pairs that are hardly translations.

    Arguments:
        pairs: a dict from the number of a line to its two sentences.
        lang: the two languages, as koen.

    Returns:
        A dict from what is odd to a list of the numbers of the lines.
    """
    x_has, y_has = (
        re.compile(LETTERS.get(language, '[a-zà-ɏ]'), re.IGNORECASE).search
        for language in (lang[:2], lang[2:])
    )
    equal, swapped, uneven = [], [], []
    for i, (x, y) in pairs.items():
        lengths = x.count(' ') + 1, y.count(' ') + 1
        if x == y:
            equal.append(i)
        elif y_has(x) and x_has(y) and not (x_has(x) and y_has(y)):
            swapped.append(i)
        elif max(lengths) > 9 * min(lengths):
            uneven.append(i)
    return {
        'have the same sentence on both sides': equal,
        'have each the language of the other side': swapped,
        'have more than nine times the words on one side': uneven,
    }


def encode(subwords, sentences, cache_dir):
    """Return the subword ids of each sentence, from the cache if they are in it.

    Arguments:
        subwords: a SentencePieceProcessor.
        sentences: a list of strings.
        cache_dir: the folder of the cache; its files are named by a hash of what they
            were made from.
    """
    content = hashlib.sha256(subwords.serialized_model_proto())
    content.update('\n'.join(sentences).encode())
    cache_fn = Path(cache_dir, f'{content.hexdigest()[:20]}.pth')
    # The first process of a machine encodes, the others read what it has saved.
    with idist.one_rank_first(local=True):
        if cache_fn.exists():
            return load_checkpoint(cache_fn, 'subwords')['ids']
        ids = subwords.encode(sentences, num_threads=os.cpu_count())
        cache_fn.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint({'chapter': 'subwords', 'ids': ids}, cache_fn)
    return ids


class PairDataset(Dataset):
    """Pairs of sentences as token ids.

    Arguments:
        x_ids, y_ids: the ids of each source and of each target sentence, as lists.
    """

    def __init__(self, x_ids, y_ids):
        # Arrays of int32 need less memory than lists of Python's integers.
        self.x = [np.array(ids, dtype=np.int32) for ids in x_ids]
        self.y = [np.array([BOS_ID, *ids, EOS_ID], dtype=np.int32) for ids in y_ids]

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        """Return the source and the target sentence, this one from BOS to EOS."""
        return torch.from_numpy(self.x[index]), torch.from_numpy(self.y[index])


def collate(pairs):
    """Make a batch of some pairs.

    Returns:
        x: a long tensor of shape (batch_size, x_length), the source sentences, padded.
        lengths: a long tensor of shape (batch_size,), of the source sentences.
        y: a long tensor of shape (batch_size, y_length), the target sentences from BOS
            to EOS, padded.
    """
    x, y = zip(*pairs, strict=True)
    lengths = torch.tensor([len(ids) for ids in x])
    # |lengths| = (batch_size,)
    x, y = (pad_sequence(ids, True, PAD_ID).long() for ids in (x, y))
    # |x| = (batch_size, x_length)
    # |y| = (batch_size, y_length)
    return x, lengths, y


def count_targets(y):
    """Return how many of the target ids are tokens, and not padding."""
    return (y != PAD_ID).sum().item()


class BucketSampler:
    """Makes batches of pairs of similar lengths, so that there is little padding.

    Several processes share each batch: the pairs go to them in turn, one by one.

    Arguments:
        dataset: a PairDataset.
        batch_size: the largest number of pairs of a batch, of each process.
        batch_tokens: the largest number of tokens of a batch, of each process and of
            the longer side, padding included; 0: no limit.
        is_train: whether the batches are made anew and shuffled every epoch. Pairs that
            the processes can't share equally are left out then.
        seed: of the shuffling, the same in all processes.
        n_batches: how many of the shuffled batches an epoch has; 0: all.
    """

    def __init__(
        self, dataset, batch_size, batch_tokens, is_train, seed=0, n_batches=0
    ):
        self.x_lengths = torch.tensor([len(ids) for ids in dataset.x])
        self.y_lengths = torch.tensor([len(ids) for ids in dataset.y]) - 1
        self.batch_size, self.batch_tokens = batch_size, batch_tokens
        self.is_train, self.seed, self.n_batches = is_train, seed, n_batches
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Make the batches of an epoch, which depend on the seed and its number."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * epoch)
        self.batches = self._make_batches(generator)
        if self.is_train:
            order = torch.randperm(len(self.batches), generator=generator).tolist()
            order = order[: self.n_batches or None]
            self.batches = [self.batches[i] for i in order]

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        """Yield the batches of this process as lists of indices."""
        yield from self.batches

    def _make_batches(self, generator):
        n_pairs = len(self.x_lengths)
        rank, n_processes = idist.get_rank(), idist.get_world_size()
        indices = torch.arange(n_pairs)
        if self.is_train:
            n_shared = n_pairs // n_processes * n_processes
            indices = torch.randperm(n_pairs, generator=generator)[:n_shared]
        # Sorted by the target's length, then by the source's. Stable sorting keeps
        # pairs of the same lengths in random order.
        for lengths in (self.x_lengths, self.y_lengths):
            indices = indices[lengths[indices].argsort(stable=True)]
        longest = torch.maximum(self.x_lengths, self.y_lengths)[indices]
        if self.is_train:
            # All processes cut at the same positions, so they take equally many steps.
            longest = longest.view(-1, n_processes).amax(dim=1)
        else:
            longest = longest[rank::n_processes]
        mine = indices[rank::n_processes].tolist()
        return cut_by_size(mine, longest.tolist(), self.batch_size, self.batch_tokens)


def cut_by_size(indices, lengths, batch_size, batch_tokens):
    """Cut a list into batches that are as large as the limits allow.

    Arguments:
        indices: the list.
        lengths: of the pairs of these indices.
        batch_size, batch_tokens: as in BucketSampler.
    """
    batches, longest = [[]], 0
    for i, length in zip(indices, lengths, strict=True):
        longest = max(longest, length)
        size = len(batches[-1]) + 1
        is_full = size > batch_size or (batch_tokens and size * longest > batch_tokens)
        if is_full and batches[-1]:
            batches.append([])
            longest = length
        batches[-1].append(i)
    return batches


def get_loader(x_ids, y_ids, config, is_train):
    """Return a DataLoader of batches as collate() makes them, bucketed by length."""
    dataset = PairDataset(x_ids, y_ids)
    limits = config.batch_size, config.batch_tokens
    sampler = BucketSampler(dataset, *limits, is_train, config.seed, config.n_batches)
    # A generator of its own, so that the loader takes no random numbers from dropout.
    generator = torch.Generator()
    return DataLoader(
        dataset, batch_sampler=sampler, collate_fn=collate, generator=generator
    )


def encode_pairs(prefix, pairs, subwords, config):
    """Return the ids of the pairs that are not too long, source and target.

    Arguments:
        prefix: the beginning of the names of the files, for the messages.
        pairs: the source sentences and the target sentences.
        subwords: the SentencePieceProcessors of the two languages.
        config: the options max_length and cache_dir.

    Raises:
        InputError: there are fewer pairs left than processes.
    """
    x_ids, y_ids = (
        encode(processor, sentences, config.cache_dir)
        for processor, sentences in zip(subwords, pairs, strict=True)
    )
    kept = [
        (x, y)
        for x, y in zip(x_ids, y_ids, strict=True)
        if max(len(x), len(y)) < config.max_length
    ]
    n_long = len(x_ids) - len(kept)
    if n_long > 0:
        limit = f'--max_length {config.max_length}'
        log(f'{prefix}: {n_long} pairs are longer than {limit} and are left out')
    if len(kept) < idist.get_world_size():
        raise InputError(f'{prefix}: expected a pair for each process')
    return zip(*kept, strict=True)


def get_loaders(config, subwords):
    """Return the DataLoaders for training and validation.

    Arguments:
        config: the options; lang is that of the pretrained network.
        subwords: the SentencePieceProcessors of the two languages.

    Raises:
        InputError: the files are not as read_pairs() expects them, or no pair is left.
    """
    loaders = []
    for prefix, is_train in ((config.train_fn, True), (config.valid_fn, False)):
        pairs = read_pairs(prefix, config.lang, config.encoding, config.drop_odd)
        ids = encode_pairs(prefix, pairs, subwords, config)
        loaders.append(get_loader(*ids, config, is_train))
    return loaders
