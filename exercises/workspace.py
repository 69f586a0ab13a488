"""The folders work/NAME: each a copy of a chapter, with an exercise in it."""

import difflib
import os
import shutil

from exercises import progress
from exercises.catalogue import ROOT
from exercises.edits import apply_edits

# What a chapter consists of; the rest of its folder is what its programs have made.
SUFFIXES = {'.py', '.md', '.csv', '.tsv', '.txt', '.ko', '.en'}


def get_folder(exercise):
    """Return the folder in which the learner works on an exercise."""
    return progress.WORK / exercise.name


def chapter_files(chapter):
    """Return the files of a chapter, relative to its folder.

    Chapters inside it are left out.
    """
    folder = ROOT / chapter
    inner = [file.parent for file in folder.glob('*/train.py')]
    return sorted(
        file.relative_to(folder)
        for file in folder.rglob('*')
        if file.is_file()
        and (file.suffix in SUFFIXES or file.name == 'figure.png')
        and not any(parent in inner for parent in file.parents)
    )


def get_sources(chapter):
    """Return a dict from the name of each module of a chapter to its text."""
    files = sorted((ROOT / chapter).glob('*.py'))
    return {file.name: file.read_text(encoding='utf-8') for file in files}


def build(exercise, edits, folder):
    """Copy the chapter of an exercise into a new folder, with some edits."""
    sources = apply_edits(get_sources(exercise.chapter), edits)
    for name in chapter_files(exercise.chapter):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / exercise.chapter / name, folder / name)
    for name, source in sources.items():
        (folder / name).write_text(source, encoding='utf-8', newline='\n')


def start(exercise, language):
    """Make the folder of an exercise, whole or not at all; replace an old one.

    Returns:
        The folder.
    """
    folder = get_folder(exercise)
    temporary = folder.with_name(f'.{exercise.name}.{os.getpid()}')
    try:
        build(exercise, exercise.edit, temporary)
        text = exercise.text(language)
        task = f'# {text["title"]}\n\n{text["task"]}\n'
        (temporary / 'TASK.md').write_text(task, encoding='utf-8')
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def get_solution(exercise):
    """Return the solution as a diff of what the learner was given, a list of lines."""
    sources = get_sources(exercise.chapter)
    given = apply_edits(sources, exercise.edit)
    solved = apply_edits(sources, exercise.solution)
    lines = []
    for name in sources:
        pair = given[name].split('\n'), solved[name].split('\n')
        lines += difflib.unified_diff(*pair, name, name, lineterm='')
    return lines
