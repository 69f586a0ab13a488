"""The models: topics from word counts (LDA), and directions from TF-IDF (LSA)."""

import torch
from torch import nn

# The E-step of a document ends at so small a change, or after so many iterations.
TOLERANCE = 1e-3
N_ITERATIONS = 100
# Avoids a division by zero for a word that no topic can explain.
EPSILON = 1e-30


def get_expectation(x):
    """Return E[log p] for p from a Dirichlet distribution with the parameters x.

    One distribution for each row of x; Blei et al. (2003), appendix A.1.
    """
    return x.digamma() - x.sum(dim=-1, keepdim=True).digamma()


class LatentDirichletAllocation(nn.Module):
    """Latent Dirichlet allocation by variational Bayes, for many documents at once.

    A document is a mixture of topics, and a topic is a distribution over words. The
    model estimates a Dirichlet distribution for each of them: its parameters are gamma
    for a document, and topics (lambda in the paper) for the topics. Hoffman et al.
    (2010), algorithm 2.

    Arguments:
        n_topics: how many topics.
        vocabulary_size: how many words.
        alpha: the prior of the mixtures; a smaller one gives fewer topics a document.
        eta: the prior of the topics; a smaller one gives fewer words a topic.
    """

    def __init__(self, n_topics, vocabulary_size, alpha, eta):
        super().__init__()
        self.alpha = alpha
        self.eta = eta
        self.register_buffer('topics', torch.ones(n_topics, vocabulary_size))

    def get_weights(self):
        """Return exp(E[log p(word | topic)]), (vocabulary_size, n_topics)."""
        return get_expectation(self.topics).exp().t().contiguous()

    def forward(self, words, counts, weights=None, gamma=None):
        """Return gamma of each document: the E-step, repeated until it has converged.

        Arguments:
            words: word indices, a long tensor of shape (batch_size, length).
            counts: how often each of them occurs, of the same shape; 0 is padding.
            weights: the result of get_weights(); None: computed here.
            gamma: the start, of shape (batch_size, n_topics); None: all ones.
        """
        weights = self.get_weights() if weights is None else weights
        # |weights| = (vocabulary_size, n_topics)
        beta = weights[words]
        # |beta| = (batch_size, length, n_topics)
        gamma = beta.new_ones(len(beta), beta.shape[2]) if gamma is None else gamma
        # |gamma| = (batch_size, n_topics)
        result = gamma.clone()
        rows = torch.arange(len(gamma), device=gamma.device)
        is_active = torch.ones_like(rows, dtype=torch.bool)
        for _ in range(N_ITERATIONS):
            # Each document stops when it has converged, whatever the others do.
            new_gamma = self._step(beta, counts, gamma)
            change = (new_gamma - gamma).abs().mean(dim=1)
            gamma = torch.where(is_active.unsqueeze(1), new_gamma, gamma)
            is_active = is_active & (change >= TOLERANCE)

            # Once a quarter of the documents has stopped, they are taken out.
            n_active = int(is_active.sum())
            if n_active <= 0.75 * len(rows):
                result[rows] = gamma
                rows, beta, counts = rows[is_active], beta[is_active], counts[is_active]
                gamma, is_active = gamma[is_active], is_active[is_active]
            if n_active == 0:
                break
        result[rows] = gamma
        return result

    def _step(self, beta, counts, gamma):
        """Return gamma after one iteration of Hoffman et al. (2010), equation 5.

        The responsibilities of the topics for the words (phi) are not stored: their sum
        over the words of a document is two matrix products.
        """
        theta = get_expectation(gamma).exp()
        # |theta| = (batch_size, n_topics)
        ratios = self._get_ratios(beta, counts, theta)
        # |ratios| = (batch_size, length)
        new_gamma = self.alpha + theta * torch.bmm(ratios.unsqueeze(1), beta).squeeze(1)
        # |new_gamma| = (batch_size, n_topics)
        return new_gamma

    def _get_ratios(self, beta, counts, theta):
        """Return each count divided by the sum of theta x beta over the topics."""
        p = torch.bmm(beta, theta.unsqueeze(2)).squeeze(2)
        # |p| = (batch_size, length)
        return counts / (p + EPSILON)

    def get_statistics(self, words, counts, gamma, weights):
        """Return how many occurrences of each word are assigned to each topic.

        Arguments:
            words, counts: as for forward().
            gamma: the result of forward().
            weights: the result of get_weights().

        Returns:
            A float tensor of shape (n_topics, vocabulary_size); its sum is the number
            of words in the documents.
        """
        beta = weights[words]
        # |beta| = (batch_size, length, n_topics)
        theta = get_expectation(gamma).exp()
        # |theta| = (batch_size, n_topics)
        ratios = self._get_ratios(beta, counts, theta)
        # |ratios| = (batch_size, length)
        responsibilities = ratios.unsqueeze(2) * theta.unsqueeze(1) * beta
        # |responsibilities| = (batch_size, length, n_topics)
        statistics = torch.zeros_like(weights)
        statistics.index_add_(0, words.flatten(), responsibilities.flatten(0, 1))
        # |statistics| = (vocabulary_size, n_topics)
        return statistics.t()

    def update(self, statistics, rate=1.0):
        """Move the topics towards the statistics: the M-step.

        Arguments:
            statistics: the result of get_statistics(), scaled up to the whole corpus if
                it is of a part of it.
            rate: the weight of the new topics, 1 replaces the old ones.
        """
        self.topics.lerp_(self.eta + statistics, rate)

    def get_mixtures(self, words, counts):
        """Return the mean of each document's mixture, (batch_size, n_topics)."""
        gamma = self(words, counts)
        return gamma / gamma.sum(dim=1, keepdim=True)

    def get_distributions(self):
        """Return the mean of each topic's distribution, (n_topics, vocabulary_size)."""
        return self.topics / self.topics.sum(dim=1, keepdim=True)

    def get_log_p(self, mixtures, words):
        """Return the log-probability of words of documents, (batch_size, length).

        Arguments:
            mixtures: the mixture of each document, (batch_size, n_topics).
            words: word indices, a long tensor of shape (batch_size, length).
        """
        p_of_topics = self.get_distributions().t()[words]
        # |p_of_topics| = (batch_size, length, n_topics)
        p = torch.bmm(p_of_topics, mixtures.unsqueeze(2)).squeeze(2)
        # |p| = (batch_size, length)
        return p.log()


