"""Chapters 12 and 13: two networks, one search, and translations from it."""

import copy
import itertools
import math

import pytest
import torch
from chapters import ROOT, importable, load_chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

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
        logits = model(x, lengths, y, torch.arange(len(tokens)))
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
                logits = model(
                    X[i : i + 1, : LENGTHS[i]],
                    LENGTHS[i : i + 1],
                    torch.tensor([y]),
                    torch.arange(len(y)),
                )
            y.append(logits[-1].argmax().item())
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


# ---- Networks


def get_batch(chapter, x_ids, y_ids):
    dataset = chapter.data_loader.PairDataset(x_ids, y_ids)
    return dataset.__getitems__(range(len(x_ids)))


X_IDS = [[4, 5, 6, 7], [8, 4], [5, 5, 5]]
Y_IDS = [[4, 5], [6, 7, 8, 4, 5], [7]]


def test_steps_are_teacher_forcing(chapter, name):
    """What is computed with a cache, step by step, is the whole."""
    model = make_model(chapter, name, 9)
    x, lengths, y, places, _ = get_batch(chapter, X_IDS, Y_IDS)
    expected = model(x, lengths, y, places)
    state = model.start(x, lengths, 1, 10)
    logits = [model.step(y[:, t : t + 1], state) for t in range(y.size(1))]
    found = torch.cat(logits, dim=1).flatten(0, 1)[places]
    assert torch.allclose(found, expected, atol=1e-5)


def test_later_target_tokens_change_nothing(chapter, name):
    model = make_model(chapter, name, 9)
    x, lengths, y, _, _ = get_batch(chapter, X_IDS, Y_IDS)
    places = torch.arange(y.numel())
    before = model(x, lengths, y, places).view(*y.shape, -1)
    y = y.clone()
    y[:, 3] = 8
    after = model(x, lengths, y, places).view(*y.shape, -1)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3], atol=1e-4)


def test_padding_changes_nothing(chapter, name):
    model = make_model(chapter, name, 9)
    x, lengths, y, places, _ = get_batch(chapter, X_IDS, Y_IDS)
    together = model(x, lengths, y, places)
    alone = [
        model(*get_batch(chapter, [a], [b])[:4])
        for a, b in zip(X_IDS, Y_IDS, strict=True)
    ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_targets_are_the_sentences_and_their_ends(chapter, name):
    _, _, y, places, targets = get_batch(chapter, X_IDS, Y_IDS)
    assert y.tolist()[0] == [BOS, 4, 5, 0, 0, 0]
    assert targets.tolist() == [4, 5, EOS, 6, 7, 8, 4, 5, EOS, 7, EOS]
    assert y.flatten()[places].tolist() == [BOS, 4, 5, BOS, 6, 7, 8, 4, 5, BOS, 7]


def test_tied_weights_are_one_tensor(chapter, name):
    tied, untied = (
        make_model(chapter, name, 9, option) for option in ('--tied', '--no-tied')
    )
    n_tied, n_untied = (
        sum(p.numel() for p in model.parameters()) for model in (tied, untied)
    )
    assert n_tied < n_untied


# ---- Training


def make_trainer(chapter, name, model, *arguments):
    config = get_config(chapter, name, '--verbose', 0, *arguments)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    checkpoint = {'config': vars(config)}
    return chapter.trainer.Trainer(
        model, nn.CrossEntropyLoss(), optimizer, scheduler, {}, checkpoint
    )


def get_grads(trainer, batches):
    """The gradients just before they are clipped, of each update."""
    seen = []

    def look(parameters, max_norm):
        seen.append([p.grad.clone() for p in parameters])
        return torch.zeros(())

    with pytest.MonkeyPatch.context() as patch:
        module = __import__(type(trainer).__module__)
        patch.setattr(module, 'clip_grad_norm_', look)
        state = trainer.trainer.state
        state.epoch_length = len(batches)
        for state.iteration, batch in enumerate(batches, 1):
            trainer._train_step(trainer.trainer, batch)
    return seen


def test_micro_batches_are_the_whole_batch(chapter, name):
    """Three batches of unequal size, two an update: the last group is a partial one."""
    model = make_model(chapter, name, 9)
    batches = [get_batch(chapter, X_IDS[i : i + 1], Y_IDS[i : i + 1]) for i in range(3)]
    trainer = make_trainer(chapter, name, model, '--iteration_per_update', 2)
    updates = get_grads(trainer, batches)
    assert len(updates) == 2

    for found, ids in zip(updates, ([0, 1], [2]), strict=True):
        whole = copy.deepcopy(model)
        whole.zero_grad()
        x, lengths, y, places, targets = get_batch(
            chapter, [X_IDS[i] for i in ids], [Y_IDS[i] for i in ids]
        )
        loss = nn.functional.cross_entropy(whole(x, lengths, y, places), targets)
        loss.backward()
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
    with pytest.raises(chapter.utils.InputError, match=r'p\.en, line 2: expected as'):
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
