"""Chapter 02: it learns, and the traps of training, data, downloads and pictures."""

import copy
import gzip
import hashlib
import io
import os
import re
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attacks import run_here
from chapters import importable, load_chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, confusion_matrix
from torch import nn
from torchvision import datasets

NAME = '02_mnist_tutorial'
IS_LONG = os.environ.get('TEST_LONG') == '1'
TINY = ('--hidden_sizes', 20, '--verbose', 0)
DIGITS = ('--dataset', 'digits', '--n_epochs', 2, *TINY)


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def trained(chapter, tmp_path_factory):
    """The checkpoint of a training with the defaults, on scikit-learn's digits."""
    model_fn = tmp_path_factory.mktemp('trained') / 'model.pth'
    arguments = ('--dataset', 'digits', '--verbose', 0)
    run_here(chapter.train, '--model_fn', model_fn, *arguments)
    return model_fn


@pytest.fixture(scope='module')
def model(chapter, trained):
    return chapter.predict.load_model(torch.load(trained, weights_only=True))


@pytest.fixture(scope='module')
def digits_to_test(chapter):
    """The images, each of 28 x 28 bytes, and the labels of the test split."""
    x, y = chapter.utils.load_digits(is_train=False)
    return (x * 255).round().byte().view(-1, 28, 28).numpy(), y.numpy()


def weights_of(model_fn):
    return torch.load(model_fn, weights_only=True)['model']


def is_equal(weights, others):
    return weights.keys() == others.keys() and all(
        torch.equal(weights[name], others[name]) for name in weights
    )


def make_patterns(n_images, shift=0, seed=0):
    """Make images of noise with a bright row, and labels that say which row it is.

    Arguments:
        shift: is added to the labels, so that they are wrong in a way that is known.
    """
    generator = np.random.default_rng(seed)
    labels = np.arange(n_images) % 10
    images = generator.integers(0, 100, (n_images, 28, 28))
    images[np.arange(n_images), 2 * labels + 4] = 255
    return images.astype(np.uint8), ((labels + shift) % 10).astype(np.uint8)


def to_idx(array):
    sizes = np.array(array.shape, '>u4').tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_idx_files(folder, part, images, labels, suffix=''):
    """Write a split in MNIST's format; compressed for the suffix `.gz`."""
    folder.mkdir(parents=True, exist_ok=True)
    compress = gzip.compress if suffix else bytes
    for name, array in (('images-idx3', images), ('labels-idx1', labels)):
        file = folder / f'{part}-{name}-ubyte{suffix}'
        file.write_bytes(compress(to_idx(array)))


def write_mnist(data_dir, train, test=None):
    """Write both splits where torchvision reads them: pairs of images and labels."""
    folder = data_dir / 'MNIST' / 'raw'
    write_idx_files(folder, 'train', *train)
    write_idx_files(folder, 't10k', *(test or make_patterns(10, seed=1)))
    return folder


@pytest.fixture
def patterns(tmp_path):
    """A folder of data in the form of MNIST: 200 images, and 60 to test on."""
    folder = tmp_path / 'patterns'
    write_mnist(folder, make_patterns(200), make_patterns(60, seed=1))
    return folder


def read_scores(stdout):
    """Return the `name: value` lines as a dict and the confusion matrix."""
    lines = stdout.splitlines()
    start = lines.index('confusion_matrix:')
    scores = dict(line.split(': ') for line in lines[:start])
    rows = [line.split('\t')[1:] for line in lines[start + 2 :]]
    return scores, np.array(rows, int)


# ---- It learns, and says so


def test_defaults_learn_to_read_digits(chapter, trained, capsys):
    run_here(chapter.predict, '--model_fn', trained)

    scores, _ = read_scores(capsys.readouterr().out)
    assert scores['dataset'] == 'digits'
    assert float(scores['accuracy']) >= 0.95


def test_scores_are_those_of_scikit_learn(chapter, trained, capsys):
    run_here(chapter.predict, '--model_fn', trained)
    stdout = capsys.readouterr().out
    scores, confusions = read_scores(stdout)

    # Recomputed from the checkpoint and the images alone.
    x, labels = chapter.utils.load_digits(is_train=False)
    model = chapter.predict.load_model(torch.load(trained, weights_only=True))
    with torch.no_grad():
        answers = model(x).argmax(1)

    assert re.search(r'^accuracy: [01]\.\d{4}$', stdout, re.MULTILINE)
    assert scores['accuracy'] == f'{accuracy_score(labels, answers):.4f}'
    assert scores['n_images'] == str(len(labels)) == '360'
    assert (confusions == confusion_matrix(labels, answers)).all()
    assert (np.diag(confusions) < confusions.sum(axis=1)).any(), 'nothing is confused'


def test_pictures_are_beside_the_checkpoint(chapter, tmp_path, capsys):
    model_fn = tmp_path / 'x.pth'

    run_here(chapter.train, '--model_fn', model_fn, *DIGITS)
    assert capsys.readouterr().out == ''
    run_here(chapter.predict, '--model_fn', model_fn)

    names = ['x.png', 'x.predict.png', 'x.pth']
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names)
    for name in names[:2]:
        with Image.open(tmp_path / name) as picture:
            picture.load()
            assert picture.format == 'PNG'
            assert len(picture.convert('L').getcolors()) > 10


