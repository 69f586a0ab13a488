"""The exercises: each applies, fails before, passes after; and whatever learners break.

The checks run in this process, each on a folder of its own; only what needs a process,
such as an endless loop, gets one.
"""

import csv
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chapters import ROOT, all_chapters, hermetic_environment, run

sys.path.insert(0, str(ROOT))

from exercises import catalogue, checking, edits, messages, progress, workspace  # noqa: E402
from exercises import shapes as shape_questions  # noqa: E402

IS_LONG = os.environ.get('TEST_LONG') == '1'
ALL = catalogue.load_all()
WITH_FOLDER = [name for name, exercise in ALL.items() if exercise.kind != 'shape']
SHAPES = [name for name, exercise in ALL.items() if exercise.kind == 'shape']
HANGUL = re.compile('[가-힣]')
CONSOLE = re.compile(r'^```console\n(.*?)^```', re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r'-?\d+\.?\d*(?:e-?\d+)?')
# The shortest exercise with a function to write.
FIRST = '01_training_loop'
# The check that takes least.
QUICK = '02_get_layers'
# What checks have found, by the name of the exercise and all files.
FAULTS = {}


def load_program():
    """Import exercises.py, whose name the package has."""
    spec = importlib.util.spec_from_file_location('program', ROOT / 'exercises.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


program = load_program()


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty folder in the place of `work`, and an empty current folder."""
    monkeypatch.setattr(progress, 'WORK', tmp_path / 'work')
    here = tmp_path / 'here'
    here.mkdir()
    monkeypatch.chdir(here)
    return tmp_path / 'work'


@pytest.fixture
def learner(work, monkeypatch, capsys):
    """Return a function that runs a command and returns its status and its output.

    Checks run in this process.
    """

    def check_here(exercise, folder):
        return checking.Verdict(find_fault(exercise, folder))

    monkeypatch.setattr(checking, 'check', check_here)
    # Reading all exercises takes half a second: once is enough for all commands.
    monkeypatch.setattr(program, 'load_all', lambda: ALL)

    def type_in(*arguments, answers=()):
        lines = iter(answers)

        def answer(prompt):
            print(prompt)
            try:
                return next(lines)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr('builtins.input', answer)
        status = program.main([*map(str, arguments)])
        output = capsys.readouterr()
        return status, output.out + output.err

    return type_in


def examine(exercise, changes, folder):
    """Check a chapter with some edits; return what is wrong, or None."""
    workspace.build(exercise, changes, folder)
    return find_fault(exercise, folder)


def find_fault(exercise, folder):
    """Check a folder, unless the same files have been checked before."""
    key = exercise.name, *sorted(sources_of(folder).items())
    if key not in FAULTS:
        FAULTS[key] = checking.examine(exercise, folder)
    return FAULTS[key]


# ---- Each exercise


@pytest.mark.parametrize('name', WITH_FOLDER)
def test_check_tells_right_from_wrong(name, work):
    exercise = ALL[name]
    begin = time.process_time()
    answers = {'given': exercise.edit, 'solution': exercise.solution}
    answers |= {f'wrong {i}': wrong for i, wrong in enumerate(exercise.wrong)}
    found = {
        key: examine(exercise, changes, work / key) for key, changes in answers.items()
    }

    assert len(exercise.wrong) >= 2
    assert found.pop('solution') is None
    for key, sentences in found.items():
        assert sentences, key
        english, korean = sentences
        assert not HANGUL.search(english), english
        assert HANGUL.search(korean), korean
        assert '\n' not in english + korean
    texts = [*map(sources_of, (work / key for key in answers))]
    assert all(texts.count(text) == 1 for text in texts), 'two answers are the same'
    assert (time.process_time() - begin) / len(answers) < 3


def sources_of(folder):
    return {file.name: file.read_text('utf-8') for file in folder.glob('*.py')}


@pytest.mark.parametrize('name', WITH_FOLDER)
def test_texts_are_complete_in_both_languages(name):
    exercise = ALL[name]
    english, korean = exercise.text('en'), exercise.text('ko')

    assert [*english] == [*korean]
    for text in english.values():
        assert not HANGUL.search(text)
    for key, text in korean.items():
        assert HANGUL.search(text) or not english[key]
    # Commands and their outputs are the same.
    assert CONSOLE.findall(english['task']) == CONSOLE.findall(korean['task'])
    if exercise.kind == 'fault':
        assert CONSOLE.search(english['task']), 'no symptom'
    if exercise.kind == 'change':
        questions = [exercise.question(language) for language in messages.LANGUAGES]
        marks = [[is_right for *_, is_right in q.choices] for q in questions]
        assert marks[0] == marks[1]
        assert marks[0].count(True) == 1
        assert len(marks[0]) >= 3


SESSIONS = {
    name: ''.join(CONSOLE.findall(ALL[name].text('en')['task'])).split('$ python ')[1:]
    for name in WITH_FOLDER
}


@pytest.mark.parametrize('name', [name for name in SESSIONS if SESSIONS[name]])
def test_symptom_is_really_seen(name, work, monkeypatch, capsys):
    """Run the commands of a task, and find each line that it shows."""
    exercise = ALL[name]
    if not IS_LONG and not exercise.chapter.startswith('01'):
        pytest.skip('trains for a while; TEST_LONG=1 runs it')
    workspace.build(exercise, exercise.edit, work)
    # As a learner does: the samples are there.
    monkeypatch.chdir(work)
    for session in SESSIONS[name]:
        command, *expected = session.strip().split('\n')
        program_fn, *arguments = command.split()
        chapter = checking.Chapter(work)
        monkeypatch.setattr(sys, 'argv', [program_fn, *arguments])
        with chapter.active():
            module = getattr(chapter, program_fn.removesuffix('.py'))
            chapter.guards.run(module.main, module.define_argparser())
        output = ''.join(capsys.readouterr()).split('\n')
        for line in expected:
            assert any(is_similar(line, found) for found in output), (command, line)


def is_similar(line, found):
    """Return whether two lines differ in their numbers alone, and these a little."""
    if NUMBER.sub('', line) != NUMBER.sub('', found):
        return False
    pairs = zip(NUMBER.findall(line), NUMBER.findall(found), strict=True)
    return all(float(a) == pytest.approx(float(b), rel=0.2, abs=0.01) for a, b in pairs)


def test_there_are_enough_exercises():
    """Of each kind, and of each kind in each chapter."""
    kinds = [ALL[name].kind for name in WITH_FOLDER]
    assert len(kinds) >= 60
    assert kinds.count('fault') >= 30
    assert kinds.count('write') >= 15
    assert kinds.count('change') >= 12
    for chapter in {chapter.partition('/')[0] for chapter in all_chapters()}:
        kinds = {e.kind for e in ALL.values() if e.chapter.startswith(chapter)}
        assert kinds == {'fault', 'write', 'change', 'shape'}, chapter


# ---- A learner does every exercise


def with_languages(names):
    """Pair each exercise with one language in turn, and with TEST_LONG=1 with all."""
    n_languages = len(messages.LANGUAGES)
    return [
        (name, language)
        for i, name in enumerate(names)
        for j, language in enumerate(messages.LANGUAGES)
        if IS_LONG or i % n_languages == j
    ]


@pytest.mark.parametrize(('name', 'language'), with_languages(WITH_FOLDER))
def test_a_learner_does_it(name, language, learner, work):
    exercise, text = ALL[name], ALL[name].text(language)

    def type_in(*arguments, **options):
        status, output = learner(*arguments, '--lang', language, **options)
        if language == 'ko':
            assert HANGUL.search(output)
        else:
            assert not HANGUL.search(output)
        return status, output

    status, output = type_in('start', name)
    assert status == 0
    assert text['title'] in output
    folder = work / name
    assert text['task'] in (folder / 'TASK.md').read_text('utf-8')
    given = sources_of(folder)

    # Without a name, the exercise that was started last is checked.
    status, output = type_in('check')
    assert status == 1
    assert text['where'] not in output

    for level, key in enumerate(catalogue.HINTS):
        status, output = type_in('hint', name)
        assert status == 0
        assert text[key] in output
        assert all(text[later] not in output for later in catalogue.HINTS[level + 1 :])

    status, output = type_in('solve', name, answers=['n'])
    assert (status, text['reason'] in output) == (1, False)
    status, output = type_in('solve', name, answers=['y'])
    assert (status, text['reason'] in output) == (0, True)
    assert re.search(r'^\+[^+]', output, re.MULTILINE)

    # Nothing is overwritten unless the learner says so.
    solved = edits.apply_edits(
        workspace.get_sources(exercise.chapter), exercise.solution
    )
    for file, source in solved.items():
        (folder / file).write_text(source, encoding='utf-8')
    assert type_in('start', name)[0] == 2
    assert type_in('reset', name)[0] == 1
    assert sources_of(folder) == solved

    question = exercise.question(language)
    answers = 'abcdefgh'[: len(question.choices)] if question else ''
    status, output = type_in('check', name, answers=answers)
    assert status == 0
    assert learner('list', '--lang', language)[1].count('[x]') == 1

    assert type_in('reset', name, answers=['예' if language == 'ko' else 'yes'])[0] == 0
    assert sources_of(folder) == given
    left = {file.name for file in work.iterdir()}
    assert left == {name, 'progress.json', 'progress.lock'}


def test_report_is_a_table(learner):
    learner('start', FIRST)
    learner('check')
    learner('hint', FIRST)

    status, output = learner('report', '--format', 'csv')

    rows = {row['name']: row for row in csv.DictReader(io.StringIO(output))}
    assert status == 0
    assert [*rows] == [*ALL]
    row = rows[FIRST]
    assert (row['checks'], row['hints'], row['done']) == ('1', '1', '')
    assert re.match(r'\d{4}-\d\d-\d\dT', row['started'])
    assert rows['01_momentum']['started'] == ''


@pytest.mark.parametrize('language', messages.LANGUAGES)
def test_commands_that_do_not_exist(language, learner):
    for arguments in (
        ['begin'],
        ['start', '01_zero'],
        ['hint'],
        ['check'],
        ['list', 1, 2],
    ):
        status, output = learner(*arguments, '--lang', language)
        assert status == 2
        assert len(output.splitlines()) == 1
        assert bool(HANGUL.search(output)) == (language == 'ko')


def test_help_is_in_the_language_of_the_environment(learner, monkeypatch):
    for variable, language in (('ko_KR.UTF-8', 'ko'), ('C', 'en')):
        monkeypatch.setenv('LC_ALL', variable)
        assert learner('--help') == (0, messages.say(language, 'usage') + '\n')


# ---- Questions about shapes


def test_shape_comments_of_all_chapters_are_asked_once():
    questions = [(e, q) for e in ALL.values() if e.kind == 'shape' for q in e.questions]
    assert len(questions) > 100
    for exercise in {e.name: e for e, _ in questions}.values():
        ids = [question.id for question in exercise.questions]
        assert len({*ids}) == len(ids)
    texts = [question.text for _, question in questions]
    assert len({*texts}) == len(texts)
    for _, question in questions:
        assert question.text.count('<---') == 1
        assert question.explain(question.shape) is None
        assert question.explain('(batch_size, 1, 2, 3, 4, 5)') is not None
        assert {*question.dimensions} <= {*question.names}


@pytest.mark.parametrize(('name', 'language'), with_languages(SHAPES))
def test_a_learner_says_the_shapes(name, language, learner):
    exercise = ALL[name]
    right = [question.shape for question in exercise.questions]

    status, output = learner(
        'start', name, '--lang', language, answers=['x,', right[0]]
    )
    assert status == (0 if len(right) == 1 else 1)
    assert right[0] in output
    for key in catalogue.HINTS:
        hint = learner('hint', name, '--lang', language)[1]
        assert messages.say(language, key, text='').strip() in hint
    assert right[-1] in learner('solve', name, '--yes', '--lang', language)[1]

    # What was answered is not asked again.
    status, output = learner('check', name, '--lang', language, answers=right[1:])
    assert status == 0
    assert learner('list')[1].count('[x]') == 1
    assert bool(HANGUL.search(output)) == (language == 'ko')
    learner('reset', name)
    assert learner('check', name, answers=['', '?'])[0] == 1


@pytest.mark.parametrize(
    ('answer', 'reason'),
    [
        ('batch_size', 'You gave 1 dimensions, the tensor has 2. Look at the line'),
        ('(batch_size, input_size)', 'Dimension 2 is not input_size.'),
        ('(output_size, batch_size)', 'right names in another order'),
        ('(batch_size,', 'Write names in parentheses'),
        ('', 'Write names in parentheses'),
    ],
)
def test_wrong_shapes_show_why(answer, reason):
    question = shape_questions.ask(
        'model.py: forward',
        'def forward(self, x):\n'
        "    'Return y_hat.'\n"
        '    # |x| = (batch_size, input_size)\n'
        '    y_hat = self.layers(x)\n'
        '    # |y_hat| = (batch_size, output_size)\n'
        '    return y_hat\n',
    )[0]

    assert question.explain('batch_size, output_size') is None
    assert reason in question.explain(answer)[0]
    assert 'Return y_hat' not in question.text
    assert question.known == ('|x| = (batch_size, input_size)',)


# ---- Edits

SOURCE = '''\
class Model:
    def forward(self, x):
        """Return y."""
        # |x| = (n,)
        y = self.layer(x,
                       2)  # 한글
        # |y| = (n,)
        if y:
            self.log('어', y)
        return y
'''


@pytest.mark.parametrize(
    ('old', 'new', 'expected'),
    [
        ('y = self.layer(x, 2)', 'y = x', '        y = x\n        # |y|'),
        ('y = ...', 'y = 1\n\nz = 2', '        y = 1\n\n        z = 2\n'),
        ('self.log("어", ...)', 'pass', '        if y:\n            pass\n'),
        ('y = ...\n...\nreturn y', 'return x', '(n,)\n        return x\n'),
        ("'어'", "'아'", "self.log('아', y)"),
        ('self.layer(x, ...)', 'x', '        y = x  # 한글'),
    ],
)
def test_code_is_found_in_the_syntax_tree(old, new, expected):
    edit = edits.swap('model.py', 'Model.forward', old, new)
    assert expected in edits.apply_edit(SOURCE, edit)


def test_a_function_is_emptied_but_for_its_docstring_and_shapes():
    source = edits.apply_edit(SOURCE, edits.blank('model.py', 'Model.forward'))

    assert source == (
        'class Model:\n'
        '    def forward(self, x):\n'
        '        """Return y."""\n'
        '        # |x| = (n,)\n'
        '        # |y| = (n,)\n'
        "        raise NotImplementedError('Model.forward')\n"
    )


@pytest.mark.parametrize(
    ('edit', 'message'),
    [
        (edits.blank('loss.py', 'f'), 'loss.py: the chapter has no such file'),
        (edits.blank('model.py', 'Model.call'), 'model.py: there is no Model.call'),
        (
            edits.swap('model.py', 'Model.forward', 'y = z', ''),
            'model.py: in Model.forward, `y = z` is not there',
        ),
        (
            edits.swap('model.py', 'Model.forward', 'y', 'z'),
            'model.py: in Model.forward, `y` is there 4 times',
        ),
        (
            edits.rewrite('model.py', 'Model.forward', 'return ('),
            "model.py: Model.forward: the new code is not Python: '(' was never closed",
        ),
    ],
)
def test_an_edit_that_does_not_fit_is_one_line(edit, message):
    with pytest.raises(edits.EditError) as failure:
        edits.apply_edits({'model.py': SOURCE}, [edit])

    assert str(failure.value).startswith(message)
    assert '\n' not in str(failure.value)


# ---- What learners break

BREAKAGES = {
    'syntax': ('def f(:', 'model.py, line 3: Python cannot read this: invalid syntax'),
    'indentation': (
        '  x = 1',
        'model.py, line 3: Python cannot read this: unexpected',
    ),
    'module': (
        'import torhc',
        'line 3: a module is missing: ModuleNotFoundError: No mod',
    ),
    'name': ('from model import nothing', 'line 3: ImportError: cannot import name'),
    'exception': ('x = [][0]', 'model.py, line 3: IndexError: list index out of range'),
    'exit': ('raise SystemExit(3)', 'model.py, line 3: the program ends itself here'),
    'recursion': (
        'def f():\n    f()\nf()',
        'model.py, line 4: a function calls itself without end',
    ),
    'many lines': ("raise ValueError('a\\nb')", 'model.py, line 3: ValueError: a b'),
}


@pytest.fixture
def broken(learner, work):
    """Return a function that breaks the model of a solved exercise, and checks it."""
    exercise = ALL['02_training_step']
    learner('start', exercise.name)
    folder = work / exercise.name
    workspace.build(exercise, exercise.solution, folder)

    def break_it(line, file='trainer.py'):
        source = (folder / file).read_text('utf-8').split('\n')
        (folder / file).write_text('\n'.join([*source[:2], line, *source[2:]]), 'utf-8')
        return folder

    return break_it


@pytest.mark.parametrize(('code', 'message'), BREAKAGES.values(), ids=BREAKAGES)
def test_broken_code_is_one_clear_line(code, message, broken, learner):
    folder = broken(code)
    before = sources_of(folder)

    for language in messages.LANGUAGES:
        status, output = learner('check', '--lang', language)
        assert status == 1
        lines = output.splitlines()
        assert len(lines) == 3, 'what is checked, what is wrong, how to get a hint'
        if language == 'en':
            assert message.replace('model.py', 'trainer.py') in lines[1]
    assert sources_of(folder) == before


def test_an_empty_function_is_not_written_yet(learner):
    learner('start', '02_get_layers')
    assert 'this function is not written yet' in learner('check')[1]


def test_deleted_file_and_folder(learner, work, monkeypatch):
    learner('start', FIRST)
    (work / FIRST / 'trainer.py').unlink()
    assert f'trainer.py is missing in work/{FIRST}' in learner('check')[1]

    workspace.shutil.rmtree(work / FIRST)
    monkeypatch.undo()
    verdict = checking.check(ALL[FIRST], work / FIRST)
    assert f'there is no folder work/{FIRST}' in verdict.sentences[0]


@pytest.fixture(scope='module')
def solved(tmp_path_factory):
    """A folder with the solution of an exercise."""
    folder = tmp_path_factory.mktemp('solved') / QUICK
    workspace.build(ALL[QUICK], ALL[QUICK].solution, folder)
    return folder


def break_model(solved, tmp_path, line):
    """Copy the solved exercise, with a line at the beginning of its model.py."""
    folder = tmp_path / QUICK
    workspace.shutil.copytree(solved, folder)
    source = (folder / 'model.py').read_text('utf-8')
    (folder / 'model.py').write_text(f'{line}\n{source}', 'utf-8')
    return folder


def test_a_process_of_its_own_says_the_same(solved, tmp_path):
    folder = break_model(solved, tmp_path, "print('안녕')")

    assert checking.check(ALL[QUICK], folder) == (None, '안녕\n')


@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='Linux alone tells')
def test_a_check_needs_less_than_a_gigabyte(solved, tmp_path):
    # ru_maxrss would not do: it begins with what the parent has had.
    status = "print(open('/proc/self/status').read())"
    line = f'import atexit; atexit.register(lambda: {status})'
    folder = break_model(solved, tmp_path, line)

    output = checking.check(ALL[QUICK], folder).output
    assert int(re.search(r'VmHWM:\s+(\d+) kB', output)[1]) < 1_000_000


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('while True: pass', 'your code did not finish within 2 seconds'),
        ("while True: print('again')", 'your code printed more than a million'),
        ('import os; os._exit(3)', 'ended by itself, with exit status 3'),
        ('x = []\nwhile True: x.append(bytes(2 ** 28))', 'MemoryError'),
    ],
)
def test_what_does_not_end_is_stopped(solved, tmp_path, line, message):
    folder = break_model(solved, tmp_path, line)
    verdict = checking.check(ALL[QUICK], folder, time_limit=2)

    assert message in verdict.sentences[0]
    assert len(verdict.output) <= 10_000


def test_ctrl_c_stops_the_check_and_its_process(solved, tmp_path):
    """Work and progress are what they were."""
    process_fn = tmp_path / 'process'
    line = f"import os; open({str(process_fn)!r}, 'w').write(str(os.getpid()))"
    folder = break_model(solved, tmp_path, f'{line}\nwhile True: pass')
    code = (
        'import program, signal, sys\n'
        'from pathlib import Path\n'
        'from exercises import progress\n'
        f'progress.WORK = Path({str(tmp_path)!r})\n'
        # A shell lets what runs in the background ignore Ctrl-C.
        'signal.signal(signal.SIGINT, signal.default_int_handler)\n'
        f"sys.exit(program.main(['check', {QUICK!r}, '--lang', 'en']))\n"
    )
    (tmp_path / 'program.py').write_text((ROOT / 'exercises.py').read_text('utf-8'))
    before = sources_of(folder)
    process = subprocess.Popen(
        [sys.executable, '-c', code],
        cwd=tmp_path,
        env=hermetic_environment() | {'PYTHONPATH': str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(process_fn.exists)
    wait_for(lambda: process_fn.read_text())
    process.send_signal(signal.SIGINT)

    assert process.communicate(timeout=60)[1] == (
        'interrupted; what you wrote is as it was\n'
    )
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(process_fn.read_text()), 0)
    assert sources_of(folder) == before
    assert not (tmp_path / 'progress.json').exists()


def wait_for(is_there):
    """Wait until something is true, for two minutes at most."""
    end = time.monotonic() + 120
    while not is_there():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_terminals_lose_nothing(tmp_path):
    code = (
        'from pathlib import Path\n'
        'from exercises import progress\n'
        f'progress.WORK = Path({str(tmp_path)!r})\n'
        'for _ in range(50):\n'
        "    with progress.changed('01_zero_grad') as entry:\n"
        "        entry['checks'] += 1\n"
    )
    env = hermetic_environment() | {'PYTHONPATH': str(ROOT)}
    terminals = [
        subprocess.Popen([sys.executable, '-c', code], cwd=tmp_path, env=env)
        for _ in range(2)
    ]

    assert [terminal.wait(timeout=60) for terminal in terminals] == [0, 0]
    text = (tmp_path / 'progress.json').read_text('utf-8')
    assert json.loads(text)['01_zero_grad']['checks'] == 100


@pytest.mark.parametrize('text', ['', '{', '[]', '{"01_zero_grad": 3}', '\0'])
def test_broken_progress_is_not_overwritten(text, learner, work):
    work.mkdir()
    (work / 'progress.json').write_text(text, 'utf-8')

    for arguments in (['list'], ['start', FIRST], ['report']):
        status, output = learner(*arguments)
        assert status == 2
        assert 'repair the file or move it away' in output
        assert len(output.splitlines()) == 1
    assert (work / 'progress.json').read_text('utf-8') == text


def test_interrupted_start_leaves_nothing(learner, work, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(workspace.shutil, 'copyfile', interrupt)

    assert learner('start', FIRST)[0] == 130
    assert [file.name for file in work.iterdir()] == ['progress.lock']


def test_listing_needs_nothing_but_python():
    """No package is imported, so it answers at once."""
    code = 'import sys; sys.argv = ["exercises.py"]; import runpy\n'
    code += 'try: runpy.run_path("exercises.py", run_name="__main__")\n'
    code += 'except SystemExit: assert "torch" not in sys.modules'
    for command in ('list', 'report'):
        changed = code.replace('"exercises.py"]', f'"exercises.py", "{command}"]')
        process = run(ROOT, '-S', '-c', changed, check=True)
        assert '01_zero_grad' in process.stdout
