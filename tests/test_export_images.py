"""export.py of 02, 03, 05 and 07: the files compute what PyTorch computes."""

import json
import re

import numpy as np
import pytest
import torch
from chapters import ROOT, copy_chapter, importable, run
from exports import SIZES, get_export
from onnxruntime import InferenceSession
from torch import nn

OUTPUTS = {
    '02_mnist_tutorial': {'model': ['logits']},
    '03_mnist_autoencoder': {'encoder': ['z'], 'decoder': ['x_hat']},
    '05_cnn': {'model': ['logits', 'features']},
    '07_rnn': {'model': ['logits', 'states']},
}


@pytest.fixture(scope='module', params=SIZES)
def exported(request, tmp_path_factory):
    return get_export(request.param, tmp_path_factory)


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    return get_export('02_mnist_tutorial', tmp_path_factory)


def get_networks(exported):
    """Return the networks in PyTorch, by the name of their file."""
    if exported.name == '03_mnist_autoencoder':
        return {'encoder': exported.model.encoder, 'decoder': exported.model.decoder}
    return {'model': exported.model}


@pytest.mark.parametrize('batch_size', [1, 7, 64])
def test_the_outputs_are_those_of_pytorch(exported, batch_size):
    for name, network in get_networks(exported).items():
        session = InferenceSession(exported.out_dir / f'{name}.onnx')
        [x] = session.get_inputs()
        inputs = torch.rand(batch_size, x.shape[1])
        with torch.no_grad():
            expected = network(inputs)
        found = session.run(None, {x.name: inputs.numpy()})
        np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_model_json_describes_the_files(exported):
    text = (exported.out_dir / 'model.json').read_text(encoding='utf-8')
    content = json.loads(text)
    assert content['chapter'] == exported.name
    for name, outputs in OUTPUTS[exported.name].items():
        session = InferenceSession(exported.out_dir / content[name]['file'])
        for described, values in (
            (content[name]['inputs'], session.get_inputs()),
            (content[name]['outputs'], session.get_outputs()),
        ):
            assert [value['name'] for value in described] == [v.name for v in values]
            assert [value['shape'] for value in described] == [v.shape for v in values]
            assert {value['type'] for value in described} == {'float32'}
        assert [value['name'] for value in content[name]['outputs']] == outputs
        assert content[name]['inputs'][0]['shape'][0] == 'batch_size'


def test_the_second_output_is_what_the_layer_computes(exported):
    if exported.name not in ('05_cnn', '07_rnn'):
        pytest.skip('one output')
    x = torch.rand(3, 784)
    *layers, network = exported.model
    images = nn.Sequential(*layers)(x)
    with torch.no_grad():
        if exported.name == '05_cnn':
            expected = network.blocks[0].layers[0](images)
        else:
            expected, _ = network.rnn(images.squeeze(dim=1))
    session = InferenceSession(exported.out_dir / 'model.onnx')
    _, found = session.run(None, {'x': x.numpy()})
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_examples_are_real_digits(exported):
    text = (exported.out_dir / 'examples.json').read_text(encoding='utf-8')
    examples = json.loads(text)
    pixels = torch.tensor(examples['pixels']) / 255
    with torch.no_grad():
        if exported.name == '03_mnist_autoencoder':
            assert len(examples['labels']) == len(examples['z']) == 360
            found, expected = examples['z'][:10], exported.model.encoder(pixels)
        else:
            assert examples['labels'] == list(range(10))
            found, expected = examples['logits'], exported.model(pixels)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_nothing_else_is_written(exported):
    names = {path.name for path in exported.out_dir.iterdir()}
    networks = {f'{name}.onnx' for name in OUTPUTS[exported.name]}
    assert names == networks | {'model.json', 'examples.json'}
    for name in names:
        # Nor does a file tell where it was made.
        content = (exported.out_dir / name).read_bytes()
        assert str(ROOT).encode() not in content
        assert b'site-packages' not in content


def test_the_difference_is_printed(exported):
    found = re.fullmatch(r'largest difference: (\S+)\n', exported.printed)
    assert 0 <= float(found[1]) < 1e-4


def test_a_difference_is_noticed(classifier):
    export = classifier.chapter.export
    x, _ = classifier.chapter.utils.load_digits(is_train=False)
    arguments = ('x', x, ['logits'], classifier.out_dir / 'model.onnx')
    assert export.compare(classifier.model, *arguments) < 1e-4

    def add(number):
        return lambda x: classifier.model(x) + number

    assert export.compare(add(0.25), *arguments) == pytest.approx(0.25, abs=1e-4)
    assert np.isnan(export.compare(add(torch.nan), *arguments))


@pytest.mark.parametrize('difference', [2e-4, float('nan')])
def test_a_large_difference_is_an_error(classifier, tmp_path, monkeypatch, difference):
    export = classifier.chapter.export
    monkeypatch.setattr(export, 'export_network', lambda *arguments: (18, {}))
    monkeypatch.setattr(export, 'compare', lambda *arguments: difference)
    (tmp_path / 'model.onnx').touch()
    options = ['--model_fn', str(classifier.model_fn), '--out_dir', str(tmp_path)]
    config = export.define_argparser().parse_args(options)
    message = 'difference of at most 0.0001'
    with (
        importable(classifier.chapter),
        pytest.raises(export.InputError, match=message),
    ):
        export.main(config)


def test_the_example_of_the_readme_runs_without_torch(classifier):
    readme = (ROOT / '02_mnist_tutorial' / 'README.md').read_text(encoding='utf-8')
    [program] = re.findall(r'```python\n(.*?)```', readme, re.DOTALL)
    blocked = "import sys\nsys.modules['torch'] = None\n"
    folder = classifier.model_fn.parent
    process = run(folder, '-c', blocked + program, check=True)
    digits, difference = re.fullmatch(r'\[(.*)\] (\S+)\n', process.stdout).groups()
    assert len(digits.split()) == 10
    assert float(difference) < 1e-4


def make_bad(folder, kind, classifier):
    """Make a bad checkpoint or folder; returns the arguments of export.py."""
    good = ('--model_fn', classifier.model_fn)
    (folder / 'file').write_text('no model\n', encoding='utf-8')
    torch.save({'chapter': '03_mnist_autoencoder'}, folder / 'other.pth')
    return {
        'no checkpoint': ('--model_fn', 'missing.pth'),
        'a text': ('--model_fn', 'file'),
        'a folder': ('--model_fn', '.'),
        'of another chapter': ('--model_fn', 'other.pth'),
        'onto a file': (*good, '--out_dir', 'file'),
        'into a file': (*good, '--out_dir', 'file/export'),
        'an unknown option': (*good, '--batch_size', '1'),
    }[kind]


@pytest.mark.parametrize(
    'kind',
    [
        'no checkpoint',
        'a text',
        'a folder',
        'of another chapter',
        'onto a file',
        'into a file',
        'an unknown option',
    ],
)
def test_an_error_is_one_line(classifier, tmp_path, kind):
    folder = copy_chapter('02_mnist_tutorial', tmp_path)
    arguments = make_bad(folder, kind, classifier)
    process = run(folder, 'export.py', *arguments)
    assert process.returncode == 2
    assert process.stdout == ''
    assert 'error: ' in process.stderr
    assert process.stderr.count('\n') == 1
    assert not (folder / 'export').exists()
