"""Appendix word2vec: gradients against autograd, pairs against loops, and gensim."""

import io
import os
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attacks import run_here, run_quickly
from chapters import copy_chapter, importable, load_chapter
from gensim.models import KeyedVectors, Word2Vec
from gensim.test.utils import datapath
from hypothesis import example, given, settings
from hypothesis import strategies as st

NAME = 'appendix_word2vec'
IS_LONG = os.environ.get('TEST_LONG') == '1'
N_EXAMPLES = 1000 if IS_LONG else 50
SMALL = ('--word_vec_size', 12, '--verbose', 0)
TINY = (*SMALL, '--n_epochs', 1)
KINDS = ['skipgram', 'cbow']
FORMS = ['--fast', '--no-fast']
CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def model_fn(chapter, tmp_path_factory):
    """The vectors of a short training on the default text."""
    model_fn = tmp_path_factory.mktemp('trained') / 'model.pth'
    vectors_fn = model_fn.with_name('vectors.txt')
    options = ('--model_fn', model_fn, '--vectors_fn', vectors_fn, '--n_epochs', 2)
    run_here(chapter.train, *options, *SMALL)
    return model_fn


def make_config(**changes):
    config = {'model': 'skipgram', 'word_vec_size': 5, 'window': 2, 'n_negatives': 3}
    config |= {'block_size': 4, 'n_noise': 6, 'sample': 0.0, 'n_epochs': 1, 'lr': 0.025}
    return SimpleNamespace(
        **config | {'batch_size': 8, 'verbose': 0, 'seed': 0} | changes
    )


def make_model(chapter, kind, n_words=9, form='fast'):
    """Return a model whose vectors are all random."""
    get_model = getattr(chapter, form).get_model
    model = get_model(make_config(model=kind), n_words)
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter, dtype=torch.float64)
    return model


def make_batch(window=2, n_blocks=3, block_size=4, n_noise=6, n_words=9):
    """Return random blocks; some words have no other around them."""
    torch.manual_seed(1)
    size = block_size + 2 * window
    words = torch.randint(n_words, (n_blocks, size))
    noise = torch.randint(n_words, (n_blocks, n_noise))
    is_pair = torch.zeros(n_blocks, block_size, size, dtype=torch.float64)
    for b in range(n_blocks):
        for i in range(1, block_size):
            for j in range(i, i + 2 * window + 1):
                is_pair[b, i, j] = float(j != i + window and torch.rand(()) < 0.7)
    return words, is_pair, noise


def make_examples(kind, words, is_pair, noise):
    """Return the same as the plain form wants it: x, y and noise of each example."""
    x, y, rows = [], [], []
    for b, i in np.ndindex(is_pair.shape[:2]):
        context, middle = words[b][is_pair[b, i] > 0].tolist(), words[b, i + 2].item()
        if kind == 'skipgram':
            x += [[middle]] * len(context)
            y += context
            rows += [b] * len(context)
        elif context:
            x.append(context + [-1] * (4 - len(context)))
            y.append(middle)
            rows.append(b)
    return torch.tensor(x), torch.tensor(y), noise[rows]


def log_p(score):
    return -np.log1p(np.exp(-score))


# ---- The plain models against the formula, and the fast ones against the plain ones


@pytest.mark.parametrize('kind', KINDS)
def test_loss_is_the_formula(chapter, kind):
    model = make_model(chapter, kind, form='model')
    x, y, noise = make_examples(kind, *make_batch())
    v, u = model.in_vectors.detach().numpy(), model.out_vectors.detach().numpy()

    loss, n = model(x, y, noise)

    total = 0
    rows = x.tolist(), y.tolist(), noise.tolist()
    for inputs, target, negatives in zip(*rows, strict=True):
        h = v[[word for word in inputs if word >= 0]].mean(axis=0)
        total -= log_p(u[target] @ h)
        total -= sum(log_p(-u[k] @ h) for k in negatives if k != target)
    assert loss.item() == pytest.approx(total, rel=1e-9)
    assert n == len(y) > 0


def test_gradient_of_skipgram_is_that_of_the_formula(chapter):
    """Of the word in the middle: the sum of (sigmoid(u . v) - label) u."""
    model = make_model(chapter, 'skipgram', form='model')
    x, y, noise = torch.tensor([[3]]), torch.tensor([5]), torch.tensor([[1, 5, 1]])
    v, u = model.in_vectors.detach()[3], model.out_vectors.detach()

    model(x, y, noise)[0].backward()

    expected = (torch.sigmoid(u[5] @ v) - 1) * u[5] + 2 * torch.sigmoid(u[1] @ v) * u[1]
    torch.testing.assert_close(model.in_vectors.grad[3], expected)
    assert model.in_vectors.grad[[0, 1, 2, 4, 5]].abs().max() == 0


