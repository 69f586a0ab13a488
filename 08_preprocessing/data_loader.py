"""The data: words to count for subwords, and batches of numbers for networks, twice.

    python data_loader.py --train_fn sample.train.tsv

prints a batch of labelled lines as torchtext makes it, and the same with
torch.utils.data alone.

- torchtext 0.6: a Field says what to do with a column, a TabularDataset reads a file, a
  BucketIterator makes batches of lines of about the same length.
- torch.utils.data: a vocabulary is a dict, a Dataset is a list, a batch sampler decides
  which lines come together, and collate() fills the shorter ones up.
"""

import random
from collections import Counter

from filters import get_filter_argparser, read_column
from marks import get_tokens
from utils import InputError, number, read_lines, run

UNKNOWN, PAD = '<unk>', '<pad>'

# What is longer is no word, but a line without spaces.
MAX_LENGTH = 100


def count_words(fn, column, is_raw=False):
    """Count the marked tokens of a text.

    Raises:
        InputError: it can't be read, has no such column, or no words.
    """
    words = Counter()
    for text in read_column(read_lines(fn), column, fn):
        tokens = get_tokens(text, is_raw)
        words.update(token for token in tokens if len(token) <= MAX_LENGTH)
    if not words:
        raise InputError(f'{fn}: expected text to learn from, found no words')
    return words


def read_examples(fn):
    """Return the label and the words of each line of `label<tab>text`.

    Raises:
        InputError: a line is anything else.
    """
    examples = []
    for line_number, line in enumerate(read_lines(fn), start=1):
        cells = line.split('\t')
        if len(cells) != 2 or not cells[0] or '\r' in line:
            raise InputError(
                f'{fn}, line {line_number}: expected a label, a tab and a text, '
                f'found {line[:40]!r}'
            )
        examples.append((cells[0], cells[1].split()))
    if not examples:
        raise InputError(f'{fn}: expected lines of a label, a tab and a text')
    return examples


# ---- With torchtext


def get_torchtext_iterator(fn, batch_size, min_freq=1):
    """Return an iterator over batches with the attributes text and label.

    Each batch.text is a pair: numbers of shape (batch_size, length) and lengths of
    shape (batch_size,); each batch.label has the shape (batch_size,).

    Arguments:
        fn: a file that read_examples() has read: torchtext does not say which line is
            a bad one.
        batch_size: lines in a batch.
        min_freq: words that occur less often become <unk>.
    """
    import csv

    from torchtext import data

    # A text is cut at its spaces, and gets <pad> up to the longest of its batch.
    text_field = data.Field(include_lengths=True, batch_first=True)
    # A label is one word, and one that has never been seen is a mistake.
    label_field = data.Field(sequential=False, unk_token=None)
    dataset = data.TabularDataset(
        fn,
        format='tsv',
        fields=[('label', label_field), ('text', text_field)],
        # Without this, a quotation mark swallows all lines up to the next one.
        csv_reader_params={'quoting': csv.QUOTE_NONE},
    )
    # Frequent words get small numbers, rare ones share the number of <unk>.
    text_field.build_vocab(dataset, min_freq=min_freq)
    label_field.build_vocab(dataset)
    return data.BucketIterator(
        dataset,
        batch_size,
        train=True,
        sort_key=lambda example: len(example.text),
        sort_within_batch=True,
    )


# ---- With torch.utils.data alone


def get_vocabulary(words, min_freq=1, specials=()):
    """Return words in the order of their numbers: the most frequent ones first.

    Words that occur equally often stand in the order of Unicode, so that the numbers
    do not depend on the order of the lines.
    """
    counts = Counter(words)
    frequent = [word for word in counts if counts[word] >= min_freq]
    frequent.sort(key=lambda word: (-counts[word], word))
    return [*specials, *(word for word in frequent if word not in specials)]


