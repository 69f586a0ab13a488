"""Chapter 01: one program twice, the closed form, tables good and bad, a filter."""

import io
import os
import sys
import warnings

import pytest
import torch
from attacks import run_here
from chapters import copy_chapter, importable, load_chapter, run
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

NAME = '01_linear_regression'
IS_LONG = os.environ.get('TEST_LONG') == '1'


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


def read_results(stdout):
    """Return the numbers of lines such as `w: 0.5` by name."""
    pairs = (line.split(': ') for line in stdout.splitlines())
    return {name: float(value) for name, value in pairs}


@pytest.fixture(scope='module')
def checkpoints(chapter, tmp_path_factory):
    """The checkpoints of main.py and of train.py."""
    folder = tmp_path_factory.mktemp('checkpoints')
    fns = {'main': folder / 'main.pth', 'train': folder / 'train.pth'}
    for name, fn in fns.items():
        run_here(getattr(chapter, name), '--model_fn', fn, '--verbose', 0)
    return fns


def test_main_and_train_are_the_same_program(chapter, tmp_path, capsys):
    outputs, weights, pictures = [], [], []
    model_fn = tmp_path / 'model.pth'
    for program in (chapter.main, chapter.train):
        run_here(program, '--model_fn', model_fn, '--seed', 3, '--verbose', 2)
        outputs.append(capsys.readouterr())
        weights.append(torch.load(model_fn, weights_only=True)['model'])
        pictures.append(model_fn.with_suffix('.png').read_bytes())

    assert outputs[0] == outputs[1]
    assert pictures[0] == pictures[1]
    assert outputs[0].err.count('loss=') == 500
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_seed_decides_where_training_starts(chapter, tmp_path, capsys):
    first_losses = []
    for seed in (0, 0, 1):
        arguments = ('--seed', seed, '--n_epochs', 1, '--verbose', 2)
        run_here(chapter.main, '--model_fn', tmp_path / 'model.pth', *arguments)
        first_losses.append(capsys.readouterr().err)

    assert first_losses[0] == first_losses[1] != first_losses[2]


@pytest.mark.parametrize('program', ['main', 'train'])
def test_it_learns_the_best_line(chapter, program, tmp_path, capsys):
    run_here(getattr(chapter, program), '--model_fn', tmp_path / 'model.pth')

    found = read_results(capsys.readouterr().out)
    assert list(found) == ['w', 'b', 'closed_form_w', 'closed_form_b']
    assert found['w'] == pytest.approx(found['closed_form_w'], abs=1e-4)
    assert found['b'] == pytest.approx(found['closed_form_b'], abs=1e-4)


def test_the_fit_is_drawn_beside_the_checkpoint(checkpoints):
    for fn in checkpoints.values():
        with Image.open(fn.with_suffix('.png')) as picture:
            picture.load()
            assert picture.format == 'PNG'


@pytest.mark.parametrize('program', ['main', 'train'])
def test_a_loss_beyond_all_numbers_ends_the_training(chapter, program, tmp_path):
    data_fn, model_fn = tmp_path / 'data.csv', tmp_path / 'model.pth'
    data_fn.write_text('x,y\n1,1e25\n2,1e25\n', encoding='utf-8')
    arguments = ('--data_fn', data_fn, '--model_fn', model_fn)

    with pytest.raises(chapter.utils.InputError) as failure:
        run_here(getattr(chapter, program), *arguments)

    assert str(failure.value) == 'loss=inf in epoch 1: lower --lr'
    assert not model_fn.exists()


GOOD_TABLES = {
    'plain': b'x,y\n1,2\n3,4\n',
    'without a last line break': b'x,y\n1,2\n3,4',
    'of Windows': b'x,y\r\n1,2\r\n3,4\r\n',
    'of an old Mac': b'x,y\r1,2\r3,4\r',
    'with a byte order mark': b'\xef\xbb\xbfx,y\n1,2\n3,4\n',
    'with a blank line in the middle': b'x,y\n1,2\n\n3,4\n',
    'with blank lines at the end': b'x,y\n1,2\n3,4\n\n\n',
    'with an empty row': b'x,y\n1,2\n,\n3,4\n',
    'with more columns': b'name,y,more,x\na,2,,1\nb,4,,3\n',
    'with spaces around numbers': b'x,y\n 1, 2\n3 ,4 \n',
    'with exponents': b'x,y\n1e0,20e-1\n+3.0,4.\n',
    'with semicolons': b'x;y\n1;2\n3;4\n',
    'with decimal commas': b'x;y\n1,0;2\n3;4,00\n',
    'with tabs': b'y\tx\n2\t1\n4\t3\n',
    'with other names': b' Y ,"X"\r\n2,1\r\n4,3\r\n',
}

