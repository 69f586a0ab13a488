"""Most of what a reader meets is the lesson: the budget of tools/budget.py is held."""

import subprocess
import sys

import pytest
from chapters import ROOT

sys.path.insert(0, str(ROOT / 'tools'))
import budget
from lineage import Lineage

PROGRAMS = budget.find_programs()
# Of the guards that not all chapters need.
N_COPIES = {'pictures.py': 5, 'tables.py': 6, 'labels.py': 3}


@pytest.mark.parametrize('file', budget.GUARDS)
def test_guards_are_the_same_file_everywhere(file):
    copies = [ROOT / program / file for program in PROGRAMS]
    copies = [fn.read_bytes() for fn in copies if fn.exists()]

    assert len(copies) == N_COPIES.get(file, len(PROGRAMS))
    assert len({*copies}) == 1


def test_guards_stay_small():
    total, _ = budget.count_file(ROOT / '01_linear_regression' / 'guards.py')

    assert total <= budget.GUARDS_LIMIT


@pytest.mark.parametrize('program', PROGRAMS)
def test_utils_stay_small(program):
    total, _ = budget.count_file(ROOT / program / 'utils.py')

    assert total <= budget.UTILS_LIMIT


@pytest.mark.parametrize('program', PROGRAMS)
def test_share_of_the_lesson(program):
    counts = budget.count_chapter(ROOT / program)

    share = counts['lesson'] / counts['reading']
    assert share >= budget.REACHED_SHARES.get(program, budget.MIN_SHARE)


@pytest.mark.parametrize('program', budget.LIMITS)
def test_all_lines_of_a_chapter(program):
    counts = budget.count_chapter(ROOT / program)

    limit = budget.REACHED_LINES.get(program, budget.LIMITS[program])
    assert limit is None or counts['all'] <= limit


@pytest.mark.parametrize('program', PROGRAMS)
def test_steps_are_steps(program):
    share = budget.get_new_share(Lineage(ROOT), program)

    assert (share or 0) <= budget.REACHED_NEW.get(program, budget.MAX_NEW)


def test_exceptions_are_needed():
    """What has reached the mark is no longer an exception to it."""
    assert all(share < budget.MIN_SHARE for share in budget.REACHED_SHARES.values())
    assert all(new > budget.MAX_NEW for new in budget.REACHED_NEW.values())
    for program, n_lines in budget.REACHED_LINES.items():
        assert n_lines > budget.LIMITS[program]


def test_lines_are_counted_as_the_help_says():
    text = '''"""A docstring
of two lines."""

# A comment.
x = 1  # with a comment


def f():
    """Another docstring."""
    return """no
docstring"""
'''

    assert budget.get_code_lines(text) == {5, 8, 10, 11}
    assert budget.count_functions(text) == {'(the rest)': 1, 'f': 3}


def test_the_table_is_printed():
    command = [sys.executable, ROOT / 'tools' / 'budget.py']
    process = subprocess.run(command, capture_output=True, text=True, check=True)

    assert process.stdout.count('\n') == 2 + len(PROGRAMS)
    assert process.stdout.startswith('| chapter | lesson |')
