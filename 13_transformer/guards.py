"""The guards of every program in this course: the same file in each chapter.

They make a script a good command-line program and a safe writer of files. Errors are
one line, options have limits, and a checkpoint is plain data that is written whole or
not at all. Read it once, in 01: it never changes. Libraries that take seconds to import
are imported inside the functions that use them, so that `--help` answers at once.
"""

import argparse
import codecs
import contextlib
import io
import itertools
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

from tqdm import tqdm

# How files of Excel, of other programs for documents, and of gzip begin.
BINARY = (b'PK\3\4', b'\xd0\xcf\x11\xe0', b'\x1f\x8b')


class InputError(Exception):
    """An error that the user can correct; its text is one line."""


@contextlib.contextmanager
def input_errors(expected, kinds=Exception):
    """Turn the exceptions of a block into an InputError of one line.

    Damaged bytes can raise any exception inside the library that reads them.

    Arguments:
        expected: what the line says before the reason: the file, what was expected.
        kinds: the exception class, or a tuple of classes, to turn.
    """
    try:
        yield
    except InputError:
        raise
    except kinds as error:
        reason = getattr(error, 'strerror', None) or ' '.join(str(error).split())
        raise InputError(f'{expected}: {reason or "it is damaged"}') from error


def is_first_process():
    """Return whether this is the only process, or the first one of torchrun."""
    return os.environ.get('RANK', '0') == '0'


def log(message):
    """Print a message to stderr, because stdout is kept for results.

    If there are several processes, only the first one prints.
    """
    if is_first_process():
        # Written at once and without a lock, because Ctrl-C may come at any time.
        tqdm.write(f'{message}\n', sys.stderr, end='', nolock=True)


