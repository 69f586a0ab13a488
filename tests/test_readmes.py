"""A stranger copies a chapter, alone and offline, and types what its README says."""

import os
import re
import shlex

import pytest
from chapters import all_chapters, copy_chapter, readme_commands, run
from sklearn.datasets import load_breast_cancer
from translators import FINE_TUNED, add_pretrained

# What the default run of a chapter reaches on the data that are always there: the
# name of a printed score, and a bar that it clears with some room.
BARS = {
    '01_linear_regression': ('w', 0.500),
    '02_mnist_tutorial': ('accuracy', 0.97),
    '03_mnist_autoencoder': ('pca_mse', 0.02),
    '04_advanced_pytorch': ('accuracy', 0.97),
    '04_advanced_pytorch/custom_dataset': ('roc_auc', 0.98),
    '05_cnn': ('accuracy', 0.97),
    '06_transfer_learning': ('accuracy', 0.9),
    '07_rnn': ('accuracy', 0.93),
    '08_preprocessing': ('round_trip', 0.9999),
    '10_text_classification': ('accuracy', 0.95),
    '10_text_classification/lstm': ('accuracy', 0.95),
    '12_seq2seq': ('bleu', 90.0),
    '12_seq2seq/attention': ('bleu', 50.0),
    '12_seq2seq/minimum_risk': ('bleu', 90.0),
    '13_transformer': ('bleu', 90.0),
    '13_transformer/dual_learning': ('bleu', 50.0),
    'appendix_lda': ('coherence', 0.5),
    '09_word_embedding': ('questions_words_accuracy', 0.25),
    'appendix_word2vec': ('wordsim353_spearman', 0.1),
}
# What makes long trainings shorter: the commands are tried in any case, and what they
# reach with TEST_LONG=1. The sample texts are shorter then, too. Words are what spaces
# separate, because Kiwi takes seconds to start in each program.
SHORTER = {
    '02_mnist_tutorial': {'train.py': 'train.py --n_epochs 2'},
    '03_mnist_autoencoder': {'train.py': 'train.py --n_epochs 2'},
    '04_advanced_pytorch': {'train.py': 'train.py --n_epochs 5'},
    '04_advanced_pytorch/custom_dataset': {'train.py': 'train.py --n_epochs 5'},
    '05_cnn': {'train.py': 'train.py --n_epochs 1'},
    '06_transfer_learning': {
        '--n_images 6400': '--n_images 64 --batch_size 8',
        '--n_epochs 20': '--n_epochs 2',
    },
    '07_rnn': {'train.py': 'train.py --n_epochs 1'},
    '09_word_embedding': {'train.py': 'train.py --n_epochs 3'},
    '10_text_classification': {'train.py': 'train.py --n_epochs 1 --tokenizer space'},
    '10_text_classification/lstm': {
        'train.py': 'train.py --n_epochs 1 --tokenizer space'
    },
    '12_seq2seq': {'train.py': 'train.py --n_epochs 1'},
    '12_seq2seq/attention': {'train.py': 'train.py --n_epochs 1'},
    '12_seq2seq/minimum_risk': {'train.py': 'train.py --n_epochs 1 --n_batches 1'},
    '13_transformer': {'train.py': 'train.py --n_epochs 1'},
    '13_transformer/dual_learning': {
        'train.py': 'train.py --n_epochs 1',
        'train_lm.py': 'train_lm.py --n_epochs 1',
    },
}
IS_LONG = os.environ.get('TEST_LONG') == '1'


def type_command(folder, command):
    """Run a command as a shell would, with its `< input` and `> output`.

    Returns:
        A `subprocess.CompletedProcess` with `returncode`, `stdout` and `stderr`.
    """
    program, _, stdout_fn = command.partition(' > ')
    program, _, stdin_fn = program.partition(' < ')
    stdin = (folder / stdin_fn).read_text(encoding='utf-8') if stdin_fn else None
    _, *arguments = shlex.split(program)
    process = run(folder, *arguments, stdin=stdin, timeout=900)
    if stdout_fn:
        (folder / stdout_fn).write_text(process.stdout, encoding='utf-8')
    return process


