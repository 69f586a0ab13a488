"""Chapter 04: it learns, its trainer reports and saves what is true, and its loaders.

The tests of the trainer run on every chapter that has copied it.
"""

import fcntl
import os
import re
import struct
import sys
import termios
import threading
import time
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
import torch
from attacks import run_here
from chapters import ROOT, importable, load_chapter
from ignite.engine import Engine, Events
from ignite.handlers import DiskSaver, TerminateOnNan
from ignite.metrics import Accuracy
from sklearn.metrics import accuracy_score, log_loss
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

NAME = '04_advanced_pytorch'
TRAINERS = [NAME, '05_cnn', '06_transfer_learning', '07_rnn']
DIGITS = ('--dataset', 'digits', '--hidden_sizes', 20, '--n_epochs')
NAN, INF = float('nan'), float('inf')


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """More threads wait for one another, on a busy machine for very long."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def model_fn(chapter, tmp_path_factory):
    """The checkpoint of a training with the defaults, on scikit-learn's digits."""
    model_fn = tmp_path_factory.mktemp('trained') / 'model.pth'
    arguments = ('--dataset', 'digits', '--verbose', 0)
    run_here(chapter.train, '--model_fn', model_fn, *arguments)
    return model_fn


def last_of(model_fn):
    return model_fn.with_suffix('.last.pth')


def load(fn):
    return torch.load(fn, weights_only=True)


def get_history(model_fn):
    return load(last_of(model_fn))['trainer']['history']


def is_equal(weights, others):
    return weights.keys() == others.keys() and all(
        torch.equal(weights[name], others[name]) for name in weights
    )


# ---- It learns, and says so


def test_defaults_learn_to_read_digits(chapter, model_fn, capsys):
    run_here(chapter.predict, '--model_fn', model_fn)

    accuracy = re.search(r'^accuracy: (0\.\d{4})$', capsys.readouterr().out, re.M)
    x, y = chapter.data_loader.load_mnist('digits', None, is_train=False)
    model = chapter.predict.load_model(load(model_fn))
    with torch.no_grad():
        expected = accuracy_score(y, model(x).argmax(dim=1))
    assert accuracy[1] == f'{expected:.4f}'
    assert 0.95 <= expected < 1


@pytest.mark.parametrize('verbose', [0, 1, 2])
def test_what_a_training_says(chapter, verbose, tmp_path, capsys):
    """Silent or not, it says what it runs on and where the result is."""
    model_fn = tmp_path / 'x.pth'

    run_here(chapter.train, *DIGITS, 2, '--model_fn', model_fn, '--verbose', verbose)

    stdout, stderr = capsys.readouterr()
    first, *epochs, saved, picture = stderr.splitlines()
    assert stdout == ''
    assert first == 'digits: 1293 images to train on'
    assert saved == f'saved: {model_fn}'
    assert picture == f'picture: {tmp_path / "x.png"}'
    if verbose == 0:
        assert epochs == []
    for epoch, (line, train_loss, valid_loss) in enumerate(
        zip(epochs, *get_history(model_fn).values(), strict=False), 1
    ):
        losses = f'train_loss={train_loss:.4f} valid_loss={valid_loss:.4f}'
        assert line.startswith(f'epoch {epoch}/2: {losses} valid_accuracy=')
    assert len(epochs) == (2 if verbose > 0 else 0)


def test_seed_decides_the_files_to_the_last_byte(chapter, tmp_path, monkeypatch):
    contents = []
    for number, seed in enumerate((0, 0, 1)):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        torch.seed()
        run_here(chapter.train, *DIGITS, 2, '--seed', seed)
        files = (tmp_path / str(number)).iterdir()
        contents.append({file.name: file.read_bytes() for file in files})

    names = {'model.pth', 'model.last.pth', 'model.png'}
    assert contents[0].keys() == names
    assert contents[0] == contents[1]
    for name in names:
        assert contents[0][name] != contents[2][name]