def test_picture_does_not_replace_a_pipe(chapter, trained, tmp_path):
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)

    with pytest.raises(chapter.utils.InputError, match=f'^{pipe}: expected a file'):
        run_here(chapter.predict, '--model_fn', trained, '--figure_fn', pipe)

    assert pipe.is_fifo()


def test_checkpoint_holds_all_that_prediction_needs(trained):
    checkpoint = torch.load(trained, weights_only=True)

    assert checkpoint['class_names'] == list('0123456789')
    assert checkpoint['config']['dataset'] == 'digits'


# ---- Traps of training


def test_no_softmax_before_cross_entropy(chapter, tmp_path, capsys):
    """With a softmax too many, no loss of ten classes comes below 1.46."""
    images, labels = make_patterns(60)
    write_mnist(tmp_path, (images, labels))
    arguments = ['--dataset', 'mnist', '--data_dir', tmp_path, '--dropout_p', 0]
    arguments += ['--n_epochs', 60, '--lr', 0.01, '--hidden_sizes', 50, '--verbose', 1]
    model_fn = tmp_path / 'model.pth'

    run_here(chapter.train, '--model_fn', model_fn, *arguments)

    losses = re.findall(r'train_loss=(\S+)', capsys.readouterr().err)
    assert float(losses[-1]) < 0.05
    model = chapter.predict.load_model(torch.load(model_fn, weights_only=True))
    x = torch.from_numpy(images / np.float32(255)).flatten(1)
    logits = model(x)
    assert (logits < 0).any()
    assert not torch.allclose(logits.sum(dim=1), torch.ones(len(x)), atol=0.1)
    probabilities = chapter.predict.predict(model, x)
    assert torch.allclose(probabilities, logits.softmax(dim=1), atol=1e-6)


def test_not_scored_on_training_data(chapter, tmp_path, capsys):
    """The labels of the test split are wrong on purpose: so must be the answers."""
    write_mnist(tmp_path, make_patterns(200), make_patterns(60, shift=1))
    arguments = ('--dataset', 'mnist', '--data_dir', tmp_path, '--lr', 0.01, *TINY)
    run_here(chapter.train, '--model_fn', tmp_path / 'model.pth', *arguments)

    run_here(chapter.predict, '--model_fn', tmp_path / 'model.pth')

    scores, confusions = read_scores(capsys.readouterr().out)
    assert scores['n_images'] == '60'
    assert float(scores['accuracy']) < 0.1
    assert np.diag(np.roll(confusions, -1, axis=0)).sum() > 50


def test_no_test_data_in_training(chapter, patterns, tmp_path):
    """With another test split, training learns the very same."""
    arguments = ('--dataset', 'mnist', '--data_dir', patterns, '--n_epochs', 1, *TINY)
    run_here(chapter.train, '--model_fn', tmp_path / 'with.pth', *arguments)
    write_mnist(patterns, make_patterns(200), make_patterns(30, shift=1, seed=2))

    run_here(chapter.train, '--model_fn', tmp_path / 'other.pth', *arguments)

    assert is_equal(
        weights_of(tmp_path / 'with.pth'), weights_of(tmp_path / 'other.pth')
    )


def test_splits_of_the_digits_are_disjoint_and_complete(chapter):
    parts = [chapter.utils.load_digits(is_train) for is_train in (True, False)]

    images = [image.numpy().tobytes() for part, _ in parts for image in part]
    assert [len(part) for part, _ in parts] == [1437, 360]
    assert len(set(images)) == len(images) == len(load_digits().images)
    labels = Counter(np.concatenate([labels for _, labels in parts]).tolist())
    assert labels == Counter(load_digits().target.tolist())


@pytest.mark.parametrize(('n_samples', 'ratio'), [(100, 0.1), (7, 0.5), (10, 0.01)])
def test_training_and_validation_are_disjoint_and_complete(chapter, n_samples, ratio):
    y = torch.arange(n_samples)
    x = y[:, None] * torch.tensor([1.0, 10.0])

    train, valid = chapter.utils.split_data(x, y, ratio, seed=0)

    assert len(valid[1]) == max(1, round(n_samples * ratio))
    assert sorted(torch.cat([train[1], valid[1]]).tolist()) == y.tolist()
    for x_i, y_i in (train, valid):
        assert torch.equal(x_i, x[y_i])


def test_split_is_by_seed_and_by_nothing_else(chapter):
    x = y = torch.arange(100)
    splits = []
    for seed in (0, 0, 1):
        torch.seed()
        splits.append(chapter.utils.split_data(x, y, 0.1, seed)[1][0].tolist())

    assert splits[0] == splits[1] != splits[2]
    assert splits[0] != sorted(splits[0])


