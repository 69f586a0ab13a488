"""The data: batches of token ids for networks, made in two ways.

    python data_loader.py --train_fn sample.train.tsv

prints a batch of labelled lines twice: made by torchtext, and made by torch.utils.data
alone.

- torchtext 0.6: a Field describes a column, a Dataset holds the rows as Examples, and a
  BucketIterator makes batches of lines of about the same length.
- torch.utils.data: a vocabulary is a dict, a Dataset is a list, a batch sampler selects
  the lines of a batch, and collate() pads them to the same length.
"""

import itertools
import random
import re
import unicodedata
from collections import Counter

from guards import InputError, add_encoding, log, number, run
from model import UNKNOWN
from utils import get_filter_argparser, read_cells

PAD = '<pad>'

# The names that the columns of a table are recognised by.
TEXT_NAMES = (
    'text texts document documents review reviews sentence sentences comment content '
    '텍스트 문서 리뷰 문장 댓글 내용 본문'
)
LABEL_NAMES = 'label labels class category sentiment target 라벨 레이블 분류 감정 정답'
ADVICE = 'tell the columns with --label_column and --text_column'


def simplify(name):
    """Return the name of a column in lower case, without spaces and quotes."""
    return re.sub(r'[\W_]', '', unicodedata.normalize('NFKC', name)).lower()


def read_texts(column, fn, encoding='utf-8'):
    """Return an iterator of the texts of a file to learn from, without its header.

    Arguments:
        column: of the text, counted from 0; -1: the whole line is the text.
        fn, encoding: the file.

    Raises:
        InputError: as for read_cells(), or the file has a header and column is -1.
    """
    rows = read_cells(column, fn, encoding)
    first = next(rows, [])
    separator = ',' if str(fn).lower().endswith('.csv') else '\t'
    cells = first if column >= 0 else ''.join(first).split(separator)
    names = [simplify(cell) for cell in cells]
    found = [i for i, name in enumerate(names) if name in TEXT_NAMES.split()]
    is_text = not found or (column < 0 and len(names) == 1)
    if is_text or any(name.isdigit() for name in names):
        if column < 0 and len(cells) > 1 and separator == '\t':
            log(f'{fn}: line 1 has tabs; if this is a table, tell the --column')
        rows = itertools.chain([first], rows)
    elif column < 0:
        advice = f'tell the text with --column, such as {found[0]}'
        raise InputError(f'{fn}: expected texts, found a table of {cells}: {advice}')
    else:
        log(f'{fn}: line 1 is a header, the text is {cells[column]!r}')
    return (cells[column] if cells else '' for cells in rows)


def find_column(names, option, known):
    """Return the columns that an option or known names mean, a list of numbers from 0.

    Arguments:
        names: simplify() of the cells of the first row.
        option: a name, a number from 0, or None.
        known: names between spaces.
    """
    if option and option.isdecimal():
        return [int(option)] if int(option) < len(names) else []
    wanted = [simplify(option)] if option else known.split()
    return [i for i, name in enumerate(names) if name in wanted]


