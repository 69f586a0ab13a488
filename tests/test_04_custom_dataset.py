"""Chapter 04, custom_dataset: it learns, its splits and statistics, and tables."""

import io
import os
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from attacks import run_here, run_quickly
from chapters import copy_chapter, importable, load_chapter, run
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

NAME = '04_advanced_pytorch/custom_dataset'
IS_LONG = os.environ.get('TEST_LONG') == '1'
TINY = ('--n_epochs', 2, '--early_stop', 0, '--verbose', 0)
NAN, INF = float('nan'), float('inf')


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def model_fn(chapter, tmp_path_factory):
    """The checkpoint of a training with the defaults."""
    model_fn = tmp_path_factory.mktemp('trained') / 'model.pth'
    run_here(chapter.train, '--model_fn', model_fn, '--verbose', 0)
    return model_fn


@pytest.fixture(scope='module')
def checkpoint(model_fn):
    return torch.load(model_fn, weights_only=True)


@pytest.fixture(scope='module')
def model(chapter, checkpoint):
    return chapter.predict.load_model(checkpoint)


@pytest.fixture(scope='module')
def splits(chapter):
    """The rows and classes for training, validation and test, as numpy arrays."""
    return [(x.numpy(), y.numpy()) for x, y in chapter.data_loader.load_splits(seed=0)]


def predict_by_hand(model, splits, x):
    """Returns the probabilities from the model and numpy's statistics alone."""
    train_x, _ = splits[0]
    x = (x - train_x.mean(axis=0)) / train_x.std(axis=0, ddof=1)
    with torch.no_grad():
        return model(torch.from_numpy(x)).softmax(dim=1)[:, 1].numpy()


def read_scores(stdout):
    return dict(line.split(': ') for line in stdout.splitlines())


# ---- It learns, and says so


def test_defaults_learn_to_tell_tumours_apart(chapter, model_fn, capsys):
    run_here(chapter.predict, '--model_fn', model_fn)

    scores = read_scores(capsys.readouterr().out)
    assert float(scores['accuracy']) >= 0.93
    assert float(scores['roc_auc']) >= 0.98


def test_scores_are_those_of_scikit_learn(chapter, model_fn, model, splits, capsys):
    x, y = splits[2]
    p = predict_by_hand(model, splits, x)
    y_hat = p > 0.5

    run_here(chapter.predict, '--model_fn', model_fn)

    assert read_scores(capsys.readouterr().out) == {
        'n_rows': str(len(y)),
        'accuracy': f'{metrics.accuracy_score(y, y_hat):.4f}',
        'precision': f'{metrics.precision_score(y, y_hat):.4f}',
        'recall': f'{metrics.recall_score(y, y_hat):.4f}',
        'roc_auc': f'{metrics.roc_auc_score(y, p):.4f}',
    }
    assert not all(y == y_hat), 'every score is 1'


def test_pictures_and_nothing_on_stdout(chapter, tmp_path, capsys):
    run_here(chapter.train, '--model_fn', tmp_path / 'x.pth', *TINY)
    assert capsys.readouterr().out == ''
    run_here(chapter.predict, '--model_fn', tmp_path / 'x.pth')

    names = ['x.png', 'x.predict.png', 'x.pth']
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names)
    for name in names[:2]:
        assert (tmp_path / name).read_bytes().startswith(b'\x89PNG')


def test_seed_decides_the_file_to_the_last_byte(chapter, tmp_path, monkeypatch):
    contents = []
    for number, seed in enumerate((0, 0, 1)):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        torch.seed()
        run_here(chapter.train, '--seed', seed, *TINY)
        contents.append((tmp_path / str(number) / 'model.pth').read_bytes())

    assert contents[0] == contents[1] != contents[2]


# ---- The splits


def test_splits_are_disjoint_and_complete(splits):
    table = load_breast_cancer()
    rows = map(bytes, table.data.astype('float32'))
    labels = dict(zip(rows, 1 - table.target, strict=True))

    rows = [bytes(row) for x, _ in splits for row in x]
    y = np.concatenate([y for _, y in splits])

    assert [len(x) for x, _ in splits] == [364, 91, 114]
    assert len(labels) == len(set(rows)) == len(rows) == 569
    assert [labels[row] for row in rows] == y.tolist()


