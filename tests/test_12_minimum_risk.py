"""12/minimum_risk: scores, samples and gradients are right, and the risk falls."""

import itertools
import math
from collections import Counter
from contextlib import redirect_stdout
from io import StringIO
from unittest import mock

import pytest
import torch
from attacks import run_here
from chapters import importable, load_chapter
from torch import nn
from translators import make_translator

BOS, EOS = 2, 3
VOCAB_SIZE, MAX_LENGTH = 4, 4
NETWORKS = ['12_seq2seq', '13_transformer']


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter('12_seq2seq/minimum_risk')
    with importable(loaded):
        yield loaded


# ---- The scores


def count_gleu(hypothesis, reference):
    """Return GLEU as the formula has it, with a Counter for each n."""
    n_matches = n_hypothesis = n_reference = 0
    for n in range(1, 5):
        counts = [
            Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1))
            for ids in (hypothesis, reference)
        ]
        n_matches += (counts[0] & counts[1]).total()
        n_hypothesis += counts[0].total()
        n_reference += counts[1].total()
    return n_matches / max(n_hypothesis, n_reference)


def make_sentences(shape, generator):
    """Return tokens that end at a random place, and the same as lists without EOS."""
    y = torch.randint(4, 7, shape, generator=generator)
    lengths = torch.randint(0, shape[-1], shape[:-1], generator=generator)
    y[torch.arange(shape[-1]) >= lengths.unsqueeze(-1)] = EOS
    return y, lengths


def test_gleu_is_that_of_counters(chapter):
    generator = torch.Generator().manual_seed(0)
    candidates, lengths = make_sentences((40, 5, 12), generator)
    references, reference_lengths = make_sentences((40, 9), generator)
    # A reference has a token, and what follows its EOS is padding.
    references[:, 0], reference_lengths = 4, reference_lengths.clamp(min=1)
    references[torch.arange(9) > reference_lengths.unsqueeze(-1)] = 0

    gleu = chapter.risk.Gleu()(candidates, references)

    expected = [
        [
            count_gleu(y[:n].tolist(), reference[:n_reference].tolist())
            for y, n in zip(ys, ns, strict=True)
        ]
        for ys, ns, reference, n_reference in zip(
            candidates, lengths, references, reference_lengths, strict=True
        )
    ]
    assert torch.allclose(gleu, torch.tensor(expected), atol=1e-6)
    assert (lengths == 0).any() and gleu.unique().numel() > 50


def test_gleu_is_that_of_nltk(chapter):
    nltk = pytest.importorskip('nltk.translate.gleu_score')
    generator = torch.Generator().manual_seed(1)
    candidates, lengths = make_sentences((40, 1, 12), generator)
    references, reference_lengths = make_sentences((40, 12), generator)
    gleu = chapter.risk.Gleu()(candidates, references)
    for i in range(40):
        if reference_lengths[i]:
            reference = references[i, : reference_lengths[i]].tolist()
            hypothesis = candidates[i, 0, : lengths[i]].tolist()
            expected = nltk.sentence_gleu([reference], hypothesis)
            assert gleu[i, 0].item() == pytest.approx(expected)


def test_gleu_of_equal_and_of_different_sentences(chapter):
    references = torch.tensor([[5, 6, 5, 7, EOS, 0]])
    candidates = torch.tensor([[[5, 6, 5, 7, EOS], [8, 8, 8, 8, 8], [EOS] * 5]])

    assert chapter.risk.Gleu()(candidates, references).tolist() == [[1.0, 0.0, 0.0]]


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
    """The files of a tiny translator of each chapter, by its name."""
    folder = tmp_path_factory.mktemp('pretrained')
    for name in NETWORKS:
        make_translator(folder / f'{name}.pth', name)
    return {name: folder / f'{name}.pth' for name in NETWORKS}