# What the message says after the name of the file.
BAD_TABLES = {
    'empty': (b'', ': expected a CSV file'),
    'header only': (b'x,y\n', ': expected rows with at least two different x'),
    'one row': (b'x,y\n1,2\n', ': expected rows with at least two different x'),
    'equal x': (b'x,y\n1,2\n1,3\n', ': expected rows with at least two different x'),
    'x equal as float32': (
        b'x,y\n1,2\n1.000000001,3\n',
        ': expected rows with at least two different x',
    ),
    'no header': (b'1,2\n3,4\n', ":1: expected the columns x and y, found ['1', '2']"),
    'no y': (b'x,z\n1,2\n3,4\n', ":1: expected the columns x and y, found ['x', 'z']"),
    'bars': (b'x|y\n1|2\n3|4\n', ":1: expected the columns x and y, found ['x|y"),
    'two x': (b'x,X,y\n1,2,3\n4,5,6\n', ':1: expected the columns x and y'),
    'equal names': (b'x,x,y\n1,2,3\n4,5,6\n', ':1: expected the columns x and y'),
    'thousands': (b'x;y\n1.000,5;2\n3;4\n', ':2: expected two numbers'),
    'line break in a name': (b'"x\ny",z\n1,2\n', ':1: expected the columns x and y'),
    'text': (b'x,y\n1,2\n3,four\n', ":3: expected two numbers, found ['3', 'four']"),
    'text after a blank line': (
        b'x,y\n1,2\n\n3,4\nfive,6\n',
        ":5: expected two numbers, found ['five', '6']",
    ),
    'missing value': (b'x,y\n1,2\n3,\n5,6\n', ':3: expected two numbers'),
    'missing comma': (b'x,y\n1,2\n3\n5,6\n', ':3: expected two numbers'),
    'line of spaces': (b'x,y\n1,2\n  \n5,6\n', ':3: expected two numbers'),
    'NaN': (b'x,y\n1,2\nnan,3\n', ":3: expected two numbers, found ['nan', '3']"),
    'row of NaN': (b'x,y\n1,2\nNaN,NaN\n3,4\n', ':3: expected two numbers'),
    'NA': (b'x,y\n1,NA\n2,3\n', ":2: expected two numbers, found ['1', 'NA']"),
    'inf': (b'x,y\n1,2\n3,inf\n', ":3: expected two numbers, found ['3', 'inf']"),
    '-inf': (b'x,y\n1,2\n-inf,3\n', ":3: expected two numbers, found ['-inf', '3']"),
    'beyond float64': (b'x,y\n1,1e400\n3,4\n', ':2: expected two numbers'),
    'beyond float32': (b'x,y\n1,1e39\n3,4\n', ':2: expected two numbers'),
    'too many values at once': (b'x,y\n1,2,3\n4,5,6\n', ':2: expected 2 values'),
    'comma at the end of rows': (b'x,y\n1,2,\n4,5,\n', ':2: expected 2 values'),
    'too many values later': (b'x,y\n1,2\n4,5,6\n', 'Expected 2 fields in line 3'),
    'open quote': (b'x,y\n"1,2\n3,4\n', ': expected a CSV file'),
    'not UTF-8': (b'x,y\n1,2\n3,\xff\n', ', line 3: expected UTF-8'),
    'UTF-16': ('x,y\n1,2\n'.encode('utf-16'), 'again with --encoding utf-16'),
    'NUL': (b'x,y\n1,2\n3,\x004\n', ':3: expected two numbers'),
    'all NUL': (b'\x00' * 100, ':1: expected the columns x and y'),
    'gzip': (b'\x1f\x8b\x08\x00', ', line 1: expected text, found an Excel or zip'),
}


def load_table(chapter, fn):
    """Call load_data; a warning, which would be lines on stderr, is an exception."""
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        return chapter.utils.load_data(fn)


@pytest.mark.parametrize('table', GOOD_TABLES.values(), ids=GOOD_TABLES)
def test_good_table(chapter, table, tmp_path):
    data_fn = tmp_path / 'data.csv'
    data_fn.write_bytes(table)

    x, y = load_table(chapter, data_fn)

    assert (x.tolist(), y.tolist()) == ([[1], [3]], [[2], [4]])


