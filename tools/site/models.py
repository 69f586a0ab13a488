"""The networks of the playgrounds: trained as a reader would, then exported.

What was made is kept in a cache under a hash of the chapter's files: the next build is
quick.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pages import PLAYGROUNDS
from record import run as run_offline

# Options of train.py where the default run is not the one to show.
OPTIONS = {'10_text_classification': ['--model', 'cnn']}
N_PROCESSES = 2
IGNORED = shutil.ignore_patterns('*.pth', '__pycache__', 'cache', '*.tmp')


def get_hash(folder):
    """Return a hash of all files of a chapter that a training reads."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob('*')):
        if path.suffix in ('.py', '.csv', '.tsv', '.ko', '.en', '.txt'):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def run(folder, *arguments):
    """Run a program of a chapter; raises RuntimeError with its error if it fails."""
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {'OMP_NUM_THREADS': '1'},
        capture_output=True,
        encoding='utf-8',
    )
    if process.returncode:
        command = f'{folder.name}: {" ".join(arguments)}'
        raise RuntimeError(f'{command} failed:\n{process.stderr[-2000:]}')


def make(root, chapter, cache):
    """Return the folder with a chapter's exported networks; trains them if need be."""
    kept = cache / chapter / get_hash(root / chapter)
    if kept.is_dir():
        return kept
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / chapter
        shutil.copytree(root / chapter, copy, ignore=IGNORED)
        # The datasets that were downloaded before, if any.
        if (root / 'data').is_dir():
            (Path(name) / 'data').symlink_to(root / 'data')
        options = OPTIONS.get(chapter, [])
        print(f'{chapter}: training', flush=True)
        run(copy, 'train.py', '--model_fn', 'model.pth', '--verbose', '0', *options)
        # Forked from a server that has imported the exporter, and needs no network.
        options = '--model_fn', 'model.pth', '--out_dir', 'export'
        run_offline(copy, 'export.py', *options, timeout=1800, check=True)
        shutil.rmtree(cache / chapter, ignore_errors=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        # First beside its place, so that a build that is stopped leaves no half of it.
        shutil.copytree(copy / 'export', kept.with_suffix('.tmp'))
        kept.with_suffix('.tmp').rename(kept)
    return kept


def make_models(root, cache, out_dir):
    """Export the networks of all playgrounds into a folder for each chapter.

    Returns:
        The bytes of each chapter's files, by chapter.
    """
    scripts = root / 'tools' / 'site' / 'play'
    chapters = [
        chapter
        for chapter, script in PLAYGROUNDS.items()
        if (scripts / script).exists() and (root / chapter / 'export.py').exists()
    ]
    sizes = {}
    # The longest training begins first.
    with ThreadPoolExecutor(N_PROCESSES) as pool:
        made = pool.map(lambda chapter: make(root, chapter, cache), reversed(chapters))
        for chapter, folder in zip(reversed(chapters), made, strict=True):
            shutil.copytree(folder, out_dir / chapter)
            # Sentences to translate are those of the sample's test part.
            for sentences in (root / chapter / 'sample').glob('test.??'):
                shutil.copyfile(sentences, out_dir / chapter / sentences.name)
            files = [path for path in (out_dir / chapter).rglob('*') if path.is_file()]
            sizes[chapter] = sum(path.stat().st_size for path in files)
    return sizes
