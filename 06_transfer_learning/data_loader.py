"""The data: images in memory, as a Dataset whose batches are gathered at once."""

import contextlib
import gzip
import os
import socket
import struct
import sys
import tempfile
import zlib
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from utils import InputError, get_autocast, log

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

# Of each channel of ImageNet's photographs, by which torchvision's weights expect
# their input to be normalised.
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

# Where the IDX files of a dataset may lie in --data_dir: as torchvision puts them, or,
# for a dataset that was asked for by its name, in the very folder.
IDX_FOLDERS = {
    'auto': ['MNIST/raw'],
    'mnist': ['MNIST/raw', '.'],
    'fashion_mnist': ['FashionMNIST/raw', '.'],
}


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
        dataset: mnist, fashion_mnist, digits or folder, to insist on one; auto takes
            MNIST, or scikit-learn's digits if MNIST is not there and can't be
            downloaded.
        data_dir: the folder of torchvision's datasets, or the very one of the files.

    Returns:
        mnist, fashion_mnist, digits or folder.

    Raises:
        InputError: the dataset insisted on can't be had.
    """
    if dataset in ('digits', 'folder'):
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
        x: a float tensor of shape (n_images, 1, 28, 28): one channel of grey, from 0
            (paper) to 1 (ink).
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

    x = torch.from_numpy(images / np.float32(255)).unsqueeze(1)
    # |x| = (n_images, 1, 28, 28)
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


def choose_stratified(y, n_samples, seed):
    """Choose samples at random, and by seed, of each class its share.

    The first samples chosen are one of each class, and those of a smaller choice are
    among those of a larger one.

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


def read_picture(fn, image_size):
    """Read a picture in colour: its middle, as a square of image_size pixels.

    Returns:
        A uint8 tensor of shape (3, image_size, image_size).

    Raises:
        InputError: the file is no picture.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(fn) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith('I'):
                # 16 bits a pixel, of which Pillow would cut the bright ones off.
                image = image.point(lambda value: value * (1 / 256)).convert('L')
            image = ImageOps.fit(image.convert('RGBA'), (image_size, image_size))
    except Exception as error:
        # Damaged bytes raise whatever they happen to hit inside the reader.
        reason = ' '.join(str(error).split())
        raise InputError(f'{fn}: expected a picture: {reason}') from error
    paper = Image.new('RGBA', image.size, 'white')
    pixels = np.array(Image.alpha_composite(paper, image).convert('RGB'))
    # |pixels| = (image_size, image_size, 3)
    return torch.from_numpy(pixels).permute(2, 0, 1)


def find_pictures(data_dir):
    """List the pictures of a folder that holds a folder for each class.

    Returns:
        The paths of the pictures, their classes as a long tensor of shape (n_images,),
        and the names of the classes.

    Raises:
        InputError: there are fewer than two classes, or than three pictures of one.
    """
    from torchvision import datasets

    try:
        folder = datasets.ImageFolder(data_dir)
    except OSError as error:
        raise InputError(
            f'{data_dir}: expected a folder for each class, with pictures: {error}'
        ) from error
    fns, y = zip(*folder.samples, strict=True)
    y = torch.tensor(y)
    # |y| = (n_images,)
    if len(folder.classes) < 2:
        raise InputError(
            f'{data_dir}: expected the folders of two classes or more, found that of '
            f'{folder.classes[0]} alone'
        )
    for name, count in zip(folder.classes, y.bincount().tolist(), strict=True):
        if count < 3:
            folder_fn = Path(data_dir, name)
            raise InputError(f'{folder_fn}: expected 3 pictures or more, found {count}')
    return fns, y, folder.classes


def load_folder(data_dir, image_size, is_train=True):
    """Load the pictures of a folder that holds a folder for each class.

    A fifth of them is the test split, the same one for every seed. What can't be read
    is left out, and named.

    Returns:
        x: a uint8 tensor of shape (n_images, 3, image_size, image_size).
        y: a long tensor of shape (n_images,).
        class_names: the names of the folders.

    Raises:
        InputError: there are too few pictures.
    """
    fns, y, class_names = find_pictures(data_dir)
    n_test = max(len(class_names), round(len(fns) / 5))
    test, train = choose_stratified(y, n_test, seed=0)

    images, labels = [], []
    indices = (train if is_train else test).sort().values.tolist()
    for i in tqdm(indices, 'reading', leave=False, disable=not sys.stderr.isatty()):
        try:
            images.append(read_picture(fns[i], image_size))
            labels.append(y[i])
        except InputError as error:
            log(f'warning: {error}; left out')
    if len(set(map(int, labels))) < (len(class_names) if is_train else 1):
        raise InputError(
            f'{data_dir}: expected pictures of each class that can be read'
        )
    return torch.stack(images), torch.stack(labels), class_names


def load_images(config, is_train=True):
    """Load the images of config's dataset.

    Arguments:
        config: a dict of the options dataset, data_dir and image_size.

    Returns:
        x: a tensor of shape (n_images, n_channels, height, width): floats from 0 to 1,
            or bytes from 0 to 255.
        y: a long tensor of shape (n_images,).
        class_names: what the labels mean.

    Raises:
        InputError: a file is missing or damaged.
    """
    dataset, data_dir = config['dataset'], config['data_dir']
    if dataset == 'folder':
        return load_folder(data_dir, config['image_size'], is_train)
    return *load_mnist(dataset, data_dir, is_train), CLASS_NAMES[dataset]


def prepare(x, image_size, mean, std):
    """Make images what the backbones were trained on, in training and ever after.

    Arguments:
        x: a tensor of shape (batch_size, n_channels, height, width), of one channel or
            of three: floats from 0 to 1, or bytes from 0 to 255.
        mean, std: of each of the three channels.

    Returns:
        A float tensor of shape (batch_size, 3, image_size, image_size), normalised.
    """
    x = x / 255 if x.dtype == torch.uint8 else x
    size = (image_size, image_size)
    x = functional.interpolate(x, size, mode='bilinear', antialias=True)
    mean, std = (x.new_tensor(values).view(3, 1, 1) for values in (mean, std))
    # A channel of grey becomes three that are equal, up to their normalisation.
    y = (x - mean) / std
    # |y| = (batch_size, 3, image_size, image_size)
    return y


class MemoryDataset(Dataset):
    """Tensors that fit into memory, one sample for each row.

    A DataLoader asks a Dataset for one sample at a time, and then stacks them. If the
    Dataset has __getitems__, it asks for a whole batch: one look-up instead of 256.

    Arguments:
        tensors: all with the same number of rows.
    """

    def __init__(self, *tensors):
        self.tensors = tensors

    def __len__(self):
        return len(self.tensors[0])

    def __getitem__(self, index):
        return tuple(tensor[index] for tensor in self.tensors)

    def __getitems__(self, indices):
        return self[torch.tensor(indices)]


def augment(x, max_angle=0.2, max_shift=0.1, max_scale=0.1):
    """Turn, shift and scale each image of a batch a little, at random.

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
    # The grid goes from -1 to 1, so a shift counts twice in it.
    right, down = draw(2 * max_shift), draw(2 * max_shift)
    matrix = torch.stack([cosine, -sine, right, sine, cosine, down], dim=1).view(
        -1, 2, 3
    )
    # |matrix| = (batch_size, 2, 3)
    grid = functional.affine_grid(matrix, x.shape, align_corners=False)
    # |grid| = (batch_size, height, width, 2)
    # What comes in from beyond an edge looks like the edge.
    return functional.grid_sample(x, grid, padding_mode='border', align_corners=False)


