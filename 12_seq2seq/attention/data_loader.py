"""The data: pairs of sentences as subword ids, in batches."""

import io
import re

import numpy as np
import torch
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from guards import InputError, log, read_lines

PAD_ID, UNKNOWN_ID, BOS_ID, EOS_ID = range(4)


def read_pairs(prefix, lang):
    """Read parallel text: the lines of prefix.ko and of prefix.en, if lang is koen.

    A pair with an empty side is left out, and the number of these is logged.

    Returns:
        The source sentences and the target sentences, two lists of strings.

    Raises:
        InputError: a file can't be read, or the numbers of lines differ.
    """
    fns = [f'{prefix}.{lang[:2]}', f'{prefix}.{lang[2:]}']
    x, y = ([' '.join(line.split()) for line in read_lines(fn)] for fn in fns)
    if len(x) != len(y):
        raise InputError(
            f'{fns[1]}, line {min(len(x), len(y)) + 1}: expected as many lines as '
            f'{fns[0]} has, {len(x)}, found {len(y)}'
        )
    pairs = [pair for pair in zip(x, y, strict=True) if all(pair)]
    n_empty = len(x) - len(pairs)
    if n_empty > 0:
        log(f'{prefix}: {n_empty} pairs have an empty side and are left out')
    if not pairs:
        raise InputError(f'{fns[0]}: expected sentences, found none')
    return tuple(map(list, zip(*pairs, strict=True)))


def train_subwords(sentences, vocab_size):
    """Train a subword model on sentences (Kudo 2018).

    A character that does not occur in them is encoded as its bytes, so that no text is
    unknown.

    Returns:
        A SentencePieceProcessor.

    Raises:
        InputError: vocab_size is too small for the characters and bytes.
    """
    model = io.BytesIO()
    try:
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
    except RuntimeError as error:
        needed = re.search(r'\d+ vs (\d+)', str(error))
        reason = f'the characters and bytes alone are {needed[1]}' if needed else error
        raise InputError(f'--vocab_size {vocab_size}: {reason}') from error
    subwords = SentencePieceProcessor(model_proto=model.getvalue())
    if len(subwords) < vocab_size:
        log(f'--vocab_size {vocab_size}: the text allows no more than {len(subwords)}')
    return subwords


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


def get_loader(x_ids, y_ids, batch_size, is_train):
    """Return a DataLoader of batches as collate() makes them, shuffled for training."""
    dataset = PairDataset(x_ids, y_ids)
    return DataLoader(dataset, batch_size, shuffle=is_train, collate_fn=collate)


def get_loaders(config):
    """Return the DataLoaders for training and validation, and the subwords.

    Returns:
        The two loaders, and the SentencePieceProcessors of the two languages.

    Raises:
        InputError: the files are not as read_pairs() expects them.
    """
    train_pairs = read_pairs(config.train_fn, config.lang)
    valid_pairs = read_pairs(config.valid_fn, config.lang)
    subwords = [train_subwords(side, config.vocab_size) for side in train_pairs]
    loaders = []
    for pairs, is_train in ((train_pairs, True), (valid_pairs, False)):
        ids = [one.encode(side) for one, side in zip(subwords, pairs, strict=True)]
        loaders.append(get_loader(*ids, config.batch_size, is_train))
    return *loaders, *subwords
