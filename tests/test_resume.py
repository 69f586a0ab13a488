"""A training that was killed goes on to the very result of one that was not.

Whatever a chapter with `--resume` saves is compared bit by bit, except for what says by
which road it was reached. A new chapter joins by an entry in CHAPTERS.
"""

import itertools
import os
import random
import shutil
import signal
import time
from argparse import Namespace
from functools import partial

import numpy as np
import pytest
import torch
from attacks import (
    ON_PERMISSIONS,
    READING,
    Program,
    kill_before_line,
    run_here,
    run_quickly,
    snapshot,
)
from bert import make_bert
from chapters import copy_chapter, importable, load_chapter
from ignite.engine import Events
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from translators import FINE_TUNED, make_translator

IS_LONG = os.environ.get('TEST_LONG') == '1'
N_KILLS = 20 if IS_LONG else 2

# The options of a tiny model of each chapter; whatever is random should be among them.
CHAPTERS = {
    '04_advanced_pytorch': ('--hidden_sizes', '20'),
    '05_cnn': ('--channel_sizes', '2', '4', '--augment'),
    '06_transfer_learning': (
        *('--model_name', 'squeezenet', '--image_size', '17'),
        *('--pretrained', 'none', '--freeze', '--augment', '--lr', '0.0005'),
        *('--seed', '2'),
    ),
    '07_rnn': ('--hidden_size', '8', '--n_layers', '1', '--augment'),
    '10_text_classification': (
        *('--word_vec_size', '8', '--hidden_size', '8'),
        *('--lr', '0.02'),
    ),
    '10_text_classification/lstm': (
        *('--word_vec_size', '8', '--hidden_size', '8', '--lr', '0.02'),
    ),
    '12_seq2seq': (
        *('--word_vec_size', '8', '--hidden_size', '8', '--lr', '0.02'),
        *('--iteration_per_update', '4'),
    ),
    '12_seq2seq/minimum_risk': (
        *('--lr', '0.2', '--iteration_per_update', '4', '--max_length', '12'),
        *('--n_samples', '2', '--likelihood_weight', '1'),
    ),
    '13_transformer': (
        *('--hidden_size', '8', '--n_heads', '2', '--ffn_size', '8', '--lr', '0.02'),
        *('--n_layers', '1', '--iteration_per_update', '4', '--n_warmup_steps', '10'),
    ),
    '13_transformer/dual_learning': (
        *('--hidden_size', '8', '--n_heads', '2', '--ffn_size', '8', '--lr', '0.02'),
        *('--n_layers', '1', '--iteration_per_update', '4', '--n_warmup_steps', '10'),
        *('--dual_weight', '0.1'),
    ),
}
# The other networks of a chapter: no other code saves and goes on, so they are killed
# at random instants only.
NETWORKS = [('10_text_classification', 'cnn'), ('10_text_classification', 'bert')]
# Those of which the learning rate falls towards the last epoch.
SCHEDULED = {'10_text_classification', '12_seq2seq', '12_seq2seq/minimum_risk'}
N_EPOCHS = 8 if IS_LONG else 5
N_IMAGES = 160
# torchvision asks for the test split's files, too.
IDX_FILES = ('{}-images-idx3-ubyte', '{}-labels-idx1-ubyte')

# The options that may change from a training to the one that goes on with it.
FREE = {'model_fn', 'gpu_id', 'data_dir', 'n_epochs', 'verbose', 'log_dir', 'resume'}

# Where to kill a training of two epochs: before the so-manieth line that it runs of a
# function. Each epoch saves the best model, then the state, with four lines each.
LINES = [(5, 'save_checkpoint'), (13, 'save_checkpoint'), (3, 'log')]
# Each epoch validates, writes the log, and saves twice.
N_LINES = {'_validate': 10, '_report': 16, '_log_scalars': 20, '_save': 10}
N_LINES['write_file'] = 44
if IS_LONG:
    for function, n_lines in N_LINES.items():
        LINES += [(number, function) for number in range(1, n_lines + 1)]


