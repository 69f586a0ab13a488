"""Marked tokens, and the subword models that split them into known pieces.

A line becomes tokens with spaces between them. A token that begins with the mark `▁` is
the beginning of a word. Any other token continues the word before it:

    정말 재미있었다!    ->    ▁정말 ▁재미있 었 다 !

To get the text back, join the tokens and replace each mark by a space. This works for
morphemes, for subwords and for subwords of morphemes. If the text itself contains `▁`,
it is written as `▂_`, and `▂` is written as `▂▂`. So only the kind and the number of
the spaces are lost.

- BytePairModel: merges of pairs, written out (Sennrich, Haddow and Birch 2016).
- SentencePieceModel: the same, or a unigram model, by the library SentencePiece (Kudo
  and Richardson 2018).
"""

import re
from functools import lru_cache
from itertools import pairwise

MARK = '▁'
ESCAPE = '▂'
ESCAPED = re.compile('▂([▂_])')
UNKNOWN = '<unk>'

# A line of tokenizer.py: it begins with a mark, and all marks are at the beginning of a
# token.
TOKENIZED = re.compile(r'▁T+(?: ▁?T+)*'.replace('T', r'(?:[^\s▁▂]|▂[▂_])'))


# ---- Marked tokens


def escape(text):
    """Return a text in which no mark is left."""
    return text.replace(ESCAPE, ESCAPE * 2).replace(MARK, ESCAPE + '_')


def unescape(text):
    """Return the text that was given to escape()."""
    return ESCAPED.sub(lambda match: match[1].replace('_', MARK), text)


def get_tokens(line, is_raw=False):
    """Return the marked tokens of a line: of raw text, or of a tokenized line.

    Arguments:
        line: words separated by spaces, or the output of tokenizer.py.
        is_raw: treat the line as raw text, even if it looks tokenized.
    """
    if not is_raw and TOKENIZED.fullmatch(line):
        return line.split(' ')
    return [MARK + word for word in escape(line).split()]


def get_boundaries(morphemes, offset):
    """Return where a text can be split: between morphemes that share no character.

    Kiwi analyses 마셨다 as 마시 and 었, which share 셨, and 다: there is one boundary.

    Arguments:
        morphemes: Kiwi's tokens of a part of the text.
        offset: the position in the text where the part begins.
    """
    spans = [(morpheme.start, morpheme.start + morpheme.len) for morpheme in morphemes]
    inside = {i for start, end in spans for i in range(start + 1, end)}
    return {offset + i for i in {0}.union(*spans) - inside}


def split_words(text, boundaries):
    """Return the marked tokens of a text that is split at its spaces and boundaries.

    Arguments:
        text: words with one space between them.
        boundaries: a set of positions from 0 to len(text).
    """
    spaces = {i for i, character in enumerate(text) if character == ' '}
    edges = {0, len(text)} | boundaries | spaces | {i + 1 for i in spaces}
    tokens = []
    for start, end in pairwise(sorted(edges)):
        if start not in spaces:
            begins_word = start == 0 or start - 1 in spaces
            tokens.append(MARK * begins_word + escape(text[start:end]))
    return tokens


def join_tokens(tokens):
    """Return the text of marked tokens, with single spaces."""
    words = ''.join(tokens).split(MARK)
    return ' '.join(unescape(word) for word in words if word)


# ---- Subword models


def get_symbols(token):
    """Return the characters of a marked token; the mark belongs to the first one.

    So `▁하` at the beginning of a word and `하` inside a word are different symbols.
    """
    n_first = 2 if token.startswith(MARK) else 1
    return [token[:n_first], *token[n_first:]]


def merge(symbols, pair):
    """Return symbols in which each occurrence of a pair, from the left, is merged."""
    left, right = pair
    merged, i = list(symbols), 0
    while i < len(merged) - 1:
        if merged[i] == left and merged[i + 1] == right:
            merged[i : i + 2] = [left + right]
        i += 1
    return merged


class SubwordModel:
    """Pieces and their ids; the subclasses say how to split a token into pieces.

    Arguments:
        vocabulary: a list of pieces; the index of a piece is its id.
    """

    cache_size = 50_000
    max_cached_length = 50
    max_length = 1000

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary
        self.ids = {piece: i for i, piece in enumerate(vocabulary)}
        self.split_cached = lru_cache(self.cache_size)(self.split)

    def split(self, token):
        """Return the pieces of a marked token; joined, they are the token."""
        raise NotImplementedError

    def segment(self, tokens):
        """Return the pieces of marked tokens.

        Most words of a text occur more than once, so their pieces are cached. A longer
        token is not cached, since it rarely repeats and would fill the memory; it is
        split in parts, since the time of split() grows faster than the length.
        """
        pieces = []
        for token in tokens:
            if len(token) <= self.max_cached_length:
                pieces += self.split_cached(token)
                continue
            for start in range(0, len(token), self.max_length):
                pieces += self.split(token[start : start + self.max_length])
        return pieces

    def encode(self, pieces):
        """Return the ids of pieces; a piece outside the vocabulary has UNKNOWN's id."""
        return [self.ids.get(piece, self.ids[UNKNOWN]) for piece in pieces]

    def decode(self, ids):
        """Return the pieces that have these ids."""
        return [self.vocabulary[i] for i in ids]


class BytePairModel(SubwordModel):
    """Byte-pair encoding: pairs of symbols are merged in the order they were learned.

    Arguments:
        merges: a list of pairs of symbols.
        characters: the symbols before any merge.
    """

    def __init__(self, merges, characters):
        self.merges = [tuple(pair) for pair in merges]
        self.characters = list(characters)
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        merged = [left + right for left, right in self.merges]
        super().__init__(list(dict.fromkeys([UNKNOWN, *self.characters, *merged])))

    def split(self, token):
        """Apply the merges to a token, in the order in which they were learned."""
        symbols = get_symbols(token)
        while pairs := self.ranks.keys() & set(pairwise(symbols)):
            symbols = merge(symbols, min(pairs, key=self.ranks.get))
        return symbols

    def state_dict(self):
        """Return plain data for a checkpoint."""
        merges = [list(pair) for pair in self.merges]
        return {'merges': merges, 'characters': self.characters}


class SentencePieceModel(SubwordModel):
    """The same interface for a model of the library SentencePiece.

    Arguments:
        content: bytes of a model file of SentencePiece.
    """

    def __init__(self, content):
        from sentencepiece import SentencePieceProcessor

        self.content = content
        self.processor = SentencePieceProcessor(model_proto=content)
        n_pieces = self.processor.get_piece_size()
        super().__init__([self.processor.id_to_piece(i) for i in range(n_pieces)])

    def split(self, token):
        """Let SentencePiece split a token; it writes a space as a mark."""
        return self.processor.encode(token.replace(MARK, ' '), out_type=str)

    def state_dict(self):
        """Return plain data for a checkpoint: the model file as a uint8 tensor."""
        import torch

        return {'content': torch.frombuffer(bytearray(self.content), dtype=torch.uint8)}


def get_model(engine, state):
    """Build the model of a checkpoint.

    Arguments:
        engine: bpe or sentencepiece.
        state: what state_dict() of that kind of model returned.
    """
    if engine == 'bpe':
        return BytePairModel(**state)
    return SentencePieceModel(bytes(state['content'].tolist()))
