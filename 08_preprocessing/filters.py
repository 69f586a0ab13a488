"""What the filters share: from stdin to stdout, one column of each line changed."""

import argparse
from collections import deque

from utils import InputError, number


def get_filter_argparser(description):
    """Return a parser whose help shows every default, for a program without a model."""
    return argparse.ArgumentParser(
        description=description,
        usage=argparse.SUPPRESS,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )


def add_column_option(parser, default=-1):
    """Add the option that says where in a line the text is."""
    parser.add_argument(
        '--column',
        type=number(int, -1),
        default=default,
        help='of the text between tabs, counted from 0; -1: the whole line',
    )


def get_cells(lines, column, source):
    """Yield the cells of each line: those between its tabs, or the whole line as one.

    A blank line has none.

    Raises:
        InputError: a line has too few.
    """
    for line_number, line in enumerate(lines, start=1):
        cells = [line] if column < 0 else line.split('\t')
        if line and len(cells) <= column:
            raise InputError(
                f'{source}, line {line_number}: expected a column {column}, counted '
                f'from 0, found {len(cells)} columns'
            )
        yield cells if line else []


def read_column(lines, column, source='stdin'):
    """Yield the text of each line.

    Raises:
        InputError: a line has no such column.
    """
    for cells in get_cells(lines, column, source):
        yield cells[column] if cells else ''


def change_column(change, lines, column, source='stdin'):
    """Yield each line with its text changed.

    Arguments:
        change: takes an iterator of texts and returns an iterator of as many. It may
            read some texts ahead, but has to give them back in their order.
        lines: an iterator of lines.
        column: of the text, counted from 0; -1: the whole line.
        source: what the lines come from.

    Raises:
        InputError: a line has no such column.
    """
    waiting = deque()

    def get_texts():
        for cells in get_cells(lines, column, source):
            waiting.append(cells)
            yield cells[column] if cells else ''

    for text in change(get_texts()):
        cells = waiting.popleft()
        if cells:
            cells[column] = text
        yield '\t'.join(cells)