def is_plain(value):
    if isinstance(value, dict):
        return all(map(is_plain, [*value.keys(), *value.values()]))
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or type(value) in (torch.Tensor, str, int, float, bool)


def test_checkpoints_are_plain_data(model_fn):
    state = load(last_of(model_fn))
    checkpoint = load(model_fn)

    assert is_plain(checkpoint)
    assert is_plain(state)
    assert checkpoint.keys() == {'chapter', 'config', 'class_names', 'model'}
    assert checkpoint.keys() < state.keys()


def test_model_returns_logits(chapter, model_fn):
    """With a softmax too many, no loss of ten classes comes below 1.46."""
    x, y = chapter.data_loader.load_mnist('digits', None, is_train=True)
    model = chapter.predict.load_model(load(model_fn))

    with torch.no_grad():
        logits = model(x)

    assert (logits < 0).any()
    assert (logits.sum(dim=1) - 1).abs().max() > 0.1
    assert nn.functional.cross_entropy(logits, y) < 0.5
    probabilities = chapter.predict.predict(model, x)
    assert torch.allclose(probabilities, logits.softmax(dim=1), atol=1e-6)


def test_test_split_is_for_prediction_alone(chapter, tmp_path, monkeypatch, capsys):
    """A test split with wrong labels changes no training, and every score."""
    load_mnist = chapter.data_loader.load_mnist

    def load_wrong_labels(dataset, data_dir, is_train=True):
        x, y = load_mnist(dataset, data_dir, is_train)
        return x, y if is_train else (y + 1) % 10

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chapter.predict, 'save_figure', lambda figure, fn: None)
    scores = []
    for name in ('right.pth', 'wrong.pth'):
        run_here(chapter.train, *DIGITS, 6, '--model_fn', name, '--lr', 0.01)
        run_here(chapter.predict, '--model_fn', name)
        accuracy = re.search(r'^accuracy: (.*)$', capsys.readouterr().out, re.M)
        scores.append(float(accuracy[1]))
        monkeypatch.setattr(chapter.data_loader, 'load_mnist', load_wrong_labels)

    right, wrong = (load(name)['model'] for name in ('right.pth', 'wrong.pth'))
    assert is_equal(right, wrong)
    assert scores[0] > 0.8
    assert scores[1] < 0.1


# ---- The loaders


@pytest.mark.parametrize('n_samples', [8, 9, 11])
@pytest.mark.parametrize('is_train', [True, False])
def test_batches_are_those_of_single_samples(chapter, n_samples, is_train):
    """A look-up of many samples gives what a DataLoader would stack by itself."""
    tensors = [
        torch.randn(n_samples, 3),
        torch.arange(n_samples),
        torch.arange(n_samples).byte().view(-1, 1, 1).expand(-1, 2, 2),
        torch.randn(n_samples).double(),
        torch.arange(n_samples) % 2 == 0,
    ]
    loader = chapter.data_loader.get_loader(tensors, 4, is_train)
    by_samples = DataLoader(
        [loader.dataset[index] for index in range(n_samples)],
        batch_size=4,
        shuffle=is_train,
        drop_last=is_train,
        collate_fn=default_collate,
    )

    batches = []
    for either in (loader, by_samples):
        torch.manual_seed(1)
        batches.append([batch for _ in range(2) for batch in either])

    assert len(loader.dataset) == n_samples
    for batch, expected in zip(*batches, strict=True):
        assert [values.dtype for values in batch] == [t.dtype for t in tensors]
        assert all(map(torch.equal, batch, expected))


def test_batch_is_looked_up_at_once(chapter, monkeypatch):
    look_up = TensorDataset.__getitem__
    found = []

    def count(dataset, indices):
        found.append(len(indices))
        return look_up(dataset, indices)

    monkeypatch.setattr(TensorDataset, '__getitem__', count)
    list(chapter.data_loader.get_loader([torch.arange(10)], 4, is_train=False))

    assert found == [4, 4, 2]


