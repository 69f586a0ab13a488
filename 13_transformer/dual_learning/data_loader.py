"""The data: pairs of sentences as subword ids, with their log-probabilities."""

import hashlib
import io
import os
import re
from itertools import chain
from pathlib import Path

import ignite.distributed as idist
import numpy as np
import torch
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from guards import InputError, load_checkpoint, log, read_lines, save_checkpoint
from model import get_text_log_p

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
        self.x, self.y = (
            [np.array([BOS_ID, *ids, EOS_ID], dtype=np.int32) for ids in side]
            for side in (x_ids, y_ids)
        )
        self.x_log_p = self.y_log_p = torch.zeros(len(self.x))

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        """Return both sentences, from BOS to EOS, and their log-probabilities."""
        sides = torch.from_numpy(self.x[index]), torch.from_numpy(self.y[index])
        return *sides, self.x_log_p[index], self.y_log_p[index]

    def score(self, x_model, y_model):
        """Compute the log-probabilities of all sentences by language models.

        The models do not learn any more, so this is done once, before the training.
        """
        self.x_log_p = get_text_log_p(x_model, self.x)
        self.y_log_p = get_text_log_p(y_model, self.y)


def collate(pairs):
    """Make a batch of some pairs.

    Returns:
        x, y: long tensors of shapes (batch_size, x_length) and (batch_size, y_length),
            the sentences of both languages from BOS to EOS, padded.
        x_log_p, y_log_p: float tensors of shape (batch_size,), the log-probabilities of
            these sentences by the language models.
    """
    x, y, x_log_p, y_log_p = zip(*pairs, strict=True)
    x, y = (pad_sequence(ids, True, PAD_ID).long() for ids in (x, y))
    # |x| = (batch_size, x_length)
    # |y| = (batch_size, y_length)
    x_log_p, y_log_p = torch.stack(x_log_p), torch.stack(y_log_p)
    # |x_log_p| = (batch_size,)
    return x, y, x_log_p, y_log_p


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
    """

    def __init__(self, dataset, batch_size, batch_tokens, is_train, seed=0):
        self.x_lengths, self.y_lengths = (
            torch.tensor([len(ids) for ids in side]) - 1
            for side in (dataset.x, dataset.y)
        )
        self.batch_size, self.batch_tokens = batch_size, batch_tokens
        self.is_train, self.seed = is_train, seed
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Make the batches of an epoch, which depend on the seed and its number."""
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
    sampler = BucketSampler(
        dataset, config.batch_size, config.batch_tokens, is_train, config.seed
    )
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


def get_loaders(config, *subwords):
    """Return the DataLoaders for training and validation, with pairs of sentences.

    Arguments:
        config: the options.
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


def read_sentences(prefixes, config):
    """Return the sentences of text files of one language, without blank lines.

    Raises:
        InputError: a file can't be read, or there is no sentence.
    """
    fns = [f'{prefix}.{config.lang}' for prefix in prefixes]
    lines = chain.from_iterable(read_lines(fn, config.encoding) for fn in fns)
    sentences = [' '.join(line.split()) for line in lines if line.strip()]
    if not sentences:
        raise InputError(f'{fns[0]}: expected sentences, found none')
    return sentences


def load_subwords(fn, lang):
    """Return the SentencePieceProcessor of a language from a translator's checkpoint.

    Raises:
        InputError: it can't be read, or it does not translate this language.
    """
    checkpoint = load_checkpoint(fn, '13_transformer')
    langs = checkpoint['config']['lang']
    if lang not in (langs[:2], langs[2:]):
        raise InputError(f'{fn}: expected a translator of {lang}, found {langs}')
    side = 'x_subwords' if lang == langs[:2] else 'y_subwords'
    return SentencePieceProcessor(model_proto=checkpoint[side].numpy().tobytes())


def get_text_loaders(config):
    """Return the DataLoaders for a language model, and the subwords.

    A pair consists of a sentence and itself: a language model has no source.
    """
    train_text = read_sentences(config.train_fn, config)
    valid_text = read_sentences([config.valid_fn], config)
    if config.subwords_fn:
        subwords = load_subwords(config.subwords_fn, config.lang)
    else:
        subwords = train_subwords(train_text, config.vocab_size)
    loaders = []
    for prefix, text, is_train in (
        (config.train_fn[0], train_text, True),
        (config.valid_fn, valid_text, False),
    ):
        ids = encode_pairs(prefix, (text, text), (subwords, subwords), config)
        loaders.append(get_loader(*ids, config, is_train))
    return *loaders, subwords