def test_splits_have_the_same_share_of_each_class(splits):
    share = np.mean(1 - load_breast_cancer().target)

    for _, y in splits:
        assert abs(y.sum() - share * len(y)) < 1


def test_splits_are_by_seed_and_by_nothing_else(chapter):
    found = []
    for seed in (3, 3, 4):
        np.random.seed(None)
        torch.seed()
        splits = chapter.data_loader.load_splits(seed)
        found.append([x.tolist() for x, _ in splits])

    assert found[0] == found[1]
    assert all(x != other for x, other in zip(found[0], found[2], strict=True))


def test_classes_are_named_in_their_order(chapter, checkpoint, splits):
    """Malignant tumours are the larger ones."""
    names = chapter.data_loader.get_feature_names()
    x, y = splits[0]
    radius = x[:, names.index('mean radius')]

    assert checkpoint['class_names'] == ['benign', 'malignant']
    assert radius[y == 1].mean() > radius[y == 0].mean() + 3


def test_training_does_not_touch_the_test_rows(chapter, tmp_path, monkeypatch):
    load_splits = chapter.data_loader.load_splits
    contents = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        run_here(chapter.train, *TINY)
        contents.append((tmp_path / str(number) / 'model.pth').read_bytes())
        monkeypatch.setattr(
            chapter.data_loader, 'load_splits', lambda seed: [*load_splits(seed)[:2], 0]
        )

    assert contents[0] == contents[1]


def test_scores_are_those_of_the_test_rows(chapter, model_fn, monkeypatch, capsys):
    """With their classes exchanged, what was right is wrong."""
    train, valid, (x, y) = chapter.data_loader.load_splits(seed=0)
    scores = []
    for test in ((x, y), (x, 1 - y)):
        splits = [train, valid, test]
        monkeypatch.setattr(chapter.data_loader, 'load_splits', lambda _, s=splits: s)
        run_here(chapter.predict, '--model_fn', model_fn)
        scores.append(float(read_scores(capsys.readouterr().out)['accuracy']))

    assert sum(scores) == pytest.approx(1, abs=2e-4)


# ---- The statistics


def test_statistics_are_those_of_the_training_rows(checkpoint, splits):
    train_x, _ = splits[0]
    all_x = np.concatenate([x for x, _ in splits])

    for name, expected, wrong in (
        ('mean', train_x.mean(axis=0), all_x.mean(axis=0)),
        ('std', train_x.std(axis=0, ddof=1), all_x.std(axis=0, ddof=1)),
    ):
        found = checkpoint[name].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        assert not np.allclose(found, wrong, rtol=1e-3)


def test_loaders_are_standardised_alike(chapter, splits):
    config = SimpleNamespace(seed=0, batch_size=32)

    *loaders, mean, std = chapter.data_loader.get_loaders(config)

    for loader, (x, y) in zip(loaders, splits[:2], strict=True):
        np.testing.assert_allclose(
            loader.dataset.x * std + mean, x, rtol=1e-3, atol=1e-4
        )
        assert loader.dataset.y.tolist() == y.tolist()
    train_x = loaders[0].dataset.x
    np.testing.assert_allclose(train_x.mean(dim=0), np.zeros(30), atol=1e-5)
    np.testing.assert_allclose(train_x.std(dim=0), np.ones(30), atol=1e-5)


def test_prediction_is_standardised_as_training(chapter, model, checkpoint, splits):
    for x, _ in splits:
        found = chapter.predict.predict(model, torch.from_numpy(x), checkpoint)
        expected = predict_by_hand(model, splits, x)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_model_returns_logits(model, checkpoint, splits):
    """With a softmax too many, no loss of two classes comes below 0.31."""
    x, y = map(torch.from_numpy, splits[0])
    x = (x - checkpoint['mean']) / checkpoint['std']

    with torch.no_grad():
        logits = model(x)

    assert (logits < 0).any()
    assert (logits.sum(dim=1) - 1).abs().max() > 0.1
    assert nn.functional.cross_entropy(logits, y) < 0.2


# ---- Dataset and DataLoader


