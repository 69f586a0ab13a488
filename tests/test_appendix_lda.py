"""Appendix LDA: the engines agree, counts stay counts, and what is done with topics."""

import os
import re
import shutil
import subprocess
import warnings
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attacks import run_here, run_quickly
from chapters import copy_chapter, importable, load_chapter, run
from gensim.models import LdaModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.decomposition import LatentDirichletAllocation, TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

NAME = 'appendix_lda'
IS_LONG = os.environ.get('TEST_LONG') == '1'
N_TOPICS = 5
ALPHA, ETA = 0.3, 0.2
LDA_ENGINES = ['torch', 'sklearn', 'gensim']
ENGINES = [*LDA_ENGINES, 'lsa']


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def counts():
    """Counts of 60 documents drawn from topics; the first document has no word."""
    random = np.random.default_rng(0)
    topics = random.dirichlet([0.1] * 80, N_TOPICS)
    mixtures = random.dirichlet([0.2] * N_TOPICS, 60)
    lengths = [0, *random.integers(1, 120, 59)]
    rows = map(random.multinomial, lengths, mixtures @ topics)
    return csr_array(np.stack(list(rows)))


def make_engine(chapter, counts, engine='torch', dtype=torch.float64, **options):
    options = {'update': 'batch', 'offset': 10.0, 'decay': 0.7, 'seed': 0} | options
    options |= {'n_topics': N_TOPICS, 'alpha': ALPHA, 'eta': ETA, 'engine': engine}
    model = chapter.model.get_model(options, counts.shape[1]).to(dtype)
    config = SimpleNamespace(**options)
    return chapter.trainer.get_engine(model, counts.shape[0], config)


def make_sklearn(**options):
    options |= {'doc_topic_prior': ALPHA, 'topic_word_prior': ETA}
    return LatentDirichletAllocation(N_TOPICS, random_state=0, **options)


# ---- The engines


@pytest.mark.parametrize(
    ('n_epochs', 'dtype'), [(1, torch.float32), (1, torch.float64), (9, torch.float64)]
)
def test_batch_update_is_that_of_scikit_learn(chapter, counts, n_epochs, dtype):
    reference = make_sklearn(max_iter=n_epochs, learning_method='batch').fit(counts)
    engine = make_engine(chapter, counts, dtype=dtype)
    begin = engine.model.topics.clone()

    for _ in range(n_epochs):
        engine.update(counts)

    model = engine.model
    assert not np.allclose(model.topics, begin, rtol=0.1)
    np.testing.assert_allclose(model.topics, reference.components_, rtol=1e-4)
    weights, expected = model.get_weights().t(), reference.exp_dirichlet_component_
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-4)


def test_online_update_is_that_of_scikit_learn(chapter, counts):
    schedule = {'learning_offset': 3.0, 'learning_decay': 0.6, 'total_samples': 60}
    reference = make_sklearn(**schedule)
    engine = make_engine(chapter, counts, update='online', offset=3.0, decay=0.6)

    for begin in (0, 25, 50, 0, 25):
        reference.partial_fit(counts[begin : begin + 25])
        engine.update(counts[begin : begin + 25])

    np.testing.assert_allclose(engine.model.topics, reference.components_, rtol=1e-4)


@pytest.mark.parametrize('update', ['batch', 'online'])
def test_engines_learn_the_same_topics(chapter, counts, update):
    """From the same seed. gensim adds eta to its start, which online never forgets."""
    found = {}
    size = 20 if update == 'online' else 60
    for name in LDA_ENGINES:
        engine = make_engine(chapter, counts, name, update=update, batch_size=size)
        for _ in range(3):
            for begin in range(0, 60, size):
                engine.update(counts[begin : begin + size])
        found[name] = engine.model.get_distributions()

    np.testing.assert_allclose(found['torch'], found['sklearn'], atol=1e-5)
    atol = 1e-2 if update == 'online' else 1e-3
    np.testing.assert_allclose(found['torch'], found['gensim'], atol=atol)


