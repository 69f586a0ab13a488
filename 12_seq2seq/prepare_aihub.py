"""Write AI-Hub's Korean-English corpora as this chapter reads parallel text.

    python prepare_aihub.py *.xlsx --out_dir aihub
    python prepare_aihub.py Training.zip Validation.zip --out_dir aihub

The corpora (한국어-영어 번역 말뭉치 and those of later years) are to be had from
aihub.or.kr by those who register there. They come as .xlsx, .json, .csv, .tsv or .txt,
alone, in folders or in .zip files. Their columns are found by their names. The pairs
become aihub/train.ko, train.en, valid.ko and so on, cleaned, without duplicates, and
split by the hash of their sentences so that no sentence stands on two sides.
"""

import csv
import io
import itertools
import re
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

from guards import (
    InputError,
    add_encoding,
    find_encoding,
    get_argparser,
    input_errors,
    log,
    run,
)
from prepare import HANGUL, add_split_options, put_korean_first, split

# The names of the columns of the two languages. Names that only say which one is the
# original come after those that name the language.
COLUMNS = [
    ('ko', '한국어,한국어원문,한국어번역문,한국어문장,한글,국문,korean,kor,ko'),
    ('en', '영어,영어원문,영어번역문,영어문장,영문,english,eng,en'),
    ('ko', 'koreansentence,kooriginal'),
    ('en', 'englishsentence,enoriginal'),
    ('ko', '원문,source,src,sourcetext'),
    ('en', '번역문,최종번역문,번역,translation,target,tgt,targettext'),
]


def define_argparser():
    """Return the parser of the command line."""
    description = "Write AI-Hub's corpora as train, valid and test text."
    p = get_argparser(description, has_model=False)
    fns_help = '.xlsx, .json, .csv, .tsv, .txt or .zip, or folders of them'
    p.add_argument('fns', nargs='+', metavar='FILE', help=fns_help)
    p.add_argument('--out_dir', default='aihub', help='folder to write to')
    add_split_options(p)
    add_encoding(p)
    return p


# ---- Files, folders and archives


class Source(NamedTuple):
    """A file, perhaps inside of a zip file.

    Attributes:
        name: for messages; inside of a zip file, both names.
        open: returns it as a binary file.
    """

    name: str
    open: callable

    @property
    def kind(self):
        """The ending of the name."""
        return Path(self.name).suffix.lower()


def find_sources(fn):
    """Return the files that can be read, of a folder all of them.

    Raises:
        InputError: there is none.
    """
    path, kinds = Path(fn), ', '.join(READERS)
    files = sorted(path.rglob('*')) if path.is_dir() else [path]
    sources = [Source(str(one), partial(open, one, 'rb')) for one in files]
    sources = [source for source in sources if source.kind in READERS]
    if not sources:
        raise InputError(f'{fn}: expected one of {kinds}, or a folder of them')
    return sources


def read_zip(source, encoding):
    """Yield the rows of all files in a zip file, as read_source() does.

    Names that are not marked as UTF-8 are in CP949, as Windows writes them in Korea.
    """
    with source.open() as file, zipfile.ZipFile(file) as archive:
        n_others = 0
        for info in archive.infolist():
            name = info.filename
            if not info.flag_bits & 0x800:
                name = name.encode('cp437', 'replace').decode('cp949', 'replace')
            inner = Source(f'{source.name}: {name}', partial(archive.open, info))
            if info.is_dir() or name.startswith('__MACOSX/'):
                continue
            if info.flag_bits & 1:
                raise InputError(f'{inner.name}: is encrypted: extract it first')
            if inner.kind in READERS:
                yield from read_source(inner, encoding)
            else:
                n_others += 1
        if n_others > 0:
            log(f'{source.name}: {n_others} files of other kinds are left out')


# ---- Rows: for each sheet, first the names of its columns


def read_xlsx(source, encoding):
    """Yield the rows of all sheets of a spreadsheet, row by row."""
    from openpyxl import load_workbook
    from openpyxl.utils.escape import unescape

    with source.open() as file:
        # openpyxl goes to and fro in the file, which is slow inside of a zip file.
        content = io.BytesIO(file.read())
        book = load_workbook(content, read_only=True, data_only=True)
        for sheet in book.worksheets:
            # The size that is stored in a sheet is often wrong.
            sheet.reset_dimensions()
            for row in sheet.iter_rows(values_only=True):
                cells = ['' if cell is None else unescape(str(cell)) for cell in row]
                yield f'{source.name}, sheet {sheet.title}', cells
        book.close()


def read_json(source, encoding):
    """Yield the objects of a JSON file that have both languages, however deep.

    Only one object at a time is in memory, and no more of it than its own values.
    """
    import ijson

    known, objects, keys, n_objects = {}, [], [], 0
    file = Utf8(source.open(), encoding)
    try:
        for event, value in ijson.basic_parse(file):
            if event == 'start_map':
                objects.append({})
                keys.append(None)
            elif event == 'map_key':
                keys[-1] = value
            elif event == 'end_map':
                keys.pop()
                cells = objects.pop()
                n_objects += 1
                header = tuple(cells)
                title = f'{source.name}, objects of {", ".join(header)}'
                if cells and header not in known:
                    known[header] = find_columns(header)
                    yield title, list(header)
                if known.get(header):
                    yield title, list(cells.values())
            elif objects and event in ('string', 'number', 'null'):
                objects[-1][keys[-1]] = '' if value is None else str(value)
    except ijson.JSONError as error:
        expected = f'expected a .json file, this is damaged after {n_objects} objects'
        raise InputError(f'{source.name}: {expected}') from error
    finally:
        file.text.close()