def test_what_is_validated_on_is_not_trained_on(chapter, patterns, monkeypatch):
    seen = []
    monkeypatch.setattr(
        chapter.trainer.Trainer, 'train', lambda trainer, *data: seen.extend(data)
    )
    arguments = ('--dataset', 'mnist', '--data_dir', patterns, '--seed', 5)

    run_here(chapter.train, '--model_fn', patterns / 'model.pth', *arguments)

    (train_x, train_y), (valid_x, valid_y), _ = seen
    x, y = chapter.utils.load_mnist('mnist', patterns, is_train=True)
    expected = chapter.utils.split_data(x, y, 0.1, seed=5)
    assert torch.equal(train_x, expected[0][0])
    assert torch.equal(train_y, expected[0][1])
    assert torch.equal(valid_x, expected[1][0])
    assert torch.equal(valid_y, expected[1][1])


class Spy(nn.Module):
    """A linear model that writes down how it was called."""

    def __init__(self, input_size=3, output_size=2):
        super().__init__()
        self.layer = nn.Linear(input_size, output_size)
        self.batches = []
        self.modes = []

    def forward(self, x):
        self.batches.append(x)
        self.modes.append((self.training, torch.is_grad_enabled()))
        return self.layer(x)


def make_trainer(chapter, model, lr=0.0):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    return chapter.trainer.Trainer(model, nn.CrossEntropyLoss(), optimizer)


def make_config(n_epochs=1, batch_size=4):
    return SimpleNamespace(n_epochs=n_epochs, batch_size=batch_size, verbose=0)


def make_data(n_samples):
    x = torch.randn(n_samples, 3, generator=torch.Generator().manual_seed(0))
    x[0] *= 100
    return x, torch.arange(n_samples) % 2


def test_epoch_loss_is_the_mean_over_samples(chapter):
    """One sample weighs a lot, and the last batches are smaller than the others."""
    model = Spy()
    train_data, valid_data = make_data(11), make_data(9)
    trainer = make_trainer(chapter, model)

    trainer.train(train_data, valid_data, make_config(batch_size=4))

    sizes = [len(batch) for batch in model.batches]
    assert len(set(sizes[:-3])) > 1
    assert sizes[-3:] == [4, 4, 1]
    for name, (x, y) in (('train_loss', train_data), ('valid_loss', valid_data)):
        expected = nn.functional.cross_entropy(model(x), y).item()
        assert trainer.history[name] == [pytest.approx(expected, rel=1e-5)]


def test_reported_losses_are_those_of_the_history(chapter, capsys):
    trainer = make_trainer(chapter, Spy(), lr=0.1)
    config = make_config(n_epochs=2)
    config.verbose = 1

    trainer.train(make_data(11), make_data(9), config)

    losses = zip(*trainer.history.values(), strict=True)
    assert capsys.readouterr().err.splitlines() == [
        f'epoch {epoch}/2: train_loss={train_loss:.4f} valid_loss={valid_loss:.4f}'
        for epoch, (train_loss, valid_loss) in enumerate(losses, start=1)
    ]


@pytest.mark.parametrize(
    ('n_samples', 'batch_size'),
    [(257, 256), (513, 256), (3, 2), (5, 2), (5, 4), (2, 2), (2, 256), (10, 3)],
)
def test_no_batch_of_one(chapter, n_samples, batch_size):
    """Batch normalisation can't train on one sample; and none may be left out."""
    spy = Spy()
    model = nn.Sequential(nn.BatchNorm1d(3), spy)
    x, y = make_data(n_samples)

    make_trainer(chapter, model)._train(x, y, make_config(batch_size=batch_size))

    assert min(len(batch) for batch in spy.batches) >= 2
    assert sum(len(batch) for batch in spy.batches) == n_samples


def test_training_set_that_leaves_a_batch_of_one(chapter, tmp_path):
    write_mnist(tmp_path, make_patterns(286))
    arguments = ('--dataset', 'mnist', '--data_dir', tmp_path, '--n_epochs', 1, *TINY)

    run_here(chapter.train, '--model_fn', tmp_path / 'model.pth', *arguments)

    assert (286 - round(0.1 * 286)) % 256 == 1
    assert (tmp_path / 'model.pth').exists()


def test_every_sample_once_an_epoch_in_another_order(chapter):
    model = Spy()
    x, y = make_data(11)
    trainer = make_trainer(chapter, model)

    epochs = []
    for _ in range(2):
        trainer._train(x, y, make_config())
        epochs.append(torch.cat(model.batches))
        model.batches.clear()

    assert not torch.equal(*epochs)
    for epoch in epochs:
        assert sorted(epoch.tolist()) == sorted(x.tolist())


def test_each_batch_takes_a_step_of_its_own_gradient(chapter):
    """Two steps by hand: had gradients been added up, the second would differ."""
    x, y = make_data(4)
    model = Spy()
    by_hand = copy.deepcopy(model)

    make_trainer(chapter, model, lr=0.01)._train(x, y, make_config(batch_size=2))

    for x_i in model.batches:
        y_i = torch.stack([y[(x == row).all(dim=1)][0] for row in x_i])
        loss = nn.functional.cross_entropy(by_hand.layer(x_i), y_i)
        gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(
                by_hand.parameters(), gradients, strict=True
            ):
                parameter -= 0.01 * gradient
    assert len(model.batches) == 2
    assert torch.allclose(model.layer.weight, by_hand.layer.weight, atol=1e-6)