def test_mixtures_are_those_of_scikit_learn(chapter, counts):
    reference = make_sklearn(max_iter=3).fit(counts)
    model = make_engine(chapter, counts).model
    model.topics.copy_(torch.from_numpy(reference.components_))

    mixtures = chapter.trainer.get_mixtures(model, counts)

    np.testing.assert_allclose(mixtures, reference.transform(counts), atol=1e-4)
    np.testing.assert_allclose(mixtures[0], [1 / N_TOPICS] * N_TOPICS, rtol=1e-6)


def test_lsa_is_that_of_scikit_learn(chapter, counts):
    tfidf, svd = TfidfTransformer(), TruncatedSVD(N_TOPICS, random_state=0)
    expected = svd.fit_transform(tfidf.fit_transform(counts))
    engine = make_engine(chapter, counts, 'lsa', dtype=torch.float32)

    engine.update(counts)

    mixtures = chapter.trainer.get_mixtures(engine.model, counts)
    np.testing.assert_allclose(mixtures, expected, atol=1e-4)


@pytest.mark.parametrize('engine', ENGINES)
def test_engines_are_fed_with_counts(chapter, counts, engine, monkeypatch):
    """LDA on TF-IDF runs, and its topics mean nothing."""
    fed = []
    if engine == 'gensim':
        update = LdaModel.update
        monkeypatch.setattr(
            LdaModel,
            'update',
            lambda self, corpus, **options: (
                fed.extend(n for document in corpus for _, n in document)
                or update(self, corpus, **options)
            ),
        )
    elif engine == 'sklearn':
        fit = LatentDirichletAllocation.partial_fit
        monkeypatch.setattr(
            LatentDirichletAllocation,
            'partial_fit',
            lambda self, x: fed.extend(x.data) or fit(self, x),
        )
    elif engine == 'torch':
        forward = chapter.model.LatentDirichletAllocation.forward
        monkeypatch.setattr(
            chapter.model.LatentDirichletAllocation,
            'forward',
            lambda self, words, x, *more: (
                fed.extend(x[x > 0].tolist()) or forward(self, words, x, *more)
            ),
        )
    else:
        fit = TfidfTransformer.fit_transform
        monkeypatch.setattr(
            TfidfTransformer,
            'fit_transform',
            lambda self, x: fed.extend(x.data) or fit(self, x),
        )

    make_engine(chapter, counts, engine, dtype=torch.float32).update(counts)

    assert sorted(fed) == sorted(counts.data)


def test_padding_and_company_change_nothing(chapter, counts):
    engine = make_engine(chapter, counts)
    for _ in range(3):
        engine.update(counts)

    together = chapter.trainer.get_mixtures(engine.model, counts)
    alone = [chapter.trainer.get_mixtures(engine.model, row) for row in split(counts)]

    np.testing.assert_allclose(together, torch.cat(alone), rtol=1e-6)


def split(counts):
    return [counts[i : i + 1] for i in range(counts.shape[0])]


def test_statistics_give_each_word_once(chapter, counts):
    """A word may be divided among topics, and is still one word."""
    model = make_engine(chapter, counts).model
    weights = model.get_weights()
    total = torch.zeros_like(model.topics)

    for _, words, x in chapter.data_loader.get_blocks(counts, 'cpu', block_size=200):
        x = x.double()
        gamma = model(words, x, weights)
        total += model.get_statistics(words, x, gamma, weights)

    np.testing.assert_allclose(total.sum(dim=0), counts.sum(axis=0), rtol=1e-9)


