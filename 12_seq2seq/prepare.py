"""The common functions of the programs that prepare parallel text.

Downloads that continue where they stopped, normalised sentences, and a split in which
no sentence is in two parts.
"""

import contextlib
import hashlib
import os
import re
import tempfile
import unicodedata
from array import array
from pathlib import Path

from guards import InputError, log, number

# A larger group of pairs that share sentences always goes to the training part.
MAX_GROUP_SIZE = 10
HANGUL = re.compile('[가-힣ㄱ-ㅎㅏ-ㅣ]')
# The first bytes of gzip and zip files: some servers send an HTML page instead.
MAGIC = {'.gz': b'\x1f\x8b', '.zip': b'PK'}


def add_split_options(p):
    """Add the options of the split."""
    ratio = number(float, 0.0, 0.4)
    p.add_argument(
        '--valid_ratio', type=ratio, default=0.01, help='share of validation pairs'
    )
    p.add_argument('--test_ratio', type=ratio, default=0.01, help='share of test pairs')


def download(url, fn):
    """Download a file; an interrupted download continues where it stopped.

    Raises:
        InputError: it can't be had, stops before the end or is something else.
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
            # Some servers refuse programs that call themselves Python.
            headers = {'Range': f'bytes={n_bytes}-', 'User-Agent': 'Mozilla/5.0'}
            with urlopen(Request(url, headers=headers), timeout=30) as response:
                if response.status != 206:
                    # The server does not know ranges, and sends the whole file.
                    file.truncate(0)
                    n_bytes = 0
                size = int(response.headers.get('Content-Length') or 0)
                with tqdm(total=size or None, unit='B', unit_scale=True) as bar:
                    while block := response.read(1 << 16):
                        file.write(block)
                        bar.update(len(block))
        if part_fn.stat().st_size < n_bytes + size:
            raise OSError('the connection was cut')
    except (OSError, HTTPException, ValueError) as error:
        raise InputError(f'{url}: cannot be downloaded: {error}; {advice}') from error
    with open(part_fn, 'rb') as file:
        is_right = file.read(2) == MAGIC[fn.suffix]
    if not is_right:
        os.remove(part_fn)
        raise InputError(f'{url}: expected a {fn.suffix} file, found something else')
    os.replace(part_fn, fn)


def normalise(text):
    """Return a sentence in Unicode's composed form, without control characters.

    Spaces of all kinds, and line feeds, become single spaces.
    """
    text = unicodedata.normalize('NFC', text)
    text = ''.join(
        # Cc: control characters; Cf: invisible characters; Cs: lone surrogates.
        ' ' if kind == 'Cc' else character
        for character in text
        if (kind := unicodedata.category(character)) not in ('Cf', 'Cs')
    )
    return ' '.join(text.split())


def put_korean_first(source, target):
    """Return the two sides of a pair, the one that contains Hangul first."""
    is_turned = HANGUL.search(target) and not HANGUL.search(source)
    return (target, source) if is_turned else (source, target)


def get_hash(text):
    """Return the first 64 bits of the SHA-256 of a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], 'big')


def get_sentence_hash(sentence):
    """Return a hash of the letters and digits only: "Yes!" and "yes" have the same."""
    return get_hash(re.sub(r'[\W_]', '', sentence.casefold()) or sentence)