def test_validation_learns_nothing(chapter):
    """Its batches leave no trace in batch normalisation, and nothing is dropped."""
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3), Spy())
    x, y = make_data(9)
    trainer = make_trainer(chapter, model, lr=0.1)
    trainer._train(x, y, make_config())
    before = copy.deepcopy(model.state_dict())

    losses = [trainer._validate(x, y, make_config()) for _ in range(2)]

    assert is_equal(model.state_dict(), before)
    expected = nn.functional.cross_entropy(model.eval()(x), y).item()
    assert losses == [pytest.approx(expected, rel=1e-5)] * 2


def test_modes_take_turns(chapter):
    model = Spy()

    data = make_data(2), make_data(2)
    make_trainer(chapter, model).train(*data, make_config(n_epochs=2))

    assert model.modes == [(True, True), (False, False)] * 2


@pytest.fixture
def script_losses(chapter, monkeypatch):
    """Return a function that prescribes the losses; it gives the weights by epoch."""

    def prescribe(train_losses, valid_losses):
        epochs = []
        train_losses, valid_losses = iter(train_losses), iter(valid_losses)
        train = chapter.trainer.Trainer._train

        def train_and_report(trainer, *arguments):
            train(trainer, *arguments)
            epochs.append(copy.deepcopy(trainer.model.state_dict()))
            return next(train_losses)

        monkeypatch.setattr(chapter.trainer.Trainer, '_train', train_and_report)
        monkeypatch.setattr(
            chapter.trainer.Trainer, '_validate', lambda *_: next(valid_losses)
        )
        return epochs

    return prescribe


def test_best_model_is_saved_not_the_last(
    chapter, patterns, tmp_path, script_losses, capsys
):
    epochs = script_losses([9, 8, 7, 6], [3, 1, 2, 1])
    arguments = ('--dataset', 'mnist', '--data_dir', patterns, '--n_epochs', 4, *TINY)

    run_here(chapter.train, '--model_fn', tmp_path / 'model.pth', *arguments)

    best = weights_of(tmp_path / 'model.pth')
    assert [is_equal(best, weights) for weights in epochs] == [0, 1, 0, 0]
    assert f'saved: {tmp_path / "model.pth"}' in capsys.readouterr().err


def test_ctrl_c_saves_the_best_so_far(chapter, patterns, tmp_path, script_losses):
    def press_ctrl_c():
        yield from [2, 1]
        raise KeyboardInterrupt

    epochs = script_losses([9, 8, 7], press_ctrl_c())
    arguments = ('--dataset', 'mnist', '--data_dir', patterns, '--n_epochs', 9, *TINY)

    with pytest.raises(KeyboardInterrupt):
        run_here(chapter.train, '--model_fn', tmp_path / 'model.pth', *arguments)

    best = weights_of(tmp_path / 'model.pth')
    assert [is_equal(best, weights) for weights in epochs] == [0, 1, 0]
    assert (tmp_path / 'model.png').exists()


NAN, INF = float('nan'), float('inf')


@pytest.mark.parametrize(
    ('train_losses', 'valid_losses'),
    [([2, 1, NAN], [2, 1, NAN]), ([2, 1, INF], [2, 1, 3]), ([2, 1, 0], [2, 1, INF])],
)
def test_loss_that_is_no_number_keeps_the_best(
    chapter, patterns, tmp_path, script_losses, train_losses, valid_losses
):
    epochs = script_losses(train_losses, valid_losses)
    arguments = ('--dataset', 'mnist', '--data_dir', patterns, '--n_epochs', 9, *TINY)

    with pytest.raises(chapter.utils.InputError, match='^.* in epoch 3: lower --lr$'):
        run_here(chapter.train, '--model_fn', tmp_path / 'model.pth', *arguments)

    best = weights_of(tmp_path / 'model.pth')
    assert [is_equal(best, weights) for weights in epochs] == [0, 1, 0]


@pytest.mark.parametrize('losses', [([NAN], [NAN]), ([1], [INF])])
def test_loss_that_never_was_a_number_keeps_the_old_file(
    chapter, patterns, tmp_path, script_losses, losses
):
    script_losses(*losses)
    (tmp_path / 'model.pth').write_text('old', encoding='utf-8')
    arguments = ('--dataset', 'mnist', '--data_dir', patterns, '--n_epochs', 1, *TINY)

    with pytest.raises(chapter.utils.InputError, match='^.* in epoch 1: lower --lr$'):
        run_here(chapter.train, '--model_fn', tmp_path / 'model.pth', *arguments)

    assert (tmp_path / 'model.pth').read_text(encoding='utf-8') == 'old'


def test_seed_decides_the_weights_to_the_last_bit(chapter, tmp_path):
    runs = []
    for number, seed in enumerate((0, 0, 1)):
        model_fn = tmp_path / f'{number}.pth'
        run_here(chapter.train, '--model_fn', model_fn, '--seed', seed, *DIGITS)
        runs.append(weights_of(model_fn))
        torch.seed()

    assert is_equal(runs[0], runs[1])
    assert not is_equal(runs[0], runs[2])


def test_seed_decides_where_training_starts(chapter, tmp_path, monkeypatch):
    starts = []
    monkeypatch.setattr(
        chapter.trainer.Trainer,
        'train',
        lambda trainer, *_: starts.append(trainer.model.state_dict()),
    )
    for seed in (0, 0, 1):
        model_fn = tmp_path / 'model.pth'
        run_here(chapter.train, '--model_fn', model_fn, '--seed', seed, *DIGITS)

    assert is_equal(starts[0], starts[1])
    assert not is_equal(starts[0], starts[2])


