"""The helpers of this chapter: the device, the loop of a filter, and the picture."""

import itertools
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

from guards import InputError, save_figure
from tables import read_cells

# Light enough for black letters on them.
COLOURS = ['#a6cee3', '#fdd49e', '#b2df8a', '#fbb4ae', '#cab2d6', '#ffff99']


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


def change_column(change, column, encoding='utf-8'):
    """Yield each line of stdin with its text changed.

    A line without the column is an error on stderr, and becomes a blank line; after the
    last line, the exit status is then 2.

    Arguments:
        change: takes an iterator of texts and returns an iterator of the new texts, in
            the same order. It can read ahead.
        column: of the text, counted from 0; -1: the whole line.
        encoding: of stdin.
    """
    bad_lines = []
    rows, copies = itertools.tee(read_cells(column, None, encoding, bad_lines))
    for text in change(cells[column] if cells else '' for cells in copies):
        cells = next(rows)
        if cells:
            cells[column] = text
        yield '\t'.join(cells)
    if bad_lines:
        sys.exit(2)


def draw_pieces(rows, fn, history=()):
    """Draw rows of pieces, each piece a box, and the history of the training.

    Arguments:
        rows: a list of pairs: a label, and a list of pieces.
        fn: the PNG file to write.
        history: the tokens per word after each merge; none: the rows alone.
    """
    from matplotlib.figure import Figure

    use_korean_font()
    # Letters without a glyph in the fonts, such as emoji, are drawn as boxes.
    warnings.filterwarnings('ignore', message='Glyph')
    figure = Figure(figsize=(10, max(1, 0.4 * len(rows))), layout='constrained')
    *curves, axes = figure.subplots(1, 2 if history else 1, squeeze=False)[0]
    for y, (_, pieces) in enumerate(rows):
        # Korean letters are about twice as wide as Latin ones.
        widths = [0.5 + sum(1 if a > '\u1100' else 0.6 for a in p) for p in pieces]
        lefts = [0, *itertools.accumulate(widths)][: len(widths)]
        style = {'color': COLOURS, 'edgecolor': 'white', 'linewidth': 2}
        bars = axes.barh([y] * len(pieces), widths, left=lefts, **style)
        axes.bar_label(bars, pieces, label_type='center', parse_math=False)
    axes.set(ylim=(len(rows) - 0.4, -0.6), xticks=[])
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.spines[:].set_visible(False)

    for axes in curves:
        axes.plot(range(1, len(history) + 1), history)
        axes.set(title='Tokens per word', xlabel='merges', xscale='log')
        axes.grid(alpha=0.3)
    save_figure(figure, fn)
