"""Attacks on the programs of every chapter, and a quick way to run these programs.

An attack is a function that prepares a bad state in an empty folder and returns the
name of the checkpoint with which a program runs into it. Its own name says what is bad.
A new chapter joins by an entry in CHAPTERS; a new attack, by being defined here, meets
all chapters.
"""

import ctypes
import itertools
import math
import os
import pickle
import random
import resource
import signal
import stat
import subprocess
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import pytest
import torch
from chapters import load_chapter
from programs import Program


@dataclass(frozen=True)
class Chapter:
    """How to run the programs of a chapter in about a second.

    Attributes:
        name: as `all_chapters` gives it.
        train: the program that trains, and its arguments.
        predict: the program that reads the checkpoint, and its arguments.
        endless: arguments that make the training last for hours, its epochs short.
        progress: how the lines begin that say during the training how far it is.
        other: arguments that make another checkpoint.
        before: programs that have to run first, once in each copy, with arguments.
        format: the chapter of its checkpoints, if that is not the chapter itself.
    """

    name: str
    train: tuple
    predict: tuple
    endless: tuple = ('--n_epochs', '1000000')
    progress: str = 'epoch'
    other: tuple = ('--seed', '1')
    before: tuple = ()
    format: str = ''

    def __str__(self):
        return f'{self.name}/{self.train[0]}'


DIGITS = ('--dataset', 'digits', '--n_epochs', '2', '--hidden_sizes', '20')
WORDS = ('--n_epochs', '2', '--word_vec_size', '10')
# A frozen backbone of which the features are computed once.
BACKBONE = (
    *('--dataset', 'digits', '--n_epochs', '2', '--n_train', '40'),
    *('--model_name', 'squeezenet', '--image_size', '17', '--pretrained', 'none'),
    *('--freeze', '--no-augment'),
)
REVIEWS = (
    *('--train_fn', 'sample/test.tsv', '--tokenizer', 'space', '--cache_dir', 'cache'),
    *('--word_vec_size', '4', '--hidden_size', '4'),
)
TRANSLATOR = (
    *('--train_fn', 'sample/test', '--vocab_size', '700', '--cache_dir', 'cache'),
    *('--hidden_size', '4', '--n_layers', '1'),
)
LANGUAGE_MODEL = ('train_lm.py', '--gpu_id', '-1', '--train_fn', 'sample/test')
LANGUAGE_MODEL += ('--vocab_size', '700', '--n_epochs', '1', '--n_layers', '1')
LANGUAGE_MODEL += ('--hidden_size', '4', '--ffn_size', '4')
CHAPTERS = [
    Chapter('01_linear_regression', ('main.py',), ('predict.py', '--x', '4.5')),
    Chapter('01_linear_regression', ('train.py',), ('predict.py', '--x', '4.5')),
    Chapter('02_mnist_tutorial', ('train.py', *DIGITS), ('predict.py',)),
    Chapter('03_mnist_autoencoder', ('train.py', *DIGITS), ('predict.py',)),
    Chapter(
        '04_advanced_pytorch/custom_dataset',
        ('train.py', '--n_epochs', '3', '--early_stop', '0'),
        ('predict.py',),
    ),
    Chapter('04_advanced_pytorch', ('train.py', *DIGITS), ('predict.py',)),
    Chapter('05_cnn', ('train.py', *DIGITS, '--channel_sizes', '2'), ('predict.py',)),
    Chapter('06_transfer_learning', ('train.py', *BACKBONE), ('predict.py',)),
    Chapter('07_rnn', ('train.py', *DIGITS, '--hidden_size', '4'), ('predict.py',)),
    Chapter(
        '08_preprocessing',
        ('train.py',),
        ('predict.py', '--score'),
        # A long text that comes with Python, and merges until no pair is left.
        endless=(
            *('--train_fn', find_spec('pydoc_data.topics').origin, '--column', '-1'),
            *('--min_count', '1', '--n_merges', '1000000'),
        ),
        progress='merge',
        other=('--n_merges', '500'),
    ),
    Chapter(
        '09_word_embedding',
        ('train.py', *WORDS, '--n_buckets', '500'),
        ('predict.py', '--evaluate', '--map', 'pca'),
    ),
    Chapter(
        '10_text_classification',
        ('train.py', '--n_epochs', '2', *REVIEWS),
        ('predict.py', '--test_fn', 'sample/test.tsv'),
    ),
    Chapter(
        '10_text_classification/lstm',
        (
            *('train.py', '--n_epochs', '2', '--train_fn', 'sample/test.tsv'),
            *('--tokenizer', 'space', '--word_vec_size', '4', '--hidden_size', '4'),
        ),
        ('predict.py', '--test_fn', 'sample/test.tsv'),
    ),
    Chapter(
        '12_seq2seq',
        ('train.py', '--n_epochs', '2', *TRANSLATOR, '--word_vec_size', '4'),
        ('translate.py', '--max_length', '3'),
    ),
    Chapter(
        '12_seq2seq/attention',
        (
            *('train.py', '--n_epochs', '2', '--train_fn', 'sample/test'),
            *('--vocab_size', '550', '--hidden_size', '4', '--word_vec_size', '4'),
        ),
        ('translate.py', '--max_length', '3'),
    ),
    Chapter(
        '12_seq2seq/minimum_risk',
        (
            *('train.py', '--n_epochs', '2', '--train_fn', 'sample/test'),
            *('--n_batches', '1', '--batch_size', '16', '--n_samples', '2'),
            # Few pairs are as short, which are all translated in each validation.
            *('--max_length', '12'),
        ),
        ('translate.py', '--max_length', '3'),
        format='12_seq2seq',
    ),
    Chapter(
        '13_transformer',
        ('train.py', '--n_epochs', '2', *TRANSLATOR, '--ffn_size', '4'),
        ('translate.py', '--max_length', '3'),
    ),
    Chapter(
        '13_transformer/dual_learning',
        (
            *('train.py', '--n_epochs', '2', '--train_fn', 'sample/test'),
            *('--hidden_size', '4', '--n_layers', '1', '--ffn_size', '4'),
        ),
        ('translate.py', '--max_length', '3'),
        before=tuple(
            (*LANGUAGE_MODEL, '--lang', lang, '--model_fn', f'lm.{lang}.pth')
            for lang in ('ko', 'en')
        ),
        format='13_transformer',
    ),
    Chapter(
        'appendix_lda', ('train.py', '--n_epochs', '2'), ('predict.py', '--topics')
    ),
    Chapter(
        'appendix_word2vec',
        ('train.py', *WORDS),
        ('predict.py', '--evaluate', '--map', 'pca'),
    ),
]


