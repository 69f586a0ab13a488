"""Join tokens to text: from stdin to stdout, line by line.

    cat tokens.txt | python detokenizer.py

It is the inverse of tokenizer.py, of predict.py, and of both in a row: only the kind
and the number of the spaces can differ from the original text.
"""

from guards import add_encoding, get_argparser, run
from model import join_tokens
from tables import add_column_option
from utils import change_column


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Join tokens to text.', has_model=False)
    add_column_option(p)
    add_encoding(p)
    return p


def main(config):
    """Print the text of each line of tokens."""

    def detokenize(texts):
        return (join_tokens(text.split()) for text in texts)

    for line in change_column(detokenize, config.column, config.encoding):
        print(line)


if __name__ == '__main__':
    run(main, define_argparser())
