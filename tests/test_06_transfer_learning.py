"""Chapter 06: what is frozen stays frozen, and weights come from where they should."""

import dataclasses
import hashlib
import io
import re
import shutil
import signal
import socket
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attacks import MARK, READING, Program, run_here
from chapters import copy_chapter, importable, load_chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import label
from sklearn.metrics import accuracy_score
from torch import nn
from torchvision import models

NAME = '06_transfer_learning'
FAMILIES = ['resnet', 'alexnet', 'vgg', 'squeezenet', 'densenet']
TINY = ('--dataset', 'digits', '--n_train', 40, '--n_epochs', 1, '--batch_size', 16)
SQUEEZENET = ('--model_name', 'squeezenet', '--pretrained', 'none')


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """More threads wait for one another, on a busy machine for very long."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """No cache of this machine and no network: whoever asks is refused at once."""
    for name in ('http_proxy', 'https_proxy'):
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    # urllib reads these variables once, and other tests must not inherit them.
    monkeypatch.setattr(urllib.request, '_opener', None)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))


def parse(module, *arguments):
    arguments = ['--gpu_id', '-1', *map(str, arguments)]
    return module.define_argparser().parse_args(arguments)


def load(fn):
    return torch.load(fn, weights_only=True)


def last_of(model_fn):
    return model_fn.with_suffix('.last.pth')


def is_equal(weights, others):
    return weights.keys() == others.keys() and all(
        torch.equal(weights[name], others[name]) for name in weights
    )


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Two classes of ten pictures: red ones and green ones, of many sizes."""
    folder = tmp_path_factory.mktemp('pictures')
    random = np.random.default_rng(0)
    for channel, name in enumerate(('tomato', 'apple green')):
        (folder / name).mkdir()
        for number in range(10):
            size = (40 + number, 60 - number, 3)
            pixels = random.integers(0, 60, size, np.uint8)
            pixels[:, :, channel] += 180
            Image.fromarray(pixels).save(folder / name / f'{number}.png')
    return folder


# ---- All families


@pytest.mark.parametrize('family', FAMILIES)
def test_every_family_is_fine_tuned_and_frozen(
    family, chapter, pictures, tmp_path, capsys
):
    size = 63 if family == 'alexnet' else 32
    data = ('--dataset', 'folder', '--data_dir', pictures, '--image_size', size)
    arguments = ('--model_name', family, '--pretrained', 'none', *data, '--n_epochs', 1)
    found = {}
    for way in ('--freeze', '--no-freeze'):
        model_fn = tmp_path / f'{way}.pth'
        run_here(chapter.train, '--model_fn', model_fn, *arguments, way)
        found[way] = load(model_fn)['model']
    run_here(chapter.predict, '--model_fn', model_fn)

    stdout, stderr = capsys.readouterr()
    torch.manual_seed(0)
    with importable(chapter):
        model = chapter.model.get_model({
            'model_name': family, 'image_size': size, 'freeze': True
        }, 2)  # fmt: skip
    before = model.state_dict()
    backbone = {name for name in before if name.startswith('backbone.')}
    assert re.search('^accuracy: [01][.]', stdout, re.M)
    for name, weight in before.items():
        assert torch.equal(found['--freeze'][name], weight) == (name in backbone)
    changed = {
        n for n in backbone if not torch.equal(found['--no-freeze'][n], before[n])
    }
    assert len(changed) > 0.9 * len(backbone)

    n_all = sum(p.numel() for p in model.parameters())
    n_head = 2 * (chapter.model.NETWORKS[family][1] + 1)
    counts = re.findall(rf'^{family}: (.*) parameters to train$', stderr, re.M)
    assert counts == [f'{n_head:,} of {n_all:,}', f'{n_all:,} of {n_all:,}']


@pytest.mark.parametrize('family', FAMILIES)
def test_smallest_image(family, chapter):
    name, n_features, min_size = chapter.model.NETWORKS[family]
    with torch.device('meta'):
        backbone, n_found = chapter.model.get_backbone(family, min_size)
        x = torch.empty(2, 3, min_size, min_size)

    assert backbone(x).shape == (2, n_features)
    assert n_found == n_features
    if family != 'resnet':
        with pytest.raises(RuntimeError, match='too small'):
            backbone(x[:, :, 1:, 1:])
    with pytest.raises(chapter.guards.InputError, match=f'{name} takes {min_size} or'):
        chapter.model.get_backbone(family, min_size - 1)


# vgg is built like alexnet, but it takes long to draw its 129 million weights.
@pytest.mark.parametrize('family', sorted({*FAMILIES} - {'vgg'}))
def test_backbone_computes_what_torchvision_does(family, chapter, monkeypatch):
    """The weights of a whole network are copied to the right parts of a backbone."""
    torch.manual_seed(0)
    network = models.get_model(chapter.model.NETWORKS[family][0]).eval()
    backbone, n_features = chapter.model.get_backbone(family, 64)
    weights = network.state_dict()
    if family == 'densenet':
        # Torchvision's file is older than its names.
        weights = {
            re.sub(r'\.(norm|conv)([12])\.', r'.\1.\2.', name): weight
            for name, weight in weights.items()
        }
        assert weights.keys() != network.state_dict().keys()
    monkeypatch.setattr(chapter.weights, 'read_weights', lambda *_: weights)
    model = chapter.model.TransferClassifier(backbone, n_features, 3, is_frozen=True)

    config = SimpleNamespace(model_name=family, image_size=64, weights_fn=__file__)
    chapter.weights.load_weights(model, config)

    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = backbone.eval()(x)
        if family == 'resnet':
            assert torch.allclose(network.fc(features), network(x))
        elif family == 'densenet':
            assert torch.allclose(network.classifier(features), network(x))
        else:
            assert torch.allclose(network.features(x).mean((2, 3)), features, atol=1e-6)


