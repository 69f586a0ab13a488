"""Clean one column of a text by rules: from stdin to stdout, line by line.

    cat raw.tsv | python refine.py rules.tsv 1 > refined.tsv

The rules are regular expressions. Each line of their file is a pattern, a tab and what
to put in its place: nothing deletes, `\\1` is the first group. They are applied one
after the other. Lines that begin with # are comments.

The columns stand between tabs and are counted from 0, so that 1 is the text of
`label<tab>text`; -1 is the whole line.
"""

import re

from filters import change_column, get_filter_argparser
from utils import InputError, number, read_lines, run

# In a replacement, a backslash stands for a group or for itself. With `\n`, one line
# would become two.
REPLACEMENT = re.compile(r'(?:[^\\]|\\(?:[1-9][0-9]?|g<\w+>|\\))*')

# A pattern that finds nothing somewhere in here would put its replacement between any
# two characters.
PROBES = ['', '가나, ab 12.', 'ㅋㅋ\x00\n']


def define_argparser():
    """Return the parser of the command line."""
    p = get_filter_argparser(description='Clean one column of a text by rules.')

    p.add_argument('rules_fn', metavar='RULES', help='file of the rules')
    p.add_argument(
        'column',
        metavar='COLUMN',
        type=number(int, -1),
        help='of the text between tabs, counted from 0; -1: the whole line',
    )
    return p


class Rule:
    """A pattern and what to put in its place.

    Arguments:
        place: the file and the line that the rule stands in.
        pattern: a regular expression.
        replacement: a text, in which `\\1` or `\\g<name>` is a group.

    Raises:
        InputError: it is no regular expression, it has no such group, or it finds
            empty strings.
    """

    def __init__(self, place, pattern, replacement):
        self.place = place
        self.replacement = replacement
        if not REPLACEMENT.fullmatch(replacement):
            raise InputError(
                f'{place}: expected only \\1 to \\99, \\g<name> and \\\\ with a '
                f'backslash, found {replacement!r}'
            )
        try:
            self.pattern = re.compile(pattern)
            # The groups of a replacement are looked up, whether anything is found.
            self.pattern.sub(replacement, '')
        except (re.error, IndexError, OverflowError, RecursionError) as error:
            reason = ' '.join(str(error).split())
            raise InputError(
                f'{place}: expected a regular expression and its groups: {reason}'
            ) from error
        for probe in PROBES:
            self.pattern.sub(self.replace, probe)

    def replace(self, match):
        """Return what to put in the place of a match."""
        if not match[0]:
            raise InputError(
                f'{self.place}: expected a pattern that finds at least one character, '
                f'{self.pattern.pattern!r} finds the empty string'
            )
        return match.expand(self.replacement)

    def apply(self, text):
        """Return the text with all matches replaced."""
        return self.pattern.sub(self.replace, text)


def read_rules(fn):
    """Return the rules of a file.

    Raises:
        InputError: the file can't be read, or one of its lines is no rule.
    """
    rules = []
    for line_number, line in enumerate(read_lines(fn), start=1):
        place = f'{fn}, line {line_number}'
        if not line or line.startswith('#'):
            continue
        cells = line.split('\t')
        if len(cells) != 2:
            raise InputError(
                f'{place}: expected a pattern, a tab and a replacement, '
                f'found {len(cells) - 1} tabs'
            )
        rules.append(Rule(place, *cells))
    return rules


def main(config):
    """Write each line, cleaned."""
    rules = read_rules(config.rules_fn)

    def refine(texts):
        for text in texts:
            for rule in rules:
                text = rule.apply(text)
            yield text

    for line in change_column(refine, read_lines(), config.column):
        print(line)


if __name__ == '__main__':
    run(main, define_argparser())