class BucketSampler:
    """Says which examples come together in a batch: those of about the same length.

    The shuffled examples are cut into buckets of 100 batches, and sorted within them.
    So little is filled up, while the batches are others in each epoch.

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

        def cut(values, size):
            return [values[i : i + size] for i in range(0, len(values), size)]

        get_length = self.lengths.__getitem__
        indices = shuffle(range(len(self.lengths)))
        for bucket in cut(indices, 100 * self.batch_size):
            batches = cut(sorted(bucket, key=get_length), self.batch_size)
            for batch in shuffle(batches):
                # The longest comes first, as packed sequences want it.
                yield sorted(batch, key=get_length, reverse=True)


def get_loader(fn, batch_size, min_freq=1, seed=0):
    """Return a DataLoader of text, lengths and labels, and the two vocabularies.

    Arguments:
        fn: a file of lines of `label<tab>text`.
        batch_size: lines in a batch.
        min_freq: words that occur less often become <unk>.
        seed: of the order.
    """
    import torch
    from torch.utils.data import DataLoader

    examples = read_examples(fn)
    words = [word for _, text in examples for word in text]
    vocabulary = get_vocabulary(words, min_freq, [UNKNOWN, PAD])
    labels = get_vocabulary(label for label, _ in examples)
    word_numbers = {word: number for number, word in enumerate(vocabulary)}
    label_numbers = {label: number for number, label in enumerate(labels)}

    def collate(batch):
        lengths = torch.tensor([len(text) for _, text in batch])
        # |lengths| = (batch_size,)
        text = torch.full((len(batch), max(lengths)), word_numbers[PAD])
        # |text| = (batch_size, length)
        for row, (_, words) in zip(text, batch, strict=True):
            numbers = [word_numbers.get(word, word_numbers[UNKNOWN]) for word in words]
            row[: len(words)] = torch.tensor(numbers)
        label = torch.tensor([label_numbers[label] for label, _ in batch])
        # |label| = (batch_size,)
        return text, lengths, label

    lengths = [len(text) for _, text in examples]
    sampler = BucketSampler(lengths, batch_size, seed)
    loader = DataLoader(examples, batch_sampler=sampler, collate_fn=collate)
    return loader, vocabulary, labels


# ---- A batch to look at


def define_argparser():
    """Return the parser of the command line."""
    p = get_filter_argparser(description='Print a batch, made in two ways.')

    p.add_argument(
        '--train_fn', default='sample.train.tsv', help='lines of a label, a tab, a text'
    )
    p.add_argument('--batch_size', type=number(int, 1), default=4, help='lines a batch')
    p.add_argument(
        '--min_freq',
        type=number(int, 1),
        default=1,
        help='words that occur less often become <unk>',
    )
    p.add_argument('--seed', type=number(int, 0), default=0, help='of the order')
    return p


def main(config):
    """Print the first batch, as torchtext makes it and as plain PyTorch does."""
    size, min_freq = config.batch_size, config.min_freq
    loader, vocabulary, labels = get_loader(
        config.train_fn, size, min_freq, config.seed
    )
    random.seed(config.seed)
    iterator = get_torchtext_iterator(config.train_fn, size, min_freq)

    print(f'n_lines: {len(loader.dataset)}')
    print(f'n_words: {len(vocabulary)}')
    print(f'labels: {" ".join(labels)}')
    batch = next(iter(iterator))
    print_batch('torchtext', *batch.text, batch.label)
    text, lengths, label = next(iter(loader))
    print_batch('torch.utils.data', text, lengths, label)
    for row, length in zip(text, lengths, strict=True):
        print(' '.join(vocabulary[number] for number in row[:length]))


def print_batch(name, text, lengths, label):
    """Print the shapes and the numbers of a batch."""
    print(f'\n{name}:')
    print(f'|text| = {tuple(text.shape)}, |label| = {tuple(label.shape)}')
    print(f'text = {text}\nlengths = {lengths}\nlabel = {label}')


if __name__ == '__main__':
    run(main, define_argparser())
