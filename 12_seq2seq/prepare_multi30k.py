"""Fetch Multi30k's German-English captions and write them as this chapter reads them.

    python prepare_multi30k.py --out_dir multi30k

Captions of photos and their translations (Elliott et al. 2016, for research alone), in
the split of the task: 29,000 to train, 1,014 to validate, the 1,000 of the 2016 test.
Nothing is cleaned or left out, so that scores can be compared with those of others.
"""

import gzip
import hashlib
import zlib
from pathlib import Path

from guards import InputError, get_argparser, log, run
from prepare import download, write_parts

URL = 'https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw'
# The name of each part in Multi30k, and its number of lines.
PARTS = {
    'train': ('train', 29000),
    'valid': ('val', 1014),
    'test': ('test_2016_flickr', 1000),
}
# The SHA-256 of the texts on which the results of this course were measured.
DIGESTS = {
    'train.de': '2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72',
    'train.en': '460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6',
    'val.de': '660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660',
    'val.en': '1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227',
    'test_2016_flickr.de': (
        '4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16'
    ),
    'test_2016_flickr.en': (
        '399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182'
    ),
}


def define_argparser():
    """Return the parser of the command line."""
    description = 'Fetch Multi30k and write train, valid and test text.'
    p = get_argparser(description, has_model=False)
    p.add_argument('--out_dir', default='multi30k', help='folder to write to')
    p.add_argument('--url', default=URL, help='folder on the web to download from')
    p.add_argument(
        '--data_dir',
        help='folder of train.de, train.en.gz and so on; None: as --out_dir',
    )
    return p


def find_file(folder, name, url):
    """Return a file of the folder, compressed or not; a missing one is downloaded."""
    if (folder / name).exists():
        return folder / name
    fn = folder / f'{name}.gz'
    if not fn.exists():
        download(f'{url}/{name}.gz', fn)
    return fn


def read_file(fn, name, n_lines):
    """Return the lines of a file.

    Raises:
        InputError: it can't be read, is damaged, or has other lines than expected.
    """
    try:
        content = fn.read_bytes()
        content = gzip.decompress(content) if fn.suffix == '.gz' else content
        lines = content.decode('utf-8').removesuffix('\n').split('\n')
    except (EOFError, zlib.error, UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise InputError(
            f'{fn}: expected text in UTF-8, this is damaged: delete it and try again'
        ) from error
    except OSError as error:
        raise InputError(f'{fn}: cannot be read: {error.strerror}') from error
    if len(lines) != n_lines:
        raise InputError(f'{fn}: expected {n_lines} lines, found {len(lines)}')
    if hashlib.sha256(content).hexdigest() != DIGESTS[name]:
        log(
            f'{fn}: not the very text on which the results of this course were measured'
        )
    return [line.removesuffix('\r') for line in lines]


def main(config):
    """Download, check and write."""
    folder = Path(config.data_dir or config.out_dir)
    parts = {}
    for part, (name, n_lines) in PARTS.items():
        sides = []
        for language in ('de', 'en'):
            name_here = f'{name}.{language}'
            fn = find_file(folder, name_here, config.url)
            sides.append(read_file(fn, name_here, n_lines))
        parts[part] = list(zip(*sides, strict=True))
    write_parts(parts, config.out_dir, ['de', 'en'])


if __name__ == '__main__':
    run(main, define_argparser())
