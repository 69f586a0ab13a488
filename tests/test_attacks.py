"""No attack of attacks.py gets anywhere: nothing is lost, and one line says why."""

import os
import pickle
import random
import shutil
import signal
import tempfile
import time
from functools import partial

import pytest
import torch
from attacks import (
    CHAPTERS,
    DISKS,
    MARK,
    READING,
    WRITING,
    WRONG_OPTIONS,
    Program,
    handicap_for,
    is_whole,
    kill_before_line,
    run_quickly,
    snapshot,
)
from chapters import ROOT, all_chapters, copy_chapter, load_chapter, run
from translators import add_pretrained

IS_LONG = os.environ.get('TEST_LONG') == '1'
N_INTERRUPTS = 20 if IS_LONG else 1
N_KILLS = 50 if IS_LONG else 2

for_every_program = pytest.mark.parametrize('chapter', CHAPTERS, ids=str)

# Of the programs that train in one chapter, the checkpoints are read by the same one.
BY_NAME = {chapter.name: chapter for chapter in CHAPTERS}


def describe(attack):
    """Return the name of an attack, of a function, or the options of a tuple."""
    if callable(attack):
        return attack.__name__
    return attack if isinstance(attack, str) else ' '.join(attack)


def for_some_programs(name, attacks, programs=CHAPTERS):
    """Return a mark for each attack on every third program, from another one on.

    They meet the same guards.py. With TEST_LONG=1, they attack all programs.
    """
    pairs = [
        pytest.param(chapter, attack, id=f'{chapter}-{describe(attack)}')
        for i, attack in enumerate(attacks)
        for j, chapter in enumerate(programs)
        if IS_LONG or (i + j) % 3 == 0
    ]
    return pytest.mark.parametrize(('chapter', name), pairs)


@pytest.fixture(scope='session')
def copy_of(tmp_path_factory):
    """Return a function that copies a chapter, once, and gives the folder."""
    folders = {}

    def copy(chapter):
        if chapter.name not in folders:
            folder = tmp_path_factory.mktemp('chapter')
            folders[chapter.name] = copy_chapter(chapter.name, folder)
            add_pretrained(folders[chapter.name], chapter.name)
            for program in chapter.before:
                run_quickly(folders[chapter.name], *program, check=True)
        return folders[chapter.name]

    return copy


@pytest.fixture(scope='session')
def good_checkpoint(copy_of, tmp_path_factory):
    """Return a function that trains a chapter, once, and gives the checkpoint."""
    fns = {}

    def train(chapter):
        if chapter not in fns:
            model_fn = tmp_path_factory.mktemp('good') / 'model.pth'
            arguments = (*chapter.train, '--model_fn', model_fn, *chapter.other)
            run_quickly(copy_of(chapter), *arguments, check=True)
            fns[chapter] = model_fn
        return fns[chapter]

    return train


def assert_refused(process, beginning):
    """Assert that a program did nothing but say in one line why."""
    assert process.returncode == 2, process.stderr
    assert process.stderr.startswith(beginning)
    assert process.stderr.endswith('\n')
    assert process.stderr.count('\n') == 1
    assert process.stdout == ''


def temporary_files(folder):
    return [path for path in folder.rglob('*') if path.name.endswith('.tmp')]


def test_every_chapter_is_attacked():
    assert {chapter.name for chapter in CHAPTERS} == set(all_chapters())


@for_every_program
def test_without_an_attack(chapter, copy_of, good_checkpoint):
    model_fn = good_checkpoint(chapter)
    arguments = (*chapter.predict, '--model_fn', model_fn)

    process = run_quickly(copy_of(chapter), *arguments, check=True)

    # A filter has nothing to say of an empty stdin.
    assert (process.stdout == '') == (chapter.predict[0] == 'translate.py')
    assert is_whole(model_fn, chapter)
    assert not temporary_files(model_fn.parent)


@for_some_programs('attack', READING, BY_NAME.values())
def test_reading(chapter, attack, copy_of, good_checkpoint, tmp_path):
    handicap = handicap_for(attack)
    name = chapter.format or chapter.name
    model_fn = READING[attack](tmp_path, good_checkpoint(chapter), name)

    process = run_quickly(
        copy_of(chapter), *chapter.predict, '--model_fn', model_fn, handicap=handicap
    )

    assert not (tmp_path / MARK).exists()
    assert_refused(process, f'error: {model_fn}: expected a checkpoint of {name}')


