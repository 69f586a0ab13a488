"""Chapters 12 and 13: two networks, one search, and translations from it."""

import copy
import io
import itertools
import math
import os
import random
import re
import sys
import threading

import pytest
import torch
from attacks import run_here
from chapters import (
    ROOT,
    copy_chapter,
    importable,
    load_chapter,
    run,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU
from torch import nn

IS_LONG = os.environ.get('TEST_LONG') == '1'
NAMES = ['12_seq2seq', '13_transformer']
SIZES = {
    '12_seq2seq': ['--word_vec_size', '8', '--hidden_size', '12'],
    '13_transformer': ['--hidden_size', '12', '--n_heads', '2', '--ffn_size', '16'],
}
BOS, EOS = 2, 3


@pytest.fixture(scope='module', params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope='module')
def chapter(name):
    loaded = load_chapter(name)
    with importable(loaded):
        yield loaded


def get_config(chapter, name, *arguments):
    options = [*SIZES[name], '--dropout_p', '0', *map(str, arguments)]
    return chapter.train.define_argparser().parse_args(options)


def make_model(chapter, name, vocab_size, *arguments, seed=0):
    torch.manual_seed(seed)
    config = get_config(chapter, name, *arguments)
    model = chapter.model.get_model(vars(config), 9, vocab_size)
    with torch.no_grad():
        # Logits that differ enough for the searches to have a clear winner.
        for parameter in model.parameters():
            parameter.mul_(3 if parameter.dim() > 1 else 1)
    return model.eval()


X = torch.tensor([[4, 5, 6, 7], [8, 4, 0, 0], [5, 5, 5, 0]])
LENGTHS = torch.tensor([4, 2, 3])


def get_log_p(model, x, lengths, tokens):
    """The log-probability of each token, the end included, by teacher forcing."""
    y = torch.tensor([[BOS, *tokens[:-1]]])
    with torch.no_grad():
        logits = model(x, lengths, y)[0]
    return logits.log_softmax(dim=-1)[range(len(tokens)), tokens]


def until_end(tokens):
    tokens = tokens.tolist()
    return tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens


# ---- Search


@pytest.mark.parametrize('alpha', [0.0, 0.6, 1.0, 2.0])
def test_beam_search_is_brute_force(chapter, name, alpha):
    """With a beam as wide as all there is, the best of all translations is found."""
    vocab_size, max_length = 5, 4
    model = make_model(chapter, name, vocab_size)
    scores, tokens = chapter.search.beam_search(
        model, X, LENGTHS, BOS, EOS, max_length, vocab_size**max_length, 4, alpha
    )
    others = [token for token in range(vocab_size) if token != EOS]
    for i in range(len(X)):
        x, lengths = X[i : i + 1, : LENGTHS[i]], LENGTHS[i : i + 1]
        everything = []
        for n in range(max_length):
            for middle in itertools.product(others, repeat=n):
                full = [*middle, EOS]
                score = get_log_p(model, x, lengths, full).sum().item()
                score /= ((5 + len(full)) / 6) ** alpha
                everything.append((score, full))
        everything.sort(reverse=True)
        for (score, full), found, y in zip(
            everything[:4], scores[i].tolist(), tokens[i], strict=True
        ):
            assert found == pytest.approx(score, abs=1e-4)
            assert until_end(y) == full


def test_greedy_search_is_a_beam_of_one(chapter, name):
    for seed in range(5):
        model = make_model(chapter, name, 9, seed=seed)
        greedy = chapter.search.greedy_search(model, X, LENGTHS, BOS, EOS, 12)
        _, tokens = chapter.search.beam_search(model, X, LENGTHS, BOS, EOS, 12, 1)
        assert torch.equal(greedy, tokens[:, 0])


def test_greedy_search_takes_the_likeliest(chapter, name):
    model = make_model(chapter, name, 9)
    greedy = chapter.search.greedy_search(model, X, LENGTHS, BOS, EOS, 8)
    for i in range(len(X)):
        y = [BOS]
        while len(y) < 8 and y[-1] != EOS:
            with torch.no_grad():
                x, lengths = X[i : i + 1, : LENGTHS[i]], LENGTHS[i : i + 1]
                logits = model(x, lengths, torch.tensor([y]))
            y.append(logits[0, -1].argmax().item())
        expected = [token for token in y[1:] if token != EOS]
        assert until_end(greedy[i])[:-1] == expected


def test_scores_are_those_of_teacher_forcing(chapter, name):
    model = make_model(chapter, name, 9)
    scores, tokens = chapter.search.beam_search(
        model, X, LENGTHS, BOS, EOS, 10, 4, n_best=4, alpha=0.7
    )
    for i in range(len(X)):
        row = scores[i].tolist()
        assert row == sorted(row, reverse=True)
        for score, y in zip(row, tokens[i], strict=True):
            if score == -math.inf:
                continue
            full = until_end(y)
            x, lengths = X[i : i + 1, : LENGTHS[i]], LENGTHS[i : i + 1]
            expected = get_log_p(model, x, lengths, full).sum().item()
            assert score == pytest.approx(
                expected / ((5 + len(full)) / 6) ** 0.7, abs=1e-4
            )


def test_a_sentence_alone_has_the_translation_that_it_has_in_a_batch(chapter, name):
    model = make_model(chapter, name, 9)
    search = chapter.search.beam_search
    scores, tokens = search(model, X, LENGTHS, BOS, EOS, 10, 3, 3)
    for i in range(len(X)):
        x, lengths = X[i : i + 1, : LENGTHS[i]], LENGTHS[i : i + 1]
        alone_scores, alone = search(model, x, lengths, BOS, EOS, 10, 3, 3)
        assert torch.allclose(alone_scores[0], scores[i], atol=1e-4)
        assert torch.equal(alone[0], tokens[i])


def test_larger_penalty_gives_longer_translations(chapter, name):
    model = make_model(chapter, name, 9)
    lengths = []
    for alpha in (0.0, 5.0):
        _, tokens = chapter.search.beam_search(
            model, X, LENGTHS, BOS, EOS, 8, 9, 1, alpha
        )
        lengths.append(sum(len(until_end(y[0])) for y in tokens))
    assert lengths[1] > lengths[0]


def test_translations_are_not_longer_than_asked_for(chapter, name):
    model = make_model(chapter, name, 9)
    for search in (chapter.search.greedy_search, chapter.search.beam_search):
        found = search(model, X, LENGTHS, BOS, EOS, 3)
        tokens = found if torch.is_tensor(found) else found[1][:, 0]
        assert tokens.shape == (3, 3)
        assert (tokens[:, -1] == EOS).all()


@settings(max_examples=20, deadline=None)
@given(vocab_size=st.integers(1000, 1250), seed=st.integers(0, 99))
def test_fast_topk_is_torchs(chapter, vocab_size, seed):
    """In groups, whether their sizes are equal or not."""
    generator = torch.Generator().manual_seed(seed)
    log_p = torch.randn(2, 3, vocab_size, generator=generator).log_softmax(dim=-1)
    expected = log_p.topk(5)
    values, indices = chapter.fast.topk(log_p, 5)
    assert torch.equal(values, expected.values)
    assert torch.equal(indices, expected.indices)


@pytest.mark.parametrize(
    ('max_ratio', 'max_extra', 'expected'),
    [(2.0, 10, [17, 14, 16]), (0.5, 2, [4, 3, 3]), (0.0, 2, [2, 2, 2])],
)
def test_no_translation_is_endless(chapter, name, max_ratio, max_extra, expected):
    """A network that never ends is stopped at the limit of each sentence."""
    model = make_model(chapter, name, 9)
    with torch.no_grad():
        model.generator.weight[EOS] = 0
        if getattr(model.generator, 'bias', None) is not None:
            model.generator.bias[EOS] = -100
    limits = chapter.search.get_limits(X, LENGTHS, 17, max_ratio, max_extra)
    assert limits.tolist() == expected
    task = model, X, LENGTHS, BOS, EOS, 17
    sizes = {'max_ratio': max_ratio, 'max_extra': max_extra}
    _, tokens = chapter.search.beam_search(*task, 2, **sizes)
    greedy = chapter.search.greedy_search(*task, **sizes)
    for found in (tokens[:, 0], greedy):
        lengths = [len(until_end(y)) for y in found]
        assert lengths == expected


# ---- Networks


def get_batch(chapter, x_ids, y_ids):
    dataset = chapter.data_loader.PairDataset(x_ids, y_ids)
    return chapter.data_loader.collate([dataset[i] for i in range(len(x_ids))])


X_IDS = [[4, 5, 6, 7], [8, 4], [5, 5, 5]]
Y_IDS = [[4, 5], [6, 7, 8, 4, 5], [7]]


@pytest.mark.parametrize('is_fast', [False, True])
def test_steps_are_teacher_forcing(chapter, name, is_fast):
    """What is computed step by step, with a cache, is what forward() computes."""
    model = make_model(chapter, name, 9)
    x, lengths, y = get_batch(chapter, X_IDS, Y_IDS)
    expected = model(x, lengths, y)
    if is_fast:
        chapter.fast.speed_up(model)
    state = model.start(x, lengths)
    logits = [model.step(y[:, t : t + 1], state) for t in range(y.size(1))]
    assert torch.allclose(torch.cat(logits, dim=1), expected, atol=1e-5)


def test_later_target_tokens_change_nothing(chapter, name):
    model = make_model(chapter, name, 9)
    x, lengths, y = get_batch(chapter, X_IDS, Y_IDS)
    before = model(x, lengths, y)
    y = y.clone()
    y[:, 3] = 8
    after = model(x, lengths, y)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3], atol=1e-4)


