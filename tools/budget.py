"""Count the lines of each chapter, and how many of them are the lesson.

    python tools/budget.py            a row for each chapter
    python tools/budget.py 05_cnn     the functions of one chapter

A line counts if there is code on it: comments, docstrings and blank lines are free.

The lesson is model.py, trainer.py, search.py and the function main of train.py (in 01
also that of main.py, which is the whole program on one page; in 12/minimum_risk also
risk.py, and transformer.py, which is the model.py of 13). Its share is taken of the
chapter without the guards and fast.py. Guards are files that are the same in all
chapters that have them: guards.py, and where pictures or texts of one's own are read
also pictures.py, tables.py and labels.py. The limit on all lines includes the guards
and fast.py. New is the share of lines that the parents in lineage.toml do not have,
without model.py, which is the lesson.

Some files are not counted at all, because a reader of the lesson does not need them:
make_sample.py and prepare*.py, which make or convert data; evaluate.py, which compares
translations in files; and export.py with the onnx_parts.py of 09 and 10 and the
steps.py of 12 and 13, which write a trained network for other programs. So do
import_marian.py and export_marian.py of 13, which read and write the networks of other
libraries.
"""

import argparse
import ast
import difflib
import io
import sys
import tokenize
from pathlib import Path

from lineage import Lineage

ROOT = Path(__file__).resolve().parents[1]

# The same file in all chapters that have it, to be read once.
GUARDS = ('guards.py', 'pictures.py', 'tables.py', 'labels.py')

# Not counted, and no part of the lesson; prepare*.py neither.
ASIDE = ('make_sample.py', 'evaluate.py', 'export.py', 'steps.py', 'onnx_parts.py')
ASIDE += ('import_marian.py', 'export_marian.py')

# The most lines of code that a chapter may have, guards and fast.py included.
LIMITS = {
    '01_linear_regression': 260,
    '02_mnist_tutorial': 400,
    '03_mnist_autoencoder': 380,
    '04_advanced_pytorch': 560,
    '05_cnn': 640,
    '06_transfer_learning': 900,
    '07_rnn': 680,
    '08_preprocessing': 700,
    '09_word_embedding': 520,
    '10_text_classification': 1000,
    '12_seq2seq': 1250,
    '13_transformer': 1350,
    'appendix_lda': None,
    'appendix_word2vec': None,
}
MIN_SHARE = 0.45
MAX_NEW = 0.45
GUARDS_LIMIT = 160
UTILS_LIMIT = 90

# What was reached where the numbers above could not be met. It must not become worse.
REACHED_SHARES = {
    '01_linear_regression': 0.341,
    '02_mnist_tutorial': 0.371,
    '03_mnist_autoencoder': 0.369,
    '04_advanced_pytorch/custom_dataset': 0.379,
    '06_transfer_learning': 0.367,
    '08_preprocessing': 0.438,
    '10_text_classification': 0.362,
}
REACHED_LINES = {
    '01_linear_regression': 399,
    '02_mnist_tutorial': 496,
    '03_mnist_autoencoder': 451,
    '04_advanced_pytorch': 615,
    '05_cnn': 702,
    '06_transfer_learning': 988,
    '07_rnn': 739,
    '08_preprocessing': 1007,
    '09_word_embedding': 596,
    '10_text_classification': 1290,
    '13_transformer': 1550,
}
REACHED_NEW = {
    '02_mnist_tutorial': 0.583,
    'appendix_lda': 0.607,
}

NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
LESSON_FILES = {'model.py', 'transformer.py', 'risk.py', 'trainer.py', 'search.py'}
LESSON_MAINS = {'train.py', 'main.py'}


def get_code_lines(text):
    """Return the numbers of the lines that have code on them, a set.

    A docstring is an expression that is nothing but a string.
    """
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            lines.difference_update(range(node.lineno, node.end_lineno + 1))
    return lines


def count_functions(text):
    """Return the code lines of each top-level function, class and of the rest."""
    lines = get_code_lines(text)
    counts = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            own = lines & set(range(first, node.end_lineno + 1))
            counts[node.name] = len(own)
            lines -= own
    return {'(the rest)': len(lines)} | counts