# ---- Traps of prediction


def test_one_image_gets_what_it_gets_among_others(chapter, model, digits_to_test):
    x = torch.from_numpy(digits_to_test[0] / np.float32(255)).flatten(1)

    together = chapter.predict.predict(model, x)

    in_parts = chapter.predict.predict(model, x, batch_size=7)
    alone = torch.cat([chapter.predict.predict(model, x_i[None]) for x_i in x[:20]])
    assert torch.allclose(in_parts, together, atol=1e-6)
    assert torch.allclose(alone, together[:20], atol=1e-6)
    assert torch.allclose(together.sum(dim=1), torch.ones(len(x)))


def test_images_are_scaled_alike_for_training_and_test(chapter, tmp_path):
    images, labels = make_patterns(60)
    write_mnist(tmp_path, (images, labels), (images, labels))

    loaded = [
        chapter.utils.load_mnist('mnist', tmp_path, is_train)
        for is_train in (True, False)
    ]

    for x, y in loaded:
        assert torch.equal(x, torch.from_numpy(images / np.float32(255)).flatten(1))
        assert (x.dtype, x.max()) == (torch.float32, 1)
        assert (y.dtype, y.tolist()) == (torch.int64, labels.tolist())


# ---- Files in MNIST's format


IDX = to_idx(make_patterns(3)[0])
BAD_IDX_FILES = {
    'empty': b'',
    'header only': IDX[:4],
    'cut sizes': IDX[:7],
    'cut values': IDX[:-1],
    'wrong beginning': b'\1' + IDX[1:],
    'other type': b'\0\0\x0d' + IDX[3:],
    'many dimensions': b'\0\0\x08\xff' + b'\0\0\0\1' * 255 + b'x',
    'huge sizes': b'\0\0\x08\2' + b'\xff' * 8 + b'x',
    'gzip without its suffix': gzip.compress(IDX),
}


@pytest.mark.parametrize('dataset', ['auto', 'mnist'])
@pytest.mark.parametrize('content', BAD_IDX_FILES.values(), ids=BAD_IDX_FILES)
def test_damaged_files_are_one_line(chapter, content, dataset, tmp_path):
    """Nor does auto hide them, by continuing with the digits."""
    folder = write_mnist(tmp_path, make_patterns(3))
    (folder / 'train-images-idx3-ubyte').write_bytes(content)

    with pytest.raises(chapter.utils.InputError) as failure:
        chapter.utils.find_dataset(dataset, tmp_path)

    assert str(failure.value).startswith(f'{tmp_path / "MNIST"}: damaged')
    assert str(failure.value).splitlines() == [str(failure.value)]


@settings(max_examples=10_000 if IS_LONG else 300, deadline=None)
@given(
    content=st.binary()
    | st.builds(
        lambda sizes, values: (
            bytes([0, 0, 8, len(sizes)])
            + b''.join(size.to_bytes(4, 'big') for size in sizes)
            + values
        ),
        st.lists(st.integers(0, 3) | st.integers(0, 2**32 - 1), max_size=5),
        st.binary(max_size=30),
    ),
    name=st.sampled_from(['train-images-idx3-ubyte', 'train-labels-idx1-ubyte']),
)
def test_any_file_is_read_or_refused(chapter, content, name, tmp_path_factory):
    data_dir = tmp_path_factory.getbasetemp() / 'any'
    (write_mnist(data_dir, make_patterns(3)) / name).write_bytes(content)

    try:
        x, y = chapter.utils.load_mnist('mnist', data_dir)
    except chapter.utils.InputError as error:
        assert str(error).splitlines() == [str(error)]
    else:
        assert x.shape == (len(y), 784)
        assert y.max() <= 9


ZEROS = {size: np.zeros(size, np.uint8) for size in (0, 4, 5)}
BLACK = {size: np.zeros((size, 28, 28), np.uint8) for size in (0, 4, 5)}
BAD_DATASETS = {
    'more labels than images': (BLACK[4], ZEROS[5]),
    'more images than labels': (BLACK[5], ZEROS[4]),
    'no images': (BLACK[0], ZEROS[0]),
    'images of another size': (np.zeros((4, 32, 32), np.uint8), ZEROS[4]),
    'images in one dimension': (np.zeros((4, 784), np.uint8), ZEROS[4]),
    'labels in no dimension': (BLACK[4], np.zeros((), np.uint8)),
    'labels in two dimensions': (BLACK[4], np.zeros((4, 1), np.uint8)),
    'labels and images exchanged': (ZEROS[4], BLACK[4]),
    'a label of 10': (BLACK[4], np.array([0, 1, 10, 2], np.uint8)),
}


@pytest.mark.parametrize(('images', 'labels'), BAD_DATASETS.values(), ids=BAD_DATASETS)
def test_bad_dataset(chapter, images, labels, tmp_path):
    write_mnist(tmp_path, (images, labels))

    with pytest.raises(chapter.utils.InputError, match=f'^{tmp_path}.*: damaged.*$'):
        chapter.utils.load_mnist('mnist', tmp_path)


