"""Runs the check of an exercise on what a learner wrote.

Their code runs in a process of its own, which is stopped if it takes too long or prints
too much. Whatever happens there becomes one sentence, in English and in Korean.
"""

import contextlib
import importlib
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import NamedTuple

from exercises.catalogue import ROOT, Exercise
from exercises.kit import CheckError
from exercises.messages import in_all_languages

TIME_LIMIT = 15  # seconds of one core, which a busy machine does not change
PATIENCE = 60  # seconds on the clock, for code that only waits
OUTPUT_LIMIT = 1_000_000  # bytes
MEMORY_LIMIT = 8 * 2**30  # bytes


class Verdict(NamedTuple):
    """What came out of a check.

    Attributes:
        sentences: what is wrong, in English and in Korean; None if nothing is.
        output: what the learner's code printed.
    """

    sentences: tuple | None
    output: str = ''


# ---- Inside the process of the check


class Chapter:
    """The modules of a folder: chapter.model is its model.py, imported when needed.

    Arguments:
        folder: what the learner wrote.
        original_folder: the chapter as the course has it; chapter.original holds its
            modules, to compare with.
    """

    def __init__(self, folder, original_folder=None):
        self.folder = Path(folder)
        self.names = {file.stem for file in self.folder.glob('*.py')}
        if original_folder:
            self.original = Chapter(original_folder)
            self.names |= self.original.names
        self.modules = {}
        self.is_active = False

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        if self.is_active:
            return importlib.import_module(name)
        with self.active():
            return importlib.import_module(name)

    @contextlib.contextmanager
    def active(self):
        """Let `import model` in a block find this model.py, not that of others."""
        others = {name: sys.modules.pop(name, None) for name in self.names}
        sys.modules.update(self.modules)
        sys.path.insert(0, str(self.folder))
        importlib.invalidate_caches()
        self.is_active = True
        try:
            yield
        finally:
            self.is_active = False
            sys.path.remove(str(self.folder))
            mine = {name: sys.modules.pop(name, None) for name in self.names}
            self.modules = {name: module for name, module in mine.items() if module}
            sys.modules.update({name: m for name, m in others.items() if m})


def examine(exercise, folder):
    """Check an exercise in this process.

    Returns:
        None, or a sentence in English and one in Korean that say what is wrong.
    """
    import torch

    chapter = Chapter(folder, ROOT / exercise.chapter)
    torch.manual_seed(0)
    try:
        with chapter.active():
            return exercise.check(chapter)
    except CheckError as error:
        return error.args
    except (Exception, SystemExit) as error:
        return explain(error, Path(folder), chapter.names)


def explain(error, folder, names):
    """Return what an exception of a learner's code means, in all languages."""
    if isinstance(error, SyntaxError) and error.filename:
        place = {'file': Path(error.filename).name, 'line': error.lineno}
        return in_all_languages('syntax_error', **place, error=error.msg)
    if isinstance(error, ModuleNotFoundError) and error.name in names:
        return in_all_languages(
            'file_missing', file=f'{error.name}.py', name=folder.name
        )

    text = ' '.join(str(error).split())[:300]
    values = {'error': f'{type(error).__name__}: {text}'}
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == folder]
    if not own:
        return in_all_languages('error_of_check', **values)
    values |= {'file': Path(own[-1].filename).name, 'line': own[-1].lineno}
    kinds = {
        NotImplementedError: 'not_written',
        ModuleNotFoundError: 'module_missing',
        SystemExit: 'exit_called',
        RecursionError: 'recursion',
    }
    return in_all_languages(kinds.get(type(error), 'error_in_file'), **values)


def set_limits(time_limit):
    """Limit the memory, and the time from now on; Windows has no such limits."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
        end = math.ceil(time.process_time()) + time_limit
        resource.setrlimit(resource.RLIMIT_CPU, (end, end + 5))


def main(exercise_folder, folder, result_fn, time_limit):
    """Check an exercise, and write the sentences as JSON: this is the process."""
    import torch  # noqa: F401, because the time for this import is not the learner's

    set_limits(int(time_limit))
    sentences = examine(Exercise(exercise_folder), Path(folder))
    Path(result_fn).write_text(json.dumps(sentences), encoding='utf-8')


# ---- Outside


class Output:
    """Keeps the beginning of what a process prints, and stops one that has no end."""

    def __init__(self, process):
        self.text, self.size = b'', 0
        self.thread = threading.Thread(target=self.read, args=[process], daemon=True)
        self.thread.start()

    def read(self, process):
        """Read until the end, so that the process never waits for us."""
        while chunk := process.stdout.read1(65536):
            self.text += chunk[: 10_000 - len(self.text)]
            self.size += len(chunk)
            if self.size > OUTPUT_LIMIT:
                kill(process)


def kill(process):
    """End a process, and those that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, 'killpg'):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def check(exercise, folder, time_limit=TIME_LIMIT):
    """Check what a learner wrote in a folder; return a Verdict."""
    if not folder.is_dir():
        return Verdict(in_all_languages('no_folder', name=exercise.name))
    if importlib.util.find_spec('torch') is None:
        return Verdict(in_all_languages('no_torch', python=sys.executable))

    with tempfile.TemporaryDirectory() as temporary:
        result_fn = Path(temporary) / 'result.json'
        arguments = [exercise.folder, folder.resolve(), result_fn, time_limit]
        process = subprocess.Popen(
            [sys.executable, '-m', 'exercises.checking', *map(str, arguments)],
            # Whatever a check writes goes into the temporary folder.
            cwd=temporary,
            env=get_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C comes to this process alone, which then stops that one.
            start_new_session=True,
        )
        output, key, seconds = Output(process), None, time_limit
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            key, seconds = 'time_limit', PATIENCE
        finally:
            kill(process)
            process.wait()
            output.thread.join(timeout=5)
        text = output.text.decode('utf-8', 'replace')
        if process.returncode == -getattr(signal, 'SIGXCPU', 1 << 16):
            key = 'time_limit'
        if output.size > OUTPUT_LIMIT:
            key = 'output_limit'
        if key:
            return Verdict(in_all_languages(key, seconds=seconds), text)
        if not result_fn.exists():
            status = process.returncode
            return Verdict(in_all_languages('no_result', status=status), text)
        sentences = json.loads(result_fn.read_text(encoding='utf-8'))
        return Verdict(tuple(sentences) if sentences else None, text)


def get_environment():
    """Return the environment of a check: one core, unbuffered text, no pictures."""
    return os.environ | {
        'OMP_NUM_THREADS': '1',
        'MPLBACKEND': 'Agg',
        'PYTHONPATH': str(ROOT),
        'PYTHONDONTWRITEBYTECODE': '1',
        'PYTHONIOENCODING': 'utf-8',
        'PYTHONUNBUFFERED': '1',
    }


if __name__ == '__main__':
    main(*sys.argv[1:])
