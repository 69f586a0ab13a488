"""Tables as people have them: TSV or CSV, with a header or without.

The same file in 08, 09, 10 and the appendices: read it once, in 08.
"""

import csv
import itertools
import re
import unicodedata

from guards import InputError, log, number, read_lines

# The names that the column of the text is recognised by, in any case and order.
TEXT_NAMES = (
    'text texts document documents review reviews sentence sentences comment comments '
    'content body utterance 텍스트 문서 리뷰 문장 댓글 내용 본문 발화 후기'
)


def simplify(name):
    """Return what names have in common that differ in case, width, spaces or .0."""
    letters = unicodedata.normalize('NFKC', name).casefold()
    kept = (a for a in letters if not a.isspace() and unicodedata.category(a) != 'Cf')
    return re.sub(r'(?<=\d)\.0+$', '', ''.join(kept).strip('"\''))


def read_rows(fn=None, encoding='utf-8'):
    """Yield the line number and the cells of each row of a file, or of stdin.

    In TSV, quotes are ordinary characters. In a file whose name ends in .csv, they can
    enclose a cell of several lines, and semicolons or tabs can replace the commas.

    Raises:
        InputError: the file can't be read.
    """
    lines = read_lines(fn, encoding)
    if not str(fn).lower().endswith('.csv'):
        yield from enumerate((line.split('\t') for line in lines), start=1)
        return
    first = next(lines, '')
    separator = max(',;\t', key=first.count)
    csv.field_size_limit(2**31 - 1)
    lines = (f'{line}\n' for line in itertools.chain([first], lines))
    reader, line_number = csv.reader(lines, delimiter=separator, strict=True), 1
    try:
        for cells in reader:
            yield line_number, cells
            line_number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f'{fn}, line {line_number}: expected CSV: {error}') from error


def add_column_option(parser, default=-1, name='--column'):
    """Add the option that says which column of a line is the text."""
    kind = {'type': number(int, -1), 'default': default, 'metavar': 'COLUMN'}
    column_help = 'of the text between tabs, counted from 0; -1: the whole line'
    parser.add_argument(name, **kind, help=column_help)


def read_cells(column, fn=None, encoding='utf-8', bad_lines=None):
    """Yield the cells of each row, a list; that of a blank row is empty.

    Arguments:
        column: of the text, counted from 0; -1: the whole line is the text.
        fn: the file; None: stdin.
        encoding: of the file.
        bad_lines: a list for the numbers of lines without such a column: each is an
            error on stderr, and blank here; None: the first one is raised.

    Raises:
        InputError: the file can't be read, or a line has no such column.
    """
    rows = read_rows(fn, encoding)
    if column < 0:
        rows = enumerate(([line] for line in read_lines(fn, encoding)), start=1)
    for line, cells in rows:
        cells = [] if cells == [''] else cells
        if cells and len(cells) <= column:
            found = f'counted from 0, found {len(cells)} columns'
            message = f'{fn or "stdin"}, line {line}: expected a column {column}'
            if bad_lines is None:
                raise InputError(f'{message}, {found}')
            log(f'error: {message}, {found}')
            bad_lines.append(line)
            cells = []
        yield cells


def read_texts(column, fn=None, encoding='utf-8'):
    """Return an iterator of the texts of a file, or of stdin, without its header.

    Arguments:
        column: of the text, counted from 0; -1: the whole line is the text.
        fn, encoding: the file.

    Raises:
        InputError: as for read_cells(), or the file has a header and column is -1.
    """
    rows = read_cells(column, fn, encoding)
    first, name = next(rows, []), fn or 'stdin'
    separator = ',' if str(fn).lower().endswith('.csv') else '\t'
    cells = first if column >= 0 else ''.join(first).split(separator)
    names = [simplify(cell) for cell in cells]
    found = [i for i, cell in enumerate(names) if cell in TEXT_NAMES.split()]
    is_text = not found or (column < 0 and len(names) == 1)
    if is_text or any(cell.isdigit() for cell in names):
        if column < 0 and len(cells) > 1 and separator == '\t':
            log(f'{name}: line 1 has tabs; if this is a table, tell the --column')
        rows = itertools.chain([first], rows)
    elif column < 0:
        advice = f'tell the text with --column, such as {found[0]}'
        raise InputError(f'{name}: expected texts, found a table of {cells}: {advice}')
    else:
        log(f'{name}: line 1 is a header, the text is {cells[column]!r}')
    return (cells[column] if cells else '' for cells in rows)
