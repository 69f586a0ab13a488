"""The small helpers of a chapter: what a person types, the device, files, pictures.

Later chapters copy them unchanged. Libraries that take seconds to import are
imported inside the functions that use them, so that `--help` answers at once.
"""

import argparse
import atexit
import contextlib
import io
import itertools
import math
import os
import sys
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm


class InputError(Exception):
    """What the person at the keyboard can mend; its text is one line."""


def is_first_process():
    """Return whether this is the one process, or the first of those of torchrun."""
    return os.environ.get('RANK', '0') == '0'


def log(message):
    """Say something to the person: on stderr, since stdout is kept for results.

    Of several processes, the first one speaks.
    """
    if is_first_process():
        tqdm.write(message, file=sys.stderr)


def run(main, parser):
    """Run main(config) with the options of the command line.

    An InputError ends in one line and exit status 2, Ctrl-C in exit status 130.
    Any other exception is a bug, and keeps its traceback.
    """
    # Text is UTF-8 on every machine, also into a pipe on Windows.
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


def get_argparser(description, takes_models=False):
    """Return a parser with the two options that every program of the course has.

    Its help shows every default, its errors are one line.

    Arguments:
        takes_models: whether there may be several checkpoints.
    """
    p = argparse.ArgumentParser(
        description=description,
        usage=argparse.SUPPRESS,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    if takes_models:
        p.add_argument(
            '--model_fn',
            nargs='+',
            default=['model.pth'],
            help='checkpoints, whose probabilities are averaged',
        )
    else:
        p.add_argument('--model_fn', default='model.pth', help='the checkpoint')
    p.add_argument(
        '--gpu_id',
        type=number(int, -1),
        help='accelerator, -1 for the CPU; None takes 0 if there is one',
    )
    return p


def number(kind, minimum, maximum=2**31 - 1):
    """Return an argparse type: an int or a float from minimum to maximum."""

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not minimum <= value <= maximum:
            name = 'a whole number' if kind is int else 'a number'
            raise argparse.ArgumentTypeError(
                f'expected {name} from {minimum} to {maximum}, got {text!r}'
            )
        return value

    return parse


def set_seed(seed):
    """Make the run repeatable: one seed, one machine, one result."""
    import torch

    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True


def get_device(gpu_id=None):
    """Return the torch.device to compute on.

    Arguments:
        gpu_id: -1 for the CPU, else the number of an accelerator (CUDA, or Apple's
            MPS). None takes accelerator 0 if there is one, else the CPU. Started by
            torchrun, each process takes the accelerator of its own number instead.

    Raises:
        InputError: there is no accelerator of that number.
    """
    import torch

    n_accelerators = torch.accelerator.device_count()
    if gpu_id is None:
        gpu_id = 0 if n_accelerators > 0 else -1
    if 'LOCAL_RANK' in os.environ:
        import ignite.distributed as idist

        idist.initialize('gloo' if gpu_id < 0 else 'nccl')
        atexit.register(idist.finalize)
        gpu_id = -1 if gpu_id < 0 else idist.get_local_rank()
    if gpu_id < 0:
        return torch.device('cpu')
    if gpu_id >= n_accelerators:
        raise InputError(
            f'--gpu_id {gpu_id}: this machine has {n_accelerators} accelerators, '
            'numbered from 0; -1 is the CPU'
        )
    return torch.device(torch.accelerator.current_accelerator().type, gpu_id)


def get_autocast(device, amp):
    """Return a context in which networks compute in mixed precision.

    What stands to lose by it, such as a softmax, stays in full precision.

    Arguments:
        amp: off, bf16 (the range of a float with 8 bits of precision) or fp16 (11 bits,
            but nothing above 65,504).
    """
    import torch

    dtype = torch.float16 if amp == 'fp16' else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=amp != 'off')


def check_model_fn(fn):
    """Fail before the training, not after it, if fn can't become a checkpoint.

    Makes the folder of fn if there is none.

    Raises:
        InputError: fn is a folder or a device, ends in .png, as the picture beside
            the checkpoint will, or stands in a folder that takes no new file.
    """
    fn = Path(fn)
    if fn.suffix == '.png':
        raise InputError(f'{fn}: expected a name such as model.pth; .png is a picture')
    try:
        if fn.exists() and not fn.is_file():
            raise InputError(f'{fn}: expected a file, found something else')
        fn.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=fn.parent, prefix=fn.name):
            return
    except OSError as error:
        raise InputError(f'{fn}: can not be written: {error.strerror}') from error


def write_file(fn, content):
    """Write bytes so that at any instant fn is the whole old file or the whole new one.

    Of several processes, the first one writes.

    Raises:
        InputError: the file can't be written; what was there before still is.
    """
    if not is_first_process():
        return
    target = os.path.realpath(fn)
    if os.path.exists(target) and not os.path.isfile(target):
        # A device, such as /dev/null, would be gone.
        raise InputError(f'{fn}: expected a file, found something else')
    temporary = f'{target}.{os.getpid()}.tmp'
    try:
        with open(temporary, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f'{fn}: can not be written: {error.strerror}') from error
    finally:
        with contextlib.suppress(OSError):
            os.remove(temporary)


