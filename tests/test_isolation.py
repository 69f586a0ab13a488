"""Each chapter stands alone, and the helpers in chapters.py keep it so in the tests."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from chapters import (
    ROOT,
    all_chapters,
    copy_chapter,
    importable,
    load_chapter,
    readme_commands,
    run,
)

ROLES = ['train.py', 'model.py', 'trainer.py', 'utils.py', 'README.md']

# How a chapter could get at modules that do not lie beside its own.
DETOURS = (
    '__import__',
    'importlib.import_module',
    'importlib.machinery',
    'importlib.util.spec_from_file_location',
    'runpy',
    'site.addsitedir',
    'sys.meta_path',
    'sys.modules',
    'sys.path',
)


def write_modules(folder, **sources):
    """Write modules into a folder, which it makes: `train='…'` is its train.py."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        (folder / f'{name}.py').write_text(source, encoding='utf-8')


def write_chapters(root):
    """Write chapters and other folders that all have modules of the same names."""
    model = 'class Model:\n    size = {}\n'
    train = (
        'import model\n\nimport utils\n\n\ndef get_model():\n    return model.Model()\n'
    )
    for size, name in enumerate(
        ['02_second', '01_first', '04_both', '04_both/inner', 'appendix_last'], 1
    ):
        write_modules(root / name, model=model.format(size), train=train, utils='')
    write_modules(root / '05_draft', model='')
    write_modules(root / 'tools', train='', lineage='')
    write_modules(root / 'notes' / '06_hidden', train='')


