"""The data: pairs of sentences, as ids of subwords, in batches of like length."""

import hashlib
import io
import os
import re
from pathlib import Path

import ignite.distributed as idist
import numpy as np
import torch
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from torch.utils.data import DataLoader, Dataset

from utils import InputError, load_checkpoint, log, read_lines, save_checkpoint

PAD_ID, UNKNOWN_ID, BOS_ID, EOS_ID = range(4)


def read_pairs(prefix, lang):
    """Read parallel text: the lines of prefix.ko and of prefix.en, if lang is koen.

    A pair of which a side is empty teaches nothing: it is left out, and how many there
    are is said.

    Returns:
        The source sentences and the target sentences, two lists of strings.

    Raises:
        InputError: a file can't be read, or the two have not the same number of lines.
    """
    fns = [f'{prefix}.{lang[:2]}', f'{prefix}.{lang[2:]}']
    sides = [[' '.join(line.split()) for line in read_lines(fn)] for fn in fns]
    n_lines = [len(side) for side in sides]
    if n_lines[0] != n_lines[1]:
        raise InputError(
            f'{fns[1]}, line {min(n_lines) + 1}: expected as many lines as {fns[0]} '
            f'has, {n_lines[0]}, found {n_lines[1]}'
        )
    pairs = [pair for pair in zip(*sides, strict=True) if all(pair)]
    n_empty = n_lines[0] - len(pairs)
    if n_empty > 0:
        log(f'{prefix}: {n_empty} pairs have an empty side and are left out')
    if not pairs:
        raise InputError(f'{fns[0]}: expected sentences, found none')
    return tuple(map(list, zip(*pairs, strict=True)))


def train_subwords(sentences, vocab_size):
    """Learn which subwords to cut sentences into (Kudo 2018).

    Bytes are subwords too, so that no text is unknown.

    Returns:
        A SentencePieceProcessor.
    """
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        byte_fallback=True,
        character_coverage=0.9995,
        normalization_rule_name='identity',
        pad_id=PAD_ID,
        unk_id=UNKNOWN_ID,
        bos_id=BOS_ID,
        eos_id=EOS_ID,
        minloglevel=2,
    )
    processor = SentencePieceProcessor(model_proto=model.getvalue())
    if processor.vocab_size() < vocab_size:
        n_subwords = processor.vocab_size()
        log(f'--vocab_size {vocab_size}: the text allows no more than {n_subwords}')
    return processor


def make_subwords(config, x_sentences, y_sentences):
    """Return the SentencePieceProcessors of the two languages, the same one if joint.

    Raises:
        InputError: the vocabulary is too small for the characters and bytes.
    """
    try:
        if config.joint:
            both = train_subwords([*x_sentences, *y_sentences], config.vocab_size)
            return both, both
        return tuple(
            train_subwords(sentences, config.vocab_size)
            for sentences in (x_sentences, y_sentences)
        )
    except RuntimeError as error:
        needed = re.search(r'\d+ vs (\d+)', str(error))
        reason = f'the characters and bytes alone are {needed[1]}' if needed else error
        raise InputError(f'--vocab_size {config.vocab_size}: {reason}') from error


def encode(subwords, sentences, cache_dir):
    """Return the ids of each sentence's subwords, from the cache if they are there.

    Arguments:
        subwords: a SentencePieceProcessor.
        sentences: a list of strings.
        cache_dir: the folder of the cache; its files are named by their content.
    """
    content = hashlib.sha256(subwords.serialized_model_proto())
    content.update('\n'.join(sentences).encode())
    cache_fn = Path(cache_dir, f'{content.hexdigest()[:20]}.pth')
    # Of several processes on a machine, the first one encodes and the others read.
    with idist.one_rank_first(local=True):
        if cache_fn.exists():
            return load_checkpoint(cache_fn, 'subwords')['ids']
        ids = subwords.encode(sentences, num_threads=os.cpu_count())
        cache_fn.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint({'chapter': 'subwords', 'ids': ids}, cache_fn)
    return ids


class Ragged:
    """Lists of ids, one after the other in one long tensor.

    A batch of them is a rectangle, filled up with padding; it is cut out of the long
    tensor in one look-up.

    Arguments:
        id_lists: lists of ids.
    """

    def __init__(self, id_lists):
        self.lengths = torch.tensor([len(ids) for ids in id_lists])
        # |lengths| = (n_lists,)
        self.starts = self.lengths.cumsum(dim=0) - self.lengths
        # |starts| = (n_lists,)
        flat = np.fromiter((i for ids in id_lists for i in ids), dtype=np.int32)
        self.ids = torch.from_numpy(flat)

    def __getitem__(self, indices):
        """Return the ids, padded, and where there is no padding."""
        places = torch.arange(self.lengths[indices].max())
        is_token = places < self.lengths[indices].unsqueeze(1)
        # |is_token| = (batch_size, length)
        x = torch.full(is_token.shape, PAD_ID)
        found = (self.starts[indices].unsqueeze(1) + places)[is_token]
        x[is_token] = self.ids[found].long()
        return x, is_token


