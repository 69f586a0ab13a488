"""13's dual learning: the loss by hand, two checkpoints of 13, and pairs from text."""

import itertools
import os
import signal
from functools import partial

import numpy as np
import pytest
import torch
from attacks import (
    ON_PERMISSIONS,
    READING,
    kill_before_line,
    run_here,
    run_quickly,
    snapshot,
)
from chapters import ROOT, copy_chapter, importable, load_chapter, run
from test_resume import assert_same_result

IS_LONG = os.environ.get('TEST_LONG') == '1'
NAME = '13_transformer/dual_learning'
BOS, EOS = 2, 3
SIZES = ('--hidden_size', 8, '--n_heads', 2, '--ffn_size', 8, '--n_layers', 1)
ATTACKS = sorted(READING.keys() - ON_PERMISSIONS)


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A copy of the chapter, for processes to run in."""
    return copy_chapter(NAME, tmp_path_factory.mktemp('chapter'))


@pytest.fixture(scope='module')
def data(chapter, tmp_path_factory):
    """A folder with a few pairs, and a language model of each language."""
    folder = tmp_path_factory.mktemp('data')
    for lang, word in (('ko', '말'), ('en', 'word')):
        lines = [f'{word} {i % 7} {"a " * (i % 5)}\n' for i in range(96)]
        (folder / f'train.{lang}').write_text(''.join(lines), encoding='utf-8')
        (folder / f'valid.{lang}').write_text(''.join(lines[:20]), encoding='utf-8')
        options = ('--lang', lang, '--model_fn', folder / f'lm.{lang}.pth')
        run_here(chapter.train_lm, *lm_options(folder), *options)
    return folder


def lm_options(data):
    files = ('--train_fn', data / 'train', '--valid_fn', data / 'valid')
    cache = ('--cache_dir', data / 'cache', '--vocab_size', 300)
    return (*files, *cache, *SIZES, '--n_epochs', 2, '--batch_size', 16)


def pair_options(data):
    files = ('--train_fn', data / 'train', '--valid_fn', data / 'valid')
    files += ('--lm_fn', data / 'lm.ko.pth', data / 'lm.en.pth')
    return (*files, '--cache_dir', data / 'cache', *SIZES, '--batch_size', 16)


@pytest.fixture(scope='module')
def trained(chapter, data, tmp_path_factory):
    """The checkpoints of both directions, after two epochs."""
    model_fn = tmp_path_factory.mktemp('trained') / 'x.pth'
    run_here(
        chapter.train, *pair_options(data), '--n_epochs', 2, '--model_fn', model_fn
    )
    return model_fn, model_fn.with_suffix('.enko.pth')


def load(fn):
    return torch.load(fn, weights_only=True)


# ---- The loss


def test_gap_and_loss_by_hand(chapter):
    numbers = [[-20.0, -9.0], [-4.0, -1.0], [-18.0, -7.0], [-3.0, -6.0]]
    gap = chapter.model.get_duality_gap(*map(torch.tensor, numbers))
    # -20 - 4 + 18 + 3 = -3, and -9 - 1 + 7 + 6 = 3
    assert gap.tolist() == [-3.0, 3.0]

    nll = torch.tensor(4.0 + 1.0 + 3.0 + 6.0)
    loss = chapter.model.get_dual_loss(nll, gap, 7, 0.5)
    assert loss.item() == pytest.approx((14 + 0.5 * (9 + 9)) / 7)


def test_no_gap_if_all_models_are_right(chapter):
    """Any table of p(x, y) has the same marginals and conditionals both ways."""
    joint = torch.rand(4, 5, generator=torch.Generator().manual_seed(0)).double()
    joint /= joint.sum()
    x, y = joint.sum(dim=1, keepdim=True), joint.sum(dim=0, keepdim=True)
    logs = [p.log().expand(4, 5) for p in (x, joint / x, y, joint / y)]

    gap = chapter.model.get_duality_gap(*(log.flatten() for log in logs))
    assert gap.abs().max() < 1e-12
    logs[0] = logs[0] + 1
    gap = chapter.model.get_duality_gap(*(log.flatten() for log in logs))
    assert gap.tolist() == pytest.approx([1.0] * 20)


def get_batch():
    x = torch.tensor([[BOS, 5, 6, 7, EOS], [BOS, 8, EOS, 0, 0]])
    y = torch.tensor([[BOS, 4, EOS, 0], [BOS, 5, 8, EOS]])
    return (
        x,
        y,
        torch.tensor([-3.0, -2.0]).double(),
        torch.tensor([-1.0, -4.0]).double(),
    )


def make_pair(chapter, *arguments):
    options = ['--dropout_p', '0', *map(str, (*SIZES, *arguments))]
    config = vars(chapter.train.define_argparser().parse_args(options))
    torch.manual_seed(0)
    return chapter.model.get_pair(config | {'joint': False}, 9, 10)


def test_gradient_by_finite_differences(chapter):
    pair = make_pair(chapter, '--attention', 'plain').double()
    crit = chapter.model.DualLoss(chapter.model.get_criteria(0.1)[0], 0.3)
    # Double precision, for differences of 1e-6.
    float_ = torch.Tensor.float
    try:
        torch.Tensor.float = torch.Tensor.double
        crit(pair, get_batch())['loss'].backward()
        for parameter in (
            pair.forth.generator.weight,
            pair.forth.encoder[0].ffn[0].bias,
            pair.back.x_embedding.weight,
            pair.back.decoder[0].memory_attention.query.weight,
        ):
            index = (parameter.dim() - 1) * (5,) + (2,)
            losses = []
            for sign in (1, -1):
                with torch.no_grad():
                    parameter[index] += sign * 1e-6
                    losses.append(crit(pair, get_batch())['loss'].item())
                    parameter[index] -= sign * 1e-6
            expected = (losses[0] - losses[1]) / 2e-6
            assert parameter.grad[index].item() == pytest.approx(expected, abs=1e-7)
            assert abs(expected) > 1e-5
    finally:
        torch.Tensor.float = float_


def test_loss_of_a_batch(chapter):
    """Each direction alone, sentence by sentence, without padding."""
    pair = make_pair(chapter).eval()
    x, y, x_log_p, y_log_p = get_batch()
    sentences = ([5, 6, 7], [4]), ([8], [5, 8])
    nll, gaps = 0.0, []
    for (source, target), x_prior, y_prior in zip(
        sentences, x_log_p, y_log_p, strict=True
    ):
        log_p = []
        for model, a, b in ((pair.forth, source, target), (pair.back, target, source)):
            logits = model(
                torch.tensor([a]), torch.tensor([len(a)]), torch.tensor([[BOS, *b]])
            )
            steps = logits[0].log_softmax(dim=-1)[range(len(b) + 1), [*b, EOS]]
            log_p.append(steps.sum().item())
        nll -= sum(log_p)
        gaps.append(x_prior.item() + log_p[0] - y_prior.item() - log_p[1])
    expected = (nll + 0.3 * sum(gap**2 for gap in gaps)) / (6 + 5)

    for is_fast in (False, True):
        smooth, _ = chapter.model.get_criteria(0.0)
        if is_fast:
            chapter.fast.speed_up(pair, smooth)
        output = chapter.model.DualLoss(smooth, 0.3)(pair, get_batch())
        assert output['gap'].tolist() == pytest.approx(gaps, abs=1e-5)
        assert output['loss'].item() == pytest.approx(expected, rel=1e-5)


def test_without_weight_the_directions_are_independent(chapter):
    gradients = {}
    for weight, shift in itertools.product((0.0, 0.1), (0.0, 5.0)):
        pair = make_pair(chapter)
        x, y, x_log_p, y_log_p = get_batch()
        crit = chapter.model.DualLoss(chapter.model.get_criteria(0.1)[0], weight)
        crit(pair, (x, y, x_log_p + shift, y_log_p))['loss'].backward()
        gradients[weight, shift] = pair.forth.generator.weight.grad
    assert torch.equal(gradients[0.0, 0.0], gradients[0.0, 5.0])
    assert not torch.allclose(gradients[0.1, 0.0], gradients[0.1, 5.0])


def test_the_weight_closes_the_gap(chapter):
    """Trained on the same pairs for as long, the gaps differ."""
    gaps = {}
    for weight in (0.0, 1.0):
        pair = make_pair(chapter)
        optimizer = torch.optim.Adam(pair.parameters(), 0.02)
        crit = chapter.model.DualLoss(chapter.model.get_criteria(0.0)[0], weight)
        for _ in range(25):
            optimizer.zero_grad()
            output = crit(pair, get_batch())
            output['loss'].backward()
            optimizer.step()
        gaps[weight] = output['gap'].abs().mean().item()
    assert gaps[1.0] < 0.3 * gaps[0.0]


# ---- The language model


def make_language_model(chapter):
    config = vars(chapter.train_lm.define_argparser().parse_args(map(str, SIZES)))
    torch.manual_seed(0)
    return chapter.model.get_language_model(config, 10).eval()


def test_a_token_depends_on_earlier_ones_only(chapter):
    model = make_language_model(chapter)
    y = torch.tensor([[BOS, 5, 6, 7]])
    logits, other = model(y), model(torch.tensor([[BOS, 5, 8, 7]]))
    assert torch.allclose(logits[:, :2], other[:, :2])
    assert not torch.allclose(logits[:, 2:], other[:, 2:])


def test_log_probabilities_of_a_text_are_those_of_its_sentences(chapter):
    model = make_language_model(chapter)
    sentences = [[BOS, *[4 + i % 5] * (1 + i * 5 % 7), EOS] for i in range(9)]
    arrays = [np.array(ids, dtype=np.int32) for ids in sentences]
    log_p = chapter.model.get_text_log_p(model, arrays, batch_size=4)
    for ids, value in zip(sentences, log_p.tolist(), strict=True):
        steps = model(torch.tensor([ids[:-1]]))[0].log_softmax(dim=-1)
        expected = steps[range(len(ids) - 1), ids[1:]].sum().item()
        assert value == pytest.approx(expected, rel=1e-5)


def test_probabilities_of_all_sentences_sum_to_one(chapter):
    """Of all sentences up to a length, and of those that are longer: EOS counts."""
    model = make_language_model(chapter)
    words = [token for token in range(10) if token != EOS]
    ended = [[BOS, EOS]] + [[BOS, word, EOS] for word in words]
    arrays = [np.array(ids, dtype=np.int32) for ids in ended]
    # The padding token is a word as any other for the softmax; here none is padded.
    total = sum(
        chapter.model.get_text_log_p(model, [array]).exp().item()
        for array in arrays
        if 0 not in array
    )
    logits = model(torch.tensor([[BOS]]))[0, -1].softmax(dim=-1)
    open_ = sum(
        logits[word].item()
        * (1 - model(torch.tensor([[BOS, word]]))[0, -1].softmax(dim=-1)[EOS].item())
        for word in words
        if word != 0
    )
    assert total + open_ + logits[0].item() == pytest.approx(1, abs=1e-5)


def test_killed_language_model_goes_on(folder, data, tmp_path):
    arguments = ('train_lm.py', '--gpu_id', -1, *lm_options(data), '--model_fn')
    whole_fn, model_fn = tmp_path / 'whole.pth', tmp_path / 'x.pth'
    run_quickly(folder, *arguments, whole_fn, check=True)
    handicap = partial(kill_before_line, 9, 'save_checkpoint')
    process = run_quickly(folder, *arguments, model_fn, handicap=handicap)
    assert process.returncode == -signal.SIGKILL
    run_quickly(folder, *arguments, model_fn, '--resume', check=True)
    assert_same_result(model_fn, whole_fn)


def test_both_directions_are_the_same_after_a_kill(folder, data, trained, tmp_path):
    """The kill comes between the files of the two directions, in the second epoch."""
    model_fn = tmp_path / 'x.pth'
    arguments = ('train.py', '--gpu_id', -1, *pair_options(data), '--n_epochs', 2)
    arguments += ('--model_fn', model_fn)
    handicap = partial(kill_before_line, 17, 'save_checkpoint')
    process = run_quickly(folder, *arguments, handicap=handicap)
    assert process.returncode == -signal.SIGKILL
    other = load(model_fn.with_suffix('.enko.pth'))['model']
    expected = load(trained[1])['model']
    assert not all(torch.equal(other[name], expected[name]) for name in expected)

    run_quickly(folder, *arguments, '--resume', check=True)
    assert_same_result(model_fn, trained[0])
    other = load(model_fn.with_suffix('.enko.pth'))['model']
    assert all(torch.equal(other[name], expected[name]) for name in expected)


# ---- Checkpoints


def test_13_reads_both_directions(trained, tmp_path):
    copy = copy_chapter('13_transformer', tmp_path)
    for fn, text in zip(trained, ('말 3 a\n\n', 'word 3 a\n\n'), strict=True):
        arguments = ('translate.py', '--gpu_id', '-1', '--model_fn', fn)
        process = run(copy, *arguments, stdin=text, check=True)
        assert process.stdout.count('\n') == 2
    assert load(trained[0])['config']['lang'] == 'koen'
    assert load(trained[1])['config']['lang'] == 'enko'
    assert torch.equal(load(trained[0])['x_subwords'], load(trained[1])['y_subwords'])


def test_start_from_two_checkpoints(chapter, data, trained, tmp_path):
    """With a learning rate of 0, nothing but the checkpoints can have been saved."""
    arguments = (*pair_options(data), '--n_epochs', 1, '--lr', 0, '--init_fn', *trained)
    # The sizes are those of the checkpoints.
    arguments += ('--hidden_size', 12, '--model_fn', tmp_path / 'x.pth')
    run_here(chapter.train, *arguments)
    for before, fn in zip(trained, ('x.pth', 'x.enko.pth'), strict=True):
        before, after = load(before), load(tmp_path / fn)
        assert after['config']['hidden_size'] == 8
        for name, value in before['model'].items():
            assert torch.equal(value, after['model'][name])


def test_wrong_checkpoints_to_start_from(chapter, data, trained, tmp_path):
    koen, enko = trained
    changes = {
        'lang': {'config': load(enko)['config'] | {'lang': 'koen'}},
        'subwords': {'x_subwords': torch.zeros(3, dtype=torch.uint8)},
        'size': {'config': load(enko)['config'] | {'n_layers': 2}},
    }
    words = {'lang': 'enko', 'subwords': 'the subwords of', 'size': 'a network as in'}
    for name, change in changes.items():
        other_fn = tmp_path / 'other.pth'
        torch.save(load(enko) | change, other_fn)
        arguments = (*pair_options(data), '--model_fn', tmp_path / 'x.pth')
        with pytest.raises(chapter.guards.InputError, match=words[name]) as refusal:
            run_here(chapter.train, *arguments, '--init_fn', koen, other_fn)
        assert str(refusal.value).startswith(f'{other_fn}: expected ')
        assert len(str(refusal.value).splitlines()) == 1


def test_language_models_in_the_wrong_order(chapter, data, tmp_path):
    arguments = (*pair_options(data), '--model_fn', tmp_path / 'x.pth')
    swapped = ('--lm_fn', data / 'lm.en.pth', data / 'lm.ko.pth')
    with pytest.raises(chapter.guards.InputError, match='of ko, found one of en'):
        run_here(chapter.train, *arguments, *swapped)


@pytest.mark.parametrize('attack', ATTACKS)
def test_bad_language_model(attack, chapter, data, tmp_path):
    kind = f'{NAME}/train_lm'
    fn = READING[attack](tmp_path, data / 'lm.ko.pth', kind)
    arguments = (*pair_options(data), '--model_fn', tmp_path / 'out' / 'x.pth')
    with pytest.raises(chapter.guards.InputError) as refusal:
        run_here(chapter.train, *arguments, '--lm_fn', fn, data / 'lm.en.pth')
    assert str(refusal.value).startswith(f'{fn}: expected a checkpoint of {kind}')
    assert len(str(refusal.value).splitlines()) == 1


def test_subwords_of_a_translator(chapter, data, trained, tmp_path):
    arguments = (*lm_options(data), '--model_fn', tmp_path / 'lm.pth', '--vocab_size')
    arguments += (310, '--subwords_fn', trained[1], '--lang')
    run_here(chapter.train_lm, *arguments, 'ko')
    expected = load(trained[1])['y_subwords']
    assert torch.equal(load(tmp_path / 'lm.pth')['subwords'], expected)
    with pytest.raises(chapter.guards.InputError, match='translator of de, found enko'):
        (data / 'train.de').write_text('a\n')
        (data / 'valid.de').write_text('a\n')
        run_here(chapter.train_lm, *arguments, 'de')


# ---- Back-translation

TEXT = ''.join(
    f'word {i % 9} {"a " * (i % 4)}\n' if i % 11 else '\n' for i in range(57)
)


def back_arguments(trained, out_fn, *options):
    arguments = ('back_translate.py', '--gpu_id', -1, '--model_fn', trained[1])
    return (*arguments, '--out_fn', out_fn, '--chunk_size', 10, *options)


def test_samples_follow_the_softmax(chapter):
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0]).expand(20_000, 1, 4)
    generator = torch.Generator().manual_seed(0)
    noisy = chapter.search.add_gumbel_noise(logits, generator)
    shares = noisy.argmax(dim=-1).flatten().bincount(minlength=4) / len(logits)
    assert torch.allclose(shares, logits[0, 0].softmax(dim=-1), atol=0.012)


@pytest.mark.parametrize('method', ['beam', 'sample'])
def test_killed_back_translation_goes_on(method, folder, trained, tmp_path):
    (tmp_path / 'text.en').write_text(TEXT, encoding='utf-8')
    options = ('--mono_fn', tmp_path / 'text.en', '--method', method)
    whole = back_arguments(trained, tmp_path / 'whole' / 'back', *options)
    run_quickly(folder, *whole, check=True)
    expected = snapshot(tmp_path / 'whole')
    x = (tmp_path / 'whole' / 'back.ko').read_text(encoding='utf-8').splitlines()
    y = (tmp_path / 'whole' / 'back.en').read_text(encoding='utf-8').splitlines()
    assert y == [' '.join(line.split()) for line in TEXT.splitlines()]
    assert len(x) == len(y)
    assert all(line.startswith('<BT> ') for line in x if line)
    assert not any(line for line, text in zip(x, y, strict=True) if not text)

    # Between the files of a chunk, in the middle of the next, and before any.
    kills = [(9, 'append'), (13, 'append'), (1, 'append'), (5, 'cut'), (12, 'cut')]
    for number, (line, function) in enumerate(kills if IS_LONG else kills[:2]):
        out = tmp_path / f'{number}'
        arguments = back_arguments(trained, out / 'back', *options)
        handicap = partial(kill_before_line, line, function)
        process = run_quickly(folder, *arguments, handicap=handicap)
        assert process.returncode == -signal.SIGKILL, process.stderr
        assert snapshot(out) != expected
        run_quickly(folder, *arguments, check=True)
        assert snapshot(out) == expected


def test_torn_files_are_mended(chapter, trained, tmp_path):
    """Whatever a full disk or a power cut leaves of the last chunks."""
    (tmp_path / 'text.en').write_text(TEXT, encoding='utf-8')
    arguments = back_arguments(trained, tmp_path / 'out' / 'back')[1:]
    arguments += ('--mono_fn', tmp_path / 'text.en', '--method', 'sample')
    run_here(chapter.back_translate, *arguments)
    expected = snapshot(tmp_path / 'out')
    files = [tmp_path / 'out' / f'back.{lang}' for lang in ('ko', 'en')]
    contents = [file.read_bytes() for file in files]
    for x_end, y_end in ((-1, None), (None, -1), (-30, -200), (100, 0), (None, None)):
        for file, content, end in zip(files, contents, (x_end, y_end), strict=True):
            file.write_bytes(content[:end])
        run_here(chapter.back_translate, *arguments)
        assert snapshot(tmp_path / 'out') == expected


def test_another_command_does_not_go_on(chapter, trained, tmp_path):
    (tmp_path / 'text.en').write_text(TEXT, encoding='utf-8')
    arguments = back_arguments(trained, tmp_path / 'out' / 'back')[1:]
    text = ('--mono_fn', tmp_path / 'text.en')
    run_here(chapter.back_translate, *arguments, *text)
    before = snapshot(tmp_path / 'out')

    (tmp_path / 'other.en').write_text(TEXT.replace('word 3', 'word 4'))
    (tmp_path / 'short.en').write_text(TEXT[:200])
    for options, message in (
        ((*text, '--beam_size', 3), 'back.pth: expected the same --beam_size as'),
        ((*text, '--model_fn', trained[1].with_name('copy.pth')), '--model_fn'),
        (('--mono_fn', tmp_path / 'other.en'), 'back.en, line 1: expected the input'),
        (('--mono_fn', tmp_path / 'short.en'), 'back.en'),
    ):
        if '--model_fn' in options:
            torch.save(load(trained[1]) | {'more': 1}, options[-1])
        with pytest.raises(chapter.guards.InputError, match=message) as refusal:
            run_here(chapter.back_translate, *arguments, *options)
        assert len(str(refusal.value).splitlines()) == 1
        assert snapshot(tmp_path / 'out') == before


def test_precious_files_are_not_overwritten(chapter, trained, tmp_path):
    (tmp_path / 'text.en').write_text(TEXT, encoding='utf-8')
    (tmp_path / 'back.ko').write_text('precious\n')
    before = snapshot(tmp_path)
    arguments = back_arguments(trained, tmp_path / 'back')[1:]
    with pytest.raises(chapter.guards.InputError, match='back.ko: expected no file'):
        arguments += ('--mono_fn', tmp_path / 'text.en')
        run_here(chapter.back_translate, *arguments)
    assert snapshot(tmp_path) == before


def test_lines_that_are_too_long_are_left_out(chapter, trained, tmp_path):
    (tmp_path / 'text.en').write_text(f'word 1\n{"word 1 " * 20}\nword 2\n')
    arguments = back_arguments(trained, tmp_path / 'back', '--max_length', 12)[1:]
    run_here(chapter.back_translate, *arguments, '--mono_fn', tmp_path / 'text.en')
    lines = (tmp_path / 'back.ko').read_text(encoding='utf-8').splitlines()
    assert [bool(line) for line in lines] == [True, False, True]


# ru_maxrss would not do: it begins with what the parent has had.
MEASURE = """
import runpy, sys
sys.argv = ['back_translate.py', *sys.argv[1:]]
try:
    runpy.run_path('back_translate.py', run_name='__main__')