def test_frozen_backbone_stays_in_evaluation(chapter):
    config = {'model_name': 'resnet', 'image_size': 32, 'freeze': True}
    model = chapter.model.get_model(config, 3)

    model.train()

    assert model.training
    assert model.head.training
    assert not any(module.training for module in model.backbone.modules())
    config['freeze'] = False
    model = chapter.model.get_model(config, 3).train()
    assert all(module.training for module in model.modules())
    assert not any(module.training for module in model.eval().modules())


def test_frozen_backbone_gets_no_gradient(chapter):
    config = {'model_name': 'squeezenet', 'image_size': 32, 'freeze': True}
    model = chapter.model.get_model(config, 3)

    model(torch.randn(2, 3, 32, 32)).sum().backward()

    assert {n for n, p in model.named_parameters() if p.grad is not None} == {
        'head.weight',
        'head.bias',
    }


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (('--pretrained', 'none'), [2e-3, 2e-3]),
        (('--pretrained', 'glyphs'), [2e-3, 2e-4]),
        (('--pretrained', 'none', '--weights_fn', 'x.pth'), [2e-3, 2e-4]),
        (('--pretrained', 'none', '--backbone_lr', 0.5), [2e-3, 0.5]),
        (('--pretrained', 'glyphs', '--backbone_lr', 0), [2e-3, 0]),
    ],
)
def test_trained_backbone_takes_smaller_steps(options, expected, chapter):
    model = chapter.model.get_model(
        {'model_name': 'resnet', 'image_size': 32, 'freeze': False}, 3
    )
    config = parse(chapter.train, '--lr', 2e-3, *options)

    groups = chapter.model.get_parameter_groups(model, config)
    groups = torch.optim.Adam(groups, fused=True).param_groups

    assert [group['lr'] for group in groups] == pytest.approx(expected)
    assert [len(group['params']) for group in groups] == [
        2,
        len(list(model.backbone.parameters())),
    ]


# ---- Features that are computed once


@pytest.mark.parametrize('amp', ['off', 'bf16'])
def test_reused_features_train_to_the_same_result(
    amp, chapter, tmp_path, monkeypatch, capsys
):
    arguments = (*TINY, '--n_train', 60, '--n_epochs', 4, *SQUEEZENET, '--amp', amp)
    arguments += ('--freeze', '--no-augment')
    images = []
    get_backbone = chapter.model.get_backbone

    def count(*arguments):
        backbone, n_features = get_backbone(*arguments)
        backbone.register_forward_hook(lambda _, x, y: images.append(len(y)))
        return backbone, n_features

    monkeypatch.setattr(chapter.model, 'get_backbone', count)
    run_here(chapter.train, '--model_fn', tmp_path / 'reused.pth', *arguments)
    assert sum(images) == 60
    images.clear()
    run_here(
        chapter.train, '--model_fn', tmp_path / 'plain.pth', *arguments, '--no-fast'
    )
    # Each training batch of 16 but the last one, which is dropped.
    assert sum(images) == 4 * (48 + 6)

    reused, plain = (load(last_of(tmp_path / f'{n}.pth')) for n in ('reused', 'plain'))
    for name, weight in plain['model'].items():
        assert torch.allclose(reused['model'][name], weight, atol=1e-6), name
    for name, losses in plain['trainer']['history'].items():
        assert reused['trainer']['history'][name] == pytest.approx(losses, rel=1e-5)


@pytest.mark.parametrize(
    ('options', 'is_reused'),
    [
        (('--freeze', '--no-augment'), True),
        (('--freeze', '--augment'), False),
        (('--no-freeze', '--no-augment'), False),
        (('--freeze', '--no-augment', '--no-fast'), False),
    ],
)
def test_features_are_reused_only_if_they_stay_the_same(
    options, is_reused, chapter, tmp_path, monkeypatch
):
    calls = []
    monkeypatch.setattr(
        chapter.fast, 'reuse_features', lambda _, loaders: calls.append(1) or loaders
    )

    run_here(
        chapter.train, '--model_fn', tmp_path / 'x.pth', *TINY, *SQUEEZENET, *options
    )

    assert bool(calls) == is_reused


# ---- Images


@pytest.fixture(scope='module')
def loaders(chapter):
    """Return a function that makes the loaders of some options."""

    def get(*arguments):
        config = parse(chapter.train, '--dataset', 'digits', *arguments)
        config.image_size = config.image_size or 32
        return config, *chapter.data_loader.get_loaders(config)

    return get


def test_augmentation_touches_training_alone(chapter, loaders):
    config, train_loader, valid_loader, facts = loaders('--augment')
    transform = chapter.model.get_transform(32, facts['mean'], facts['std'])

    for loader, is_plain in ((train_loader, False), (valid_loader, True)):
        x, y = loader.dataset.tensors
        batch, _ = loader.collate_fn((x[:9], y[:9]))
        plain = transform(x[:9])
        assert batch.shape == plain.shape == (9, 3, 32, 32)
        assert torch.equal(batch, plain) == is_plain


def test_prepared_as_imagenet(chapter, loaders):
    config, train_loader, _, facts = loaders('--no-augment', '--image_size', 40)
    x, y = train_loader.dataset.tensors

    batch, _ = train_loader.collate_fn((x[:9], y[:9]))

    assert facts['mean'] == [0.485, 0.456, 0.406]
    assert facts['std'] == [0.229, 0.224, 0.225]
    expected = nn.functional.interpolate(x[:9], (40, 40), mode='bilinear')
    for i in range(3):
        raw = batch[:, i] * facts['std'][i] + facts['mean'][i]
        assert torch.allclose(raw, expected[:, 0], atol=1e-5)


def test_bytes_and_floats_are_transformed_alike(chapter):
    x = torch.randint(256, (2, 3, 20, 20), dtype=torch.uint8)
    transform = chapter.model.get_transform(32, [0.5, 0.4, 0.3], [0.2, 0.3, 0.4])

    assert torch.allclose(transform(x), transform(x / 255), atol=1e-5)


