"""Chapter 03: it beats PCA, its target is its input, and its pictures are true."""

import numpy as np
import pytest
import torch
from attacks import run_here
from chapters import importable, load_chapter
from matplotlib.figure import Figure
from PIL import Image
from sklearn.decomposition import PCA

NAME = '03_mnist_autoencoder'
DIGITS = ('--dataset', 'digits', '--n_epochs', 1, '--hidden_sizes', 20, '--verbose', 0)


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def trained(chapter, tmp_path_factory):
    """The checkpoint of a training with the defaults, on scikit-learn's digits."""
    model_fn = tmp_path_factory.mktemp('trained') / 'model.pth'
    arguments = ('--dataset', 'digits', '--verbose', 0)
    run_here(chapter.train, '--model_fn', model_fn, *arguments)
    return model_fn


@pytest.fixture(scope='module')
def model(chapter, trained):
    return chapter.predict.load_model(torch.load(trained, weights_only=True))


@pytest.fixture(scope='module')
def splits(chapter):
    """The images of the training and of the test split, from 0 to 1."""
    return [chapter.utils.load_digits(is_train)[0] for is_train in (True, False)]


@pytest.fixture(scope='module')
def x(splits):
    return splits[1].flatten(1)


def read_results(stdout):
    return dict(line.split(': ') for line in stdout.splitlines())


# ---- It learns, and says so


def test_defaults_beat_principal_components_by_a_quarter(chapter, trained, capsys):
    run_here(chapter.predict, '--model_fn', trained)

    results = read_results(capsys.readouterr().out)
    assert results['dataset'] == 'digits'
    assert results['btl_size'] == '2'
    assert float(results['mse']) <= 0.75 * float(results['pca_mse'])


def test_errors_are_those_of_numpy(chapter, trained, model, splits, capsys):
    run_here(chapter.predict, '--model_fn', trained)
    results = read_results(capsys.readouterr().out)

    train_x, test_x = (part.flatten(1).double().numpy() for part in splits)
    with torch.no_grad():
        x_hat = model(torch.from_numpy(test_x).float()).numpy()
    mean = train_x.mean(axis=0)
    components = np.linalg.svd(train_x - mean, full_matrices=False)[2][:2]
    pca_x_hat = mean + (test_x - mean) @ components.T @ components

    assert results['n_images'] == str(len(test_x)) == '360'
    for name, found in (('mse', x_hat), ('pca_mse', pca_x_hat)):
        expected = ((found - test_x) ** 2).mean()
        assert float(results[name]) == pytest.approx(expected, abs=1e-5)


def test_pictures_are_beside_the_checkpoint(chapter, tmp_path, capsys):
    model_fn = tmp_path / 'x.pth'

    run_here(chapter.train, '--model_fn', model_fn, *DIGITS)
    assert capsys.readouterr().out == ''
    run_here(chapter.predict, '--model_fn', model_fn)

    names = ['x.png', 'x.predict.png', 'x.pth']
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names)
    for name in names[:2]:
        with Image.open(tmp_path / name) as picture:
            picture.load()
            assert picture.format == 'PNG'
            assert len(picture.convert('L').getcolors()) > 10