class LatentSemanticAnalysis(nn.Module):
    """Latent semantic analysis: the main directions of TF-IDF vectors of documents.

    A document is a point, and its coordinates may be negative: they are not shares of
    topics, and words have no probabilities.

    Arguments:
        n_topics: how many directions.
        vocabulary_size: how many words.
    """

    def __init__(self, n_topics, vocabulary_size):
        super().__init__()
        self.register_buffer('topics', torch.zeros(n_topics, vocabulary_size))
        self.register_buffer('idf', torch.ones(vocabulary_size))

    def get_mixtures(self, words, counts):
        """Return the coordinates of each document, (batch_size, n_topics).

        Arguments:
            words, counts: as for LatentDirichletAllocation.
        """
        values = counts * self.idf[words]
        # |values| = (batch_size, length)
        values = values / values.norm(dim=1, keepdim=True).clamp(min=EPSILON)
        directions = self.topics.t()[words]
        # |directions| = (batch_size, length, n_topics)
        mixtures = torch.bmm(values.unsqueeze(1), directions).squeeze(1)
        # |mixtures| = (batch_size, n_topics)
        return mixtures

    def get_distributions(self):
        """Return the weight of each word in each direction."""
        return self.topics


def get_model(config, vocabulary_size):
    """Build the model that config['engine'] trains.

    Arguments:
        config: the options of the training, a dict.
        vocabulary_size: how many words.
    """
    if config['engine'] == 'lsa':
        return LatentSemanticAnalysis(config['n_topics'], vocabulary_size)
    return LatentDirichletAllocation(
        config['n_topics'], vocabulary_size, config['alpha'], config['eta']
    )