class Utf8:
    """A binary file in any encoding, read as UTF-8 without a byte-order mark."""

    def __init__(self, file, encoding):
        name = 'utf-8-sig' if encoding == 'utf-8' else encoding
        self.text = io.TextIOWrapper(file, name)

    def read(self, size):
        """Return the bytes of the next characters."""
        return self.text.read(size).encode()


def read_text(source, encoding):
    """Yield the rows of a text file: cells between tabs, or in .csv between commas.

    A file without a header, in which one of two columns is Korean, is a table too.
    """
    with source.open() as file:
        name = 'utf-8-sig' if encoding == 'utf-8' else encoding
        lines = io.TextIOWrapper(file, name, newline='\n')
        first = next(lines, '')
        separator = max(',;\t', key=first.count) if source.kind == '.csv' else '\t'
        lines = itertools.chain([first], lines)
        if source.kind == '.csv':
            csv.field_size_limit(2**31 - 1)
            rows = csv.reader(lines, delimiter=separator, strict=True)
        else:
            rows = (line.rstrip('\r\n').split('\t') for line in lines)
        first = next(rows, [])
        is_korean = [bool(HANGUL.search(cell)) for cell in first]
        if not find_columns(first) and sorted(is_korean) == [False, True]:
            yield source.name, ['원문', '번역문']
        for cells in itertools.chain([first], rows):
            yield source.name, cells


READERS = {
    '.xlsx': read_xlsx,
    '.json': read_json,
    '.csv': read_text,
    '.tsv': read_text,
    '.txt': read_text,
    '.zip': read_zip,
}


def read_source(source, encoding):
    """Yield the name of each sheet of a file and its rows, row by row.

    Raises:
        InputError: it can't be read, or is damaged.
    """
    # Damaged bytes can raise any exception inside the readers.
    try:
        with input_errors(f'{source.name}: cannot be read', OSError):
            yield from READERS[source.kind](source, encoding)
    except InputError:
        raise
    except UnicodeDecodeError as error:
        with source.open() as file:
            other = find_encoding(file.read(10**6))
        advice = f'; try again with --encoding {other}' if other else ''
        found = f'expected {encoding.upper()}{advice}'
        raise InputError(f'{source.name}: {found}') from error
    except Exception as error:
        reason = ' '.join(str(error).split())[:200] or 'it ends too early'
        article = 'an' if source.kind == '.xlsx' else 'a'
        expected = f'expected {article} {source.kind} file, this is damaged'
        raise InputError(f'{source.name}: {expected}: {reason}') from error


# ---- Pairs


def find_columns(row):
    """Return the numbers of the Korean and of the English column, None without both."""
    names = [re.sub(r'[\W_]', '', str(cell or '')).casefold() for cell in row]
    found = {}
    for language, spellings in COLUMNS:
        for spelling in spellings.split(','):
            if spelling in names:
                found.setdefault(language, names.index(spelling))
    return (found['ko'], found['en']) if len(found) == 2 else None


def read_pairs(fn, encoding='utf-8'):
    """Yield the pairs of all sheets of a file or folder, the Korean first.

    Raises:
        InputError: no sheet has the columns.
    """
    columns, headers, n_rows = {}, {}, Counter()
    rows = (row for source in find_sources(fn) for row in read_source(source, encoding))
    for title, row in rows:
        n_rows[title] += any(row)
        # Titles and notes can stand above the header.
        if not columns.get(title) and n_rows[title] <= 10:
            if any(row):
                headers.setdefault(title, [cell for cell in row if cell])
                columns[title] = find_columns(row)
        elif columns[title]:
            # In a translation from English, 원문 is the English column.
            source, target = (row[i] if i < len(row) else '' for i in columns[title])
            yield put_korean_first(source, target)
    for title, header in headers.items():
        found = ', '.join(map(str, header))[:200]
        if not any(columns.values()):
            expected = 'expected columns such as 원문 and 번역문'
            raise InputError(f'{title}: {expected}, found {found}')
        if not columns[title]:
            log(f'{title} is left out, its columns are {found}')
    if not headers:
        raise InputError(f'{fn}: expected columns such as 원문 and 번역문, found none')


def is_one_language(korean, english):
    """Return whether both sides of a pair are Korean, or both English."""
    latin = re.compile('[A-Za-z]')
    return bool(
        (HANGUL.search(english) and not latin.search(english))
        or (latin.search(korean) and not HANGUL.search(korean))
    )


def read_all(fns, encoding):
    """Yield the pairs of all files, with a progress bar, and count what is left out."""
    from tqdm import tqdm

    n_same = 0
    for fn in fns:
        for pair in tqdm(read_pairs(fn, encoding), desc=fn, unit=' pairs', leave=True):
            if pair[0] != pair[1] and is_one_language(*pair):
                n_same += 1
            else:
                yield pair
    if n_same > 0:
        log(f'left out, because both sides are in one language: {n_same}')


def main(config):
    """Read, clean, split and write."""
    split(read_all(config.fns, config.encoding), config, ['ko', 'en'])


if __name__ == '__main__':
    run(main, define_argparser())
