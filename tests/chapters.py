"""Load, copy and run the chapters of the course, each one on its own.

All chapters have a `model`, a `trainer` and a `utils`: whoever tests two of them in one
process has to keep them apart. Tests take everything that they need from here.
"""

import multiprocessing
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

from programs import Program, hermetic_environment

ROOT = Path(__file__).resolve().parent.parent

# What a chapter consists of. All else in its folder was left there by a run, except for
# the pictures that its README shows.
CHAPTER_SUFFIXES = {'.py', '.md', '.csv', '.tsv', '.txt', '.ko', '.en'}
SHOWN_FILE = re.compile(r'\]\(([^)\s]+)\)|src="([^"]+)"')
SHELL_FENCE = re.compile(r'^ *```(?:sh|bash) *\n(.*?)^ *```', re.MULTILINE | re.DOTALL)
CONTINUATION = re.compile(r'[ \t]*\\\n[ \t]*')


def all_chapters(root=ROOT):
    """List the chapters: the folders `NN_*` and `appendix_*` that hold a `train.py`.

    Arguments:
        root: the folder of the repository.

    Returns:
        The sorted names, relative to the root, with forward slashes. A chapter inside
        another, such as `04_advanced_pytorch/custom_dataset`, is one of its own.
    """
    return sorted(
        train_file.parent.relative_to(root).as_posix()
        for name in ('[0-9][0-9]_*', 'appendix_*')
        for depth in ('train.py', '*/train.py')
        for train_file in root.glob(f'{name}/{depth}')
    )


class ChapterLoader(SourceFileLoader):
    """Loads a module from its source: `__pycache__` is neither read nor written."""

    def get_code(self, fullname):
        source = self.get_source(fullname)
        return compile(source, self.path, 'exec', dont_inherit=True)


class ChapterFinder(MetaPathFinder):
    """Finds the modules of one chapter, before any others of the same names."""

    def __init__(self, folder, make_loader):
        self.folder = folder
        self.make_loader = make_loader

    def find_spec(self, fullname, path=None, target=None):
        file = self.folder / f'{fullname}.py'
        if not file.is_file():
            return None

        loader = self.make_loader(fullname, str(file))
        return spec_from_file_location(fullname, file, loader=loader)


@contextmanager
def namesakes_aside(names):
    """Clear names in `sys.modules` for a block, and put back afterwards what it was.

    Arguments:
        names: the names of a chapter's modules.
    """
    namesakes = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(namesakes)


def load_chapter(chapter, root=ROOT, make_loader=ChapterLoader):
    """Import all modules of a chapter and leave `sys.modules` as it was.

    The modules see one another and the installed libraries, not those of a chapter
    that was loaded before. Libraries that they import stay imported. A function that
    imports a module of its chapter when it runs has to run under `importable`.

    Arguments:
        chapter: its name, as `all_chapters` gives it.
        root: the folder of the repository.
        make_loader: makes the loader of a module from the name and the file of it.

    Returns:
        A namespace whose attributes are the modules: `.model`, `.trainer` and so on.

    Raises:
        FileNotFoundError: there is no such chapter.
    """
    folder = root / chapter
    names = sorted(file.stem for file in folder.glob('*.py'))
    if not names:
        raise FileNotFoundError(f'{folder} holds no module')

    finder = ChapterFinder(folder, make_loader)
    sys.meta_path.insert(0, finder)
    try:
        with namesakes_aside(names):
            return SimpleNamespace(**{name: import_module(name) for name in names})
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def importable(chapter):
    """Let a block import the modules of a loaded chapter: `import model` is its own.

    A chapter's `main` imports its model when it runs, so that `--help` answers fast:

        with importable(chapter):
            chapter.train.main(config)

    Arguments:
        chapter: what `load_chapter` has returned.
    """
    with namesakes_aside(vars(chapter)):
        sys.modules.update(vars(chapter))
        yield


def copy_chapter(chapter, folder, root=ROOT):
    """Copy a chapter alone: without chapters inside it and without a run's leavings.

    Arguments:
        chapter: its name, as `all_chapters` gives it.
        folder: where the copy goes; it gets the last part of the chapter's name.
        root: the folder of the repository.

    Returns:
        The path of the copy.
    """
    source = root / chapter
    copy = Path(folder) / source.name
    pictures = shown_files(source)
    copy.mkdir(parents=True)

    for file in sorted(source.rglob('*')):
        name = file.relative_to(source)
        is_nested = any(
            (source / parent / 'train.py').exists() for parent in name.parents[:-1]
        )
        is_part = file.suffix in CHAPTER_SUFFIXES or name.as_posix() in pictures
        if file.is_file() and is_part and not is_nested:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy / name)

    return copy


def shown_files(folder):
    """Return the targets of all links and pictures in the README of a folder."""
    readme = folder / 'README.md'
    text = readme.read_text(encoding='utf-8') if readme.exists() else ''

    return {target for match in SHOWN_FILE.findall(text) for target in match if target}


def run(folder, *arguments, stdin=None, timeout=300, env=None, check=False):
    """Run Python in a folder, as a process of its own that gets nothing from here.

    A program starts at once, forked from the server of `programs`. All else, such as
    `-c`, is Python started anew.

    Bytes that are not UTF-8 pass in both directions as lone surrogates: `'\\udcff'`
    is the byte 0xff.

    Arguments:
        folder: where the process runs, usually a copy of a chapter.
        arguments: what follows `python` on the command line.
        stdin: the text that the process reads; without it, the input is empty.
        timeout: after so many seconds the process is killed.
        env: variables on top of those of `hermetic_environment`.
        check: whether the process has to end with exit status 0.

    Returns:
        A `subprocess.CompletedProcess` with `returncode`, `stdout` and `stderr` as str.

    Raises:
        AssertionError: `check` was asked for and the exit status is not 0; or the time
            of a program was up.
        subprocess.TimeoutExpired: the time was up.
    """
    command = [sys.executable, *map(str, arguments)]
    stdin = (stdin or '').encode('utf-8', 'surrogateescape')
    # All that a server starts have the hash seed of one process, and may not themselves
    # ask a server for another process.
    is_quick = (
        command[1].endswith('.py')
        and 'PYTHONHASHSEED' not in (env or {})
        and not multiprocessing.current_process().daemon
    )
    if is_quick:
        process = Program(folder, *arguments, stdin=stdin, env=env).finish(timeout)
    else:
        process = subprocess.run(
            command,
            cwd=folder,
            env=hermetic_environment() | (env or {}),
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        # Decoded here, since subprocess would turn each carriage return into a newline.
        process.stdout = process.stdout.decode('utf-8', 'surrogateescape')
        process.stderr = process.stderr.decode('utf-8', 'surrogateescape')
    if check and process.returncode != 0:
        raise AssertionError(
            f'{command} ended with exit status {process.returncode}:\n{process.stderr}'
        )

    return process


def readme_commands(chapter, root=ROOT):
    """List the commands with which the README of a chapter runs Python.

    Arguments:
        chapter: its name, as `all_chapters` gives it.
        root: the folder of the repository.

    Returns:
        The lines in fences of `sh` or `bash` that begin with `python `, in their order,
        continuation lines joined and a leading `$ ` left out.
    """
    text = (root / chapter / 'README.md').read_text(encoding='utf-8')
    lines = [
        line.strip().removeprefix('$ ')
        for fence in SHELL_FENCE.findall(text)
        for line in CONTINUATION.sub(' ', fence).splitlines()
    ]

    return [line for line in lines if line.startswith('python ')]
