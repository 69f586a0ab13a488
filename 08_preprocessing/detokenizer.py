"""Put tokens together again: from stdin to stdout, line by line.

    cat tokens.txt | python detokenizer.py

The way back from tokenizer.py, from predict.py, and from the one after the other: the
text comes out as it was, but for the kind and the number of its spaces.
"""

from filters import add_column_option, change_column, get_filter_argparser
from marks import join_tokens
from utils import read_lines, run


def define_argparser():
    """Return the parser of the command line."""
    p = get_filter_argparser(description='Put tokens together again.')

    add_column_option(p)
    return p


def main(config):
    """Write the text of each line of tokens."""

    def detokenize(texts):
        for text in texts:
            yield join_tokens(text.split())

    for line in change_column(detokenize, read_lines(), config.column):
        print(line)


if __name__ == '__main__':
    run(main, define_argparser())
