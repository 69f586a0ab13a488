"""Find what repeats in a sequence: the blocks of a stack, the steps of a decoder."""

import re
from dataclasses import dataclass

NUMBER = re.compile(r'\b\d+\b')


@dataclass(frozen=True)
class Repeat:
    """Some items of a sequence that follow one another several times.

    Attributes:
        items: what stands there once: numbers of elements, and repeats among them.
        copies: the same for each further time, so that their numbers are known.
    """

    items: tuple
    copies: tuple

    @property
    def times(self):
        """How often the items follow one another."""
        return 1 + len(self.copies)


def without_numbers(path):
    """Return the path of a module that is the same for all blocks of a stack."""
    return NUMBER.sub('#', path)


def fold(keys, is_next=None):
    """Fold a sequence: what follows itself becomes one Repeat, the shortest one first.

    Arguments:
        keys: what makes two elements the same, a list.
        is_next: tells, of the numbers of some elements and of those of their copy that
            follows, whether the copy goes on from them; None: always.

    Returns:
        A list of numbers of elements, from 0 on, and of Repeats.
    """
    items = [(key, number) for number, key in enumerate(keys)]
    length = 1
    while 2 * length <= len(items):
        items = fold_runs(items, length, is_next)
        length += 1
    return [item for _, item in items]


def list_numbers(items):
    """Return the numbers of all elements in items, those of copies among them."""
    numbers = []
    for item in items:
        if isinstance(item, Repeat):
            numbers += list_numbers([*item.items, *sum(item.copies, ())])
        else:
            numbers.append(item)
    return numbers


def fold_runs(items, length, is_next):
    """Fold the runs of so many items that follow themselves once or more."""
    folded, start = [], 0
    while start < len(items):
        run = items[start : start + length]
        keys = [key for key, _ in run]
        end, copies = start + length, []
        before = tuple(item for _, item in run)
        while len(run) == length and [key for key, _ in items[end:][:length]] == keys:
            copy = tuple(item for _, item in items[end:][:length])
            if is_next and not is_next(list_numbers(before), list_numbers(copy)):
                break
            copies.append(copy)
            before = copy
            end += length
        if copies:
            repeat = Repeat(tuple(item for _, item in run), tuple(copies))
            folded.append(((tuple(keys), repeat.times), repeat))
            start = end
        else:
            folded.append(items[start])
            start += 1
    return folded


def flatten(items, times=1):
    """Yield the elements that stand in folded items, and how often each one occurs."""
    for item in items:
        if isinstance(item, Repeat):
            yield from flatten(item.items, times * item.times)
        else:
            yield item, times