def test_predict_prepares_as_train_did(chapter, loaders, tmp_path):
    model_fn = tmp_path / 'x.pth'
    run_here(chapter.train, '--model_fn', model_fn, *TINY, *SQUEEZENET)
    checkpoint = load(model_fn)
    model = chapter.predict.load_model(checkpoint)
    _, _, loader, _ = loaders('--n_train', 40, '--batch_size', 16)
    x, y = loader.dataset.tensors

    p = chapter.predict.predict(model, x)

    with torch.no_grad():
        network = model[-1]
        expected = network(loader.collate_fn((x, y))[0]).softmax(dim=-1)
    assert torch.allclose(p, expected, atol=1e-6)
    raw = network(x.expand(-1, 3, -1, -1)).softmax(dim=-1)
    assert not torch.allclose(raw, p, atol=1e-3)


def test_accuracy_is_that_of_the_test_split(chapter, tmp_path, capsys):
    model_fn = tmp_path / 'x.pth'
    run_here(chapter.train, '--model_fn', model_fn, *TINY, *SQUEEZENET)
    capsys.readouterr()

    run_here(chapter.predict, '--model_fn', model_fn)

    stdout = capsys.readouterr().out
    checkpoint = load(model_fn)
    x, y, _ = chapter.data_loader.load_images(checkpoint['config'], is_train=False)
    model = chapter.predict.load_model(checkpoint)
    y_hat = chapter.predict.predict(model, x).argmax(dim=1)
    assert f'\naccuracy: {accuracy_score(y, y_hat):.4f}\n' in stdout
    assert f'n_images: {len(y)}\n' in stdout
    assert (tmp_path / 'x.predict.png').read_bytes().startswith(b'\x89PNG')


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=5, max_size=60),
    st.integers(0, 60),
    st.integers(0, 99),
)
def test_choose_stratified(chapter, labels, n_samples, seed):
    y = torch.tensor([0, 1, 2, 3, 4, *labels])
    n_samples = min(n_samples, len(y))

    chosen, others = chapter.data_loader.choose_stratified(y, n_samples, seed)

    assert len(chosen) == n_samples
    assert sorted([*chosen.tolist(), *others.tolist()]) == list(range(len(y)))
    counts, shares = y[chosen].bincount(minlength=5), y.bincount() * n_samples / len(y)
    assert ((counts - shares).abs() < 2).all()
    assert n_samples < 5 or (counts > 0).all()
    fewer, _ = chapter.data_loader.choose_stratified(y, n_samples // 2, seed)
    assert chosen[: n_samples // 2].equal(fewer)


def test_n_train_limits_all_labels(chapter, loaders):
    _, train_loader, valid_loader, _ = loaders('--n_train', 50, '--seed', 3)
    train_y, valid_y = (
        loader.dataset.tensors[1] for loader in (train_loader, valid_loader)
    )

    assert (len(train_y), len(valid_y)) == (45, 5)
    assert torch.cat([train_y, valid_y]).bincount().tolist() == [5] * 10
    others = loaders('--n_train', 50, '--seed', 4)[1].dataset.tensors[0]
    assert not others.equal(train_loader.dataset.tensors[0])


# ---- A folder of one's own pictures


def copy_pictures(pictures, folder):
    return Path(shutil.copytree(pictures, folder / 'pictures'))


def test_folder_is_split_once(chapter, pictures):
    """No picture is in two splits, whichever the seed."""
    parts = [
        chapter.data_loader.load_folder(pictures, 60, train) for train in (True, False)
    ]

    train, test = ({x_i.numpy().tobytes() for x_i in x} for x, _, _ in parts)
    assert (len(train), len(test)) == (16, 4)
    assert not train & test
    for x, y, class_names in parts:
        assert class_names == ['apple green', 'tomato']
        # Red is the first channel, green the second.
        assert (x.float().mean((2, 3)).argmax(dim=1) == 1 - y).all()
        assert y.bincount().min() > 0


def test_folder_is_learned_and_read(chapter, pictures, tmp_path, capsys):
    model_fn = tmp_path / 'x.pth'
    data = ('--dataset', 'folder', '--data_dir', pictures, '--batch_size', 4)
    arguments = (*data, *SQUEEZENET, '--n_epochs', 15, '--n_classes', 2)

    run_here(chapter.train, '--model_fn', model_fn, *arguments)
    assert load(model_fn)['class_names'] == ['apple green', 'tomato']
    run_here(chapter.predict, '--model_fn', model_fn)
    stdout = capsys.readouterr().out
    assert 'accuracy: 1.0000\n' in stdout
    assert '\napple green\t2\t0\ntomato\t0\t2\n' in stdout

    fns = [pictures / 'tomato' / '3.png', pictures / 'apple green' / '0.png']
    run_here(chapter.predict, '--model_fn', model_fn, '--image', *fns)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f'{fns[0]}\ttomato ')
    assert lines[1].startswith(f'{fns[1]}\tapple green ')


def test_broken_pictures_are_named_and_left_out(chapter, pictures, tmp_path, capsys):
    folder = copy_pictures(pictures, tmp_path)
    whole, _, _ = chapter.data_loader.load_folder(folder, 20)
    for number, content in enumerate((b'', b'no picture', None)):
        fn = folder / 'tomato' / f'{number}.png'
        fn.write_bytes(fn.read_bytes()[:90] if content is None else content)

    parts = [
        chapter.data_loader.load_folder(folder, 20, train) for train in (True, False)
    ]

    warnings = capsys.readouterr().err.splitlines()
    assert sum(len(x) for x, _, _ in parts) == 17
    assert len(warnings) == 3
    for number in range(3):
        fn = folder / 'tomato' / f'{number}.png'
        assert any(
            line.startswith(f'warning: {fn}: expected a picture: ')
            and line.endswith('; left out')
            for line in warnings
        )
    # The other pictures stay in the split in which they were.
    assert {x.numpy().tobytes() for x in parts[0][0]} <= {
        x.numpy().tobytes() for x in whole
    }


BAD_FOLDERS = {
    'missing': (lambda folder: shutil.rmtree(folder), 'expected a folder for each'),
    'empty': (
        lambda folder: [shutil.rmtree(path) for path in folder.iterdir()],
        'expected a folder for each class',
    ),
    'class without pictures': (
        lambda folder: (folder / 'banana').mkdir(),
        'expected a folder for each class.*banana',
    ),
    'one class': (
        lambda folder: shutil.rmtree(folder / 'tomato'),
        "expected two classes or more, .* found {'apple green': 10}",
    ),
    'two pictures': (
        lambda folder: [(folder / 'tomato' / f'{i}.png').unlink() for i in range(8)],
        "of 3 pictures or more, found {'apple green': 10, 'tomato': 2}",
    ),
    'nothing but broken pictures': (
        lambda folder: [fn.write_bytes(b'x') for fn in folder.glob('tomato/*')],
        'expected pictures of each class that can be read',
    ),
}


@pytest.mark.parametrize('name', BAD_FOLDERS)
def test_bad_folder(name, chapter, pictures, tmp_path):
    folder = copy_pictures(pictures, tmp_path)
    spoil, message = BAD_FOLDERS[name]
    spoil(folder)
    data = ('--dataset', 'folder', '--data_dir', folder)

    with pytest.raises(chapter.guards.InputError, match=message) as refusal:
        run_here(chapter.train, '--model_fn', tmp_path / 'x.pth', *data, *SQUEEZENET)

    assert str(folder) in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_other_classes_than_trained_on(chapter, pictures, tmp_path):
    folder, model_fn = copy_pictures(pictures, tmp_path), tmp_path / 'x.pth'
    data = ('--dataset', 'folder', '--data_dir', folder, '--n_epochs', 1)
    run_here(chapter.train, '--model_fn', model_fn, *data, *SQUEEZENET)
    (folder / 'tomato').rename(folder / 'aubergine')

    with pytest.raises(
        chapter.guards.InputError, match='expected the classes .*tomato'
    ):
        run_here(chapter.predict, '--model_fn', model_fn)


def draw_picture(mode, size=(30, 20)):
    picture = Image.new('RGB', size, 'red').convert('RGBA' if mode == 'RGBA' else 'L')
    if mode == 'RGBA':
        picture.putalpha(0)
    elif mode == 'I;16':
        pixels = np.full((size[1], size[0]), 40_000, np.uint16)
        picture = Image.fromarray(pixels)
    else:
        picture = picture.convert(mode)
    content = io.BytesIO()
    picture.save(content, 'PNG')
    return content.getvalue()


@pytest.mark.parametrize(
    ('mode', 'expected'),
    [('L', 76), ('1', None), ('P', 76), ('RGBA', 255), ('I;16', 156), ('LA', 76)],
)
def test_read_picture_of_any_mode(mode, expected, chapter, tmp_path):
    fn = tmp_path / 'x.png'
    fn.write_bytes(draw_picture(mode))

    pixels = chapter.data_loader.read_colour_picture(fn, 16)

    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == torch.uint8
    if expected is not None:
        assert (pixels.float() - expected).abs().max() <= 1


def test_read_picture_takes_the_middle_upright(chapter, tmp_path):
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    exif = Image.Exif()
    # 6: to be turned by a quarter, clockwise.
    exif[0x0112] = 6
    pixels[:10, 20:40, 0] = 0
    Image.fromarray(pixels).save(tmp_path / 'x.png', exif=exif)

    x = chapter.data_loader.read_colour_picture(tmp_path / 'x.png', 20)

    assert (x[1:] == 255).all()
    # What was above is to the right, once the picture is upright.
    assert (x[0, :, :9] == 255).all()
    assert (x[0, :, 11:] == 0).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_read_picture_of_any_bytes(chapter, tmp_path_factory, data):
    good = draw_picture(data.draw(st.sampled_from(['L', 'RGB', 'P', 'I;16'])), (3, 2))
    i = data.draw(st.integers(0, len(good)))
    content = data.draw(
        st.sampled_from([good[:i], good[i:], good[:i] + b'\xff' + good[i + 1 :]])
        | st.binary(max_size=200)
    )
    fn = tmp_path_factory.getbasetemp() / 'any.png'
    fn.write_bytes(content)

    try:
        pixels = chapter.data_loader.read_colour_picture(fn, 16)
    except chapter.guards.InputError as error:
        assert str(error).startswith(f'{fn}: expected a picture: ')
        assert len(str(error).splitlines()) == 1
    else:
        assert pixels.shape == (3, 16, 16)


# ---- Bad options


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--n_train', 9), '--n_train 9: expected 10 to 1437'),
        (('--n_train', 1438), '--n_train 1438: expected 10 to 1437'),
        (('--n_classes', 9), '--n_classes 9: found 10 classes'),
        (('--n_train', 10, '--valid_ratio', 0.9), 'expected two images or more'),
        (('--model_name', 'alexnet'), '--image_size 32: alexnet takes 63 or more'),
        (
            ('--weights_fn', 'nowhere.pth'),
            'nowhere.pth: expected weights of squeezenet',
        ),
    ],
)
def test_bad_option(options, message, chapter, tmp_path):
    arguments = ('--dataset', 'digits', *SQUEEZENET, *options)

    with pytest.raises(chapter.guards.InputError, match=re.escape(message)):
        run_here(chapter.train, '--model_fn', tmp_path / 'x.pth', *arguments)

    assert list(tmp_path.iterdir()) == []