def run(main, parser):
    """Run main(config) with the options of the command line.

    An InputError ends in one line and exit status 2, Ctrl-C in exit status 130.
    Any other exception is a bug, and keeps its traceback.
    """
    # Text is UTF-8 on every machine, also in a pipe on Windows.
    sys.stdout.reconfigure(encoding='utf-8', newline='\n')
    try:
        main(parser.parse_args())
        sys.stdout.flush()
    except InputError as error:
        log(f'error: {error}')
        sys.exit(2)
    except KeyboardInterrupt:
        log('interrupted')
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone, as in `python predict.py | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def get_argparser(description, has_model=True):
    """Return a parser whose help shows every default, and whose errors are one line.

    Arguments:
        description: the first line of the help.
        has_model: add the two options that every program with a model has.
    """
    p = argparse.ArgumentParser(
        description=description,
        usage=argparse.SUPPRESS,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    if has_model:
        p.add_argument('--model_fn', default='model.pth', help='the checkpoint')
        gpu_help = 'accelerator, -1 for the CPU; None takes 0 if there is one'
        p.add_argument('--gpu_id', type=number(int, -1), help=gpu_help)
    return p


def number(kind, minimum, maximum=2**31 - 1):
    """Return an argparse type: an int or a float from minimum to maximum."""

    def parse(text):
        with contextlib.suppress(ValueError):
            if minimum <= kind(text) <= maximum:
                return kind(text)
        name = 'a whole number' if kind is int else 'a number'
        message = f'expected {name} from {minimum} to {maximum}, got {text!r}'
        raise argparse.ArgumentTypeError(message)

    return parse


def add_encoding(parser):
    """Add the option that names the encoding of the texts that are read."""
    help_text = 'of the texts that are read, such as cp949 or utf-16'
    parser.add_argument('--encoding', default='utf-8', help=help_text)


def find_encoding(content):
    """Return the name of the encoding of some bytes that are not UTF-8, or None."""
    from charset_normalizer import from_bytes

    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return 'utf-16'
    # A few letters could be of any encoding: that of Korean texts comes first.
    with contextlib.suppress(UnicodeDecodeError):
        text = (content.rpartition(b'\n')[0] or content).decode('cp949')
        if re.search('[가-힣]', text) and '\0' not in text:
            return 'cp949'
    # Damaged UTF-8, of which the rest can be read, is not another encoding.
    is_whole = content.decode('utf-8', 'ignore').isascii()
    names = ['utf_16_le', 'utf_16_be'] * (b'\0' in content) + ['cp1252'] * is_whole
    best = from_bytes(content, cp_isolation=names).best() if names else None
    return best and best.encoding.replace('_', '-')


def read_lines(fn=None, encoding='utf-8'):
    """Yield the lines of a text file, or of stdin, without their line ends.

    A line ends with a line feed, or with a carriage return and a line feed. A
    byte-order mark at the beginning of the file is not part of the text.

    Arguments:
        fn: the file; None: stdin.
        encoding: of the file.

    Raises:
        InputError: the file can't be read, or a line is not in this encoding.
    """
    name, n_lines, rest = fn or 'stdin', 0, ''
    with input_errors('--encoding', LookupError):
        ''.encode(encoding)
        decoder = codecs.getincrementaldecoder(encoding)()
    stdin = contextlib.nullcontext(sys.stdin.buffer)
    failure = input_errors(f'{name}: cannot be read', OSError)
    with failure, open(fn, 'rb') if fn else stdin as file:
        for line in itertools.chain(file, [b'']):
            try:
                rest += decoder.decode(line, final=not line.endswith(b'\n'))
            except UnicodeDecodeError as error:
                found = f'expected {encoding.upper()}, byte {error.start + 1} is not'
                if other := find_encoding(line + (file.read(10**6) if fn else b'')):
                    found += f'; try again with --encoding {other}'
                if n_lines == 0 and line.startswith(BINARY):
                    found = 'expected text, found an Excel or zip file; save it as CSV'
                raise InputError(f'{name}, line {n_lines + 1}: {found}') from error
            # In UTF-16 a line feed is two bytes, and the next line begins with one.
            *lines, rest = rest.split('\n')
            for text in lines if line or not rest else [rest]:
                n_lines += 1
                text = text.removeprefix('\ufeff') if n_lines == 1 else text
                yield text.removesuffix('\r')


def check_model_fn(fn):
    """Fail before the training, not after it, if fn can't become a checkpoint.

    Makes the folder of fn if there is none.

    Raises:
        InputError: fn is a folder or a device, ends in .png, as the picture beside
            the checkpoint will, is too long a name, or is in a folder that can't be
            written to.
    """
    fn = Path(fn)
    if fn.suffix == '.png':
        raise InputError(f'{fn}: expected a name such as model.pth; .png is a picture')
    with input_errors(f'{fn}: cannot be written', OSError):
        if fn.exists() and not fn.is_file():
            raise InputError(f'{fn}: expected a file, found something else')
        fn.parent.mkdir(parents=True, exist_ok=True)
        # There is no such file, but the longest name of write_file() may be too long.
        fn.with_name(f'{fn.name}.last.{os.getpid()}.tmp').unlink(missing_ok=True)
        # A file without a name, where the system has those: a kill leaves nothing.
        tempfile.TemporaryFile(dir=fn.parent).close()


def write_file(fn, content):
    """Write bytes so that at any instant fn is the whole old file or the whole new one.

    If there are several processes, only the first one writes.

    Raises:
        InputError: the file can't be written; the old file is still there.
    """
    if not is_first_process():
        return
    target = os.path.realpath(fn)
    if os.path.exists(target) and not os.path.isfile(target):
        # os.replace() would replace a device such as /dev/null by a file.
        raise InputError(f'{fn}: expected a file, found something else')
    temporary = f'{target}.{os.getpid()}.tmp'
    try:
        with input_errors(f'{fn}: cannot be written', OSError):
            with open(temporary, 'wb') as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):
            os.remove(temporary)


def save_checkpoint(checkpoint, fn):
    """Save a dict of plain data: tensors, numbers, strings, lists and dicts."""
    import torch

    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_file(fn, buffer.getvalue())


def load_checkpoint(fn, chapter):
    """Load a checkpoint that save_checkpoint() saved, with its tensors on the CPU.

    Raises:
        InputError: fn can't be read, contains more than plain data (a pickle can run
            any code when it is loaded), or is a checkpoint of another chapter.
    """
    import torch

    expected = f'{fn}: expected a checkpoint of {chapter}'
    try:
        with open(fn, 'rb') as file, warnings.catch_warnings():
            # torch warns about unknown files in many lines; one line is enough.
            warnings.simplefilter('ignore')
            checkpoint = torch.load(file, map_location='cpu', weights_only=True)
            found = str(checkpoint['chapter'])
    except Exception as error:
        # torch's own reasons are many lines, too.
        reason = getattr(error, 'strerror', None) or 'it is damaged, or another file'
        raise InputError(f'{expected}: {reason}') from error
    if found != chapter:
        raise InputError(f'{expected}, found one of {found!r}')
    return checkpoint


def save_figure(figure, fn):
    """Save a matplotlib Figure as a PNG file; no window is opened."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    # A logarithmic axis has numbers such as 0.02, not 2 × 10⁻².
    with rc_context({'axes.formatter.min_exponent': 5}):
        figure.savefig(buffer, format='png', dpi=150)
    write_file(fn, buffer.getvalue())
    log(f'picture: {fn}')
