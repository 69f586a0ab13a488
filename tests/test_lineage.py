"""Tests tools/lineage.py on small made-up trees, and holds the course itself to it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parent.parent / 'tools' / 'lineage.py'

TRAIN = '''\
"""The program."""

import sys

SEED = 0
# Few, so that a laptop can follow.
N_EPOCHS: int = 3


def decorate(function):
    return function


# The order of the steps is that of the book.
@decorate
def main(config):
    """Trains a model."""
    # Without a seed, no two runs agree.
    print(config, SEED, file=sys.stderr)
    return 0
    # |x| = (batch_size, 1)


class Trainer:
    """Trains any model."""

    speed = 1

    def __init__(self, model):
        self.model = model

    limit = 2

    # A paragraph of its own.
    def step(self, x):
        """Takes a step."""

        return self.model(x)
'''

ENTRIES = """\
["01_line"]

["02_digits"]
parent = "01_line"
idea = "digits for points"
"""


@pytest.fixture(scope='module')
def tool():
    """Returns tools/lineage.py as a module."""
    spec = importlib.util.spec_from_file_location('lineage', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tool, tmp_path, capsys):
    """Returns a function that runs a command: (status, lines of stdout, of stderr)."""

    def run_command(*arguments):
        status = tool.main(['--root', str(tmp_path), *arguments])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err.splitlines()

    return run_command


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes files, {path: text}, below tmp_path."""

    def write_files(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode('utf-8'))

    return write_files


@pytest.fixture
def course(write):
    """Returns a function that writes two chapters, the second one edited."""

    def write_course(old='', new='', listed=''):
        assert old in TRAIN
        child = TRAIN.replace(old, new, 1) if old else TRAIN + new
        write({'01_line/train.py': TRAIN, '02_digits/train.py': child})
        write({'lineage.toml': ENTRIES + listed})
        return child

    return write_course


def changed(name, file='train.py', key='changed'):
    """Returns lines of TOML that list a definition of 02_digits."""
    return f'["02_digits".{key}."{file}"]\n"{name}" = "a reason"\n'


def line_of(text, *beginnings):
    """Returns the number of the one line of a text that begins so."""
    lines = enumerate(text.splitlines(), 1)
    [number] = [n for n, line in lines if line.lstrip().startswith(beginnings)]
    return number


def head_of(text, name):
    """Returns the line at which a definition of TRAIN begins, below its comments."""
    name = name.split('.')[-1]
    functions = f'def {name}(', f'async def {name}('
    return line_of(text, *functions, f'class {name}', f'{name} =', f'{name}:')


# An edit is the name of a definition, and in TRAIN an old text and the new one.
COSMETIC = {
    'a comment inside': ('main', '# Without a seed,', '# Unseeded,'),
    'a comment above': ('main', '# The order of', '# The sequence of'),
    'a comment that is new': ('decorate', 'def decorate', '# Why.\ndef decorate'),
    'a comment at the end': ('main', '(batch_size, 1)', '(batch_size, 2)'),
    'a comment on the line': ('SEED', 'SEED = 0', 'SEED = 0  # why'),
    'a comment above a constant': ('N_EPOCHS', '# Few,', '# Few'),
    'a comment above a method': ('Trainer.step', '# A paragraph', '# A part'),
    'a docstring': ('main', 'Trains a model.', 'Trains the model.'),
    'the docstring of a class': ('Trainer', 'Trains any model.', 'Trains all.'),
    'the docstring of a method': ('Trainer.step', 'Takes a step.', 'Steps.'),
    'no docstring': ('main', '    """Trains a model."""\n', ''),
    'an empty docstring': ('main', '"""Trains a model."""', '""""""'),
    'a blank line': ('Trainer.step', '"""\n\n        return', '"""\n        return'),
    'a space': ('main', 'print(config, SEED,', 'print(config,  SEED,'),
    'a quote': ('main', 'return 0', 'return (0)'),
    'a line end': ('SEED', 'SEED = 0\n', 'SEED = 0\r\n'),
}

REAL = {
    'code': ('main', 'return 0', 'return 1'),
    'an argument': ('decorate', '(function):', '(function, depth=1):'),
    'a constant': ('SEED', 'SEED = 0', 'SEED = 1'),
    'an annotated constant': ('N_EPOCHS', ': int = 3', ': int = 4'),
    'a decorator': ('main', '@decorate\n', ''),
    'a header': ('Trainer', 'class Trainer:', 'class Trainer(object):'),
    'an attribute': ('Trainer', 'speed = 1', 'speed = 2'),
    'an attribute between methods': ('Trainer', 'limit = 2', 'limit = 3'),
    'a method': ('Trainer.step', 'self.model(x)', 'self.model(x + 1)'),
    'an async method': ('Trainer.step', 'def step', 'async def step'),
}
EDITS = COSMETIC | REAL


