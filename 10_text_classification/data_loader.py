"""The data: labelled texts, as batches of token ids of similar length."""

import ignite.distributed as idist
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

import fast
from guards import InputError, log
from labels import (
    drop_duplicates,
    drop_known,
    get_class_names,
    get_labels,
    hash_texts,
    read_table,
)
from n_grams import make_vocabulary
from subwords import make_tokenizer


def split_table(table, valid_ratio, seed):
    """Split a table at random, but by seed, into training and validation rows."""
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randperm(len(table), generator=generator).numpy()
    n_valid = min(max(1, round(len(table) * valid_ratio)), len(table) - 1)
    return table.iloc[indices[n_valid:]], table.iloc[indices[:n_valid]]


def tokenize_texts(tokenizer, texts, config):
    """Return the tokens of each text, a list of lists of strings."""
    return list(tokenizer.tokenize(texts))


def encode_all(vocabulary, token_lists, max_length, fn):
    """Return the ids of each text, at most max_length, and report truncated texts.

    Arguments:
        vocabulary: has encode().
        token_lists: the tokens of each text.
        max_length: the largest number of ids of a text.
        fn: the file that the texts come from.
    """
    id_lists = [vocabulary.encode(tokens) for tokens in token_lists]
    n_long = sum(len(ids) > max_length for ids in id_lists)
    if n_long > 0:
        log(f'{fn}: {n_long} texts are truncated to --max_length {max_length}')
    return [ids[:max_length] for ids in id_lists]


class TextDataset(Dataset):
    """Texts as token ids, and their classes.

    Arguments:
        id_lists: the token ids of each text, none of them empty.
        y: the class of each text, a list of numbers.
        pad_id: the id of the padding.
    """

    def __init__(self, id_lists, y, pad_id):
        self.texts = [torch.tensor(ids) for ids in id_lists]
        self.y, self.pad_id = y, pad_id

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        return self.texts[index], self.y[index]

    def collate(self, samples):
        """Make a batch of samples: shorter texts are padded to the longest one.

        Returns:
            x: a long tensor of shape (batch_size, length), the token ids.
            lengths: a long tensor of shape (batch_size,), the numbers of tokens.
            y: a long tensor of shape (batch_size,).
        """
        texts, y = zip(*samples, strict=True)
        lengths = torch.tensor([len(text) for text in texts])
        # |lengths| = (batch_size,)
        x = pad_sequence(texts, batch_first=True, padding_value=self.pad_id)
        # |x| = (batch_size, length)
        return x, lengths, torch.tensor(y)


class BucketSampler:
    """Makes batches of texts of similar length, so that there is little padding.

    If there are several processes, each takes its share of every batch: of the sorted
    texts, the first process takes the first, the second the next, and so on in turn.

    Arguments:
        lengths: a long tensor of shape (n_texts,).
        batch_size: the number of texts of a batch, for each process.
        is_train: for training, each epoch has other batches in random order, and texts
            that can't be divided equally between the processes are left out.
        seed: of the random order, the same in all processes.
    """

    def __init__(self, lengths, batch_size, is_train, seed=0):
        self.lengths, self.batch_size = lengths, batch_size
        self.is_train, self.seed = is_train, seed
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Make the batches of an epoch: they follow from the seed and its number."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * epoch)
        n_texts, n_processes = len(self.lengths), idist.get_world_size()
        indices = torch.arange(n_texts)
        if self.is_train:
            n_shared = n_texts // n_processes * n_processes
            indices = torch.randperm(n_texts, generator=generator)[:n_shared]
        # Stable: texts of the same length stay in random order.
        indices = indices[self.lengths[indices].argsort(stable=True)]
        batches = indices[idist.get_rank() :: n_processes].split(self.batch_size)
        order = torch.arange(len(batches))
        if self.is_train:
            order = torch.randperm(len(batches), generator=generator)
        self.batches = [batches[i].tolist() for i in order if len(batches[i]) > 0]

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        """Yield the batches of this process, as lists of indices."""
        return iter(self.batches)


def get_loader(id_lists, y, pad_id, batch_size, is_train, seed=0):
    """Return a DataLoader of batches of x, lengths and y, bucketed by length."""
    dataset = TextDataset(id_lists, y, pad_id)
    lengths = torch.tensor([len(ids) for ids in id_lists])
    batches = BucketSampler(lengths, batch_size, is_train, seed)
    return DataLoader(dataset, batch_sampler=batches, collate_fn=dataset.collate)


def get_loaders(config):
    """Return the DataLoaders for training and validation, and how to read texts.

    Returns:
        The two loaders, the class names, the tokenizer, the vocabulary and the hashes
        of the training texts.
    """
    fn, drop, merge = config.train_fn, config.drop_duplicates, config.merge_labels
    columns = config.label_column, config.text_column, config.encoding
    table = drop_duplicates(read_table(fn, *columns), fn, drop)
    class_names = get_class_names(table, fn, merge)
    tables, fns = split_table(table, config.valid_ratio, config.seed), [fn, fn]
    if config.valid_fn:
        fns = fn, config.valid_fn
        tables = table, read_table(config.valid_fn, *columns)
    hashes = hash_texts(tables[0]['text'])
    tables = tables[0], drop_known(tables[1], hashes, f'{fns[1]}, validation', drop)
    if min(map(len, tables)) < idist.get_world_size():
        raise InputError(f'{fns[1]}: expected a text for each process')

    tokenizer = make_tokenizer(config, tables[0]['text'])
    tokenize = fast.tokenize_texts if config.fast else tokenize_texts
    tokens = [tokenize(tokenizer, part['text'].tolist(), config) for part in tables]
    vocabulary = make_vocabulary(config, tokenizer, tokens[0])
    loaders = []
    for part, texts, fn in zip(tables, tokens, fns, strict=True):
        id_lists = encode_all(vocabulary, texts, config.max_length, fn)
        y, is_train = get_labels(part, class_names, fn, merge), part is tables[0]
        options = config.batch_size, is_train, config.seed
        loaders.append(get_loader(id_lists, y, vocabulary.pad_id, *options))
    return *loaders, class_names, tokenizer, vocabulary, hashes
