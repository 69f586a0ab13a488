"""The data: labelled texts, as token ids in memory, in batches of like length."""

import hashlib
import io
import sys
from pathlib import Path

import ignite.distributed as idist
import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from tokenizer import make_tokenizer, make_vocabulary
from utils import InputError, load_checkpoint, log, read_lines, save_checkpoint


def read_table(fn):
    """Read labelled texts, a line for each: the label, a tab, the text.

    A quote is a character like others, and so is a second tab. A line without text
    teaches nothing: it is left out, and how many there are is said.

    Returns:
        A pandas DataFrame with the columns label and text, its index the line numbers.

    Raises:
        InputError: the file can't be read, a line has no tab or no label, or there is
            no text at all.
    """
    rows = [line.partition('\t') for line in read_lines(fn)]
    table = pd.DataFrame(rows, columns=['label', 'tab', 'text'], dtype=str)
    table.index += 1
    table['label'] = table['label'].str.strip()
    is_empty = table['text'].str.strip() == ''
    is_blank = is_empty & (table['label'] == '')

    for wrong, found in (
        (table['tab'] == '', 'no tab'),
        (table['label'] == '', 'no label'),
    ):
        lines = table.index[wrong & ~is_blank]
        if len(lines) > 0:
            raise InputError(
                f'{fn}, line {lines[0]}: expected a label, a tab and a text, '
                f'found {found}'
            )
    if is_empty.any():
        first = table.index[is_empty][0]
        log(f'{fn}: {is_empty.sum()} lines have no text, the first is line {first}')
    if is_empty.all():
        raise InputError(f'{fn}: expected labelled texts, found none')
    return table.loc[~is_empty, ['label', 'text']]


def get_class_names(table, fn):
    """Return the labels, sorted, so that a class has the same number in every run.

    Raises:
        InputError: there is one label only.
    """
    class_names = sorted(table['label'].unique())
    if len(class_names) < 2:
        raise InputError(f'{fn}: expected two labels or more, found {class_names[0]!r}')
    return class_names


def get_labels(table, class_names, fn):
    """Return the number of each text's class.

    Raises:
        InputError: a label is none of the class names.
    """
    y = pd.Index(class_names).get_indexer(table['label'])
    if (y < 0).any():
        line = table.index[y < 0][0]
        raise InputError(
            f'{fn}, line {line}: expected a label of {class_names}, '
            f'found {table["label"][line]!r}'
        )
    return torch.tensor(y, dtype=torch.long)


def split_table(table, valid_ratio, seed):
    """Split a table at random, and by seed, into training and validation rows."""
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randperm(len(table), generator=generator).numpy()
    n_valid = max(1, round(len(table) * valid_ratio))
    return table.iloc[indices[n_valid:]], table.iloc[indices[:n_valid]]


def cut_texts(tokenizer, texts, cache_dir, verbose):
    """Return the tokens of each text, from the cache if they were cut before.

    Arguments:
        tokenizer: has cut() and state_dict().
        texts: a list of strings.
        cache_dir: the folder of the cache; its files are named by their content.
        verbose: 2 for a progress bar.

    Returns:
        A list of lists of strings.
    """
    buffer = io.BytesIO()
    torch.save([tokenizer.state_dict(), texts], buffer)
    content = hashlib.sha256(buffer.getvalue())
    cache_fn = Path(cache_dir, f'{content.hexdigest()[:20]}.pth')
    # Of several processes on a machine, the first one cuts and the others read.
    with idist.one_rank_first(local=True):
        if cache_fn.exists():
            lines = load_checkpoint(cache_fn, 'tokens')['lines']
            return [line.split('\n') if line else [] for line in lines]
        bar = tqdm(
            tokenizer.cut(texts),
            desc='tokens',
            total=len(texts),
            disable=verbose < 2 or not sys.stderr.isatty(),
            leave=False,
        )
        token_lists = list(bar)
        lines = ['\n'.join(tokens) for tokens in token_lists]
        try:
            cache_fn.parent.mkdir(parents=True, exist_ok=True)
            save_checkpoint({'chapter': 'tokens', 'lines': lines}, cache_fn)
        except (InputError, OSError) as error:
            log(f'warning: {error}; next time, the texts have to be cut again')
    return token_lists


def encode_all(vocabulary, token_lists, max_length, fn):
    """Return the ids of each text, and say if some had to be cut short.

    Arguments:
        vocabulary: has encode().
        token_lists: the tokens of each text.
        max_length: how many ids of a text to keep.
        fn: where the texts come from.
    """
    id_lists = [vocabulary.encode(tokens) for tokens in token_lists]
    n_long = sum(len(ids) > max_length for ids in id_lists)
    if n_long > 0:
        log(f'{fn}: {n_long} texts are cut short, to --max_length {max_length}')
    return [ids[:max_length] for ids in id_lists]


