"""The small helpers of a chapter: what a person types, the device, files, pictures.

Later chapters copy them unchanged. Libraries that take seconds to import are
imported inside the functions that use them, so that `--help` answers at once.
"""

import argparse
import contextlib
import gzip
import io
import math
import os
import socket
import struct
import sys
import tempfile
import warnings
import zlib
from http.client import HTTPException
from pathlib import Path

import numpy as np
from tqdm import tqdm

CLASS_NAMES = {
    'mnist': list('0123456789'),
    'digits': list('0123456789'),
    'fashion_mnist': [
        'T-shirt',
        'trouser',
        'pullover',
        'dress',
        'coat',
        'sandal',
        'shirt',
        'sneaker',
        'bag',
        'ankle boot',
    ],
}

# Where the IDX files of a dataset may lie in --data_dir: as torchvision puts them, or,
# for a dataset that was asked for by its name, in the very folder.
IDX_FOLDERS = {
    'auto': ['MNIST/raw'],
    'mnist': ['MNIST/raw', '.'],
    'fashion_mnist': ['FashionMNIST/raw', '.'],
}


class InputError(Exception):
    """What the person at the keyboard can mend; its text is one line."""


def log(message):
    """Say something to the person: on stderr, since stdout is kept for results."""
    tqdm.write(message, file=sys.stderr)


def run(main, parser):
    """Run main(config) with the options of the command line.

    An InputError ends in one line and exit status 2, Ctrl-C in exit status 130.
    Any other exception is a bug, and keeps its traceback.
    """
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


def get_argparser(description):
    """Return a parser with the two options that every program of the course has.

    Its help shows every default, its errors are one line.
    """
    p = argparse.ArgumentParser(
        description=description,
        usage=argparse.SUPPRESS,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
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
            MPS). None takes accelerator 0 if there is one, else the CPU.

    Raises:
        InputError: there is no accelerator of that number.
    """
    import torch

    n_accelerators = torch.accelerator.device_count()
    if gpu_id is None:
        gpu_id = 0 if n_accelerators > 0 else -1
    if gpu_id < 0:
        return torch.device('cpu')
    if gpu_id >= n_accelerators:
        raise InputError(
            f'--gpu_id {gpu_id}: this machine has {n_accelerators} accelerators, '
            'numbered from 0; -1 is the CPU'
        )
    return torch.device(torch.accelerator.current_accelerator().type, gpu_id)


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

    Raises:
        InputError: the file can't be written; what was there before still is.
    """
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


def read_idx(fn):
    """Read a file of MNIST's own IDX format, gzipped or not.

    Returns:
        An array of uint8: (n_images, height, width) for images, (n_images,) for labels.

    Raises:
        InputError: fn can't be read or is damaged.
    """
    try:
        with gzip.open(fn) if str(fn).endswith('.gz') else open(fn, 'rb') as file:
            content = file.read()
        # Two zero bytes, the type (8: uint8), the number of dimensions, their sizes.
        zeros, kind, n_dims = struct.unpack_from('>HBB', content)
        shape = struct.unpack_from(f'>{n_dims}I', content, offset=4)
        if (zeros, kind) != (0, 8):
            raise ValueError('it does not begin like an IDX file of bytes')
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * n_dims)
        return values.reshape(shape)
    except OSError as error:
        raise InputError(f'{fn}: can not be read: {error}') from error
    except (EOFError, ValueError, struct.error, zlib.error) as error:
        raise InputError(f'{fn}: expected an IDX file: {error}') from error


def find_idx_files(dataset, data_dir, is_train=True):
    """Return the paths of the images and of the labels, or None if one is missing."""
    part = 'train' if is_train else 't10k'
    names = (f'{part}-images-idx3-ubyte', f'{part}-labels-idx1-ubyte')
    for folder in IDX_FOLDERS[dataset]:
        for suffix in ('', '.gz'):
            fns = [Path(data_dir, folder, name + suffix) for name in names]
            if all(os.path.isfile(fn) for fn in fns):
                return fns
    return None