def run_quickly(folder, *arguments, handicap=None, check=False):
    """Run a program of a chapter to its end, in a process forked from the server.

    Arguments:
        folder, arguments, handicap: as for `Program`.
        check: whether the process has to end with exit status 0.

    Returns:
        A `subprocess.CompletedProcess` with `returncode`, `stdout` and `stderr`.
    """
    process = Program(folder, *arguments, handicap=handicap).finish()
    if check:
        assert process.returncode == 0, process.stderr

    return process


def run_here(module, *arguments):
    """Run a program of a loaded chapter, its `main` alone, in this very process."""
    arguments = ['--gpu_id', '-1', *map(str, arguments)]
    module.main(module.define_argparser().parse_args(arguments))


def drop_capabilities():
    """Let the permissions of files count for root too, if it is root who tests."""
    if os.geteuid() == 0:
        # The third version of Linux's interface, and this process.
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        nothing = (ctypes.c_uint32 * 6)()
        if ctypes.CDLL(None).capset(header, nothing) != 0:
            raise OSError('root keeps its capabilities')


def handicap_for(attack):
    """Return the handicap with which an attack gets at a program, or skip the test."""
    if attack not in ON_PERMISSIONS:
        return None
    if os.geteuid() == 0 and not sys.platform.startswith('linux'):
        pytest.skip('root may read and write everything')
    return drop_capabilities


def snapshot(folder):
    """Return what is in a folder: the kind of each path and the bytes of each file."""
    return {
        path.relative_to(folder): (
            stat.S_IFMT(path.lstat().st_mode),
            path.read_bytes() if path.is_file() else None,
        )
        for path in folder.rglob('*')
    }


# Chapters whose checkpoints are in the format of another program; torch's are none.
FOREIGN = {'09_word_embedding'}


def load_good(good_fn, chapter):
    """Load a good checkpoint, or make one up for a chapter that has none of torch."""
    if chapter in FOREIGN:
        return {'chapter': chapter, 'config': {}, 'model': {}}
    return torch.load(good_fn, weights_only=True)


def is_whole(checkpoint_fn, chapter):
    """Say whether a file is a checkpoint of a chapter that can be read."""
    if chapter.name in FOREIGN:
        load_chapter(chapter.name).model.check_format(checkpoint_fn.read_bytes())
        return True
    checkpoint = torch.load(checkpoint_fn, weights_only=True)
    return checkpoint['chapter'] == (chapter.format or chapter.name)


# The attacks on reading a checkpoint, by name. Each takes an empty folder, the file of
# a good checkpoint and the name of its chapter.
READING = {}