@pytest.mark.parametrize('attack', [name for name in READING if 'code' in name])
def test_code_would_run(attack, good_checkpoint, tmp_path):
    chapter = CHAPTERS[0]
    model_fn = READING[attack](tmp_path, good_checkpoint(chapter), chapter.name)

    if 'pickle' in attack:
        pickle.loads(model_fn.read_bytes())
    else:
        torch.load(model_fn, weights_only=False)

    assert (tmp_path / MARK).exists()


@for_some_programs('attack', WRITING)
def test_writing(chapter, attack, copy_of, tmp_path):
    handicap = handicap_for(attack)
    model_fn = WRITING[attack](tmp_path)
    before = snapshot(tmp_path)

    process = run_quickly(
        copy_of(chapter), *chapter.train, '--model_fn', model_fn, handicap=handicap
    )

    assert_refused(process, f'error: {model_fn}: ')
    assert snapshot(tmp_path) == before


@for_some_programs('disk', DISKS)
def test_no_room(chapter, disk, copy_of, good_checkpoint, tmp_path):
    good_fn = good_checkpoint(chapter)
    good = good_fn.read_bytes()

    with disk(tmp_path, len(good)) as (folder, handicap):
        model_fn = folder / 'model.pth'
        shutil.copyfile(good_fn, model_fn)
        before = snapshot(folder)
        arguments = (*chapter.train, '--model_fn', model_fn, '--verbose', '0')
        process = run_quickly(copy_of(chapter), *arguments, handicap=handicap)
        after = snapshot(folder)

    assert process.returncode == 2, process.stderr
    last_line = process.stderr.splitlines()[-1]
    assert last_line.startswith(f'error: {model_fn}: cannot be written: ')
    assert 'Traceback' not in process.stderr
    assert after == before


@for_every_program
def test_ctrl_c(chapter, copy_of, good_checkpoint, tmp_path):
    model_fn = tmp_path / 'model.pth'
    shutil.copyfile(good_checkpoint(chapter), model_fn)
    arguments = (*chapter.train, *chapter.endless, '--verbose', '1')

    for number in range(N_INTERRUPTS):
        program = Program(copy_of(chapter), *arguments, '--model_fn', model_fn)
        program.wait_for(chapter.progress)
        time.sleep(random.Random(number).uniform(0, 0.3))
        program.send(signal.SIGINT)
        # Python drops what Ctrl-C raises in a callback of a weak reference: once more.
        program.process.join(10)
        program.send(signal.SIGINT)
        process = program.finish()

        lines = process.stderr.splitlines()
        epochs = [line for line in lines if line.startswith(chapter.progress)]
        assert process.returncode == 130, process.stderr
        assert lines[-1].startswith('interrupted')
        # What is left out, trained on, saved and drawn, and how to resume.
        assert len(lines) - len(epochs) <= 8, process.stderr
        assert 'Traceback' not in process.stderr
        assert is_whole(model_fn, chapter)
        assert not temporary_files(tmp_path)


def time_from_first_epoch_to_end(chapter, folder, *arguments):
    program = Program(folder, *arguments)
    program.wait_for(chapter.progress)
    start = time.monotonic()
    assert program.finish().returncode == 0
    return time.monotonic() - start


@pytest.mark.parametrize('chapter', CHAPTERS[:: 1 if IS_LONG else 2], ids=str)
def test_kill(chapter, copy_of, good_checkpoint, tmp_path):
    """Kill trainings at random instants, every other one with an old checkpoint."""
    old = good_checkpoint(chapter).read_bytes()
    model_fn = tmp_path / 'model.pth'
    arguments = (*chapter.train, '--model_fn', model_fn, '--verbose', '1')
    n_seconds = time_from_first_epoch_to_end(chapter, copy_of(chapter), *arguments)

    for number in range(N_KILLS):
        has_old = number % 2 == 0
        if has_old:
            model_fn.write_bytes(old)
        else:
            model_fn.unlink(missing_ok=True)

        program = Program(copy_of(chapter), *arguments)
        program.wait_for(chapter.progress)
        time.sleep(random.Random(number).uniform(0, n_seconds))
        program.send(signal.SIGKILL)
        program.finish()

        assert model_fn.exists() or not has_old
        if model_fn.exists():
            assert model_fn.read_bytes() == old or is_whole(model_fn, chapter)


