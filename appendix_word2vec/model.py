"""The models: skip-gram and CBOW with negative sampling, written out from the papers.

Each word has two vectors: an input vector, which is the word vector that is kept, and
an output vector, which is used to predict the word. A model learns to tell words that
occur together from noise words, which are drawn at random.
"""

import torch
from torch import nn
from torch.nn import functional

from guards import load_checkpoint, write_file


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