def test_perplexity_by_hand(chapter, counts):
    engine = make_engine(chapter, counts)
    engine.update(counts)
    model = engine.model
    seen, unseen = counts[:30], counts[30:]

    perplexity = chapter.trainer.get_perplexity(model, seen, unseen)

    mixtures = chapter.trainer.get_mixtures(model, seen).double().numpy()
    p = mixtures @ (model.topics / model.topics.sum(dim=1, keepdim=True)).numpy()
    log_likelihood = sum(
        n * np.log(p[i, j])
        for i, row in enumerate(unseen.toarray())
        for j, n in enumerate(row)
    )
    assert perplexity == pytest.approx(np.exp(-log_likelihood / unseen.sum()), rel=1e-4)


def test_perplexity_of_ignorance_is_the_size_of_the_vocabulary(chapter, counts):
    model = make_engine(chapter, counts).model.float()
    model.topics.fill_(3.0)

    perplexity = chapter.trainer.get_perplexity(model, counts[:30], counts[30:])

    assert perplexity == pytest.approx(80, rel=1e-4)
    nothing = csr_array((30, 80), dtype=np.int64)
    assert np.isnan(chapter.trainer.get_perplexity(model, counts[:30], nothing))


# ---- Words


CLEANED = {
    'see https://a.example/x?y=1#z now': ['see', 'now'],
    'See WWW.example.com/index.html NOW': ['see', 'now'],
    'mail some.one@example.org today': ['mail', 'today'],
    '<p class="big">Fire<br/>men</p>': ['fire', 'men'],
    "Sydney's fires, the firemen’s work": ['sydney', 'fires', 'the', 'firemen', 'work'],
    'in 2001, 4:00pm, 12,000 km_2': [],
    'a < b and c > d': ['and'],
    'Café Übermut naïve': ['café', 'übermut', 'naïve'],
    '': [],
}


@pytest.mark.parametrize('text', CLEANED)
def test_cleaning_cleans(chapter, text):
    words = chapter.data_loader.WORD.findall(chapter.data_loader.clean(text).lower())
    assert words == CLEANED[text]


def test_english_words(chapter):
    tokenize = chapter.data_loader.get_tokenizer('en')

    words = tokenize(["The Fires didn't stop at https://fires.example", '', 'of the'])

    assert words == [['fires', 'stop'], [], []]


def test_korean_nouns(chapter):
    tokenize = chapter.data_loader.get_tokenizer('ko')

    words = tokenize(
        [
            '서울에서 영화를 보았다 ㅋㅋ https://영화.example',
            '',
            '배우의 연기가 좋다 123',
        ]
    )

    assert words == [['서울', '영화'], [], ['배우', '연기']]


def test_cleaning_is_fast_on_long_lines(chapter):
    """A pattern that looks back and forth would take minutes here."""
    for text in (
        'a' * 10**6,
        '<a' * 10**5,
        "'" * 10**6,
        '@' * 10**5,
        'http://' * 10**5,
    ):
        chapter.data_loader.clean(text)


def test_frequency_cuts(chapter, tmp_path):
    documents = [['a', 'b', 'b'], ['a', 'c'], ['a', 'b'], ['a', 'd']]
    (tmp_path / 'stop.txt').write_text('A\nd\n', encoding='utf-8')

    def get(minimum, maximum, stop_fn=None):
        config = SimpleNamespace(min_document_freq=minimum, stop_fn=stop_fn)
        config.max_document_ratio, config.encoding = maximum, 'utf-8'
        return chapter.data_loader.get_vocabulary(documents, config)

    assert get(1, 1.0) == ['a', 'b', 'c', 'd']
    assert get(2, 1.0) == ['a', 'b']
    assert get(1, 0.5) == ['b', 'c', 'd']
    assert get(1, 1.0, tmp_path / 'stop.txt') == ['b', 'c']
    with pytest.raises(chapter.guards.InputError, match='of 4 words, none is left'):
        get(5, 1.0)


words_of_documents = st.lists(st.lists(st.sampled_from('abcdef'), max_size=9))