@pytest.mark.parametrize('edit', EDITS.values(), ids=EDITS)
def test_a_drifted_copy_is_found(course, run, edit):
    name, old, new = edit
    line = head_of(course(old, new), name)
    message = f"'{name}' differs from 01_line/train.py:{head_of(TRAIN, name)}"
    fault = f'02_digits/train.py:{line}: {message} and is not listed'
    assert run('check') == (1, [fault], [])


@pytest.mark.parametrize('edit', REAL.values(), ids=REAL)
def test_a_declared_change_is_right(course, run, edit):
    name, old, new = edit
    course(old, new, changed(name))
    summary = '2 chapters: every copy is exact, every change is declared'
    assert run('check') == (0, [summary], [])


@pytest.mark.parametrize('edit', COSMETIC.values(), ids=COSMETIC)
def test_a_declared_change_of_comments_docstring_or_spacing_is_none(course, run, edit):
    name, old, new = edit
    line = head_of(course(old, new, changed(name)), name)
    status, [fault], _ = run('check')
    assert status == 1
    assert fault.startswith(f"lineage.toml:7: '{name}' of 02_digits/train.py:{line} ")
    assert f'01_line/train.py:{head_of(TRAIN, name)} in comments, docstring' in fault


FREE = {
    'nothing': ('', ''),
    'an import': ('import sys\n', 'import os\nimport sys\n'),
    'the docstring of the file': ('"""The program."""', '"""Another program."""'),
    'a lone comment': ('# The order', '# Nobody owns this.\n\n# The order'),
    'the distance above a method': ('speed = 1\n', 'speed = 1\n\n'),
    'the distance below a method': ('    limit = 2', '\n    limit = 2'),
    'an item': ('import sys\n', "import sys\n\nsys.modules['x'] = sys\n"),
    'the end of the file': ('return self.model(x)\n', 'return self.model(x)'),
}


@pytest.mark.parametrize('edit', FREE.values(), ids=FREE)
def test_what_belongs_to_no_definition_is_free(course, run, edit):
    course(*edit)
    assert run('check')[0] == 0


def test_a_comment_belongs_to_one_definition(course, write, run):
    text = TRAIN.replace('    # |x| = (batch_size, 1)\n', '    # No more.\nDEPTH = 1\n')
    course(TRAIN, text.replace('# No more.', '# The end.'))
    write({'01_line/train.py': text})
    _, [fault], _ = run('check')
    assert "'main' differs" in fault


def test_the_methods_of_a_class_are_not_its_own_change(course, run):
    text = TRAIN.replace('Trains any model.', 'Trains.').replace('self.model(x)', 'x')
    course(TRAIN, text, changed('Trainer') + '"Trainer.step" = "a reason"\n')
    _, [fault], _ = run('check')
    assert fault.startswith("lineage.toml:7: 'Trainer' of ")
    assert 'docstring or spacing alone' in fault


def test_a_listed_name_is_that_of_one_file(course, write, run):
    course('return 0', 'return 1', changed('main', file='predict.py'))
    write({'01_line/predict.py': 'def main():\n    return 1\n'})
    write({'02_digits/predict.py': 'def main():\n    return 2\n'})
    _, [fault], _ = run('check')
    assert fault.startswith("02_digits/train.py:16: 'main' differs")


UNDECLARED = {
    'a function': ('helper', '\n\ndef helper():\n    return 1\n'),
    'an async function': ('helper', '\n\nasync def helper():\n    return 1\n'),
    'a method': ('Trainer.stop', '\n    def stop(self):\n        return 1\n'),
    'a class': ('Other', '\n\nclass Other:\n    def go(self):\n        return 1\n'),
    'a constant': ('DEPTH', '\nDEPTH = 3\n'),
    'two constants at once': ('WIDTH, DEPTH', '\nWIDTH, DEPTH = 2, 3\n'),
    'a second definition': ('main#2', '\n\ndef main():\n    return 1\n'),
}


@pytest.mark.parametrize('name, text', UNDECLARED.values(), ids=UNDECLARED)
def test_an_undeclared_definition_is_found(course, run, name, text):
    line = line_of(course(new=text), text.strip().split('\n')[0])
    fault = f"02_digits/train.py:{line}: '{name}' is not in 01_line/train.py"
    assert run('check') == (1, [f'{fault} and is not listed'], [])


