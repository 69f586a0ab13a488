"""The models: skip-gram and CBOW with negative sampling, written out from the papers.

Each word has two vectors: the input vector, which is kept, and the output vector, which
tells what belongs beside it. A model learns to tell true words from noise.

A graph of PyTorch for each pair of words would cost a hundred times the arithmetic. So
step() has the gradient written out, and in the form of matrix products: the words of a
block share their noise (Ji et al. 2016).
"""

import torch
from torch import nn
from torch.nn import functional

from utils import load_checkpoint, write_file


class NegativeSampling(nn.Module):
    """What skip-gram and CBOW have in common: two matrices, and noise.

    Arguments:
        vocabulary_size: the number of words.
        word_vec_size: the size of a vector.
        n_negatives: the noise words for each true one.
    """

    def __init__(self, vocabulary_size, word_vec_size, n_negatives):
        super().__init__()
        size = (vocabulary_size, word_vec_size)
        # As in word2vec's program: small random numbers, and zeros.
        in_vectors = (torch.rand(size) - 0.5) / word_vec_size
        self.in_vectors = nn.Parameter(in_vectors, requires_grad=False)
        self.out_vectors = nn.Parameter(torch.zeros(size), requires_grad=False)
        self.n_negatives = n_negatives


def get_middle(words, is_pair):
    """Return the words of blocks without the margins on both sides."""
    window = (words.size(1) - is_pair.size(1)) // 2
    return words[:, window : words.size(1) - window].contiguous()


def add_rows(matrix, rows, values):
    """Add a value to each of these rows of a matrix; one may be among them often."""
    word_vec_size = matrix.size(1)
    index = rows.reshape(-1, 1).expand(-1, word_vec_size)
    matrix.scatter_add_(0, index, values.reshape(-1, word_vec_size))


class SkipGram(NegativeSampling):
    """Predicts the words around a word from that word.

    The loss of a pair of a word i and a word o beside it is (Mikolov et al. 2013b,
    equation 4), with the input vector v and the output vectors u:

        -log sigmoid(v_i . u_o) - sum over noise words k of log sigmoid(-v_i . u_k)

    Here the words of a block share more noise words than a pair needs, each of less
    weight: the expectation of the sum is the same.
    """

    def prepare(self, words, is_pair, noise):
        """Return what a step needs beside the vectors.

        Arguments:
            words: the numbers of the words of each block, with a margin of a window on
                both sides.
            is_pair: 1.0 for a word and one beside it within the window, else 0.0.
            noise: the numbers of the noise words of each block.

        Returns:
            The words to predict from; those to tell apart, true ones and noise;
            is_pair; and the weights of the noise.
        """
        # |words| = (n_blocks, block_size_with_margins)
        # |is_pair| = (n_blocks, block_size, block_size_with_margins)
        # |noise| = (n_blocks, n_noise)
        # A pair has no noise that is its true word.
        is_noise = words.unsqueeze(2) != noise.unsqueeze(1)
        # |is_noise| = (n_blocks, block_size_with_margins, n_noise)
        noise_weight = is_pair @ is_noise.to(is_pair.dtype)
        noise_weight *= self.n_negatives / noise.size(1)
        # |noise_weight| = (n_blocks, block_size, n_noise)
        others = torch.cat([words, noise], dim=1)
        # |others| = (n_blocks, n_others)
        return get_middle(words, is_pair), others, is_pair, noise_weight

    def forward(self, middle, others, is_pair, noise_weight):
        """Return the sum of the losses of all pairs, and how many these are."""
        v = functional.embedding(middle, self.in_vectors)
        # |v| = (n_blocks, block_size, word_vec_size)
        u = functional.embedding(others, self.out_vectors)
        # |u| = (n_blocks, n_others, word_vec_size)
        score = v @ u.transpose(1, 2)
        # |score| = (n_blocks, block_size, n_others)
        true, false = score.split([is_pair.size(2), noise_weight.size(2)], dim=2)
        loss = -(is_pair * functional.logsigmoid(true)).sum()
        loss = loss - (noise_weight * functional.logsigmoid(-false)).sum()
        return loss, is_pair.sum()

    @torch.no_grad()
    def step(self, middle, others, is_pair, noise_weight, lr):
        """Move all vectors down the slope of forward(), by lr.

        The derivative of a loss by its score v . u is sigmoid(score) - 1 for a true
        word and sigmoid(score) for noise. From there it goes on to v times u, and to u
        times v: products of matrices again.
        """
        v = functional.embedding(middle, self.in_vectors)
        u = functional.embedding(others, self.out_vectors)
        slope = (v @ u.transpose(1, 2)).sigmoid_()
        # |slope| = (n_blocks, block_size, n_others)
        true, false = slope.split([is_pair.size(2), noise_weight.size(2)], dim=2)
        true.sub_(1).mul_(is_pair)
        false.mul_(noise_weight)
        slope *= -lr
        add_rows(self.in_vectors, middle, slope @ u)
        add_rows(self.out_vectors, others, slope.transpose(1, 2) @ v)