@given(words_of_documents, st.integers(1, 20))
def test_blocks_hold_the_counts(chapter, documents, block_size):
    """What is counted, put into blocks and taken out again is what was there."""
    vocabulary = list('abce')
    counts = chapter.data_loader.count_words(documents, vocabulary)
    found = [Counter() for _ in documents]

    for rows, words, x in chapter.data_loader.get_blocks(counts, 'cpu', block_size):
        assert words.shape == x.shape
        assert len(x) == 1 or x.numel() <= block_size
        for row, indices, values in zip(rows, words, x, strict=True):
            pairs = zip(indices.tolist(), values.tolist(), strict=True)
            for i, n in pairs:
                found[row][vocabulary[i]] += n

    for counter, words in zip(found, documents, strict=True):
        assert +counter == Counter(word for word in words if word in vocabulary)


def test_held_out_documents_are_held_out(chapter, tmp_path):
    """They have no say in the vocabulary either."""
    lines = [f'word{"abcdefghij"[i]} common common' for i in range(10)]
    (tmp_path / 'x.txt').write_text('\n'.join(lines), encoding='utf-8')
    options = ['--train_fn', str(tmp_path / 'x.txt'), '--min_document_freq', '1']
    options += ['--max_document_ratio', '1', '--valid_ratio', '0.3']
    splits = []
    for seed in ('0', '0', '1'):
        parser = chapter.train.define_argparser()
        data = chapter.data_loader.get_data(
            parser.parse_args([*options, '--seed', seed])
        )
        texts, words, counts, seen, unseen, vocabulary = data
        splits.append(texts)

        assert len(texts) == len(words) == counts.shape[0] == 7
        assert set(vocabulary) == {'common'} | {text.split()[0] for text in texts}
        # Of each, the words known are 'common common', one in each half.
        assert seen.sum() == unseen.sum() == 3

    assert splits[0] == splits[1] != splits[2]


# ---- The programs


@pytest.fixture(scope='module')
def model_fns(chapter, tmp_path_factory):
    """The checkpoints of all engines, and what their trainings have printed."""
    folder = tmp_path_factory.mktemp('trained')
    outputs = {}
    for engine in ENGINES:
        fn = folder / f'{engine}.pth'
        with captured(folder / 'stdout') as stdout:
            options = ('--engine', engine, '--n_epochs', 10, '--verbose', 0)
            run_here(chapter.train, '--model_fn', fn, *options)
        outputs[engine] = (fn, stdout())
    return outputs


@contextmanager
def captured(fn):
    """Collect what is printed, where the fixture capsys can't go."""
    from contextlib import redirect_stdout

    with open(fn, 'w', encoding='utf-8') as file, redirect_stdout(file):
        yield lambda: fn.read_text(encoding='utf-8')


def read_scores(stdout):
    return dict(line.split(': ') for line in stdout.splitlines())


def test_held_out_perplexities_agree(model_fns):
    """Within 2 %, and far better than without topics."""
    scores = {name: read_scores(model_fns[name][1]) for name in ENGINES}

    perplexities = {name: float(scores[name]['perplexity']) for name in LDA_ENGINES}
    for name in ('sklearn', 'gensim'):
        assert perplexities['torch'] == pytest.approx(perplexities[name], rel=0.02)
    assert 'perplexity' not in scores['lsa']


def test_defaults_learn(chapter, model_fns):
    """Better than the frequencies of words, which are one topic for all."""
    scores = read_scores(model_fns['torch'][1])
    config = chapter.train.define_argparser().parse_args([])
    *_, counts, _, unseen, _ = chapter.data_loader.get_data(config)
    p = (counts.sum(axis=0) + 0.1) / (counts.sum() + 0.1 * counts.shape[1])
    unigram = np.exp(-(unseen @ np.log(p)).sum() / unseen.sum())

    assert len(scores) == 12
    assert float(scores['perplexity']) < 0.85 * unigram
    assert float(scores['coherence']) > 0.5
    assert any(
        {'palestinian', 'israeli'} <= set(row.split()) for row in scores.values()
    )


