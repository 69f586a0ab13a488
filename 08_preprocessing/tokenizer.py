"""Cut the words of a text into tokens: from stdin to stdout, line by line.

    echo '정말 재미있었다!' | python tokenizer.py --lang ko

prints `▁정말 ▁재미있 었 다 !`: tokens with spaces between them, those that begin a word
with a mark. detokenizer.py is the way back; marks.py says how.

- ko: morphemes, by Kiwi (https://github.com/bab2min/Kiwi). Kiwi analyses: of 했다 it
  makes 하, 었 and 다. Here only the boundaries are Kiwi's, the characters stay the
  text's own, so 했다 becomes 했 and 다.
- en: words, numbers, and punctuation marks apart from them.
"""

import itertools
import re
import sys

from filters import add_column_option, change_column, get_filter_argparser
from marks import cut_words
from utils import number, read_lines, run

# Words with their apostrophes and hyphens, numbers with their points, and the same sign
# several times.
ENGLISH_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d]\w*(?:['’-]\w+)*|(\W)\1*|\w+")

# Kiwi's time and memory grow with the length of a text.
MAX_LENGTH = 500
MAX_BATCH_LENGTH = 50_000


def define_argparser():
    """Return the parser of the command line."""
    p = get_filter_argparser(description='Cut the words of a text into tokens.')

    p.add_argument('--lang', choices=['ko', 'en'], default='ko', help='the language')
    add_column_option(p)
    p.add_argument(
        '--n_workers',
        type=number(int, 1, 1024),
        help='threads of Kiwi; None: one for each core',
    )
    return p


def get_parts(text):
    """Yield the beginning of each part of a long text, and the part.

    A part ends after a space, if there is one within MAX_LENGTH characters.
    """
    start = 0
    while start < len(text):
        end = start + MAX_LENGTH
        if end < len(text):
            end = text.rfind(' ', start, end) + 1 or end
        yield start, text[start:end]
        start = end


def get_korean_cuts(morphemes, offset):
    """Return where a text may be cut: between morphemes that share no character.

    Of 마셨다, Kiwi makes 마시 and 었, which share 셨, and 다: there is one cut.

    Arguments:
        morphemes: Kiwi's tokens of a part of the text.
        offset: where in the text the part begins.
    """
    cuts, end = set(), 0
    for morpheme in sorted(morphemes, key=lambda morpheme: morpheme.start):
        if morpheme.start >= end:
            cuts |= {offset + end, offset + morpheme.start}
        end = max(end, morpheme.start + morpheme.len)
    return cuts | {offset + end}


def get_batches(texts):
    """Yield lists of texts, each text normalised to single spaces.

    A list is small enough for memory, and just one text if a person is typing.
    """
    batch, length = [], 0
    max_length = 0 if sys.stdin.isatty() else MAX_BATCH_LENGTH
    for text in texts:
        batch.append(' '.join(text.split()))
        length += len(batch[-1]) + 1
        if length > max_length:
            yield batch
            batch, length = [], 0
    yield batch


def tokenize_korean(texts, n_workers=None):
    """Yield the tokens of each text, as one line."""
    from kiwipiepy import Kiwi

    kiwi = Kiwi(num_workers=n_workers or -1)
    for batch in get_batches(texts):
        parts = [list(get_parts(text)) for text in batch]
        # One call for many parts: Kiwi's threads share them out among themselves.
        analyses = kiwi.tokenize(part for _, part in itertools.chain(*parts))
        for text, text_parts in zip(batch, parts, strict=True):
            cuts = set()
            for (offset, _), morphemes in zip(text_parts, analyses, strict=False):
                cuts |= get_korean_cuts(morphemes, offset)
            yield ' '.join(cut_words(text, {cut for cut in cuts if cut < len(text)}))


def tokenize_english(texts):
    """Yield the tokens of each text, as one line."""
    for text in texts:
        text = ' '.join(text.split())
        cuts = {match.start() for match in ENGLISH_TOKEN.finditer(text)}
        yield ' '.join(cut_words(text, cuts))


def main(config):
    """Write the tokens of each line."""

    def tokenize(texts):
        if config.lang == 'en':
            return tokenize_english(texts)
        return tokenize_korean(texts, config.n_workers)

    for line in change_column(tokenize, read_lines(), config.column):
        print(line)


if __name__ == '__main__':
    run(main, define_argparser())