def test_dataset_gives_rows_and_classes(chapter):
    x, y = torch.randn(5, 3), torch.arange(5)

    dataset = chapter.data_loader.TableDataset(x, y)

    assert len(dataset) == 5
    for index in range(5):
        row, label = dataset[index]
        assert torch.equal(row, x[index])
        assert label == y[index]


@pytest.mark.parametrize(
    ('batch_size', 'train_sizes', 'valid_sizes'),
    [
        (32, [32] * 11, [32, 32, 27]),
        (33, [33] * 11, [33, 33, 25]),
        (45, [45] * 8, [45, 45, 1]),
        (1000, [364], [91]),
    ],
)
def test_batches(chapter, batch_size, train_sizes, valid_sizes, tmp_path):
    """A last batch of one row is left out in training, and does no harm after it."""
    config = SimpleNamespace(seed=0, batch_size=batch_size)

    train, valid, *_ = chapter.data_loader.get_loaders(config)
    run_here(
        chapter.train,
        *('--model_fn', tmp_path / 'x.pth', '--batch_size', batch_size, *TINY),
    )

    assert [len(x) for x, _ in train] == train_sizes
    assert [len(x) for x, _ in valid] == valid_sizes
    assert (tmp_path / 'x.pth').exists()


def test_training_is_shuffled_and_validation_is_not(chapter):
    config = SimpleNamespace(seed=0, batch_size=91)
    train, valid, *_ = chapter.data_loader.get_loaders(config)

    epochs = [torch.cat([x for x, _ in train]) for _ in range(2)]

    rows = train.dataset.x
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[0], rows)
    for epoch in epochs:
        assert sorted(epoch.tolist()) == sorted(rows.tolist())
    for _ in range(2):
        assert torch.equal(torch.cat([x for x, _ in valid]), valid.dataset.x)


# ---- The trainer


