"""The model: gensim's FastText, its loss, its files, and what its vectors answer."""

import io
import mmap
import struct

import torch
from torch.nn import functional

from guards import InputError, input_errors, write_file


def get_model(config):
    """Return a FastText model without a vocabulary.

    Arguments:
        config: the options of the training.
    """
    from gensim.models import FastText

    return FastText(
        vector_size=config.word_vec_size,
        sg=int(config.model == 'skipgram'),
        window=config.window,
        negative=config.n_negatives,
        sample=config.sample,
        min_count=config.min_count,
        min_n=config.min_n,
        max_n=config.max_n,
        bucket=config.n_buckets,
        alpha=config.lr,
        # The learning rate falls linearly, from --lr to almost 0.
        min_alpha=config.lr * 1e-4,
        batch_words=config.batch_size,
        epochs=config.n_epochs,
        workers=config.n_workers,
        seed=config.seed,
    )


def build_vocabulary(model, sentences):
    """Let a model count the words of sentences, and make a vector for each.

    Returns:
        A dict from each word to its count, in the order of the vectors.

    Raises:
        InputError: there are not two words that occur often enough.
    """
    model.build_vocab(sentences)
    words = model.wv.index_to_key
    if len(words) < 2:
        expected = f'two words or more that occur --min_count {model.min_count} times'
        raise InputError(f'expected {expected}, found {len(words)}')
    return {word: model.wv.get_vecattr(word, 'count') for word in words}


# ---- The loss


def get_noise_p(counts):
    """Return the probability of each word to be drawn as a noise word.

    The power of 3/4 makes rare words more probable than they are in the text (Mikolov
    et al. 2013b, section 2.2).

    Arguments:
        counts: a tensor of shape (vocabulary_size,).
    """
    noise_p = counts.double() ** 0.75
    return noise_p / noise_p.sum()


def get_keep_p(counts, sample):
    """Return the probability of each word to be kept: frequent words are subsampled.

    A word whose share of the text is f is kept with the probability sqrt(sample / f) +
    sample / f, as in word2vec's program; Mikolov et al. (2013b, equation 5) have only
    the first term.

    Arguments:
        counts: a tensor of shape (vocabulary_size,).
        sample: the share above which words are subsampled; 0: all words are kept.
    """
    if sample == 0:
        return torch.ones(len(counts))
    ratio = sample * counts.sum() / counts.double()
    return (ratio.sqrt() + ratio).clamp(max=1).float()


def get_examples(sentences, counts, config):
    """Return the examples of sentences: the words to predict, and from which words.

    As in training, frequent words are left out at random, and the size of each window
    is drawn from 1 to config.window. The same seed gives the same examples.

    Arguments:
        sentences: lists of words; those that are not in counts are left out.
        counts: a dict from words to their counts.
        config: the options model, window, n_negatives, sample and seed.

    Returns:
        Three long tensors: the words to predict from, of shape (n_examples, n_inputs),
        -1 where there is none; the words to predict, (n_examples,); and the noise
        words, (n_examples, n_negatives). skipgram predicts each word of the window from
        the word in the middle, cbow the word in the middle from all others.
    """
    generator = torch.Generator().manual_seed(config.seed)
    ids = {word: i for i, word in enumerate(counts)}
    all_counts = torch.tensor(list(counts.values()))
    keep_p = get_keep_p(all_counts, config.sample)
    inputs, targets = [], []
    for sentence in sentences:
        words = torch.tensor([ids[w] for w in sentence if w in ids], dtype=torch.long)
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
        expected = 'expected neighbouring known words in the sentences held out'
        raise InputError(f'{expected}, found none: raise --valid_ratio')

    x, y = torch.tensor(inputs), torch.tensor(targets)
    # |x| = (n_examples, n_inputs)
    # |y| = (n_examples,)
    noise_p, n_noise = get_noise_p(all_counts), len(y) * config.n_negatives
    noise = noise_p.multinomial(n_noise, replacement=True, generator=generator)
    noise = noise.view(len(y), config.n_negatives)
    # |noise| = (n_examples, n_negatives)
    return x, y, noise


def get_loss(in_vectors, out_vectors, x, y, noise):
    """Return the mean loss of negative sampling (Mikolov et al. 2013b, equation 4).

    The loss of an example with the hidden vector h, the target word y and the noise
    words k is, with the output vectors u:

        -log sigmoid(u_y . h) - sum over k of log sigmoid(-u_k . h)

    h is the mean of the input vectors of x.

    Arguments:
        in_vectors, out_vectors: tensors of shape (vocabulary_size, word_vec_size).
        x, y, noise: what get_examples() returns.
    """
    total = 0.0
    batches = [part.split(4096) for part in (x, y, noise)]
    for x_i, y_i, noise_i in zip(*batches, strict=True):
        # |x_i| = (batch_size, n_inputs)
        # |y_i| = (batch_size,)
        # |noise_i| = (batch_size, n_negatives)
        is_input = (x_i >= 0).unsqueeze(-1)
        h = (in_vectors[x_i.clamp(min=0)] * is_input).sum(dim=1) / is_input.sum(dim=1)
        # |h| = (batch_size, word_vec_size)
        y_scores = (out_vectors[y_i] * h).sum(dim=-1)
        # |y_scores| = (batch_size,)
        noise_scores = (out_vectors[noise_i] @ h.unsqueeze(-1)).squeeze(-1)
        # |noise_scores| = (batch_size, n_negatives)

        # A noise word that happens to be the target word does not count.
        is_noise = noise_i != y_i.unsqueeze(-1)
        # |is_noise| = (batch_size, n_negatives)
        total -= functional.logsigmoid(y_scores).sum()
        total -= (functional.logsigmoid(-noise_scores) * is_noise).sum()
    return (total / len(y)).item()