def save_checkpoint(checkpoint, fn):
    """Save a dict of plain data (tensors, numbers, strings, lists, dicts)."""
    import torch

    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_file(fn, buffer.getvalue())


def load_checkpoint(fn, chapter):
    """Load what save_checkpoint() has saved, tensors on the CPU.

    Raises:
        InputError: fn can't be read, holds more than plain data (a pickle may run
            any code when it is loaded), or is not a checkpoint of this chapter.
    """
    import torch

    expected = f'expected a checkpoint of {chapter}'
    try:
        with open(fn, 'rb') as file, warnings.catch_warnings():
            # Of a strange file, torch says in many lines what we say in one.
            warnings.simplefilter('ignore')
            checkpoint = torch.load(file, map_location='cpu', weights_only=True)
            found = str(checkpoint['chapter'])
    except OSError as error:
        raise InputError(f'{fn}: {expected}: {error.strerror}') from error
    except Exception as error:
        # Damaged bytes raise whatever they happen to hit inside the reader.
        raise InputError(f'{fn}: {expected}, this is damaged or no such') from error

    if found != chapter:
        raise InputError(f'{fn}: {expected}, found one of {found!r}')
    return checkpoint


def get_last_fn(model_fn):
    """Return where the state of a training is kept: model.last.pth beside model.pth."""
    return Path(model_fn).with_suffix('.last.pth')


def load_last(config, chapter):
    """Load the state from which a training goes on, None if it had not got that far.

    Raises:
        InputError: it can't be read, or its training had other options than config.
    """
    last_fn = get_last_fn(config.model_fn)
    if not last_fn.exists():
        log(f'{last_fn}: not there yet, so the training starts from the beginning')
        return None
    state = load_checkpoint(last_fn, chapter)
    if 'optimizer' not in state:
        raise InputError(f'{last_fn}: expected the state of a training, found a model')
    free = {
        'model_fn',
        'gpu_id',
        'n_epochs',
        'verbose',
        'log_dir',
        'data_dir',
        'resume',
    }
    for name, value in vars(config).items():
        before = state['config'].get(name)
        if name not in free and value != before:
            raise InputError(
                f'{last_fn}: expected the same options to go on with, '
                f'--{name} was {before} and now is {value}'
            )
    return state


def save_figure(figure, fn):
    """Save a matplotlib Figure as a PNG; no window is opened."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=150)
    write_file(fn, buffer.getvalue())


def draw_learning_curve(history, fn):
    """Draw how the losses have fallen, a line for each entry of the history.

    Arguments:
        history: a dict from a name, such as train_loss, to its value at each epoch.
        fn: the PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout='constrained')
    axes = figure.subplots()
    for name, losses in history.items():
        axes.plot(range(1, len(losses) + 1), losses, label=name)
    axes.set(title='Learning curve', xlabel='epoch', ylabel='loss', yscale='log')
    axes.legend()

    save_figure(figure, fn)


def use_korean_font():
    """Let matplotlib draw Korean with NanumGothic, which koreanize-matplotlib ships.

    The package itself can't be imported where Python has no distutils any more, so its
    fonts are taken as files.
    """
    import matplotlib
    from matplotlib import font_manager

    package = find_spec('koreanize_matplotlib')
    fonts_dir = Path(package.origin).with_name('fonts')
    font_manager.fontManager.addfont(fonts_dir / 'NanumGothic.ttf')
    matplotlib.rcParams['font.family'] = ['DejaVu Sans', 'NanumGothic']


def read_lines(fn=None):
    """Yield the lines of a text file, or of stdin, one by one, without their ends.

    An end is a line feed, or a carriage return and a line feed. A byte-order mark at
    the beginning of the file is no part of the text.

    Arguments:
        fn: the file; None: stdin.

    Raises:
        InputError: the file can't be read, or a line is not UTF-8.
    """
    name = fn or 'stdin'
    try:
        with open(fn or sys.stdin.fileno(), 'rb', closefd=bool(fn)) as file:
            for n_lines, line in enumerate(file, 1):
                text = line.decode('utf-8').removesuffix('\n').removesuffix('\r')
                yield text.removeprefix('\ufeff') if n_lines == 1 else text
    except OSError as error:
        raise InputError(f'{name}: can not be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        place = f'byte {error.start + 1}'
        raise InputError(
            f'{name}, line {n_lines}: expected UTF-8, {place} is not'
        ) from error


def batched(values, size):
    """Yield lists of up to `size` values, in their order."""
    values = iter(values)
    while batch := list(itertools.islice(values, size)):
        yield batch


def to_tensor(content):
    """Return bytes as a tensor of uint8, which a checkpoint may hold."""
    import torch

    return torch.frombuffer(bytearray(content), dtype=torch.uint8)
