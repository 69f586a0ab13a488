"""What a learner has done: work/progress.json, a plain file.

It is written whole or not at all, and locked while it is changed, so that two terminals
do not lose what the other one has written.
"""

import contextlib
import json
import os
from datetime import datetime

from exercises.catalogue import ROOT

WORK = ROOT / 'work'
# What is known of an exercise before it is started.
NOTHING = {
    'started': '',
    'checks': 0,
    'hints': 0,
    'solution_shown': '',
    'done': '',
    'answered': [],
}


class ProgressError(Exception):
    """work/progress.json can't be read; the text is one line."""


def now():
    """Return the time as text, to the second, with the time zone."""
    return datetime.now().astimezone().isoformat(timespec='seconds')


@contextlib.contextmanager
def locked(fn):
    """Wait until no other process is in this block; a killed one leaves no lock."""
    with open(fn, 'a+', encoding='utf-8') as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except ModuleNotFoundError:
            import msvcrt  # Windows: the lock ends when the file is closed

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        yield


def read():
    """Return a dict from the name of each exercise that was started to its progress.

    Raises:
        ProgressError: the file was changed, and is not what it was.
    """
    fn = WORK / 'progress.json'
    try:
        progress = json.loads(fn.read_text(encoding='utf-8'))
        return {name: NOTHING | entry for name, entry in progress.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        # Not replaced by an empty one: a person can mend it.
        raise ProgressError(f'{fn}: {" ".join(str(error).split())}') from error


@contextlib.contextmanager
def changed(name):
    """Let a block change the progress of an exercise, a dict, and save it.

    Nothing is saved if the block fails.
    """
    WORK.mkdir(exist_ok=True)
    with locked(WORK / 'progress.lock'):
        progress = read()
        # The last entry is the exercise that the learner works on.
        entry = {**NOTHING, **progress.pop(name, {})}
        yield entry
        progress[name] = entry
        temporary = WORK / f'progress.{os.getpid()}.tmp'
        text = json.dumps(progress, indent=1, ensure_ascii=False)
        with open(temporary, 'w', encoding='utf-8') as file:
            file.write(text + '\n')
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, WORK / 'progress.json')