@pytest.mark.parametrize('name', ['bleu', 'chrf'])
def test_text_scores_are_those_of_sacrebleu(name, chapter, pretrained):
    checkpoint = chapter.pretrained.load_pretrained(pretrained['12_seq2seq'])
    subwords = chapter.pretrained.get_subwords(checkpoint)[1]
    texts = ['The red bus is late.', 'A red bus was late today.', '', 'No bus']
    reference = 'The red bus was late.'
    ids = [torch.tensor([*i, EOS]) for i in subwords.encode(texts)]
    candidates = nn.utils.rnn.pad_sequence(ids, True, EOS).unsqueeze(0)
    references = torch.tensor([[*subwords.encode(reference), EOS, 0, 0]])

    scores = chapter.risk.get_metric(name, subwords)(candidates, references)

    from sacrebleu import sentence_bleu, sentence_chrf

    score = sentence_bleu if name == 'bleu' else sentence_chrf
    expected = [score(text, [reference]).score / 100 for text in texts]
    assert scores.tolist() == [pytest.approx(expected, abs=1e-6)]
    assert scores[0, 0] > scores[0, 2] == 0


# ---- A network that is so small that all its translations can be listed


class Table(nn.Module):
    """Logits for each position and previous token, and nothing else."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        shape = MAX_LENGTH, VOCAB_SIZE, VOCAB_SIZE
        table = torch.randn(shape, generator=generator, dtype=torch.float64)
        self.table = nn.Parameter(table)

    def forward(self, x, lengths, y):
        return self.table[torch.arange(y.size(1)), y]

    def start(self, x, lengths):
        return TableState()

    def step(self, y, state):
        state.t += 1
        return self.table[state.t - 1, y]


class TableState:
    t = 0

    def select(self, rows):
        pass


def list_translations():
    """Return all translations, filled up with EOS, and how many tokens are drawn."""
    found = {}
    n_steps = MAX_LENGTH - 1
    for y in itertools.product(range(VOCAB_SIZE), repeat=n_steps):
        n_tokens = y.index(EOS) + 1 if EOS in y else n_steps
        found[y[:n_tokens] + (EOS,) * (n_steps - n_tokens)] = n_tokens
    return torch.tensor(list(found)), torch.tensor(list(found.values()))


@pytest.fixture(scope='module')
def world(chapter):
    """The table, all its translations, their log-probabilities and made-up risks."""
    network, (tokens, n_tokens) = Table(), list_translations()
    x, lengths = torch.tensor([[5]]), torch.tensor([1])
    log_p = chapter.search.get_log_p(
        network, x, lengths, tokens.unsqueeze(0), n_tokens.unsqueeze(0), BOS
    )[0]
    generator = torch.Generator().manual_seed(2)
    risk = torch.rand(len(tokens), generator=generator, dtype=torch.float64)
    return network, tokens, log_p, risk


def get_gradient(loss, network):
    return torch.autograd.grad(loss, network.table, retain_graph=True)[0]


def test_probabilities_add_up(world):
    _, tokens, log_p, _ = world

    assert len(tokens) == 40
    assert log_p.exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize('baseline', ['none', 'others'])
def test_expected_gradient_of_reinforce(baseline, chapter, world):
    """Over all pairs of samples, it is the gradient of the expected risk."""
    network, _, log_p, risk = world
    pairs = torch.cartesian_prod(*[torch.arange(len(risk))] * 2)
    p = log_p.detach().exp()[pairs].prod(dim=1)

    losses = chapter.risk.get_reinforce_loss(log_p[pairs], risk[pairs], baseline)

    expected = get_gradient((log_p.exp() * risk).sum(), network)
    gradient = get_gradient((p * losses).sum(), network)
    assert torch.allclose(gradient, expected, atol=1e-12)
    assert expected.abs().max() > 0.01


def test_baseline_lowers_the_variance(chapter, world):
    network, _, log_p, risk = world
    pairs = torch.cartesian_prod(*[torch.arange(len(risk))] * 2)
    p = log_p.detach().exp()[pairs].prod(dim=1)
    leaf = log_p.detach().requires_grad_()
    table = torch.stack([get_gradient(each, network).flatten() for each in log_p])

    def get_mean_square(baseline):
        losses = chapter.risk.get_reinforce_loss(leaf[pairs], risk[pairs], baseline)
        each = torch.eye(len(pairs), dtype=torch.float64)
        gradients = torch.autograd.grad(losses, leaf, each, is_grads_batched=True)[0]
        return (p * (gradients @ table).square().sum(dim=1)).sum().item()

    assert get_mean_square('others') < 0.7 * get_mean_square('none')


@pytest.mark.parametrize('alpha', [0.005, 1.0])
def test_gradient_of_the_renormalised_risk(alpha, chapter, world):
    """It is that of finite differences, and what the docstring says."""
    network, tokens, _, risk = world
    candidates, risk = tokens[[0, 7, 7, 12, 30]], risk[[0, 7, 7, 12, 30]].unsqueeze(0)
    n_tokens = torch.tensor([[3, 3, 3, 1, 2]])
    is_new = chapter.risk.find_new(candidates.unsqueeze(0))
    x, lengths = torch.tensor([[5]]), torch.tensor([1])

    def get_log_p(table):
        copy = Table()
        del copy.table
        copy.table = table
        task = copy, x, lengths, candidates.unsqueeze(0), n_tokens, BOS
        return chapter.search.get_log_p(*task)

    def get_loss(table):
        log_p = get_log_p(table)
        return chapter.risk.get_expected_risk(log_p, risk, is_new, alpha).sum()

    assert is_new.tolist() == [[True, True, False, True, True]]
    assert torch.autograd.gradcheck(get_loss, network.table, atol=1e-9)
    log_p = get_log_p(network.table)
    q = (log_p.detach() * alpha).exp() * is_new
    q /= q.sum()
    excess = risk - (q * risk).sum()
    expected = get_gradient((alpha * q * excess * log_p).sum(), network)
    gradient = get_gradient(get_loss(network.table), network)
    assert torch.allclose(gradient, expected, atol=1e-12)


def test_frequencies_of_samples(chapter, world):
    network, tokens, log_p, _ = world
    x, lengths = torch.full((400, 1), 5), torch.ones(400, dtype=torch.long)
    torch.manual_seed(0)

    drawn, n_tokens = chapter.search.sample(
        network, x, lengths, BOS, EOS, MAX_LENGTH, n_samples=100
    )

    drawn = drawn.flatten(0, 1)
    counts = (drawn.unsqueeze(1) == tokens).all(dim=-1).sum(dim=0)
    n, p = len(drawn), log_p.detach().exp()
    assert counts.sum() == n
    assert ((counts - n * p).abs() < 5 * (n * p * (1 - p)).sqrt()).all()
    chi_square = ((counts - n * p) ** 2 / (n * p)).sum().item()
    # 39 degrees of freedom: the mean is 39, the standard deviation sqrt(78).
    assert abs(chi_square - 39) < 5 * math.sqrt(78)
    expected = (drawn != EOS).sum(dim=-1) + (drawn == EOS).any(dim=-1)
    assert torch.equal(n_tokens.flatten(), expected)


# ---- The networks of 12 and of 13


@pytest.mark.parametrize('name', NETWORKS)
def test_samples_keep_to_the_limits_and_have_their_log_p(name, chapter, pretrained):
    checkpoint = chapter.pretrained.load_pretrained(pretrained[name])
    network = chapter.pretrained.get_network(checkpoint, checkpoint['config'])
    lengths = torch.tensor([1, 5, 3])
    x = torch.randint(4, 300, (3, 5)).masked_fill(
        torch.arange(5) >= lengths.unsqueeze(1), 0
    )
    torch.manual_seed(0)

    tokens, n_tokens = chapter.search.sample(network, x, lengths, BOS, EOS, 15, 4)
    log_p = chapter.search.get_log_p(network, x, lengths, tokens, n_tokens, BOS)

    # Twice the length plus 10, at most 15, and EOS is one of them.
    assert n_tokens.amax(dim=1).tolist() == [11, 14, 14]
    for i, (rows, counts) in enumerate(zip(tokens, n_tokens, strict=True)):
        for k, (y, n) in enumerate(zip(rows.tolist(), counts.tolist(), strict=True)):
            assert set(y[n:]) <= {EOS}
            assert EOS not in y[: n - 1]
            state = network.start(x[i : i + 1, : lengths[i]], lengths[i : i + 1])
            expected, last = 0.0, BOS
            for token in y[:n]:
                logits = network.step(torch.tensor([[last]]), state)[0, 0]
                expected += logits.log_softmax(dim=-1)[token].item()
                last = token
            assert log_p[i, k].item() == pytest.approx(expected, abs=1e-4)


def test_the_reference_is_one_candidate_more(chapter):
    candidates, n_tokens = (
        torch.tensor([[[5, EOS]], [[6, 7]]]),
        torch.tensor([[2], [2]]),
    )
    references = torch.tensor([[5, 6, EOS], [7, EOS, 0]])

    longer, n_longer = chapter.trainer.add_reference(candidates, n_tokens, references)
    shorter, _ = chapter.trainer.add_reference(longer, n_longer, references[:, :2])

    assert longer.tolist() == [
        [[5, EOS, EOS], [5, 6, EOS]],
        [[6, 7, EOS], [7, EOS, EOS]],
    ]
    assert n_longer.tolist() == [[2, 3], [2, 2]]
    assert shorter[:, -1].tolist() == [[5, 6, EOS], [7, EOS, EOS]]


LOSSES = [
    (('--method', 'reinforce', '--n_samples', '2'), False),
    (('--method', 'reinforce', '--n_samples', '2', '--likelihood_weight', '1'), True),
    (('--method', 'minimum_risk', '--include_reference'), True),
]


@pytest.mark.parametrize(('options', 'needs_reference'), LOSSES)
def test_loss_mixes_what_it_is_told_to(options, needs_reference, chapter):
    config = vars(chapter.train.define_argparser().parse_args(options))
    crit = chapter.risk.RiskLoss(config)
    n_candidates = config['n_samples'] + needs_reference
    log_p, risk = -torch.rand(3, n_candidates), torch.rand(3, n_candidates)
    candidates = torch.randint(4, 99, (3, n_candidates, 7))

    loss = crit(log_p, risk, candidates)

    if config['method'] == 'minimum_risk':
        q = (config['alpha'] * log_p).softmax(dim=1)
        expected = (q * risk).sum(dim=1).mean()
    else:
        difference = risk[:, 0] - risk[:, 1]
        expected = (difference * (log_p[:, 0] - log_p[:, 1])).mean() / 2
    expected = expected - config['likelihood_weight'] * log_p[:, -1].mean()
    assert crit.needs_reference == needs_reference
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


# ---- The programs


@pytest.fixture(scope='module')
def pairs(tmp_path_factory):
    """The prefix of a few pairs of the sample."""
    folder = tmp_path_factory.mktemp('pairs')
    for lang in ('ko', 'en'):
        lines = [f'{"가나다" if lang == "ko" else "the"} {i % 3}\n' for i in range(32)]
        (folder / f'few.{lang}').write_text(''.join(lines), encoding='utf-8')
    return folder / 'few'


@pytest.fixture(scope='module')
def options(pairs, pretrained):
    data = ('--train_fn', pairs, '--valid_fn', pairs, '--cache_dir', pairs.parent)
    return (*data, '--max_length', '12', '--pretrained_fn', pretrained['12_seq2seq'])


def load(fn):
    return torch.load(fn, weights_only=True)


@pytest.mark.parametrize('method', ['reinforce', 'minimum_risk'])
def test_expected_risk_falls(method, chapter, world):
    """The exact one, over all translations, by steps that see samples only."""
    _, tokens, _, risk = world
    network = Table()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    task = network, torch.full((8, 1), 5), torch.ones(8, dtype=torch.long)
    torch.manual_seed(0)

    def get_expected_risk():
        n_tokens = (tokens != EOS).sum(dim=-1) + (tokens == EOS).any(dim=-1)
        everything = tokens.unsqueeze(0), n_tokens.unsqueeze(0)
        first = task[1][:1], task[2][:1]
        log_p = chapter.search.get_log_p(network, *first, *everything, BOS)
        return (log_p.exp() * risk).sum().item()

    before = get_expected_risk()
    for _ in range(100):
        drawn, n_tokens = chapter.search.sample(*task, BOS, EOS, MAX_LENGTH, 4)
        missing = MAX_LENGTH - 1 - drawn.size(2)
        drawn = nn.functional.pad(drawn, (0, missing), value=EOS)
        is_drawn = (drawn.unsqueeze(2) == tokens).all(dim=-1)
        drawn_risk = risk[is_drawn.long().argmax(dim=-1)]
        log_p = chapter.search.get_log_p(*task, drawn, n_tokens, BOS)
        if method == 'reinforce':
            losses = chapter.risk.get_reinforce_loss(log_p, drawn_risk, 'others')
        else:
            is_new = chapter.risk.find_new(drawn)
            losses = chapter.risk.get_expected_risk(log_p, drawn_risk, is_new, 0.5)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()

    assert get_expected_risk() < 0.5 * before


METHODS = [
    ('--include_reference', '--likelihood_weight', '0.5'),
    ('--method', 'reinforce', '--metric', 'chrf', '--likelihood_weight', '1'),
]


@pytest.mark.parametrize('method', METHODS, ids=' '.join)
def test_program_learns(method, chapter, options, tmp_path, capsys):
    model_fn = tmp_path / 'x.pth'
    steps = ('--n_epochs', '6', '--batch_size', '8', '--lr', '0.05')

    run_here(chapter.train, *options, *steps, *method, '--model_fn', model_fn)

    before = float(capsys.readouterr().err.split('before: valid_loss=')[1][:6])
    history = load(model_fn.with_suffix('.last.pth'))['trainer']['history']
    assert min(history['valid_loss']) < before - 0.1
    assert history['train_loss'][-1] < history['train_loss'][0]


@pytest.mark.parametrize('name', NETWORKS)
def test_translators_of_both_chapters(name, chapter, options, pretrained, tmp_path):
    """What is saved is a checkpoint of the chapter that the network comes from."""
    model_fn, stdin_fn = tmp_path / 'x.pth', tmp_path / 'stdin'
    arguments = ('--pretrained_fn', pretrained[name], '--model_fn', model_fn)
    run_here(chapter.train, *options, *arguments, '--n_epochs', 1)
    stdin_fn.write_text('가나다 1\n\n', encoding='utf-8')
    parent = load_chapter(name)

    outputs = []
    for translator in (chapter, parent):
        with (
            importable(translator),
            open(stdin_fn, encoding='utf-8') as stdin,
            mock.patch('sys.stdin', stdin),
            redirect_stdout(StringIO()) as stdout,
        ):
            run_here(translator.translate, '--model_fn', model_fn)
        outputs.append(stdout.getvalue())

    assert load(model_fn)['chapter'] == name
    assert outputs[0] == outputs[1]
    assert outputs[0].endswith('\n\n') and outputs[0].count('\n') == 2


def test_the_pretrained_network_stays_if_no_epoch_is_better(
    chapter, options, pretrained, tmp_path
):
    model_fn = tmp_path / 'x.pth'
    run_here(chapter.train, *options, '--model_fn', model_fn, '--lr', 9)

    model, before = load(model_fn)['model'], load(pretrained['12_seq2seq'])['model']
    last = load(model_fn.with_suffix('.last.pth'))['model']
    assert all(torch.equal(model[name], before[name]) for name in before)
    assert not all(torch.equal(last[name], before[name]) for name in before)


def test_gradients_of_small_batches_add_up(chapter, options, tmp_path, monkeypatch):
    """With the same samples, a batch of 20 and one of 12 are one of 32."""
    gradients = []

    def sample(model, x, lengths, bos_id, eos_id, max_length, n_samples):
        y = x[:, :1].unsqueeze(1) + torch.arange(n_samples).view(1, -1, 1)
        y = torch.cat([y, torch.full_like(y, eos_id)], dim=-1)
        return y, torch.full(y.shape[:2], 2)

    def keep_gradients(trainer):
        parameters = trainer.model.parameters()
        gradients.append([p.grad / trainer.n_targets for p in parameters])

    monkeypatch.setattr(chapter.trainer, 'sample', sample)
    monkeypatch.setattr(chapter.trainer.Trainer, '_update', keep_gradients)
    options += ('--method', 'reinforce', '--likelihood_weight', '0.1')
    for size, n_batches in ((32, 1), (20, 2)):
        sizes = ('--batch_size', size, '--iteration_per_update', n_batches)
        model_fn = ('--model_fn', tmp_path / f'{size}.pth')
        run_here(chapter.train, *options, *sizes, *model_fn, '--n_epochs', 1)

    assert len(gradients) == 2
    for whole, summed in zip(*gradients, strict=True):
        assert torch.allclose(whole, summed, atol=1e-6)
    assert any(gradient.abs().max() > 1e-3 for gradient in gradients[0])


WRONG = [
    (('--method', 'reinforce', '--n_samples', '1'), '--n_samples 1: has no --baseline'),
    (('--method', 'reinforce', '--include_reference'), '--include_reference: expected'),
]


@pytest.mark.parametrize(('wrong', 'message'), WRONG)
def test_options_that_do_not_go_together(wrong, message, chapter, options, tmp_path):
    with pytest.raises(chapter.guards.InputError, match=message):
        run_here(chapter.train, *options, *wrong, '--model_fn', tmp_path / 'x.pth')


def test_a_loss_that_is_not_a_number(chapter, options, pretrained, tmp_path):
    checkpoint = load(pretrained['12_seq2seq'])
    checkpoint['model']['generator.bias'].fill_(torch.nan)
    torch.save(checkpoint, tmp_path / 'nan.pth')
    fns = ('--pretrained_fn', tmp_path / 'nan.pth', '--model_fn', tmp_path / 'x.pth')

    with pytest.raises(chapter.guards.InputError, match='loss=nan in epoch 1, .* --lr'):
        run_here(chapter.train, *options, *fns)


def test_the_pretrained_checkpoint_is_not_written_to(chapter, options, pretrained):
    before = pretrained['12_seq2seq'].read_bytes()

    with pytest.raises(chapter.guards.InputError, match='expected another file than'):
        run_here(chapter.train, *options, '--model_fn', pretrained['12_seq2seq'])

    assert pretrained['12_seq2seq'].read_bytes() == before


def test_checkpoint_of_another_chapter(chapter, options, tmp_path):
    fn = tmp_path / 'other.pth'
    torch.save({'chapter': '10_text_classification'}, fn)
    expected = (
        f'{fn}: expected a checkpoint of 12_seq2seq or 13_transformer, '
        "found one of '10_text_classification'"
    )

    with pytest.raises(chapter.guards.InputError) as failure:
        run_here(
            chapter.train,
            *options,
            '--pretrained_fn',
            fn,
            '--model_fn',
            tmp_path / 'x.pth',
        )

    assert str(failure.value) == expected