finally:
    with open('/proc/self/status') as file:
        print(*(line.split()[1] for line in file if line.startswith('VmHWM:')))
"""


def test_memory_is_flat(folder, trained, tmp_path):
    """The peak, in KiB, does not grow with the number of lines."""
    peaks = []
    for n_lines in (2_000, 100_000 if IS_LONG else 10_000):
        text_fn = tmp_path / f'{n_lines}.en'
        # Wide lines cost nothing to translate, and all together are 30 MB at least.
        with open(text_fn, 'w', encoding='utf-8') as file:
            file.writelines(f'w {i}'.ljust(3000) + '\n' for i in range(n_lines))
        out_fn = tmp_path / f'out_{n_lines}'
        options = ('--mono_fn', text_fn, '--out_fn', out_fn, '--beam_size', 1)
        options += ('--batch_size', 500, '--chunk_size', 1000)
        arguments = ('--gpu_id', -1, '--model_fn', trained[1], *options)
        process = run(folder, '-c', MEASURE, *arguments, check=True, timeout=900)
        peaks.append(int(process.stdout.splitlines()[-1]))
        assert (tmp_path / f'out_{n_lines}.ko').read_bytes().count(b'\n') == n_lines
    assert peaks[1] < peaks[0] + 12_000


def test_13_reads_tagged_pairs(tmp_path):
    """The tag is the same five subwords in each pair, and no pair is odd."""
    lines = {}
    for lang in ('ko', 'en'):
        fn = ROOT / NAME / 'sample' / f'mono.{lang}'
        lines[lang] = fn.read_text(encoding='utf-8').splitlines()[:300]
    lines['ko'] = [*lines['ko'][:100], *(f'<BT> {line}' for line in lines['ko'][100:])]
    for lang in ('ko', 'en'):
        content = ''.join(f'{line}\n' for line in lines[lang])
        (tmp_path / f'mixed.{lang}').write_text(content, encoding='utf-8')

    loader = load_chapter('13_transformer').data_loader
    x, y = loader.read_pairs(tmp_path / 'mixed', 'koen')
    assert len(x) == len(y) == 300
    odd = loader.find_odd(dict(enumerate(zip(x, y, strict=True))), 'koen')
    assert not odd['have each the language of the other side']
    assert not odd['have the same sentence on both sides']

    subwords = loader.train_subwords(x, 900)
    tagged = [line for line in x if line.startswith('<BT> ')]
    pieces = subwords.encode(tagged, out_type=str)
    assert {tuple(line[:5]) for line in pieces} == {('▁', '<', 'B', 'T', '>')}
    # Subwords that know no tag have the bytes of its letters.
    plain = loader.train_subwords([line[5:] for line in tagged], 900)
    ids = plain.encode('<BT>')
    assert plain.unk_id() not in ids
    assert plain.decode(ids) == '<BT>'


# ---- The sample


def test_the_sample_is_a_part_of_that_of_13():
    lines = {}
    for part, lang in itertools.product(
        ('train', 'mono', 'valid', 'test'), ('ko', 'en')
    ):
        fn = ROOT / NAME / 'sample' / f'{part}.{lang}'
        lines[part, lang] = fn.read_text(encoding='utf-8').splitlines()
    for part, lang in itertools.product(('train', 'valid', 'test'), ('ko', 'en')):
        fn = ROOT / '13_transformer' / 'sample' / f'{part}.{lang}'
        whole = fn.read_text(encoding='utf-8').splitlines()
        if part != 'train':
            assert lines[part, lang] == whole
            continue
        start = {'en': 3000, 'ko': 6000}[lang]
        assert lines['train', lang] == whole[:3000]
        # No line of the one is a translation of the same line of the other.
        assert lines['mono', lang] == whole[start : start + 3000]
