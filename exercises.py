"""Exercises for every chapter: find the fault, write it, say the shape, change it.

    python exercises.py list
    python exercises.py start 01_zero_grad
    python exercises.py check

What you write is in the folder work, and nothing else is touched. Messages are Korean
if LANG is, or with `--lang ko`. How to write an exercise: exercises/README.md.
"""

import argparse
import csv
import difflib
import os
import sys
from pathlib import Path

from exercises import checking, messages, progress, workspace
from exercises.catalogue import HINTS, ExerciseError, load_all
from exercises.edits import EditError


class CommandError(Exception):
    """A command that can't be done; its arguments are those of messages.say()."""


class Parser(argparse.ArgumentParser):
    """A parser whose help and errors are those of messages.py."""

    def error(self, message):
        """Raise a CommandError instead of printing English usage."""
        raise CommandError('bad_command', message)


class Learner:
    """Who is in front of the screen: their language, and how they answer."""

    def __init__(self, language, is_yes):
        self.language, self.is_yes = language, is_yes

    def say(self, key, **values):
        """Return a message in the learner's language."""
        return messages.say(self.language, key, **values)

    def tell(self, key, **values):
        """Print a message in the learner's language."""
        print(self.say(key, **values), flush=True)

    def choose(self, pair):
        """Return the sentence of a pair that is in the learner's language."""
        return pair[messages.LANGUAGES.index(self.language)]

    def ask(self, prompt):
        """Return a line that the learner typed; None at the end of the input."""
        try:
            return input(prompt)
        except EOFError:
            print()
            return None

    def agrees(self, key, **values):
        """Return whether the learner answers yes to a question."""
        if self.is_yes:
            return True
        question = self.say('yes_or_no', question=self.say(key, **values))
        answer = self.ask(question) or ''
        is_yes = answer.strip().lower() in {'y', 'yes', '예', '네', 'ㅇ'}
        if not is_yes:
            self.tell('nothing_changed')
        return is_yes


# ---- Commands: each gets the learner, an exercise (or all of them) and the options


def show_list(learner, exercises, config):
    """Print all exercises by chapter, and how many of each chapter are done."""
    known = progress.read()
    by_chapter = {}
    for exercise in exercises.values():
        by_chapter.setdefault(exercise.chapter, []).append(exercise)
    for chapter, group in by_chapter.items():
        done = sum(bool(known.get(exercise.name, {}).get('done')) for exercise in group)
        bar = '#' * done + '-' * (len(group) - done)
        print(f'\n{chapter}  {bar}  {done}/{len(group)}')
        for exercise in group:
            entry = known.get(exercise.name, {})
            mark = 'x' if entry.get('done') else '~' if entry else ' '
            kind = learner.choose(messages.KINDS[exercise.kind])
            title = exercise.title(learner.language)
            print(f'  [{mark}] {exercise.name:<28} {kind}: {title}')
    done = sum(bool(known.get(name, {}).get('done')) for name in exercises)
    print(f'\n{done}/{len(exercises)}')


def start(learner, exercise, config):
    """Make the folder of an exercise, or ask the questions about shapes."""
    if exercise.kind == 'shape':
        return ask_shapes(learner, exercise)
    folder = workspace.get_folder(exercise)
    if folder.exists():
        names = {'name': exercise.name, 'folder': os.path.relpath(folder)}
        raise CommandError('already_started', names)
    return make_folder(learner, exercise)


def make_folder(learner, exercise):
    """Make the folder of an exercise, and print its task."""
    with progress.changed(exercise.name) as entry:
        folder = workspace.start(exercise, learner.language)
        entry['started'] = entry['started'] or progress.now()
    text = exercise.text(learner.language)
    text['folder'] = os.path.relpath(folder)
    learner.tell('started', name=exercise.name, **text)
    return 0


