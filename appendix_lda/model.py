"""The models: topics from counts (LDA), and directions from TF-IDF (LSA)."""

import torch
from torch import nn

# Where the E-step of a document ends: a change this small, or so many iterations.
TOLERANCE = 1e-3
N_ITERATIONS = 100
# A word that no topic can explain divides by this instead of by zero.
EPSILON = 1e-30


def get_expectation(x):
    """Return E[log p] for p drawn from a Dirichlet distribution, one for each row of x.

    Blei et al. (2003), appendix A.1.
    """
    return x.digamma() - x.sum(dim=-1, keepdim=True).digamma()


class LatentDirichletAllocation(nn.Module):
    """Latent Dirichlet allocation by variational Bayes, for many documents at once.

    A document is a mixture of topics, a topic a distribution over words. Both are known
    up to a Dirichlet distribution: gamma for a document, topics (lambda in the paper)
    for the topics. Hoffman et al. (2010), algorithm 2.

    Arguments:
        n_topics: how many topics.
        vocabulary_size: how many words.
        alpha: the prior of a document's mixture, the less the fewer topics in it.
        eta: the prior of a topic, the less the fewer words in it.
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
        """Return gamma of each document: the E-step, until nothing moves any more.

        Arguments:
            words: a long tensor of shape (batch_size, length).
            counts: how often they stand there, of the same shape; 0 is padding.
            weights: what get_weights() has returned, if it is at hand.
            gamma: where to start, (batch_size, n_topics); None: at one.
        """
        weights = self.get_weights() if weights is None else weights
        # |weights| = (vocabulary_size, n_topics)
        beta = weights[words]
        # |beta| = (batch_size, length, n_topics)
        gamma = beta.new_ones(len(beta), beta.shape[2]) if gamma is None else gamma
        # |gamma| = (batch_size, n_topics)
        result = gamma.clone()
        rows = torch.arange(len(gamma), device=gamma.device)
        is_open = torch.ones_like(rows, dtype=torch.bool)
        for _ in range(N_ITERATIONS):
            # Each document moves until it has converged, whatever the others do.
            moved = self._step(beta, counts, gamma)
            change = (moved - gamma).abs().mean(dim=1)
            gamma = torch.where(is_open.unsqueeze(1), moved, gamma)
            is_open = is_open & (change >= TOLERANCE)

            # Once a quarter of them has, those leave the block.
            n_open = int(is_open.sum())
            if n_open <= 0.75 * len(rows):
                result[rows] = gamma
                rows, beta, counts = rows[is_open], beta[is_open], counts[is_open]
                gamma, is_open = gamma[is_open], is_open[is_open]
            if n_open == 0:
                break
        result[rows] = gamma
        return result

    def _step(self, beta, counts, gamma):
        """Return gamma after one iteration, from which it is no worse.

        The responsibilities (phi) of Hoffman et al. (2010), equation 5, are never
        written down: their sum over the words is two matrix products.
        """
        theta = get_expectation(gamma).exp()
        # |theta| = (batch_size, n_topics)
        shares = self._get_shares(beta, counts, theta)
        # |shares| = (batch_size, length)
        moved = self.alpha + theta * torch.bmm(shares.unsqueeze(1), beta).squeeze(1)
        # |moved| = (batch_size, n_topics)
        return moved

    def _get_shares(self, beta, counts, theta):
        """Return the counts, each divided by what the topics together give the word."""
        p = torch.bmm(beta, theta.unsqueeze(2)).squeeze(2)
        # |p| = (batch_size, length)
        return counts / (p + EPSILON)

    def get_statistics(self, words, counts, gamma, weights):
        """Return how often each topic is held responsible for each word.

        Arguments:
            words, counts: as for forward().
            gamma: what forward() has returned.
            weights: what get_weights() has returned.

        Returns:
            A float tensor of shape (n_topics, vocabulary_size): its sum is the number
            of words in the documents.
        """
        beta = weights[words]
        # |beta| = (batch_size, length, n_topics)
        theta = get_expectation(gamma).exp()
        # |theta| = (batch_size, n_topics)
        shares = self._get_shares(beta, counts, theta)
        # |shares| = (batch_size, length)
        responsibilities = shares.unsqueeze(2) * theta.unsqueeze(1) * beta
        # |responsibilities| = (batch_size, length, n_topics)
        statistics = torch.zeros_like(weights)
        statistics.index_add_(0, words.flatten(), responsibilities.flatten(0, 1))
        # |statistics| = (vocabulary_size, n_topics)
        return statistics.t()

    def update(self, statistics, rate=1.0):
        """Move the topics towards what the statistics of all documents say: the M-step.

        Arguments:
            statistics: of get_statistics(), scaled up to the whole corpus if they are
                of a part of it.
            rate: how far to go; 1 forgets the topics of before.
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
            mixtures: of the topics, (batch_size, n_topics).
            words: a long tensor of shape (batch_size, length).
        """
        chosen = self.get_distributions().t()[words]
        # |chosen| = (batch_size, length, n_topics)
        p = torch.bmm(chosen, mixtures.unsqueeze(2)).squeeze(2)
        # |p| = (batch_size, length)
        return p.log()


class LatentSemanticAnalysis(nn.Module):
    """The directions in which TF-IDF vectors of documents vary most.

    A document is a point, and may lie on the negative side of a direction: its
    coordinates are no shares, and there is no probability of a word in it.

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
        """Return how much each word pulls a document along each direction."""
        return self.topics


def get_model(config, vocabulary_size):
    """Build the model that config['engine'] fills.

    Arguments:
        config: the options of the training, a dict.
        vocabulary_size: how many words.
    """
    if config['engine'] == 'lsa':
        return LatentSemanticAnalysis(config['n_topics'], vocabulary_size)
    return LatentDirichletAllocation(
        config['n_topics'], vocabulary_size, config['alpha'], config['eta']
    )