# ---- ImageNet's weights, through a server


class Server(ThreadingHTTPServer):
    """Serves one file, in a good way or a bad one.

    Arguments:
        content: the bytes of the file.
        way: good, 404, cut (the connection closes after half of it) or silent.
    """

    def __init__(self, content, way):
        self.content = content
        self.way = way
        self.paths = []
        self.end = threading.Event()
        super().__init__(('127.0.0.1', 0), Handler)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.paths.append(self.path)
        if server.way == 'silent':
            server.end.wait(30)
            return
        if server.way == '404':
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header('Content-Length', str(len(server.content)))
        self.end_headers()
        n_bytes = len(server.content) // (2 if server.way == 'cut' else 1)
        self.wfile.write(server.content[:n_bytes])

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope='module')
def weights():
    """Weights such as torchvision might serve, classifier and all, as bytes."""
    torch.manual_seed(5)
    content = io.BytesIO()
    torch.save(models.squeezenet1_1().state_dict(), content)
    return content.getvalue()


def load_weights(chapter, config):
    """Let a model of the config's family and size load the weights of a file."""
    config = SimpleNamespace(**vars(config) | {'head': 'linear', 'freeze': True})
    model = chapter.model.get_model(vars(config), 3)
    chapter.weights.load_weights(model, config)
    return model


