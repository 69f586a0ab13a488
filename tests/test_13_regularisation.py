"""The regularisation of 13: dropped words, R-Drop, and averaged weights."""

import pytest
import torch
from chapters import copy_chapter, importable, load_chapter, run
from torch.distributions import Categorical, kl_divergence

NAME = '13_transformer'
SIZES = ['--hidden_size', '8', '--n_heads', '2', '--ffn_size', '12', '--n_layers', '1']
X_IDS = [[4, 5, 6, 7], [8, 4], [5, 5, 5]]
Y_IDS = [[4, 5], [6, 7, 8, 4, 5], [7]]


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


def make_model(chapter, *options):
    torch.manual_seed(0)
    config = chapter.train.define_argparser().parse_args([*SIZES, *options])
    return chapter.model.get_model(vars(config), 9, 9)


def make_trainer(chapter, folder, *options, is_fast=False):
    """Return a trainer that has not trained yet, and a batch."""
    model = make_model(chapter, *options)
    options = [*SIZES, '--model_fn', str(folder / 'model.pth'), *options]
    config = chapter.train.define_argparser().parse_args(options)
    crit, _ = chapter.model.get_criteria(config.label_smoothing)
    if is_fast:
        chapter.fast.speed_up(model, crit)
    optimizer = chapter.trainer.get_optimizer(model, 0.1, 0.0)
    scheduler = chapter.trainer.InverseSquareRoot(optimizer, 1)
    trainer = chapter.regularisation.RegularisedTrainer(
        model, crit, optimizer, scheduler, {}, {'config': vars(config)}
    )
    dataset = chapter.data_loader.PairDataset(X_IDS, Y_IDS)
    batch = chapter.data_loader.collate([dataset[i] for i in range(len(X_IDS))])
    return trainer, batch


def take_step(trainer, batch):
    """Take one gradient step, and return its loss."""
    trainer.trainer.state.iteration = trainer.trainer.state.epoch_length = 1
    return trainer._train_step(trainer.trainer, batch)['loss']


# ---- Dropped words


def test_a_share_of_the_words_is_dropped_whole(chapter):
    model = make_model(chapter)
    chapter.regularisation.drop_words(model, 0.25)
    x = torch.randint(4, 9, (200, 50))
    for embedding in (model.x_embedding, model.y_embedding):
        vectors = embedding.train()(x)
        is_dropped = (vectors == 0).all(dim=-1)
        assert is_dropped.float().mean().item() == pytest.approx(0.25, abs=0.02)
        expected = embedding.weight[x] / 0.75
        assert torch.allclose(vectors[~is_dropped], expected[~is_dropped])
        assert torch.equal(embedding.eval()(x), embedding.weight[x])


def test_words_of_a_joint_vocabulary_are_dropped_once(chapter):
    model = make_model(chapter, '--joint')
    chapter.regularisation.drop_words(model, 0.5)
    is_dropped = (model.x_embedding(torch.full((10000,), 5)[None]) == 0).all(dim=-1)
    assert is_dropped.float().mean().item() == pytest.approx(0.5, abs=0.03)


# ---- R-Drop


def test_divergence_is_that_of_torch(chapter):
    p, q = torch.randn(2, 7, 9)
    one, other = Categorical(logits=p), Categorical(logits=q)
    expected = (kl_divergence(one, other) + kl_divergence(other, one)).mean()
    found = chapter.regularisation.get_divergence(p, q)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert chapter.regularisation.get_divergence(p, p).item() == 0


@pytest.mark.parametrize('is_fast', [False, True])
def test_r_drop_is_its_formula(chapter, tmp_path, is_fast):
    """With the passes one after the other, and padding left out by hand."""
    options = ['--r_drop', '5', '--dropout_p', '0']
    trainer, batch = make_trainer(chapter, tmp_path, *options, is_fast=is_fast)

    # In the place of dropout, which nobody could repeat: the second pass is disturbed.
    def disturb(generator, inputs, logits):
        first, second = logits.chunk(2)
        return torch.cat([first, second * 1.5])

    handle = trainer.model.generator.register_forward_hook(disturb)
    found = take_step(trainer, batch)
    handle.remove()

    plain = make_model(chapter).eval()
    x, lengths, y = batch
    p = plain(x, lengths, y[:, :-1])
    targets = y[:, 1:]
    p, targets = p[targets != 0], targets[targets != 0]
    q = p * 1.5
    crit, _ = chapter.model.get_criteria(0.1)
    one, other = Categorical(logits=p), Categorical(logits=q)
    divergence = (kl_divergence(one, other) + kl_divergence(other, one)).mean()
    expected = (crit(p, targets) + crit(q, targets)) / 2 + 5 / 4 * divergence
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize('is_fast', [False, True])
def test_without_dropout_both_passes_agree(chapter, tmp_path, is_fast):
    """Then the loss and the gradient are those of a training without R-Drop."""
    results = []
    for r_drop in ('0', '5'):
        options = ['--r_drop', r_drop, '--dropout_p', '0']
        trainer, batch = make_trainer(chapter, tmp_path, *options, is_fast=is_fast)
        loss = take_step(trainer, batch)
        results.append((loss, trainer.grad_norm, trainer.model.state_dict()))
    (loss, norm, weights), (other_loss, other_norm, other_weights) = results
    assert other_loss.item() == pytest.approx(loss.item(), rel=1e-5)
    assert other_norm.item() == pytest.approx(norm.item(), rel=1e-4)
    assert weights.keys() == other_weights.keys()