def test_padding_changes_nothing(chapter, name):
    model = make_model(chapter, name, 9)
    x, lengths, y = get_batch(chapter, X_IDS, Y_IDS)
    together = model(x, lengths, y)
    for i in range(len(X_IDS)):
        x, lengths, y = get_batch(chapter, X_IDS[i : i + 1], Y_IDS[i : i + 1])
        alone = model(x, lengths, y)
        assert torch.allclose(together[i, : y.size(1)], alone[0], atol=1e-5)


def test_targets_are_the_sentences_and_their_ends(chapter, name):
    """BOS is read, and is no target; EOS is a target, and padding is none."""
    _, lengths, y = get_batch(chapter, X_IDS, Y_IDS)
    assert lengths.tolist() == [4, 2, 3]
    assert y.tolist() == [
        [BOS, 4, 5, EOS, 0, 0, 0],
        [BOS, 6, 7, 8, 4, 5, EOS],
        [BOS, 7, EOS, 0, 0, 0, 0],
    ]
    assert chapter.data_loader.count_targets(y[:, 1:]) == 11


def test_tied_weights_are_one_tensor(chapter, name):
    tied, untied = (
        make_model(chapter, name, 9, option) for option in ('--tied', '--no-tied')
    )
    n_tied, n_untied = (
        sum(p.numel() for p in model.parameters()) for model in (tied, untied)
    )
    assert n_tied < n_untied