# ---- Files


def save_model(model, fn):
    """Save a FastText model in the .bin format of fastText's own program."""
    from gensim.models.fasttext import save_facebook_model

    buffer = io.BytesIO()
    save_facebook_model(model, buffer)
    write_file(fn, buffer.getvalue())


def check_format(content):
    """Check that bytes are a complete .bin file of fastText: all its sizes must agree.

    gensim's reader does not check that: of an incomplete file, it reads for ever, or
    allocates any amount of memory.

    Arguments:
        content: bytes, or a file mapped into memory.

    Raises:
        ValueError, struct.error: they are not.
    """
    header = struct.unpack_from('<14i', content)
    word_vec_size, n_buckets, min_n, max_n = header[2], *header[10:13]
    is_possible = word_vec_size > 0 <= n_buckets and 0 <= min_n <= 100 >= max_n >= 0
    if header[:2] != (793712314, 12) or not is_possible:
        raise ValueError('another format')

    # A word is text, a NUL, its count in 8 bytes and its kind in one byte.
    position = struct.calcsize('<14id')
    n_words, _, n_labels, _, n_pruned = struct.unpack_from('<3i2q', content, position)
    position += struct.calcsize('<3i2q')
    if n_words < 1 or n_labels != 0 or n_pruned > 0:
        raise ValueError('labels instead of words')
    for _ in range(n_words):
        end = content.find(b'\0', position)
        if end < 0:
            raise ValueError('the words are incomplete')
        position = end + 10

    # A matrix is a byte, which is 0 without compression, its sizes and its numbers.
    for n_rows in (n_words + n_buckets, n_words):
        expected = (0, n_rows, word_vec_size)
        if struct.unpack_from('<b2q', content, position) != expected:
            raise ValueError('a matrix of another size')
        position += struct.calcsize('<b2q') + 4 * n_rows * word_vec_size
    if position != len(content):
        raise ValueError('another length')


def load_vectors(fn):
    """Load the word vectors of a .bin file, as a FastTextKeyedVectors of gensim.

    Raises:
        InputError: it can't be read, or is damaged.
    """
    from gensim.models.fasttext import load_facebook_vectors

    expected = 'expected a checkpoint of 09_word_embedding, a .bin of fastText'
    with input_errors(f'{fn}: {expected}'):
        with open(fn, 'rb') as file:
            check_format(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return load_facebook_vectors(str(fn))


# ---- Questions and tests


def find_word(vectors, word):
    """Return how a word is known.

    Returns:
        '' for a word of the vocabulary; '?' for a word whose vector is the mean of its
        n-grams alone, such as a typing error; None for a word without a vector.
    """
    if word in vectors.key_to_index:
        return ''
    return '?' if word in vectors and vectors.get_vector(word).any() else None


def answer(vectors, question, n_best):
    """Answer a question by cosines between vectors.

    Arguments:
        vectors: gensim's KeyedVectors.
        question: a word, two words, or a sum of words; all separated by spaces.
        n_best: how many neighbours to name.

    Returns:
        The answer, a string; and the words for a map, a list.
    """
    parts = question.lower().split()
    is_sum = len(parts) % 2 == 1 and set(parts[1::2]) <= {'+', '-'}
    if not is_sum and len(parts) != 2:
        return 'expected a word, two words, or a sum: king - man + woman', []
    words = parts[::2] if is_sum else parts
    kinds = {word: find_word(vectors, word) for word in words}
    unknown = [word for word in words if kinds[word] is None]
    if unknown:
        return f'unknown: {", ".join(unknown)}', []

    notes = [f'({word} by its n-grams)' for word in words if kinds[word]]
    if not is_sum:
        return '\t'.join([f'{vectors.similarity(*words):.4f}', *notes]), words
    signs = [1.0] + [1.0 if sign == '+' else -1.0 for sign in parts[1::2]]
    terms = list(zip(words, signs, strict=True))
    neighbours = vectors.most_similar(positive=terms, topn=n_best)
    answers = [f'{word} {similarity:.4f}' for word, similarity in neighbours]
    return '\t'.join(answers + notes), words + [word for word, _ in neighbours]


def evaluate(vectors):
    """Print the scores of two tests, for the words that the vectors know.

    Raises:
        InputError: they know none of the pairs of the first test.
    """
    from gensim.test.utils import datapath

    # Pairs of words in the order of their similarity, as judged by people.
    fn = datapath('wordsim353.tsv')
    with input_errors(f'{fn}: expected words that the model knows', ValueError):
        _, (spearman, _), unknown = vectors.evaluate_word_pairs(fn)
    n_pairs = round(353 * (1 - unknown / 100))
    print(f'wordsim353_n_pairs: {n_pairs}\nwordsim353_spearman: {spearman:.4f}')

    # Questions such as: what is to Greece as Bern is to Switzerland?
    fn = datapath('questions-words.txt')
    accuracy, (*_, total) = vectors.evaluate_word_analogies(fn)
    n = len(total['correct']) + len(total['incorrect'])
    print(f'questions_words_n_questions: {n}\nquestions_words_accuracy: {accuracy:.4f}')
