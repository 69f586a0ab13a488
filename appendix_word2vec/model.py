"""The models: skip-gram and CBOW with negative sampling, written out from the papers.

Each word has two vectors: an input vector, which is the word vector that is kept, and
an output vector, which is used to predict the word. A model learns to tell words that
occur together from noise words, which are drawn at random.
"""

import torch
from torch import nn
from torch.nn import functional

from guards import InputError, input_errors, load_checkpoint, write_file

# ---- The examples


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


# ---- The models


class NegativeSampling(nn.Module):
    """What skip-gram and CBOW share: two matrices of vectors, and the loss.

    Arguments:
        vocabulary_size: the number of words.
        word_vec_size: the size of a vector.
    """

    def __init__(self, vocabulary_size, word_vec_size):
        super().__init__()
        size = (vocabulary_size, word_vec_size)
        # As in word2vec's program: small random numbers, and zeros.
        self.in_vectors = nn.Parameter((torch.rand(size) - 0.5) / word_vec_size)
        self.out_vectors = nn.Parameter(torch.zeros(size))

    def forward(self, x, y, noise):
        """Return the sum of the losses of all examples, and the number of examples.

        The loss of an example with the hidden vector h, the target word y and the noise
        words k is (Mikolov et al. 2013b, equation 4), with the output vectors u:

            -log sigmoid(u_y . h) - sum over k of log sigmoid(-u_k . h)

        Arguments:
            x: the words to predict from; -1 where there is none.
            y: the words to predict.
            noise: the noise words of each example.
        """
        # |x| = (batch_size, n_inputs)
        # |y| = (batch_size,)
        # |noise| = (batch_size, n_negatives)
        h = self.get_hidden(x)
        # |h| = (batch_size, word_vec_size)
        u = functional.embedding(y, self.out_vectors)
        # |u| = (batch_size, word_vec_size)
        y_scores = (u * h).sum(dim=1)
        # |y_scores| = (batch_size,)
        u = functional.embedding(noise, self.out_vectors)
        # |u| = (batch_size, n_negatives, word_vec_size)
        noise_scores = torch.bmm(u, h.unsqueeze(2)).squeeze(2)
        # |noise_scores| = (batch_size, n_negatives)

        # A noise word that happens to be the target word does not count.
        is_noise = noise != y.unsqueeze(1)
        # |is_noise| = (batch_size, n_negatives)
        y_loss = -functional.logsigmoid(y_scores)
        noise_loss = -functional.logsigmoid(-noise_scores) * is_noise
        return y_loss.sum() + noise_loss.sum(), len(y)


class SkipGram(NegativeSampling):
    """Predicts each word of the context from the word in the middle.

    The hidden vector is the input vector of that word (Mikolov et al. 2013b).
    """

    def get_hidden(self, x):
        """Return the hidden vector of each example."""
        # |x| = (batch_size, 1)
        return functional.embedding(x.squeeze(1), self.in_vectors)


class CBOW(NegativeSampling):
    """Predicts the word in the middle from its context, a bag of words.

    The hidden vector is the mean of the input vectors of the context (Mikolov et al.
    2013a, section 3.1).
    """

    def get_hidden(self, x):
        """Return the hidden vector of each example.

        By the mean, each word of the context would get its share of the gradient. But
        word2vec's program, and gensim after it, gives each word the whole gradient, as
        if the learning rate were higher by the number of words (Irsoy et al. 2021). So
        does this, to be comparable.
        """
        # |x| = (batch_size, n_inputs)
        is_input = (x >= 0).unsqueeze(2)
        # |is_input| = (batch_size, n_inputs, 1)
        lengths = is_input.sum(dim=1, keepdim=True)
        # |lengths| = (batch_size, 1, 1)
        v = functional.embedding(x.clamp(min=0), self.in_vectors) * is_input
        # |v| = (batch_size, n_inputs, word_vec_size)
        if v.requires_grad:
            v.register_hook(lambda gradient: gradient * lengths)
        return (v / lengths).sum(dim=1)


def get_model(config, vocabulary_size):
    """Build the model that config.model names."""
    kind = SkipGram if config.model == 'skipgram' else CBOW
    return kind(vocabulary_size, config.word_vec_size)


# ---- Files


def load_vectors(fn):
    """Load the input vectors of a checkpoint, as KeyedVectors of gensim.

    Raises:
        InputError: it can't be read, or is not a checkpoint of this chapter.
    """
    from gensim.models import KeyedVectors

    checkpoint = load_checkpoint(fn, 'appendix_word2vec')
    in_vectors = checkpoint['model']['in_vectors'].numpy()
    vectors = KeyedVectors(in_vectors.shape[1])
    vectors.add_vectors(checkpoint['words'], in_vectors)
    return vectors


def save_text_vectors(vectors, fn):
    """Save word vectors as text, in the format of word2vec's program.

    The first line has two numbers: how many words, and the size of a vector. Then there
    is a line for each word: the word and its numbers, with spaces between.

    Arguments:
        vectors: KeyedVectors of gensim.
    """
    lines = [f'{len(vectors)} {vectors.vector_size}\n']
    for word in vectors.index_to_key:
        numbers = ' '.join(f'{value:.6g}' for value in vectors[word].tolist())
        lines.append(f'{word} {numbers}\n')
    write_file(fn, ''.join(lines).encode())


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