def skip_unless_turn(name, number, n_turns):
    """Skip a test but in one chapter of n_turns, unless TEST_LONG=1.

    The chapters share the code that saves and goes on, line by line.
    """
    if not IS_LONG and ([*CHAPTERS].index(name) + number) % n_turns > 0:
        pytest.skip('done in other chapters; here with TEST_LONG=1')


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """As in the processes: the order in which numbers are added up is the same."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope='module', params=CHAPTERS)
def name(request):
    return request.param


@pytest.fixture(scope='module')
def chapter(name):
    """The loaded modules of the chapter, for what needs no process of its own."""
    loaded = load_chapter(name)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def data_dir(chapter, tmp_path_factory):
    """A folder with a few digits as MNIST's files, or a few texts: six batches."""
    folder = tmp_path_factory.mktemp('data')
    if hasattr(chapter.data_loader, 'read_pairs'):
        for lang, word in (('ko', '말'), ('en', 'word')):
            lines = [f'{word} {i % 7} {"a " * (i % 5)}\n' for i in range(96)]
            (folder / f'train.{lang}').write_text(''.join(lines), encoding='utf-8')
            (folder / f'valid.{lang}').write_text(''.join(lines[:20]), encoding='utf-8')
            if hasattr(chapter, 'train_lm'):
                lm = ('--train_fn', folder / 'train', '--valid_fn', folder / 'valid')
                lm += ('--cache_dir', folder / 'cache', '--vocab_size', 300)
                lm += ('--hidden_size', 4, '--n_layers', 1, '--n_epochs', 1)
                lm += ('--lang', lang, '--model_fn', folder / f'lm.{lang}.pth')
                run_here(chapter.train_lm, *lm)
        return folder
    if not hasattr(chapter.data_loader, 'load_digits'):
        rows = [f'{i % 2}\t{i % 2} {i % 7} {"a " * (i % 5)}\n' for i in range(N_IMAGES)]
        (folder / 'train.tsv').write_text(''.join(rows), encoding='utf-8')
        return folder
    x, y = chapter.data_loader.load_digits()
    raw = folder / 'MNIST' / 'raw'
    raw.mkdir(parents=True)
    for values, fn in zip((x.view(-1, 28, 28) * 255, y), IDX_FILES, strict=True):
        array = values[:N_IMAGES].round().byte().numpy()
        sizes = np.array(array.shape, '>u4').tobytes()
        header = bytes([0, 0, 8, array.ndim]) + sizes
        for part in ('train', 't10k'):
            (raw / fn.format(part)).write_bytes(header + array.tobytes())
    return folder


@pytest.fixture(scope='module')
def options(name, data_dir):
    data = ('--dataset', 'mnist', '--data_dir', str(data_dir), '--valid_ratio', '0.4')
    if (data_dir / 'train.ko').exists():
        data = ('--train_fn', str(data_dir / 'train'))
        data += ('--valid_fn', str(data_dir / 'valid'))
        data += ('--cache_dir', str(data_dir / 'cache'))
        if (data_dir / 'lm.ko.pth').exists():
            data += ('--lm_fn', *(str(data_dir / f'lm.{x}.pth') for x in ('ko', 'en')))
        elif name not in FINE_TUNED:
            data += ('--vocab_size', '300')
    if name in FINE_TUNED:
        pretrained_fn = data_dir / 'pretrained.pth'
        make_translator(pretrained_fn, FINE_TUNED[name], data_dir / 'train', 300)
        data += ('--pretrained_fn', str(pretrained_fn))
    if (data_dir / 'train.tsv').exists():
        data = ('--train_fn', str(data_dir / 'train.tsv'), '--valid_ratio', '0.4')
        data += ('--tokenizer', 'space')
    if name == '10_text_classification':
        data += ('--cache_dir', str(data_dir / 'cache'))
    return (*data, '--batch_size', '16', *CHAPTERS[name])


