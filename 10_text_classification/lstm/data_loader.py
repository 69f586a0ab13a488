"""The data: labelled texts, as batches of token ids with padding."""

import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from guards import InputError, log, read_lines
from tokenizer import Tokenizer, Vocabulary, get_vocabulary


def read_table(fn):
    """Read labelled texts, one a line: the label, a tab, the text.

    Quotes and further tabs are ordinary characters of the text. Lines without text are
    left out, and their number is reported.

    Returns:
        A pandas DataFrame with the columns label and text; its index has the line
        numbers.

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
    for column in ('tab', 'label'):
        lines = table.index[(table[column] == '') & ~is_blank]
        if len(lines) > 0:
            expected = f'expected a label, a tab and a text, found no {column}'
            raise InputError(f'{fn}, line {lines[0]}: {expected}')
    if is_empty.all():
        raise InputError(f'{fn}: expected labelled texts, found none')
    if is_empty.any():
        first = is_empty.idxmax()
        log(f'{fn}: {is_empty.sum()} lines have no text, the first is line {first}')
    return table.loc[~is_empty, ['label', 'text']]


def get_class_names(table, fn):
    """Return the labels, sorted, so that a class has the same number in every run.

    Raises:
        InputError: there is only one label.
    """
    class_names = sorted(table['label'].unique())
    if len(class_names) < 2:
        raise InputError(f'{fn}: expected two labels or more, found {class_names[0]!r}')
    return class_names


def get_labels(table, class_names, fn):
    """Return the number of the class of each text, a list.

    Raises:
        InputError: a label is none of the class names.
    """
    y = pd.Index(class_names).get_indexer(table['label'])
    if (y < 0).any():
        line = table.index[y < 0][0]
        found = f'expected a label of {class_names}, found {table["label"][line]!r}'
        raise InputError(f'{fn}, line {line}: {found}')
    return y.tolist()


def split_table(table, valid_ratio, seed):
    """Split a table at random, but by seed, into training and validation rows."""
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randperm(len(table), generator=generator).numpy()
    n_valid = min(max(1, round(len(table) * valid_ratio)), len(table) - 1)
    return table.iloc[indices[n_valid:]], table.iloc[indices[:n_valid]]


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


def get_loader(id_lists, y, pad_id, batch_size, is_train):
    """Return a DataLoader of batches of x, lengths and y, shuffled for training."""
    dataset = TextDataset(id_lists, y, pad_id)
    return DataLoader(dataset, batch_size, shuffle=is_train, collate_fn=dataset.collate)


def get_loaders(config):
    """Return the DataLoaders for training and validation.

    Returns:
        The two loaders, the class names and the vocabulary.
    """
    fn, tokenizer = config.train_fn, Tokenizer(config.tokenizer)
    table = read_table(fn)
    class_names = get_class_names(table, fn)
    tables = split_table(table, config.valid_ratio, config.seed)
    tokens = [list(tokenizer.tokenize(part['text'])) for part in tables]
    words = [word for text in tokens[0] for word in text]
    specials = ['<pad>', '<unk>']
    vocabulary = Vocabulary(get_vocabulary(words, config.min_vocab_freq, specials))
    loaders = []
    for part, texts in zip(tables, tokens, strict=True):
        id_lists = [vocabulary.encode(text) for text in texts]
        y, is_train = get_labels(part, class_names, fn), part is tables[0]
        options = vocabulary.pad_id, config.batch_size, is_train
        loaders.append(get_loader(id_lists, y, *options))
    return *loaders, class_names, vocabulary