@pytest.mark.parametrize('name, text', UNDECLARED.values(), ids=UNDECLARED)
def test_a_declared_new_definition_is_right(course, run, name, text):
    course(new=text, listed=changed(name, key='new'))
    assert run('check')[0] == 0


def test_a_new_class_may_list_its_methods(course, run):
    text = UNDECLARED['a class'][1]
    course(new=text, listed=changed('Other', key='new') + '"Other.go" = "a reason"\n')
    assert run('check')[0] == 0


STALE = {
    'identical': ('changed', 'main', 'train.py:16 is identical to 01_line/train.py:16'),
    'a method': ('changed', 'Trainer.step', 'train.py:35 is identical to 01_line'),
    'missing': ('changed', 'mane', 'train.py does not exist'),
    'missing, new': ('new', 'mane', 'train.py does not exist'),
    'not new': ('new', 'main', 'train.py:16 is identical to 01_line/train.py:16'),
}


@pytest.mark.parametrize('key, name, message', STALE.values(), ids=STALE)
def test_a_stale_entry_is_found(course, run, key, name, message):
    course(listed=changed(name, key=key))
    status, [fault], _ = run('check')
    assert status == 1
    assert fault.startswith(f"lineage.toml:7: '{name}' of 02_digits/{message}")


def test_an_entry_for_a_missing_file_is_found(course, run):
    course(listed=changed('main', file='trian.py'))
    fault = "lineage.toml:7: 'main' is listed, but 02_digits has no trian.py"
    assert run('check') == (1, [fault], [])


def test_a_changed_definition_is_not_new(course, run):
    course('SEED = 0', 'SEED = 1', changed('SEED', key='new'))
    message = "'SEED' of 02_digits/train.py:5 differs from 01_line/train.py:5"
    fault = f'lineage.toml:7: {message}, but is listed as new'
    assert run('check') == (1, [fault], [])


def test_a_new_definition_is_not_changed(course, run):
    course('SEED = 0', 'DEPTH = 3\nSEED = 0', listed=changed('DEPTH'))
    message = "'DEPTH' of 02_digits/train.py:5 is not in 01_line/train.py"
    fault = f'lineage.toml:7: {message}, but is listed as changed'
    assert run('check') == (1, [fault], [])


def test_a_definition_cannot_be_both_changed_and_new(course, run):
    course('SEED = 0', 'SEED = 1', changed('SEED') + changed('SEED', key='new'))
    status, [fault], _ = run('check')
    assert fault.startswith("lineage.toml:9: 'SEED' ")


def test_a_chapter_without_a_parent_lists_nothing(course, run):
    course(listed='["01_line".new."train.py"]\nmain = "a reason"\n')
    fault = "lineage.toml:7: 'main' of 01_line/train.py has no parent"
    assert run('check') == (1, [fault], [])


def test_every_fault_is_reported_in_order(course, run):
    text = TRAIN.replace('return 0', 'return 1').replace('SEED = 0', 'SEED = 10')
    course(TRAIN, text, changed('decorate') + '"mane" = "a reason"\n')
    status, faults, _ = run('check')
    places = [fault.split(' ')[0] for fault in faults]
    expected = [f'02_digits/train.py:{line}:' for line in (5, head_of(TRAIN, 'main'))]
    assert places == [*expected, 'lineage.toml:7:', 'lineage.toml:8:']


@pytest.mark.parametrize(
    'entry',
    [
        '["02_digits".changed."train.py"]\n{}',
        '["02_digits"."changed"."train.py"] # a comment\n  {} # a comment',
        "['02_digits'.changed.'train.py']\n{}",
        '[02_digits.changed."train.py"]\n{}',
        '["02_digits".changed]\n"train.py".{}',
        changed('mane').replace('"a reason"', '"""a\nreason"""') + '{}',
        changed('main', file='utils.py') + '["02_digits".changed."train.py"]\n{}',
        changed('mane', key='new') + '["02_digits".changed."train.py"]\n{}',
        '["01_line".new."train.py"]\nmain = "no"\n[02_digits.changed."train.py"]\n{}',
    ],
)
def test_the_line_of_an_entry_is_found(course, run, entry):
    text = entry.format('main = "a reason"')
    course(listed=text)
    line = len((ENTRIES + text).splitlines())
    faults = run('check')[1]
    [stale] = [fault for fault in faults if "'main' of 02_digits/train.py:16" in fault]
    assert stale.startswith(f'lineage.toml:{line}: ')


# ---- Paths, parents and files


def test_a_folder_without_an_entry_is_found(course, write, run):
    course()
    chapters = ['02_digits/deep', '03_new', 'appendix_lda']
    write({f'{chapter}/train.py': '' for chapter in chapters})
    write({'04_empty/utils.py': '', 'tools/train.py': ''})
    message = "{0}/train.py:1: chapter '{0}' has no entry in lineage.toml"
    assert run('check') == (1, [message.format(chapter) for chapter in chapters], [])