@contextmanager
def serve(content, way, monkeypatch, digest=None):
    """Let torchvision's URL of squeezenet's weights lead to a server of our own."""
    digest = digest or hashlib.sha256(content).hexdigest()[:8]
    name = f'squeezenet1_1-{digest}.pth'
    with Server(content, way) as server:
        url = f'http://127.0.0.1:{server.server_port}/models/{name}'
        enum = models.SqueezeNet1_1_Weights.IMAGENET1K_V1
        monkeypatch.setattr(enum, '_value_', dataclasses.replace(enum.value, url=url))
        monkeypatch.setenv('no_proxy', '127.0.0.1')
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server, url, name
        server.end.set()
        server.shutdown()


def test_download(chapter, weights, tmp_path, monkeypatch, capsys):
    cache = tmp_path / 'torch' / 'hub' / 'checkpoints'
    arguments = (*TINY, '--model_name', 'squeezenet', '--freeze')
    with serve(weights, 'good', monkeypatch) as (server, url, name):
        for number, pretrained in enumerate(('imagenet', 'auto', 'auto')):
            model_fn = tmp_path / f'{number}.pth'
            more = ('--weights_dir', tmp_path / 'here') if number == 2 else ()
            run_here(
                chapter.train, '--model_fn', model_fn, *arguments,
                '--pretrained', pretrained, *more
            )  # fmt: skip

    stderr = capsys.readouterr().err
    # The second time, it is there already.
    assert server.paths == [f'/models/{name}', f'/models/{name}']
    assert stderr.count(f'Downloading: "{url}" to ') == 2
    for fn in (cache / name, tmp_path / 'here' / name):
        assert fn.read_bytes() == weights
        assert f'weights: ImageNet, from {fn}\n' in stderr
        assert list(fn.parent.iterdir()) == [fn]
    found, expected = load(tmp_path / '0.pth')['model'], load(cache / name)
    for weight in ('features.0.weight', 'features.12.expand3x3.bias'):
        assert torch.equal(found[f'backbone.{weight}'], expected[weight])


@pytest.mark.parametrize(
    ('way', 'reason'),
    [
        ('404', 'HTTP Error 404: Not Found'),
        ('cut', 'invalid hash value'),
        ('wrong hash', 'invalid hash value'),
        ('silent', 'timed out'),
        ('offline', 'refused'),
    ],
)
def test_download_that_fails(way, reason, chapter, weights, tmp_path, monkeypatch):
    digest = '0' * 8 if way == 'wrong hash' else None
    timeouts = []
    set_timeout = socket.setdefaulttimeout

    def wait_less(seconds):
        timeouts.append(seconds)
        set_timeout(0.3)

    monkeypatch.setattr(socket, 'setdefaulttimeout', wait_less)
    config = parse(
        chapter.train, '--model_name', 'squeezenet', '--weights_dir', tmp_path / 'here',
        '--pretrained', 'imagenet'
    )  # fmt: skip
    with serve(weights, way, monkeypatch, digest) as (server, url, name):
        if way == 'offline':
            server.shutdown()
            server.server_close()
        with pytest.raises(chapter.guards.InputError) as refusal:
            chapter.weights.choose_weights(config)

    set_timeout(None)
    message = str(refusal.value)
    fn = tmp_path / 'here' / name
    advice = 'not there; put it there, or name it with --weights_fn'
    assert message.startswith(f'{fn}: {advice}; {url} cannot be downloaded: ')
    assert reason in message
    assert len(message.splitlines()) == 1
    assert list(fn.parent.iterdir()) == []
    assert timeouts == [15]


def test_weights_of_a_file(chapter, weights, tmp_path, capsys):
    fn = tmp_path / 'squeezenet.pth'
    fn.write_bytes(weights)
    arguments = (*TINY, '--model_name', 'squeezenet', '--weights_fn', fn, '--freeze')

    run_here(chapter.train, '--model_fn', tmp_path / 'x.pth', *arguments)

    assert f'weights: ImageNet, from {fn}\n' in capsys.readouterr().err
    found = load(tmp_path / 'x.pth')['model']['backbone.features.0.weight']
    assert torch.equal(found, load(fn)['features.0.weight'])


def test_weights_of_another_network(chapter, weights, tmp_path):
    fn = tmp_path / 'squeezenet.pth'
    fn.write_bytes(weights)
    config = SimpleNamespace(model_name='alexnet', image_size=63, weights_fn=fn)

    expected = 'expected weights of alexnet: no features.0.weight of the shape (64, 3,'
    with pytest.raises(chapter.guards.InputError, match=re.escape(expected)):
        load_weights(chapter, config)


# Of these, some are dicts of plain data, in which weights are missing.
@pytest.mark.parametrize('attack', sorted(READING.keys() - {'forbidden_to_read'}))
def test_attack_on_weights(attack, chapter, weights, tmp_path):
    good_fn, folder = tmp_path / 'good.pth', tmp_path / 'folder'
    torch.save({'chapter': NAME, 'model': {}}, good_fn)
    folder.mkdir()
    fn = READING[attack](folder, good_fn, NAME)
    config = SimpleNamespace(
        model_name='squeezenet', image_size=32, head='linear', weights_fn=fn
    )

    with pytest.raises(chapter.guards.InputError) as refusal:
        chapter.weights.choose_weights(config)
        load_weights(chapter, config)

    assert str(refusal.value).startswith(f'{fn}: expected weights of squeezenet')
    assert len(str(refusal.value).splitlines()) == 1
    assert not (folder / MARK).exists()


# ---- Printed characters