class PairDataset(Dataset):
    """Pairs of sentences.

    Arguments:
        x_ids, y_ids: the ids of each source and of each target sentence, as lists.
    """

    def __init__(self, x_ids, y_ids):
        self.x = Ragged(x_ids)
        # What the decoder reads, and what it has to say.
        self.y = Ragged([[BOS_ID, *ids] for ids in y_ids])
        self.targets = Ragged([[*ids, EOS_ID] for ids in y_ids])

    def __len__(self):
        return len(self.x.lengths)

    def __getitems__(self, indices):
        """Return a batch.

        Returns:
            x: a long tensor of shape (batch_size, x_length), the source sentences.
            lengths: a long tensor of shape (batch_size,), of the source sentences.
            y: a long tensor of shape (batch_size, y_length), the target sentences with
                a beginning before them.
            places: a long tensor of shape (n_targets,), where in y, flattened, there is
                no padding.
            targets: a long tensor of shape (n_targets,), what follows there: the tokens
                of all sentences, each with an end, and no padding.
        """
        indices = torch.as_tensor(indices)
        x, _ = self.x[indices]
        # |x| = (batch_size, x_length)
        y, is_token = self.y[indices]
        # |y| = (batch_size, y_length)
        places = is_token.flatten().nonzero().squeeze(1)
        # |places| = (n_targets,)
        targets = self.targets[indices][0].flatten()[places]
        # |targets| = (n_targets,)
        return x, self.x.lengths[indices], y, places, targets


class BucketSampler:
    """Deals out batches of sentences of like length, so that there is little padding.

    Several processes share each batch: dealt out like cards, one pair to each in turn.

    Arguments:
        dataset: a PairDataset.
        batch_size: pairs a batch at most, of each process.
        batch_tokens: tokens a batch at most, padding included, of each process and of
            the longer side; 0: no limit.
        is_train: for training, the batches are made anew and shuffled every epoch, and
            a remainder that the processes can't share equally is left out.
        seed: of the shuffling, the same in all processes.
    """

    def __init__(self, dataset, batch_size, batch_tokens, is_train, seed=0):
        self.x_lengths, self.y_lengths = dataset.x.lengths, dataset.y.lengths
        self.batch_size, self.batch_tokens = batch_size, batch_tokens
        self.is_train, self.seed = is_train, seed
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Make the batches of an epoch: they follow from the seed and its number."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * epoch)
        self.batches = self._make_batches(generator)
        if self.is_train:
            order = torch.randperm(len(self.batches), generator=generator).tolist()
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
        # Sorted by the target's length, then by the source's. Stable: pairs of the same
        # lengths stay in random order.
        for lengths in (self.x_lengths, self.y_lengths):
            indices = indices[lengths[indices].argsort(stable=True)]
        longest = torch.maximum(self.x_lengths, self.y_lengths)[indices]
        if self.is_train:
            # All processes cut at the same places, so that they take as many steps.
            longest = longest.view(-1, n_processes).amax(dim=1)
        else:
            longest = longest[rank::n_processes]
        mine = indices[rank::n_processes].tolist()
        return cut_by_size(mine, longest.tolist(), self.batch_size, self.batch_tokens)


def cut_by_size(indices, lengths, batch_size, batch_tokens):
    """Cut a list into batches that are large, but not too large.

    Arguments:
        indices: what to cut.
        lengths: of the sentences that they stand for.
        batch_size, batch_tokens: as BucketSampler's.
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
    """Return a DataLoader of batches as PairDataset makes them, bucketed by length."""
    dataset = PairDataset(x_ids, y_ids)
    return DataLoader(
        dataset,
        batch_sampler=BucketSampler(
            dataset, config.batch_size, config.batch_tokens, is_train, config.seed
        ),
        # The batch is a batch already: there is nothing to stack.
        collate_fn=lambda batch: batch,
        # The loader draws a number for its workers: not from the model's dropout.
        generator=torch.Generator(),
    )


def get_loaders(config):
    """Return the DataLoaders for training and validation, and the subwords.

    Returns:
        The two loaders, and the SentencePieceProcessors of the two languages.

    Raises:
        InputError: the files are not as read_pairs() expects them, or no pair is left.
    """
    train_pairs = read_pairs(config.train_fn, config.lang)
    valid_pairs = read_pairs(config.valid_fn, config.lang)
    subwords = make_subwords(config, *train_pairs)
    loaders = []
    for prefix, pairs, is_train in (
        (config.train_fn, train_pairs, True),
        (config.valid_fn, valid_pairs, False),
    ):
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
            log(
                f'{prefix}: {n_long} pairs are left out, being longer than '
                f'--max_length {config.max_length}'
            )
        if len(kept) < idist.get_world_size():
            raise InputError(f'{prefix}: expected a pair for each process')
        loaders.append(get_loader(*zip(*kept, strict=True), config, is_train))
    return *loaders, *subwords