@pytest.mark.parametrize('engine', ENGINES)
def test_one_checkpoint_format(chapter, model_fns, engine):
    checkpoint = torch.load(model_fns[engine][0], weights_only=True)
    n_topics, n_words = checkpoint['model']['topics'].shape

    assert n_topics == 10
    assert n_words == len(checkpoint['vocabulary']) == len(checkpoint['word_counts'])
    assert checkpoint['mixtures'].shape == (240, 10)
    assert len(checkpoint['beginnings']) == len(checkpoint['lengths']) == 240
    assert sum(checkpoint['lengths']) == sum(checkpoint['word_counts'])


def test_seed_decides_the_file_to_the_last_byte(chapter, tmp_path, monkeypatch):
    contents = []
    for number, seed in enumerate((0, 0, 1)):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        torch.seed()
        np.random.seed(None)
        options = ('--seed', seed, '--n_epochs', 1, '--verbose', 0, '--n_words', 2)
        run_here(chapter.train, *options)
        contents.append((tmp_path / str(number) / 'model.pth').read_bytes())

    assert contents[0] == contents[1] != contents[2]


def predict(chapter, model_fn, text, folder, monkeypatch, *options):
    """Return the lines that the program prints for what comes on stdin."""
    (folder / 'stdin').write_bytes(text)
    with (
        open(folder / 'stdin', encoding='utf-8') as file,
        captured(folder / 'stdout') as stdout,
    ):
        monkeypatch.setattr('sys.stdin', file)
        run_here(chapter.predict, '--model_fn', model_fn, *options)
    return stdout().splitlines()


@pytest.mark.parametrize('engine', ENGINES)
def test_one_line_for_each_line(chapter, model_fns, engine, tmp_path, monkeypatch):
    text = b'\nThe Taliban fled.\n\n \t \nqwertz\nArafat met Hamas, Arafat\ttoo.'
    options = ('--n_similar', 2)
    fn = model_fns[engine][0]

    lines = predict(chapter, fn, text, tmp_path, monkeypatch, *options)

    fields = [line.split('\t') for line in lines]
    assert [len(row) for row in fields] == [14] * 6
    for i, row in enumerate(fields):
        is_known = i in (1, 5)
        assert all(row[10:]) if is_known else not any(row[10:])
        if engine != 'lsa':
            shares = [float(share) for share in row[:10]]
            assert sum(shares) == pytest.approx(1, abs=1e-3)
            assert is_known or len(set(shares)) == 1
    assert len({tuple(row[:10]) for row in fields}) == 3


@pytest.mark.parametrize('engine', ENGINES)
def test_documents_find_themselves(chapter, model_fns, engine, tmp_path, monkeypatch):
    fn = model_fns[engine][0]
    checkpoint = torch.load(fn, weights_only=True)
    texts, *_ = chapter.data_loader.get_data(SimpleNamespace(**checkpoint['config']))

    stdin = '\n'.join(texts).encode()
    lines = predict(chapter, fn, stdin, tmp_path, monkeypatch, '--n_similar', 240)

    beginnings = [chapter.utils.get_beginning(text) for text in texts]
    assert checkpoint['beginnings'] == beginnings
    for row, line, beginning in zip(
        checkpoint['mixtures'], lines, beginnings, strict=True
    ):
        fields = line.split('\t')
        shares = [float(share) for share in fields[:10]]
        np.testing.assert_allclose(shares, row, atol=6e-5)
        cosines = [float(cosine) for cosine in fields[10::2]]
        assert cosines == sorted(cosines, reverse=True)
        assert cosines[fields[11::2].index(beginning)] == pytest.approx(1, abs=1e-3)


def test_a_line_does_not_depend_on_the_others(
    chapter, model_fns, tmp_path, monkeypatch
):
    """More lines than are read at once."""
    fn = model_fns['torch'][0]
    text = (
        b'Arafat met Hamas\nfire\n' + b'The Taliban fled from fires in Sydney\n' * 300
    )

    lines = predict(chapter, fn, text, tmp_path, monkeypatch)
    [alone] = predict(chapter, fn, b'Arafat met Hamas', tmp_path, monkeypatch)

    assert len(lines) == 302
    assert lines[0] == alone
    assert len(set(lines)) == 3