@pytest.mark.parametrize(
    ('n_samples', 'train_sizes', 'valid_sizes'),
    [
        (9, [4, 4], [4, 4, 1]),
        (8, [4, 4], [4, 4]),
        (4, [4], [4]),
        (3, [3], [3]),
    ],
)
def test_sizes_of_batches(chapter, n_samples, train_sizes, valid_sizes):
    """No last batch of one sample in training, and no sample left out after it."""
    tensors = (torch.arange(n_samples),)
    for is_train, sizes in ((True, train_sizes), (False, valid_sizes)):
        loader = chapter.data_loader.get_loader(tensors, 4, is_train)
        assert [len(y) for (y,) in loader] == sizes


def test_training_is_shuffled_and_validation_is_not(chapter):
    tensors = (torch.arange(20),)
    train = chapter.data_loader.get_loader(tensors, 5, is_train=True)
    valid = chapter.data_loader.get_loader(tensors, 5, is_train=False)

    epochs = [torch.cat([y for (y,) in train]).tolist() for _ in range(2)]

    assert epochs[0] != epochs[1]
    for epoch in epochs:
        assert epoch != sorted(epoch) == list(range(20))
    assert torch.cat([y for (y,) in valid]).tolist() == list(range(20))


def test_loaders_split_the_training_images(chapter):
    """Disjoint, complete, and by seed."""
    parser = chapter.train.define_argparser()
    splits = []
    for seed in (3, 3, 4):
        torch.seed()
        config = parser.parse_args(['--dataset', 'digits', '--seed', str(seed)])
        loaders = chapter.data_loader.get_loaders(config)
        splits.append([loader.dataset.tensors for loader in loaders])

    x, _ = chapter.data_loader.load_mnist('digits', None, is_train=True)
    rows = torch.cat([rows for rows, _ in splits[0]])
    assert [len(rows) for rows, _ in splits[0]] == [1293, 144]
    assert sorted(rows.tolist()) == sorted(x.tolist())
    for part, same, other in zip(*splits, strict=True):
        assert all(map(torch.equal, part, same))
        assert not torch.equal(part[0], other[0])


# ---- What the trainer reports


@pytest.fixture(scope='module', params=TRAINERS)
def copy(request):
    """A chapter that has the trainer."""
    return load_chapter(request.param)


def make_trainer(copy, folder, model, crit=None, lr=0.0, **options):
    """Returns the trainer of a chapter, for a model of one's own."""
    config = {
        'seed': 0,
        'n_epochs': 1,
        'early_stop': 0,
        'verbose': 1,
        'log_dir': None,
        'model_fn': str(folder / 'x.pth'),
        'max_grad': INF,
        'amp': 'off',
    }
    return copy.trainer.Trainer(
        model,
        crit or nn.CrossEntropyLoss(),
        torch.optim.SGD(model.parameters(), lr=lr),
        {'accuracy': Accuracy()},
        {'chapter': 'made up', 'config': config | options},
    )


def make_loader(n_samples, batch_size=4):
    """Returns a loader whose last sample is far away from the others, and wrong."""
    x = torch.randn(n_samples, 3, generator=torch.Generator().manual_seed(0))
    y = x.argmax(dim=1)
    x[-1] *= 9
    y[-1] = (y[-1] + 1) % 3
    return DataLoader(TensorDataset(x, y), batch_size)


class Spy(nn.Module):
    """A linear model that writes down what it returns, and in which mode."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        nn.init.eye_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.modes = []
        self.logits = []

    def forward(self, x):
        y_hat = self.layer(x)
        self.modes.append((self.training, torch.is_grad_enabled()))
        self.logits.append(y_hat.detach())
        return y_hat


def read_report(stderr):
    """Returns the values of each epoch's line."""
    return [
        {name: float(value) for name, value in re.findall(r'(\S+)=(\S+)', line)}
        for line in stderr.splitlines()
        if line.startswith('epoch ')
    ]


