"""Seconds for an epoch of 60,000 images: a chapter beside two other ways to do it.

    python benchmarks/epochs.py                      # 02, 04, 05 and 07
    python benchmarks/epochs.py 02_mnist_tutorial

- ours: the chapter's own Trainer, with its own data pipeline.
- bare: the shortest possible loop over tensors in memory, with the same model and the
  same batch size.
- torchvision: the same model fed by torchvision's dataset with ToTensor and Normalize
  through a DataLoader, as the examples of PyTorch do it.

The images are random bytes in the format of MNIST, because speed does not depend on
what they show. The three take turns, and the median of each is printed with its ratio
to ours.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
from chapters import importable, load_chapter  # noqa: E402

CHAPTERS = ['02_mnist_tutorial', '04_advanced_pytorch', '05_cnn', '07_rnn']


def write_idx(fn, values):
    """Write an array of bytes in MNIST's format."""
    header = bytes([0, 0, 8, values.ndim])
    shape = np.array(values.shape, '>u4').tobytes()
    fn.write_bytes(header + shape + values.tobytes())


def write_images(folder, n_images):
    """Write random images and labels where torchvision looks for MNIST."""
    random = np.random.default_rng(0)
    raw = Path(folder, 'MNIST', 'raw')
    raw.mkdir(parents=True)
    for part, n in (('train', n_images), ('t10k', 10)):
        images = random.integers(0, 256, (n, 28, 28), np.uint8)
        labels = random.integers(0, 10, n, np.uint8)
        write_idx(raw / f'{part}-images-idx3-ubyte', images)
        write_idx(raw / f'{part}-labels-idx1-ubyte', labels)


def get_config(chapter, folder):
    """Return the chapter's default options, for data in a folder."""
    options = ['--data_dir', folder, '--dataset', 'mnist', '--verbose', '0']
    config = chapter.train.define_argparser().parse_args([*options, '--gpu_id', '-1'])
    config.augment = False
    return config


def get_model(chapter, config):
    """Build the chapter's default network, the same one each time."""
    torch.manual_seed(0)
    return chapter.model.get_model(vars(config), 10)


def get_tensors(chapter, config):
    """Load the images as the chapter does."""
    home = getattr(chapter, 'data_loader', chapter.utils)
    x, y = home.load_mnist(config.dataset, config.data_dir, is_train=True)
    # From 05 on, there is a choice of networks, and images have a channel.
    return (x.view(-1, 1, 28, 28) if hasattr(config, 'model') else x), y


def run_ours(chapter, config, x, y):
    """Time an epoch of the chapter's Trainer."""
    model = get_model(chapter, config)
    parts = model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=config.lr)
    if not hasattr(chapter, 'data_loader'):
        trainer = chapter.trainer.Trainer(*parts)
        start = time.perf_counter()
        trainer._train(x, y, config)
        return time.perf_counter() - start

    trainer = chapter.trainer.Trainer(*parts, {}, {'config': vars(config)})
    loader = chapter.data_loader.get_loader((x, y), config.batch_size, is_train=True)
    start = time.perf_counter()
    trainer.trainer.run(loader, max_epochs=1)
    return time.perf_counter() - start


def run_batches(chapter, config, batches):
    """Time the shortest possible loop over batches."""
    model = get_model(chapter, config)
    crit = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=config.lr)
    model.train()
    start = time.perf_counter()
    for x, y in batches:
        loss = crit(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def run_bare(chapter, config, x, y):
    """Time the shortest possible loop over tensors in memory."""
    indices = torch.randperm(len(x)).split(config.batch_size)
    return run_batches(chapter, config, ((x[i], y[i]) for i in indices))


def get_torchvision_loader(config, is_flat):
    """Return a DataLoader of torchvision's dataset, as the examples of PyTorch do."""
    steps = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    if is_flat:
        steps.append(torch.flatten)
    dataset = datasets.MNIST(config.data_dir, transform=transforms.Compose(steps))
    return DataLoader(dataset, batch_size=config.batch_size, shuffle=True)


def run_torchvision(chapter, config, x, y):
    """Time the bare loop over torchvision's dataset."""
    return run_batches(chapter, config, get_torchvision_loader(config, x.dim() == 2))


def run_pipeline(loader):
    """Time a loader alone."""
    start = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - start


def measure(name, folder, n_repeats):
    """Print the row of one chapter."""
    chapter = load_chapter(name)
    with importable(chapter):
        config = get_config(chapter, folder)
        x, y = get_tensors(chapter, config)
        ways = {'ours': run_ours, 'bare': run_bare, 'torchvision': run_torchvision}
        seconds = {way: [] for way in ways}
        for _ in range(n_repeats):
            for way, run in ways.items():
                seconds[way].append(run(chapter, config, x, y))
        ours, bare, vision = (statistics.median(values) for values in seconds.values())
        print(
            f'{name:20} batch {config.batch_size:3}  ours {ours:6.2f} s  '
            f'bare {bare:6.2f} s (ours/bare {ours / bare:.2f})  '
            f'torchvision {vision:6.2f} s (ours/torchvision {ours / vision:.2f})',
            flush=True,
        )
        if hasattr(chapter, 'data_loader'):
            loader = chapter.data_loader.get_loader((x, y), config.batch_size, True)
            ours = min(run_pipeline(loader) for _ in range(3))
            vision = run_pipeline(get_torchvision_loader(config, x.dim() == 2))
            print(
                f'{"":20} data alone: ours {len(x) / ours:9,.0f} images/s  '
                f'torchvision {len(x) / vision:7,.0f} images/s '
                f'(ours/torchvision {vision / ours:.0f})',
                flush=True,
            )


def main():
    """Measure the chapters of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('chapters', nargs='*', default=CHAPTERS)
    parser.add_argument('--n_images', type=int, default=60_000)
    parser.add_argument('--n_repeats', type=int, default=3)
    config = parser.parse_args()

    print(f'torch {torch.__version__}, {torch.get_num_threads()} threads')
    with tempfile.TemporaryDirectory() as folder:
        write_images(folder, config.n_images)
        for name in config.chapters:
            measure(name, folder, config.n_repeats)


if __name__ == '__main__':
    main()