def get_groups(hashes):
    """Return for each pair the number of its group, and a hash of each group.

    Pairs that share a sentence, directly or through other pairs, are one group.

    Arguments:
        hashes: |hashes| = (n_pairs, 2), of the sentences of both sides.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sentences, numbers = np.unique(hashes, return_inverse=True)
    numbers = numbers.reshape(hashes.shape)
    edges = np.ones(len(numbers), dtype=bool), (numbers[:, 0], numbers[:, 1])
    graph = coo_array(edges, shape=(len(sentences), len(sentences)))
    n_groups, group_of = connected_components(graph, directed=False)
    # A sum does not depend on the order, and may overflow.
    group_hashes = np.zeros(n_groups, dtype=np.uint64)
    np.add.at(group_hashes, group_of, sentences)
    return group_of[numbers[:, 0]], group_hashes


def assign_parts(hashes, valid_ratio, test_ratio):
    """Return for each pair 0 for training, 1 for validation and 2 for test.

    The part depends only on the hash of the pair's group, and so on the sentences. A
    part that would be empty gets the group with the smallest hash of another part.

    Raises:
        InputError: there are too few pairs for that.
    """
    import numpy as np

    groups, group_hashes = get_groups(hashes)
    place = group_hashes.astype(np.float64) / 2.0**64
    part = np.where(place < valid_ratio + test_ratio, 2, 0)
    part[place < valid_ratio] = 1
    sizes = np.bincount(groups, minlength=len(group_hashes))
    part[sizes > MAX_GROUP_SIZE] = 0
    for name, ratio in enumerate([1, valid_ratio, test_ratio]):
        # A part that has a group to spare gives one to a part that has none.
        n_groups = np.bincount(part, minlength=3)[part]
        spare = np.flatnonzero(
            (n_groups > 1) & ((sizes <= MAX_GROUP_SIZE) | (name == 0))
        )
        if ratio > 0 and not (part == name).any():
            if len(spare) == 0:
                found = f'found {len(sizes)} without a common sentence'
                raise InputError(f'expected pairs for each part, {found}')
            part[spare[group_hashes[spare].argmin()]] = name
    return part[groups]


@contextlib.contextmanager
def open_to_replace(fns):
    """Open temporary files, which replace `fns` at the end of the block.

    If the block fails, the old files stay as they are.

    Raises:
        InputError: a file can't be written.
    """
    temporary = [f'{fn}.{os.getpid()}.tmp' for fn in fns]
    try:
        with contextlib.ExitStack() as stack:
            files = [
                stack.enter_context(open(fn, 'w', encoding='utf-8', newline='\n'))
                for fn in temporary
            ]
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for source, target in zip(temporary, fns, strict=True):
            os.replace(source, target)
    except OSError as error:
        raise InputError(
            f'{error.filename or fns[0]}: cannot be written: {error.strerror}'
        ) from error
    finally:
        for fn in temporary:
            with contextlib.suppress(OSError):
                os.remove(fn)


def make_folder(out_dir):
    """Make a folder if there is none, and fail now if it can't be written to.

    Raises:
        InputError: it can't be made or written to.
    """
    try:
        Path(out_dir).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out_dir):
            return
    except OSError as error:
        raise InputError(f'{out_dir}: cannot be written: {error.strerror}') from error


def write_parts(parts, out_dir, languages):
    """Write pairs that are split already, as OUT_DIR/PART.LANGUAGE.

    Arguments:
        parts: a dict from train, valid and test to a list of pairs.
    """
    make_folder(out_dir)
    fns = [
        Path(out_dir) / f'{name}.{language}' for name in parts for language in languages
    ]
    with open_to_replace(fns) as files:
        for i, (name, pairs) in enumerate(parts.items()):
            for source, target in pairs:
                files[2 * i].write(f'{source}\n')
                files[2 * i + 1].write(f'{target}\n')
            log(f'{Path(out_dir) / name}: {len(pairs)} pairs')


def keep_pairs(pairs, file):
    """Clean pairs and write them to a file, a line each, with a tab between the sides.

    Arguments:
        pairs: an iterable of (sentence, its translation).

    Returns:
        The hashes of the sentences of both sides, |hashes| = (n_pairs, 2).
    """
    import numpy as np

    counts = dict.fromkeys(['read', 'empty', 'identical', 'duplicate'], 0)
    hashes, seen = array('Q'), set()
    for pair in pairs:
        source, target = map(normalise, pair)
        key = get_hash(f'{source}\t{target}')
        counts['read'] += 1
        if not source or not target:
            counts['empty'] += 1
        elif source == target:
            counts['identical'] += 1
        elif key in seen:
            counts['duplicate'] += 1
        else:
            seen.add(key)
            hashes.extend([get_sentence_hash(source), get_sentence_hash(target)])
            file.write(f'{source}\t{target}\n'.encode())
    log(', '.join(f'{name}: {n_pairs}' for name, n_pairs in counts.items()))
    return np.array(hashes, dtype=np.uint64).reshape(-1, 2)


def split(pairs, config, languages):
    """Clean pairs and write them as OUT_DIR/PART.LANGUAGE, for train, valid and test.

    There are two passes, so that only a few numbers of each pair are kept in memory.

    Raises:
        InputError: no pair is left.
    """
    make_folder(config.out_dir)
    names = ['train', 'valid', 'test']
    fns = [
        Path(config.out_dir) / f'{name}.{language}'
        for name in names
        for language in languages
    ]
    counts = [0, 0, 0]
    with tempfile.TemporaryFile(dir=config.out_dir) as kept:
        hashes = keep_pairs(pairs, kept)
        if len(hashes) == 0:
            raise InputError('expected pairs of sentences, found none')
        part_of = assign_parts(hashes, config.valid_ratio, config.test_ratio)
        kept.seek(0)
        with open_to_replace(fns) as files:
            for part, line in zip(part_of.tolist(), kept, strict=True):
                sides = line.decode().removesuffix('\n').split('\t')
                files[2 * part].write(f'{sides[0]}\n')
                files[2 * part + 1].write(f'{sides[1]}\n')
                counts[part] += 1
    for name, n_pairs in zip(names, counts, strict=True):
        log(f'{Path(config.out_dir) / name}: {n_pairs} pairs')
