"""What export.py of 12 and 13 writes computes what PyTorch computes, without it."""

import json
import re
import shutil

import numpy as np
import onnx
import pytest
import torch
from chapters import ROOT, importable, load_chapter, run
from onnxruntime import InferenceSession

NAMES = ['12_seq2seq', '13_transformer']
SIZES = {
    '12_seq2seq': '--word_vec_size 8 --hidden_size 12 --n_layers 2',
    '13_transformer': '--hidden_size 12 --n_heads 2 --ffn_size 16 --n_layers 2',
}
SENTENCE = re.compile(r"encode\('(.+?)'\)")
PYTHON_FENCE = re.compile(r'^```python\n(.*?)^```', re.MULTILINE | re.DOTALL)


@pytest.fixture(scope='module', params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope='module')
def chapter(name):
    loaded = load_chapter(name)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def folder(name, chapter, tmp_path_factory):
    """Return a folder with model.pth, a network without training, and its export."""
    folder = tmp_path_factory.mktemp('exported')
    parser = chapter.train.define_argparser()
    config = vars(parser.parse_args(SIZES[name].split()))
    pairs = chapter.data_loader.read_pairs(ROOT / name / 'sample' / 'valid', 'koen')
    subwords = [chapter.data_loader.train_subwords(side, 700) for side in pairs]
    torch.manual_seed(0)
    model = chapter.model.get_model(config, *map(len, subwords))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3 if parameter.dim() > 1 else 1)
    x_proto, y_proto = (
        chapter.utils.to_tensor(side.serialized_model_proto()) for side in subwords
    )
    checkpoint = {
        'chapter': name,
        'config': config,
        'x_subwords': x_proto,
        'y_subwords': y_proto,
        'model': model.state_dict(),
    }
    chapter.guards.save_checkpoint(checkpoint, folder / 'model.pth')
    options = '--model_fn', folder / 'model.pth', '--out_dir', folder / 'export'
    run(ROOT / name, 'export.py', *options, check=True)
    return folder


@pytest.fixture(scope='module')
def translator(chapter, folder):
    fns = [folder / 'model.pth']
    return chapter.translate.Translator(fns, torch.device('cpu'), is_fast=False)


def read_description(folder):
    return json.loads((folder / 'export' / 'model.json').read_text(encoding='utf-8'))


@pytest.mark.parametrize('n_hypotheses', [1, 2, 5])
@pytest.mark.parametrize('length', [1, 2, 7, 60])
@torch.inference_mode()
def test_steps_are_those_of_pytorch(folder, translator, length, n_hypotheses):
    """Logits and attention weights, while hypotheses are kept in a new order."""
    encoder, decoder = (
        InferenceSession(folder / 'export' / f'{side}.onnx')
        for side in ('encoder', 'decoder')
    )
    names = [value.name for value in decoder.get_inputs()]
    generator = torch.Generator().manual_seed(length)
    model = translator.models[0]
    x = torch.randint(4, len(translator.x_subwords), (1, length), generator=generator)
    n_tokens = len(translator.y_subwords)
    y = torch.randint(4, n_tokens, (9, n_hypotheses), generator=generator)
    memory, *tensors = encoder.run(None, {'x': x.numpy()})
    state = model.start(x, torch.tensor([length]))
    rows = torch.zeros(1, n_hypotheses, dtype=torch.long)
    texts = torch.zeros(n_hypotheses, 0, dtype=torch.long)
    for last in y:
        state.select(rows)
        tensors = [tensor[:, rows[0].numpy()] for tensor in tensors]
        texts = torch.cat([texts[rows[0]], last[:, None]], dim=1)
        inputs = last[None].numpy(), memory, *tensors
        found, weights, *tensors = decoder.run(
            None, dict(zip(names, inputs, strict=True))
        )
        logits = model.step(last[None], state)
        torch.testing.assert_close(
            torch.from_numpy(found), logits, atol=1e-4, rtol=0, check_stride=False
        )
        repeated = x.expand(n_hypotheses, -1), torch.full((n_hypotheses,), length)
        expected = model.get_attention(*repeated, texts)[:, :, :, -1]
        expected = expected.permute(1, 2, 0, 3)
        assert weights.shape == expected.shape
        assert np.abs(weights - expected.numpy()).max() < 1e-4
        rows = torch.randint(n_hypotheses, (1, n_hypotheses), generator=generator)


@pytest.mark.parametrize('beam_size', [1, 5])
def test_translations_are_those_of_translate(chapter, folder, translator, beam_size):
    """A search that gets its logits from onnxruntime finds the same translations."""
    options = chapter.translate.define_argparser().parse_args(
        ['--beam_size', str(beam_size), '--max_length', '30']
    )
    pair = chapter.export.Pair(translator.models[0], folder / 'export')
    data, search = chapter.data_loader, chapter.search
    lines = (ROOT / '12_seq2seq' / 'sample' / 'test.ko').read_text(encoding='utf-8')
    for ids in translator.encode(lines.splitlines()[:5], 30):
        expected = translator.translate([ids], options)[0][0][1]
        task = pair, torch.tensor([ids]), torch.tensor([len(ids)])
        _, tokens = search.beam_search(
            *task, data.BOS_ID, data.EOS_ID, 30, beam_size=beam_size
        )
        assert tokens[0, 0].tolist()[: len(expected)] == expected
    assert 0 < max(pair.differences) < 1e-4