@pytest.fixture(scope='module')
def folder(name, tmp_path_factory):
    """A copy of the chapter, for processes to run in."""
    return copy_chapter(name, tmp_path_factory.mktemp('chapter'))


@pytest.fixture(scope='module')
def command(options):
    """What a process trains with, but for the names of files."""
    return ('train.py', '--gpu_id', '-1', *options, '--n_epochs', str(N_EPOCHS))


@pytest.fixture(scope='module')
def whole(folder, command, tmp_path_factory):
    """The checkpoint of a training that nothing has disturbed, and its seconds."""
    return train_undisturbed(folder, command, tmp_path_factory.mktemp('whole'))


@pytest.fixture(scope='module')
def two_epochs(chapter, options, tmp_path_factory):
    """The checkpoint of a training that has ended after two epochs."""
    model_fn = tmp_path_factory.mktemp('two_epochs') / 'x.pth'
    run_here(chapter.train, *options, '--n_epochs', 2, '--model_fn', model_fn)
    return model_fn


@pytest.fixture(scope='module')
def begun(name, chapter, options, two_epochs, tmp_path_factory):
    """The checkpoint of a training to go on with, after two epochs.

    It has ended there. Where the learning rate falls towards the last epoch, it was
    interrupted there, since another number of epochs is another training.
    """
    if name not in SCHEDULED:
        return two_epochs
    model_fn = tmp_path_factory.mktemp('begun') / 'x.pth'
    attach_handlers = chapter.trainer.Trainer._attach_handlers

    def interrupt():
        raise KeyboardInterrupt

    def attach_interrupt(trainer, valid_loader):
        attach_handlers(trainer, valid_loader)
        second_epoch = Events.EPOCH_COMPLETED(once=2)
        trainer.trainer.add_event_handler(second_epoch, interrupt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chapter.trainer.Trainer, '_attach_handlers', attach_interrupt)
        with pytest.raises(KeyboardInterrupt):
            arguments = ('--n_epochs', N_EPOCHS, '--model_fn', model_fn)
            run_here(chapter.train, *options, *arguments)
    return model_fn


