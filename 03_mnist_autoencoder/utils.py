"""The small helpers of a chapter: the device, the seed, the data and the picture.

Libraries that take seconds to import are imported inside the functions that use them,
so that `--help` answers at once.
"""

import contextlib
import socket
import sys
from pathlib import Path

from guards import InputError, input_errors, log, save_figure


def set_seed(seed):
    """Make a run repeatable: one seed on one machine gives one result."""
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
        found = f'this machine has {n_accelerators} accelerators, numbered from 0'
        raise InputError(f'--gpu_id {gpu_id}: {found}; -1 is the CPU')
    return torch.device(torch.accelerator.current_accelerator().type, gpu_id)


def find_dataset(dataset, data_dir):
    """Say which dataset there is, after downloading it if it is missing.

    Arguments:
        dataset: mnist, fashion_mnist or digits for exactly this one; auto for MNIST, or
            scikit-learn's digits if MNIST is not there and can't be downloaded.
        data_dir: the folder of torchvision's datasets.

    Returns:
        mnist, fashion_mnist or digits.

    Raises:
        InputError: the dataset can't be downloaded, or its files are damaged.
    """
    name = 'mnist' if dataset == 'auto' else dataset
    try:
        load_mnist(name, data_dir)
    except InputError as error:
        n_files = len(list(Path(data_dir, 'MNIST', 'raw').glob('*-ubyte')))
        if dataset != 'auto' or n_files == 4:
            raise
        log(f"warning: {error}; continuing with scikit-learn's 1,797 small digits")
        return 'digits'
    return name


def load_mnist(dataset, data_dir, is_train=True):
    """Load the images and labels of MNIST, Fashion-MNIST or scikit-learn's digits.

    torchvision reads the files of the first two, and downloads missing ones.

    Arguments:
        dataset: mnist, fashion_mnist or digits.
        data_dir: the folder of torchvision's datasets; digits need none.
        is_train: the training split, else the test split.

    Returns:
        x: a float tensor of shape (n_images, 784), from 0 (paper) to 1 (ink).
        y: a long tensor of shape (n_images,), from 0 to 9.

    Raises:
        InputError: the files can't be downloaded, or are damaged.
    """
    import torchvision

    if dataset == 'digits':
        return load_digits(is_train)
    name = 'MNIST' if dataset == 'mnist' else 'FashionMNIST'
    damaged = f'{Path(data_dir, name)}: damaged, or cannot be downloaded'
    # A server that does not answer would keep us waiting for ever.
    socket.setdefaulttimeout(15)
    with input_errors(damaged), contextlib.redirect_stdout(sys.stderr):
        data = getattr(torchvision.datasets, name)(data_dir, is_train, download=True)
        x, y = data.data.flatten(1) / 255, data.targets
        # |x| = (n_images, 784)
        # |y| = (n_images,)
        if x.shape != (len(y), 28 * 28) or y.max() > 9:
            raise ValueError(f'{tuple(data.data.shape)} images, {len(y)} labels')
    return x, y


def load_digits(is_train=True):
    """Load scikit-learn's handwritten digits, a fifth of them as the test split.

    Returns:
        Images and labels like those of load_mnist(). The 8 x 8 pixels are enlarged to
        20 x 20, with a margin of 4, as in MNIST.
    """
    import torch
    from sklearn import datasets, model_selection
    from torch.nn import functional

    digits = datasets.load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float).unsqueeze(1)
    # |images| = (n_images, 1, 8, 8)
    images = functional.interpolate(images, size=20, mode='bicubic').clamp(0, 1)
    x, y = functional.pad(images, [4] * 4).flatten(1), torch.tensor(digits.target)
    # |x| = (n_images, 784)
    # |y| = (n_images,)

    # The same test split for every seed, so that results can be compared.
    options = {'test_size': 0.2, 'random_state': 0, 'stratify': y}
    train, test = model_selection.train_test_split(range(len(y)), **options)
    chosen = train if is_train else test
    return x[chosen], y[chosen]


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


def get_class_names(dataset):
    """Return the names of the ten classes, in the order of their labels."""
    from torchvision.datasets import FashionMNIST

    return FashionMNIST.classes if dataset == 'fashion_mnist' else list('0123456789')


def draw_learning_curve(history, fn):
    """Draw the losses of all epochs, a line for each entry of the history.

    Arguments:
        history: a dict from a name, such as train_loss, to its value at each epoch.
        fn: the PNG file to write.
    """
    from matplotlib.figure import Figure

    axes = Figure(figsize=(6, 4), layout='constrained').subplots()
    for name, losses in history.items():
        axes.plot(range(1, len(losses) + 1), losses, marker='.', label=name)
    axes.set(title='Learning curve', xlabel='epoch', ylabel='loss', yscale='log')
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.legend()
    save_figure(axes.figure, fn)