# guards.py is the same file in all chapters.
GUARDS = ROOT / '01_linear_regression' / 'guards.py'


def test_kill_between_two_lines(tmp_path):
    """Kill the writing of a file before its first line, before its second, and so on.

    These are milliseconds of a training: kills at random instants may miss them.
    """
    shutil.copyfile(GUARDS, tmp_path / 'guards.py')
    program = "from guards import write_file\n\nwrite_file('file', b'new' * 10_000)\n"
    (tmp_path / 'program.py').write_text(program, encoding='utf-8')
    file = tmp_path / 'file'
    old, new = b'old' * 10_000, b'new' * 10_000

    found = []
    returncode = None
    while returncode != 0:
        file.write_bytes(old)
        handicap = partial(kill_before_line, len(found) + 1, 'write_file')
        returncode = run_quickly(tmp_path, 'program.py', handicap=handicap).returncode
        assert returncode in (0, -signal.SIGKILL)
        found.append(file.read_bytes())

    assert len(found) > 5
    assert set(found) == {old, new}


def test_message_takes_no_lock(monkeypatch, capsys):
    """Ctrl-C while tqdm waits for its lock would end in a RuntimeError of tqdm."""
    guards = load_chapter(GUARDS.parent.name).guards
    monkeypatch.delattr(guards.tqdm, 'get_lock')

    guards.log('saved: model.pth')

    assert capsys.readouterr().err == 'saved: model.pth\n'


def test_link_stays_a_link(tmp_path):
    link, file = tmp_path / 'link', tmp_path / 'folder' / 'file'
    file.parent.mkdir()
    link.symlink_to(file)

    load_chapter(GUARDS.parent.name).guards.write_file(link, b'new')

    assert link.is_symlink()
    assert file.read_bytes() == b'new'
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(not hasattr(os, 'O_TMPFILE'), reason='files have names here')
def test_check_of_a_folder_is_no_file_to_leave(tmp_path, monkeypatch):
    """A kill may come while the file that the check opens is there."""
    guards = load_chapter(GUARDS.parent.name).guards
    open_file, seen = tempfile.TemporaryFile, []

    def open_and_look(**arguments):
        file = open_file(**arguments)
        seen.append(list(tmp_path.iterdir()))
        return file

    monkeypatch.setattr(guards.tempfile, 'TemporaryFile', open_and_look)

    guards.check_model_fn(tmp_path / 'model.pth')

    assert seen == [[]]


@for_some_programs('options', WRONG_OPTIONS)
def test_wrong_options(chapter, options, copy_of, tmp_path):
    arguments = (*chapter.train, '--model_fn', tmp_path / 'model.pth', *options)

    process = run_quickly(copy_of(chapter), *arguments)

    # Before the word error, argparse puts the name of the program.
    process.stderr = process.stderr.removeprefix(f'{chapter.train[0]}: ')
    assert_refused(process, 'error: ')
    assert options[0] in process.stderr
    assert list(tmp_path.iterdir()) == []


PROGRAMS = [
    f'{chapter}/{file.name}'
    for chapter in all_chapters()
    for file in sorted((ROOT / chapter).glob('*.py'))
    if 'def define_argparser(' in file.read_text(encoding='utf-8')
]


@pytest.mark.parametrize('program', PROGRAMS)
def test_help_comes_at_once_and_shows_every_default(program):
    chapter, _, file_name = program.rpartition('/')

    process = run(ROOT / chapter, '-X', 'importtime', file_name, '--help', check=True)

    imported = {line.split('|')[-1].strip() for line in process.stderr.splitlines()}
    assert 'argparse' in imported
    assert not imported & {'torch', 'torchvision', 'sklearn', 'pandas', 'matplotlib'}
    module = getattr(load_chapter(chapter), file_name.removesuffix('.py'))
    shown = ''.join(process.stdout.split())
    for action in module.define_argparser()._actions[1:]:
        if not action.option_strings:
            # What has no name has no default either.
            assert (action.metavar or action.dest) in shown
            continue
        assert action.option_strings[0] in shown
        assert ''.join(f'(default: {action.default})'.split()) in shown