def get_loader(tensors, batch_size, is_train, transform=None):
    """Return a DataLoader of tensors, which shuffles them for training.

    Arguments:
        tensors: all with the same number of rows, the first of them x.
        transform: what to do with each batch of x.
    """

    def collate(batch):
        # The batch is a batch already: there is nothing to stack.
        x, *others = batch
        return (transform(x) if transform else x, *others)

    return DataLoader(
        MemoryDataset(*tensors),
        batch_size=batch_size,
        shuffle=is_train,
        # A last batch of one sample would have no variance for batch normalisation.
        drop_last=is_train and len(tensors[0]) >= batch_size,
        collate_fn=collate,
    )


def get_loaders(config):
    """Return the DataLoaders for training and validation, and facts to remember.

    Returns:
        The two loaders, and the dict of what predict.py needs to know: the class_names,
        and the mean and std of each channel.

    Raises:
        InputError: the data can't be read, or are not enough.
    """
    x, y, class_names = load_images(vars(config), is_train=True)
    if config.n_classes not in (None, len(class_names)):
        raise InputError(
            f'--n_classes {config.n_classes}: found {len(class_names)} classes, '
            f'{" ".join(class_names)}'
        )
    if config.n_train:
        if not len(class_names) <= config.n_train <= len(x):
            raise InputError(
                f'--n_train {config.n_train}: expected {len(class_names)} to {len(x)}'
            )
        chosen, _ = choose_stratified(y, config.n_train, config.seed)
        x, y = x[chosen], y[chosen]
    train_data, valid_data = split_data(x, y, config.valid_ratio, config.seed)
    if len(train_data[0]) < 2:
        # Of one image, batch normalisation can take no variance.
        raise InputError(f'expected two images or more to train on, of {len(x)}')

    facts = {'class_names': class_names, 'mean': IMAGENET_MEAN, 'std': IMAGENET_STD}

    def transform(x):
        return prepare(x, config.image_size, facts['mean'], facts['std'])

    def transform_and_augment(x):
        return augment(transform(x))

    train_transform = transform_and_augment if config.augment else transform
    train_loader = get_loader(train_data, config.batch_size, True, train_transform)
    valid_loader = get_loader(valid_data, config.batch_size, False, transform)
    return train_loader, valid_loader, facts


def reuse_features(model, loaders, amp):
    """Return loaders of what a frozen backbone makes of the images of others.

    It is computed once, since nothing in it will change. No random number is drawn, so
    that the training goes the way it would go without.

    Arguments:
        model: its backbone is frozen.
        loaders: for training and for validation, of images that are not augmented.
        amp: the precision of the training.
    """
    device = next(model.parameters()).device
    model.eval()
    feature_loaders = []
    for loader, is_train in zip(loaders, (True, False), strict=True):
        x, y = loader.dataset.tensors
        batches = x.split(loader.batch_size)
        bar = tqdm(batches, 'features', leave=False, disable=not sys.stderr.isatty())
        with torch.no_grad(), get_autocast(device, amp):
            features = [
                model.backbone(loader.collate_fn((x_i,))[0].to(device)).cpu()
                for x_i in bar
            ]
        tensors = (torch.cat(features), y)
        feature_loaders.append(get_loader(tensors, loader.batch_size, is_train))
    return feature_loaders
