"""Learns subword models from words and how often each occurs.

The trainers know nothing of files, languages and what becomes of the pieces: they get a
dict from a marked token to its count.
"""

import heapq
import io
import sys
from collections import defaultdict
from itertools import pairwise, repeat

from tqdm import trange

from model import BytePairModel, SentencePieceModel, get_symbols
from utils import InputError, log

REPORT_EVERY = 500


def merge(symbols, pair):
    """Return symbols with each occurrence of a pair, from the left, as one symbol."""
    left, right = pair
    merged, i = list(symbols), 0
    while i < len(merged) - 1:
        if merged[i] == left and merged[i + 1] == right:
            merged[i : i + 2] = [left + right]
        i += 1
    return tuple(merged)


class BytePairTrainer:
    """Learns merges: again and again, the pair that occurs most becomes a symbol.

    That is the algorithm of Sennrich, Haddow and Birch (2016), section 3.2. There, all
    words are counted again after each merge. Here, the words of each pair are known, so
    that only those are touched in which something changes.

    Of several pairs that occur equally often, the first in the order of Unicode is
    merged. So the merges do not depend on the order of the words.

    Arguments:
        config: n_merges, min_count and verbose.
    """

    def __init__(self, config):
        self.config = config
        self.merges = []
        self.characters = []
        self.history = []

    def train(self, words):
        """Learn from words.

        Arguments:
            words: a dict from a marked token to its count.
        """
        self._start(words)
        self._learn()

    def get_model(self):
        """Return a model of the merges so far, None before the characters are known."""
        return BytePairModel(self.merges, self.characters) if self.characters else None

    def _start(self, words):
        """Count the pairs of characters, and note in which words each occurs."""
        self.words, self.counts = [], []
        self.pair_counts = defaultdict(int)
        self.places = defaultdict(set)
        for token, count in words.items():
            # Tuples of strings are what Python's garbage collector can leave alone.
            symbols = tuple(get_symbols(token))
            for pair in pairwise(symbols):
                self.pair_counts[pair] += count
                self.places[pair].add(len(self.words))
            self.words.append(symbols)
            self.counts.append(count)

        self.characters = sorted({symbol for word in self.words for symbol in word})
        # The smallest element comes first: the highest count, then the first pair.
        self.heap = [(-count, pair) for pair, count in self.pair_counts.items()]
        heapq.heapify(self.heap)

    def _learn(self):
        """Merge the most frequent pair, and again, until there is no more to gain."""
        n_words = sum(self.counts)
        n_tokens = sum(
            len(word) * count
            for word, count in zip(self.words, self.counts, strict=True)
        )
        n_merges, verbose = self.config.n_merges, self.config.verbose
        is_silent = verbose < 2 or not sys.stderr.isatty()
        for number in trange(1, n_merges + 1, unit='merge', disable=is_silent):
            pair = self._find_best()
            if pair is None:
                break
            n_tokens -= self._merge_everywhere(pair)
            self.merges.append(pair)
            self.history.append(n_tokens / n_words)
            if verbose > 0 and number % REPORT_EVERY == 0:
                log(
                    f'merge {number}/{n_merges}: {"".join(pair)}, '
                    f'tokens_per_word={self.history[-1]:.4f}'
                )

    def _find_best(self):
        """Return the most frequent pair, None if none is frequent enough."""
        while self.heap:
            count, pair = heapq.heappop(self.heap)
            found = self.pair_counts.get(pair, 0)
            if found == -count:
                return pair if found >= self.config.min_count else None
            # It has become rarer since it was put there.
            if found:
                heapq.heappush(self.heap, (-found, pair))
        return None

    def _merge_everywhere(self, pair):
        """Merge a pair in all words, and mend the counts.

        Returns:
            By how many tokens the text has become shorter.
        """
        changes = defaultdict(int)
        n_saved = 0
        for place in self.places.pop(pair):
            before, count = self.words[place], self.counts[place]
            after = merge(before, pair)
            if len(after) == len(before):
                # Other merges have taken the pair apart since it was noted.
                continue
            for old in pairwise(before):
                changes[old] -= count
            for new in pairwise(after):
                changes[new] += count
                self.places[new].add(place)
            self.words[place] = after
            n_saved += (len(before) - len(after)) * count

        for changed, change in changes.items():
            self.pair_counts[changed] += change
            if change > 0:
                heapq.heappush(self.heap, (-self.pair_counts[changed], changed))
            if not self.pair_counts[changed]:
                del self.pair_counts[changed]
        return n_saved


class SentencePieceTrainer:
    """Lets SentencePiece learn from the same words.

    Arguments:
        config: model_type, vocab_size and verbose.
    """

    def __init__(self, config):
        self.config = config
        self.history = []
        self.model = None

    def get_model(self):
        """Return the model, None before it has been learned."""
        return self.model

    def train(self, words):
        """Learn from words.

        Arguments:
            words: a dict from a marked token to its count.

        Raises:
            InputError: SentencePiece can't learn that many pieces from these words.
        """
        import sentencepiece

        # Nothing is added or normalised, so that the pieces are the text's own.
        content = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=self._get_sentences(words),
                model_writer=content,
                model_type=self.config.model_type,
                vocab_size=self.config.vocab_size,
                hard_vocab_limit=False,
                normalization_rule_name='identity',
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                num_threads=1,
                minloglevel=0 if self.config.verbose == 2 else 2,
            )
        except RuntimeError as error:
            reason = ' '.join(str(error).split())
            raise InputError(
                f'--vocab_size {self.config.vocab_size}: {reason}'
            ) from error
        self.model = SentencePieceModel(content.getvalue())

    def _get_sentences(self, words):
        """Yield each word as often as it occurs, with a space for its mark."""
        for token, count in words.items():
            yield from repeat(token.replace('▁', ' '), count)


def get_trainer(config):
    """Return the trainer of an engine."""
    if config.engine == 'bpe':
        return BytePairTrainer(config)
    return SentencePieceTrainer(config)
