"""The data: the texts of a file become sentences, lists of words; some are held out."""

import re
from textwrap import wrap

import torch

from guards import InputError, log
from tables import read_texts

# Words and numbers; an apostrophe between letters is part of a word.
ENGLISH_WORD = re.compile(r"\w+(?:['’]\w+)*")

# gensim silently drops the words of a sentence beyond this limit.
MAX_LENGTH = 10_000


def tokenize_english(lines):
    """Yield the words of each line, in lower case and without punctuation."""
    for line in lines:
        yield ENGLISH_WORD.findall(line.lower())


def tokenize_korean(lines):
    """Yield the morphemes of each line, found by Kiwi, without punctuation.

    Verbs and adjectives are in their dictionary form, which ends in 다.
    """
    from kiwipiepy import Kiwi

    # Tags of Kiwi that begin with S are symbols, except foreign words (SL), Chinese
    # characters (SH) and numbers (SN).
    kiwi, words = Kiwi(), {'SL', 'SH', 'SN'}
    # The time and memory of Kiwi grow with the length of a text.
    for tokens in kiwi.tokenize(part for line in lines for part in wrap(line, 500)):
        tokens = [
            token for token in tokens if token.tag[0] != 'S' or token.tag in words
        ]
        yield [token.lemma.lower() for token in tokens]


def load_sentences(config):
    """Return the sentences to train on, and those held out at random, by seed.

    Without config.train_fn, the texts are gensim's lee_background.cor: 300 news
    articles of 1998 to 2001 (Lee et al. 2005).

    Arguments:
        config: the options train_fn, lang, column, encoding, valid_ratio and seed.

    Returns:
        Two lists of sentences, each a list of words.

    Raises:
        InputError: the file can't be read, or has too few sentences.
    """
    from gensim.test.utils import datapath

    fn = config.train_fn or datapath('lee_background.cor')
    tokenize = tokenize_korean if config.lang == 'ko' else tokenize_english
    # A NUL marks the end of a word in the files of fastText.
    texts = read_texts(config.column, fn, config.encoding)
    texts = (text.replace('\0', ' ') for text in texts)
    sentences = [
        words[start : start + MAX_LENGTH]
        for words in tokenize(texts)
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
