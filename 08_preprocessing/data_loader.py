"""The data: batches of token ids for networks, made in two ways.

    python data_loader.py --train_fn sample.train.tsv

prints a batch of labelled lines twice: made by torchtext, and made by torch.utils.data
alone.

- torchtext 0.6: a Field describes a column, a Dataset holds the rows as Examples, and a
  BucketIterator makes batches of lines of about the same length.
- torch.utils.data: a vocabulary is a dict, a Dataset is a list, a batch sampler selects
  the lines of a batch, and collate() pads them to the same length.
"""

import random
from collections import Counter

from guards import add_encoding, get_argparser, number, run
from labels import (
    add_table_options,
    drop_duplicates,
    get_class_names,
    get_labels,
    read_table,
)
from model import UNKNOWN

PAD = '<pad>'


def read_examples(config):
    """Return the label and the words of each row of a table, a list of pairs.

    Arguments:
        config: the options of how the table is read.
    """
    fn, merge = config.train_fn, config.merge_labels
    columns = config.label_column, config.text_column
    table = read_table(fn, *columns, config.encoding)
    table = drop_duplicates(table, fn, config.drop_duplicates)
    names = get_class_names(table, fn, merge)
    labels = [names[i] for i in get_labels(table, names, fn, merge)]
    return list(zip(labels, table['text'].str.split(), strict=True))


# ---- With torchtext


def get_torchtext_iterator(examples, batch_size, min_freq=1):
    """Return an iterator over batches with the attributes text and label.

    Each batch.text is a pair: ids of shape (batch_size, length) and lengths of shape
    (batch_size,); each batch.label has the shape (batch_size,).

    Arguments:
        examples: pairs of a label and a list of words.
        batch_size: examples in a batch.
        min_freq: words that occur less often become <unk>.
    """
    from torchtext import data

    # A text is a list of words, and is padded to the longest text of its batch.
    text_field = data.Field(include_lengths=True, batch_first=True)
    # A label is one word, and an unknown label is an error.
    label_field = data.Field(sequential=False, unk_token=None)
    fields = [('label', label_field), ('text', text_field)]
    # A TabularDataset would read the file by itself, but only UTF-8, and its errors do
    # not name the line.
    rows = [data.Example.fromlist(example, fields) for example in examples]
    dataset = data.Dataset(rows, fields)
    # Frequent words get small ids, rare words the id of <unk>.
    text_field.build_vocab(dataset, min_freq=min_freq)
    label_field.build_vocab(dataset)
    sort_options = {'sort_key': lambda row: len(row.text), 'sort_within_batch': True}
    return data.BucketIterator(dataset, batch_size, train=True, **sort_options)


# ---- With torch.utils.data alone


def get_vocabulary(words, min_freq=1, specials=()):
    """Return words in the order of their ids: the most frequent ones first.

    Words with the same count are in the order of Unicode, so that the ids do not depend
    on the order of the lines.
    """
    counts = Counter(words)
    frequent = [word for word in counts if counts[word] >= min_freq]
    frequent.sort(key=lambda word: (-counts[word], word))
    return [*specials, *(word for word in frequent if word not in specials)]


class BucketSampler:
    """Selects the examples of each batch: those of about the same length.

    The shuffled examples are divided into buckets of 100 batches, and sorted by length
    within a bucket. So there is little padding, and each epoch has other batches.

    Arguments:
        lengths: of all examples.
        batch_size: examples in a batch.
        seed: of the order.
    """

    def __init__(self, lengths, batch_size, seed):
        self.lengths = lengths
        self.batch_size = batch_size
        self.random = random.Random(seed)

    def __len__(self):
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self):
        def shuffle(values):
            return self.random.sample(values, len(values))

        def split(values, size):
            return [values[i : i + size] for i in range(0, len(values), size)]

        get_length = self.lengths.__getitem__
        indices = shuffle(range(len(self.lengths)))
        for bucket in split(indices, 100 * self.batch_size):
            batches = split(sorted(bucket, key=get_length), self.batch_size)
            for batch in shuffle(batches):
                # The longest example comes first, as packed sequences need it.
                yield sorted(batch, key=get_length, reverse=True)


def get_loader(examples, batch_size, min_freq=1, seed=0):
    """Return a DataLoader of text, lengths and labels, and the two vocabularies.

    Arguments:
        examples: pairs of a label and a list of words.
        batch_size: examples in a batch.
        min_freq: words that occur less often become <unk>.
        seed: of the order.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence
    from torch.utils.data import DataLoader

    words = (word for _, text in examples for word in text)
    vocabulary = get_vocabulary(words, min_freq, [UNKNOWN, PAD])
    labels = get_vocabulary(label for label, _ in examples)
    ids = {word: i for i, word in enumerate(vocabulary)}

    def get_ids(text):
        return torch.tensor([ids.get(word, 0) for word in text], dtype=torch.long)

    def collate(batch):
        texts = [get_ids(text) for _, text in batch]
        text = pad_sequence(texts, batch_first=True, padding_value=ids[PAD])
        # |text| = (batch_size, length)
        lengths = torch.tensor([len(text) for text in texts])
        # |lengths| = (batch_size,)
        label = torch.tensor([labels.index(label) for label, _ in batch])
        # |label| = (batch_size,)
        return text, lengths, label

    sampler = BucketSampler([len(text) for _, text in examples], batch_size, seed)
    loader = DataLoader(examples, batch_sampler=sampler, collate_fn=collate)
    return loader, vocabulary, labels


# ---- Print a batch


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Print a batch, made in two ways.', has_model=False)
    option, count = p.add_argument, number(int, 1)
    option('--train_fn', default='sample.train.tsv', help='label, tab, text a line')
    option('--batch_size', type=count, default=4, help='lines a batch')
    option('--min_freq', type=count, default=1, help='rarer words become <unk>')
    option('--seed', type=number(int, 0), default=0, help='of the order')
    merge_help = 'labels that differ in case, width, spaces or .0 are one class'
    option('--merge_labels', action='store_true', help=merge_help)
    add_table_options(option)
    add_encoding(p)
    return p


def main(config):
    """Print the first batch, as torchtext makes it and as plain PyTorch does."""
    data = read_examples(config), config.batch_size, config.min_freq
    loader, vocabulary, labels = get_loader(*data, config.seed)
    random.seed(config.seed)
    iterator = get_torchtext_iterator(*data)

    print(f'n_lines: {len(loader.dataset)}\nn_words: {len(vocabulary)}')
    print(f'labels: {" ".join(labels)}')
    batch = next(iter(iterator))
    print_batch('torchtext', *batch.text, batch.label)
    text, lengths, label = next(iter(loader))
    print_batch('torch.utils.data', text, lengths, label)
    for row, length in zip(text, lengths, strict=True):
        print(' '.join(vocabulary[i] for i in row[:length]))


def print_batch(name, text, lengths, label):
    """Print the shapes and the ids of a batch."""
    print(f'\n{name}:')
    print(f'|text| = {tuple(text.shape)}, |label| = {tuple(label.shape)}')
    print(f'text = {text}\nlengths = {lengths}\nlabel = {label}')


if __name__ == '__main__':
    run(main, define_argparser())
