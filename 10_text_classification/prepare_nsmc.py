"""Download the Naver sentiment movie corpus, and write it in this chapter's format.

    python prepare_nsmc.py --out_dir nsmc

200,000 Korean film reviews (Lucy Park 2016, CC0) become nsmc/train.tsv, valid.tsv and
test.tsv, one review a line: the label (1: good, 0: bad), a tab, the review. The test
reviews are those of the corpus; the validation reviews are a random share of its
training reviews, by seed. An interrupted download continues where it stopped.
"""

import hashlib
import os
from pathlib import Path

from guards import InputError, get_argparser, log, number, run, write_file

URL = 'https://raw.githubusercontent.com/e9t/nsmc/master'
# The size in bytes and the SHA-256 of each file.
FILES = {
    'ratings_train.txt': (
        14628807,
        'e03b7d14e9e41be8d464a28057cd25d7396c53e67aa7fd5f7e552c59b0ee2940',
    ),
    'ratings_test.txt': (
        4893335,
        '8ac9f64052f11dbf6ae0acb5e038f03d90a76f0eda7820cfb3a92d02edfcebda',
    ),
}


def define_argparser():
    """Return the parser of the command line."""
    description = 'Download NSMC and write train.tsv, valid.tsv and test.tsv.'
    p = get_argparser(description, has_model=False)
    p.add_argument('--out_dir', default='nsmc', help='folder to write to')
    p.add_argument('--url', default=URL, help='folder on the web to download from')
    p.add_argument(
        '--data_dir',
        help='folder of ratings_train.txt and ratings_test.txt; None: as --out_dir',
    )
    p.add_argument(
        '--valid_ratio',
        type=number(float, 0.001, 0.9),
        default=0.1,
        help='share of the training reviews to validate on',
    )
    p.add_argument(
        '--seed', type=number(int, 0), default=0, help='of the validation reviews'
    )
    return p


def download(url, fn, size):
    """Download a file; continue an earlier download of it.

    Raises:
        InputError: it can't be downloaded, or the download stops before the end.
    """
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    from tqdm import tqdm

    part_fn = Path(f'{fn}.part')
    advice = f'put it into {fn.parent} by hand, or try again to go on'
    try:
        fn.parent.mkdir(parents=True, exist_ok=True)
        with open(part_fn, 'ab') as file:
            n_bytes = file.tell()
            request = Request(url, headers={'Range': f'bytes={n_bytes}-'})
            with (
                urlopen(request, timeout=30) as response,
                tqdm(total=size, initial=n_bytes, unit='B', unit_scale=True) as bar,
            ):
                if response.status != 206:
                    # The server ignores the range and sends the whole file.
                    file.truncate(0)
                while block := response.read(1 << 16):
                    file.write(block)
                    bar.update(len(block))
        if part_fn.stat().st_size < size:
            raise OSError('the connection was cut')
    except (OSError, HTTPException) as error:
        raise InputError(f'{url}: cannot be downloaded: {error}; {advice}') from error
    os.replace(part_fn, fn)


def check(fn, size, digest):
    """Check that a file has the expected content.

    Raises:
        InputError: it can't be read, or has other content.
    """
    try:
        content = fn.read_bytes()
    except OSError as error:
        raise InputError(f'{fn}: cannot be read: {error.strerror}') from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise InputError(
            f'{fn}: expected {size} bytes of SHA-256 {digest}, found {len(content)} of '
            f'{found}: delete it and try again'
        )


def read_reviews(fn):
    """Read a file of NSMC: a header, then the number, the review and the label."""
    import pandas as pd

    rows = pd.read_csv(
        fn, sep='\t', quoting=3, dtype=str, keep_default_na=False, lineterminator='\n'
    )
    reviews = rows['document'].str.strip()
    is_empty = reviews == ''
    log(f'{fn}: {len(rows)} reviews, {is_empty.sum()} of them empty and left out')
    return (rows['label'].str.strip() + '\t' + reviews + '\n')[~is_empty]


def main(config):
    """Download, check, split and write."""
    data_dir, out_dir = Path(config.data_dir or config.out_dir), Path(config.out_dir)
    reviews = {}
    for name, (size, digest) in FILES.items():
        fn = data_dir / name
        if not fn.exists():
            download(f'{config.url}/{name}', fn, size)
        check(fn, size, digest)
        reviews[name] = read_reviews(fn)

    shuffled = reviews['ratings_train.txt'].sample(frac=1, random_state=config.seed)
    n_valid = round(len(shuffled) * config.valid_ratio)
    parts = {
        'train': shuffled[n_valid:],
        'valid': shuffled[:n_valid],
        'test': reviews['ratings_test.txt'],
    }
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, lines in parts.items():
        write_file(out_dir / f'{name}.tsv', ''.join(lines).encode())
        log(f'{out_dir / name}.tsv: {len(lines)} reviews')


if __name__ == '__main__':
    run(main, define_argparser())
