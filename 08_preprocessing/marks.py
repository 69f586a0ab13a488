"""The marks: how the tokens of a line remember where its words began.

A line becomes tokens with spaces between them. A token that begins with the mark `▁`
begins a word, any other goes on with the word before:

    정말 재미있었다!    ->    ▁정말 ▁재미있 었 다 !

The way back needs no grammar: put the tokens together, and a space for each mark. That
holds for morphemes, for subwords, and for subwords of morphemes, so there is one
convention for all of them, and one way back.

A text may hold the mark itself. It is written as `▂_` then, and `▂` as `▂▂`, so that
nothing is lost but the kind and the number of spaces.
"""

import re

MARK = '▁'
ESCAPE = '▂'
ESCAPED = re.compile('▂([▂_])')

# Marks at the beginnings of tokens alone, the first of them included: a line that
# tokenizer.py has written.
TOKENIZED = re.compile(r'▁T+(?: ▁?T+)*'.replace('T', r'(?:[^\s▁▂]|▂[▂_])'))


def escape(text):
    """Return a text without marks of its own."""
    return text.replace(ESCAPE, ESCAPE * 2).replace(MARK, ESCAPE + '_')


def unescape(text):
    """Return the text that escape() was given."""
    return ESCAPED.sub(lambda match: match[1].replace('_', MARK), text)


def get_tokens(line, is_raw=False):
    """Return the marked tokens of a line, which is raw text or has tokens already.

    Arguments:
        line: words with spaces between them, or what tokenizer.py has made of them.
        is_raw: take the line for raw text, even if it looks like tokens.
    """
    if not is_raw and TOKENIZED.fullmatch(line):
        return line.split(' ')
    return [MARK + word for word in escape(line).split()]


def cut_words(text, cuts):
    """Return the marked tokens of a text that is cut at its spaces and elsewhere.

    Arguments:
        text: words with one space between them.
        cuts: a set of positions from 0 to len(text).
    """
    spaces = {i for i, character in enumerate(text) if character == ' '}
    edges = sorted({0, len(text)} | cuts | spaces | {i + 1 for i in spaces})
    tokens = []
    for start, end in zip(edges, edges[1:], strict=False):
        if start not in spaces:
            begins_word = start == 0 or start - 1 in spaces
            tokens.append(MARK * begins_word + escape(text[start:end]))
    return tokens


def join_tokens(tokens):
    """Return the text that marked tokens were made of, with single spaces."""
    words = ''.join(tokens).split(MARK)
    return ' '.join(unescape(word) for word in words if word)
