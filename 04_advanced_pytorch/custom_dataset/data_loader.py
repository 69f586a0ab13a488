"""The data: a table of measurements as a Dataset, and DataLoaders that make batches.

The table comes with scikit-learn: 569 breast tumours, benign or malignant, each with 30
measurements of the nuclei of its cells (Street, Wolberg and Mangasarian 1993).
"""

import io
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from guards import InputError, input_errors

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


def read_table(fn, feature_names):
    """Read a person's own rows from a CSV file with the same columns, in any order.

    Arguments:
        fn: a path, - for stdin.

    Returns:
        A float tensor of shape (n_rows, n_features).

    Raises:
        InputError: fn can't be read, a column is missing, or a value is not a number.
    """
    import pandas as pd

    source = 'stdin' if fn == '-' else fn
    with (
        input_errors(source, OSError),
        input_errors(f'{source}: expected a CSV file in UTF-8', ValueError),
    ):
        # pandas itself would also open URLs and archives.
        content = sys.stdin.buffer.read() if fn == '-' else Path(fn).read_bytes()
        table = pd.read_csv(io.BytesIO(content), dtype=str, skip_blank_lines=False)

    missing = [name for name in feature_names if name not in table.columns]
    if missing:
        raise InputError(f'{source}:1: expected a column {missing[0]!r}')
    if not isinstance(table.index, pd.RangeIndex):
        # pandas takes the first of too many values for the name of the row.
        raise InputError(f'{source}:2: expected no more values than columns')
    numbers = table[feature_names].apply(pd.to_numeric, errors='coerce')
    bad = ~numbers.abs().le(torch.finfo(torch.float).max)
    if bad.any(axis=None):
        row, column = bad.stack().idxmax()
        found = f'expected a number for {column!r}, found {table.loc[row, column]!r}'
        # The table counts its rows from 0, and the header is line 1 of the file.
        raise InputError(f'{source}:{row + 2}: {found}')
    return torch.tensor(numbers.to_numpy('float32'))