@pytest.fixture(scope='module')
def print_fn(chapter, tmp_path_factory):
    """The weights of a backbone that has seen a little print."""
    model_fn = tmp_path_factory.mktemp('print') / 'x.pth'
    arguments = ('--model_name', 'squeezenet', '--n_images', 320, '--batch_size', 16)
    run_here(chapter.pretrain, '--model_fn', model_fn, *arguments)
    return model_fn.with_name('squeezenet.glyphs.32.pth')


def test_every_font_draws_every_character(chapter):
    glyphs, y = chapter.make_sample.render_glyphs()
    characters = sorted(''.join(chapter.make_sample.CLASSES))

    assert glyphs.shape[1:] == (1, 64, 64)
    assert len(characters) == len(set(characters)) == 62
    n_fonts = len(glyphs) // 62
    assert n_fonts > 20
    assert y.bincount().tolist() == [
        n_fonts * len(c) for c in chapter.make_sample.CLASSES
    ]
    # Ink, and some paper, in each of them; and no two characters of a font are the
    # same empty box, as where a font lacks them.
    ink = (glyphs > 128).float().mean((1, 2, 3))
    assert ((ink > 0.004) & (ink < 0.6)).all()
    first = {glyph.numpy().tobytes() for glyph in glyphs[:62]}
    assert len(first) > 55


def test_thinned_strokes_hang_together(chapter):
    """A line has as many parts and as many holes as the stroke it was."""
    glyphs, _ = chapter.make_sample.render_glyphs()
    n_printed = len(glyphs) // 4
    strokes, lines = (
        glyphs[start : start + 4 * 62, 0].numpy() > 100 for start in (0, n_printed)
    )
    everything, cross = np.ones((3, 3)), None
    for stroke, line in zip(strokes, lines, strict=True):
        assert not (line & ~stroke).any()
        for ink, diagonals in ((True, everything), (False, cross)):
            n_parts = [label(image == ink, diagonals)[1] for image in (stroke, line)]
            assert n_parts[0] == n_parts[1]
    # A pixel within a line is on its edge: there is paper above it, or beside it.
    assert not (lines[:, 1:, 1:] & lines[:, :-1, :-1] & lines[:, 1:, :-1]
                & lines[:, :-1, 1:]).any()  # fmt: skip
    bar = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    bar[..., 10:50, 20:29] = 255
    line = chapter.make_sample.thin(bar)
    assert (line > 0).sum(dim=3).max() == 1
    assert 30 < (line > 0).sum() < 40
    assert (line[..., 24] > 0).sum() > 30
    wide = chapter.make_sample.dilate(line, 5)
    assert (wide[0, 0, 30] > 0).nonzero().flatten().tolist() == [22, 23, 24, 25, 26]


def test_no_two_batches_are_the_same(chapter):
    torch.manual_seed(0)
    glyphs, _ = chapter.make_sample.render_glyphs()
    x, y = chapter.make_sample.draw_batch(200, 32)

    assert x.shape == (200, 1, 32, 32)
    assert y.shape == (200,)
    assert x.min() >= 0
    assert x.max() <= 1
    # Each shows something.
    assert (x.amax((1, 2, 3)) - x.amin((1, 2, 3)) > 0.2).all()
    # Of each character, and as many digits as letters.
    _, y = chapter.make_sample.draw_batch(1000, 16)
    names = [chapter.make_sample.CLASSES[label] for label in y]
    assert set(names) == set(chapter.make_sample.CLASSES)
    assert 450 < sum(any(c.isdigit() for c in name) for name in names) < 550
    same = chapter.make_sample.distort(glyphs[:1].expand(20, -1, -1, -1) / 255, 32)
    assert all(not torch.equal(x_i, x_j) for x_i, x_j in pairwise(same))


def test_pretraining_is_remembered(print_fn):
    checkpoint = load(print_fn)

    assert checkpoint['chapter'] == f'{NAME}/glyphs'
    assert checkpoint['model_name'] == 'squeezenet'
    assert checkpoint['image_size'] == 32
    assert checkpoint['n_channels'] == 3
    assert checkpoint['options'] == {
        'seed': 0,
        'n_images': 320,
        'batch_size': 16,
        'lr': 2e-3,
    }
    assert print_fn.with_suffix('.png').read_bytes().startswith(b'\x89PNG')


def test_pretraining_learns(chapter):
    """A tiny network reads print much better than by chance after two seconds."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 5, 3), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * 16, len(chapter.make_sample.CLASSES)),
    )  # fmt: skip
    batches = chapter.make_sample.draw_batches(64, 32)

    accuracy = chapter.trainer.train_on_stream(model, batches, 90, 3e-3, False)

    assert accuracy > 0.3


def test_auto_without_a_network_reads_print_first(
    chapter, tmp_path, monkeypatch, capsys
):
    """The first training pre-trains, the second finds it; both end the same."""
    monkeypatch.setitem(chapter.pretrain.OPTIONS, 'n_images', 160)
    monkeypatch.setitem(chapter.pretrain.OPTIONS, 'batch_size', 16)
    arguments = (*TINY, '--model_name', 'squeezenet')
    fn = tmp_path / 'squeezenet.glyphs.32.pth'
    for number in (1, 2):
        run_here(chapter.train, '--model_fn', tmp_path / f'{number}.pth', *arguments)
        stderr = capsys.readouterr().err
        assert 'continuing with printed characters\n' in stderr
        assert f'weights: printed characters, from {fn}\n' in stderr
        is_first = f'{fn}: not there yet, so the backbone learns' in stderr
        assert is_first == (number == 1)

    first, second = (load(tmp_path / f'{number}.pth')['model'] for number in (1, 2))
    assert is_equal(first, second)


def test_print_of_another_size(chapter, print_fn):
    config = SimpleNamespace(
        model_name='squeezenet', image_size=40, weights_fn=print_fn
    )

    with pytest.raises(
        chapter.guards.InputError, match='for --image_size 40, found .* 32'
    ):
        load_weights(chapter, config)


def test_print_is_no_model(chapter, print_fn):
    with pytest.raises(chapter.guards.InputError, match=f'found one of .{NAME}/glyphs'):
        run_here(chapter.predict, '--model_fn', print_fn)


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT])
def test_ended_pretraining_leaves_nothing(number, tmp_path):
    folder = copy_chapter(NAME, tmp_path / 'chapter')
    arguments = ('--model_fn', tmp_path / 'x' / 'x.pth', '--model_name', 'squeezenet')
    program = Program(folder, 'train.py', '--gpu_id', -1, *arguments, *TINY,
                      '--pretrained', 'glyphs')  # fmt: skip
    program.wait_for('learns printed characters first')
    program.send(number)
    process = program.finish()

    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert 'Traceback' not in process.stderr
    assert list((tmp_path / 'x').iterdir()) == []


# ---- What the new head replaces


@pytest.fixture(scope='module')
def alexnet_fn(tmp_path_factory):
    """Weights such as torchvision might serve for alexnet, classifier and all."""
    torch.manual_seed(6)
    fn = tmp_path_factory.mktemp('alexnet') / 'alexnet.pth'
    torch.save(models.alexnet().state_dict(), fn)
    return fn


@pytest.mark.parametrize('family', ['alexnet', 'vgg'])
def test_last_layer_is_replaced_alone(family, chapter):
    """The features are the input of torchvision's last layer."""
    name, _, min_size = chapter.model.NETWORKS[family]
    with torch.device('meta'):
        network = models.get_model(name)
        backbone, n_features = chapter.model.get_backbone(family, min_size, 'last')
        x = torch.empty(2, 3, min_size, min_size)
    names, last = (
        network.state_dict().keys(),
        {'classifier.6.weight', 'classifier.6.bias'},
    )

    assert n_features == network.classifier[-1].in_features == 4096
    assert backbone(x).shape == (2, 4096)
    assert backbone.state_dict().keys() == names - last


