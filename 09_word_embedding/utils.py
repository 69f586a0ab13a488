"""The helpers of this chapter: the device, columns of text, and the picture."""

import csv
import itertools
from importlib.util import find_spec
from pathlib import Path

from guards import InputError, input_errors, number, read_lines, save_figure


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


def use_korean_font():
    """Let matplotlib draw Korean with NanumGothic from koreanize-matplotlib.

    The package itself can't be imported without distutils, which new versions of Python
    do not have. So only its font file is used.
    """
    import matplotlib
    from matplotlib import font_manager

    package = find_spec('koreanize_matplotlib')
    fonts_dir = Path(package.origin).with_name('fonts')
    font_manager.fontManager.addfont(fonts_dir / 'NanumGothic.ttf')
    matplotlib.rcParams['font.family'] = ['DejaVu Sans', 'NanumGothic']


def add_column_option(parser, default=-1, name='--column'):
    """Add the option that says which column of a line is the text."""
    kind = {'type': number(int, -1), 'default': default, 'metavar': 'COLUMN'}
    column_help = 'of the text between tabs, counted from 0; -1: the whole line'
    parser.add_argument(name, **kind, help=column_help)


def read_cells(column, fn=None, encoding='utf-8'):
    """Yield the cells of each line, a list: split at its tabs, or the whole line.

    The list of a blank line is empty. A file whose name ends in .csv is read as CSV.

    Arguments:
        column: of the text, counted from 0; -1: the whole line is the text.
        fn: the file; None: stdin.
        encoding: of the file.

    Raises:
        InputError: the file can't be read, or a line has no such column.
    """
    lines = read_lines(fn, encoding)
    if column < 0:
        rows = ([line] for line in lines)
    elif str(fn).lower().endswith('.csv'):
        rows = read_csv(lines, fn)
    else:
        rows = (line.split('\t') for line in lines)
    for line_number, cells in enumerate(rows, start=1):
        cells = [] if cells == [''] else cells
        if cells and len(cells) <= column:
            found = f'counted from 0, found {len(cells)} columns'
            line = f'{fn or "stdin"}, line {line_number}'
            raise InputError(f'{line}: expected a column {column}, {found}')
        yield cells


def read_csv(lines, fn):
    """Yield the cells of the rows of a CSV file; semicolons can separate them, too."""
    first = next(lines, '')
    separator = max(',;\t', key=first.count)
    lines = (f'{line}\n' for line in itertools.chain([first], lines))
    with input_errors(f'{fn}: expected a CSV file', csv.Error):
        csv.field_size_limit(2**31 - 1)
        yield from csv.reader(lines, delimiter=separator, strict=True)


def read_column(column, fn=None, encoding='utf-8'):
    """Return an iterator of the texts; arguments and errors as for read_cells()."""
    rows = read_cells(column, fn, encoding)
    return (cells[column] if cells else '' for cells in rows)


def draw_learning_curve(history, fn):
    """Draw the losses of all epochs, a line for each entry of the history.

    Arguments:
        history: a dict from a name, such as train_loss, to its value at each epoch.
        fn: the PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout='constrained')
    axes = figure.subplots()
    for name, losses in history.items():
        axes.plot(range(1, len(losses) + 1), losses, label=name)
    axes.set(title='Learning curve', xlabel='epoch', ylabel='loss', yscale='log')
    axes.legend()
    save_figure(figure, fn)