def test_a_nested_chapter_is_a_chapter_of_its_own(course, write, run):
    listed = '["02_digits/deep"]\nparent = "02_digits"\nidea = "deeper"\n'
    course(listed=listed)
    write({'02_digits/deep/train.py': TRAIN.replace('SEED = 0', 'SEED = 1')})
    fault = "02_digits/deep/train.py:5: 'SEED' differs from 02_digits/train.py:5"
    assert run('check') == (1, [f'{fault} and is not listed'], [])


def test_a_missing_chapter_is_found(course, run):
    gone = '["03_gone"]\n["03_gone".new."train.py"]\nmain = "a reason"\n'
    course('return 0', 'return 1', gone + changed('main'))
    fault = "lineage.toml:6: chapter '03_gone' does not exist"
    assert run('check') == (1, [fault], [])
    course('return 0', 'return 1', gone)
    assert run('fix') == (1, [fault], [])


@pytest.mark.parametrize('parent', ['00_gone', '01_line/main.py'])
def test_a_missing_parent_is_found(course, write, run, parent):
    course()
    write({'lineage.toml': ENTRIES.replace('"01_line"\nidea', f'"{parent}"\nidea')})
    fault = f"lineage.toml:4: parent '{parent}' of '02_digits' does not exist"
    assert run('check') == (1, [fault], [])
    assert run('fix') == (1, [fault], [])


@pytest.mark.parametrize('parent', ['01_line', '02_digits', '02_digits/train.py'])
def test_a_cycle_is_found(course, write, run, parent):
    course()
    entry = f'["01_line"]\nparent = "{parent}"\nidea = "a ring"\n'
    write({'lineage.toml': ENTRIES.replace('["01_line"]\n', entry)})
    status, [fault], _ = run('check')
    assert status == 1
    assert fault.startswith('lineage.toml:') and 'a cycle of parents: ' in fault
    assert '01_line' in fault and parent.split('/')[0] in fault
    assert run('fix') == (1, [fault], [])


LOAD = 'def load():\n    return 1\n'
MAIN = 'def main():\n    return 2\n'
SINGLE = {
    'main.py': f'SEED = 0\n\n\n{LOAD}\n\n{MAIN}',
    'train.py': f'SEED = 0\n\n\n{MAIN}',
    'utils.py': LOAD,
}


@pytest.fixture
def single(write):
    """Writes a chapter of two files that were adapted from a single one beside them."""
    write({f'01_line/{name}': text for name, text in SINGLE.items()})
    parent = '["01_line"]\nparent = "01_line/main.py"\nidea = "four files"\n'
    write({'lineage.toml': parent})
    return parent


def test_a_single_file_is_the_parent_of_all_files_beside_it(single, write, run):
    assert run('check')[0] == 0
    edited = LOAD.replace('return 1', 'return 2')
    write({'01_line/utils.py': f'{edited}\n\ndef save():\n    pass\n'})
    drifted = "01_line/utils.py:1: 'load' differs from 01_line/main.py:4"
    undeclared = "01_line/utils.py:5: 'save' is not in 01_line/main.py"
    faults = [f'{fault} and is not listed' for fault in (drifted, undeclared)]
    assert run('check') == (1, faults, [])
    carried = "01_line/utils.py:1: 'load' is now that of 01_line/main.py:4"
    assert run('fix') == (1, [carried, faults[1]], [])


def test_a_definition_of_the_single_file_is_not_new(single, write, run):
    listed = '["01_line".new."utils.py"]\nload = "a reason"\n'
    write({'lineage.toml': single + listed})
    status, [fault], _ = run('check')
    assert fault.startswith("lineage.toml:5: 'load' of 01_line/utils.py:1 is identical")


def test_a_file_may_have_another_parent(course, write, run):
    course(listed='["03_text"]\n["02_digits".extra_parents]\n"data.py" = "03_text"\n')
    write({'03_text/data.py': 'def read():\n    return 1\n'})
    write({'02_digits/data.py': 'def read():\n    return 1\n'})
    assert run('check')[0] == 0
    write({'02_digits/data.py': 'def read():\n    return 2\n'})
    fault = "02_digits/data.py:1: 'read' differs from 03_text/data.py:1"
    assert run('check') == (1, [f'{fault} and is not listed'], [])
    assert run('fix')[0] == 0
    assert run('check')[0] == 0