@pytest.mark.parametrize('family', sorted({*FAMILIES} - {'alexnet', 'vgg'}))
def test_other_families_have_one_layer_to_replace(family, chapter):
    with torch.device('meta'):
        parts = [chapter.model.get_backbone(family, 32, h) for h in ('last', 'linear')]

    assert parts[0][1] == parts[1][1]
    assert parts[0][0].state_dict().keys() == parts[1][0].state_dict().keys()


def test_alexnet_keeps_the_layers_of_imagenet(chapter, alexnet_fn, tmp_path, capsys):
    """Its logits are those of torchvision's network, but for the last layer."""
    model_fn, arguments = tmp_path / 'x.pth', ('--model_name', 'alexnet', '--freeze')
    arguments += (*TINY, '--n_train', 12, '--weights_fn', alexnet_fn)
    run_here(chapter.train, '--model_fn', model_fn, *arguments)

    checkpoint, stderr = load(model_fn), capsys.readouterr().err
    assert f'weights: ImageNet, from {alexnet_fn}\n' in stderr
    assert f'alexnet: {4097 * 10:,} of ' in stderr
    assert checkpoint['config']['head'] == 'last'
    assert checkpoint['config']['image_size'] == 224
    network, x = models.alexnet().eval(), torch.randn(2, 3, 224, 224)
    network.load_state_dict(load(alexnet_fn))
    network.classifier[-1] = nn.Linear(4096, 10)
    head = {n: checkpoint['model'][f'head.{n}'] for n in ('weight', 'bias')}
    network.classifier[-1].load_state_dict(head)
    model = chapter.predict.load_model(checkpoint)[-1]
    with torch.no_grad():
        assert torch.allclose(model(x), network(x), atol=1e-5)

    run_here(chapter.predict, '--model_fn', model_fn, '--image', draw_seven(tmp_path))
    assert len(capsys.readouterr().out.split('\t')) == 4


def draw_seven(folder):
    picture = Image.new('L', (40, 60), 'white')
    picture.paste(0, (5, 5, 35, 12))
    picture.paste(0, (28, 5, 35, 55))
    picture.save(folder / 'seven.png')
    return folder / 'seven.png'


@pytest.mark.parametrize(
    ('options', 'image_size', 'head'),
    [
        (('--pretrained', 'none'), 32, 'linear'),
        (('--pretrained', 'glyphs'), 32, 'linear'),
        (('--pretrained', 'auto'), 32, 'linear'),
        (('--pretrained', 'auto', '--weights_dir', 'FOLDER'), 224, 'last'),
        (('--pretrained', 'imagenet', '--weights_dir', 'FOLDER'), 224, 'last'),
        (('--weights_fn', 'IMAGENET'), 224, 'last'),
        (('--weights_fn', 'PRINT'), 32, 'linear'),
        (('--weights_fn', 'IMAGENET', '--head', 'linear'), 224, 'linear'),
        (('--weights_fn', 'IMAGENET', '--image_size', 64), 64, 'last'),
        (('--pretrained', 'none', '--head', 'last', '--image_size', 96), 96, 'last'),
    ],
)
def test_options_that_depend_on_the_weights(
    options, image_size, head, chapter, weights, print_fn, tmp_path
):
    name = models.SqueezeNet1_1_Weights.DEFAULT.url.rpartition('/')[2]
    (tmp_path / name).write_bytes(weights)
    fns = {'IMAGENET': tmp_path / name, 'PRINT': print_fn, 'FOLDER': tmp_path}
    arguments = ('--model_name', 'squeezenet', '--model_fn', tmp_path / 'x.pth')
    options = [fns.get(option, option) for option in options]
    config = parse(chapter.train, *arguments, *options)

    chapter.weights.choose_weights(config)

    assert (config.image_size, config.head) == (image_size, head)


def test_layers_that_a_file_of_print_lacks(chapter, tmp_path):
    """Print made for convolutions alone has no weights for the layers to be kept."""
    fn = tmp_path / 'alexnet.glyphs.63.pth'
    backbone, _ = chapter.model.get_backbone('alexnet', 63)
    content = {'image_size': 63, 'backbone': backbone.state_dict()}
    torch.save({'chapter': f'{NAME}/glyphs', **content}, fn)
    arguments = ('--model_name', 'alexnet', '--image_size', 63, '--head', 'last')
    arguments += ('--pretrained', 'glyphs', '--model_fn', tmp_path / 'x.pth')

    expected = f'{fn}: expected weights of alexnet: no classifier.1.weight of the shape'
    with pytest.raises(chapter.guards.InputError, match=re.escape(expected)):
        run_here(chapter.train, *TINY, *arguments)


