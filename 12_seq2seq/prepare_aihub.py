"""Write AI-Hub's Korean-English spreadsheets as this chapter reads parallel text.

    python prepare_aihub.py *.xlsx --out_dir aihub

The corpus (한국어-영어 번역 말뭉치, 1.6 million pairs) is to be had from aihub.or.kr by
those who register there. Its columns are found by their names. The pairs become
aihub/train.ko, train.en, valid.ko and so on, cleaned, without duplicates, and split by
the hash of their sentences so that no sentence stands on two sides.
"""

import argparse
import re

from guards import InputError, log, run
from prepare import add_split_options, put_korean_first, split

# The names of the columns of the two languages. Names that only say which one is the
# original come after those that name the language.
COLUMNS = [
    (
        'ko',
        ['한국어', '한국어원문', '한국어문장', '한글', '국문', 'korean', 'kor', 'ko'],
    ),
    ('en', ['영어', '영어번역문', '영어문장', '영문', 'english', 'eng', 'en']),
    ('ko', ['원문', 'source', 'src']),
    ('en', ['번역문', '최종번역문', '번역', 'translation', 'target', 'tgt']),
]


def define_argparser():
    """Return the parser of the command line."""
    p = argparse.ArgumentParser(
        description="Write AI-Hub's spreadsheets as train, valid and test text.",
        usage=argparse.SUPPRESS,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    p.add_argument('fns', nargs='+', metavar='FILE.xlsx', help='spreadsheets')
    p.add_argument('--out_dir', default='aihub', help='folder to write to')
    add_split_options(p)
    return p


def read_rows(fn):
    """Yield the name of each sheet of a spreadsheet and its rows, row by row.

    Raises:
        InputError: it can't be read, or is damaged.
    """
    from openpyxl import load_workbook

    try:
        book = load_workbook(fn, read_only=True, data_only=True)
        for sheet in book.worksheets:
            # The size that is stored in a sheet is often wrong.
            sheet.reset_dimensions()
            for row in sheet.iter_rows(values_only=True):
                yield sheet.title, row
        book.close()
    except OSError as error:
        raise InputError(f'{fn}: can not be read: {error.strerror or error}') from error
    except Exception as error:
        # Damaged bytes can raise any exception inside the reader.
        raise InputError(f'{fn}: expected an .xlsx file, this is damaged') from error


def find_columns(row):
    """Return the numbers of the Korean and of the English column, None without both."""
    names = [re.sub(r'[\W_]', '', str(cell or '')).casefold() for cell in row]
    found = {}
    for language, spellings in COLUMNS:
        for spelling in spellings:
            if spelling in names:
                found.setdefault(language, names.index(spelling))
    return (found['ko'], found['en']) if len(found) == 2 else None


def to_text(row, column):
    """Return a cell as text; the end of a row may be missing."""
    from openpyxl.utils.escape import unescape

    cell = row[column] if column < len(row) else None
    return '' if cell is None else unescape(str(cell))


def read_pairs(fn):
    """Yield the pairs of all sheets of a spreadsheet, the Korean first.

    Raises:
        InputError: no sheet has the columns.
    """
    columns, headers = {}, {}
    for title, row in read_rows(fn):
        if title not in headers:
            if any(cell is not None for cell in row):
                headers[title] = [str(cell) for cell in row if cell is not None]
                columns[title] = find_columns(row)
        elif columns[title]:
            source, target = (to_text(row, column) for column in columns[title])
            # In a translation from English, 원문 is the English column.
            yield put_korean_first(source, target)
    for title, header in headers.items():
        found = ', '.join(header)
        if not any(columns.values()):
            raise InputError(
                f'{fn}: expected columns such as 원문 and 번역문, found {found}'
            )
        if not columns[title]:
            log(f'{fn}: sheet {title} is left out, its columns are {found}')
    if not headers:
        raise InputError(f'{fn}: expected columns such as 원문 and 번역문, found none')


def read_all(fns):
    """Yield the pairs of all spreadsheets, with a progress bar."""
    from tqdm import tqdm

    for fn in fns:
        yield from tqdm(read_pairs(fn), desc=fn, unit=' pairs', leave=True)


def main(config):
    """Read, clean, split and write."""
    split(read_all(config.fns), config, ['ko', 'en'])


if __name__ == '__main__':
    run(main, define_argparser())