class TextDataset(Dataset):
    """Texts as token ids, one after the other in one long tensor.

    A batch is a rectangle, filled up with padding; it is cut out of the long tensor in
    one look-up.

    Arguments:
        id_lists: the token ids of each text, none of them empty.
        y: a long tensor of shape (n_texts,), the classes; None: unknown.
        pad_id: what to fill up with.
    """

    def __init__(self, id_lists, y, pad_id):
        lengths = torch.tensor([len(ids) for ids in id_lists])
        # |lengths| = (n_texts,)
        self.lengths = lengths
        self.starts = lengths.cumsum(dim=0) - lengths
        flat = np.fromiter((i for ids in id_lists for i in ids), dtype=np.int32)
        self.ids = torch.from_numpy(flat)
        self.y = y
        self.pad_id = pad_id

    def __len__(self):
        return len(self.lengths)

    def __getitems__(self, indices):
        """Return a batch.

        Returns:
            x: a long tensor of shape (batch_size, length), of the longest text.
            lengths: a long tensor of shape (batch_size,).
            y: a long tensor of shape (batch_size,), if the classes are known.
        """
        indices = torch.as_tensor(indices)
        lengths = self.lengths[indices]
        # |lengths| = (batch_size,)
        places = torch.arange(lengths.max())
        is_token = places < lengths.unsqueeze(1)
        # |is_token| = (batch_size, length)
        x = torch.full(is_token.shape, self.pad_id)
        x[is_token] = self.ids[
            (self.starts[indices].unsqueeze(1) + places)[is_token]
        ].long()
        return x, lengths, self.y[indices]


class BucketSampler:
    """Deals out batches of texts of like length, so that there is little padding.

    Several processes share each batch: dealt out like cards, one text to each in turn.

    Arguments:
        lengths: a long tensor of shape (n_texts,).
        batch_size: texts a batch, of each process.
        is_train: for training, the batches are made anew and shuffled every epoch, and
            a remainder that the processes can't share equally is left out.
        seed: of the shuffling, the same in all processes.
    """

    def __init__(self, lengths, batch_size, is_train, seed=0):
        self.lengths, self.batch_size = lengths, batch_size
        self.is_train, self.seed = is_train, seed
        self.epoch = 0

    def set_epoch(self, epoch):
        """Say which epoch is next: its order follows from the seed and its number."""
        self.epoch = epoch

    def __len__(self):
        return len(self._make_batches())

    def __iter__(self):
        """Yield the batches of this process as lists of indices."""
        batches = self._make_batches()
        order = range(len(batches))
        if self.is_train:
            order = torch.randperm(len(batches), generator=self._get_generator())
        for i in order:
            yield batches[i].tolist()

    def _get_generator(self):
        return torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch)

    def _make_batches(self):
        """Return this process's part of all batches, as tensors of indices."""
        n_texts, n_processes = len(self.lengths), idist.get_world_size()
        indices = torch.arange(n_texts)
        if self.is_train:
            n_shared = n_texts // n_processes * n_processes
            indices = torch.randperm(n_texts, generator=self._get_generator())[
                :n_shared
            ]
        # Stable: texts of the same length stay in random order.
        by_length = self.lengths[indices].argsort(stable=True)
        return indices[by_length][idist.get_rank() :: n_processes].split(
            self.batch_size
        )


def get_loader(id_lists, y, pad_id, batch_size, is_train, seed=0):
    """Return a DataLoader of batches of x, lengths and y, bucketed by length."""
    dataset = TextDataset(id_lists, y, pad_id)
    return DataLoader(
        dataset,
        batch_sampler=BucketSampler(dataset.lengths, batch_size, is_train, seed),
        # The batch is a batch already: there is nothing to stack.
        collate_fn=lambda batch: batch,
        # The loader draws a number for its workers: not from the model's dropout.
        generator=torch.Generator(),
    )


def get_loaders(config):
    """Return the DataLoaders for training and validation, and how to read texts.

    Returns:
        The two loaders, the class names, the tokenizer and the vocabulary.
    """
    table = read_table(config.train_fn)
    class_names = get_class_names(table, config.train_fn)
    if config.valid_fn:
        train_table, valid_table = table, read_table(config.valid_fn)
    else:
        train_table, valid_table = split_table(table, config.valid_ratio, config.seed)

    valid_fn = config.valid_fn or config.train_fn
    if min(len(train_table), len(valid_table)) < idist.get_world_size():
        raise InputError(f'{valid_fn}: expected a text for each process')

    tokenizer = make_tokenizer(config, train_table['text'].tolist())
    train_tokens, valid_tokens = (
        cut_texts(tokenizer, part['text'].tolist(), config.cache_dir, config.verbose)
        for part in (train_table, valid_table)
    )
    vocabulary = make_vocabulary(config, tokenizer, train_tokens)
    train_ids = encode_all(vocabulary, train_tokens, config.max_length, config.train_fn)
    valid_ids = encode_all(vocabulary, valid_tokens, config.max_length, valid_fn)
    if config.model != 'bert':
        vocabulary.learn_n_grams(train_ids, config.max_n_gram, config.min_vocab_freq)
    train_loader, valid_loader = (
        get_loader(
            id_lists,
            get_labels(part, class_names, fn),
            vocabulary.pad_id,
            config.batch_size,
            is_train,
            config.seed,
        )
        for id_lists, part, fn, is_train in (
            (train_ids, train_table, config.train_fn, True),
            (valid_ids, valid_table, valid_fn, False),
        )
    )
    return train_loader, valid_loader, class_names, tokenizer, vocabulary
