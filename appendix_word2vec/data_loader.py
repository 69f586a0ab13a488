"""The data: a text file becomes sentences, lists of words; some are held out."""

import itertools
import re
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import Dataset

from utils import InputError, log, read_lines

# Words and numbers; an apostrophe between letters is part of a word.
ENGLISH_WORD = re.compile(r"\w+(?:['’]\w+)*")

# gensim would silently drop what is beyond this many words of a sentence.
MAX_LENGTH = 10_000

# The learning rate times the window times how often the most frequent word is in a
# step, at most. A word gets the sum of so many slopes, all computed at the same place;
# of twice as many, vectors of small vocabularies have been seen to grow without end.
MAX_STEP_SIZE = 1.0


def find_gensim_file(name):
    """Return a file of the test data that come with gensim.

    They are lee_background.cor, 300 news articles of 1998 to 2001 (Lee et al. 2005),
    and two tests of word vectors, wordsim353.tsv and questions-words.txt.
    """
    import gensim

    return str(Path(gensim.__file__).with_name('test') / 'test_data' / name)


def tokenize_english(lines):
    """Yield the words of each line, in lower case and without punctuation."""
    for line in lines:
        yield ENGLISH_WORD.findall(line.lower())


def tokenize_korean(lines):
    """Yield the morphemes of each line, without punctuation.

    Kiwi finds them in the running text. Verbs and adjectives come with their ending
    다, as a dictionary has them.
    """
    from kiwipiepy import Kiwi

    # In Kiwi's tag set, what begins with S is no morpheme, but for foreign words (SL),
    # Chinese characters (SH) and numbers (SN).
    kiwi, words = Kiwi(), {'SL', 'SH', 'SN'}
    # Kiwi's time and memory grow with the length of a text.
    parts = (part for line in lines for part in textwrap.wrap(line, 500))
    for tokens in kiwi.tokenize(parts):
        yield [
            token.lemma.lower()
            for token in tokens
            if token.tag[0] != 'S' or token.tag in words
        ]


def read_texts(fn, column=None):
    """Yield the texts of a file, one a line.

    Arguments:
        column: the number of the column, from 0, of a file with tabs; None: the line.

    Raises:
        InputError: the file can't be read, or a line has no such column.
    """
    for n_lines, line in enumerate(read_lines(fn), 1):
        if column is not None:
            columns = line.split('\t')
            if column >= len(columns):
                raise InputError(
                    f'{fn}, line {n_lines}: expected a column {column}, counted from '
                    f'0, found {len(columns)} columns'
                )
            line = columns[column]
        # A NUL ends a word in the files of fastText.
        yield line.replace('\0', ' ')


def load_sentences(config):
    """Return the sentences to train on and those held out, by seed.

    Arguments:
        config: the options train_fn, lang, column, valid_ratio and seed.

    Returns:
        Two lists of sentences, each a list of words.

    Raises:
        InputError: the file can't be read, or has too few sentences.
    """
    fn = config.train_fn or find_gensim_file('lee_background.cor')
    tokenize = tokenize_korean if config.lang == 'ko' else tokenize_english
    sentences = [
        words[start : start + MAX_LENGTH]
        for words in tokenize(read_texts(fn, config.column))
        for start in range(0, len(words), MAX_LENGTH)
    ]
    if len(sentences) < 2:
        raise InputError(f'{fn}: expected two sentences or more, a line each')

    generator = torch.Generator().manual_seed(config.seed)
    order = torch.randperm(len(sentences), generator=generator).tolist()
    n_valid = max(1, round(config.valid_ratio * len(sentences)))
    valid_sentences = [sentences[i] for i in sorted(order[:n_valid])]
    train_sentences = [sentences[i] for i in sorted(order[n_valid:])]

    n_words = sum(map(len, train_sentences))
    log(f'{fn}: {len(train_sentences)} sentences of {n_words} words to train on')
    return train_sentences, valid_sentences


def get_noise_p(counts):
    """Return with which probability each word is drawn as noise.

    The power of 3/4 lets rare words be drawn more often than they occur (Mikolov et
    al. 2013b, section 2.2).

    Arguments:
        counts: a tensor of shape (vocabulary_size,).
    """
    noise_p = counts.double() ** 0.75
    return noise_p / noise_p.sum()