def reset(learner, exercise, config):
    """Make the folder of an exercise again, after asking."""
    if exercise.kind == 'shape':
        with progress.changed(exercise.name) as entry:
            entry['answered'] = []
        learner.tell('no_reset_of_shapes', name=exercise.name)
        return 0
    folder = workspace.get_folder(exercise)
    names = {'name': exercise.name, 'folder': os.path.relpath(folder)}
    if folder.exists() and not learner.agrees('really_reset', **names):
        return 1
    return make_folder(learner, exercise)


def check(learner, exercise, config):
    """Check what the learner wrote, and say the first thing that is wrong."""
    if exercise.kind == 'shape':
        return ask_shapes(learner, exercise)
    learner.tell('checking', name=exercise.name)
    verdict = checking.check(exercise, workspace.get_folder(exercise))
    with progress.changed(exercise.name) as entry:
        entry['checks'] += 1
        if not verdict.sentences:
            entry['done'] = entry['done'] or progress.now()
    if verdict.output:
        lines = verdict.output.rstrip().split('\n')
        learner.tell('printed')
        print('\n'.join(f'  | {line[:200]}' for line in lines[:20]))
        if len(lines) > 20:
            learner.tell('more_output')
    if verdict.sentences:
        sentence = learner.choose(verdict.sentences)
        learner.tell('failed', sentence=sentence, name=exercise.name)
        return 1
    counts = {'checks': entry['checks'], 'hints': entry['hints']}
    learner.tell('passed', name=exercise.name, **counts)
    ask_question(learner, exercise)
    return 0


def ask_question(learner, exercise):
    """Ask the question about numbers that follows some exercises."""
    question = exercise.question(learner.language)
    if not question:
        return
    print(f'\n{question.text}')
    letters = 'abcdefgh'[: len(question.choices)]
    for letter, (answer, _, _) in zip(letters, question.choices, strict=True):
        print(f'  {letter}) {answer}')
    is_right = False
    while not is_right:
        letter = learner.ask(learner.say('choose'))
        if letter is None:
            learner.tell('no_answer')
            return
        if letter.strip().lower() in set(letters):
            index = letters.index(letter.strip().lower())
            _, comment, is_right = question.choices[index]
            key = 'right_answer' if is_right else 'wrong_answer'
            learner.tell(key, comment=comment)
    with progress.changed(exercise.name) as entry:
        entry['answered'] = ['question']


def hint(learner, exercise, config):
    """Print the hints so far, and the next one."""
    with progress.changed(exercise.name) as entry:
        if exercise.kind == 'shape':
            left = [q for q in exercise.questions if q.id not in entry['answered']]
            texts = (left or exercise.questions)[0].hints(learner.language)
        else:
            texts = exercise.text(learner.language)
        entry['hints'] = min(entry['hints'] + 1, len(HINTS))
    for name in HINTS[: entry['hints']]:
        learner.tell(name, text=texts[name])
    return 0


def solve(learner, exercise, config):
    """Show the solution, after asking."""
    if not learner.agrees('really_solve', name=exercise.name):
        return 1
    with progress.changed(exercise.name) as entry:
        entry['solution_shown'] = entry['solution_shown'] or progress.now()
    if exercise.kind == 'shape':
        for question in exercise.questions:
            print(f'{question.place}: |{question.tensor}| = {question.shape}')
    else:
        print('\n'.join(workspace.get_solution(exercise)))
        print(f'\n{exercise.text(learner.language)["reason"]}')
    return 0


def ask_shapes(learner, exercise):
    """Ask the questions about shapes that were not yet answered right."""
    with progress.changed(exercise.name) as entry:
        entry['started'] = entry['started'] or progress.now()
    learner.tell('shape_intro', example='(batch_size, length)')
    total = len(exercise.questions)
    for number, question in enumerate(exercise.questions, 1):
        if question.id in entry['answered']:
            continue
        place = {'number': number, 'total': total, 'place': question.place}
        print(f'\n{learner.say("shape_question", **place)}\n\n{question.text}\n')
        learner.tell('shape_names', names=', '.join(question.names))
        answer = ask_shape(learner, question)
        if answer is None:
            break
        with progress.changed(exercise.name) as entry:
            entry['checks'] += 1
            if answer:
                entry['answered'].append(question.id)
            ids = {question.id for question in exercise.questions}
            if ids <= set(entry['answered']):
                entry['done'] = entry['done'] or progress.now()
    n_right = sum(question.id in entry['answered'] for question in exercise.questions)
    counts = {'n_right': n_right, 'total': total}
    learner.tell('shape_left', name=exercise.name, **counts)
    return 0 if n_right == total else 1