def download_mnist(dataset, data_dir):
    """Download MNIST or Fashion-MNIST with torchvision, checked against its hashes.

    The files come to lie where torchvision looks for them, each whole or not at all.

    Raises:
        InputError: a file can't be had, or can't be written.
    """
    from torchvision import datasets

    name = {'mnist': 'MNIST', 'fashion_mnist': 'FashionMNIST'}[dataset]
    target = Path(data_dir, name, 'raw')
    log(f'downloading {name} to {target}')
    patience = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(15)
        target.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=target) as folder,
            contextlib.redirect_stdout(sys.stderr),
        ):
            getattr(datasets, name)(folder, download=True)
            for fn in Path(folder, name, 'raw').iterdir():
                os.replace(fn, target / fn.name)
    except (OSError, RuntimeError, EOFError, zlib.error, HTTPException) as error:
        reason = ' '.join(str(error).split())
        raise InputError(f'{target}: no {name} to be had: {reason}') from error
    finally:
        socket.setdefaulttimeout(patience)


def find_dataset(dataset, data_dir):
    """Say which dataset there is, and download it if need be.

    Arguments:
        dataset: mnist, fashion_mnist or digits, to insist on one; auto takes MNIST, or
            scikit-learn's digits if MNIST is not there and can't be downloaded.
        data_dir: the folder of torchvision's datasets, or the very one of the files.

    Returns:
        mnist, fashion_mnist or digits.

    Raises:
        InputError: the dataset insisted on can't be had.
    """
    if dataset == 'digits':
        return dataset
    name = 'mnist' if dataset == 'auto' else dataset
    try:
        if find_idx_files(dataset, data_dir) is None:
            download_mnist(name, data_dir)
    except InputError as error:
        if dataset != 'auto':
            raise
        log(f"warning: {error}; going on with scikit-learn's 1,797 small digits")
        return 'digits'
    return name


def load_mnist(dataset, data_dir, is_train=True):
    """Load the images and labels of MNIST, Fashion-MNIST or scikit-learn's digits.

    Arguments:
        dataset: what find_dataset() has returned.
        data_dir: the folder of the files; digits need none.
        is_train: the training split, else the test split.

    Returns:
        x: a float tensor of shape (n_images, 784), from 0 (paper) to 1 (ink).
        y: a long tensor of shape (n_images,), from 0 to 9.

    Raises:
        InputError: a file is missing or damaged.
    """
    import torch

    if dataset == 'digits':
        images, labels = load_digits(is_train)
    else:
        fns = find_idx_files(dataset, data_dir, is_train)
        if fns is None:
            raise InputError(f'{data_dir}: expected the IDX files of {dataset} in it')
        images, labels = (read_idx(fn) for fn in fns)
        n_images = labels.size
        if labels.ndim != 1 or images.shape != (n_images, 28, 28) or n_images == 0:
            raise InputError(
                f'{fns[0]}: expected images of 28 x 28, as many as labels, '
                f'found {images.shape} and labels of {labels.shape}'
            )
        if labels.max() > 9:
            raise InputError(f'{fns[1]}: expected labels from 0 to 9')

    x = torch.from_numpy(images / np.float32(255)).flatten(1)
    # |x| = (n_images, 784)
    y = torch.from_numpy(labels.astype(np.int64))
    # |y| = (n_images,)
    return x, y


def load_digits(is_train=True):
    """Load scikit-learn's handwritten digits, a fifth of them as the test split.

    Returns:
        Images of (n_images, 28, 28) and labels of (n_images,), in uint8 as MNIST's.
        The 8 x 8 pixels are enlarged to 20 x 20 and framed, as in MNIST.
    """
    from PIL import Image
    from sklearn import datasets, model_selection

    digits = datasets.load_digits()
    images = np.zeros((len(digits.images), 28, 28), np.uint8)
    for image, pixels in zip(images, digits.images, strict=True):
        small = Image.fromarray((pixels * 255 / 16).astype(np.uint8))
        image[4:24, 4:24] = small.resize((20, 20), Image.Resampling.BICUBIC)

    # The same test split for every seed, so that results can be compared.
    train_x, test_x, train_y, test_y = model_selection.train_test_split(
        images,
        digits.target.astype(np.uint8),
        test_size=0.2,
        random_state=0,
        stratify=digits.target,
    )
    return (train_x, train_y) if is_train else (test_x, test_y)


def split_data(x, y, valid_ratio, seed):
    """Split x and y at random, and by seed, into training and validation data.

    Returns:
        (train_x, train_y) and (valid_x, valid_y).
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    indices = torch.randperm(len(x), generator=generator).to(x.device)
    n_valid = max(1, round(len(x) * valid_ratio))
    valid, train = indices[:n_valid], indices[n_valid:]
    return (x[train], y[train]), (x[valid], y[valid])