class Spy(nn.Module):
    """A linear model that writes down in which mode it was called."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.modes = []

    def forward(self, x):
        self.modes.append((self.training, torch.is_grad_enabled()))
        return self.layer(x)


def make_trainer(chapter, model, lr=0.0):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    return chapter.trainer.Trainer(model, nn.CrossEntropyLoss(), optimizer)


def make_config(n_epochs=1, early_stop=0, verbose=0):
    return SimpleNamespace(n_epochs=n_epochs, early_stop=early_stop, verbose=verbose)


def make_loader(n_rows, batch_size=4):
    """Returns a DataLoader in whose rows one weighs much more than the others."""
    x = torch.randn(n_rows, 3, generator=torch.Generator().manual_seed(0))
    x[-1] *= 100
    return DataLoader(TensorDataset(x, torch.arange(n_rows) % 2), batch_size)


def test_epoch_losses_are_means_over_rows(chapter):
    """The last batches are smaller than the others, and their row is the heavy one."""
    model = Spy()
    loaders = make_loader(11), make_loader(9)
    trainer = make_trainer(chapter, model)

    trainer.train(*loaders, make_config())

    for name, loader in zip(trainer.history, loaders, strict=True):
        x, y = loader.dataset.tensors
        expected = nn.functional.cross_entropy(model(x), y).item()
        assert trainer.history[name] == [pytest.approx(expected, rel=1e-5)]
        batches = [nn.functional.cross_entropy(model(x), y) for x, y in loader]
        assert abs(torch.stack(batches).mean() - expected) > 0.01


def test_validation_learns_nothing(chapter):
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3), Spy())
    loader = make_loader(9)
    trainer = make_trainer(chapter, model, lr=0.1)
    trainer._train(make_loader(8))
    before = {name: values.clone() for name, values in model.state_dict().items()}

    losses = [trainer._validate(loader) for _ in range(2)]

    after = model.state_dict()
    assert all(torch.equal(after[name], values) for name, values in before.items())
    x, y = loader.dataset.tensors
    expected = nn.functional.cross_entropy(model.eval()(x), y).item()
    assert losses == [pytest.approx(expected, rel=1e-5)] * 2


def test_modes_take_turns(chapter):
    model = Spy()
    loaders = make_loader(4), make_loader(4)

    make_trainer(chapter, model).train(*loaders, make_config(n_epochs=2))

    assert model.modes == [(True, True), (False, False)] * 2


@pytest.fixture
def script_losses(chapter, monkeypatch):
    """Returns a function that makes a trainer whose losses are prescribed."""

    def make_scripted_trainer(train_losses, valid_losses):
        """Its weights after epoch n are all n."""
        script = enumerate(zip(train_losses, valid_losses, strict=True), start=1)

        def train(trainer, loader):
            epoch, (train_loss, trainer.valid_loss) = next(script)
            nn.init.constant_(trainer.model.layer.weight, epoch)
            return train_loss

        trainer_class = chapter.trainer.Trainer
        monkeypatch.setattr(trainer_class, '_train', train)
        monkeypatch.setattr(
            trainer_class, '_validate', lambda trainer, _: trainer.valid_loss
        )
        return make_trainer(chapter, Spy())

    return make_scripted_trainer


@pytest.mark.parametrize(
    ('early_stop', 'n_epochs', 'best_epoch', 'losses'),
    [
        (2, 5, 3, [3, 2, 1, 2, 2, 2, 2]),
        (2, 6, 4, [3, 4, 2, 1, 1, 3, 0]),
        (1, 2, 1, [3, 3, 2, 1]),
        (1, 4, 4, [4, 3, 2, 1]),
        (3, 3, 1, [1, 2, 3]),
        (0, 7, 1, [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_early_stopping(
    script_losses, capsys, early_stop, n_epochs, best_epoch, losses
):
    """It stops after so many epochs without a better model, 0 never."""
    trainer = script_losses(losses, losses)

    trainer.train(None, None, make_config(len(losses), early_stop))

    assert trainer.history['valid_loss'] == losses[:n_epochs]
    weights = trainer.best_model['layer.weight']
    assert (weights == best_epoch).all(), 'this is not the best model'
    is_stopped = 0 < early_stop <= n_epochs - best_epoch
    message = f'no better model since epoch {best_epoch}: stopped early\n'
    assert capsys.readouterr().err == (message if is_stopped else '')


@pytest.mark.parametrize(
    ('train_losses', 'valid_losses'),
    [([2, 1, NAN], [2, 1, NAN]), ([2, 1, INF], [2, 1, 3]), ([2, 1, 0], [2, 1, INF])],
)
def test_loss_that_is_no_number(chapter, script_losses, train_losses, valid_losses):
    trainer = script_losses(train_losses, valid_losses)

    with pytest.raises(chapter.guards.InputError, match='^.* in epoch 3: lower --lr$'):
        trainer.train(None, None, make_config(n_epochs=9))

    assert (trainer.best_model['layer.weight'] == 2).all()


# ---- Tables of one's own


@pytest.fixture(scope='module')
def table(chapter, splits):
    """Five rows of the test split with the names of their columns."""
    names = chapter.data_loader.get_feature_names()
    return pd.DataFrame(splits[2][0][:5], columns=names)


@pytest.fixture(scope='module')
def answers(model, splits):
    """The lines that a person should get for these rows."""
    p = predict_by_hand(model, splits, splits[2][0][:5])
    return [f'{p_i:.4f}' for p_i in p]


def classify(chapter, model_fn, input_fn, capsys):
    """Returns the lines that the program prints."""
    run_here(chapter.predict, '--model_fn', model_fn, '--input_fn', input_fn)
    captured = capsys.readouterr()
    assert captured.err == ''
    return captured.out.splitlines()


def test_rows_of_a_file(chapter, model_fn, table, answers, tmp_path, capsys):
    assert 0 < len(set(answers)) < 6
    variants = {
        'plain': table.to_csv(index=False),
        'other order': table[table.columns[::-1]].to_csv(index=False),
        'more columns': table.assign(name='x, "y"\tz').to_csv(index_label='number'),
        'quoted': table.to_csv(index=False, quoting=1),
        'windows': table.to_csv(index=False, lineterminator='\r\n'),
        'byte order mark': '\ufeff' + table.to_csv(index=False),
        'no end of line': table.to_csv(index=False).rstrip('\n'),
    }
    for name, content in variants.items():
        file = tmp_path / name
        file.write_bytes(content.encode())
        assert classify(chapter, model_fn, file, capsys) == answers, name


@pytest.mark.parametrize('n_rows', [0, 1, 3])
def test_one_line_for_each_row(
    chapter, model_fn, table, answers, n_rows, tmp_path, capsys
):
    table[:n_rows].to_csv(tmp_path / 'x.csv', index=False)

    lines = classify(chapter, model_fn, tmp_path / 'x.csv', capsys)

    assert lines == answers[:n_rows]


def test_rows_of_stdin(model_fn, table, answers, tmp_path):
    """In a real process, whose standard input is a pipe."""
    folder = copy_chapter(NAME, tmp_path)
    arguments = ('predict.py', '--model_fn', model_fn, '--input_fn', '-')

    process = run(folder, *arguments, stdin=table.to_csv(index=False), check=True)

    assert process.stdout.splitlines() == answers
    assert process.stderr == ''


def with_value(table, value):
    """Returns the table as CSV, with a value in its third row, fifth column."""
    cells = table.astype(str)
    cells.iloc[2, 4] = value
    return cells.to_csv(index=False)


# What is wrong with a table, what of it follows after the name of the file.
BAD_TABLES = {
    'empty': (lambda table: '', ' expected a CSV file'),
    'blank': (lambda table: '\n\n', ' expected a CSV file'),
    'no column': (lambda table: 'x\n1\n', "1: expected a column 'mean radius'"),
    'column missing': (
        lambda table: table.drop(columns='mean area').to_csv(index=False),
        "1: expected a column 'mean area'",
    ),
    'no header': (
        lambda table: table.to_csv(index=False, header=False),
        "1: expected a column 'mean radius'",
    ),
    'text': (
        lambda table: with_value(table, 'much'),
        "4: expected a number for 'mean smoothness', found 'much'",
    ),
    'two lines': (
        lambda table: with_value(table, '1\n2'),
        r"4: expected a number for 'mean smoothness', found '1\n2'",
    ),
    'not a number': (lambda table: with_value(table, 'nan'), '4: expected a number'),
    'no value': (lambda table: with_value(table, ''), '4: expected a number'),
    'infinite': (lambda table: with_value(table, '-inf'), '4: expected a number'),
    'too large': (lambda table: with_value(table, '1e39'), '4: expected a number'),
    'much too large': (lambda table: with_value(table, '1e999'), '4: expected a numb'),
    'many digits': (lambda table: with_value(table, '9' * 5000), '4: expected a num'),
    'blank line': (
        lambda table: table.to_csv(index=False).replace('\n', '\n\n', 1),
        '2: expected a number',
    ),
    'too few values': (
        lambda table: table.to_csv(index=False) + '1,2\n',
        '7: expected a number',
    ),
    'too many values': (
        lambda table: table.to_csv(index=False) + '1,' * 31 + '\n',
        '7: expected no more values than columns',
    ),
    'too many values in all rows': (
        lambda table: (
            table.to_csv(index=False).replace('\n', ',1\n').replace(',1', '', 1)
        ),
        '2: expected no more values than columns',
    ),
    'no csv': (lambda table: '\x89PNG\r\n\x1a\n\0\0\0\r', '1: expected a column'),
    'a quote too many': (
        lambda table: table.to_csv(index=False) + '"1',
        ' expected a CSV file',
    ),
}


@pytest.fixture
def refuse(chapter, model_fn, capsys, recwarn):
    """Returns a function that asserts what is said of a bad table."""

    def assert_refused(input_fn, beginning):
        with pytest.raises((chapter.guards.InputError, SystemExit)) as refusal:
            run_here(chapter.predict, '--model_fn', model_fn, '--input_fn', input_fn)
        captured = capsys.readouterr()
        if refusal.type is SystemExit:
            # A bad row: the others have their lines.
            assert refusal.value.code == 2
            place = beginning.rpartition(':')[0]
            lines = captured.err.splitlines()
            row = int(place.rpartition(':')[2]) - 2
            assert lines[0].startswith(f'error: {beginning}')
            assert captured.out.split('\n')[row] == ''
            assert captured.out.splitlines().count('') == len(lines)
        else:
            assert str(refusal.value).startswith(beginning)
            assert len(str(refusal.value).splitlines()) == 1
            assert captured == ('', '')
        assert not recwarn.list

    return assert_refused


@pytest.mark.parametrize('fault', BAD_TABLES)
def test_bad_table(table, fault, refuse, tmp_path, monkeypatch):
    make_table, message = BAD_TABLES[fault]
    content = make_table(table).encode('utf-8', 'surrogateescape')
    file = tmp_path / 'x.csv'
    file.write_bytes(content)
    monkeypatch.setattr('sys.stdin', SimpleNamespace(buffer=io.BytesIO(content)))

    refuse(file, f'{file}:{message}')
    refuse('-', f'stdin:{message}')


def test_bad_table_in_a_process(model_fn, table, tmp_path):
    folder = copy_chapter(NAME, tmp_path)
    file = tmp_path / 'x.csv'
    file.write_text(with_value(table, '1e39'), encoding='utf-8')

    process = run_quickly(
        folder, 'predict.py', '--model_fn', model_fn, '--input_fn', file
    )

    assert process.returncode == 2
    assert [line == '' for line in process.stdout.splitlines()] == [0, 0, 1, 0, 0]
    assert process.stderr == (
        f"error: {file}:4: expected a number for 'mean smoothness', found '1e39'\n"
    )


@pytest.mark.parametrize(
    'name', ['x.csv', 'x.csv.gz', 'x.zip', 'http://127.0.0.1:9/x.csv', 's3://x/x.csv']
)
def test_file_that_can_not_be_read(name, refuse, tmp_path, monkeypatch):
    """No name is more than that of a file: neither a URL nor an archive."""
    monkeypatch.chdir(tmp_path)

    refuse(name, f'{name}: cannot be read: No such file or directory')
    refuse(tmp_path, f'{tmp_path}: cannot be read: Is a directory')
    if '/' not in name:
        (tmp_path / name).write_text('no archive', encoding='utf-8')
        refuse(name, f"{name}:1: expected a column 'mean radius'")


@pytest.fixture(scope='module')
def read_bytes(chapter, tmp_path_factory):
    """Returns a function that reads bytes as a table with columns a and b."""
    file = tmp_path_factory.mktemp('tables') / 'x.csv'

    def read(content):
        """Returns the rows, None where the table was refused in one line."""
        file.write_bytes(content)
        try:
            x = chapter.data_loader.read_table(str(file), ['a', 'b'])
        except chapter.guards.InputError as error:
            assert str(error).startswith(str(file))
            assert len(str(error).splitlines()) == 1
            return None
        assert x.dtype == torch.float32
        assert (x.isfinite().all(dim=1) | x.isnan().all(dim=1)).all()
        assert x.shape[1:] == (2,)
        return x.tolist()

    return read


WORDS = ['a', 'b', 'a,b\n', ',', '\n', '\r', '"', '1', '-2.5', '1e39', '9' * 400]
WORDS += [
    'nan',
    'x',
    ' ',
    ';',
    '\t',
    '\0',
    "'",
    '#',
    '\ufeff',
    '\u0661',
    '\x85',
    'True',
]


@pytest.mark.filterwarnings('error')
@settings(max_examples=2000 if IS_LONG else 200, deadline=None)
@given(
    st.binary()
    | st.lists(st.sampled_from(WORDS)).map(lambda words: ''.join(words).encode())
    | st.lists(st.sampled_from(WORDS)).map(lambda ws: ('a,b\n' + ''.join(ws)).encode())
)
@example(b'a,b\n1,2,3\n')
@example(b'a,b\nx,1,x\n')
def test_any_bytes_are_a_table_or_refused(read_bytes, content):
    read_bytes(content)


numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=500 if IS_LONG else 50, deadline=None)
@given(st.lists(st.tuples(numbers, numbers)), st.sampled_from(['a,b', 'b,a']))
def test_numbers_are_read_as_they_were_written(read_bytes, rows, header):
    lines = [header, *(f'{a!r},{b!r}' for a, b in rows)]

    found = read_bytes('\n'.join(lines).encode())

    assert found == [[a, b] if header == 'a,b' else [b, a] for a, b in rows]
