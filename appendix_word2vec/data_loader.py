"""The data: a text file becomes sentences, lists of words; some are held out."""

import re
import textwrap
from collections import Counter
from pathlib import Path

import torch

from guards import InputError, log, read_lines

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
