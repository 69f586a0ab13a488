"""Subword models: they cut a word that they have never seen into pieces that they know.

- BytePairModel: merges of pairs, written out (Sennrich, Haddow and Birch 2016).
- SentencePieceModel: the same, or a unigram model, by the library SentencePiece (Kudo
  and Richardson 2018).

A word comes as a marked token (see marks.py). The mark belongs to the first character:
`▁하` begins a word and `하` goes on with one, and they are different symbols.
"""

import heapq
from functools import lru_cache

UNKNOWN = '<unk>'


def get_symbols(token):
    """Return the characters of a marked token, the mark together with the first."""
    n_first = 2 if token.startswith('▁') else 1
    return [token[:n_first], *token[n_first:]]


class SubwordModel:
    """Pieces and their numbers; how to cut a token is up to the classes below.

    Arguments:
        vocabulary: a list of pieces, in which the place of a piece is its number.
    """

    # Words repeat: most of those in a text have been cut before. Very long ones do
    # not, and would fill the memory.
    cache_size = 50_000
    max_cached_length = 50

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary
        self.numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self.cut_cached = lru_cache(self.cache_size)(self.cut)

    def cut(self, token):
        """Return the pieces of a marked token, which together are the token."""
        raise NotImplementedError

    def segment(self, tokens):
        """Return the pieces of marked tokens."""
        pieces = []
        for token in tokens:
            is_cached = len(token) <= self.max_cached_length
            pieces += self.cut_cached(token) if is_cached else self.cut(token)
        return pieces

    def encode(self, pieces):
        """Return the numbers of pieces.

        What is not in the vocabulary becomes the number of UNKNOWN: no network can tell
        one such piece from another.
        """
        unknown = self.numbers[UNKNOWN]
        return [self.numbers.get(piece, unknown) for piece in pieces]

    def decode(self, numbers):
        """Return the pieces that have these numbers."""
        return [self.vocabulary[number] for number in numbers]


class BytePairModel(SubwordModel):
    """Characters, of which pairs are merged, in the order in which they were learned.

    Arguments:
        merges: a list of pairs of symbols.
        characters: the symbols to begin with.
    """

    def __init__(self, merges, characters):
        self.merges = [tuple(pair) for pair in merges]
        self.characters = list(characters)
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        merged = [left + right for left, right in self.merges]
        super().__init__(list(dict.fromkeys([UNKNOWN, *self.characters, *merged])))

    def cut(self, token):
        """Apply the merges to a token, those that were learned first before the others.

        It takes the time O(n log n) for n characters: a heap knows which pair is next,
        and each symbol knows its neighbours.
        """
        symbols = get_symbols(token)
        end = len(symbols)
        previous, following = list(range(-1, end - 1)), list(range(1, end + 1))
        heap = []

        def push(left):
            if left >= 0 and following[left] < end:
                pair = symbols[left], symbols[following[left]]
                if pair in self.ranks:
                    heapq.heappush(heap, (self.ranks[pair], left, pair))

        for left in range(end - 1):
            push(left)
        while heap:
            _, left, pair = heapq.heappop(heap)
            right = following[left]
            if right >= end or (symbols[left], symbols[right]) != pair:
                # One of the two has been merged with another neighbour since.
                continue
            symbols[left], symbols[right] = ''.join(pair), None
            following[left] = following[right]
            if following[left] < end:
                previous[following[left]] = left
            push(previous[left])
            push(left)
        return [symbol for symbol in symbols if symbol is not None]

    def state_dict(self):
        """Return plain data for a checkpoint."""
        merges = [list(pair) for pair in self.merges]
        return {'merges': merges, 'characters': self.characters}


class SentencePieceModel(SubwordModel):
    """The same interface around SentencePiece.

    Arguments:
        content: bytes of a model file of SentencePiece.
    """

    def __init__(self, content):
        from sentencepiece import SentencePieceProcessor

        self.content = content
        self.processor = SentencePieceProcessor(model_proto=content)
        n_pieces = self.processor.get_piece_size()
        super().__init__([self.processor.id_to_piece(i) for i in range(n_pieces)])

    def cut(self, token):
        """Let SentencePiece cut a token; it writes a space as a mark."""
        return self.processor.encode(token.replace('▁', ' '), out_type=str)

    def state_dict(self):
        """Return plain data for a checkpoint: the file of the model as a tensor."""
        import torch

        return {'content': torch.frombuffer(bytearray(self.content), dtype=torch.uint8)}


def get_model(engine, state):
    """Build the model that a checkpoint describes.

    Arguments:
        engine: bpe or sentencepiece.
        state: what state_dict() of that kind of model has returned.
    """
    if engine == 'bpe':
        return BytePairModel(**state)
    return SentencePieceModel(bytes(state['content'].tolist()))