def ask_shape(learner, question):
    """Ask until the answer is right; None: the input ended, False: it was left out."""
    while True:
        answer = learner.ask(f'|{question.tensor}| = ')
        if answer is None:
            return None
        if not answer.strip() or answer.strip() == '?':
            if answer.strip():
                learner.tell('shape_answer', shape=question.shape)
            return False
        sentences = question.explain(answer)
        if sentences is None:
            learner.tell('shape_right', shape=question.shape)
            return True
        print(learner.choose(sentences))


def report(learner, exercises, config):
    """Print the progress as CSV: which exercises are done, when, how many checks."""
    known = progress.read()
    columns = ['started', 'done', 'checks', 'hints', 'solution_shown']
    writer = csv.writer(sys.stdout, lineterminator='\n')
    writer.writerow(['name', 'chapter', 'kind', *columns])
    for name, exercise in exercises.items():
        entry = progress.NOTHING | known.get(name, {})
        values = [entry[column] for column in columns]
        writer.writerow([name, exercise.chapter, exercise.kind, *values])


COMMANDS = {'start': start, 'check': check, 'hint': hint, 'solve': solve}
COMMANDS |= {'reset': reset, 'list': show_list, 'report': report}


# ---- The command line


def define_argparser():
    """Return the parser of the command line."""
    p = Parser(add_help=False)
    p.add_argument('command', nargs='?', choices=[*COMMANDS, 'help'], default='help')
    p.add_argument('name', nargs='?')
    p.add_argument('--lang', choices=messages.LANGUAGES)
    p.add_argument('--format', choices=['csv'], default='csv')
    p.add_argument('--yes', action='store_true')
    p.add_argument('--help', '-h', action='store_true')
    return p


def find_exercise(name, exercises):
    """Return the exercise of a name; without one, the latest that was started."""
    if name is None:
        here = Path.cwd()
        inside = [*here.parents, here]
        names = [n for n in exercises if progress.WORK / n in inside]
        names = names or [n for n in progress.read() if n in exercises]
        if not names:
            raise CommandError('no_name')
        return exercises[names[-1]]
    name = Path(name).name
    if name not in exercises:
        guess = difflib.get_close_matches(name, exercises, n=1, cutoff=0)
        raise CommandError('unknown', {'name': name, 'guess': guess[0]})
    return exercises[name]


def main(arguments):
    """Run one command; return the exit status."""
    language = messages.default_language()
    if '--lang' in arguments[:-1] and arguments[arguments.index('--lang') + 1] == 'ko':
        language = 'ko'
    learner = Learner(language, is_yes='--yes' in arguments)
    try:
        config = define_argparser().parse_args(arguments)
        learner.language = config.lang or language
        if config.help or config.command == 'help':
            learner.tell('usage')
            return 0
        exercises = load_all()
        command = COMMANDS[config.command]
        if command in (show_list, report):
            return command(learner, exercises, config) or 0
        if command is not check and config.name is None:
            raise CommandError('no_name')
        return command(learner, find_exercise(config.name, exercises), config)
    except CommandError as error:
        key, values = error.args[0], error.args[1] if error.args[1:] else {}
        values = values if isinstance(values, dict) else {'error': values}
        print(learner.say(key, **values), file=sys.stderr)
        return 2
    except progress.ProgressError as error:
        print(learner.say('broken_progress', error=error), file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output has gone, as in `python exercises.py list | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ExerciseError, EditError, OSError) as error:
        print(learner.say('error', error=error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(learner.say('interrupted'), file=sys.stderr)
        return 130


if __name__ == '__main__':
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.reconfigure(encoding='utf-8')
    sys.exit(main(sys.argv[1:]))