def test_dropout_differs_between_the_passes(chapter, tmp_path):
    losses = []
    for r_drop in ('1e-9', '5'):
        options = ['--r_drop', r_drop, '--dropout_p', '0.5']
        trainer, batch = make_trainer(chapter, tmp_path, *options)
        torch.manual_seed(1)
        losses.append(take_step(trainer, batch).item())
    assert losses[1] > losses[0] + 0.01


def test_a_validation_has_one_pass(chapter, tmp_path):
    trainer, batch = make_trainer(chapter, tmp_path, '--r_drop', '5')
    y_hat, y = trainer._valid_step(trainer.validator, batch)
    assert len(y_hat) == len(y) == batch[2][:, 1:].numel()


# ---- Averaged weights


def test_the_average_is_its_formula(chapter, tmp_path):
    trainer, batch = make_trainer(chapter, tmp_path, '--ema_decay', '0.75')
    average = trainer.best_model
    trainer.averaging.attach(trainer.trainer)
    expected = [weights.clone() for weights in trainer.model.parameters()]
    for _ in range(3):
        take_step(trainer, batch)
        trainer.averaging._update_ema_model(trainer.trainer, 'ema_momentum')
        for mean, weights in zip(expected, trainer.model.parameters(), strict=True):
            mean.mul_(0.75).add_(weights.detach(), alpha=0.25)
    for mean, weights, trained in zip(
        expected, average.parameters(), trainer.model.parameters(), strict=True
    ):
        assert torch.allclose(weights, mean, atol=1e-6)
        assert not torch.allclose(weights, trained, atol=1e-3)


def test_the_average_is_validated(chapter, tmp_path):
    trainer, batch = make_trainer(chapter, tmp_path, '--ema_decay', '0.5')
    for _ in range(2):
        take_step(trainer, batch)
    y_hat, _ = trainer._valid_step(trainer.validator, batch)
    x, lengths, y = batch
    with torch.no_grad():
        expected = trainer.best_model.eval()(x, lengths, y[:, :-1]).flatten(0, 1)
        trained = trainer.model.eval()(x, lengths, y[:, :-1]).flatten(0, 1)
    assert torch.equal(y_hat, expected)
    assert not torch.allclose(y_hat, trained, atol=1e-3)


# ---- The program

TRAINING = [*SIZES, '--train_fn', 'few', '--vocab_size', '1000', '--verbose', '0']
ALL = ['--word_dropout_p', '0.1', '--r_drop', '1', '--ema_decay', '0.9']


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A copy of the chapter that trains on few pairs."""
    copy = copy_chapter(NAME, tmp_path_factory.mktemp('regularisation'))
    for language in ('ko', 'en'):
        lines = (copy / 'sample' / f'train.{language}').read_text('utf-8').splitlines()
        (copy / f'few.{language}').write_text('\n'.join(lines[:300]), encoding='utf-8')
    return copy


def train(folder, fn, *options):
    run(folder, 'train.py', '--model_fn', fn, *TRAINING, *options, check=True)
    checkpoint = torch.load(folder / fn, weights_only=True)
    return checkpoint['model'], torch.load(folder / f'{fn[:-4]}.last.pth')


def test_a_resumed_training_is_the_same(folder):
    whole, _ = train(folder, 'whole.pth', *ALL, '--n_epochs', '3')
    train(folder, 'parts.pth', *ALL, '--n_epochs', '1')
    parts, _ = train(folder, 'parts.pth', *ALL, '--n_epochs', '3', '--resume')
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_the_average_is_saved(folder):
    best, last = train(folder, 'average.pth', '--ema_decay', '0.9', '--n_epochs', '1')
    assert all(torch.equal(best[key], last['average'][key]) for key in best)
    assert not all(torch.equal(best[key], last['model'][key]) for key in best)
    lines = run(folder, 'translate.py', '--model_fn', 'average.pth', stdin='네.\n')
    assert lines.returncode == 0
    assert lines.stdout.count('\n') == 1


def test_nothing_changes_without_the_options(folder):
    """The plain Trainer gives the same weights to the last bit."""
    found, _ = train(folder, 'found.pth', '--n_epochs', '1')
    source = (folder / 'train.py').read_text('utf-8')
    plain = source.replace('RegularisedTrainer', 'Trainer')
    assert plain.count('from regularisation import Trainer') == 1
    plain = plain.replace('from regularisation import', 'from trainer import')
    (folder / 'plain.py').write_text(plain, encoding='utf-8')
    options = '--model_fn', 'plain.pth', *TRAINING, '--n_epochs', '1'
    run(folder, 'plain.py', *options, check=True)
    expected = torch.load(folder / 'plain.pth', weights_only=True)['model']
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    'option', [('--word_dropout_p', '1'), ('--r_drop', '-1'), ('--ema_decay', '1')]
)
def test_options_out_of_range(folder, option):
    result = run(folder, 'train.py', *option)
    assert result.returncode == 2
    assert option[0] in result.stderr
    assert result.stderr.count('\n') == 1