def count_file(fn):
    """Return the code lines of a file, and how many of them are the lesson."""
    counts = count_functions(fn.read_text(encoding='utf-8'))
    total = sum(counts.values())
    if fn.name in LESSON_FILES:
        return total, total
    return total, counts.get('main', 0) if fn.name in LESSON_MAINS else 0


def is_aside(fn):
    """Return whether a file is outside the count: it converts data or a network."""
    return fn.name in ASIDE or fn.name.startswith('prepare')


def count_chapter(folder):
    """Return the counts of a chapter: lesson, reading, guards, fast and all lines.

    Reading is what the share of the lesson is taken of. Programs in folders below the
    chapter, which have a lesson of their own, are not counted with it.
    """
    counts = dict.fromkeys(('lesson', 'reading', 'guards', 'fast', 'all'), 0)
    for fn in sorted(folder.glob('*.py')):
        if is_aside(fn):
            continue
        total, lesson = count_file(fn)
        counts['all'] += total
        if fn.name in GUARDS:
            counts['guards'] += total
        elif fn.name == 'fast.py':
            counts['fast'] += total
        else:
            counts['reading'] += total
            counts['lesson'] += lesson
    return counts


def get_code(fn):
    """Return the lines of code of a file."""
    text = fn.read_text(encoding='utf-8')
    numbers = get_code_lines(text)
    return [line for i, line in enumerate(text.split('\n'), 1) if i in numbers]


def get_new_share(lineage, chapter):
    """Return the share of a chapter's lines that its parents do not have.

    Returns:
        A number from 0 to 1; None for a chapter without a parent.
    """
    if (chapter, 'parent') not in lineage.entries:
        return None
    n_lines = n_kept = 0
    for fn in sorted((ROOT / chapter).glob('*.py')):
        if is_aside(fn) or fn.name == 'model.py':
            continue
        code = get_code(fn)
        n_lines += len(code)
        if fn.name == 'guards.py':
            n_kept += len(code)
            continue
        old = [
            line
            for origin in lineage.origins(chapter, fn.name)
            if lineage.has(origin)
            for line in get_code(ROOT / origin)
        ]
        matcher = difflib.SequenceMatcher(None, old, code, autojunk=False)
        n_kept += sum(block.size for block in matcher.get_matching_blocks())
    return 1 - n_kept / n_lines


def find_programs():
    """Return the folders that hold a train.py: chapters, and programs below them."""
    return sorted(
        fn.parent.relative_to(ROOT).as_posix()
        for pattern in ('*/train.py', '*/*/train.py')
        for fn in ROOT.glob(pattern)
        if fn.relative_to(ROOT).parts[0].startswith(('0', '1', 'appendix'))
    )


def print_table():
    """Print a row of counts for each chapter, as Markdown."""
    lineage = Lineage(ROOT)
    print('| chapter | lesson | reading | share | guards | fast | all | limit | new |')
    print('| --- | --: | --: | --: | --: | --: | --: | --: | --: |')
    for name in find_programs():
        counts = count_chapter(ROOT / name)
        share = counts['lesson'] / counts['reading']
        new = get_new_share(lineage, name)
        cells = [name, counts['lesson'], counts['reading'], f'{share:.1%}']
        cells += [counts['guards'], counts['fast'], counts['all']]
        cells += [LIMITS.get(name) or '', '' if new is None else f'{new:.0%}']
        print('|', ' | '.join(map(str, cells)), '|')


def print_functions(folder):
    """Print the lines of each function of a chapter."""
    for fn in sorted(folder.glob('*.py')):
        total, lesson = count_file(fn)
        note = 'not counted' if is_aside(fn) else f'{lesson} of it the lesson'
        print(f'{fn.name}: {total}, {note}')
        for name, count in count_functions(fn.read_text(encoding='utf-8')).items():
            print(f'    {count:4}  {name}')


def main():
    """Print the table, or one chapter."""
    p = argparse.ArgumentParser(description='Count the lines of each chapter.')
    p.add_argument('chapter', nargs='?', help='print its functions')
    config = p.parse_args()
    if not config.chapter:
        print_table()
        return
    folder = ROOT / config.chapter
    if not folder.is_dir():
        sys.exit(f'{config.chapter}: no such chapter')
    print_functions(folder)


if __name__ == '__main__':
    main()