@settings(
    max_examples=500 if IS_LONG else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.binary() | st.text().map(str.encode)).map(b'\n'.join))
def test_any_bytes(chapter, model_fns, tmp_path, monkeypatch, content):
    """A line of ten shares for each line, or the line that is no UTF-8."""
    fn = model_fns['torch'][0]
    lines = content.split(b'\n')
    lines = lines[:-1] if lines[-1] == b'' else lines
    try:
        content.decode('utf-8')
        found = predict(chapter, fn, content, tmp_path, monkeypatch)
        assert [line.count('\t') for line in found] == [9] * len(lines)
    except UnicodeDecodeError:
        with pytest.raises(chapter.guards.InputError, match=r'^stdin, line \d+: exp'):
            predict(chapter, fn, content, tmp_path, monkeypatch)


@settings(
    max_examples=200 if IS_LONG else 20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.binary(max_size=20) | st.text().map(str.encode)).map(b'\n'.join))
def test_any_bytes_to_learn_from(chapter, tmp_path, content):
    """Data to learn from, or one line that says what is wrong."""
    (tmp_path / 'x.txt').write_bytes(content)
    options = ['--train_fn', str(tmp_path / 'x.txt'), '--min_document_freq', '1']
    config = chapter.train.define_argparser().parse_args(options)
    try:
        texts, _, counts, *_ = chapter.data_loader.get_data(config)
        assert counts.shape[0] == len(texts) > 0
        assert counts.sum(axis=1).min() > 0
    except chapter.guards.InputError as error:
        assert len(str(error).splitlines()) == 1


BAD_FILES = {
    'empty': (b'', ': expected two documents with words or more'),
    'blank': (b'\n \n\n', ': expected two documents with words or more'),
    'one document': (b'dogs bark\n', ': expected two documents with words or more'),
    'no words': (b'1 2 3\n4 5 6\n', ': expected two documents with words or more'),
    'no UTF-8': (b'dogs bark\ncats\xff purr\n', ', line 2: expected UTF-8, byte 5'),
}


@pytest.mark.parametrize('fault', BAD_FILES)
def test_bad_file(chapter, fault, tmp_path, capsys):
    content, message = BAD_FILES[fault]
    fn = tmp_path / 'x.txt'
    fn.write_bytes(content)

    with pytest.raises(chapter.guards.InputError) as error:
        run_here(chapter.train, '--train_fn', fn, '--model_fn', tmp_path / 'x.pth')

    assert str(error.value).startswith(f'{fn}{message}')
    assert capsys.readouterr().out == ''
    assert [file.name for file in tmp_path.iterdir()] == ['x.txt']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--train_fn', 'missing'), 'error: missing: cannot be read: No such file'),
        (('--train_fn', '.'), 'error: .: cannot be read: Is a directory'),
        (('--stop_fn', 'missing'), 'error: missing: cannot be read: No such file'),
        (('--min_document_freq', '999'), 'error: of '),
        (('--engine', 'lsa', '--n_topics', '999'), 'error: --n_topics 999: LSA finds'),
        (('--n_topics', '1'), 'train.py: error: argument --n_topics: expected a whole'),
        (('--alpha', '0'), 'train.py: error: argument --alpha: expected a number'),
    ],
)
def test_bad_options(tmp_path, options, message):
    folder = copy_chapter(NAME, tmp_path)

    process = run_quickly(folder, 'train.py', '--verbose', '0', *options)

    assert (process.returncode, process.stdout) == (2, '')
    line = process.stderr.splitlines()[-1]
    assert line.startswith(message)
    assert 'Traceback' not in process.stderr