def read_examples(fn, label_column=None, text_column=None, encoding='utf-8'):
    """Return the label and the words of each row of a table.

    Arguments:
        fn: the file; TSV, or CSV if its name ends in .csv.
        label_column, text_column: names in the header, or numbers from 0; None: known
            names in the header, or without one the label, a tab and the text.
        encoding: of the file.

    Raises:
        InputError: a row has other columns, or the labels hardly repeat.
    """
    rows = list(read_cells(0, fn, encoding))
    names = [simplify(cell) for cell in rows[0]] if rows else []
    labels = find_column(names, label_column, LABEL_NAMES)
    texts = find_column(names, text_column, TEXT_NAMES)
    is_known, n_columns = len(labels) == len(texts) == 1, len(names)
    if not is_known:
        if not rows or label_column or text_column:
            found = f'lines of a label, a tab and a text; found {rows[:1]}'
            raise InputError(f'{fn}: expected {found}; {ADVICE}')
        labels, texts, n_columns = [0], [1], 2
    label, text = labels + texts
    # Cells at which numbers point can be those of a header, too.
    options = [option for option in (label_column, text_column) if option]
    known = [*LABEL_NAMES.split(), *TEXT_NAMES.split(), *map(simplify, options)]
    is_named = is_known and not {names[label], names[text]}.isdisjoint(known)
    has_header = is_named and not names[label].isdigit()
    if has_header:
        found = f'the label is {rows[0][label]!r}, the text {rows[0][text]!r}'
        log(f'{fn}: line 1 is a header, {found}')
    examples = []
    for line_number, cells in enumerate(rows[has_header:], start=1 + has_header):
        line = '\t'.join(cells)
        if len(cells) != n_columns or not cells[label] or '\r' in line:
            expected = f'expected {n_columns} columns, with a label and a text'
            found = f'{expected}, found {line[:40]!r}; {ADVICE}'
            raise InputError(f'{fn}, line {line_number}: {found}')
        examples.append((cells[label], cells[text].split()))
    if not examples:
        raise InputError(f'{fn}: expected a label and a text below the header')
    n_labels = len({label for label, _ in examples})
    if n_labels > max(3, len(examples) / 2) and not is_known:
        found = f'found {n_labels} in {len(examples)} lines, such as {rows[0][0]!r}'
        raise InputError(f'{fn}: expected labels that repeat, {found}; {ADVICE}')
    return examples


def report_classes(labels, fn):
    """Log how often each label occurs, and which are rare."""
    counts = sorted(Counter(labels).items())
    log(f'{fn}: ' + ', '.join(f'{n} of class {name}' for name, n in counts))
    rare = [name for name, n in counts if n == 1 or n < len(labels) / 100]
    if rare:
        log(f'warning: one text, or less than 1 %, of the classes {rare}')


# ---- With torchtext


def get_torchtext_iterator(fn, batch_size, min_freq=1, **table):
    """Return an iterator over batches with the attributes text and label.

    Each batch.text is a pair: ids of shape (batch_size, length) and lengths of shape
    (batch_size,); each batch.label has the shape (batch_size,).

    Arguments:
        fn: a table.
        batch_size: lines in a batch.
        min_freq: words that occur less often become <unk>.
        table: further arguments of read_examples().
    """
    from torchtext import data

    # A text is split at its spaces, and padded to the longest text of its batch.
    text_field = data.Field(include_lengths=True, batch_first=True)
    # A label is one word, and an unknown label is an error.
    label_field = data.Field(sequential=False, unk_token=None)
    fields = [('label', label_field), ('text', text_field)]
    # A TabularDataset would read the file by itself, but only UTF-8 without a header,
    # and its errors do not name the line.
    rows = [(label, ' '.join(words)) for label, words in read_examples(fn, **table)]
    examples = [data.Example.fromlist(row, fields) for row in rows]
    dataset = data.Dataset(examples, fields)
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


def get_loader(fn, batch_size, min_freq=1, seed=0, **table):
    """Return a DataLoader of text, lengths and labels, and the two vocabularies.

    Arguments:
        fn: a table.
        batch_size: lines in a batch.
        min_freq: words that occur less often become <unk>.
        seed: of the order.
        table: further arguments of read_examples().
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence
    from torch.utils.data import DataLoader

    examples = read_examples(fn, **table)
    report_classes([label for label, _ in examples], fn)
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
    p = get_filter_argparser(description='Print a batch, made in two ways.')
    option, count = p.add_argument, number(int, 1)
    option('--train_fn', default='sample.train.tsv', help='label, tab, text a line')
    option('--batch_size', type=count, default=4, help='lines a batch')
    option('--min_freq', type=count, default=1, help='rarer words become <unk>')
    option('--seed', type=number(int, 0), default=0, help='of the order')
    column_help = 'name in the header, or number from 0; None: known names'
    option('--label_column', help=f'of the labels: {column_help}')
    option('--text_column', help=f'of the texts: {column_help}')
    add_encoding(p)
    return p


def main(config):
    """Print the first batch, as torchtext makes it and as plain PyTorch does."""
    data = config.train_fn, config.batch_size, config.min_freq
    names = 'label_column', 'text_column', 'encoding'
    table = {name: getattr(config, name) for name in names}
    loader, vocabulary, labels = get_loader(*data, config.seed, **table)
    random.seed(config.seed)
    iterator = get_torchtext_iterator(*data, **table)

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