def test_seed_decides_the_weights_to_the_last_bit(chapter, tmp_path):
    runs = []
    for number, seed in enumerate((0, 0, 1)):
        model_fn = tmp_path / f'{number}.pth'
        run_here(chapter.train, '--model_fn', model_fn, '--seed', seed, *DIGITS)
        runs.append(torch.load(model_fn, weights_only=True)['model'])
        torch.seed()

    first, again, other = (
        torch.cat([values.flatten().double() for values in weights.values()])
        for weights in runs
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_ctrl_c_saves_the_best_so_far(chapter, tmp_path, monkeypatch):
    def train_a_while(trainer, *data):
        trainer.best_model = {'weight': torch.ones(3)}
        trainer.history = {'train_loss': [2.0, 1.0], 'valid_loss': [1.0, 2.0]}
        raise KeyboardInterrupt

    monkeypatch.setattr(chapter.trainer.Trainer, 'train', train_a_while)

    with pytest.raises(KeyboardInterrupt):
        run_here(chapter.train, '--model_fn', tmp_path / 'model.pth', *DIGITS)

    checkpoint = torch.load(tmp_path / 'model.pth', weights_only=True)
    assert checkpoint['model']['weight'].tolist() == [1, 1, 1]
    assert (tmp_path / 'model.png').exists()


# ---- Traps


def test_target_is_input(chapter, splits, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        chapter.trainer.Trainer, 'train', lambda trainer, *data: seen.extend(data)
    )

    arguments = ('--model_fn', tmp_path / 'model.pth', '--seed', 5, *DIGITS)
    run_here(chapter.train, *arguments)

    train_data, valid_data, _ = seen
    all_x = splits[0].flatten(1)
    indices = torch.arange(len(all_x))
    expected = chapter.utils.split_data(all_x, indices, 0.1, seed=5)
    for (x, y), (expected_x, _) in zip((train_data, valid_data), expected, strict=True):
        assert torch.equal(x, expected_x)
        assert torch.equal(y, expected_x)


def test_all_goes_through_the_bottleneck(model, x):
    """Images of one place in the bottleneck have one reconstruction."""
    with torch.no_grad():
        z = model.encoder(x)
        assert z.shape == (len(x), 2)
        assert torch.equal(model(x), model.decoder(z))


def test_one_image_gets_what_it_gets_among_others(chapter, model, x):
    """In batches of their own, no statistics of a batch may count."""
    for network, values in ((model, x), (model.encoder, x), (model.decoder, x[:, :2])):
        together = chapter.predict.predict(network, values)
        in_parts = chapter.predict.predict(network, values, batch_size=7)
        alone = [chapter.predict.predict(network, row[None]) for row in values[:10]]
        assert torch.allclose(in_parts, together, atol=1e-5)
        assert torch.allclose(torch.cat(alone), together[:10], atol=1e-5)


@pytest.mark.parametrize('btl_size', [1, 3])
def test_bottleneck_of_another_size(chapter, btl_size, tmp_path, capsys, monkeypatch):
    titles = []
    draw_map = chapter.predict.draw_map
    monkeypatch.setattr(
        chapter.predict,
        'draw_map',
        lambda figure, title, *data: (
            titles.append(title),
            draw_map(figure, title, *data),
        ),
    )
    model_fn = tmp_path / 'model.pth'

    arguments = ('--model_fn', model_fn, '--btl_size', btl_size, *DIGITS)
    run_here(chapter.train, *arguments)
    run_here(chapter.predict, '--model_fn', model_fn)

    assert read_results(capsys.readouterr().out)['btl_size'] == str(btl_size)
    assert [('principal components' in title) for title in titles] == [btl_size > 2]


def test_more_components_than_there_are(chapter):
    """With as many as there are images, PCA leaves no error on these."""
    images = torch.rand(5, 784, generator=torch.Generator().manual_seed(0))

    error = chapter.predict.get_pca_error(images, images, n_components=10)

    assert error == pytest.approx(0, abs=1e-9)


# ---- The map


def make_points(n_points, size):
    generator = torch.Generator().manual_seed(0)
    scales = torch.arange(size, 0, -1)
    return torch.randn(n_points, size, generator=generator) * scales + 7


@pytest.mark.parametrize('btl_size', [1, 2])
def test_map_of_a_small_bottleneck_is_the_bottleneck(chapter, btl_size):
    z = make_points(50, btl_size)

    plane, origin, directions = chapter.predict.get_map(z)

    assert plane == 'the bottleneck itself'
    points = (z - origin) @ directions.T
    assert torch.equal(points[:, :btl_size], z)
    assert (points[:, btl_size:] == 0).all()
    assert torch.equal(origin + points @ directions, z)


def test_map_of_a_large_bottleneck_is_of_principal_components(chapter):
    z = make_points(50, 5)

    plane, origin, directions = chapter.predict.get_map(z)

    pca = PCA(2).fit(z.numpy())
    assert plane == 'first two principal components of 5'
    assert np.allclose(origin, pca.mean_, atol=1e-4)
    signs = np.sign((directions.numpy() * pca.components_).sum(axis=1))
    assert np.allclose(directions, pca.components_ * signs[:, None], atol=1e-4)


def test_walk_goes_from_the_top_left_to_the_bottom_right(chapter):
    """As in a map with axes: to the right x grows, and upwards y does."""
    steps = torch.linspace(0, 1, 1001)
    points = torch.stack([steps, 10 + 2 * steps.flip(0)], dim=1)

    walk = chapter.predict.get_walk(points, n_steps=4).view(4, 4, 2)

    left, right, bottom, top = 0.02, 0.98, 10.04, 11.96
    corners = [walk[0, 0], walk[0, -1], walk[-1, 0], walk[-1, -1]]
    expected = [(left, top), (right, top), (left, bottom), (right, bottom)]
    assert torch.allclose(torch.stack(corners), torch.tensor(expected), atol=1e-4)
    assert torch.allclose(walk[:, :, 0].diff(dim=1), torch.tensor(0.32), atol=1e-4)
    assert torch.allclose(walk[:, :, 1].diff(dim=0), torch.tensor(-0.64), atol=1e-4)


def test_grid_is_drawn_row_by_row(chapter):
    images = torch.rand(6, 784, generator=torch.Generator().manual_seed(0))
    figure = Figure()

    chapter.predict.draw_grid(figure, 'Six images', images, n_columns=3)

    picture = np.asarray(figure.axes[0].images[0].get_array())
    assert picture.shape == (2 * 28, 3 * 28)
    for number, image in enumerate(images.view(6, 28, 28).numpy()):
        row, column = divmod(number, 3)
        place = picture[row * 28 : row * 28 + 28, column * 28 : column * 28 + 28]
        assert (place == image).all()
    assert figure.axes[0].yaxis_inverted(), 'the first row is not at the top'


def test_points_of_the_map_have_the_colours_of_their_classes(chapter):
    points = make_points(20, 2)
    y = torch.arange(20) % 2
    figure = Figure()

    chapter.predict.draw_map(figure, 'Two classes', points, y, ['even', 'odd'])

    axes = figure.axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ['even', 'odd']
    for i, scatter in enumerate(axes.collections):
        assert np.allclose(scatter.get_offsets(), points[i::2])
    colours = [tuple(scatter.get_facecolor()[0]) for scatter in axes.collections]
    assert len(set(colours)) == 2


def test_picture_shows_what_the_model_says(chapter, trained, model, x, monkeypatch):
    """Digits above their reconstructions, and the walk decoded in its own order."""
    grids, maps = {}, []
    monkeypatch.setattr(
        chapter.predict,
        'draw_grid',
        lambda figure, title, images, n_columns: grids.update({n_columns: images}),
    )
    monkeypatch.setattr(
        chapter.predict, 'draw_map', lambda figure, title, *data: maps.extend(data)
    )

    run_here(chapter.predict, '--model_fn', trained)

    with torch.no_grad():
        z, x_hat = model.encoder(x), model(x)
        walk = model.decoder(chapter.predict.get_walk(z))
    pairs = grids[10].view(5, 2, 10, 784)
    assert torch.equal(pairs[:, 0].flatten(0, 1), x[:50])
    assert torch.allclose(pairs[:, 1].flatten(0, 1), x_hat[:50], atol=1e-5)
    assert torch.allclose(grids[15], walk, atol=1e-4)
    assert torch.allclose(maps[0], z, atol=1e-4)
    assert maps[1].tolist() == chapter.utils.load_digits(is_train=False)[1].tolist()
