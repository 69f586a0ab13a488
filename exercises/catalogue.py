"""The exercises: what each of them consists of, and where its texts are.

An exercise is a folder with three files: exercise.py, task.md and task.ko.md. The
questions about shapes have no folder: shapes.py makes them from each chapter.
"""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

from exercises.edits import Edit

ROOT = Path(__file__).resolve().parent.parent
KINDS = ('fault', 'write', 'shape', 'change')

# The headings of a task, which end what the learner sees at the start.
HEADINGS = {
    'en': {
        'Question': 'question',
        'Where': 'where',
        'Why': 'why',
        'What': 'what',
        'Reason': 'reason',
    },
    'ko': {
        '질문': 'question',
        '어디': 'where',
        '왜': 'why',
        '무엇': 'what',
        '해설': 'reason',
    },
}
HINTS = ('where', 'why', 'what')
CHOICE = re.compile(r'- \[([ x])\] (.*?): (.*)')


class ExerciseError(Exception):
    """An exercise is incomplete, or does not exist; its text is one line."""


class Exercise:
    """One exercise of a folder.

    Attributes:
        name: that of its folder, such as 02_softmax_twice.
        chapter: the folder of the chapter.
        kind: fault, write or change.
        edit: the list of Edit that makes the learner's chapter from today's chapter.
        solution: the list of Edit that makes the solved chapter, from the same.
        wrong: lists of Edit that make plausible wrong answers.
        check: a function that takes the learner's chapter (checking.Chapter) and
            returns None, or what is wrong: a sentence in English and one in Korean.
    """

    def __init__(self, folder):
        self.folder, self.name = Path(folder), Path(folder).name
        spec = importlib.util.spec_from_file_location(
            f'exercises.{self.name}', self.folder / 'exercise.py'
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        try:
            self.chapter, self.kind = module.chapter, module.kind
            self.check, self.wrong = module.check, [*map(as_list, module.wrong)]
        except AttributeError as error:
            raise ExerciseError(f'{self.folder}/exercise.py: {error}') from error
        self.edit = as_list(getattr(module, 'edit', []))
        self.solution = as_list(getattr(module, 'solution', []))
        if self.kind not in KINDS or not (ROOT / self.chapter).is_dir():
            message = f'unknown kind or chapter: {self.kind}, {self.chapter}'
            raise ExerciseError(f'{self.folder}/exercise.py: {message}')

    def text(self, language):
        """Return the parts of the task: title, task, where, why, what, reason …"""
        name = 'task.md' if language == 'en' else f'task.{language}.md'
        try:
            lines = (self.folder / name).read_text(encoding='utf-8').split('\n')
        except OSError as error:
            message = f'{self.folder}/{name}: {error.strerror}'
            raise ExerciseError(message) from error
        parts, part = {'title': lines[0].removeprefix('# '), 'task': []}, 'task'
        for line in lines[1:]:
            heading = HEADINGS[language].get(line.removeprefix('## '))
            if line.startswith('## ') and heading:
                part = heading
                parts[part] = []
            else:
                parts[part].append(line)
        texts = {name: '\n'.join(parts[name]).strip() for name in [*parts][1:]}
        missing = {'task', *HINTS, 'reason'} - {name for name in texts if texts[name]}
        if missing:
            message = f'it has no part {", ".join(sorted(missing))}'
            raise ExerciseError(f'{self.folder}/{name}: {message}')
        return {'title': parts['title'], 'question': '', **texts}

    def title(self, language):
        """Return the title in a language."""
        return self.text(language)['title']

    def question(self, language):
        """Return the question that follows a passed check, or None.

        Returns:
            The text, and a list of choices: answer, comment on it, whether it is right.
        """
        text = self.text(language)['question']
        choices = [
            match.groups() for match in map(CHOICE.match, text.split('\n')) if match
        ]
        if not choices:
            return None
        lines = [line for line in text.split('\n') if not CHOICE.match(line)]
        found = [(answer, comment, mark == 'x') for mark, answer, comment in choices]
        return SimpleNamespace(text='\n'.join(lines).strip(), choices=found)


def as_list(edits):
    """Return a list of edits from one edit or several."""
    return [edits] if isinstance(edits, Edit) else list(edits)


def all_chapters():
    """Return the folders of the chapters, those inside another one included."""
    return sorted(
        file.parent.relative_to(ROOT).as_posix()
        for name in ('[0-9][0-9]_*', 'appendix_*')
        for depth in ('train.py', '*/train.py')
        for file in ROOT.glob(f'{name}/{depth}')
    )


def load_all():
    """Return a dict from the name of each exercise to it, in the order of chapters."""
    from exercises.shapes import ShapeExercise

    files = sorted((ROOT / 'exercises').glob('*/exercise.py'))
    found = [Exercise(file.parent) for file in files]
    found += [ShapeExercise(chapter) for chapter in all_chapters()]
    found = [
        exercise for exercise in found if exercise.kind != 'shape' or exercise.questions
    ]
    found.sort(key=lambda e: (e.chapter, KINDS.index(e.kind), e.name))
    return {exercise.name: exercise for exercise in found}
