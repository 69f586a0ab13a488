"""The data: a table of measurements as a Dataset, and DataLoaders that make batches.

The table comes with scikit-learn: 569 breast tumours, benign or malignant, each with 30
measurements of the nuclei of its cells (Street, Wolberg and Mangasarian 1993).
"""

import contextlib
import csv
import itertools
import math
import re

import torch
from torch.utils.data import DataLoader, Dataset

from guards import InputError, input_errors, log, read_lines

CLASS_NAMES = ['benign', 'malignant']


class TableDataset(Dataset):
    """Rows of numbers with their classes.

    A DataLoader needs the number of samples and the sample at an index, nothing else.

    Arguments:
        x: a float tensor of shape (n_rows, n_features).
        y: a long tensor of shape (n_rows,).
    """

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


def get_feature_names():
    """Return the names of the 30 columns, in their order."""
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer().feature_names.tolist()


def load_splits(seed, valid_ratio=0.2, test_ratio=0.2):
    """Load the table and split its rows by seed, with the same share of each class.

    Returns:
        Three pairs of x and y: for training, validation and test.
    """
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    table = load_breast_cancer()
    # In the table, malignant is 0; the class to be detected should be 1.
    labels = 1 - table.target
    rest, test = train_test_split(
        range(len(labels)), test_size=test_ratio, random_state=seed, stratify=labels
    )
    train, valid = train_test_split(
        rest, test_size=valid_ratio, random_state=seed, stratify=labels[rest]
    )

    x = torch.tensor(table.data, dtype=torch.float)
    # |x| = (n_rows, n_features)
    y = torch.tensor(labels)
    # |y| = (n_rows,)
    return [(x[rows], y[rows]) for rows in (train, valid, test)]


def get_loaders(config):
    """Return the DataLoaders for training and validation.

    Each feature is standardised with its mean and standard deviation in the training
    rows, because nothing may be learned from the validation and test rows.

    Returns:
        The two loaders, and the mean and std, each of shape (n_features,).
    """
    train_data, valid_data, _ = load_splits(config.seed)
    mean, std = train_data[0].mean(dim=0), train_data[0].std(dim=0)

    splits = train_data, valid_data
    train, valid = (TableDataset((x - mean) / std, y) for x, y in splits)
    # A last batch of one row would have no variance for batch normalisation.
    drop_last = len(train) >= config.batch_size
    train_loader = DataLoader(train, config.batch_size, True, drop_last=drop_last)
    valid_loader = DataLoader(valid, config.batch_size)
    return train_loader, valid_loader, mean, std


def simplify(name):
    """Return the name of a column without spaces and underscores, in lower case."""
    return re.sub(r'[\s_]', '', name).lower()


def read_table(fn, feature_names, encoding='utf-8'):
    """Read a person's own rows from a CSV file with the same columns, in any order.

    Tabs and semicolons can separate the values, too. A bad row is an error on stderr,
    and does not stop the others.

    Arguments:
        fn: a path, - for stdin.
        feature_names: of the columns; spaces, underscores and capitals do not matter.
        encoding: of the file.

    Returns:
        A float tensor of shape (n_rows, n_features); bad rows are NaN.

    Raises:
        InputError: fn can't be read, or a column is missing.
    """
    source = 'stdin' if fn == '-' else fn
    lines = read_lines(None if fn == '-' else fn, encoding)
    header = next(lines, '')
    separator = max(',;\t', key=header.count)
    lines = (f'{line}\n' for line in itertools.chain([header], lines))
    rows = csv.reader(lines, delimiter=separator, strict=True)
    x = []
    with input_errors(f'{source}: expected a CSV file', csv.Error):
        names = [simplify(name) for name in next(rows)]
        if not names:
            raise InputError(f'{source}: expected a CSV file, found no header')
        for name in feature_names:
            if names.count(simplify(name)) != 1:
                found = f'found {names.count(simplify(name))} of {len(names)}'
                raise InputError(f'{source}:1: expected a column {name!r}, {found}')
        line = rows.line_num
        for cells in rows:
            place, line = f'{source}:{line + 1}', rows.line_num
            if separator == ';':
                # Where semicolons separate values, a comma separates decimals.
                cells = [cell.replace(',', '.') for cell in cells]
            try:
                if len(cells) > len(names):
                    raise InputError(f'{place}: expected no more values than columns')
                cells = dict(zip(names, cells, strict=False))
                x.append([read_number(cells, name, place) for name in feature_names])
            except InputError as error:
                log(f'error: {error}')
                x.append([math.nan] * len(feature_names))
    return torch.tensor(x).view(-1, len(feature_names))


def read_number(cells, name, place):
    """Return the number in a column of a row.

    Arguments:
        cells: a dict from the simplified names of the columns to their texts.
        name: of the column.
        place: the file and the line.

    Raises:
        InputError: there is no number, or it is too large.
    """
    text, value = cells.get(simplify(name), ''), math.nan
    with contextlib.suppress(ValueError):
        value = float(text)
    if not abs(value) <= torch.finfo(torch.float).max:
        raise InputError(f'{place}: expected a number for {name!r}, found {text!r}')
    return value
