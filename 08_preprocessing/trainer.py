"""Learns subword models from words and their counts, and scores them.

The trainers know nothing of files, of languages or of what the pieces are used for:
they get a dict from a marked token to its count.
"""

import heapq
import io
import sys
from collections import Counter, defaultdict
from itertools import pairwise, repeat

from tqdm import trange

from guards import InputError, input_errors, log
from model import (
    MARK,
    BytePairModel,
    SentencePieceModel,
    get_symbols,
    get_tokens,
    join_tokens,
    merge,
)

# A longer token is not a word, but a line without spaces.
MAX_LENGTH = 100
REPORT_EVERY = 500


def count_words(texts, source, is_raw=False):
    """Count the marked tokens of texts.

    Arguments:
        texts: an iterator of texts, raw or tokenized.
        source: the file that they are from.
        is_raw: treat them as raw, even if they look tokenized.

    Raises:
        InputError: there are no words.
    """
    words = Counter()
    for text in texts:
        tokens = get_tokens(text, is_raw)
        words.update(token for token in tokens if len(token) <= MAX_LENGTH)
    if not words:
        raise InputError(f'{source}: expected text to learn from, found no words')
    return words


class BytePairTrainer:
    """Learns merges: the most frequent pair of symbols becomes a symbol, repeatedly.

    This is the algorithm of Sennrich, Haddow and Birch (2016), section 3.2. They count
    the pairs of all words again after each merge. Here an index gives the words that
    contain a pair, so only their pairs are counted again.

    If several pairs have the same count, the first one in the order of Unicode is
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
        self._count_pairs(words)
        self._learn_merges()

    def get_model(self):
        """Return a model of the merges so far, None before the characters are known."""
        return BytePairModel(self.merges, self.characters) if self.characters else None

    def _count_pairs(self, words):
        """Count the pairs of characters, and index the words that contain them."""
        self.words, self.counts = [], []
        self.pair_counts = defaultdict(int)
        self.word_indices = defaultdict(set)
        for token, count in words.items():
            # Python's garbage collector does not have to track tuples of strings.
            symbols = tuple(get_symbols(token))
            for pair in pairwise(symbols):
                self.pair_counts[pair] += count
                self.word_indices[pair].add(len(self.words))
            self.words.append(symbols)
            self.counts.append(count)

        self.characters = sorted({symbol for word in self.words for symbol in word})
        # The smallest element comes first: the highest count, then the first pair.
        self.heap = [(-count, pair) for pair, count in self.pair_counts.items()]
        heapq.heapify(self.heap)

    def _learn_merges(self):
        """Merge the most frequent pair, until n_merges or min_count is reached."""
        n_words = sum(self.counts)
        lengths = map(len, self.words)
        n_tokens = sum(n * count for n, count in zip(lengths, self.counts, strict=True))
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
                score = f'tokens_per_word={self.history[-1]:.4f}'
                log(f'merge {number}/{n_merges}: {"".join(pair)}, {score}')

    def _find_best(self):
        """Return the most frequent pair, None if its count is below min_count."""
        while self.heap:
            count, pair = heapq.heappop(self.heap)
            current = self.pair_counts.get(pair, 0)
            if current == -count:
                return pair if current >= self.config.min_count else None
            # The count has decreased since this entry was pushed.
            if current:
                heapq.heappush(self.heap, (-current, pair))
        return None

    def _merge_everywhere(self, pair):
        """Merge a pair in all words, and update the counts.

        Returns:
            The decrease of the number of tokens in the text.
        """
        changes = defaultdict(int)
        n_saved = 0
        for index in self.word_indices.pop(pair):
            before, count = self.words[index], self.counts[index]
            after = tuple(merge(before, pair))
            if len(after) == len(before):
                # An earlier merge used one of the symbols of the pair.
                continue
            for old in pairwise(before):
                changes[old] -= count
            for new in pairwise(after):
                changes[new] += count
                self.word_indices[new].add(index)
            self.words[index] = after
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

        # SentencePiece must not add or normalise anything: the pieces have to lead back
        # to the text.
        content = io.BytesIO()
        with input_errors(f'--vocab_size {self.config.vocab_size}', RuntimeError):
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
        self.model = SentencePieceModel(content.getvalue())

    def _get_sentences(self, words):
        """Yield each word as often as it occurs, with a space for its mark."""
        for token, count in words.items():
            yield from repeat(token.replace(MARK, ' '), count)


def get_trainer(config):
    """Return the trainer of an engine."""
    if config.engine == 'bpe':
        return BytePairTrainer(config)
    return SentencePieceTrainer(config)


def get_stages(model, words, history):
    """Return the pieces of three frequent long words after 0, 100, 1000 … merges.

    Arguments:
        model: a BytePairModel, or a SentencePieceModel, which has only one stage.
        words: a Counter of marked tokens.
        history: that of the trainer; a SentencePieceTrainer has none.

    Returns:
        A list of pairs: the name of a stage, and the pieces of a word.
    """
    stages = {'': model}
    if history:
        numbers = [0, *(n for n in (10**2, 10**3, 10**4) if n < len(history))]
        for n in [*numbers, len(history)]:
            stages[f'{n} merges'] = BytePairModel(model.merges[:n], model.characters)
        del stages['']
    tokens = [token for token, _ in words.most_common()]
    long = [word for word in tokens if len(word) > 6 and word.strip(MARK).isalpha()]
    examples, items = (long or tokens)[:3], stages.items()
    return [(name, stage.split(token)) for token in examples for name, stage in items]


def evaluate(model, texts, is_raw=False):
    """Return the scores of a model on texts, a dict.

    They are the number of texts, the tokens per word, the characters per token, the
    share of the pieces that are not in the vocabulary, and the share of the texts that
    are restored from their pieces.
    """
    counts = Counter()
    for text in texts:
        tokens = get_tokens(text, is_raw)
        pieces = model.segment(tokens)
        original = join_tokens(tokens)
        counts['lines'] += 1
        counts['restored'] += join_tokens(pieces) == original
        counts['words'] += len(original.split())
        counts['characters'] += len(original.replace(' ', ''))
        counts['pieces'] += len(pieces)
        counts['unknown'] += sum(piece not in model.ids for piece in pieces)
    n_pieces = max(1, counts['pieces'])
    return {
        'n_lines': counts['lines'],
        'tokens_per_word': counts['pieces'] / max(1, counts['words']),
        'characters_per_token': counts['characters'] / n_pieces,
        'unknown': counts['unknown'] / n_pieces,
        'round_trip': counts['restored'] / max(1, counts['lines']),
    }
