"""What exercises.py at the root consists of; each folder here is one exercise.

Read README.md for how an exercise is written. The modules, in reading order:

    catalogue.py  the exercises and their texts
    edits.py      an exercise as an edit of today's chapter
    workspace.py  the folders work/NAME, which belong to the learner
    progress.py   what has been done, in work/progress.json
    checking.py   runs a check in a process of its own, with limits
    kit.py        what the checks are made of
    shapes.py     questions that are made from the shape comments
    messages.py   every line that a learner reads, in two languages

All but kit.py need nothing but Python: torch is imported when something is checked.
"""
