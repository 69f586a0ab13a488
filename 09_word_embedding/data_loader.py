"""The data: a text file becomes sentences, lists of words; some are held out."""

import re
import textwrap
from pathlib import Path

import torch

from utils import InputError, log, read_lines

# Words and numbers; an apostrophe between letters is part of a word.
ENGLISH_WORD = re.compile(r"\w+(?:['’]\w+)*")

# gensim would silently drop what is beyond this many words of a sentence.
MAX_LENGTH = 10_000


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
