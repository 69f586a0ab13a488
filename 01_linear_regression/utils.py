"""The small helpers of a chapter: the device, the seed, the data and the picture.

Libraries that take seconds to import are imported inside the functions that use them,
so that `--help` answers at once.
"""

import io

from guards import InputError, input_errors, read_lines, save_figure


def set_seed(seed):
    """Make a run repeatable: one seed on one machine gives one result."""
    import torch

    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True


def get_device(gpu_id=None):
    """Return the torch.device to compute on.

    Arguments:
        gpu_id: -1 for the CPU, else the number of an accelerator (CUDA, or Apple's
            MPS). None takes accelerator 0 if there is one, else the CPU.

    Raises:
        InputError: there is no accelerator of that number.
    """
    import torch

    n_accelerators = torch.accelerator.device_count()
    if gpu_id is None:
        gpu_id = 0 if n_accelerators > 0 else -1
    if gpu_id < 0:
        return torch.device('cpu')
    if gpu_id >= n_accelerators:
        found = f'this machine has {n_accelerators} accelerators, numbered from 0'
        raise InputError(f'--gpu_id {gpu_id}: {found}; -1 is the CPU')
    return torch.device(torch.accelerator.current_accelerator().type, gpu_id)


def load_data(fn, encoding='utf-8'):
    """Read the columns x and y of a CSV file; empty rows are left out.

    Their names can be in capitals. Tabs and semicolons can separate the values, too.

    Arguments:
        fn: the file.
        encoding: of the file.

    Returns:
        x and y, float tensors of shape (n_points, 1).

    Raises:
        InputError: the file can't be read, has no columns x and y, a value that is not
            a finite number, or too few rows to fit a line.
    """
    import pandas as pd
    import torch

    text = '\n'.join(read_lines(fn, encoding))
    header = text.partition('\n')[0]
    separator = max(',;\t', key=header.count)
    with input_errors(f'{fn}: expected a CSV file', ValueError):
        # As strings, because a message has to show a value as it is in the file.
        options = {'dtype': str, 'keep_default_na': False, 'na_values': ''}
        options |= {'sep': separator, 'skip_blank_lines': False}
        table = pd.read_csv(io.StringIO(text), **options)
    # pandas calls the second of two columns x x.1.
    names = table.columns.str.replace(r'\.\d+$', '', regex=True).str.strip().str.lower()
    if [*names].count('x') != 1 or [*names].count('y') != 1:
        found = table.columns.tolist()
        raise InputError(f'{fn}:1: expected the columns x and y, found {found}')
    if not isinstance(table.index, pd.RangeIndex):
        # pandas takes the first of too many values for the name of the row.
        raise InputError(f'{fn}:2: expected {len(table.columns)} values, found more')
    table = table.set_axis(names, axis=1)[['x', 'y']].dropna(how='all')
    # Where semicolons separate values, a comma separates decimals.
    numbers = table.replace(',', '.', regex=True) if separator == ';' else table
    numbers = numbers.apply(pd.to_numeric, errors='coerce').astype('float64')
    bad = ~numbers.abs().le(torch.finfo(torch.float32).max).all(axis=1)
    if bad.any():
        # The table counts its rows from 0, and the header is line 1 of the file.
        line, found = bad.idxmax() + 2, table.loc[bad.idxmax()].tolist()
        raise InputError(f'{fn}:{line}: expected two numbers, found {found}')
    values = torch.tensor(numbers.to_numpy('float32'))
    # |values| = (n_points, 2)
    if len(values[:, 0].unique()) < 2:
        raise InputError(f'{fn}: expected rows with at least two different x')
    return values[:, :1], values[:, 1:]


def draw_fit(x, y, y_hat, history, fn):
    """Draw the points with the fitted line, and the learning curve beside them.

    Arguments:
        x, y, y_hat: tensors of shape (n_points, 1).
        history: the loss of each epoch, a list of numbers.
        fn: the PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout='constrained')
    left, right = figure.subplots(1, 2)

    x, y, y_hat = (values.detach().cpu().flatten() for values in (x, y, y_hat))
    order = x.argsort()
    left.scatter(x, y, label='data')
    left.plot(x[order], y_hat[order], color='tab:red', label='fitted line')
    left.set(title='The fit', xlabel='x', ylabel='y')
    left.legend()

    right.plot(range(1, len(history) + 1), history)
    right.set(title='Learning curve', xlabel='epoch', ylabel='loss (MSE)', yscale='log')

    save_figure(figure, fn)
