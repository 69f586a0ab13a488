"""Appendix LDA: the three engines agree, and what is done with their topics."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attacks import run_here
from chapters import importable, load_chapter
from scipy.sparse import csr_matrix
from sklearn.decomposition import LatentDirichletAllocation

NAME = 'appendix_lda'
N_TOPICS = 5


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def counts():
    """Counts of 60 documents, of which the first has no word, drawn by seed."""
    random = np.random.default_rng(0)
    topics = random.dirichlet([0.1] * 80, N_TOPICS)
    mixtures = random.dirichlet([0.2] * N_TOPICS, 60)
    lengths = [0, *random.integers(1, 120, 59)]
    rows = [random.multinomial(n, p) for n, p in zip(lengths, mixtures @ topics)]
    return csr_matrix(np.stack(rows))


def make_engine(chapter, counts, engine='torch', dtype=torch.float64, **options):
    options = {'update': 'batch', 'offset': 10.0, 'decay': 0.7, 'seed': 0} | options
    config = SimpleNamespace(engine=engine, n_topics=N_TOPICS, **options)
    config.alpha, config.eta = 0.3, 0.2
    model = chapter.model.get_model(vars(config), counts.shape[1]).to(dtype)
    return chapter.trainer.get_engine(model, counts.shape[0], config)


def make_sklearn(counts, **options):
    return LatentDirichletAllocation(
        N_TOPICS, doc_topic_prior=0.3, topic_word_prior=0.2, random_state=0, **options
    )


@pytest.fixture(autouse=True)
def sklearn_starts_documents_at_one(monkeypatch):
    e_step = LatentDirichletAllocation._e_step
    monkeypatch.setattr(
        LatentDirichletAllocation,
        '_e_step',
        lambda self, X, cal_sstats, random_init, parallel=None: e_step(
            self, X, cal_sstats, False, parallel
        ),
    )


@pytest.mark.parametrize('n_epochs', [1, 4])
def test_batch_update_is_that_of_scikit_learn(chapter, counts, n_epochs):
    reference = make_sklearn(counts, max_iter=n_epochs, learning_method='batch')
    reference.fit(counts)
    engine = make_engine(chapter, counts)
    for _ in range(n_epochs):
        engine.update(counts)
    model = engine.model
    np.testing.assert_allclose(model.topics, reference.components_, rtol=1e-6)
    np.testing.assert_allclose(
        model.get_weights().t(),
        reference.exp_dirichlet_component_,
        rtol=1e-5,
        atol=1e-12,
    )


def test_online(chapter, counts):
    reference = make_sklearn(
        counts,
        learning_offset=10.0,
        learning_decay=0.7,
        total_samples=60,
        batch_size=20,
    )
    engine = make_engine(chapter, counts, update='online', batch_size=20)
    for _ in range(3):
        reference.partial_fit(counts)
        for b in range(0, 60, 20):
            engine.update(counts[b : b + 20])
    np.testing.assert_allclose(engine.model.topics, reference.components_, rtol=1e-6)