def test_gradient_of_cbow_is_that_of_word2vecs_program(chapter):
    """Each word of the context gets the whole gradient of the mean, not its share."""
    model = make_model(chapter, 'cbow', form='model')
    x, y, noise = torch.tensor([[3, 4, -1]]), torch.tensor([5]), torch.tensor([[1, 5]])
    h = model.in_vectors.detach()[3:5].mean(dim=0)
    u = model.out_vectors.detach()

    model(x, y, noise)[0].backward()

    expected = (torch.sigmoid(u[5] @ h) - 1) * u[5] + torch.sigmoid(u[1] @ h) * u[1]
    for word in (3, 4):
        torch.testing.assert_close(model.in_vectors.grad[word], expected)
    assert model.in_vectors.grad[[0, 1, 2, 5]].abs().max() == 0


@pytest.mark.parametrize('kind', KINDS)
def test_fast_form_computes_the_same(chapter, kind):
    """Loss, gradients, and a step: on the same pairs with the same noise words."""
    batch, n_noise = make_batch(), 6
    plain = make_model(chapter, kind, form='model')
    fast = make_model(chapter, kind)
    before = {name: p.detach().clone() for name, p in fast.named_parameters()}

    loss, n = plain(*make_examples(kind, *batch))
    loss.backward()
    # Each noise word with the weight 1.
    parts = fast.prepare(*batch, n_negatives=n_noise)
    fast_loss, fast_n = fast.get_loss(*parts)
    fast.step(*parts, lr=0.1)

    torch.testing.assert_close(fast_loss, loss)
    assert fast_n == n
    for name, parameter in plain.named_parameters():
        assert parameter.grad.abs().max() > 0.1
        after = before[name] - 0.1 * parameter.grad
        torch.testing.assert_close(getattr(fast, name).data, after)


@pytest.mark.parametrize('kind', KINDS)
def test_noise_words_share_the_weight_of_the_negatives(chapter, kind):
    """Three negatives among six noise words: each has half of the weight."""
    model, batch = make_model(chapter, kind), make_batch()
    losses = {
        n: model.get_loss(*model.prepare(*batch, n_negatives=n))[0] for n in (0, 3, 6)
    }

    torch.testing.assert_close(
        losses[3] - losses[0], (losses[6] - losses[0]) / 2, rtol=1e-9, atol=0
    )


@pytest.mark.parametrize('kind', KINDS)
def test_forms_have_the_same_vectors_and_the_same_loss(chapter, kind):
    """So a checkpoint of one is a checkpoint of the other."""
    examples = make_examples(kind, *make_batch())
    forms = [make_model(chapter, kind, form=form) for form in ('model', 'fast')]

    assert list(forms[0].state_dict()) == ['in_vectors', 'out_vectors']
    forms[1].load_state_dict(forms[0].state_dict())
    assert forms[0](*examples)[0] == forms[1](*examples)[0]


@pytest.mark.parametrize('kind', KINDS)
def test_a_step_lowers_the_loss(chapter, kind):
    model, batch = make_model(chapter, kind), make_batch()
    parts = model.prepare(*batch, n_negatives=3)
    before = model.get_loss(*parts)[0]

    model.step(*parts, lr=1e-3)

    assert model.get_loss(*parts)[0] < before


# ---- The pairs against a loop


def make_dataset(chapter, sentences, counts=None, **changes):
    config = make_config(**changes)
    counts = counts or chapter.data_loader.count_words(sentences, 1)
    dataset = chapter.fast.BlockDataset(sentences, counts, config, CPU)
    dataset.draw()
    return dataset, list(counts)


def get_pairs(dataset, window):
    """Count the pairs of words in all blocks, by their numbers."""
    words, is_pair, _ = dataset[0 : len(dataset)]
    return Counter(
        (words[b, i + window].item(), words[b, j].item())
        for b, i, j in is_pair.nonzero().tolist()
    )