def get_keep_p(counts, sample):
    """Return with which probability each word is kept, so that frequent ones are rarer.

    A word that makes up a share f of the text is kept with sqrt(sample / f) +
    sample / f, as word2vec's program does it; Mikolov et al. (2013b, equation 5) have
    the first summand alone.

    Arguments:
        counts: a tensor of shape (vocabulary_size,).
        sample: the share above which words become rarer; 0: none does.
    """
    if sample == 0:
        return torch.ones(len(counts))
    ratio = sample * counts.sum() / counts.double()
    return (ratio.sqrt() + ratio).clamp(max=1).float()


def get_examples(sentences, counts, config):
    """Return what to predict from what, to measure a loss that is always the same.

    As in training, frequent words are left out at random, and the window ends at a
    random distance from 1 to config.window.

    Arguments:
        sentences: lists of words; those that are not in counts are left out.
        counts: a dict from words to their counts.
        config: the options model, window, n_negatives, sample and seed.

    Returns:
        Three long tensors: the words to predict from, of shape (n_examples, n_inputs),
        -1 where there is none; the words to predict, (n_examples,); and the noise,
        (n_examples, n_negatives). skipgram predicts each word of the window from the
        word in the middle, cbow the word in the middle from all others.
    """
    generator = torch.Generator().manual_seed(config.seed)
    numbers = {word: number for number, word in enumerate(counts)}
    all_counts = torch.tensor(list(counts.values()))
    keep_p = get_keep_p(all_counts, config.sample)
    inputs, targets = [], []
    for sentence in sentences:
        words = torch.tensor([numbers[word] for word in sentence if word in numbers])
        if len(words) == 0:
            continue
        is_kept = torch.rand(len(words), generator=generator) < keep_p[words]
        words = words[is_kept].tolist()
        sizes = torch.randint(config.window, (len(words),), generator=generator) + 1
        for i, size in enumerate(sizes.tolist()):
            others = words[max(0, i - size) : i] + words[i + 1 : i + 1 + size]
            if config.model == 'skipgram':
                inputs += [[words[i]]] * len(others)
                targets += others
            elif others:
                inputs.append(others + [-1] * (2 * config.window - len(others)))
                targets.append(words[i])
    if not targets:
        raise InputError(
            'expected known words beside one another in the sentences held out, '
            'found none: raise --valid_ratio'
        )

    noise = torch.multinomial(
        get_noise_p(all_counts),
        len(targets) * config.n_negatives,
        replacement=True,
        generator=generator,
    )
    x, y = torch.tensor(inputs), torch.tensor(targets)
    # |x| = (n_examples, n_inputs)
    # |y| = (n_examples,)
    noise = noise.view(len(y), config.n_negatives)
    # |noise| = (n_examples, n_negatives)
    return x, y, noise


def count_words(sentences, min_count):
    """Count the words, and keep those that occur often enough.

    Returns:
        A dict from each word to its count, the most frequent word first.

    Raises:
        InputError: there are not two such words.
    """
    counts = Counter(word for sentence in sentences for word in sentence)
    counts = {word: n for word, n in counts.most_common() if n >= min_count}
    if len(counts) < 2:
        raise InputError(
            f'expected two words or more that occur --min_count {min_count} times, '
            f'found {len(counts)}'
        )
    return counts


