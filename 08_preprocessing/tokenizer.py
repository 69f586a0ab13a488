"""Split the words of a text into tokens: from stdin to stdout, line by line.

    echo '정말 재미있었다!' | python tokenizer.py --lang ko

prints `▁정말 ▁재미있 었 다 !`: tokens separated by spaces, with a mark at the beginning
of each word. detokenizer.py is the inverse; model.py explains the marks.

- ko: morphemes, by Kiwi (https://github.com/bab2min/Kiwi). Kiwi analyses 했다 as 하, 었
  and 다. Only its boundaries are used here, the characters stay those of the text: 했다
  becomes 했 and 다.
- en: words, numbers and punctuation marks.
"""

import itertools
import re
import sys
from functools import partial

from guards import add_encoding, get_argparser, number, run
from model import get_boundaries, split_words
from tables import add_column_option
from utils import change_column

# Numbers with their points, words with their apostrophes and hyphens, and repeated
# punctuation marks.
ENGLISH_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d]\w*(?:['’-]\w+)*|(\W)\1*|\w+")

# Parts of at most 500 characters, which end after a space where there is one: the time
# and memory of Kiwi grow with the length of a text.
PART = re.compile('.{1,500}$|.{1,499} |.{1,500}', re.DOTALL)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Split the words of a text into tokens.', has_model=False)
    option, threads = p.add_argument, number(int, 1, 1024)
    option('--lang', choices=['ko', 'en'], default='ko', help='the language')
    add_column_option(p)
    add_encoding(p)
    option('--n_workers', type=threads, help='threads of Kiwi; None: one a core')
    return p


def tokenize_korean(texts, n_workers=None):
    """Yield the tokens of each text, as one line."""
    from kiwipiepy import Kiwi

    kiwi = Kiwi(num_workers=n_workers or -1)
    texts, copies = itertools.tee(' '.join(text.split()) for text in texts)
    # Kiwi reads some parts ahead for its threads. At a terminal, each line has to be
    # answered at once.
    analyse = partial(map, kiwi.tokenize) if sys.stdin.isatty() else kiwi.tokenize
    analyses = analyse(part for text in copies for part in PART.findall(text))
    for text in texts:
        boundaries = set()
        for part in PART.finditer(text):
            boundaries |= get_boundaries(next(analyses), part.start())
        yield ' '.join(split_words(text, boundaries))


def tokenize_english(texts):
    """Yield the tokens of each text, as one line."""
    for text in texts:
        text = ' '.join(text.split())
        boundaries = {match.start() for match in ENGLISH_TOKEN.finditer(text)}
        yield ' '.join(split_words(text, boundaries))


def main(config):
    """Print the tokens of each line."""
    korean = partial(tokenize_korean, n_workers=config.n_workers)
    tokenize = korean if config.lang == 'ko' else tokenize_english
    for line in change_column(tokenize, config.column, config.encoding):
        print(line)


if __name__ == '__main__':
    run(main, define_argparser())