# ---- Downloads, from a server in this process


@contextmanager
def serve(files, trouble=None):
    """Serve files on a port of this machine, and give the address.

    Arguments:
        files: their contents by name.
        trouble: what goes wrong: `changed`, `missing`, `cut` or `stalled`.
    """
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802 - the name that http.server asks for
            content = files[self.path.removeprefix('/')]
            if trouble == 'stalled':
                # Who waits that long, gets it: so impatience is needed to fail here.
                is_over.wait(5)
            self.send_response(404 if trouble == 'missing' else 200)
            self.send_header('Content-Length', len(content))
            self.end_headers()
            if trouble == 'cut':
                content = content[: len(content) // 2]
            if trouble == 'changed':
                content = content[::-1]
            self.wfile.write(content)

        def log_message(self, *arguments):
            """Say nothing on stderr."""

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_port}/'
    finally:
        is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def mirrored_files(tmp_path):
    """The four files of a small MNIST, as a mirror has them."""
    folder = tmp_path / 'mirror'
    for part, n_images in (('train', 20), ('t10k', 10)):
        write_idx_files(folder, part, *make_patterns(n_images), '.gz')
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def set_mirror(monkeypatch, mirrored_files):
    """Return a function that lets torchvision download from an address."""
    hashes = [
        (name, hashlib.md5(content).hexdigest())
        for name, content in mirrored_files.items()
    ]
    monkeypatch.setenv('no_proxy', '*')

    def set_address(address):
        for dataset in (datasets.MNIST, datasets.FashionMNIST):
            monkeypatch.setattr(dataset, 'mirrors', [address])
            monkeypatch.setattr(dataset, 'resources', hashes)

    return set_address


@pytest.mark.parametrize(
    ('dataset', 'folder'),
    [('auto', 'MNIST'), ('mnist', 'MNIST'), ('fashion_mnist', 'FashionMNIST')],
)
def test_download(
    chapter, dataset, folder, mirrored_files, set_mirror, tmp_path, capfd
):
    data_dir = tmp_path / 'data'
    with serve(mirrored_files) as address:
        set_mirror(address)
        found = chapter.utils.find_dataset(dataset, data_dir)

    assert found == ('mnist' if dataset == 'auto' else dataset)
    assert capfd.readouterr().out == ''
    assert not set(mirrored_files) - {file.name for file in data_dir.rglob('*')}
    assert {file.parent for file in data_dir.rglob('*') if file.is_file()} == {
        data_dir / folder / 'raw'
    }
    for is_train, n_images in ((True, 20), (False, 10)):
        x, y = chapter.utils.load_mnist(found, data_dir, is_train)
        images, labels = make_patterns(n_images)
        assert torch.equal(x, torch.from_numpy(images / np.float32(255)).flatten(1))
        assert y.tolist() == labels.tolist()
    # The server has gone, and nobody misses it.
    assert chapter.utils.find_dataset(dataset, data_dir) == found


TROUBLES = ['changed', 'missing', 'cut', 'stalled', 'closed']


@pytest.fixture(params=TROUBLES)
def broken_mirror(request, mirrored_files, set_mirror, monkeypatch):
    """A mirror from which nothing can be had; a stalled one loses our patience soon."""
    patience = socket.setdefaulttimeout
    monkeypatch.setattr(
        socket, 'setdefaulttimeout', lambda seconds: patience(seconds and 0.2)
    )
    with serve(mirrored_files, request.param) as address:
        set_mirror(address)
        if request.param != 'closed':
            yield
    if request.param == 'closed':
        yield
    patience(None)


@pytest.mark.parametrize('dataset', ['mnist', 'fashion_mnist'])
def test_failed_download_of_what_is_insisted_on(
    chapter, dataset, broken_mirror, tmp_path, capfd
):
    data_dir = tmp_path / 'data'

    with pytest.raises(chapter.utils.InputError) as failure:
        chapter.utils.find_dataset(dataset, data_dir)

    assert str(failure.value).startswith(f'{data_dir}')
    assert str(failure.value).splitlines() == [str(failure.value)]
    assert capfd.readouterr().out == ''
    assert list(data_dir.rglob('*-ubyte')) == []


def test_failed_download_falls_back_on_digits(chapter, broken_mirror, tmp_path, capfd):
    assert chapter.utils.find_dataset('auto', tmp_path / 'data') == 'digits'

    stdout, stderr = capfd.readouterr()
    warnings = [line for line in stderr.splitlines() if 'warning' in line]
    assert len(warnings) == 1
    assert warnings[0].startswith('warning: ')
    assert warnings[0].endswith("scikit-learn's 1,797 small digits")
    assert stdout == ''


def test_folder_that_can_not_be_made_falls_back_on_digits(chapter, tmp_path, capsys):
    (tmp_path / 'file').write_text('', encoding='utf-8')

    found = chapter.utils.find_dataset('auto', tmp_path / 'file' / 'data')

    assert found == 'digits'
    assert 'Not a directory' in capsys.readouterr().err