@pytest.mark.parametrize(('table', 'message'), BAD_TABLES.values(), ids=BAD_TABLES)
def test_bad_table(chapter, table, message, tmp_path):
    data_fn = tmp_path / 'data.csv'
    data_fn.write_bytes(table)

    with pytest.raises(chapter.utils.InputError) as failure:
        load_table(chapter, data_fn)

    text = str(failure.value)
    assert text.startswith(str(data_fn))
    assert message in text
    assert text.splitlines() == [text]


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('', ': Is a directory'),
        ('missing.csv', ': No such file or directory'),
        ('x' * 300, ': File name too long'),
        # Pandas itself would unpack the first and look for the second in the network.
        ('missing.csv.zip', ': No such file or directory'),
        ('s3://bucket/data.csv', ': No such file or directory'),
    ],
)
def test_no_table(chapter, name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(chapter.utils.InputError) as failure:
        load_table(chapter, name or '.')

    expected = f'{name or "."}: cannot be read{message}'
    assert str(failure.value) == expected


def test_zip_that_is_none(chapter, tmp_path):
    data_fn = tmp_path / 'data.csv.zip'
    data_fn.write_bytes(b'PK\x03\x04')

    with pytest.raises(chapter.utils.InputError):
        load_table(chapter, data_fn)


TABLE_TEXTS = st.text(alphabet='xy01.-e,;\n\r" \t\0\ufeffé\u2028', max_size=40)
TABLES = st.binary(max_size=40) | st.builds(
    lambda header, rows: (header + rows).encode('utf-8'),
    st.sampled_from(['', 'x,y\n', 'x,y\n1,2\n3,4\n', 'y,x\r\n']),
    TABLE_TEXTS,
)


@settings(max_examples=10_000 if IS_LONG else 300, deadline=None)
@given(table=TABLES)
def test_any_table_is_read_or_refused(chapter, table, tmp_path_factory):
    data_fn = tmp_path_factory.getbasetemp() / 'any.csv'
    data_fn.write_bytes(table)

    try:
        x, y = load_table(chapter, data_fn)
    except chapter.utils.InputError as error:
        assert str(error).splitlines() == [str(error)]
    else:
        assert x.shape == y.shape == (len(x), 1)
        assert len(x) >= 2
        assert x.dtype == y.dtype == torch.float32
        assert x.isfinite().all()
        assert y.isfinite().all()


def test_bad_table_ends_in_one_line_and_status_2(tmp_path):
    folder = copy_chapter(NAME, tmp_path)
    (folder / 'bad.csv').write_text('x,y\n1,2\n3,four\n', encoding='utf-8')

    process = run(folder, 'train.py', '--data_fn', 'bad.csv')

    assert process.stderr == (
        "error: bad.csv:3: expected two numbers, found ['3', 'four']\n"
    )
    assert (process.returncode, process.stdout) == (2, '')
    assert not (folder / 'model.pth').exists()


@pytest.fixture
def predict(chapter, monkeypatch, capsys):
    """Return a function that runs predict.py with an input and gives its output."""

    def run_predict(model_fn, stdin, *arguments):
        binary = io.BytesIO(stdin)
        monkeypatch.setattr(sys, 'stdin', io.TextIOWrapper(binary, encoding='utf-8'))
        try:
            run_here(chapter.predict, '--model_fn', model_fn, *arguments)
        except SystemExit as end:
            assert end.code == 2
            return capsys.readouterr()
        return capsys.readouterr().out

    return run_predict


@pytest.mark.parametrize('program', ['main', 'train'])
def test_a_line_in_is_a_line_out(program, checkpoints, predict):
    model = torch.load(checkpoints[program], weights_only=True)['model']
    w, b = model['weight'].item(), model['bias'].item()

    lines = predict(checkpoints[program], b'4.5\n\n10\r\n \t\n\n-3e0').split('\n')

    assert lines.pop() == ''
    assert [line == '' for line in lines] == [False, True, False, True, True, False]
    found = [float(line) for line in lines if line]
    assert found == pytest.approx([w * x + b for x in (4.5, 10, -3)], abs=1e-5)


def test_no_line_in_is_no_line_out(checkpoints, predict):
    assert predict(checkpoints['main'], b'') == ''


def test_numbers_from_the_command_line(checkpoints, predict):
    typed = predict(checkpoints['main'], b'7\n', '--x', '4.5', '-10')

    assert typed == predict(checkpoints['main'], b'4.5\n-10\n')


@pytest.mark.parametrize('line', [b'abc', b'1,5', b'nan', b'-inf', b'1e999', b'\0'])
def test_line_that_is_no_number(line, checkpoints, predict):
    output = predict(checkpoints['main'], b'1\n\n' + line + b'\n2\n')

    good = predict(checkpoints['main'], b'1\n\n\n2\n')
    found = f'expected a number, found {line.decode("utf-8")!r}'
    assert output == (good, f'error: stdin:3: {found}\n')


def test_argument_that_is_no_number(checkpoints, predict):
    output = predict(checkpoints['main'], b'', '--x', '1', 'two', '3')

    assert output.out == predict(checkpoints['main'], b'1\n\n3\n')
    assert output.err == "error: --x:2: expected a number, found 'two'\n"


def test_bytes_that_are_no_text_end_in_one_line_and_status_2(checkpoints, tmp_path):
    folder = copy_chapter(NAME, tmp_path)

    process = run(
        folder, 'predict.py', '--model_fn', checkpoints['main'], stdin='1\n\udcff\n2\n'
    )

    expected = 'error: stdin, line 2: expected UTF-8, byte 1 is not'
    assert process.stderr.startswith(expected)
    assert process.stderr.count('\n') == 1
    assert process.returncode == 2
    assert len(process.stdout.splitlines()) == 1