def test_reported_numbers_are_those_of_scikit_learn(copy, tmp_path, capsys):
    """Exact means over all samples: the last batches are smaller, and far worse."""
    model = Spy()
    train_loader, valid_loader = make_loader(11), make_loader(9)
    trainer = make_trainer(copy, tmp_path, model, lr=0.5, n_epochs=2)

    trainer.train(train_loader, valid_loader)

    report = read_report(capsys.readouterr().err)
    assert [len(logits) for logits in model.logits] == 2 * [4, 4, 3, 4, 4, 1]
    for epoch in range(2):
        batches = model.logits[6 * epoch :]
        for name, logits, loader in (
            ('train_loss', batches[:3], train_loader),
            ('valid_loss', batches[3:6], valid_loader),
        ):
            _, y = loader.dataset.tensors
            p = torch.cat(logits).double().softmax(dim=1)
            expected = log_loss(y, p)
            found = trainer.history[name][epoch]
            assert found == pytest.approx(expected, abs=1e-5)
            assert report[epoch][name] == pytest.approx(expected, abs=1e-4)

            losses = [
                log_loss(y_i, logits_i.double().softmax(dim=1), labels=range(3))
                for logits_i, y_i in zip(logits, y.split(4), strict=True)
            ]
            assert abs(np.mean(losses) - expected) > 0.01

        accuracy = accuracy_score(y, p.argmax(dim=1))
        assert report[epoch]['valid_accuracy'] == pytest.approx(accuracy, abs=1e-4)
        assert 0 < accuracy < 1


def test_norms_are_those_of_the_last_step(copy, tmp_path, capsys):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    trainer = make_trainer(copy, tmp_path, model, lr=0.5)

    trainer.train(make_loader(10), make_loader(9))

    (report,) = read_report(capsys.readouterr().err)
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
    for name, vector in (('|param|', weights), ('|grad|', gradient)):
        assert report[name] == pytest.approx(vector.norm().item(), abs=1e-4)
    assert report.keys() == {
        'train_loss',
        'valid_loss',
        'valid_accuracy',
        '|param|',
        '|grad|',
    }


def test_log_for_tensorboard(copy, tmp_path, capsys):
    trainer = make_trainer(
        copy, tmp_path, Spy(), lr=0.5, n_epochs=3, log_dir=str(tmp_path / 'log')
    )

    trainer.train(make_loader(11), make_loader(9))

    report = read_report(capsys.readouterr().err)
    log = EventAccumulator(str(tmp_path / 'log')).Reload()
    assert sorted(log.Tags()['scalars']) == sorted(report[0])
    for name in report[0]:
        scalars = log.Scalars(name)
        values = [values[name] for values in report]
        assert [scalar.step for scalar in scalars] == [1, 2, 3]
        assert [scalar.value for scalar in scalars] == pytest.approx(values, abs=1e-4)
    for name, losses in trainer.history.items():
        values = [scalar.value for scalar in log.Scalars(name)]
        assert values == pytest.approx(losses, rel=1e-6)


def test_log_of_a_second_training_replaces_the_first(copy, tmp_path):
    for n_epochs in (3, 2):
        trainer = make_trainer(
            copy, tmp_path, Spy(), n_epochs=n_epochs, log_dir=str(tmp_path / 'log')
        )
        trainer.train(make_loader(11), make_loader(9))
        # TensorBoard reads the files of a log in the order of their second.
        time.sleep(1)

    log = EventAccumulator(str(tmp_path / 'log')).Reload()
    assert [scalar.step for scalar in log.Scalars('train_loss')] == [1, 2]


def test_no_log_unless_asked_for(copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    make_trainer(copy, tmp_path, Spy()).train(make_loader(11), make_loader(9))

    names = {file.name for file in tmp_path.iterdir()}
    assert names == {'x.pth', 'x.last.pth'}


@contextmanager
def terminal(monkeypatch):
    """Lets stderr be a terminal of 120 columns.

    Yields:
        A list, to which all that was written is appended at the end.
    """
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 120, 0, 0))
    chunks, written = [], []

    def read():
        # At the end, Linux raises an error and others return nothing.
        while True:
            try:
                chunks.append(os.read(master, 65536))
            except OSError:
                return
            if not chunks[-1]:
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with monkeypatch.context() as patch, open(slave, 'w', encoding='utf-8') as file:
            patch.setattr(sys, 'stderr', file)
            yield written
    finally:
        reader.join()
        os.close(master)
        written.append(b''.join(chunks).decode())


