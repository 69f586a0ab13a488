"""Run the programs of chapters in processes of their own that start at once.

Importing torch and what else a chapter needs takes seconds of processor time. So a
server imports it once, and then becomes each program by a fork.
"""

import functools
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

SERVER = multiprocessing.get_context('forkserver')
SERVER.set_forkserver_preload(
    [
        'gensim.models',
        'gensim.models.fasttext',
        'ignite.handlers',
        'ignite.metrics',
        'kiwipiepy',
        'matplotlib.backends.backend_agg',
        'matplotlib.figure',
        'onnxruntime',
        'onnxscript',
        'pandas',
        'PIL.Image',
        'pytest',
        'sacrebleu.metrics',
        'sentencepiece',
        'sklearn.datasets',
        'sklearn.decomposition',
        'sklearn.feature_extraction.text',
        'sklearn.manifold',
        'sklearn.metrics',
        'sklearn.model_selection',
        'torch._dynamo',
        'torch.export',
        'torch.utils.tensorboard',
        'torchvision.datasets',
        'torchvision.transforms.v2',
        'transformers.models.bert.modeling_bert',
        'warm',
    ]
)


@functools.cache
def start_server():
    """Start the server; it finds warm.py by PYTHONPATH alone."""
    with mock.patch.dict(os.environ, PYTHONPATH=str(Path(__file__).parent)):
        forkserver.ensure_running()


def hermetic_environment():
    """Return the environment for a chapter's process, as on a bare machine offline."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith('_proxy')
        and name not in ('PYTHONPATH', 'MPLBACKEND')
    }

    # Whoever asks for something outside finds nobody there, and finds it out at once.
    nobody = 'http://127.0.0.1:9'
    return kept | {
        'HF_HUB_OFFLINE': '1',
        # Threads that wait for one another by spinning starve on a busy machine.
        'OMP_NUM_THREADS': '1',
        'http_proxy': nobody,
        'https_proxy': nobody,
        'PYTHONDONTWRITEBYTECODE': '1',
        'PYTHONIOENCODING': 'utf-8',
    }


class Program:
    """A program of a chapter in a process of its own, as after `python train.py`.

    Only, it takes no seconds to start, since it is forked from a server. Its process
    gets real signals and has a real exit status.

    Arguments:
        folder: where the process runs, usually a copy of a chapter.
        arguments: the program and its arguments.
        stdin: the bytes that it reads.
        env: variables on top of those of `hermetic_environment`.
        handicap: a function that takes something from the process before it begins.
    """

    def __init__(self, folder, *arguments, stdin=b'', env=None, handicap=None):
        self.arguments = [str(argument) for argument in arguments]
        self.files = tempfile.TemporaryDirectory()
        self.stdin_fn = Path(self.files.name, 'stdin')
        self.stdout_fn = Path(self.files.name, 'stdout')
        self.stderr_fn = Path(self.files.name, 'stderr')
        self.stdin_fn.write_bytes(stdin)
        for fn in (self.stdout_fn, self.stderr_fn):
            fn.touch()

        fns = (self.stdin_fn, self.stdout_fn, self.stderr_fn)
        environment = hermetic_environment() | (env or {})
        start_server()
        self.process = SERVER.Process(
            target=become,
            args=(str(folder), self.arguments, fns, environment, handicap),
            daemon=True,
        )
        self.process.start()

    def wait_for(self, text, timeout=60):
        """Wait until a text stands in what the program has written to stderr."""
        deadline = time.monotonic() + timeout
        while text not in self.stderr_fn.read_text(encoding='utf-8'):
            assert self.process.is_alive(), f'{self.arguments} ended without {text!r}'
            assert time.monotonic() < deadline, f'{self.arguments}: no {text!r} came'
            time.sleep(0.005)

    def send(self, signal_number):
        """Send a signal; a process that has ended already does not mind."""
        with suppress(ProcessLookupError):
            if self.process.is_alive():
                os.kill(self.process.pid, signal_number)

    def finish(self, timeout=60):
        """Wait for the end.

        Returns:
            A `subprocess.CompletedProcess` with `returncode`, `stdout` and `stderr`.

        Raises:
            AssertionError: the time was up; the process has been killed.
        """
        self.process.join(timeout)
        is_late = self.process.is_alive()
        if is_late:
            self.process.kill()
            self.process.join()

        # Decoded here, since a text file would turn carriage returns into newlines.
        stdout, stderr = (
            fn.read_bytes().decode('utf-8', 'surrogateescape')
            for fn in (self.stdout_fn, self.stderr_fn)
        )
        self.files.cleanup()
        assert not is_late, f'{self.arguments} took more than {timeout} s:\n{stderr}'
        return subprocess.CompletedProcess(
            self.arguments, self.process.exitcode, stdout, stderr
        )


def become(folder, arguments, fns, environment, handicap):
    """Turn this process, fresh from the server, into a program of a chapter."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    # Whoever starts the tests in the background of a shell has them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stdin_fn, *output_fns = fns
    os.dup2(os.open(stdin_fn, os.O_RDONLY), 0)
    sys.stdin = os.fdopen(0, encoding='utf-8', closefd=False)
    for number, fn in enumerate(output_fns, start=1):
        os.dup2(os.open(fn, os.O_WRONLY | os.O_APPEND), number)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding='utf-8')
    sys.dont_write_bytecode = True
    tests = str(Path(__file__).parent)
    own = str(Path(arguments[0]).resolve().parent)
    sys.path = [own, *(path for path in sys.path if path not in ('', tests))]
    sys.argv = arguments

    if handicap is not None:
        handicap()
    runpy.run_path(arguments[0], run_name='__main__')