def imported_names(node):
    """List what an import statement imports, in dots; other nodes import nothing."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = '.' * node.level + (node.module or '')
        return [f'{module}.{alias.name}' for alias in node.names]
    return []


def modules_elsewhere(folder, root):
    """Return the names of all a repository's folders and modules but one chapter's."""
    folders = [root / name for name in [*all_chapters(root), 'tests', 'tools']]
    files = [file for other in folders for file in [other, *other.glob('*.py')]]

    return {file.stem for file in files} - {file.stem for file in folder.glob('*.py')}


def ties(file, root=ROOT):
    """List what ties a file of a chapter to more than its own folder and libraries."""
    tree = ast.parse(file.read_text(encoding='utf-8'))
    strangers = modules_elsewhere(file.parent, root) | {''}
    found = []

    for node in ast.walk(tree):
        for name in imported_names(node):
            first = name.split('.')[0]
            is_detour = any(f'{name}.'.startswith(f'{detour}.') for detour in DETOURS)
            if first in strangers or is_detour:
                found.append(f'line {node.lineno}: import {name}')
        if isinstance(node, (ast.Name, ast.Attribute)) and ast.unparse(node) in DETOURS:
            found.append(f'line {node.lineno}: {ast.unparse(node)}')

    return found


@pytest.mark.parametrize('chapter', all_chapters())
def test_chapter_is_tied_to_nothing_else(chapter):
    found = {file.name: ties(file) for file in (ROOT / chapter).glob('*.py')}

    assert not {name: lines for name, lines in found.items() if lines}


@pytest.mark.parametrize('chapter', all_chapters())
def test_chapter_has_all_roles_and_no_package(chapter):
    names = {file.name for file in (ROOT / chapter).iterdir()}

    assert not set(ROLES) - names
    assert not list((ROOT / chapter).rglob('__init__.py'))


def test_every_folder_of_a_chapter_is_found():
    folders = {file.parent.name for file in ROOT.glob('[0-9][0-9]_*/*.py')}

    assert folders
    assert folders.issubset(all_chapters())


@pytest.mark.parametrize('chapter', all_chapters())
def test_loading_a_chapter_leaves_no_trace(chapter):
    # The libraries that a chapter imports stay, so they have to be there before.
    load_chapter(chapter)
    modules, path, finders = dict(sys.modules), list(sys.path), list(sys.meta_path)

    loaded = load_chapter(chapter)

    assert sys.modules == modules
    assert sys.path == path
    assert sys.meta_path == finders
    assert Path(loaded.model.__file__) == ROOT / chapter / 'model.py'


@pytest.mark.parametrize(
    'line',
    [
        'import inner',
        'import lineage',
        'import only_second',
        'import tests.chapters',
        'from only_second import x',
        'from tools.lineage import check',
        'from .model import Model',
        'from sys import path',
        'import runpy',
        'from importlib import import_module',
        "sys.path.insert(0, '..')",
        "sys.path += ['..']",
        "model = __import__('model')",
        "importlib.import_module('model')",
        'def f():\n    import only_second',
    ],
)
def test_tie_is_found(tmp_path, line):
    write_chapters(tmp_path)
    write_modules(tmp_path / '02_second', only_second='')
    file = tmp_path / '01_first' / 'utils.py'
    file.write_text(f'import sys\n{line}\n', encoding='utf-8')

    assert len(ties(file, tmp_path)) == 1


def test_own_modules_and_libraries_are_no_ties(tmp_path):
    write_chapters(tmp_path)
    write_modules(tmp_path / 'tools', json='')
    file = tmp_path / '01_first' / 'utils.py'
    file.write_text(
        'import sys\n\nimport model\nfrom os import path\n\nprint(sys.argv)\n\n\n'
        'def f():\n    import torch.nn\n    from train import get_model\n',
        encoding='utf-8',
    )

    assert ties(file, tmp_path) == []


def test_all_chapters_are_listed_in_order(tmp_path):
    write_chapters(tmp_path)

    assert all_chapters(tmp_path) == [
        '01_first',
        '02_second',
        '04_both',
        '04_both/inner',
        'appendix_last',
    ]


def test_chapters_keep_their_own_modules(tmp_path):
    write_chapters(tmp_path)

    first = load_chapter('01_first', tmp_path)
    second = load_chapter('02_second', tmp_path)
    inner = load_chapter('04_both/inner', tmp_path)

    assert [first.model.Model.size, second.model.Model.size] == [2, 1]
    assert [first.train.get_model().size, inner.train.get_model().size] == [2, 4]
    assert first.train.model is first.model
    assert first.model.Model is not second.model.Model
    assert vars(first).keys() == {'model', 'train', 'utils'}


def test_namesakes_come_back_after_loading(tmp_path, monkeypatch):
    write_chapters(tmp_path)
    library = object()
    monkeypatch.setitem(sys.modules, 'utils', library)
    monkeypatch.syspath_prepend(tmp_path / '02_second')

    loaded = load_chapter('01_first', tmp_path)

    assert sys.modules['utils'] is library
    assert loaded.model.Model.size == 2
    assert loaded.train.utils is loaded.utils
    assert 'model' not in sys.modules


def test_functions_import_their_own_chapter(tmp_path, monkeypatch):
    write_chapters(tmp_path)
    late = 'def get_model():\n    from model import Model\n\n    return Model()\n'
    write_modules(tmp_path / '01_first', late=late)
    write_modules(tmp_path / '02_second', late=late)
    library = object()
    monkeypatch.setitem(sys.modules, 'utils', library)
    first = load_chapter('01_first', tmp_path)
    second = load_chapter('02_second', tmp_path)
    modules = dict(sys.modules)

    with importable(second), importable(first):
        assert type(first.late.get_model()) is first.model.Model
        assert sys.modules['utils'] is first.utils
    with pytest.raises(ZeroDivisionError), importable(second):
        assert type(second.late.get_model()) is second.model.Model
        1 / 0  # noqa: B018

    assert sys.modules == modules


def test_libraries_stay_imported(tmp_path, monkeypatch):
    write_modules(tmp_path / '01_first', train='import colorsys\n')
    monkeypatch.delitem(sys.modules, 'colorsys', raising=False)

    loaded = load_chapter('01_first', tmp_path)

    assert sys.modules['colorsys'] is loaded.train.colorsys


def test_failed_loading_leaves_no_trace(tmp_path, monkeypatch):
    write_chapters(tmp_path)
    (tmp_path / '01_first' / 'utils.py').write_text('1 / 0\n', encoding='utf-8')
    library = object()
    monkeypatch.setitem(sys.modules, 'utils', library)
    modules, finders = dict(sys.modules), list(sys.meta_path)

    with pytest.raises(ZeroDivisionError):
        load_chapter('01_first', tmp_path)

    assert sys.modules == modules
    assert sys.meta_path == finders


def test_loading_reads_the_source_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'dont_write_bytecode', False)
    write_chapters(tmp_path)
    model = tmp_path / '01_first' / 'model.py'

    # Of the same length in the same second: for Python's cache these are one file.
    for size in (2, 7):
        model.write_text(f'class Model:\n    size = {size}\n', encoding='utf-8')
        assert load_chapter('01_first', tmp_path).model.Model.size == size

    assert not (tmp_path / '01_first' / '__pycache__').exists()


def test_missing_chapter_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='01_missing'):
        load_chapter('01_missing', tmp_path)


def test_copy_has_the_chapter_alone(tmp_path):
    write_chapters(tmp_path)
    chapter = tmp_path / '04_both'
    (chapter / 'README.md').write_text(
        '![curve](curve.png) <img src="figures/map.svg" width="80%">\n'
        'The run draws left.png.\n',
        encoding='utf-8',
    )
    (chapter / '__pycache__').mkdir()
    (chapter / 'figures').mkdir()
    (chapter / 'inner' / 'README.md').write_text('inner\n', encoding='utf-8')
    for name in [
        'data.csv',
        'curve.png',
        'figures/map.svg',
        'left.png',
        'figures/left.svg',
        'model.pth',
        'model.last.pth',
        '__pycache__/model.pyc',
    ]:
        (chapter / name).write_bytes(b'content')

    copy = copy_chapter('04_both', tmp_path / 'empty', tmp_path)
    inner = copy_chapter('04_both/inner', tmp_path / 'empty', tmp_path)

    assert copy == tmp_path / 'empty' / '04_both'
    assert inner == tmp_path / 'empty' / 'inner'
    assert sorted(
        file.relative_to(copy).as_posix() for file in copy.rglob('*') if file.is_file()
    ) == [
        'README.md',
        'curve.png',
        'data.csv',
        'figures/map.svg',
        'model.py',
        'train.py',
        'utils.py',
    ]
    assert (copy / 'data.csv').read_bytes() == b'content'
    assert sorted(file.name for file in inner.iterdir()) == [
        'README.md',
        'model.py',
        'train.py',
        'utils.py',
    ]


def test_copy_goes_to_an_empty_place(tmp_path):
    write_chapters(tmp_path)
    copy_chapter('01_first', tmp_path / 'empty', tmp_path)

    with pytest.raises(FileExistsError):
        copy_chapter('01_first', tmp_path / 'empty', tmp_path)


def test_run_is_a_process_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('PYTHONIOENCODING', 'ascii')
    program = (
        'import pathlib, sys\n'
        'print(pathlib.Path.cwd().name, sys.argv[1:], sys.stdin.read())\n'
        "print('message', file=sys.stderr)\n"
        'sys.exit(3)\n'
    )
    write_modules(tmp_path / 'copy', train=program)

    process = run(tmp_path / 'copy', 'train.py', '--lr', 0.1, stdin='가나\n')
    silent = run(tmp_path / 'copy', 'train.py')

    assert process.stdout == "copy ['--lr', '0.1'] 가나\n\n"
    assert process.stderr == 'message\n'
    assert process.returncode == 3
    assert silent.stdout == 'copy [] \n'


def test_run_passes_bytes_as_they_are(tmp_path):
    program = (
        'import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())\n'
        "sys.stderr.write('10%\\r20%')\n"
    )
    write_modules(tmp_path / 'copy', echo=program)

    process = run(tmp_path / 'copy', 'echo.py', stdin='a\r\n\udcff\n')

    assert process.stdout == 'a\r\n\udcff\n'
    assert process.stderr == '10%\r20%'


def test_run_gets_nothing_from_this_process(tmp_path, monkeypatch):
    for name in ['PYTHONPATH', 'MPLBACKEND', 'https_proxy', 'HTTP_PROXY', 'NO_PROXY']:
        monkeypatch.setenv(name, str(ROOT / 'tests'))
    monkeypatch.delenv('PYTHONDONTWRITEBYTECODE', raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    program = (
        'import json, os, sys\njson.dump([dict(os.environ), sys.path], sys.stdout)\n'
    )
    write_modules(tmp_path / 'copy', show=program)

    process = run(tmp_path / 'copy', 'show.py', env={'KEY': 'value'}, check=True)
    environment, path = json.loads(process.stdout)

    assert not {'PYTHONPATH', 'MPLBACKEND'} & environment.keys()
    assert (
        environment['http_proxy'] == environment['https_proxy'] != str(ROOT / 'tests')
    )
    assert environment['HF_HUB_OFFLINE'] == '1'
    assert environment['PYTHONDONTWRITEBYTECODE'] == '1'
    assert environment['HOME'] == str(tmp_path)
    assert environment['OMP_NUM_THREADS'] == '1'
    assert environment['KEY'] == 'value'
    assert path[0] == str(tmp_path / 'copy')
    assert not [place for place in path if place.startswith(str(ROOT / 'tests'))]


def test_run_checks_the_exit_status(tmp_path):
    with pytest.raises(AssertionError, match='exit status 2:\nno such digit'):
        run(
            tmp_path,
            '-c',
            'import sys; sys.stderr.write("no such digit"); sys.exit(2)',
            check=True,
        )


def test_run_ends_after_its_time(tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):
        run(tmp_path, '-c', 'import time; time.sleep(60)', timeout=0.5)


def test_readme_commands(tmp_path):
    readme = """# Chapter

        Run `python inline.py`.

        ```sh
        python train.py --n_epochs 1
        $ python predict.py \\
              --model_fn model.pth
        cd ..
        echo 3 | python predict.py
        pythonic words
        ```

        ```text
        python output.py
        ```

          ```bash
          python train.py --help
          ```

        ```python
        python = 'no'
        ```
    """
    (tmp_path / '01_first').mkdir()
    (tmp_path / '01_first' / 'README.md').write_text(dedent(readme), encoding='utf-8')

    assert readme_commands('01_first', tmp_path) == [
        'python train.py --n_epochs 1',
        'python predict.py --model_fn model.pth',
        'python train.py --help',
    ]