def test_another_parent_must_have_the_file(course, write, run):
    extra = '["02_digits".extra_parents]\n"data.py" = "01_line"\n'
    course('return 0', 'return 1', extra)
    write({'02_digits/data.py': 'def read():\n    return 1\n'})
    fault = "lineage.toml:7: parent '01_line/data.py' of '02_digits' does not exist"
    assert run('check') == (1, [fault], [])
    assert run('fix') == (1, [fault], [])


def test_another_parent_is_of_no_use_without_the_file(course, write, run):
    course(listed='["02_digits".extra_parents]\n"data.py" = "01_line"\n')
    write({'01_line/data.py': ''})
    fault = "lineage.toml:7: 'data.py' is listed, but 02_digits has no data.py"
    assert run('check') == (1, [fault], [])


def test_a_file_of_its_own_is_compared_with_none(course, write, run):
    course()
    write({'01_line/sample.py': 'NOUNS = 1\n', '02_digits/sample.py': 'NOUNS = 2\n'})
    assert run('check')[0] == 1

    own = '["02_digits".own_files]\n"sample.py" = "another grammar"\n'
    course(listed=own)
    assert run('check')[0] == 0
    assert 'A file of its own: another grammar.' in run('show', '02_digits')[1]

    course(listed=own.replace('sample', 'samples'))
    status, lines, _ = run('check')
    assert status == 1
    assert "'samples.py' is listed, but 02_digits has no samples.py" in lines[-1]


def test_a_file_may_have_several_parents(course, write, run):
    extra = '"data.py" = ["03_text", "04_words"]\n'
    course(listed=f'["03_text"]\n["04_words"]\n["02_digits".extra_parents]\n{extra}')
    read, cut = 'def read():\n    return 1\n', 'def cut():\n    return 2\n'
    write(
        {'03_text/data.py': read, '04_words/data.py': cut + '\n\n' + read + '    # x\n'}
    )
    write({'02_digits/data.py': read + '\n\n' + cut})
    assert run('check')[0] == 0
    assert (
        'Adapted from `03_text/data.py`, `04_words/data.py`.'
        in run('show', '02_digits')[1]
    )

    write({'02_digits/data.py': read + '\n\n' + cut.replace('2', '3')})
    fault = "02_digits/data.py:5: 'cut' differs from 04_words/data.py:1"
    assert run('check') == (1, [f'{fault} and is not listed'], [])
    assert run('fix')[0] == 0
    assert run('check')[0] == 0

    write({'02_digits/data.py': read + '\n\n' + cut.replace('cut', 'join')})
    fault = "02_digits/data.py:5: 'join' is not in 03_text/data.py or 04_words/data.py"
    assert run('check') == (1, [f'{fault} and is not listed'], [])


@pytest.mark.parametrize('value', ['[]', '[""]', '[1]', '["03_text", 2]'])
def test_several_parents_are_texts(course, run, value):
    course(listed=f'["02_digits".extra_parents]\n"data.py" = {value}\n')
    status, _, errors = run('check')
    assert status == 2
    assert errors[0].endswith("'02_digits.extra_parents.data.py' needs a text")


UNREADABLE = {
    'syntax': (b'x = 1\ndef main(:\n', 2, 'does not parse: '),
    'indentation': (b'x = 1\n\n  y = 2\n', 3, 'does not parse: '),
    'not UTF-8': (b'x = "\xff"\n', 1, 'cannot be read: '),
}