def test_description_is_that_of_the_networks(name, chapter, folder):
    content = read_description(folder)
    for side in ('encoder', 'decoder'):
        model = onnx.load(folder / 'export' / content[side]['file'])
        onnx.checker.check_model(model)
        for part in ('input', 'output'):
            expected = [
                {
                    'name': value.name,
                    'type': {1: 'float32', 7: 'int64'}[
                        value.type.tensor_type.elem_type
                    ],
                    'shape': [
                        size.dim_param or size.dim_value
                        for size in value.type.tensor_type.shape.dim
                    ],
                }
                for value in getattr(model.graph, part)
            ]
            assert content[side][f'{part}s'] == expected
    assert content['encoder']['inputs'][0]['shape'] == [1, 'x_length']
    axis = content['hypotheses_axis']
    for value in content['decoder']['inputs'][2:]:
        assert value['shape'][axis] == 'n_hypotheses'
    assert content['chapter'] == name
    assert content['languages'] == ['ko', 'en']


@pytest.mark.parametrize('length', [1, 5, 30, 100])
def test_formulas_are_those_of_search(chapter, folder, length):
    search = read_description(folder)['search']
    names = {'n_tokens': length, 'x_length': length, 'min': min, 'int': int} | search
    penalty = eval(search['length_penalty'], names)
    assert penalty == chapter.search.get_length_penalty(length, search['alpha'])
    lengths = torch.tensor([length])
    sizes = (search[name] for name in ('max_length', 'max_ratio', 'max_extra'))
    limit = chapter.search.get_limits(lengths, lengths, *sizes)
    assert eval(search['limit'], names) == limit.item()


def test_files_do_not_know_this_machine(folder):
    for fn in (folder / 'export').iterdir():
        assert str(ROOT).encode() not in fn.read_bytes()


def test_example_of_the_readme_needs_no_torch(name, folder, translator):
    """The Python example finds the translation of greedy search."""
    readme = (ROOT / name / 'README.md').read_text(encoding='utf-8')
    section = readme.split('## In other languages')[1].split('\n## ')[0]
    (example,) = PYTHON_FENCE.findall(section)
    (sentence,) = SENTENCE.findall(example)
    program = "import sys\nsys.modules['torch'] = None\n" + example
    (folder / 'example.py').write_text(program, encoding='utf-8')

    process = run(folder, 'example.py', check=True)

    options = ['--model_fn', folder / 'model.pth', '--beam_size', '1']
    expected = run(ROOT / name, 'translate.py', *options, stdin=sentence, check=True)
    assert ' '.join(process.stdout.split()) == ' '.join(expected.stdout.split())
    assert process.stdout.strip()


def get_error(chapter, monkeypatch, capsys, *options):
    """Run export.py in this process; return its one line of error."""
    parser = chapter.export.define_argparser()
    monkeypatch.setattr('sys.argv', ['export.py', *map(str, options)])
    with pytest.raises(SystemExit) as info:
        chapter.guards.run(chapter.export.main, parser)
    assert info.value.code == 2
    error = capsys.readouterr().err
    assert error.endswith('\n')
    return error[:-1].split('\n')


def test_bad_input_is_one_line(name, chapter, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        'sys.stdout', type('Stdout', (), {'reconfigure': lambda *a, **k: None})()
    )
    other = tmp_path / 'other.pth'
    chapter.guards.save_checkpoint({'chapter': '02_mnist_tutorial'}, other)
    file = tmp_path / 'file'
    file.write_text('', encoding='utf-8')
    model_fn = folder / 'model.pth'
    cases = [
        (['--model_fn', tmp_path / 'none.pth'], 'none.pth'),
        (['--model_fn', other], '02_mnist_tutorial'),
        (['--model_fn', model_fn, '--out_dir', file], str(file)),
    ]
    for options, part in cases:
        (line,) = get_error(chapter, monkeypatch, capsys, *options)
        assert line.startswith('error: ')
        assert part in line


def test_a_difference_is_an_error(chapter, folder, tmp_path, monkeypatch, capsys):
    """Networks that compute something else are not exported in silence."""

    def copy_other(network, inputs, fn):
        shutil.copy(folder / 'export' / fn.name, fn)
        return 20, {}

    class Other(chapter.translate.Translator):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            with torch.no_grad():
                next(self.models[0].parameters()).mul_(1.1)

    monkeypatch.setattr(chapter.export, 'export_network', copy_other)
    monkeypatch.setattr(chapter.translate, 'Translator', Other)
    options = ['--model_fn', str(folder / 'model.pth'), '--out_dir', str(tmp_path)]
    config = chapter.export.define_argparser().parse_args(options)
    with pytest.raises(chapter.guards.InputError, match='difference'):
        chapter.export.main(config)
    (line,) = capsys.readouterr().out.splitlines()
    assert float(line.removeprefix('largest difference: ')) > 1e-4
