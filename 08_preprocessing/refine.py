"""Clean one column of a text by rules: from stdin to stdout, line by line.

    cat raw.tsv | python refine.py rules.tsv 1 > refined.tsv

The rules are regular expressions. Each line of their file is a pattern, a tab and the
replacement: an empty replacement deletes, `\\1` is the first group. The rules are
applied in their order. Lines that begin with # are comments.

The columns are separated by tabs and counted from 0, so 1 is the text of
`label<tab>text`; -1 is the whole line. --encoding is that of stdin; rules are in UTF-8.
"""

import re

from guards import (
    InputError,
    add_encoding,
    get_argparser,
    input_errors,
    read_lines,
    run,
)
from tables import add_column_option
from utils import change_column

# In a replacement, a backslash begins a group or stands for itself. `\n` is refused,
# because it would make two lines of one.
REPLACEMENT = re.compile(r'(?:[^\\]|\\(?:[1-9][0-9]?|g<\w+>|\\))*')

# A pattern that matches the empty string in one of these texts would insert its
# replacement between all characters.
PROBES = ['', '가나, ab 12.', 'ㅋㅋ\x00\n']


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Clean one column of a text by rules.', has_model=False)
    p.add_argument('rules_fn', metavar='RULES', help='file of the rules')
    add_column_option(p, None, 'column')
    add_encoding(p)
    return p


class Rule:
    """A pattern and its replacement.

    Arguments:
        place: the file and the line of the rule.
        pattern: a regular expression.
        replacement: a text, in which `\\1` or `\\g<name>` is a group.

    Raises:
        InputError: the pattern is not a regular expression, it has no such group, or it
            matches the empty string.
    """

    def __init__(self, place, pattern, replacement):
        self.place, self.replacement = place, replacement
        if not REPLACEMENT.fullmatch(replacement):
            expected = 'expected only \\1 to \\99, \\g<name> and \\\\ with a backslash'
            raise InputError(f'{place}: {expected}, found {replacement!r}')
        with input_errors(f'{place}: expected a regular expression and its groups'):
            self.pattern = re.compile(pattern)
            # This checks the groups of the replacement, even without a match.
            self.pattern.sub(replacement, '')
        for probe in PROBES:
            self.apply(probe)

    def replace(self, match):
        """Return the replacement of a match."""
        if not match[0]:
            expected = 'expected a pattern that finds at least one character'
            found = f'{self.pattern.pattern!r} finds the empty string'
            raise InputError(f'{self.place}: {expected}, {found}')
        return match.expand(self.replacement)

    def apply(self, text):
        """Return the text with all matches replaced."""
        return self.pattern.sub(self.replace, text)


def read_rules(fn):
    """Return the rules of a file in UTF-8.

    Raises:
        InputError: the file can't be read, or one of its lines is not a rule.
    """
    rules = []
    for line_number, line in enumerate(read_lines(fn), start=1):
        if line and not line.startswith('#'):
            place, cells = f'{fn}, line {line_number}', line.split('\t')
            if len(cells) != 2:
                expected = 'expected a pattern, a tab and a replacement'
                raise InputError(f'{place}: {expected}, found {len(cells) - 1} tabs')
            rules.append(Rule(place, *cells))
    return rules


def main(config):
    """Print each line with its text cleaned."""
    rules = read_rules(config.rules_fn)

    def refine(texts):
        for text in texts:
            for rule in rules:
                text = rule.apply(text)
            yield text

    for line in change_column(refine, config.column, config.encoding):
        print(line)


if __name__ == '__main__':
    run(main, define_argparser())