@pytest.fixture
def model_fn(begun, tmp_path):
    """A copy of the training of two epochs, to go on with."""
    shutil.copytree(begun.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / 'x.pth'


def last_of(model_fn):
    return model_fn.with_suffix('.last.pth')


def load(fn):
    return torch.load(fn, weights_only=True)


def get_epoch(model_fn):
    """Returns the number of epochs that a training has saved."""
    return len(get_history(model_fn)['train_loss'])


def get_history(model_fn):
    return load(last_of(model_fn))['trainer']['history']


def save(fn, **changes):
    """Changes entries of a checkpoint."""
    torch.save(load(fn) | changes, fn)


def find_differences(value, other, path=''):
    """Yields the paths at which two checkpoints are not the same, bit for bit."""
    if isinstance(value, list) and isinstance(other, list):
        value, other = dict(enumerate(value)), dict(enumerate(other))
    if isinstance(value, dict) and isinstance(other, dict):
        for key in value.keys() | other.keys():
            yield from find_differences(value.get(key), other.get(key), f'{path}/{key}')
    elif isinstance(value, torch.Tensor) and isinstance(other, torch.Tensor):
        if value.dtype != other.dtype or not torch.equal(value, other):
            yield path
    elif type(value) is not type(other) or value != other:
        yield path


def assert_same_result(model_fn, expected_fn):
    """Asserts that two trainings have saved the same, but for names and epochs run."""
    for fn, expected in (
        (model_fn, expected_fn),
        (last_of(model_fn), last_of(expected_fn)),
    ):
        found = find_differences(load(fn), load(expected))
        road = {f'/config/{name}' for name in FREE}
        assert set(found) <= road, fn


def read_log(log_dir):
    """Returns the steps and the values that TensorBoard shows of each scalar."""
    accumulator = EventAccumulator(str(log_dir)).Reload()
    return {
        tag: [(scalar.step, scalar.value) for scalar in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()['scalars']
    }


def assert_logged_once(log_dir, model_fn):
    """Asserts that each epoch is in the log, once, with the losses of the history."""
    log = read_log(log_dir)
    history = get_history(model_fn)
    epochs = list(range(1, len(history['train_loss']) + 1))
    for scalars in log.values():
        assert [step for step, _ in scalars] == epochs
    for name, losses in history.items():
        assert [value for _, value in log[name]] == pytest.approx(losses, rel=1e-6)


# ---- Killed


def wait_for_another_second(log_dir):
    """TensorBoard reads the files of a log in the order of their names.

    A name has the second in which the training began, and then the number of its
    process: of two trainings in one second, the later one may be read first.
    """
    while any(log_dir.glob(f'events.out.tfevents.{int(time.time())}.*')):
        time.sleep(0.05)


def train_undisturbed(folder, command, model_folder):
    """Trains to the end; returns the name of the checkpoint, and the seconds."""
    model_fn = model_folder / 'x.pth'
    # The first process of all waits until the libraries have been imported.
    run_quickly(folder, 'train.py', '--help', check=True)
    start = time.monotonic()
    run_quickly(folder, *command, '--model_fn', model_fn, check=True)
    return model_fn, time.monotonic() - start


def train_with_kills(folder, arguments, log_dir, delays):
    """Trains to the end, killed after each of some delays and then resumed.

    Returns:
        The number of kills that found a training alive.
    """
    program = Program(folder, *arguments)
    for n_kills, delay in enumerate(delays):
        time.sleep(delay)
        program.send(signal.SIGKILL)
        process = program.finish()
        if process.returncode == 0:
            return n_kills
        assert process.returncode == -signal.SIGKILL, process.stderr
        wait_for_another_second(log_dir)
        program = Program(folder, *arguments, '--resume')

    process = program.finish()
    assert process.returncode == 0, process.stderr
    return len(delays)


def assert_survives_random_kills(folder, command, whole, tmp_path, seed):
    """Asserts that trainings, killed at random instants, end like one that was not."""
    expected_fn, n_seconds = whole
    generator = random.Random(seed)
    n_kills = 0
    # The first kill comes before there is anything to go on from.
    delays = [0]

    for number in itertools.count():
        model_fn, log_dir = tmp_path / f'{number}.pth', tmp_path / f'{number}'
        arguments = (*command, '--model_fn', model_fn, '--log_dir', log_dir)
        delays += [generator.uniform(0, n_seconds) for _ in range(N_KILLS - n_kills)]
        n_kills += train_with_kills(folder, arguments, log_dir, delays)
        assert_same_result(model_fn, expected_fn)
        assert_logged_once(log_dir, model_fn)
        if n_kills >= N_KILLS:
            break
        delays = []


def test_killed_at_random_instants(name, folder, command, whole, tmp_path):
    skip_unless_turn(name, 1, 2)
    assert_survives_random_kills(folder, command, whole, tmp_path, seed=name)


@pytest.mark.parametrize(('name', 'model'), NETWORKS, indirect=['name'])
def test_other_networks_killed_at_random_instants(model, folder, command, tmp_path):
    command += ('--model', model)
    if model == 'bert':
        bert = make_bert(tmp_path / 'bert', 'a0123456')
        command += ('--pretrained_model_name', bert)
    whole = train_undisturbed(folder, command, tmp_path)
    kills = tmp_path / 'kills'
    kills.mkdir()

    assert_survives_random_kills(folder, command, whole, kills, seed=model)


@pytest.mark.parametrize(('number', 'function'), LINES)
def test_killed_before_a_line(
    number, function, name, folder, command, two_epochs, tmp_path
):
    skip_unless_turn(name, LINES.index((number, function)), 3)
    model_fn, log_dir = tmp_path / 'x.pth', tmp_path / 'log'
    arguments = (*command, '--n_epochs', '2', '--model_fn', model_fn)
    arguments += ('--log_dir', log_dir)

    handicap = partial(kill_before_line, number, function)
    process = run_quickly(folder, *arguments, handicap=handicap)
    assert process.returncode == -signal.SIGKILL, process.stderr
    wait_for_another_second(log_dir)
    run_quickly(folder, *arguments, '--resume', check=True)

    assert_same_result(model_fn, two_epochs)
    assert_logged_once(log_dir, model_fn)


def test_nothing_to_go_on_from(name, chapter, options, model_fn, two_epochs, capsys):
    skip_unless_turn(name, 1, 2)
    last_of(model_fn).unlink()
    arguments = ('--n_epochs', 2, '--model_fn', model_fn, '--resume')

    run_here(chapter.train, *options, *arguments)

    message = f'{last_of(model_fn)}: not there yet, so the training starts from the'
    assert message in capsys.readouterr().err
    assert_same_result(model_fn, two_epochs)


# ---- Interrupted


def test_ctrl_c(name, chapter, folder, options, command, tmp_path):
    skip_unless_turn(name, 0, 2)
    model_fn, expected_fn = tmp_path / 'x.pth', tmp_path / 'expected.pth'
    endless = (*command, '--n_epochs', '1000000', '--model_fn', model_fn)
    program = Program(folder, *endless)
    program.wait_for('epoch 2/')
    program.send(signal.SIGINT)
    process = program.finish()

    # The other direction of dual_learning is a checkpoint of its own.
    others = ('epoch ', f'saved: {model_fn.with_suffix(".enko.pth")}')
    lines = process.stderr.splitlines()
    lines = [line for line in lines if not line.startswith(others)]
    assert process.returncode == 130, process.stderr
    assert lines[-4:] == [
        'to go on, give the same command with --resume',
        f'saved: {model_fn}',
        f'picture: {model_fn.with_suffix(".png")}',
        'interrupted',
    ]

    n_epochs = ('--n_epochs', get_epoch(model_fn) + 2)
    run_quickly(folder, *command, *n_epochs, '--model_fn', model_fn, '--resume')
    assert get_epoch(model_fn) == n_epochs[1]
    if name not in SCHEDULED:
        run_here(chapter.train, *options, *n_epochs, '--model_fn', expected_fn)
        assert_same_result(model_fn, expected_fn)


def test_ctrl_c_in_the_first_epoch(
    name, chapter, options, tmp_path, monkeypatch, capsys
):
    """What has not been saved is not said to be."""

    def interrupt(trainer, engine, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(chapter.trainer.Trainer, '_train_step', interrupt)

    model_fn = tmp_path / 'x.pth'
    with pytest.raises(KeyboardInterrupt):
        run_here(chapter.train, *options, '--model_fn', model_fn)

    assert 'saved' not in capsys.readouterr().err
    # What is fine-tuned is there before the first epoch.
    fns = [model_fn] if name in FINE_TUNED else []
    assert list(tmp_path.iterdir()) == fns


# ---- With other options


CHANGES = [(), ('--verbose', '0'), ('--log_dir', 'log'), ('--dataset', 'auto')]


@pytest.mark.parametrize('changes', CHANGES, ids=' '.join)
def test_more_epochs(changes, name, chapter, options, model_fn, whole, monkeypatch):
    skip_unless_turn(name, CHANGES.index(changes), 2)
    if '--dataset' in {*changes} - {*options}:
        pytest.skip('a chapter without a choice of datasets')
    monkeypatch.chdir(model_fn.parent)
    monkeypatch.setattr(
        chapter.data_loader, 'find_dataset', lambda *_: 'mnist', raising=False
    )
    arguments = ('--n_epochs', N_EPOCHS, '--model_fn', model_fn, '--resume')

    run_here(chapter.train, *options, *arguments, *changes)

    assert_same_result(model_fn, whole[0])


def test_moved_files(name, chapter, options, model_fn, whole):
    skip_unless_turn(name, 0, 2)
    moved_fn = model_fn.parent / 'moved' / 'y.pth'
    moved_fn.parent.mkdir()
    model_fn.rename(moved_fn)
    last_of(model_fn).rename(last_of(moved_fn))
    arguments = ('--n_epochs', N_EPOCHS, '--model_fn', moved_fn, '--resume')

    run_here(chapter.train, *options, *arguments)

    assert_same_result(moved_fn, whole[0])


def test_begun_on_a_gpu(name, chapter, options, model_fn, whole):
    skip_unless_turn(name, 1, 2)
    last_fn = last_of(model_fn)
    save(last_fn, config=load(last_fn)['config'] | {'gpu_id': 8})
    arguments = ('--n_epochs', N_EPOCHS, '--model_fn', model_fn, '--resume')

    run_here(chapter.train, *options, *arguments)

    assert_same_result(model_fn, whole[0])


def test_options_that_may_not_change(name, chapter, options, model_fn):
    """All but a few: whoever adds an option has to think of it to set it free."""
    whole_state = load(last_of(model_fn))
    # Without the tensors, which would be saved and loaded for each option.
    state = {'trainer': {}} | {key: whole_state[key] for key in ('chapter', 'config')}
    arguments = [*options, '--model_fn', str(model_fn)]
    config = chapter.train.define_argparser().parse_args(arguments)
    if hasattr(chapter.train, 'fill_in'):
        chapter.train.fill_in(config)
    refused, free = set(), FREE
    if name == '06_transfer_learning':
        # Options that were left open are those that the first training has chosen.
        free = FREE | {o for o, value in vars(config).items() if value is None}

    for option, value in vars(config).items():
        changed = state | {'config': state['config'] | {option: 'other'}}
        torch.save(changed, last_of(model_fn))
        try:
            chapter.utils.load_last(
                Namespace(**vars(config)), FINE_TUNED.get(name, name)
            )
        except chapter.guards.InputError as error:
            refused.add(option)
            assert str(error) == (
                f'{last_of(model_fn)}: expected the same options to go on with, '
                f'--{option} was other and now is {value}'
            )

    assert refused == vars(config).keys() - free


def test_refusal_is_one_line(folder, command, model_fn):
    arguments = (*command, '--model_fn', model_fn, '--resume', '--lr', '0.5')

    process = run_quickly(folder, *arguments)

    assert process.returncode == 2
    *_, error = process.stderr.splitlines()
    assert error.startswith(f'error: {last_of(model_fn)}: expected the same options')
    assert '--lr' in error


def test_other_data(chapter, options, model_fn, monkeypatch):
    """With fewer digits than before, this is no training that could go on."""
    data_loader = chapter.data_loader
    if hasattr(data_loader, 'load_mnist'):
        load = data_loader.load_mnist
        monkeypatch.setattr(
            data_loader, 'load_mnist', lambda *a, **k: [x[:130] for x in load(*a, **k)]
        )
    elif hasattr(data_loader, 'read_pairs'):
        read = data_loader.read_pairs
        monkeypatch.setattr(
            data_loader, 'read_pairs', lambda *a: [x[:60] for x in read(*a)]
        )
    else:
        read = data_loader.read_table
        monkeypatch.setattr(data_loader, 'read_table', lambda *a: read(*a)[:130])
    arguments = ('--n_epochs', N_EPOCHS, '--model_fn', model_fn, '--resume')

    with pytest.raises(chapter.guards.InputError, match='^expected 6 batches of data'):
        run_here(chapter.train, *options, *arguments)


# ---- After the end


@pytest.mark.parametrize('n_epochs', [2, 1])
def test_resume_of_a_finished_training(n_epochs, chapter, options, model_fn, capsys):
    before = snapshot(model_fn.parent)
    arguments = ('--n_epochs', n_epochs, '--model_fn', model_fn, '--resume')

    run_here(chapter.train, *options, *arguments)

    assert 'there is nothing left to train\n' in capsys.readouterr().err
    assert snapshot(model_fn.parent) == before


def test_early_stopping_goes_on_counting(name, chapter, options, tmp_path, capsys):
    """Ended in the last epoch but one, the training stops in the same epoch."""
    if name in SCHEDULED:
        pytest.skip('another number of epochs is another training')
    skip_unless_turn(name, 0, 2)
    arguments = (*options, '--lr', 0.5, '--early_stop', 3, '--n_epochs')
    expected_fn, model_fn = tmp_path / 'whole' / 'x.pth', tmp_path / 'parts' / 'x.pth'
    run_here(chapter.train, *arguments, 50, '--model_fn', expected_fn)
    n_epochs = get_epoch(expected_fn)
    run_here(chapter.train, *arguments, n_epochs - 1, '--model_fn', model_fn)
    assert load(last_of(model_fn))['early_stopping']['counter'] == 2

    run_here(chapter.train, *arguments, 50, '--model_fn', model_fn, '--resume')

    assert n_epochs < 50
    assert_same_result(model_fn, expected_fn)
    capsys.readouterr()
    run_here(chapter.train, *arguments, 60, '--model_fn', model_fn, '--resume')
    assert 'there is nothing left to train\n' in capsys.readouterr().err
    assert_same_result(model_fn, expected_fn)


# ---- From a bad file

# A state that is missing is not a bad one.
ATTACKS = sorted(READING.keys() - ON_PERMISSIONS - {'missing', 'in_a_missing_folder'})


@pytest.mark.parametrize('attack', ATTACKS)
def test_bad_state(attack, name, chapter, two_epochs, tmp_path):
    name = FINE_TUNED.get(name, name)
    attacked = READING[attack](tmp_path, last_of(two_epochs), name)
    last_fn = last_of(tmp_path / 'x.pth')
    if attacked == tmp_path:
        last_fn.mkdir()
    else:
        attacked.rename(last_fn)
    parser = chapter.train.define_argparser()
    config = parser.parse_args(['--model_fn', str(tmp_path / 'x.pth')])

    with pytest.raises(chapter.guards.InputError) as refusal:
        chapter.utils.load_last(config, name)

    expected = f'{last_fn}: expected a checkpoint of {name}'
    assert str(refusal.value).startswith(expected)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize('is_state', [False, True])
def test_no_state_of_this_version(is_state, name, chapter, options, model_fn):
    """A model, or a state as it was before Ignite's Checkpoint saved it."""
    other = load(last_of(model_fn) if is_state else model_fn)
    other['chapter'] = FINE_TUNED.get(name, name)
    if is_state:
        other |= {'epoch': 2, 'best_loss': 0.5, 'history': other.pop('trainer')}
    torch.save(other, last_of(model_fn))

    with pytest.raises(
        chapter.guards.InputError, match='expected the state of a train'
    ):
        run_here(chapter.train, *options, '--model_fn', model_fn, '--resume')


def test_truncated_state(folder, command, model_fn):
    last_fn = last_of(model_fn)
    last_fn.write_bytes(last_fn.read_bytes()[:-1000])
    before = snapshot(model_fn.parent)

    process = run_quickly(folder, *command, '--model_fn', model_fn, '--resume')

    assert process.returncode == 2
    *_, error = process.stderr.splitlines()
    assert error.startswith(f'error: {last_fn}: expected a checkpoint of ')
    assert snapshot(model_fn.parent) == before


def test_differences_are_found():
    value = {'a': torch.zeros(2), 'b': {'c': [1.0, 2]}, 'd': None, 'f': [torch.ones(2)]}
    other = {'a': torch.zeros(2), 'b': {'c': [1.0, 2]}, 'd': None, 'f': [torch.ones(2)]}

    assert list(find_differences(value, other)) == []
    for change in (
        {'a': torch.tensor([0, 1e-30])},
        {'a': torch.zeros(2).double()},
        {'b': {'c': [1.0 + 1e-15, 2]}},
        {'b': {}},
        {'e': 1},
        {'f': [torch.ones(2), 1]},
        {'f': [torch.zeros(2)]},
        {'f': (torch.ones(2),)},
    ):
        assert len(list(find_differences(value, other | change))) == 1