# The attacks on writing one. Each takes an empty folder.
WRITING = {}

# Those among them that set permissions, of which root takes no notice.
ON_PERMISSIONS = set()


def attack_on(attacks, permissions=False):
    """Return a decorator that enters an attack in a dict under its own name."""

    def enter(attack):
        attacks[attack.__name__] = attack
        if permissions:
            ON_PERMISSIONS.add(attack.__name__)
        return attack

    return enter


@attack_on(READING)
def missing(folder, good_fn, chapter):
    return folder / 'model.pth'


@attack_on(READING)
def in_a_missing_folder(folder, good_fn, chapter):
    return folder / 'missing' / 'model.pth'


@attack_on(READING)
def a_folder(folder, good_fn, chapter):
    return folder


@attack_on(READING, permissions=True)
def forbidden_to_read(folder, good_fn, chapter):
    model_fn = folder / 'model.pth'
    model_fn.write_bytes(good_fn.read_bytes())
    model_fn.chmod(0)
    return model_fn


@attack_on(READING)
def empty(folder, good_fn, chapter):
    return write(folder, b'')


@attack_on(READING)
def cut_after_a_byte(folder, good_fn, chapter):
    return write(folder, good_fn.read_bytes()[:1])


@attack_on(READING)
def cut_in_the_first_name(folder, good_fn, chapter):
    return write(folder, good_fn.read_bytes()[:40])