@settings(max_examples=N_EXAMPLES, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from('abcde?'), max_size=9), min_size=1, max_size=8),
    st.integers(1, 12),
    st.integers(1, 4),
)
@example([list('ab'), list('cd')], 2, 3)
def test_pairs_are_those_of_a_loop(chapter, sentences, block_size, window):
    """None across sentences, at any place of a block, the last word's among them."""
    counts = dict.fromkeys('abcde', 1)
    dataset, _ = make_dataset(
        chapter, sentences, counts, block_size=block_size, window=window
    )
    sizes = [size for size in dataset.sizes.flatten().tolist() if size > 0]

    expected, place = Counter(), 0
    for sentence in sentences:
        numbers = ['abcde'.index(word) for word in sentence if word != '?']
        for i, number in enumerate(numbers):
            size = sizes[place]
            around = numbers[max(0, i - size) : i] + numbers[i + 1 : i + 1 + size]
            expected.update((number, other) for other in around)
            place += 1
    assert get_pairs(dataset, window) == expected
    assert len(dataset) == max(1, -(-place // block_size))
    assert len(sizes) == place
    assert max(sizes, default=1) <= window


def test_every_window_is_as_likely(chapter):
    dataset, _ = make_dataset(chapter, [['a', 'b'] * 20_000], window=5)

    shares = dataset.sizes.flatten().bincount(minlength=6) / dataset.sizes.numel()

    np.testing.assert_allclose(shares, [0] + [0.2] * 5, atol=0.01)


def test_frequent_words_are_left_out_anew_each_epoch(chapter):
    sentences = [['the'] * 9 + ['rare']] * 4000
    dataset, words = make_dataset(chapter, sentences, sample=0.01, window=1)
    kept = []
    for _ in range(2):
        dataset.draw()
        block_words, *_ = dataset[0 : len(dataset)]
        numbers = block_words[:, 1:-1].flatten()
        kept.append(numbers[dataset.block_sentences[:, 1:-1].flatten() >= 0])

    assert words == ['the', 'rare']
    assert not torch.equal(kept[0][:100], kept[1][:100])
    for numbers in kept:
        counts = numbers.bincount()
        share = (0.01 / 0.9) ** 0.5 + 0.01 / 0.9
        assert counts[0] / 36_000 == pytest.approx(share, rel=0.05)
        share = (0.01 / 0.1) ** 0.5 + 0.01 / 0.1
        assert counts[1] / 4000 == pytest.approx(share, rel=0.1)


def test_noise_is_drawn_by_its_distribution(chapter):
    sentences = [['a'] * 100, ['b'] * 10, ['c']] * 100
    dataset, words = make_dataset(chapter, sentences, n_noise=40)

    _, _, noise = dataset[0 : len(dataset)]

    assert words == ['a', 'b', 'c']
    shares = noise.flatten().bincount() / noise.numel()
    expected = np.array([100, 10, 1]) ** 0.75
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.01)
    assert not torch.equal(noise[0], noise[1])


# ---- The trainer


class Spy(torch.nn.Module):
    """Writes down the batches and learning rates that it gets."""

    def __init__(self):
        super().__init__()
        self.in_vectors = torch.nn.Parameter(torch.zeros(3, 2))
        self.batches, self.lrs = [], []

    def prepare(self, words, is_pair, noise, n_negatives):
        return words, is_pair, noise

    def get_loss(self, words, is_pair, noise):
        return is_pair.sum() * 2, is_pair.sum()

    def step(self, words, is_pair, noise, lr):
        self.batches.append(words)
        self.lrs.append(lr)


def make_trainer(chapter, model, counts, config, form='fast'):
    optimizer = torch.optim.SGD(model.parameters(), lr=config.lr)
    checkpoint = {'config': vars(config) | {'model_fn': os.devnull}}
    return getattr(chapter, form).Trainer(model, optimizer, counts, checkpoint)


def train_spy(chapter, n_words, **changes):
    sentences = [list('abc') * (n_words // 3)]
    counts = chapter.data_loader.count_words(sentences, 1)
    trainer = make_trainer(chapter, Spy(), counts, make_config(**changes))
    return trainer, sentences


@pytest.mark.parametrize('n_words', [3, 30, 3000])
def test_each_block_has_its_step(chapter, n_words):
    trainer, sentences = train_spy(chapter, n_words)

    loss = trainer._train(sentences, epoch=1)

    assert loss == 2
    seen = torch.cat(trainer.model.batches)
    assert torch.equal(seen, trainer.dataset.block_words)
    assert {len(batch) for batch in trainer.model.batches[:-1]} <= {2}


def test_no_step_has_a_word_too_often(chapter):
    """The sum of its gradients, all from the same vectors, would be too large."""
    counts = torch.tensor([300] + [1] * 300)
    for lr, window in ((0.025, 5), (0.05, 5), (0.025, 10), (0.0, 5)):
        # Of CBOW, a mean has half of its words rare here, and moves half as far.
        for kind, share in (('skipgram', 1 / 2), ('cbow', 1 / 4 + 1 / 1200)):
            config = make_config(lr=lr, window=window, model=kind)
            batch_size = chapter.trainer.get_max_batch_size(counts, config)
            expected = 1 / (share * max(lr, 1e-9) * window)
            assert batch_size == pytest.approx(expected, rel=0.1)

    trainer, sentences = train_spy(chapter, 3000, batch_size=3000)
    trainer._train(sentences, epoch=1)

    assert trainer.n_blocks in (14, 15)
    assert {len(batch) for batch in trainer.model.batches[:-1]} <= {14, 15}


def test_learning_rate_falls_in_a_line_to_nothing(chapter):
    trainer, sentences = train_spy(chapter, 3000, n_epochs=3)

    for epoch in (1, 2, 3):
        trainer._train(sentences, epoch)

    lrs = np.array(trainer.model.lrs)
    expected = 0.025 * (1 - np.arange(len(lrs)) / len(lrs))
    np.testing.assert_allclose(lrs, expected, atol=1e-4)
    assert 0 < lrs[-1] < 1e-4


class PlainSpy(Spy):
    """The same for the plain trainer, which asks for a loss alone."""

    def forward(self, x, y, noise):
        self.batches.append((x, y, noise))
        return 0 * self.in_vectors.sum() + 2 * len(y), len(y)


def test_plain_trainer_takes_every_example_once_an_epoch(chapter):
    """Batches of --batch_size words, each with its pairs; other ones in each epoch."""
    sentences = [list('abc') * 100]
    counts = chapter.data_loader.count_words(sentences, 1)
    config = make_config(n_epochs=2, n_noise=999)
    trainer = make_trainer(chapter, PlainSpy(), counts, config, form='trainer')
    epochs = []
    for epoch in (1, 2):
        trainer.model.batches.clear()
        assert trainer._train(sentences, epoch) == 2
        epochs.append(trainer.model.batches[:])

    for number, batches in enumerate(epochs, 1):
        # 300 words, 8 a step, each with a window of 1 or 2 on both sides.
        assert len(batches) == 38
        assert {len(y) for _, y, _ in batches[:-1]} <= {23, 24, 25}
        config.seed = number
        expected = chapter.model.get_examples(sentences, counts, config)
        for parts, whole in zip(zip(*batches, strict=True), expected, strict=True):
            assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(epochs[0][0][1], epochs[1][0][1])
    assert trainer.optimizer.param_groups[0]['lr'] < 0.025 / 20


@pytest.mark.parametrize('form', FORMS)
def test_loss_that_is_no_number_is_not_saved(chapter, tmp_path, form):
    options = ('--model_fn', tmp_path / 'x.pth', *TINY, '--lr', 1e9, form)

    with pytest.raises(chapter.guards.InputError, match='lower --lr'):
        run_here(chapter.train, *options)

    assert not (tmp_path / 'x.pth').exists()


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('kind', KINDS)
def test_seed_decides_the_file_to_the_last_byte(
    chapter, tmp_path, monkeypatch, kind, form
):
    contents = []
    for number, seed in enumerate((0, 0, 1)):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        torch.seed()
        run_here(chapter.train, '--model', kind, '--seed', seed, form, *TINY)
        contents.append((tmp_path / str(number) / 'model.pth').read_bytes())

    assert contents[0] == contents[1] != contents[2]


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('kind', KINDS)
def test_it_learns(chapter, tmp_path, kind, form):
    """Words of two topics that never occur together are not neighbours."""
    random = np.random.default_rng(0)
    topics = [['가을', '겨울', '여름', '날씨'], ['apple', 'pear', 'plum', 'fig']]
    text = ''.join(' '.join(random.choice(topics[n % 2], 8)) + '\n' for n in range(300))
    (tmp_path / 'text.txt').write_text(text, encoding='utf-8')
    options = ('--train_fn', tmp_path / 'text.txt', '--sample', 0, '--n_epochs', 20)
    fn = tmp_path / 'x.pth'

    run_here(chapter.train, '--model_fn', fn, '--model', kind, form, *SMALL, *options)

    vectors = chapter.model.load_vectors(fn)
    for topic in topics:
        neighbours = [word for word, _ in vectors.most_similar(topic[0], topn=3)]
        assert set(neighbours) == set(topic[1:])


@pytest.mark.parametrize('kind', KINDS)
def test_loss_is_that_of_gensim(chapter, kind):
    """Of both forms. On a small text: the benchmark does it on five million words."""
    texts = chapter.tables.read_texts(-1, datapath('lee_background.cor'))
    sentences = list(chapter.data_loader.tokenize_english(texts)) * 4
    config = make_config(model=kind, word_vec_size=30, window=5, n_negatives=5)
    for name, value in (('block_size', 32), ('batch_size', 512), ('n_noise', 32)):
        setattr(config, name, value)
    config.sample = 1e-3
    counts = chapter.data_loader.count_words(sentences, 20)
    examples = chapter.model.get_examples(sentences[:60], counts, config)

    losses = {}
    for form, module in (('fast', chapter.fast), ('trainer', chapter.model)):
        torch.manual_seed(0)
        model = module.get_model(config, len(counts))
        trainer = make_trainer(chapter, model, counts, config, form=form)
        trainer._train(sentences, 1)
        losses[form] = trainer._validate(examples)

    theirs = Word2Vec(
        sentences,
        sg=int(kind == 'skipgram'),
        vector_size=30,
        min_count=20,
        epochs=1,
        workers=1,
        seed=0,
    )
    order = [theirs.wv.key_to_index[word] for word in counts]
    matrices = {'in_vectors': theirs.wv.vectors[order]}
    matrices['out_vectors'] = theirs.syn1neg[order]
    model.load_state_dict({key: torch.tensor(m) for key, m in matrices.items()})
    loss = trainer._validate(examples)
    assert losses['fast'] == pytest.approx(loss, rel=0.03)
    assert losses['trainer'] == pytest.approx(loss, rel=0.03)


# ---- The files


def test_input_vectors_are_kept(chapter, model_fn):
    checkpoint = torch.load(model_fn, weights_only=True)
    vectors = chapter.model.load_vectors(model_fn)

    in_vectors = checkpoint['model']['in_vectors'].numpy()
    assert not np.allclose(in_vectors, checkpoint['model']['out_vectors'])
    for number, word in enumerate(checkpoint['words']):
        np.testing.assert_array_equal(vectors[word], in_vectors[number])


def test_gensim_reads_the_text_file(chapter, model_fn):
    theirs = KeyedVectors.load_word2vec_format(str(model_fn.with_name('vectors.txt')))
    ours = chapter.model.load_vectors(model_fn)

    assert theirs.index_to_key == ours.index_to_key
    np.testing.assert_allclose(theirs.vectors, ours.vectors, rtol=1e-5)


@pytest.mark.parametrize('name', ['folder', 'x.png'])
def test_text_file_that_can_not_be_written(chapter, tmp_path, name):
    (tmp_path / 'folder').mkdir()
    options = ('--model_fn', tmp_path / 'x.pth', '--vectors_fn', tmp_path / name)

    with pytest.raises(chapter.guards.InputError, match=name):
        run_here(chapter.train, *options, *TINY)

    assert not (tmp_path / 'x.pth').exists()


def test_words_are_counted(chapter):
    sentences = [['b', 'a', 'c'], ['b', 'a', 'b']]

    assert list(chapter.data_loader.count_words(sentences, 2).items()) == [
        ('b', 3),
        ('a', 2),
    ]
    with pytest.raises(chapter.guards.InputError, match='--min_count 3'):
        chapter.data_loader.count_words(sentences, 3)


def test_unknown_words(chapter, model_fn, monkeypatch, capsys):
    lines = iter(['the goverment', '', 'goverment', 'the'])
    monkeypatch.setattr(chapter.predict, 'read_lines', lambda **_: lines)

    run_here(chapter.predict, '--model_fn', model_fn, '--n_best', 2)

    answers = capsys.readouterr().out.splitlines()
    assert answers[:3] == [
        'the goverment\tunknown: goverment',
        '',
        'goverment\tunknown: goverment',
    ]
    assert len(answers) == 4
    assert len(answers[3].split('\t')) == 3


def test_silence(tmp_path):
    folder = copy_chapter(NAME, tmp_path)

    process = run_quickly(folder, 'train.py', *TINY, '--gpu_id', '-1', check=True)

    assert process.stdout == ''
    first, *others = io.StringIO(process.stderr).readlines()
    assert first.endswith('words to train on\n')
    assert [line.split()[0] for line in others] == ['1760', 'saved:', 'picture:']
