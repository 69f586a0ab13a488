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
    options = config.lang, config.encoding, config.drop_odd
    train_pairs = read_pairs(config.train_fn, *options)
    valid_pairs = read_pairs(config.valid_fn, *options)
    subwords = [train_subwords(side, config.vocab_size) for side in train_pairs]
    loaders = []
    for pairs, is_train in ((train_pairs, True), (valid_pairs, False)):
        ids = [one.encode(side) for one, side in zip(subwords, pairs, strict=True)]
        loaders.append(get_loader(*ids, config.batch_size, is_train))
    return *loaders, *subwords