@attack_on(READING)
def cut_in_the_middle(folder, good_fn, chapter):
    content = good_fn.read_bytes()
    return write(folder, content[: len(content) // 2])


@attack_on(READING)
def cut_before_the_last_byte(folder, good_fn, chapter):
    return write(folder, good_fn.read_bytes()[:-1])


@attack_on(READING)
def without_the_beginning(folder, good_fn, chapter):
    return write(folder, good_fn.read_bytes()[100:])


@attack_on(READING)
def random_bytes(folder, good_fn, chapter):
    return write(folder, random.Random(0).randbytes(10_000))


@attack_on(READING)
def a_text(folder, good_fn, chapter):
    return write(folder, b'<html>404 Not Found</html>\n')


@attack_on(READING)
def of_another_chapter(folder, good_fn, chapter):
    checkpoint = load_good(good_fn, chapter)
    return save(folder, checkpoint | {'chapter': '99_another'})


@attack_on(READING)
def of_a_chapter_in_two_lines(folder, good_fn, chapter):
    return save(folder, {'chapter': f'{chapter}\n{chapter}'})


@attack_on(READING)
def of_a_tensor_as_chapter(folder, good_fn, chapter):
    return save(folder, {'chapter': torch.zeros(3, 3)})


@attack_on(READING)
def of_no_chapter(folder, good_fn, chapter):
    return save(folder, {'model': load_good(good_fn, chapter)['model']})


@attack_on(READING)
def a_tensor(folder, good_fn, chapter):
    return save(folder, torch.zeros(3))


@attack_on(READING)
def a_list(folder, good_fn, chapter):
    return save(folder, ['chapter', chapter])


@attack_on(READING)
def a_pickled_module(folder, good_fn, chapter):
    return save(folder, torch.nn.Linear(2, 2))


@attack_on(READING)
def a_script_of_torch(folder, good_fn, chapter):
    model_fn = folder / 'model.pth'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)
        torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(model_fn)
    return model_fn


# What the code in a pickle leaves in the folder of the attack, should it run.
MARK = 'code_ran_here'


class Code:
    """Makes a folder named MARK when its pickle is read."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder / MARK),)


@attack_on(READING)
def code_in_a_pickle_of_protocol_2(folder, good_fn, chapter):
    checkpoint = {'chapter': chapter, 'model': Code(folder)}
    return write(folder, pickle.dumps(checkpoint, protocol=2))


@attack_on(READING)
def code_in_a_pickle_of_protocol_4(folder, good_fn, chapter):
    checkpoint = {'chapter': chapter, 'model': Code(folder)}
    return write(folder, pickle.dumps(checkpoint, protocol=4))


@attack_on(READING)
def code_in_a_checkpoint_of_protocol_2(folder, good_fn, chapter):
    checkpoint = load_good(good_fn, chapter)
    return save(folder, checkpoint | {'more': Code(folder)}, pickle_protocol=2)


@attack_on(READING)
def code_in_a_checkpoint_of_protocol_4(folder, good_fn, chapter):
    checkpoint = load_good(good_fn, chapter)
    return save(folder, checkpoint | {'more': Code(folder)}, pickle_protocol=4)


@attack_on(READING)
def code_in_a_checkpoint_of_old(folder, good_fn, chapter):
    checkpoint = {'chapter': chapter, 'model': Code(folder)}
    return save(folder, checkpoint, _use_new_zipfile_serialization=False)


@attack_on(WRITING)
def onto_a_folder(folder):
    model_fn = folder / 'model.pth'
    model_fn.mkdir()
    return model_fn


@attack_on(WRITING)
def into_a_file(folder):
    file = folder / 'file'
    file.write_text('precious', encoding='utf-8')
    return file / 'model.pth'


@attack_on(WRITING)
def onto_a_pipe(folder):
    model_fn = folder / 'model.pth'
    os.mkfifo(model_fn)
    return model_fn


@attack_on(WRITING)
def onto_a_link_to_a_pipe(folder):
    model_fn = folder / 'model.pth'
    model_fn.symlink_to(onto_a_pipe(folder).rename(folder / 'pipe'))
    return model_fn


@attack_on(WRITING)
def onto_a_device(folder):
    # Like /dev/full: who attacks that itself, as root, loses it if the attack succeeds.
    model_fn = folder / 'model.pth'
    try:
        os.mknod(model_fn, stat.S_IFCHR | 0o666, os.makedev(1, 7))
    except PermissionError:
        pytest.skip('only root may make a device')
    return model_fn


@attack_on(WRITING)
def onto_a_picture(folder):
    model_fn = folder / 'model.png'
    model_fn.write_text('precious', encoding='utf-8')
    return model_fn


@attack_on(WRITING)
def too_long_a_name(folder):
    return folder / ('x' * 300)


@attack_on(WRITING)
def too_long_a_name_for_a_temporary_file(folder):
    return folder / ('x' * 255)


@attack_on(WRITING, permissions=True)
def into_a_folder_forbidden_to_write(folder):
    (folder / 'forbidden').mkdir(mode=0o500)
    return folder / 'forbidden' / 'model.pth'


@attack_on(WRITING, permissions=True)
def into_a_folder_forbidden_to_enter(folder):
    (folder / 'forbidden').mkdir(mode=0o600)
    return folder / 'forbidden' / 'model.pth'


def write(folder, content):
    """Write the bytes of a bad checkpoint; returns its name."""
    model_fn = folder / 'model.pth'
    model_fn.write_bytes(content)
    return model_fn


def save(folder, checkpoint, **options):
    """Save a bad checkpoint with torch; returns its name."""
    model_fn = folder / 'model.pth'
    torch.save(checkpoint, model_fn, **options)
    return model_fn


# Arguments that train.py refuses in every chapter, for an option that it does not know
# is as wrong as a wrong value. The message names the first of them.
WRONG_OPTIONS = [
    ('--no_such_option',),
    ('a_word',),
    ('--model_fn',),
    ('--n_epochs', '0'),
    ('--n_epochs', '1.5'),
    ('--n_epochs', '1' + '0' * 30),
    ('--batch_size', 'abc'),
    ('--batch_size', '0'),
    ('--batch_size', '1' + '0' * 30),
    ('--lr', 'nan'),
    ('--lr', 'inf'),
    ('--lr', '1e300'),
    ('--lr', '-1'),
    ('--seed', '-1'),
    ('--seed', '1' + '0' * 30),
    ('--gpu_id', '99'),
    ('--gpu_id', '-2'),
    ('--verbose', '3'),
]


@contextmanager
def limit_of_file_size(folder, checkpoint_size):
    """Let no file of a process become half as long as a checkpoint.

    Yields:
        The folder to write into, and the handicap of the process.
    """
    limit = checkpoint_size // 2
    yield folder, partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))


@contextmanager
def full_disk(folder, checkpoint_size):
    """Mount a small disk, in memory, that has room for one checkpoint and not for two.

    Yields:
        The folder to write into, and the handicap of the process: none.
    """
    disk = folder / 'disk'
    disk.mkdir()
    page_size = resource.getpagesize()
    disk_size = math.ceil(checkpoint_size / page_size) * page_size
    mount = ['mount', '-t', 'tmpfs', '-o', f'size={disk_size}', 'tmpfs', str(disk)]
    try:
        subprocess.run(mount, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('only root may mount a disk, and not everywhere')
    try:
        yield disk, None
    finally:
        subprocess.run(['umount', str(disk)], check=True)


DISKS = [limit_of_file_size, full_disk]


def kill_before_line(number, function):
    """Kill this process before the so-manieth line that it runs of a function."""
    lines = itertools.count(1)

    def trace(frame, event, argument):
        if frame.f_code.co_name != function:
            return None
        if event == 'line' and next(lines) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