@pytest.fixture(scope='module', params=all_chapters())
def session(request, tmp_path_factory):
    """Run all commands of a README in a copy of the chapter."""
    chapter = request.param
    folder = copy_chapter(chapter, tmp_path_factory.mktemp('alone'))
    (folder / 'numbers.txt').write_text('1\n\n2.5\n', encoding='utf-8')
    reviews = '정말 좋았다\n\n지루하지는 않았어요\n'
    (folder / 'reviews.txt').write_text(reviews, encoding='utf-8')
    rows = load_breast_cancer(as_frame=True).data
    rows.head().to_csv(folder / 'my_tumours.csv', index=False)

    shorter = {} if IS_LONG else SHORTER.get(chapter, {})
    for file in (folder / 'sample').glob('*.*') if shorter else ():
        lines = file.read_text(encoding='utf-8').splitlines(keepends=True)
        n_lines = 300 if file.stem == 'train' else 50
        file.write_text(''.join(lines[:n_lines]), encoding='utf-8')

    # What is fine-tuned is trained before: with TEST_LONG=1 as its README says.
    if IS_LONG and chapter in FINE_TUNED:
        parent = copy_chapter(FINE_TUNED[chapter], tmp_path_factory.mktemp('parent'))
        model_fn = ('--model_fn', folder.parent / 'model.pth')
        run(parent, 'train.py', *model_fn, timeout=1800, check=True)
    else:
        add_pretrained(folder, chapter)

    output = {}
    for command in readme_commands(chapter):
        if command.startswith('python export.py') and not IS_LONG:
            # The tests of export.py have tried it, on a network like this one.
            continue
        typed = command
        for long, short in shorter.items():
            typed = typed.replace(long, short)
        process = type_command(folder, typed)
        assert process.returncode == 0, f'{command}: {process.stderr}'
        assert 'Traceback' not in process.stderr, command
        # What is translated goes to stdout, and how well to stderr.
        output[command] = process.stdout + process.stderr
    return chapter, folder, output


def test_there_are_commands_to_train_and_to_predict(session):
    _, _, output = session
    assert any(command.startswith('python train.py') for command in output)
    programs = ('python predict.py', 'python translate.py')
    assert any(command.startswith(programs) for command in output)


def test_the_default_run_learns(session):
    chapter, _, output = session
    if chapter in SHORTER and not IS_LONG:
        pytest.skip('takes minutes: TEST_LONG=1')
    name, bar = BARS[chapter]
    scores = re.findall(rf'^{name}: (\S+)$', ''.join(output.values()), re.MULTILINE)
    assert scores, f'no {name} among the results'
    assert all(float(score) > bar for score in scores)


def test_the_autoencoder_beats_pca(session):
    chapter, _, output = session
    if chapter != '03_mnist_autoencoder':
        pytest.skip('another chapter')
    if not IS_LONG:
        pytest.skip('takes minutes: TEST_LONG=1')
    scores = dict(re.findall(r'^(\w+): (\S+)$', ''.join(output.values()), re.MULTILINE))
    assert float(scores['mse']) < 0.75 * float(scores['pca_mse'])


def test_the_pictures_lie_beside_the_checkpoint(session):
    _, folder, _ = session
    assert (folder / 'model.pth').stat().st_size > 0
    assert (folder / 'model.png').read_bytes().startswith(b'\x89PNG')


def test_nothing_else_is_left(session):
    _, folder, _ = session
    exported = folder / 'export'
    files = [file for file in folder.rglob('*') if exported not in file.parents]
    left = {file.suffix for file in files if file.is_file()}
    assert left <= {'.py', '.md', '.csv', '.tsv', '.txt', '.pth', '.png', '.ko', '.en'}
