"""The data: images in memory, augmented and normalised a batch at a time."""

import contextlib
import socket
import sys
from pathlib import Path

import torch
from torch.nn import functional
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms.v2.functional import pil_to_tensor
from tqdm import tqdm

from guards import InputError, input_errors, log
from model import IMAGENET_MEAN, IMAGENET_STD, get_transform


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


def choose_stratified(y, n_samples, seed):
    """Choose samples at random, and by seed, with the same share of each class.

    The first samples chosen are one of each class, and a smaller choice is always a
    part of a larger one.

    Arguments:
        y: a long tensor of shape (n_images,), the classes.

    Returns:
        The indices that were chosen, and those that were not, as long tensors.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(y), generator=generator)
    one_hot = functional.one_hot(y[order])
    # |one_hot| = (n_images, n_classes)
    numbers = (one_hot.cumsum(dim=0) - 1)[torch.arange(len(y)), y[order]]
    # |numbers| = (n_images,)
    share = numbers / one_hot.sum(dim=0)[y[order]]
    order = order[share.argsort(stable=True)]
    return order[:n_samples], order[n_samples:]


def read_colour_picture(fn, image_size):
    """Read the middle of a picture, in colour, as a square of image_size pixels.

    Returns:
        A uint8 tensor of shape (3, image_size, image_size).

    Raises:
        InputError: fn can't be read, or is not a picture.
    """
    from PIL import Image, ImageOps

    with input_errors(f'{fn}: expected a picture'), Image.open(fn) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith('I'):
            # 16 bits a pixel: Pillow would cut off all above 255.
            image = image.point(lambda value: value * (1 / 256)).convert('L')
        image = ImageOps.fit(image.convert('RGBA'), (image_size, image_size))
    paper = Image.new('RGBA', image.size, 'white')
    return pil_to_tensor(Image.alpha_composite(paper, image).convert('RGB'))


def load_folder(data_dir, image_size, is_train=True):
    """Load the pictures of a folder that contains a folder for each class.

    A fifth of them is the test split, the same one for every seed. A picture that can't
    be read is named in a warning, and left out.

    Returns:
        x: a uint8 tensor of shape (n_images, 3, image_size, image_size).
        y: a long tensor of shape (n_images,).
        class_names: the names of the folders.

    Raises:
        InputError: there are fewer than two classes, or too few pictures.
    """
    missing = f'{data_dir}: expected a folder for each class, with pictures'
    with input_errors(missing, OSError):
        folder = ImageFolder(data_dir)
    y = torch.tensor(folder.targets)
    # |y| = (n_images,)
    counts = dict(zip(folder.classes, y.bincount().tolist(), strict=True))
    if len(counts) < 2 or min(counts.values()) < 3:
        expected = 'expected two classes or more, of 3 pictures or more'
        raise InputError(f'{data_dir}: {expected}, found {counts}')
    test, train = choose_stratified(y, max(len(counts), round(len(y) / 5)), seed=0)

    images, labels = [], []
    indices = (train if is_train else test).sort().values.tolist()
    for i in tqdm(indices, 'reading', leave=False, disable=not sys.stderr.isatty()):
        fn, label = folder.samples[i]
        try:
            images.append(read_colour_picture(fn, image_size))
            labels.append(label)
        except InputError as error:
            log(f'warning: {error}; left out')
    if len(set(labels)) < (len(counts) if is_train else 1):
        raise InputError(
            f'{data_dir}: expected pictures of each class that can be read'
        )
    return torch.stack(images), torch.tensor(labels), folder.classes


def load_images(config, is_train=True, class_names=None):
    """Load the images of a dataset.

    Arguments:
        config: a dict of the options dataset, data_dir and image_size.
        class_names: the classes that a folder must have; None: any.

    Returns:
        x: a tensor of shape (n_images, n_channels, height, width): floats from 0 to 1,
            or bytes from 0 to 255.
        y: a long tensor of shape (n_images,).
        class_names: the names of the classes.

    Raises:
        InputError: the files can't be read, or have other classes.
    """
    dataset, data_dir = config['dataset'], config['data_dir']
    if dataset != 'folder':
        x, y = load_mnist(dataset, data_dir, is_train)
        return x.view(-1, 1, 28, 28), y, get_class_names(dataset)
    x, y, found = load_folder(data_dir, config['image_size'], is_train)
    if class_names not in (None, found):
        expected = f'expected the classes {class_names}, found {found}'
        raise InputError(f'{data_dir}: {expected}')
    return x, y, found


def augment(x, max_angle=0.2, max_shift=0.1, max_scale=0.1):
    """Rotate, shift and scale each image of a batch a little, at random.

    torchvision's RandomAffine would transform all images of a batch alike.

    Arguments:
        x: a float tensor of shape (batch_size, n_channels, height, width).
        max_angle: in radians.
        max_shift: as a share of the image's size.
        max_scale: as a share of the object's size.
    """

    def draw(limit):
        return torch.empty(len(x)).uniform_(-limit, limit)

    angle, scale = draw(max_angle), 1 + draw(max_scale)
    sine, cosine = angle.sin() * scale, angle.cos() * scale
    # The grid goes from -1 to 1, so it is twice as wide as the image.
    right, down = draw(2 * max_shift), draw(2 * max_shift)
    matrix = torch.stack([cosine, -sine, right, sine, cosine, down], dim=1)
    matrix = matrix.view(-1, 2, 3)
    # |matrix| = (batch_size, 2, 3)
    grid = functional.affine_grid(matrix, x.shape, align_corners=False)
    # |grid| = (batch_size, height, width, 2)
    # Photographs are not empty at their edges, so the edges are repeated outside.
    return functional.grid_sample(x, grid, padding_mode='border', align_corners=False)


def get_loader(tensors, batch_size, is_train, transform=None):
    """Return a DataLoader of tensors, which shuffles them for training.

    It reads a whole batch in one step: the sampler returns the indices of a batch, and
    a TensorDataset accepts a list of indices. With its own batch_size, a DataLoader
    reads the samples one by one and then stacks them.

    Arguments:
        tensors: all with the same number of rows, the first of them x.
        transform: a function of a batch of x; None: x stays as it is.
    """

    def collate(batch):
        x, *others = batch
        return (transform(x) if transform else x, *others)

    dataset = TensorDataset(*tensors)
    order = RandomSampler(dataset) if is_train else range(len(dataset))
    # A last batch of one sample would have no variance for batch normalisation.
    drop_last = is_train and len(dataset) >= batch_size
    batches = BatchSampler(order, batch_size, drop_last)
    return DataLoader(dataset, sampler=batches, batch_size=None, collate_fn=collate)


def get_loaders(config):
    """Return the DataLoaders for training and validation, and facts to remember.

    Returns:
        The two loaders, and a dict of what predict.py needs to know: the class_names,
        and the mean and std of each channel.

    Raises:
        InputError: the data can't be read, or there are too few images or classes.
    """
    x, y, class_names = load_images(vars(config), is_train=True)
    if config.n_classes not in (None, len(class_names)):
        found = f'found {len(class_names)} classes, {" ".join(class_names)}'
        raise InputError(f'--n_classes {config.n_classes}: {found}')
    if config.n_train:
        if not len(class_names) <= config.n_train <= len(x):
            expected = f'expected {len(class_names)} to {len(x)}'
            raise InputError(f'--n_train {config.n_train}: {expected}')
        chosen, _ = choose_stratified(y, config.n_train, config.seed)
        x, y = x[chosen], y[chosen]
    train_data, valid_data = split_data(x, y, config.valid_ratio, config.seed)
    if len(train_data[0]) < 2:
        # Batch normalisation needs the variance of at least two images.
        raise InputError(f'expected two images or more to train on, of {len(x)}')

    facts = {'class_names': class_names, 'mean': IMAGENET_MEAN, 'std': IMAGENET_STD}
    transform = get_transform(config.image_size, IMAGENET_MEAN, IMAGENET_STD)
    train_transform = transform
    if config.augment:
        train_transform = transforms.Compose([transform, augment])
    train_loader = get_loader(train_data, config.batch_size, True, train_transform)
    valid_loader = get_loader(valid_data, config.batch_size, False, transform)
    return train_loader, valid_loader, facts