# ---- Plain and fast


def get_pair(chapter, name, vocab_size, *arguments):
    """The same network twice, from the plain pieces and from the fast ones."""
    plain = make_model(chapter, name, vocab_size, *arguments)
    fast = copy.deepcopy(plain)
    chapter.fast.speed_up(fast)
    return plain, fast


@pytest.mark.parametrize('smoothing', [0.0, 0.1, 0.5])
@pytest.mark.parametrize('has_all_logits', [False, True])
def test_fast_loss_is_torchs(chapter, smoothing, has_all_logits):
    """Value and gradient, for logits at all positions, or only at the targets."""
    y = torch.tensor([1, 0, 4, 0, 2])
    results = []
    for is_fast in (False, True):
        crit = nn.CrossEntropyLoss(ignore_index=0, label_smoothing=smoothing)
        if is_fast:
            chapter.fast.speed_up(crit)
        y_hat = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
        y_hat.requires_grad_()
        is_cut = is_fast and not has_all_logits
        loss = crit(y_hat[y != 0] if is_cut else y_hat, y)
        (3 * loss).backward()
        results.append((loss.detach(), y_hat.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_fast_logits_are_those_at_the_targets(chapter, name):
    plain, fast = get_pair(chapter, name, 9)
    x, lengths, y = get_batch(chapter, X_IDS, Y_IDS)
    expected = plain(x, lengths, y[:, :-1])[y[:, 1:] != 0]
    found = fast(x, lengths, y[:, :-1])
    assert torch.allclose(found, expected, atol=1e-6)


def test_fast_pieces_have_the_same_parameters(chapter, name):
    plain, fast = get_pair(chapter, name, 9)
    assert list(plain.state_dict()) == list(fast.state_dict())
    changed = [
        type(module).__name__
        for module, other in zip(plain.modules(), fast.modules(), strict=True)
        if type(module) is not type(other)
    ]
    expected = {
        '12_seq2seq': {'Seq2Seq'},
        '13_transformer': {'Transformer', 'MultiHeadAttention', 'Dropout'},
    }
    assert set(changed) == expected[name]


@pytest.mark.parametrize('beam_size', [1, 3, 5])
def test_fast_search_finds_the_same(chapter, name, beam_size):
    """A vocabulary that is large enough for groups; sentences of several lengths."""
    plain, fast = get_pair(chapter, name, 1300)
    n_best = min(2, beam_size)
    search = chapter.search.beam_search
    task = X, LENGTHS, BOS, EOS, 30, beam_size, n_best, 1.0
    scores, tokens = search(plain, *task)
    fast_scores, fast_tokens = search(fast, *task, chapter.fast.topk)
    assert torch.equal(tokens, fast_tokens)
    assert torch.allclose(scores, fast_scores, atol=1e-4)
    greedy = [chapter.search.greedy_search(model, *task[:5]) for model in (plain, fast)]
    assert torch.equal(*greedy)


def test_fast_updates_are_the_plain_ones(chapter, name):
    """Gradients and reported losses of a training, with accumulation."""
    batches = [get_batch(chapter, X_IDS[i : i + 1], Y_IDS[i : i + 1]) for i in range(3)]
    grads = []
    for is_fast in (False, True):
        model = make_model(chapter, name, 9)
        trainer = make_trainer(chapter, name, model, '--iteration_per_update', 2)
        trainer.crit = nn.CrossEntropyLoss(ignore_index=0, label_smoothing=0.1)
        if is_fast:
            chapter.fast.speed_up(model, trainer.crit)
        grads.append(get_grads(trainer, batches))
    for update, fast_update in zip(*grads, strict=True):
        for a, b in zip(update, fast_update, strict=True):
            assert torch.allclose(a, b, atol=1e-6)


# ---- Training


def make_trainer(chapter, name, model, *arguments):
    config = get_config(chapter, name, '--verbose', 0, *arguments)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    checkpoint = {'config': vars(config)}
    crit = nn.CrossEntropyLoss(ignore_index=0)
    return chapter.trainer.Trainer(model, crit, optimizer, None, {}, checkpoint)


def get_loss(model, batch):
    """The mean loss of the targets of a batch."""
    x, lengths, y = batch
    logits = model(x, lengths, y[:, :-1]).flatten(0, 1)
    return nn.functional.cross_entropy(logits, y[:, 1:].flatten(), ignore_index=0)


def get_grads(trainer, batches):
    """The gradients with which each update is made."""
    seen = []

    def look(optimizer, arguments, options):
        seen.append([p.grad.clone() for p in trainer.model.parameters()])

    trainer.optimizer.register_step_pre_hook(look)
    state = trainer.trainer.state
    state.epoch_length = len(batches)
    for state.iteration, batch in enumerate(batches, 1):
        trainer._train_step(trainer.trainer, batch)
    return seen


def test_micro_batches_are_the_whole_batch(chapter, name):
    """Three batches of unequal size, two an update: the last group is a partial one."""
    # In 64 bits, so that the order of a sum makes no difference that matters.
    model = make_model(chapter, name, 9).double()
    batches = [get_batch(chapter, X_IDS[i : i + 1], Y_IDS[i : i + 1]) for i in range(3)]
    options = ('--iteration_per_update', 2, '--max_grad', 1e9)
    trainer = make_trainer(chapter, name, model, *options)
    updates = get_grads(trainer, batches)
    assert len(updates) == 2

    for found, ids in zip(updates, ([0, 1], [2]), strict=True):
        whole = copy.deepcopy(model)
        whole.zero_grad()
        batch = get_batch(chapter, [X_IDS[i] for i in ids], [Y_IDS[i] for i in ids])
        get_loss(whole, batch).backward()
        for a, parameter in zip(found, whole.parameters(), strict=True):
            assert torch.allclose(a, parameter.grad, atol=1e-6)


# ---- Data


def write_pairs(folder, x_lines, y_lines):
    for lang, lines in (('ko', x_lines), ('en', y_lines)):
        text = ''.join(f'{line}\n' for line in lines)
        (folder / f'p.{lang}').write_text(text, encoding='utf-8')
    return folder / 'p'


def test_files_of_unequal_length_are_refused(chapter, tmp_path):
    prefix = write_pairs(tmp_path, ['a', 'b'], ['c'])
    with pytest.raises(chapter.guards.InputError, match=r'p\.en, line 2: expected as'):
        chapter.data_loader.read_pairs(prefix, 'koen')


def test_empty_sides_are_counted_out_loud(chapter, tmp_path, capsys):
    prefix = write_pairs(tmp_path, ['a', '', 'b  c'], ['x', 'y', ' z'])
    assert chapter.data_loader.read_pairs(prefix, 'koen') == (['a', 'b c'], ['x', 'z'])
    assert '1 pairs have an empty side' in capsys.readouterr().err


@settings(max_examples=60, deadline=None)
@given(
    x_lengths=st.lists(st.integers(1, 20), min_size=1, max_size=40),
    n_processes=st.integers(1, 3),
    batch_tokens=st.sampled_from([0, 10, 50]),
    is_train=st.booleans(),
)
def test_batches_deal_out_each_pair_once(
    chapter, x_lengths, n_processes, batch_tokens, is_train
):
    loader = chapter.data_loader
    y_lengths = [1 + (7 * n) % 11 for n in x_lengths]
    dataset = loader.PairDataset(
        [[4] * n for n in x_lengths], [[4] * n for n in y_lengths]
    )
    dealt = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader.idist, 'get_world_size', lambda: n_processes)
        for rank in range(n_processes):
            patch.setattr(loader.idist, 'get_rank', lambda rank=rank: rank)
            sampler = loader.BucketSampler(dataset, 6, batch_tokens, is_train)
            dealt.append([batch for batch in sampler if batch])
    flat = [i for batches in dealt for batch in batches for i in batch]
    n_left_out = len(x_lengths) % n_processes if is_train else 0
    assert len(flat) == len(set(flat)) == len(x_lengths) - n_left_out
    if is_train:
        assert len({len(batches) for batches in dealt}) == 1
    for batch in itertools.chain.from_iterable(dealt):
        assert len(batch) <= 6
        longest = max(max(x_lengths[i], y_lengths[i] + 1) for i in batch)
        assert (
            not batch_tokens or len(batch) == 1 or len(batch) * longest <= batch_tokens
        )


def test_nothing_is_unknown(chapter):
    """Characters that the training text has not fall into bytes, and come back."""
    sentences = (ROOT / '12_seq2seq/sample/test.en').read_text().splitlines()
    subwords = chapter.data_loader.train_subwords(sentences, 400)
    for text in ('snow ☃ 눈', 'naïve', '한국어'):
        ids = subwords.encode(text)
        assert chapter.data_loader.UNKNOWN_ID not in ids
        assert subwords.decode(ids) == text


ALPHABET = ''.join(map(chr, range(0xAC00, 0xAE00))).encode() + b'\nb\n'


@pytest.mark.parametrize(
    ('content', 'options', 'message'),
    [
        (b'a\n\xff\n', (), r'p\.ko, line 2: expected UTF-8, byte 1 is not'),
        (b'\n\n', (), r'p\.ko: expected sentences, found none'),
        (b'a\nb\n', ('--lang', 'deen'), r'p\.de: cannot be read: No such file'),
        (b'a b c d\ne f g h\n', ('--max_length', 3), 'expected a pair for'),
        (ALPHABET, (), '--vocab_size 300: the characters and bytes alone are 774'),
    ],
)
def test_bad_files(chapter, name, content, options, message, tmp_path):
    (tmp_path / 'p.ko').write_bytes(content)
    (tmp_path / 'p.en').write_text('long words of English\nc\n', encoding='utf-8')
    prefix = tmp_path / 'p'
    arguments = ('--train_fn', prefix, '--valid_fn', prefix, '--vocab_size', 300)
    config = get_config(chapter, name, *arguments, '--cache_dir', tmp_path, *options)
    with pytest.raises(chapter.guards.InputError, match=message):
        chapter.data_loader.get_loaders(config)


def test_a_vocabulary_larger_than_the_text_allows(chapter, name, tmp_path, capsys):
    """One pair, and 8,000 subwords asked for: it is said, and the training runs."""
    prefix = write_pairs(tmp_path, ['나는 학생이다.'], ['I am a student.'])
    train(chapter, name, tmp_path, '--train_fn', prefix, '--valid_fn', prefix)
    found = re.findall('the text allows no more than', capsys.readouterr().err)
    assert len(found) == 2


@pytest.mark.parametrize('lang', ['ko', 'korean', 'KOEN', 'ko-en'])
def test_languages_are_four_letters(chapter, lang, capsys):
    with pytest.raises(SystemExit):
        chapter.train.define_argparser().parse_args(['--lang', lang])
    assert 'expected two languages, as koen' in capsys.readouterr().err


# ---- Whole trainings


def train(chapter, name, folder, *arguments):
    """Train a tiny network; returns its checkpoint."""
    model_fn = folder / 'model.pth'
    options = ('--verbose', 0, '--cache_dir', folder / 'cache', '--model_fn', model_fn)
    run_here(chapter.train, *SIZES[name], *options, *arguments)
    return model_fn


def write_digits(folder, part, n_pairs, seed):
    """Digits, and the same digits the other way round."""
    generator = random.Random(seed)
    rows = [
        generator.choices('123456', k=generator.randint(2, 5)) for _ in range(n_pairs)
    ]
    for lang, step in (('ko', 1), ('en', -1)):
        lines = [' '.join(row[::step]) + '\n' for row in rows]
        (folder / f'{part}.{lang}').write_text(''.join(lines), encoding='utf-8')


@pytest.fixture(scope='module')
def digits(chapter, name, tmp_path_factory):
    """A network that has learned to reverse digits, and the folder of its texts."""
    folder = tmp_path_factory.mktemp('digits')
    for seed, (part, n_pairs) in enumerate(
        (('train', 1500), ('valid', 50), ('test', 100))
    ):
        write_digits(folder, part, n_pairs, seed)
    options = {
        '12_seq2seq': (
            *('--word_vec_size', 32, '--hidden_size', 64),
            *('--lr', 0.01, '--n_epochs', 5),
        ),
        '13_transformer': (
            *('--hidden_size', 64, '--ffn_size', 128, '--n_layers', 1, '--lr', 0.007),
            *('--n_warmup_steps', 50, '--n_epochs', 12),
        ),
    }[name]
    fns = ('--train_fn', folder / 'train', '--valid_fn', folder / 'valid')
    sizes = ('--vocab_size', 300, '--batch_size', 32, '--dropout_p', 0)
    return train(chapter, name, folder, *fns, *options, *sizes), folder


def translate(chapter, content, *arguments):
    """Run the filter here; returns the lines that it prints."""
    output, source = io.StringIO(), io.BytesIO(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'stdin', io.TextIOWrapper(source, encoding='utf-8'))
        patch.setattr(sys, 'stdout', output)
        run_here(chapter.translate, *arguments)
    return output.getvalue().split('\n')[:-1]


def test_it_learns_to_reverse_digits(chapter, digits):
    model_fn, folder = digits
    sources, targets = (
        (folder / f'test.{lang}').read_text(encoding='utf-8') for lang in ('ko', 'en')
    )
    found = translate(chapter, sources, '--model_fn', model_fn)
    right = [a == b for a, b in zip(found, targets.splitlines(), strict=True)]
    assert sum(right) >= 90


def test_a_beam_of_one_is_greedy(chapter, digits):
    """With its scores, that is: by beam_search(), they choose the same."""
    model_fn, folder = digits
    lines = (folder / 'test.ko').read_text(encoding='utf-8').splitlines()
    found = translate(
        chapter, '\n'.join([*lines, '', '']), '--model_fn', model_fn, '--beam_size', 1
    )
    translator = chapter.translate.Translator([model_fn], torch.device('cpu'))
    for line, text in zip(lines, found, strict=False):
        ids = translator.encode([line], 100)
        x, lengths = torch.tensor(ids), torch.tensor([len(ids[0])])
        _, tokens = chapter.search.beam_search(translator, x, lengths, BOS, EOS, 100, 1)
        y = tokens[0, 0].tolist()
        assert text == translator.decode(y[: y.index(EOS)])
    assert found[len(lines) :] == ['']


def test_each_thread_has_a_batch_of_its_own(chapter, digits, monkeypatch):
    """Batches go side by side, each in one thread; a single one has all threads."""
    model_fn, folder = digits
    lines = (folder / 'test.ko').read_text(encoding='utf-8').splitlines()
    translator = chapter.translate.Translator([model_fn], torch.device('cpu'))
    parser, threads = chapter.translate.define_argparser(), []
    meeting = threading.Barrier(2, timeout=60)

    def search(ids, config):
        threads.append(torch.get_num_threads())
        if config.batch_size == 25:
            meeting.wait()
        return chapter.translate.Translator.translate(translator, ids, config)

    def run(batch_size):
        config = parser.parse_args(['--batch_size', str(batch_size)])
        results = chapter.translate.translate(translator, lines, config, 100)
        return [results[0][1] for _, results in results]

    plain = chapter.translate.Translator([model_fn], torch.device('cpu'), False)
    config = parser.parse_args(['--batch_size', '100'])
    found = chapter.translate.translate(plain, lines, config, 100)
    expected = [results[0][1] for _, results in found]
    monkeypatch.setattr(translator, 'translate', search)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert run(25) == expected
        assert threads == [1] * 4
        threads.clear()
        assert run(100) == expected
        assert threads == [2]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(n_threads)


def test_plain_and_fast_translate_alike(chapter, digits):
    """To the letter, by beam search and by greedy search."""
    model_fn, folder = digits
    sources = (folder / 'test.ko').read_text(encoding='utf-8')
    for beam_size in (1, 5):
        options = ('--model_fn', model_fn, '--beam_size', beam_size)
        options += ('--batch_size', 16)
        fast = translate(chapter, sources, *options)
        assert translate(chapter, sources, *options, '--no-fast') == fast


def test_plain_training_is_the_fast_one(chapter, name, digits, tmp_path):
    """Without dropout; --resume goes on neither from fast to plain nor back."""
    folder = digits[1]
    fns = ('--train_fn', folder / 'test', '--valid_fn', folder / 'valid')
    options = (*fns, '--vocab_size', 300, '--dropout_p', 0, '--n_epochs', 1)
    histories = []
    for option in ('--no-fast', '--fast'):
        model_fn = train(chapter, name, tmp_path, *options, option)
        last = torch.load(model_fn.with_suffix('.last.pth'), weights_only=True)
        histories.append(last['trainer']['history'])
        assert last['config']['fast'] == (option == '--fast')
    for key, losses in histories[0].items():
        assert losses == pytest.approx(histories[1][key], abs=1e-4)
    with pytest.raises(chapter.guards.InputError, match='--fast was True'):
        train(chapter, name, tmp_path, *options, '--no-fast', '--resume')


def test_scores_are_sacrebleus(chapter, digits, capsys):
    model_fn, folder = digits
    ref_fn = folder / 'test.en'
    sources = (folder / 'test.ko').read_text(encoding='utf-8')
    arguments = ('--model_fn', model_fn, '--beam_size', 2, '--length_penalty', 0)
    found = translate(chapter, sources, *arguments, '--ref_fn', ref_fn)
    references = ref_fn.read_text(encoding='utf-8').splitlines()
    expected = BLEU().corpus_score(found, [references]).score
    messages = capsys.readouterr().err
    assert f'bleu: {expected:.2f}\n' in messages
    assert 'bleu_signature: nrefs:1|case:mixed|eff:no|tok:13a' in messages
    assert re.search(r'^chrf: \d+\.\d\d$', messages, re.MULTILINE)


def test_as_many_references_as_lines(chapter, digits):
    model_fn, folder = digits
    arguments = ('--model_fn', model_fn, '--ref_fn', folder / 'test.en')
    with pytest.raises(chapter.guards.InputError, match='expected 1 lines, as many as'):
        translate(chapter, '1 2 3\n', *arguments)


def test_best_translations_are_sorted(chapter, digits):
    arguments = ('--model_fn', digits[0], '--beam_size', 4, '--n_best', 3)
    lines = translate(chapter, '1 2 3\n\n4 5\n', *arguments)
    rows = [line.split('\t') for line in lines]
    assert [row[0] for row in rows] == ['1', '1', '1', '2', '3', '3', '3']
    assert rows[3] == ['2', '', '']
    scores = [float(score) for _, score, _ in rows[:3]]
    assert scores == sorted(scores, reverse=True)
    assert rows[0][2] == '3 2 1'


def test_more_translations_than_hypotheses_are_refused(chapter, digits):
    arguments = ('--model_fn', digits[0], '--beam_size', 2, '--n_best', 3)
    with pytest.raises(chapter.guards.InputError, match='--n_best 3: expected at most'):
        translate(chapter, '1\n', *arguments)


@settings(max_examples=25, deadline=None)
@given(lines=st.lists(st.text(st.characters(codec='utf-8', exclude_characters='\n'))))
def test_any_lines(chapter, digits, lines):
    """As many lines out as in, and nothing for a blank one."""
    arguments = ('--model_fn', digits[0], '--beam_size', 2, '--max_length', 8)
    found = translate(chapter, ''.join(f'{line}\n' for line in lines), *arguments)
    assert len(found) == len(lines)
    assert all(not found[i] for i, line in enumerate(lines) if not line.split())


def test_bytes_of_a_line_feed_end_no_line(chapter, digits):
    """What a network writes byte by byte may be any byte."""
    device = torch.device('cpu')
    translator = chapter.translate.Translator([digits[0]], device)
    line_feed = translator.y_subwords.piece_to_id('<0x0A>')
    one = translator.y_subwords.encode('1')
    assert translator.decode([*one, line_feed, *one]) in ('1 1', '11')


def test_long_lines_are_cut_out_loud(chapter, digits, capsys):
    arguments = ('--model_fn', digits[0], '--max_length', 10)
    assert len(translate(chapter, '1 ' * 200 + '\n', *arguments)) == 1
    message = "'1 1 1 1 1 1 1 1 1 1 '...: 200 subwords, only the first --max_length 10"
    assert message in capsys.readouterr().err


def test_a_model_twice_is_the_model(chapter, digits):
    sources = (digits[1] / 'test.ko').read_text(encoding='utf-8')
    options = ('--n_best', 2, '--model_fn', digits[0])
    one = translate(chapter, sources, *options)
    two = translate(chapter, sources, *options, digits[0])
    for a, b in zip(one, two, strict=True):
        (i, score, text), (other_i, other_score, other) = a.split('\t'), b.split('\t')
        assert (i, text) == (other_i, other)
        assert float(score) == pytest.approx(float(other_score), abs=2e-4)


def test_models_of_other_subwords_are_refused(chapter, name, digits, tmp_path):
    prefix = write_pairs(tmp_path, ['하나', '둘'], ['one', 'two'])
    fns = ('--train_fn', prefix, '--valid_fn', prefix)
    other_fn = train(chapter, name, tmp_path, *fns, '--n_epochs', 1)
    with pytest.raises(
        chapter.guards.InputError, match='expected the same subwords as'
    ):
        translate(chapter, '1\n', '--model_fn', digits[0], other_fn)


def test_the_other_chapters_model_is_refused(chapter, name, digits, tmp_path):
    other = next(other for other in NAMES if other != name)
    checkpoint = torch.load(digits[0], weights_only=True)
    fn = tmp_path / 'other.pth'
    torch.save(checkpoint | {'chapter': other}, fn)
    message = f"expected a checkpoint of {name}, found one of '{other}'"
    with pytest.raises(chapter.guards.InputError, match=message):
        translate(chapter, '1\n', '--model_fn', fn)


def test_attention_is_where_it_looks(chapter, digits, tmp_path):
    """Of reversed digits, the last one is read first."""
    translator = chapter.translate.Translator([digits[0]], torch.device('cpu'))
    (ids,) = translator.encode(['1 2 3 4 5 6'], 50)
    y = translator.y_subwords.encode('6 5 4 3 2 1')
    x_pieces, y_pieces, weights = translator.get_attention(ids, y)
    assert weights.shape[2:] == (len(y_pieces), len(x_pieces))
    assert weights.sum(axis=-1) == pytest.approx(1.0, abs=1e-5)
    # In some layer and head, place for place.
    rows = [
        [x_pieces[i] for i in head[:6].argmax(axis=-1)]
        for head in weights.reshape(-1, *weights.shape[2:])
    ]
    n_right = [
        sum(a == b for a, b in zip(row, y_pieces[:6], strict=True)) for row in rows
    ]
    assert max(n_right) >= 4

    figure_fn = tmp_path / 'attention.png'
    arguments = ('--model_fn', digits[0], '--attention_fn', figure_fn)
    translate(chapter, '\n1 2 3\n', *arguments)
    assert figure_fn.read_bytes().startswith(b'\x89PNG')


def test_loss_that_is_no_number(chapter, name, digits, tmp_path, monkeypatch):
    """The training stops, says where and what to try, and the model is as it was."""
    folder = digits[1]
    fns = ('--train_fn', folder / 'train', '--valid_fn', folder / 'valid')
    (tmp_path / 'model.pth').write_bytes(b'as it was')
    forward = chapter.model.get_model

    def get_model(*arguments):
        model = forward(*arguments)
        with torch.no_grad():
            model.generator.weight.fill_(torch.nan)
        return model

    monkeypatch.setattr(chapter.model, 'get_model', get_model)
    message = 'loss=nan in epoch 1, iteration 20: lower --lr'
    with pytest.raises(chapter.guards.InputError, match=message):
        train(chapter, name, tmp_path, *fns, '--vocab_size', 300)
    assert (tmp_path / 'model.pth').read_bytes() == b'as it was'


def test_gradients_are_clipped_as_they_are(chapter, name):
    """Neither scaled up for fp16, nor as the sum over the tokens."""
    model = make_model(chapter, name, 9)
    batch = get_batch(chapter, X_IDS, Y_IDS)
    get_loss(model, batch).backward()
    expected = [p.grad.clone() for p in model.parameters()]
    for max_grad, scale in ((1e-3, 1.0), (1e-3, 1024.0), (1e3, 1024.0)):
        trainer = make_trainer(
            chapter, name, copy.deepcopy(model), '--max_grad', max_grad
        )
        trainer.optimizer.zero_grad()
        trainer.scaler = torch.amp.GradScaler('cpu', init_scale=scale)
        (found,) = get_grads(trainer, [batch])
        norm = nn.utils.get_total_norm(expected).item()
        assert trainer.grad_norm.item() == pytest.approx(norm, rel=1e-4)
        factor = min(1.0, max_grad / norm)
        for a, b in zip(found, expected, strict=True):
            assert torch.allclose(a, factor * b, atol=1e-6 * max(1.0, norm))


def test_two_processes_follow_one(name, digits, tmp_path):
    """With half the batch each, of unequal numbers of tokens, and a partial group."""
    folder = copy_chapter(name, tmp_path / 'alone')
    options = [
        *(
            'train.py',
            '--train_fn',
            digits[1] / 'test',
            '--valid_fn',
            digits[1] / 'valid',
        ),
        *('--vocab_size', 300, '--dropout_p', 0, '--n_epochs', 2, '--gpu_id', -1),
        *('--iteration_per_update', 3, '--batch_tokens', 0),
        *SIZES[name],
    ]
    launcher = ('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', 2)
    histories, messages = [], []
    for before, batch_size, fn in (((), 16, 'one'), (launcher, 8, 'two')):
        arguments = (*before, *options, '--batch_size', batch_size)
        model_fn = ('--model_fn', f'{fn}.pth')
        process = run(folder, *map(str, arguments), *model_fn, check=True)
        checkpoint = torch.load(folder / f'{fn}.last.pth', weights_only=True)
        histories.append(checkpoint['trainer']['history'])
        messages.append(process.stderr)
    for key, losses in histories[0].items():
        assert losses == pytest.approx(histories[1][key], abs=1e-4)
    # Rank 0 alone speaks.
    assert [text.count('epoch 2/2') for text in messages] == [1, 1]


# ---- The Transformer beside torch's own


@pytest.fixture(scope='module')
def transformer():
    loaded = load_chapter('13_transformer')
    with importable(loaded):
        yield loaded.model


@pytest.fixture(scope='module')
def fast_pieces():
    loaded = load_chapter('13_transformer')
    with importable(loaded):
        yield loaded.fast


def copy_attention(ours, theirs):
    """Give torch's attention the weights of ours."""
    theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
    theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def copy_block(ours, theirs):
    """Give a block of torch the weights of one of ours."""
    copy_attention(ours.attention, theirs.self_attn)
    norms = [ours.attention_norm, ours.ffn_norm]
    if hasattr(ours, 'memory_attention'):
        copy_attention(ours.memory_attention, theirs.multihead_attn)
        norms.insert(1, ours.memory_norm)
    for number, norm in enumerate(norms, 1):
        getattr(theirs, f'norm{number}').load_state_dict(norm.state_dict())
    linears = [layer for layer in ours.ffn if isinstance(layer, nn.Linear)]
    theirs.linear1.load_state_dict(linears[0].state_dict())
    theirs.linear2.load_state_dict(linears[1].state_dict())


def randomize(module):
    """Weights that tell norms and biases apart, whatever they begin as."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return module.eval()


LENGTHS_3 = torch.tensor([5, 2, 4])
PADDING_3 = torch.arange(5) >= LENGTHS_3.unsqueeze(1)


@pytest.mark.parametrize('kind', ['plain', 'sdpa'])
@torch.no_grad()
def test_attention_is_torchs(transformer, kind):
    ours = randomize(transformer.MultiHeadAttention(12, 3, kind))
    theirs = nn.MultiheadAttention(12, 3, batch_first=True).eval()
    copy_attention(ours, theirs)
    x, memory = torch.randn(3, 4, 12), torch.randn(3, 5, 12)
    expected, _ = theirs(x, memory, memory, key_padding_mask=PADDING_3)
    found = ours(x, ours.key_value(memory), ~PADDING_3[:, None, None])
    assert torch.allclose(found, expected, atol=1e-5)

    mask = nn.Transformer.generate_square_subsequent_mask(4)
    expected, _ = theirs(x, x, x, attn_mask=mask)
    found = ours(x, ours.key_value(x), is_causal=True)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize('kind', ['plain', 'sdpa'])
@torch.no_grad()
def test_stacks_are_torchs(transformer, kind):
    """Encoder and decoder, each with its final normalisation."""
    model = transformer.Transformer(9, 9, 12, 3, 16, 2, 0.0, kind, 0, False, False)
    randomize(model)
    options = {'dropout': 0.0, 'batch_first': True, 'norm_first': True}
    theirs = nn.Transformer(12, 3, 2, 2, 16, **options).eval()
    for ours, block in zip(model.encoder, theirs.encoder.layers, strict=True):
        copy_block(ours, block)
    for ours, block in zip(model.decoder, theirs.decoder.layers, strict=True):
        copy_block(ours, block)
    theirs.encoder.norm.load_state_dict(model.encoder_norm.state_dict())
    theirs.decoder.norm.load_state_dict(model.decoder_norm.state_dict())

    x = torch.randint(1, 9, (3, 5)).masked_fill(PADDING_3, 0)
    y = torch.randint(1, 9, (3, 4))
    expected = theirs(
        model.embed(model.x_embedding, x),
        model.embed(model.y_embedding, y),
        tgt_mask=nn.Transformer.generate_square_subsequent_mask(4),
        src_key_padding_mask=PADDING_3,
        memory_key_padding_mask=PADDING_3,
    )
    found = model(x, LENGTHS_3, y)
    assert torch.allclose(found, model.generator(expected), atol=1e-5)


def test_waves_are_those_of_the_paper(transformer):
    """The exponent is 2i / hidden_size, for the i-th pair of features."""
    positions = transformer.PositionalEncoding(10)
    table = positions(0, 300)
    for t, i in ((0, 0), (1, 0), (7, 2), (299, 4)):
        angle = t / 10000 ** (2 * i / 10)
        assert table[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-4)
        assert table[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-4)
    assert torch.equal(positions(290, 10), table[290:])


@pytest.mark.parametrize('p', [0.1, 0.5])
def test_dropout_sets_a_share_to_zero_and_keeps_the_mean(fast_pieces, p):
    dropout = fast_pieces.Dropout(p)
    torch.manual_seed(0)
    x = torch.ones(999, 1001, requires_grad=True)
    y = dropout(x)
    y.sum().backward()
    assert (y == 0).float().mean().item() == pytest.approx(p, abs=0.005)
    assert y.mean().item() == pytest.approx(1.0, abs=0.005)
    assert torch.equal(x.grad, y.detach())
    # The kept features are as large as those of nn.Dropout, up to the rounding of p.
    kept = nn.Dropout(p)(x.detach()).max().item()
    assert y.max().item() == pytest.approx(kept, rel=0.01)
    # The same seed gives the same zeros; in evaluation, there are none.
    torch.manual_seed(0)
    assert torch.equal(dropout(x), y)
    assert dropout.eval()(x) is x


def test_learning_rate_rises_and_falls():
    chapter = load_chapter('13_transformer')
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = chapter.trainer.InverseSquareRoot(optimizer, 100)
    rates = []
    for _ in range(400):
        scheduler(None)
        rates.append(optimizer.param_groups[0]['lr'])
    assert rates[49] == pytest.approx(1.0)
    assert max(rates) == rates[99] == pytest.approx(2.0)
    assert rates[399] == pytest.approx(1.0)


def test_schedule_of_12_is_a_triangle():
    chapter = load_chapter('12_seq2seq')
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    for ratio, peak in ((0.0, 0), (0.1, 10), (1.0, 99)):
        scheduler = chapter.trainer.get_scheduler(optimizer, 100, ratio)
        rates = []
        for _ in range(100):
            scheduler(None)
            rates.append(optimizer.param_groups[0]['lr'])
        assert rates.index(max(rates)) == peak
        assert max(rates) == pytest.approx(2.0, rel=0.02)
        assert min(rates) > 0.0


def test_compiled_is_the_same(transformer, fast_pieces):
    model = transformer.Transformer(9, 9, 12, 3, 16, 1, 0.0, 'sdpa', 0, False, True)
    randomize(model)
    x = torch.tensor([[4, 5, 6], [7, 8, 0]])
    batch = (x, torch.tensor([3, 2]), x)
    model.__class__ = fast_pieces.Transformer
    expected = model(*batch)
    names = set(model.state_dict())
    # The C++ compiler takes a minute.
    backend = 'inductor' if IS_LONG else 'eager'
    model.compile(dynamic=True, backend=backend)
    assert torch.allclose(model(*batch), expected, atol=1e-5)
    assert set(model.state_dict()) == names
