"""The style of the whole repository, as far as a program can judge it."""

import ast
import subprocess
import sys

import pytest
from chapters import ROOT, all_chapters

CHAPTER_FILES = sorted(
    file.relative_to(ROOT).as_posix()
    for chapter in all_chapters()
    for file in (ROOT / chapter).glob('*.py')
)


@pytest.mark.parametrize('command', ['check', 'format --check'])
def test_ruff_has_nothing_to_say(command):
    ruff = [sys.executable, '-m', 'ruff', *command.split()]
    process = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout


@pytest.mark.parametrize('file', CHAPTER_FILES)
def test_functions_fit_a_screen(file):
    tree = ast.parse((ROOT / file).read_text(encoding='utf-8'))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            n_lines = node.end_lineno - node.lineno + 1
            is_contents = node.name == 'main' and file.endswith('/train.py')
            limit = 50 if is_contents else 60
            assert n_lines <= limit, f'{file}:{node.lineno}: {node.name}'


@pytest.mark.parametrize('file', CHAPTER_FILES)
def test_nothing_is_left_to_do(file):
    text = (ROOT / file).read_text(encoding='utf-8')
    for mark in ('TODO', 'FIXME', 'XXX'):
        assert mark not in text, file