class SlowSpy(Spy):
    """Takes so long that a progress bar is drawn anew at each occasion."""

    def forward(self, x):
        time.sleep(0.006)
        return super().forward(x)


def test_progress_bar(copy, tmp_path, monkeypatch):
    """On a terminal it shows the norms, and it leaves no trace behind."""
    with terminal(monkeypatch) as written:
        trainer = make_trainer(copy, tmp_path, SlowSpy(), n_epochs=2, verbose=2)
        trainer.train(make_loader(50, batch_size=1), make_loader(9))

    states = re.split(r'[\r\n]+', written[0])
    number = r'\d[\d.e+-]*'
    norms = rf'loss={number}, \|param\|={number}, \|grad\|={number} '
    for epoch, n_batches in ((1, 40), (2, 30)):
        bar = rf'Epoch \[{epoch}/2\]: \[{n_batches}/50\] .*%\|.*{norms}\[00:00<'
        assert any(re.match(bar, state) for state in states)
    for before, after in pairwise(states):
        if after.startswith('epoch '):
            assert before.strip() == '', 'the bar stays before the line'


@pytest.mark.parametrize('verbose', [0, 1])
def test_no_progress_bar(copy, verbose, tmp_path, monkeypatch):
    with terminal(monkeypatch) as written:
        trainer = make_trainer(copy, tmp_path, Spy(), verbose=verbose)
        trainer.train(make_loader(50, batch_size=1), make_loader(9))

    assert 'Epoch' not in written[0]
    assert written[0].count('\n') == verbose


# ---- How the trainer trains


def test_each_batch_takes_a_step_of_its_own_gradient(copy, tmp_path):
    """Two steps by hand: had gradients been added up, the second would differ."""
    loader = make_loader(8)
    model, by_hand = Spy(), nn.Linear(3, 3)
    by_hand.load_state_dict(model.layer.state_dict())

    make_trainer(copy, tmp_path, model, lr=0.1).train(loader, make_loader(9))

    for x, y in loader:
        loss = nn.functional.cross_entropy(by_hand(x), y)
        gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
        for parameter, gradient in zip(by_hand.parameters(), gradients, strict=True):
            parameter.data -= 0.1 * gradient
    assert torch.allclose(model.layer.weight, by_hand.weight, atol=1e-6)
    assert torch.allclose(model.layer.bias, by_hand.bias, atol=1e-6)


def test_modes_take_turns(copy, tmp_path):
    model = Spy()

    make_trainer(copy, tmp_path, model, n_epochs=2).train(
        make_loader(4), make_loader(4)
    )

    assert model.modes == [(True, True), (False, False)] * 2


def test_validation_learns_nothing(copy, tmp_path):
    """Its batches leave no trace in batch normalisation, and nothing is dropped."""
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3), Spy())
    trainer = make_trainer(copy, tmp_path, model, lr=0.1)
    trainer.train(make_loader(8), make_loader(9))
    before = {name: values.clone() for name, values in model.state_dict().items()}

    metrics = [trainer.validator.run(make_loader(9)).metrics for _ in range(2)]

    assert before['1.num_batches_tracked'] == 2
    assert is_equal(model.state_dict(), before)
    x, y = make_loader(9).dataset.tensors
    expected = nn.functional.cross_entropy(model.eval()(x), y).item()
    assert [m['valid_loss'] for m in metrics] == [pytest.approx(expected, rel=1e-5)] * 2


TO_HOST = ['item', 'tolist', 'cpu', 'numpy', '__float__', '__int__', '__bool__']
TO_HOST += ['__index__', '__array__']