class BlockDataset(Dataset):
    """A text as blocks of words, with noise: another choice of words for each epoch.

    No pair of words is ever written down: which words of a block belong together is a
    matrix, computed by comparing whole tensors.

    Arguments:
        sentences: lists of words; those that are not in counts are left out.
        counts: a dict from words to their counts.
        config: the options window, block_size, n_noise, sample and lr.
        device: where all of it is computed.
    """

    def __init__(self, sentences, counts, config, device):
        numbers = {word: number for number, word in enumerate(counts)}
        all_words = itertools.chain.from_iterable(sentences)
        words = np.fromiter(map(numbers.get, all_words, itertools.repeat(-1)), np.int64)
        lengths = torch.tensor([len(sentence) for sentence in sentences])
        sentence_numbers = torch.arange(len(sentences), dtype=torch.int32)
        sentence_numbers = sentence_numbers.repeat_interleave(lengths)
        is_known = torch.from_numpy(words >= 0)
        self.words = torch.from_numpy(words)[is_known].to(device)
        # |self.words| = (n_words,)
        self.sentence_numbers = sentence_numbers[is_known].to(device)
        # |self.sentence_numbers| = (n_words,)

        all_counts = torch.tensor(list(counts.values()))
        keep_p = get_keep_p(all_counts, config.sample)
        kept_counts = all_counts * keep_p
        shares = kept_counts / kept_counts.sum()
        n_slopes = shares.max() * config.window
        if config.model == 'cbow':
            # A mean goes as far as the mean of its words, which are rarer than the
            # most frequent one; and a word is predicted once, not once a neighbour.
            n_slopes = max(shares.max(), (shares * shares).sum() * config.window)
        step_size = float(n_slopes) * max(config.lr, 1e-9)
        self.max_batch_size = int(MAX_STEP_SIZE / step_size)
        self.keep_p = keep_p.to(device)
        self.noise_p = get_noise_p(all_counts).to(device)
        self.window = config.window
        self.block_size = config.block_size
        self.n_noise = config.n_noise

        # How far the words of a block with margins are from those of one without. No
        # word is near itself.
        places = torch.arange(-self.window, self.block_size + self.window)
        distances = (places - torch.arange(self.block_size).unsqueeze(1)).abs()
        distances[distances == 0] = 2 * len(places)
        self.distances = distances.int().to(device)
        # |self.distances| = (block_size, block_size + window * 2)

    def draw(self):
        """Draw, before each epoch: the words to keep, their windows, and the noise.

        Words are left out before the windows are laid, so that these reach farther.
        """
        device = self.words.device
        is_kept = torch.rand(len(self.words), device=device) < self.keep_p[self.words]
        words, sentence_numbers = self.words[is_kept], self.sentence_numbers[is_kept]
        n_blocks = max(1, -(-len(words) // self.block_size))
        n_missing = n_blocks * self.block_size - len(words)

        # What fills up the last block is in no sentence, and has no window.
        margins = (self.window, self.window + n_missing)
        size = self.block_size + 2 * self.window
        padded_words = functional.pad(words, margins)
        self.block_words = padded_words.unfold(0, size, self.block_size)
        # |self.block_words| = (n_blocks, block_size + window * 2)
        sentence_numbers = functional.pad(sentence_numbers, margins, value=-1)
        self.block_sentences = sentence_numbers.unfold(0, size, self.block_size)
        # |self.block_sentences| = (n_blocks, block_size + window * 2)
        sizes = torch.randint(1, self.window + 1, (len(words),), device=device)
        sizes = functional.pad(sizes, (0, n_missing)).int()
        self.sizes = sizes.view(n_blocks, self.block_size)
        # |self.sizes| = (n_blocks, block_size)

        # A draw by probabilities takes long, so that at most a million are made; what a
        # block needs is drawn from among these.
        n_draws = min(n_blocks * self.n_noise, 2**20)
        self.noise = self.noise_p.multinomial(n_draws, replacement=True)
        # |self.noise| = (n_draws,)

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, blocks):
        """Return some blocks, as the models of model.py want them.

        Arguments:
            blocks: a slice.

        Returns:
            Three tensors: the words with margins, which of them are pairs, the noise.
        """
        words = self.block_words[blocks]
        # |words| = (n_blocks, block_size + window * 2)
        n_blocks = len(words)
        sentences = self.block_sentences[blocks]
        middle = sentences[:, self.window : self.window + self.block_size]
        is_near = self.distances <= self.sizes[blocks].unsqueeze(2)
        is_together = middle.unsqueeze(2) == sentences.unsqueeze(1)
        is_pair = (is_near & is_together).float()
        # |is_pair| = (n_blocks, block_size, block_size + window * 2)

        draws = torch.randint(
            len(self.noise), (n_blocks, self.n_noise), device=words.device
        )
        noise = self.noise[draws]
        # |noise| = (n_blocks, n_noise)
        return words, is_pair, noise
