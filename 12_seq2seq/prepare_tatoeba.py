"""Fetch Tatoeba's Korean-English sentences and write them as this chapter reads them.

    python prepare_tatoeba.py --out_dir tatoeba

A few thousand sentences translated for learners (tatoeba.org, CC BY 2.0 FR), as
manythings.org packs them; the file grows from month to month, so it has no checksum.
A file of your own, with a sentence, a tab and its translation on a line, is read with
--data_fn. No sentence is in two parts of the split.
"""

import io
import zipfile
from pathlib import Path

from guards import InputError, add_encoding, get_argparser, read_lines, run
from prepare import add_split_options, download, put_korean_first, split

URL = 'https://www.manythings.org/anki/kor-eng.zip'
MEMBER = 'kor.txt'


def define_argparser():
    """Return the parser of the command line."""
    description = "Fetch Tatoeba's pairs and write train, valid and test text."
    p = get_argparser(description, has_model=False)
    p.add_argument('--out_dir', default='tatoeba', help='folder to write to')
    p.add_argument('--url', default=URL, help='zip file to download')
    p.add_argument('--data_fn', help='a .zip or text file instead of the download')
    add_split_options(p)
    add_encoding(p)
    p.set_defaults(valid_ratio=0.1, test_ratio=0.1)
    return p


def read_text(fn, encoding):
    """Yield the lines of a text file, or of kor.txt in a zip file, which is UTF-8.

    Raises:
        InputError: it can't be read, or is damaged.
    """
    if Path(fn).suffix != '.zip':
        yield from read_lines(fn, encoding)
        return
    try:
        with zipfile.ZipFile(fn) as archive:
            text = archive.read(MEMBER).decode('utf-8-sig')
    except OSError as error:
        raise InputError(f'{fn}: cannot be read: {error.strerror}') from error
    except Exception as error:
        # Damaged bytes can raise any exception inside the reader.
        raise InputError(
            f'{fn}: expected a zip file with {MEMBER} in UTF-8: delete it and try again'
        ) from error
    yield from io.StringIO(text, newline=None).read().splitlines()


def read_pairs(fn, encoding='utf-8'):
    """Yield the pairs of a file, the Korean first, whichever column it is in.

    Raises:
        InputError: a line has no tab.
    """
    for n_lines, line in enumerate(read_text(fn, encoding), 1):
        # The third column of Tatoeba's says who wrote and who translated it.
        source, tab, target = line.partition('\t')
        target = target.partition('\t')[0]
        if not tab and line.strip():
            raise InputError(
                f'{fn}, line {n_lines}: expected a sentence, a tab and its '
                f'translation, found no tab'
            )
        yield put_korean_first(source, target)


def main(config):
    """Download, check, split and write."""
    fn = config.data_fn
    if fn is None:
        fn = Path(config.out_dir) / 'kor-eng.zip'
        if not fn.exists():
            download(config.url, fn)
    split(read_pairs(fn, config.encoding), config, ['ko', 'en'])


if __name__ == '__main__':
    run(main, define_argparser())