def test_no_step_waits_for_the_device(copy, tmp_path, monkeypatch):
    """On a GPU each such call would; one in twenty steps is what checks the loss."""
    calls = []
    for name in TO_HOST:
        method = getattr(torch.Tensor, name)

        def count(tensor, *arguments, method=method, **more):
            calls.append(method)
            return method(tensor, *arguments, **more)

        monkeypatch.setattr(torch.Tensor, name, count)

    n_calls = []
    for n_batches in (100, 200):
        batches = [(torch.randn(2, 3), torch.tensor([0, 1]))] * n_batches
        calls.clear()
        make_trainer(copy, tmp_path, Spy(), lr=0.1).train(batches, batches)
        n_calls.append(len(calls))

    assert n_calls[0] > 0
    assert n_calls[1] - n_calls[0] <= 100 / 20


def test_trainer_can_be_read_at_a_sitting():
    lines = (ROOT / NAME / 'trainer.py').read_text(encoding='utf-8').splitlines()

    assert len(lines) <= 215


# ---- What the trainer saves


class Script:
    """A criterion with prescribed losses, which writes down the weights it validates.

    Arguments:
        model: tells by its mode whether a loss is for training or for validation.
        valid_losses: one for each epoch of one batch.
        changes: functions of the loss of a training step, by the number of the step.
    """

    def __init__(self, model, valid_losses, changes=None):
        self.model = model
        self.valid_losses = iter(valid_losses)
        self.changes = changes or {}
        self.n_steps = 0
        self.epochs = []

    def __call__(self, y_hat, y):
        loss = nn.functional.cross_entropy(y_hat, y)
        if self.model.training:
            self.n_steps += 1
            return self.changes.get(self.n_steps, lambda loss, y_hat: loss)(loss, y_hat)
        weights = self.model.state_dict()
        self.epochs.append({name: values.clone() for name, values in weights.items()})
        # A loss that is no number stays what it is.
        return 0 * loss + next(self.valid_losses)


def make_scripted_trainer(copy, folder, valid_losses, changes=None, **options):
    """Returns a trainer and its script."""
    model = Spy()
    script = Script(model, valid_losses, changes)
    options = {'n_epochs': len(valid_losses), 'verbose': 0} | options
    return make_trainer(copy, folder, model, script, lr=0.5, **options), script


@pytest.mark.parametrize(
    ('early_stop', 'n_epochs', 'best_epoch', 'losses'),
    [
        (2, 5, 3, [3, 2, 1, 2, 2, 2, 2]),
        (2, 6, 4, [3, 4, 2, 1, 1, 3, 0]),
        (1, 2, 1, [3, 3, 2, 1]),
        (1, 4, 4, [4, 3, 2, 1]),
        (3, 4, 1, [1, 2, 3, 2]),
        (0, 7, 1, [1, 2, 3, 4, 5, 6, 7]),
        (0, 4, 2, [3, 1, 2, 1]),
    ],
)
def test_best_model_and_early_stopping(
    copy, early_stop, n_epochs, best_epoch, losses, tmp_path, capsys
):
    """Training stops after so many epochs without a better model, 0 never."""
    trainer, script = make_scripted_trainer(
        copy, tmp_path, losses, early_stop=early_stop
    )

    trainer.train(make_loader(8), make_loader(4))

    best, last = load(tmp_path / 'x.pth'), load(tmp_path / 'x.last.pth')
    assert last['trainer']['history']['valid_loss'] == losses[:n_epochs]
    assert last['best']['_saved'] == [(-losses[best_epoch - 1], 'best')]
    assert is_equal(best['model'], script.epochs[best_epoch - 1])
    assert is_equal(last['model'], script.epochs[n_epochs - 1])
    assert not is_equal(script.epochs[0], script.epochs[1])
    is_stopped = 0 < early_stop <= n_epochs - best_epoch
    message = f'no better model since epoch {best_epoch}: stopped early\n'
    assert capsys.readouterr().err == (message if is_stopped else '')