class CBOW(NegativeSampling):
    """Predicts a word from the words around it, a bag of words: from their mean.

    The loss is that of SkipGram, with the mean of the input vectors around a word for
    v_i and the word itself for o (Mikolov et al. 2013a, section 3.1).
    """

    def prepare(self, words, is_pair, noise):
        """Return what a step needs beside the vectors.

        Arguments:
            words, is_pair, noise: as for SkipGram.

        Returns:
            The words around; those to predict; the noise; is_pair; the same as weights
            of a mean; 1.0 for each word with any around it, else 0.0; and the weights
            of the noise.
        """
        # |words| = (n_blocks, block_size_with_margins)
        # |is_pair| = (n_blocks, block_size, block_size_with_margins)
        # |noise| = (n_blocks, n_noise)
        n_around = is_pair.sum(dim=2, keepdim=True)
        # |n_around| = (n_blocks, block_size, 1)
        is_true = n_around.clamp(max=1)
        # |is_true| = (n_blocks, block_size, 1)
        mean_weight = is_pair / n_around.clamp(min=1)
        # |mean_weight| = (n_blocks, block_size, block_size_with_margins)
        middle = get_middle(words, is_pair)
        # |middle| = (n_blocks, block_size)
        is_noise = middle.unsqueeze(2) != noise.unsqueeze(1)
        # |is_noise| = (n_blocks, block_size, n_noise)
        noise_weight = is_noise * (is_true * (self.n_negatives / noise.size(1)))
        # |noise_weight| = (n_blocks, block_size, n_noise)
        return words, middle, noise, is_pair, mean_weight, is_true, noise_weight

    def get_vectors(self, words, middle, noise, mean_weight):
        """Return the means of the words around; output vectors of words and noise."""
        v = mean_weight @ functional.embedding(words, self.in_vectors)
        # |v| = (n_blocks, block_size, word_vec_size)
        u_true = functional.embedding(middle, self.out_vectors)
        # |u_true| = (n_blocks, block_size, word_vec_size)
        u_noise = functional.embedding(noise, self.out_vectors)
        # |u_noise| = (n_blocks, n_noise, word_vec_size)
        return v, u_true, u_noise

    def forward(
        self, words, middle, noise, is_pair, mean_weight, is_true, noise_weight
    ):
        """Return the sum of the losses of all words, and how many these are."""
        v, u_true, u_noise = self.get_vectors(words, middle, noise, mean_weight)
        true = (v * u_true).sum(dim=2, keepdim=True)
        # |true| = (n_blocks, block_size, 1)
        false = v @ u_noise.transpose(1, 2)
        # |false| = (n_blocks, block_size, n_noise)
        loss = -(is_true * functional.logsigmoid(true)).sum()
        loss = loss - (noise_weight * functional.logsigmoid(-false)).sum()
        return loss, is_true.sum()

    @torch.no_grad()
    def step(
        self, words, middle, noise, is_pair, mean_weight, is_true, noise_weight, lr
    ):
        """Move all vectors down the slope of forward(), by lr.

        The slopes of the scores are those of SkipGram. By the mean, each word around
        would get its share of the slope. But word2vec's program, and gensim after it,
        gives each the whole slope, as if the learning rate were higher by the number of
        words around (Irsoy et al. 2021). So does this, to be comparable.
        """
        v, u_true, u_noise = self.get_vectors(words, middle, noise, mean_weight)
        true = (v * u_true).sum(dim=2, keepdim=True).sigmoid_()
        true.sub_(1).mul_(is_true).mul_(-lr)
        # |true| = (n_blocks, block_size, 1)
        false = (v @ u_noise.transpose(1, 2)).sigmoid_()
        false.mul_(noise_weight).mul_(-lr)
        # |false| = (n_blocks, block_size, n_noise)
        v_slope = (false @ u_noise).addcmul_(true, u_true)
        # |v_slope| = (n_blocks, block_size, word_vec_size)
        add_rows(self.in_vectors, words, is_pair.transpose(1, 2) @ v_slope)
        add_rows(self.out_vectors, middle, true * v)
        add_rows(self.out_vectors, noise, false.transpose(1, 2) @ v)