def test_checkpoint_from_before_there_was_a_choice(chapter, tmp_path, capsys):
    """Without the option in its config, its head is a linear one on 32 pixels."""
    model_fn = tmp_path / 'x.pth'
    arguments = ('--model_name', 'alexnet', '--image_size', 63, '--pretrained', 'none')
    run_here(chapter.train, '--model_fn', model_fn, *TINY, '--n_train', 12, *arguments)
    checkpoint = load(model_fn)
    assert checkpoint['model']['head.weight'].shape == (10, 256)
    for name in ('head', 'fast'):
        del checkpoint['config'][name]
    torch.save(checkpoint, tmp_path / 'old.pth')
    capsys.readouterr()

    for fn in (model_fn, tmp_path / 'old.pth'):
        run_here(chapter.predict, '--model_fn', fn)

    results = capsys.readouterr().out.split('dataset: ')
    assert len(results) == 3
    assert results[1] == results[2]


def test_modules_import_each_other_in_one_direction(chapter):
    """No module imports one that imports it, in a function or by way of others."""
    folder = Path(chapter.model.__file__).parent
    imports = {
        fn.stem: set(re.findall(r'^ *(?:from|import) (\w+)', fn.read_text(), re.M))
        for fn in folder.glob('*.py')
    }
    while imports:
        free = {name for name in imports if not imports[name] & imports.keys()}
        assert free, f'a circle of {sorted(imports)}'
        imports = {name: imports[name] for name in imports.keys() - free}


# ---- Mixed precision


class Overflow(nn.Module):
    """A linear layer whose output is not a number for a while."""

    def __init__(self, bad_steps):
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self.bad_steps = bad_steps
        self.n_steps = 0

    def forward(self, x):
        y_hat = self.linear(x)
        if self.training:
            self.n_steps += 1
            if self.n_steps in self.bad_steps:
                y_hat = y_hat * float('inf')
        return y_hat


def train_overflowing(chapter, tmp_path, amp, bad_steps, n_epochs=3):
    torch.manual_seed(0)
    x, y = torch.randn(100, 4), torch.randint(2, (100,))
    config = {
        'n_epochs': n_epochs, 'early_stop': 0, 'verbose': 0, 'log_dir': None, 'seed': 0,
        'model_fn': str(tmp_path / 'x.pth'), 'amp': amp,
    }  # fmt: skip
    model = Overflow(bad_steps)
    optimizer = torch.optim.Adam(model.parameters())
    crit = nn.CrossEntropyLoss()
    trainer = chapter.trainer.Trainer(model, crit, optimizer, {}, {'config': config})
    loader = chapter.data_loader.get_loader((x, y), 4, True)
    trainer.train(loader, loader)
    return trainer


def test_overflow_in_fp16_is_left_to_the_scaler(chapter, tmp_path):
    trainer = train_overflowing(chapter, tmp_path, 'fp16', {3, 20, 30})

    assert trainer.trainer.state.epoch == 3
    assert trainer.scaler.get_scale() == 2**16 / 2**3
    assert all(p.isfinite().all() for p in trainer.model.parameters())
    assert load(tmp_path / 'x.last.pth')['scaler']['scale'] == 2**16 / 2**3


@pytest.mark.parametrize('amp', ['off', 'bf16'])
def test_overflow_without_a_scaler_stops(amp, chapter, tmp_path):
    with pytest.raises(chapter.guards.InputError, match='lower --lr'):
        train_overflowing(chapter, tmp_path, amp, {20})


def test_overflow_that_goes_on_stops(chapter, tmp_path):
    with pytest.raises(chapter.guards.InputError, match='lower --lr'):
        train_overflowing(chapter, tmp_path, 'fp16', set(range(3, 1000)))


@pytest.mark.parametrize('amp', ['bf16', 'fp16'])
def test_mixed_precision_computes_with_fewer_bits(amp, chapter, tmp_path, monkeypatch):
    kinds = set()
    get_backbone = chapter.model.get_backbone

    def watch(*arguments):
        backbone, n_features = get_backbone(*arguments)
        backbone.register_forward_hook(lambda _, x, y: kinds.add(y.dtype))
        return backbone, n_features

    monkeypatch.setattr(chapter.model, 'get_backbone', watch)
    model_fn = tmp_path / 'x.pth'
    run_here(chapter.train, '--model_fn', model_fn, *TINY, *SQUEEZENET, '--amp', amp)

    assert kinds == {torch.bfloat16 if amp == 'bf16' else torch.float16}
    state = load(last_of(model_fn))
    assert all(weight.dtype != torch.half for weight in state['model'].values())
    assert (state['scaler'] == {}) == (amp == 'bf16')


# ---- Going on


@pytest.mark.parametrize(
    'options',
    [
        ('--freeze', '--no-augment'),
        ('--no-freeze', '--amp', 'fp16', '--image_size', '17'),
    ],
    ids=' '.join,
)
def test_going_on_needs_no_weights(options, chapter, weights, tmp_path):
    """The file of the weights is gone, and the result is bit for bit the same."""
    arguments = (*TINY, '--model_name', 'squeezenet', '--n_train', 12, *options)
    fn = tmp_path / 'squeezenet.pth'
    fn.write_bytes(weights)
    arguments += ('--weights_fn', fn, '--n_epochs')
    for n_epochs, name in ((2, 'whole'), (1, 'parts')):
        run_here(chapter.train, *arguments, n_epochs, '--model_fn', tmp_path / name)
    fn.unlink()

    run_here(chapter.train, *arguments, 2, '--model_fn', tmp_path / 'parts', '--resume')

    whole, parts = (load(tmp_path / f'{name}.last.pth') for name in ('whole', 'parts'))
    assert is_equal(whole['model'], parts['model'])
    assert whole['trainer']['history'] == parts['trainer']['history']
    assert whole['scaler'] == parts['scaler']