def test_stop_words_of_ones_own(chapter, tmp_path, capsys):
    (tmp_path / 'stop.txt').write_text('Australia new\nsouth\n', encoding='utf-8')
    options = ('--n_epochs', 1, '--verbose', 0, '--model_fn', tmp_path / 'x.pth')

    run_here(chapter.train, '--stop_fn', tmp_path / 'stop.txt', *options)

    vocabulary = torch.load(tmp_path / 'x.pth', weights_only=True)['vocabulary']
    assert not {'australia', 'new', 'south'} & set(vocabulary)
    assert 'australian' in vocabulary


# ---- Pictures and pages


@pytest.fixture(scope='module')
def korean_fn(chapter, tmp_path_factory):
    """The checkpoint of a training on Korean lines."""
    folder = tmp_path_factory.mktemp('korean')
    lines = [
        '배우의 연기가 좋은 영화',
        '감독의 영화는 음악이 좋다',
        '배우와 감독의 음악',
    ]
    (folder / 'ko.txt').write_text('\n'.join(lines * 5), encoding='utf-8')
    options = ('--lang', 'ko', '--n_topics', 3, '--max_document_ratio', 1)
    options += ('--train_fn', folder / 'ko.txt', '--model_fn', folder / 'ko.pth')
    with captured(folder / 'stdout'):
        run_here(chapter.train, *options, '--min_document_freq', 1, '--verbose', 0)
    return folder / 'ko.pth'


def test_korean_shows_as_korean(chapter, korean_fn, tmp_path, capsys):
    """matplotlib warns of each letter that it has to draw as a box."""
    options = ('--model_fn', korean_fn, '--topics')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        run_here(chapter.predict, *options, '--figure_fn', tmp_path / 'x.png')

    assert '영화' in capsys.readouterr().out
    assert (tmp_path / 'x.png').read_bytes().startswith(b'\x89PNG')


def find_chromium():
    for name in ('chromium', 'chromium-browser', 'google-chrome', 'chrome'):
        if shutil.which(name):
            return name
    return None


def open_page(page_fn, folder):
    """Return the page as Chromium has built it, without a network."""
    if find_chromium() is None:
        pytest.skip('there is no Chromium to open a page')
    options = ['--headless', '--no-sandbox', '--disable-gpu', '--dump-dom']
    options += [f'--user-data-dir={folder}', '--virtual-time-budget=10000']
    options += ['--host-resolver-rules=MAP * ~NOTFOUND', f'file://{page_fn}']
    command = [find_chromium(), *options]
    process = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return process.stdout.decode('utf-8')


@pytest.mark.parametrize('lang', ['en', 'ko'])
def test_page_opens_and_shows_every_topic(
    chapter, model_fns, korean_fn, lang, tmp_path, capsys
):
    fn, n_topics, word = {
        'en': (model_fns['torch'][0], 10, 'palestinian'),
        'ko': (korean_fn, 3, '영화'),
    }[lang]
    page_fn = tmp_path / 'x.html'
    run_here(chapter.predict, '--model_fn', fn, '--topics', '--html_fn', page_fn)

    page = page_fn.read_text(encoding='utf-8')
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    page = open_page(page_fn, tmp_path / 'profile')
    assert page.count('class="dot"') == n_topics
    assert word in page


def test_no_page_of_lsa(chapter, model_fns, tmp_path):
    options = ('--topics', '--html_fn', tmp_path / 'x.html')
    with pytest.raises(chapter.guards.InputError, match='LSA has none'):
        run_here(chapter.predict, '--model_fn', model_fns['lsa'][0], *options)


def test_a_pipe_of_processes(model_fns, tmp_path):
    folder = copy_chapter(NAME, tmp_path)
    options = ('predict.py', '--model_fn', model_fns['torch'][0])

    process = run(folder, *options, stdin='Arafat\r\n\r\nHamas', check=True)

    assert len(process.stdout.splitlines()) == 3
    assert '\r' not in process.stdout
    assert process.stderr == ''
