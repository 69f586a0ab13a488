"""The training loop, and the engines that learn topics from counts of words.

The Trainer does not know how an engine learns: it passes it batches of documents, and
measures the topics on held-out documents.
"""

import math

import numpy as np
import torch
from tqdm import tqdm

from data_loader import get_blocks
from guards import InputError, log
from model import N_ITERATIONS, TOLERANCE


def get_mixtures(model, counts):
    """Return the mixture of each document, (n_documents, n_topics), on the CPU.

    Arguments:
        counts: a sparse scipy matrix, (n_documents, vocabulary_size).
    """
    shape = counts.shape[0], model.topics.shape[0]
    mixtures = torch.zeros(shape, dtype=model.topics.dtype)
    # |mixtures| = (n_documents, n_topics)
    for rows, words, counts_i in get_blocks(counts, model.topics.device):
        mixtures[rows.cpu()] = model.get_mixtures(words, counts_i).cpu()
    return mixtures


def get_perplexity(model, seen, unseen):
    """Return the perplexity of held-out words: the effective number of choices a word.

    Document completion (Wallach et al. 2009): the mixture of a held-out document is
    estimated from half of its words, and predicts the other half. It is the same
    computation for all engines. NaN if there are no words to predict.

    Arguments:
        seen, unseen: the halves, two sparse scipy matrices of the same shape.
    """
    if unseen.sum() == 0:
        return math.nan
    mixtures = get_mixtures(model, seen).to(model.topics.device)
    log_likelihood = 0.0
    for rows, words, counts in get_blocks(unseen, mixtures.device):
        log_p = model.get_log_p(mixtures[rows], words)
        log_likelihood += (log_p * counts).sum().item()
    return math.exp(-log_likelihood / unseen.sum())


class TorchEngine:
    """Online variational Bayes, written out: Hoffman et al. (2010), algorithm 2.

    Arguments:
        model: a LatentDirichletAllocation.
        n_documents: how many training documents there are.
        offset, decay: the n-th update has the weight (offset + n) ** -decay.
        seed: of the random initialisation.
    """

    def __init__(self, model, n_documents, offset, decay, seed):
        self.model = model
        self.n_documents = n_documents
        self.offset = offset
        self.decay = decay
        self.n_updates = 0
        # scikit-learn and gensim draw the same numbers, and find the same topics.
        self.random = np.random.RandomState(seed)
        model.topics.copy_(self._draw(model.topics.shape))

    def _draw(self, shape):
        """Return random numbers near 1."""
        numbers = self.random.gamma(100.0, 0.01, tuple(shape))
        return torch.from_numpy(numbers).to(self.model.topics)

    def update(self, counts):
        """Learn from documents: an E-step of each, then one M-step.

        Arguments:
            counts: a sparse scipy matrix, (batch_size, vocabulary_size).
        """
        weights = self.model.get_weights()
        statistics = torch.zeros_like(self.model.topics)
        gamma = self._draw((counts.shape[0], len(statistics)))
        for rows, words, counts_i in get_blocks(counts, weights.device):
            gamma_i = self.model(words, counts_i, weights, gamma[rows])
            statistics += self.model.get_statistics(words, counts_i, gamma_i, weights)

        self.n_updates += 1
        rate = (self.offset + self.n_updates) ** -self.decay
        self.model.update(statistics * (self.n_documents / counts.shape[0]), rate)


class SklearnEngine:
    """scikit-learn's LatentDirichletAllocation; its topics are copied into the model.

    Arguments:
        model, n_documents, offset, decay, seed: as for TorchEngine.
        batch_size: the number of documents of an update.
    """

    def __init__(self, model, n_documents, offset, decay, seed, batch_size):
        from sklearn.decomposition import LatentDirichletAllocation

        self.model = model
        self.lda = LatentDirichletAllocation(
            n_components=model.topics.shape[0],
            doc_topic_prior=model.alpha,
            topic_word_prior=model.eta,
            learning_offset=offset,
            learning_decay=decay,
            batch_size=batch_size,
            total_samples=n_documents,
            max_doc_update_iter=N_ITERATIONS,
            mean_change_tol=TOLERANCE,
            random_state=seed,
        )

    def update(self, counts):
        """Learn from documents."""
        self.lda.partial_fit(counts)
        self.model.topics.copy_(torch.from_numpy(self.lda.components_))


