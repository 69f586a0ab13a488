"""Small models of 09 and 10, trained and exported by their own programs, once."""

import functools
import json
import tempfile
from pathlib import Path

from bert import make_bert
from chapters import copy_chapter, load_chapter, run

WORDS, REVIEWS = '09_word_embedding', '10_text_classification'
# Few epochs, with a large learning rate: vectors as long as those of the default run.
TRAINING = {'words': ['--n_epochs', 5, '--lr', 0.1]}
TRAINING['cnn'] = ['--model', 'cnn', '--n_epochs', 2, '--train_fn', 'train.tsv']
TRAINING['rnn'] = ['--tokenizer', 'space', '--n_epochs', 1, '--train_fn', 'train.tsv']
TRAINING['rnn'] += ['--n_layers', 2, '--hidden_size', 8, '--word_vec_size', 8]
TRAINING['bert'] = ['--model', 'bert', '--pretrained_model_name', 'bert']
TRAINING['bert'] += ['--n_epochs', 1, '--train_fn', 'few.tsv', '--max_length', 60]

load = functools.cache(load_chapter)


@functools.cache
def make_root():
    """Return a folder that is there until this process ends."""
    return tempfile.TemporaryDirectory()


@functools.cache
def get_folder(chapter):
    """Return a copy of a chapter, to train and export in."""
    folder = copy_chapter(chapter, make_root().name)
    if chapter == REVIEWS:
        text = Path(folder, 'sample', 'train.tsv').read_text(encoding='utf-8')
        lines = text.splitlines(keepends=True)
        for name, n_lines in ('train.tsv', 1200), ('few.tsv', 100):
            Path(folder, name).write_text(''.join(lines[:n_lines]), encoding='utf-8')
        make_bert(folder / 'bert', text.replace('\n', '').replace('\t', ''))
    return folder


def read_reviews():
    """Return the texts of the sample's test part."""
    fn = get_folder(REVIEWS) / 'sample' / 'test.tsv'
    lines = fn.read_text(encoding='utf-8').splitlines()
    return [line.split('\t')[1] for line in lines]


def predict(kind, lines, *options):
    """Return the lines that predict.py prints for some lines."""
    export(kind)
    folder = get_folder(WORDS if kind == 'words' else REVIEWS)
    options = '--model_fn', f'{kind}.pth', '--gpu_id', -1, *options
    # A map of words that is drawn in less time.
    options += ('--map', 'pca') if kind == 'words' else ()
    stdin = ''.join(f'{line}\n' for line in lines)
    process = run(folder, 'predict.py', *options, stdin=stdin, check=True)
    return process.stdout.split('\n')[:-1]


@functools.cache
def export(kind):
    """Train and export a model.

    Arguments:
        kind: a key of TRAINING.

    Returns:
        The folder of the export, and what export.py has printed.
    """
    name = WORDS if kind == 'words' else REVIEWS
    folder = get_folder(name)
    model = ['--model_fn', f'{kind}.pth', '--gpu_id', -1, '--verbose', 0]
    run(folder, 'train.py', *model, *TRAINING[kind], check=True)
    options = ['--model_fn', f'{kind}.pth', '--out_dir', kind]
    process = run(folder, 'export.py', *options, check=True)
    return folder / kind, process.stdout


@functools.cache
def read(kind, name):
    """Return the content of a JSON file of an export."""
    folder, _ = export(kind)
    return json.loads((folder / name).read_text(encoding='utf-8'))
