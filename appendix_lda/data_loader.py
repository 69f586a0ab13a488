"""The data: documents become words, words become counts, and counts become blocks."""

import re

import numpy as np

from guards import InputError, read_lines
from tables import read_texts

# What is not language: links, e-mail addresses, markup, and all after an apostrophe.
NOISE = re.compile(
    r"(?:https?://|www\.)\S+|\S{1,64}@\S+|</?[a-z][^<>]{0,1000}>|['\u2019]\w*",
    re.IGNORECASE,
)
# Letters of any script, but no digits.
WORD = re.compile(r'[^\W\d_]{3,}')


def clean(text):
    """Replace links, e-mail addresses, markup and all after an apostrophe by spaces."""
    return NOISE.sub(' ', text)


def get_tokenizer(lang):
    """Return a function that maps texts to their words, a list for each text.

    Arguments:
        lang: 'en': lower-case words of three letters or more, without stop words; 'ko':
            nouns of two letters or more, by Kiwi.
    """
    if lang == 'ko':
        from kiwipiepy import Kiwi

        kiwi = Kiwi(num_workers=1)
        return lambda texts: [
            [token.form for token in tokens if is_noun(token)]
            for tokens in kiwi.tokenize(map(clean, texts))
        ]

    from gensim.parsing.preprocessing import STOPWORDS

    return lambda texts: [
        [word for word in WORD.findall(clean(text).lower()) if word not in STOPWORDS]
        for text in texts
    ]


def is_noun(token):
    """Return whether a token of Kiwi is a common or proper noun of two letters."""
    return token.tag in ('NNG', 'NNP') and len(token.form) > 1 and token.form.isalpha()


def get_default_fn():
    """Return the file of 300 Australian news articles of 2001 that gensim ships."""
    from gensim.test.utils import datapath

    return datapath('lee_background.cor')


def get_data(config):
    """Read documents, one a row, and return all that a training needs.

    Arguments:
        config: the data options and the seed.

    Returns:
        Of the training documents: the texts, the lists of words and the counts. Of the
        held-out documents: the counts of the words 1, 3, 5 and so on, and those of the
        words 2, 4, 6 and so on. And the vocabulary, from the training documents alone.

    Raises:
        InputError: there are no documents to train on, or none to hold out.
    """
    import torch

    fn = config.train_fn or get_default_fn()
    lines = read_texts(config.column, fn, config.encoding)
    texts = [line for line in lines if line.strip()]
    words = get_tokenizer(config.lang)(texts)
    documents = [pair for pair in zip(texts, words, strict=True) if pair[1]]
    generator = torch.Generator().manual_seed(config.seed)
    order = torch.randperm(len(documents), generator=generator).tolist()
    n_valid = max(1, round(len(documents) * config.valid_ratio))
    train = [documents[i] for i in order[n_valid:]]
    valid = [documents[i][1] for i in order[:n_valid]]
    if not train:
        found = f'found {len(documents)} in {len(texts)} lines'
        expected = 'expected two documents with words or more, one a line'
        raise InputError(f'{config.train_fn}: {expected}, {found}')

    vocabulary = get_vocabulary([words for _, words in train], config)
    known = set(vocabulary)
    train = [(text, words) for text, words in train if not known.isdisjoint(words)]
    texts, words = zip(*train, strict=True)
    valid = [[word for word in words if word in known] for words in valid]
    seen = count_words([words[::2] for words in valid], vocabulary)
    unseen = count_words([words[1::2] for words in valid], vocabulary)
    return texts, words, count_words(words, vocabulary), seen, unseen, vocabulary


def get_vocabulary(documents, config):
    """Return the words that are neither too rare nor too frequent, sorted.

    Arguments:
        documents: lists of words.
        config: the options min_document_freq, max_document_ratio, stop_fn and encoding.

    Raises:
        InputError: there is no such word, or stop_fn can't be read.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    lines = read_lines(config.stop_fn, config.encoding) if config.stop_fn else ()
    stop_words = {word for line in lines for word in line.lower().split()}
    vectorizer = CountVectorizer(
        analyzer=lambda words: [word for word in words if word not in stop_words],
        min_df=config.min_document_freq,
        max_df=config.max_document_ratio,
    )
    try:
        return vectorizer.fit(documents).get_feature_names_out().tolist()
    except ValueError as error:
        found = f'of {len(set().union(*documents))} words, none is left after the cuts'
        advice = 'lower --min_document_freq or raise --max_document_ratio'
        raise InputError(f'{found}: {advice}') from error


def count_words(documents, vocabulary):
    """Count the words of each document; those not in the vocabulary are left out.

    Arguments:
        documents: lists of words.
        vocabulary: a list of words.

    Returns:
        A sparse scipy matrix of whole numbers, (n_documents, vocabulary_size).
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=list, vocabulary=vocabulary)
    return csr_array(vectorizer.transform(documents))


def get_block(counts):
    """Return documents as two padded arrays; torch's pad_sequence() is slower.

    Arguments:
        counts: a sparse scipy matrix, (batch_size, vocabulary_size).

    Returns:
        Word indices, a long array, and the counts of these words, a float array, both
        of shape (batch_size, length). Padding is word 0 with a count of 0.
    """
    lengths = np.diff(counts.indptr)
    is_word = np.arange(max(1, lengths.max())) < lengths[:, np.newaxis]
    # |is_word| = (batch_size, length)
    words = np.zeros(is_word.shape, np.int64)
    words[is_word] = counts.indices
    values = np.zeros(is_word.shape, np.float32)
    values[is_word] = counts.data
    return words, values


def get_blocks(counts, device, block_size=2**15):
    """Yield documents in padded blocks, each of a size that fits into a cache.

    Documents of similar length are in the same block, so that there is little padding.

    Arguments:
        counts: a sparse scipy matrix, (n_documents, vocabulary_size).
        device: where the tensors go.
        block_size: the limit of batch_size x length, for more than one document.

    Yields:
        The numbers of the documents, a long tensor of shape (batch_size,), and the two
        arrays of get_block(), as tensors.
    """
    import torch

    lengths = np.diff(counts.indptr)
    order = np.argsort(-lengths, kind='stable')
    begin = 0
    while begin < len(order):
        n_rows = max(1, block_size // max(1, lengths[order[begin]]))
        rows = order[begin : begin + n_rows]
        parts = rows, *get_block(counts[rows])
        yield tuple(torch.from_numpy(part).to(device) for part in parts)
        begin += len(rows)