def get_model(config, vocabulary_size):
    """Build the model that config.model names."""
    kind = SkipGram if config.model == 'skipgram' else CBOW
    return kind(vocabulary_size, config.word_vec_size, config.n_negatives)


def get_loss(in_vectors, out_vectors, x, y, noise):
    """Return the mean loss of negative sampling (Mikolov et al. 2013b, equation 4).

    For each example it is -log p(the word belongs here) - sum log p(the noise does
    not), where p is the sigmoid of a product of two vectors: the mean of the input
    vectors of x, and the output vector of y or of the noise.

    Arguments:
        in_vectors, out_vectors: tensors of shape (vocabulary_size, word_vec_size).
        x, y, noise: what get_examples() of data_loader.py returns.
    """
    total = 0.0
    for x_i, y_i, noise_i in zip(
        x.split(4096), y.split(4096), noise.split(4096), strict=True
    ):
        # |x_i| = (batch_size, n_inputs)
        # |y_i| = (batch_size,)
        # |noise_i| = (batch_size, n_negatives)
        is_input = (x_i >= 0).unsqueeze(-1)
        h = (in_vectors[x_i.clamp(min=0)] * is_input).sum(dim=1) / is_input.sum(dim=1)
        # |h| = (batch_size, word_vec_size)
        y_score = (out_vectors[y_i] * h).sum(dim=-1)
        # |y_score| = (batch_size,)
        noise_score = (out_vectors[noise_i] @ h.unsqueeze(-1)).squeeze(-1)
        # |noise_score| = (batch_size, n_negatives)

        # Noise that happens to be the true word is no noise.
        is_noise = noise_i != y_i.unsqueeze(-1)
        # |is_noise| = (batch_size, n_negatives)
        total -= functional.logsigmoid(y_score).sum()
        total -= (functional.logsigmoid(-noise_score) * is_noise).sum()
    return (total / len(y)).item()


def load_vectors(fn):
    """Load the input vectors of a checkpoint, as KeyedVectors of gensim.

    Raises:
        InputError: it can't be read, or is no checkpoint of this chapter.
    """
    from gensim.models import KeyedVectors

    checkpoint = load_checkpoint(fn, 'appendix_word2vec')
    in_vectors = checkpoint['model']['in_vectors'].numpy()
    vectors = KeyedVectors(in_vectors.shape[1])
    vectors.add_vectors(checkpoint['words'], in_vectors)
    return vectors


def save_text_vectors(vectors, fn):
    """Save word vectors as text, in the format of word2vec's program.

    A line of two numbers, how many words and how many numbers each; then a line for
    each word: the word and its numbers, by spaces.

    Arguments:
        vectors: KeyedVectors of gensim.
    """
    lines = [f'{len(vectors)} {vectors.vector_size}\n']
    for word in vectors.index_to_key:
        numbers = ' '.join(f'{value:.6g}' for value in vectors[word].tolist())
        lines.append(f'{word} {numbers}\n')
    write_file(fn, ''.join(lines).encode())