# How the third and last step of the second epoch may go wrong.
SPOILERS = {
    'loss not a number': lambda loss, y_hat: loss * NAN,
    'loss infinite': lambda loss, y_hat: loss * INF,
    'loss infinite, gradient zero': lambda loss, y_hat: loss * 0 + INF,
    'gradient too large': lambda loss, y_hat: (
        loss + 1e38 * (y_hat - y_hat.detach()).sum()
    ),
}


@pytest.mark.parametrize('step', [4, 6])
@pytest.mark.parametrize('spoiler', SPOILERS)
def test_loss_that_is_no_number(copy, spoiler, step, tmp_path, capsys):
    """What has been saved is that of the last good epoch."""
    changes = {step: SPOILERS[spoiler]}
    trainer, script = make_scripted_trainer(copy, tmp_path, [3, 2, 1], changes)

    with pytest.raises(copy.utils.InputError) as refusal:
        trainer.train(make_loader(12), make_loader(4))

    pattern = r'loss=(nan|inf) in epoch 2, iteration 6: lower --lr'
    assert re.fullmatch(pattern, str(refusal.value))
    best, last = load(tmp_path / 'x.pth'), load(tmp_path / 'x.last.pth')
    assert last['trainer']['iteration'] == 3
    history = last['trainer']['history']
    assert {name: len(losses) for name, losses in history.items()} == {
        'train_loss': 1,
        'valid_loss': 1,
    }
    for checkpoint in (best, last):
        assert is_equal(checkpoint['model'], script.epochs[0])
    assert capsys.readouterr().err == ''


def test_loss_that_is_no_number_is_noticed_soon(copy, tmp_path):
    changes = {5: SPOILERS['loss not a number']}
    trainer, script = make_scripted_trainer(copy, tmp_path, [1], changes)

    with pytest.raises(copy.utils.InputError, match='epoch 1, iteration 20:'):
        trainer.train(make_loader(400), make_loader(4))

    assert list(tmp_path.iterdir()) == []


def test_why_not_terminate_on_nan():
    """Ignite's handler stops a run, but what follows it in the epoch still saves."""
    saved = []
    engine = Engine(lambda engine, batch: NAN)
    engine.add_event_handler(Events.EPOCH_COMPLETED, TerminateOnNan())
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: saved.append('model'))

    engine.run([0], max_epochs=2)

    assert saved == ['model']


def test_checkpoints_are_flushed_to_the_disk(chapter, tmp_path, monkeypatch):
    """Before a file replaces the old one; DiskSaver leaves this to chance."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def count_fsync(file):
        calls.append('fsync')
        fsync(file)

    def count_replace(old, new):
        calls.append(os.path.basename(new))
        replace(old, new)

    monkeypatch.setattr(os, 'fsync', count_fsync)
    monkeypatch.setattr(os, 'replace', count_replace)

    trainer = make_trainer(chapter, tmp_path, Spy())
    trainer.train(make_loader(8), make_loader(4))
    assert calls == ['fsync', 'x.pth', 'fsync', 'x.last.pth']

    calls.clear()
    DiskSaver(tmp_path, atomic=True, require_empty=False)({'model': {}}, 'y.pth')
    assert (tmp_path / 'y.pth').exists()
    assert 'fsync' not in calls


def test_training_that_fails_at_once(chapter, tmp_path, monkeypatch, capsys):
    """Nothing is saved, and nothing is said to be."""
    load_mnist = chapter.data_loader.load_mnist

    def load_no_numbers(*arguments, **more):
        x, y = load_mnist(*arguments, **more)
        return x * NAN, y

    monkeypatch.setattr(chapter.data_loader, 'load_mnist', load_no_numbers)

    with pytest.raises(chapter.guards.InputError, match='^loss=nan in epoch 1, iterat'):
        run_here(chapter.train, *DIGITS, 3, '--model_fn', tmp_path / 'x.pth')

    assert capsys.readouterr().err == 'digits: 1293 images to train on\n'
    assert list(tmp_path.iterdir()) == []