def test_nothing_is_downloaded_without_need(chapter, patterns, monkeypatch):
    monkeypatch.setattr(datasets.mnist, 'download_and_extract_archive', None)

    assert chapter.utils.find_dataset('digits', patterns / 'missing') == 'digits'
    for dataset in ('auto', 'mnist'):
        assert chapter.utils.find_dataset(dataset, patterns) == 'mnist'


# ---- A person's own pictures


def enlarge(image, size=300):
    """Return a picture of a digit, dark on light, from 28 x 28 bytes of ink."""
    return Image.fromarray(255 - image).resize((size, size), Image.Resampling.BICUBIC)


def invert(picture):
    return Image.eval(picture, lambda value: 255 - value)


def on_wide_paper(picture):
    paper = Image.new('L', (700, 400), 'white')
    paper.paste(picture, (350, 40))
    return paper


def cut_to_its_edges(picture):
    return picture.crop(invert(picture).getbbox())


def in_grey(picture):
    return Image.eval(picture, lambda value: 60 + value // 2)


def transparent(picture, colour):
    """Ink of a colour, and no paper at all."""
    image = Image.new('RGBA', picture.size, colour)
    image.putalpha(invert(picture))
    return image


def sideways_with_a_note_that_says_so(picture):
    turned = picture.rotate(90)
    turned.getexif()[0x0112] = 6
    return turned


# Ways in which people have a digit, each made from one in black on white.
STYLES = {
    'dark on light': lambda picture: picture,
    'light on dark': invert,
    'on wide paper': on_wide_paper,
    'light on dark, on wide paper': lambda picture: invert(on_wide_paper(picture)),
    'cut to its edges': cut_to_its_edges,
    'in grey': in_grey,
    'in colours': lambda picture: picture.convert('RGB'),
    'black on nothing': lambda picture: transparent(picture, 'black'),
    'white on nothing': lambda picture: transparent(picture, 'white'),
    'palette': lambda picture: picture.convert('P'),
    'two colours': lambda picture: picture.convert('1', dither=Image.Dither.NONE),
    '16 bits': lambda picture: Image.fromarray(np.asarray(picture) * np.uint16(257)),
    'sideways with a note that says so': sideways_with_a_note_that_says_so,
}


@pytest.mark.parametrize('style', STYLES.values(), ids=STYLES)
def test_pictures_are_read(chapter, model, style, digits_to_test, tmp_path):
    images, labels = (part[:60] for part in digits_to_test)
    found = []
    for image in images:
        picture = style(enlarge(image))
        picture.save(tmp_path / 'digit.png', exif=picture.getexif())
        found.append(chapter.pictures.read_image(tmp_path / 'digit.png'))

    x = torch.from_numpy(np.stack(found)).flatten(1)
    answers = chapter.predict.predict(model, x).argmax(dim=1)

    # Not all that the test split gets: scikit-learn did not centre its digits by mass.
    assert accuracy_score(labels, answers) >= 0.8


@pytest.mark.parametrize('number', range(5))
def test_picture_is_centred_and_scaled(chapter, digits_to_test, number, tmp_path):
    fn = tmp_path / 'digit.png'
    on_wide_paper(enlarge(digits_to_test[0][number])).save(fn)

    image = chapter.pictures.read_image(fn)

    ink = np.nonzero(image)
    assert image.shape == (28, 28)
    assert (image.min(), image.max()) == (0, 1)
    assert max(np.ptp(ink[0]), np.ptp(ink[1])) + 1 == 20
    for axis in (0, 1):
        centre = np.average(np.arange(28) + 0.5, weights=image.sum(axis=1 - axis))
        assert centre == pytest.approx(14, abs=0.6)


@pytest.mark.parametrize('number', range(5))
def test_picture_and_its_negative_are_the_same(
    chapter, digits_to_test, number, tmp_path
):
    picture = on_wide_paper(enlarge(digits_to_test[0][number]))
    picture.save(tmp_path / 'dark.png')
    invert(picture).save(tmp_path / 'light.png')

    dark, light = (
        chapter.pictures.read_image(tmp_path / name)
        for name in ('dark.png', 'light.png')
    )

    assert np.allclose(dark, light, atol=0.01)


def test_thin_line_is_read(chapter, tmp_path):
    """Scaled to a height of 20, its width of a pixel must not become none."""
    picture = Image.new('L', (300, 300), 'white')
    picture.paste('black', (150, 20, 151, 280))
    picture.save(tmp_path / 'one.png')

    image = chapter.pictures.read_image(tmp_path / 'one.png')

    assert np.nonzero(image.max(axis=0))[0].tolist() in ([13], [14])
    assert np.nonzero(image.max(axis=1))[0].tolist() == list(range(4, 24))


def to_png(picture):
    file = io.BytesIO()
    picture.save(file, 'PNG')
    return file.getvalue()


PNG = to_png(enlarge(make_patterns(1)[0][0]))
BAD_PICTURES = {
    'empty': b'',
    'text': b'seven\n',
    'cut': PNG[: len(PNG) // 2],
    'cut in the header': PNG[:20],
    'damaged': PNG[:40] + b'\xff' * 20 + PNG[60:],
    # Pillow finds no name of a part there, and calls that a SyntaxError.
    'wrong length of a part': PNG[:33] + (len(PNG) // 2).to_bytes(4, 'big') + PNG[37:],
    'one pixel': to_png(Image.new('L', (1, 1), 'white')),
    'one colour': to_png(Image.new('L', (300, 300), 'white')),
    'nearly one colour': to_png(Image.effect_noise((300, 300), 1)),
    'transparent': to_png(Image.new('RGBA', (300, 300), (0, 0, 0, 0))),
}


@pytest.mark.parametrize('content', BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_bad_picture(chapter, content, tmp_path):
    fn = tmp_path / 'digit.png'
    fn.write_bytes(content)

    with pytest.raises(chapter.utils.InputError) as failure:
        chapter.pictures.read_image(fn)

    assert str(failure.value).startswith(f'{fn}: expected a ')
    assert str(failure.value).splitlines() == [str(failure.value)]


@pytest.mark.parametrize('name', ['missing.png', '.'])
def test_no_picture(chapter, name, tmp_path):
    with pytest.raises(chapter.utils.InputError, match='expected a picture'):
        chapter.pictures.read_image(tmp_path / name)


@settings(max_examples=3_000 if IS_LONG else 100, deadline=None)
@given(pixels=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_any_pixels_are_read_or_refused(chapter, pixels, tmp_path_factory):
    fn = tmp_path_factory.getbasetemp() / 'any.png'
    Image.fromarray(pixels).save(fn)

    try:
        image = chapter.pictures.read_image(fn)
    except chapter.utils.InputError as error:
        assert 'one colour' in str(error)
        assert np.ptp(pixels) < 32
    else:
        assert image.shape == (28, 28)
        assert image.dtype == np.float32
        assert (image.min(), image.max()) == (0, 1)


@settings(max_examples=10_000 if IS_LONG else 300, deadline=None)
@given(
    cut=st.integers(0, len(PNG)),
    changes=st.lists(
        st.tuples(
            st.integers(0, 80) | st.integers(0, len(PNG) - 1), st.binary(max_size=4)
        ),
        max_size=4,
    ),
)
def test_any_picture_is_read_or_refused(chapter, cut, changes, tmp_path_factory):
    content = PNG
    for start, change in changes:
        content = content[:start] + change + content[start + len(change) :]
    fn = tmp_path_factory.getbasetemp() / 'any.png'
    fn.write_bytes(content[:cut] if cut % 2 else content)

    try:
        assert chapter.pictures.read_image(fn).shape == (28, 28)
    except chapter.utils.InputError as error:
        assert str(error).splitlines() == [str(error)]


def test_a_picture_in_is_a_line_out(
    chapter, trained, model, digits_to_test, tmp_path, capsys
):
    fns = [tmp_path / f'{number}.png' for number in range(3)]
    for fn, image in zip(fns, digits_to_test[0], strict=False):
        enlarge(image).save(fn)
    fns.append(fns[0])
    figure_fn = tmp_path / 'seen.png'

    arguments = ('--image', *fns, '--figure_fn', figure_fn)
    run_here(chapter.predict, '--model_fn', trained, *arguments)

    x = np.stack([chapter.pictures.read_image(fn).flatten() for fn in fns])
    p, y_hat = chapter.predict.predict(model, torch.from_numpy(x)).sort(descending=True)
    expected = [
        '\t'.join([str(fn), *(f'{y_hat[i, j]} {p[i, j]:.4f}' for j in range(3))])
        for i, fn in enumerate(fns)
    ]
    assert capsys.readouterr().out.splitlines() == expected
    assert expected[0] == expected[3]
    with Image.open(figure_fn) as picture:
        picture.load()


def test_bad_picture_among_good_ones(chapter, trained, tmp_path, capsys):
    (tmp_path / 'good.png').write_bytes(PNG)
    fns = (tmp_path / 'good.png', tmp_path / 'missing.png')

    with pytest.raises(SystemExit, match='^2$'):
        run_here(chapter.predict, '--model_fn', trained, '--image', *fns)

    captured = capsys.readouterr()
    assert captured.out.startswith(f'{fns[0]}\t')
    assert captured.out.count('\n') == 1
    assert captured.err.startswith(f'error: {fns[1]}: expected a picture')


@pytest.mark.parametrize('n_epochs', [1, 2, 3, 5])
def test_learning_curve_has_whole_epochs_and_plain_numbers(
    chapter, n_epochs, tmp_path, monkeypatch
):
    """Even a single epoch is a point, and no label is a power of ten."""
    figures, savefig = [], Figure.savefig

    def save_and_read(figure, *arguments, **options):
        savefig(figure, *arguments, **options)
        axes = figure.axes[0]
        assert all(line.get_marker() == '.' for line in axes.lines)
        first, last = axes.get_xlim()
        epochs = [x for x in axes.get_xticks() if first <= x <= last]
        labels = [label.get_text() for label in axes.get_yticklabels(which='both')]
        figures.append((epochs, labels))

    monkeypatch.setattr(Figure, 'savefig', save_and_read)
    losses = [0.9 / 2**i for i in range(n_epochs)]
    chapter.utils.draw_learning_curve({'train_loss': losses}, tmp_path / 'x.png')

    [(epochs, labels)] = figures
    assert epochs == [*range(1, n_epochs + 1)]
    assert any(label for label in labels)
    assert not any('10^' in label or 'times' in label for label in labels)