class GensimEngine:
    """gensim's LdaModel; its topics are copied into the model.

    Arguments:
        model, n_documents, offset, decay, seed: as for TorchEngine.
    """

    def __init__(self, model, n_documents, offset, decay, seed):
        from gensim.models import LdaModel

        self.model = model
        self.n_documents = n_documents
        n_topics, vocabulary_size = model.topics.shape
        self.lda = LdaModel(
            num_topics=n_topics,
            id2word={i: str(i) for i in range(vocabulary_size)},
            alpha=[model.alpha] * n_topics,
            eta=model.eta,
            # gensim counts updates from 0.
            offset=offset + 1,
            decay=decay,
            iterations=N_ITERATIONS,
            gamma_threshold=TOLERANCE,
            eval_every=None,
            random_state=seed,
        )

    def update(self, counts):
        """Learn from documents."""
        ends = counts.indptr
        corpus = [
            list(zip(counts.indices[i:j], counts.data[i:j], strict=True))
            for i, j in zip(ends[:-1], ends[1:], strict=True)
        ]
        # gensim would count the documents of each call as additional ones.
        self.lda.state.numdocs = self.n_documents - len(corpus)
        self.lda.update(corpus, chunksize=len(corpus), passes=1, update_every=1)
        self.model.topics.copy_(torch.from_numpy(self.lda.state.get_lambda()))


class LsaEngine:
    """Truncated singular value decomposition of TF-IDF, by scikit-learn.

    Arguments:
        model: a LatentSemanticAnalysis.
        seed: of its random initialisation.
    """

    def __init__(self, model, seed):
        self.model = model
        self.seed = seed

    def update(self, counts):
        """Learn from all documents at once.

        Raises:
            InputError: n_topics is greater than the number of documents or words.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfTransformer

        n_topics = self.model.topics.shape[0]
        if n_topics > min(counts.shape):
            raise InputError(
                f'--n_topics {n_topics}: LSA finds no more directions than there are '
                'documents, {} here, and words, {} here'.format(*counts.shape)
            )
        tfidf = TfidfTransformer()
        svd = TruncatedSVD(n_topics, random_state=self.seed)
        svd.fit(tfidf.fit_transform(counts))
        self.model.topics.copy_(torch.from_numpy(svd.components_))
        self.model.idf.copy_(torch.from_numpy(tfidf.idf_))


def get_engine(model, n_documents, config):
    """Build the engine that config.engine names.

    Arguments:
        model: the result of get_model().
        n_documents: how many training documents there are.
        config: the options of the command line.
    """
    if config.engine == 'lsa':
        return LsaEngine(model, config.seed)

    # With a decay of 0, each update replaces the topics.
    decay = config.decay if config.update == 'online' else 0.0
    arguments = model, n_documents, config.offset, decay, config.seed
    if config.engine == 'sklearn':
        return SklearnEngine(*arguments, get_batch_size(n_documents, config))
    if config.engine == 'gensim':
        return GensimEngine(*arguments)
    return TorchEngine(*arguments)


def get_batch_size(n_documents, config):
    """Return the number of documents of an update."""
    is_online = config.update == 'online' and config.engine != 'lsa'
    return config.batch_size if is_online else n_documents


class Trainer:
    """Passes documents to an engine, and measures the held-out perplexity.

    Arguments:
        model: the model that the engine trains.
        engine: its update() learns from the counts of some documents.
    """

    def __init__(self, model, engine):
        self.model = model
        self.engine = engine
        self.n_epochs = 0
        # The held-out perplexity after each epoch; LSA has none.
        self.history = []

    def train(self, counts, seen, unseen, config):
        """Train for all epochs.

        Arguments:
            counts: of the training documents, a sparse scipy matrix of shape
                (n_documents, vocabulary_size).
            seen, unseen: the halves of the held-out documents.
            config: the options engine, n_epochs, update, batch_size, seed and verbose.
        """
        is_lsa = config.engine == 'lsa'
        n_documents = counts.shape[0]
        batch_size = get_batch_size(n_documents, config)
        random = np.random.default_rng(config.seed)
        bar = None if config.verbose == 2 else True
        # LSA is solved in one step.
        n_epochs = 1 if is_lsa else config.n_epochs
        epochs = tqdm(range(1, n_epochs + 1), unit='epoch', disable=bar)
        for epoch in epochs:
            # Train
            shuffled = counts[random.permutation(n_documents)]
            for begin in range(0, n_documents, batch_size):
                self.engine.update(shuffled[begin : begin + batch_size])
            self.n_epochs = epoch

            # Report
            message = 'solved'
            if not is_lsa:
                self.history.append(get_perplexity(self.model, seen, unseen))
                message = f'perplexity={self.history[-1]:.1f}'
            epochs.set_postfix_str(message)
            if config.verbose > 0:
                log(f'epoch {epoch}/{n_epochs}: {message}')