@pytest.mark.parametrize('chapter', ['01_line', '02_digits'])
@pytest.mark.parametrize('data, line, message', UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_file_is_found(
    course, write, run, tmp_path, chapter, data, line, message
):
    child = course('return 0', 'return 1')
    write({'01_line/utils.py': '', '02_digits/utils.py': ''})
    (tmp_path / chapter / 'utils.py').write_bytes(data)
    status, faults, errors = run('check')
    assert (status, errors) == (1, [])
    [drifted] = [fault for fault in faults if fault.startswith('02_digits/train.py:')]
    [broken] = [fault for fault in faults if fault != drifted]
    assert broken.startswith(f'{chapter}/utils.py:{line}: {message}')
    assert run('fix') == (1, [broken], [])
    assert (tmp_path / '02_digits/train.py').read_text(encoding='utf-8') == child


TOML_ERRORS = {
    'no value': ('["03"]\nparent =\n', 8),
    'an open table': ('["03"\n', 7),
    'a second table': ('["02_digits"]\n', 7),
    'a key without quotes': ('["02_digits".new."a.py"]\nA.b = "why"\n', 8),
    'a file without quotes': ('["02_digits".new.a.py]\nmain = "why"\n', 8),
    'an unknown key': ('["03"]\nparrent = "02"\n', 8),
    'a number': ('["02_digits".new."a.py"]\nA = 3\n', 8),
    'an empty reason': ('["02_digits".new."a.py"]\nA = ""\n', 8),
    'no reasons': ('["02_digits".new."a.py"]\n', 7),
    'no idea': ('["03"]\n# a comment\nparent = "02_digits"\n', 9),
    'no table': ('["02_digits".new]\n"a.py" = "why"\n', 8),
    'the end within a text': ('["03"]\nidea = """x\n', 9),
}


@pytest.mark.parametrize('command', [['check'], ['fix'], ['show', '02_digits']])
@pytest.mark.parametrize('listed, line', TOML_ERRORS.values(), ids=TOML_ERRORS)
def test_a_broken_lineage_is_one_line(course, run, command, listed, line):
    course(listed='\n' + listed)
    status, output, [error] = run(*command)
    assert (status, output) == (2, [])
    assert error.startswith(f'lineage.toml:{line}: ')


def test_a_missing_lineage_is_one_line(run):
    status, output, [error] = run('check')
    assert (status, output) == (2, [])
    assert error.startswith('lineage.toml:1: cannot be read: ')


# ---- fix


def test_fix_carries_a_comment_through_two_generations(course, write, run, tmp_path):
    course(listed='["03_code"]\nparent = "02_digits"\nidea = "images for digits"\n')
    write({'03_code/train.py': TRAIN})
    better = TRAIN.replace('# Without a seed,', '# Unseeded,')
    write({'01_line/train.py': better})
    line = head_of(TRAIN, 'main')
    messages = [
        f"02_digits/train.py:{line}: 'main' is now that of 01_line/train.py:{line}",
        f"03_code/train.py:{line}: 'main' is now that of 02_digits/train.py:{line}",
        '3 chapters: every copy is exact, every change is declared',
    ]
    assert run('fix') == (0, messages, [])
    for chapter in ('01_line', '02_digits', '03_code'):
        assert (tmp_path / chapter / 'train.py').read_text(encoding='utf-8') == better
    assert run('fix') == (0, messages[-1:], [])


def test_fix_goes_by_descent_and_not_by_name(write, run, tmp_path):
    write({'01_b/train.py': TRAIN, '02_c/train.py': TRAIN})
    write({'03_a/train.py': TRAIN.replace('SEED = 0', 'SEED = 1')})
    middle = '["02_c"]\nparent = "03_a"\nidea = "c"\n'
    last = '["01_b"]\nparent = "02_c"\nidea = "b"\n'
    write({'lineage.toml': f'{last}{middle}["03_a"]\n'})
    assert run('fix')[0] == 0
    assert 'SEED = 1' in (tmp_path / '01_b/train.py').read_text(encoding='utf-8')


@pytest.mark.parametrize('edit', EDITS.values(), ids=EDITS)
def test_fix_restores_each_kind_of_definition(course, run, tmp_path, edit):
    course(*edit[1:])
    assert run('fix')[0] == 0
    assert (tmp_path / '02_digits/train.py').read_bytes() == TRAIN.encode()


def test_fix_leaves_declared_changes_alone(course, run, tmp_path):
    text = TRAIN.replace('return 0', 'return 1').replace('self.model(x)', 'x')
    text = text.replace('speed = 1', 'speed = 10') + '\n\ndef helper():\n    return 1\n'
    listed = changed('main') + '"Trainer.step" = "a reason"\n'
    course(TRAIN, text, listed + changed('helper', key='new'))
    assert run('fix')[0] == 0
    fixed = (tmp_path / '02_digits/train.py').read_text(encoding='utf-8')
    assert fixed == text.replace('speed = 10', 'speed = 1')


def test_fix_reports_a_declared_change_of_comments_alone(course, run, tmp_path):
    child = course('# Without a seed,', '# Unseeded,', changed('main'))
    status, [fault], _ = run('fix')
    assert status == 1
    assert fault.startswith("lineage.toml:7: 'main' of 02_digits/train.py:16 is listed")
    assert fault.endswith('unlist it and run fix')
    assert (tmp_path / '02_digits/train.py').read_text(encoding='utf-8') == child


def test_fix_adds_and_removes_no_definition(course, run, tmp_path):
    text = TRAIN.replace('# Few, so that a laptop can follow.\nN_EPOCHS: int = 3\n', '')
    text += '\n\ndef helper():\n    return 1\n'
    course(TRAIN, text)
    status, [fault], _ = run('fix')
    assert (status, "'helper' is not in" in fault) == (1, True)
    assert (tmp_path / '02_digits/train.py').read_text(encoding='utf-8') == text


def test_fix_works_beside_a_stale_entry(course, run, tmp_path):
    course('return 0', 'return 1', changed('decorate'))
    _, [carried, stale], _ = run('fix')
    assert carried.startswith('02_digits/train.py:') and "'decorate'" in stale
    assert (tmp_path / '02_digits/train.py').read_text(encoding='utf-8') == TRAIN


def test_fix_leaves_a_class_divided_otherwise_to_a_person(course, run, tmp_path):
    child = course('    limit = 2\n', '')
    status, [fault], _ = run('fix')
    assert (status, "'Trainer' differs from" in fault) == (1, True)
    assert (tmp_path / '02_digits/train.py').read_text(encoding='utf-8') == child


def test_fix_keeps_the_mode_of_a_file_and_leaves_nothing_beside(course, run, tmp_path):
    course('return 0', 'return 1')
    path = tmp_path / '02_digits/train.py'
    path.chmod(0o750)
    assert run('fix')[0] == 0
    assert path.stat().st_mode & 0o777 == 0o750
    assert [file.name for file in path.parent.iterdir()] == ['train.py']


def test_fix_never_writes_into_the_file_itself(course, run, tmp_path, monkeypatch):
    child = course('return 0', 'return 1')

    def fail(source, target):
        assert Path(source).read_bytes() == TRAIN.encode()
        assert Path(source).parent == Path(target).parent
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(KeyboardInterrupt):
        run('fix')
    assert (tmp_path / '02_digits/train.py').read_bytes() == child.encode()


# ---- show


PARENT = {
    'train.py': """\
import sys

SEED = 0


def main(config):
    # Without a seed, no two runs agree.
    seed(config)
    data = load(config)
    model = Model(3)
    print(model)
    train(model, data)
    return 0


def forget():
    pass
""",
    'model.py': """\
class Model:
    size = 1

    def forward(self, x):
        return x
""",
    'plot.py': 'def plot():\n    pass\n',
}

CHILD = {
    'train.py': PARENT['train.py'].replace('(3)', '(4)').split('\n\n\ndef f')[0],
    'model.py': """\
class Block:
    # Says ```code```.
    def forward(self, x):
        return x


class Model:
    size = 1

    def forward(self, x):
        return x

    def backward(self, x):
        return -x
""",
    'save.py': 'def save():\n    pass\n',
}

LISTED = """\
["02_digits".changed."train.py"]
main = "four for three"
["02_digits".new."model.py"]
Block = "a part"
"Model.backward" = "the way back"
["02_digits".new."save.py"]
save = "for later"
"""

PAGE = """\
# 02_digits

Adapted from `01_line`: digits for points

## train.py

Adapted from `01_line/train.py`.

**Kept**, byte for byte (1): `SEED`

**Changed** `main`: four for three

```diff
@@ -2,7 +2,7 @@
     # Without a seed, no two runs agree.
     seed(config)
     data = load(config)
-    model = Model(3)
+    model = Model(4)
     print(model)
     train(model, data)
     return 0
```

## model.py

Adapted from `01_line/model.py`.

**Kept**, byte for byte (2): `Model`, `Model.forward`

**New** `Block`: a part

````python
class Block:
    # Says ```code```.
    def forward(self, x):
        return x
````

**New** `Model.backward`: the way back

```python
    def backward(self, x):
        return -x
```

## save.py

A file of its own.

**New** `save`: for later

```python
def save():
    pass
```

## Dropped

- `01_line/plot.py`, the whole file
- `01_line/train.py`: `forget`
"""


@pytest.fixture
def pages(write):
    """Writes two chapters for a page that has something of everything."""
    write({f'01_line/{name}': text for name, text in PARENT.items()})
    write({f'02_digits/{name}': text for name, text in CHILD.items()})
    write({'lineage.toml': ENTRIES + LISTED})


@pytest.mark.parametrize('chapter', ['02_digits', '02_digits/'])
def test_show_prints_the_page(pages, run, chapter):
    assert run('check')[0] == 0
    assert run('show', chapter) == (0, PAGE.splitlines(), [])


def test_show_tells_what_is_not_listed(pages, write, run):
    write({'lineage.toml': ENTRIES})
    unlisted = PAGE
    for reason in ('four for three', 'a part', 'the way back', 'for later'):
        unlisted = unlisted.replace(reason, 'not listed in lineage.toml')
    assert run('show', '02_digits') == (0, unlisted.splitlines(), [])


def test_show_gives_the_reason_of_a_method_of_a_new_class(pages, write, run):
    listed = LISTED.replace('"a part"', '"a part"\n"Block.forward" = "the way"')
    write({'lineage.toml': ENTRIES + listed})
    added = '````\n\n**New** `Block.forward`: the way\n\n**New** `Model'
    page = PAGE.replace('````\n\n**New** `Model', added)
    assert run('show', '02_digits') == (0, page.splitlines(), [])


def test_show_of_a_root_says_so(pages, run):
    page = ['# 01_line', '', 'A root, adapted from none.']
    assert run('show', '01_line') == (0, page, [])


def test_show_compares_all_files_with_a_single_one(single, write, run):
    main = SINGLE['main.py'].replace('return 2', 'return 3') + '\n\nDEPTH = 1\n'
    write({'01_line/main.py': main})
    status, page, _ = run('show', '01_line')
    assert page[2] == 'Adapted from `01_line/main.py`: four files'
    assert page.count('Adapted from `01_line/main.py`.') == 2
    assert [line for line in page if line.startswith(('-    ', '+    '))] == [
        '-    return 3',
        '+    return 2',
    ]
    assert page[-3:] == ['## Dropped', '', '- `01_line/main.py`: `DEPTH`']


def test_show_takes_files_from_another_parent(pages, write, run):
    files = ('save.py', 'model.py')
    write({f'03_text/{file}': CHILD[file] for file in files})
    extra = ''.join(f'"{file}" = "03_text"\n' for file in files)
    extra = f'["03_text"]\n["02_digits".extra_parents]\n{extra}'
    write({'lineage.toml': ENTRIES + extra})
    page = run('show', '02_digits')[1]
    assert page[2] == 'Adapted from `01_line`, `03_text`: digits for points'
    at = page.index('## save.py')
    assert page[at + 2] == 'Adapted from `03_text/save.py`.'
    assert page[at + 4] == '**Kept**, byte for byte (1): `save`'
    assert '- `01_line/model.py`, the whole file' in page


# ---- Command line


@pytest.mark.parametrize(
    'arguments',
    [[], ['mend'], ['check', '--fast'], ['check', 'x'], ['show'], ['show', '09_gone']],
    ids=str,
)
def test_a_wrong_command_is_one_line(course, run, capsys, arguments):
    course()
    with pytest.raises(SystemExit) as error:
        run(*arguments)
    captured = capsys.readouterr()
    assert (error.value.code, captured.out) == (2, '')
    assert captured.err.startswith('lineage.py')
    assert captured.err.count('\n') == 1


def test_root_may_stand_behind_the_command(course, tool, tmp_path, capsys):
    course()
    assert tool.main(['check', '--root', str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith('2 chapters: ')


def test_show_into_a_closed_pipe_is_no_error(pages, tmp_path):
    command = [sys.executable, str(TOOL), '--root', str(tmp_path), 'show', '02_digits']
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (result.returncode, result.stderr) == (0, b'')


def test_the_course_itself(tmp_path):
    """The check of this repository, from another folder, as any person runs it."""
    command = [sys.executable, str(TOOL), 'check']
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, encoding='utf-8', check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith('every copy is exact, every change is declared\n')


# ---- The file that all chapters share


@pytest.fixture
def shared(tmp_path):
    """Two chapters, each with a guards.py, and the command line on them."""
    toml = '["01_first"]\n\n["02_second"]\nparent = "01_first"\nidea = "it is later"\n'
    (tmp_path / 'lineage.toml').write_text(toml, encoding='utf-8')
    for name in ('01_first', '02_second'):
        folder = tmp_path / name
        folder.mkdir()
        (folder / 'train.py').write_text('"""A program."""\n', encoding='utf-8')
        (folder / 'guards.py').write_text('limit = 1\n', encoding='utf-8')
    return tmp_path


def run_tool(root, *arguments):
    tool = Path(__file__).parents[1] / 'tools' / 'lineage.py'
    command = [sys.executable, tool, *arguments]
    return subprocess.run(
        [*command, '--root', root], capture_output=True, text=True, check=False
    )


def test_shared_file_needs_no_entries(shared):
    assert run_tool(shared, 'check').returncode == 0
    assert (
        'The same file in all chapters' in run_tool(shared, 'show', '02_second').stdout
    )


@pytest.mark.parametrize('content', ['limit = 2\n', 'limit = 1  # one\n', None])
def test_shared_file_that_differs_is_a_fault_and_is_mended(shared, content):
    copy = shared / '02_second' / 'guards.py'
    copy.unlink() if content is None else copy.write_text(content, encoding='utf-8')

    process = run_tool(shared, 'check')

    assert process.returncode == 1
    assert process.stdout.startswith('02_second/guards.py:1: ')
    if content is not None:
        assert run_tool(shared, 'fix').returncode == 0
        assert copy.read_text(encoding='utf-8') == 'limit = 1\n'
