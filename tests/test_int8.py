"""translate.py --int8: nearly the same logits, with matrices of 8-bit integers."""

import os
import sys

import pytest
import torch
from chapters import ROOT, importable, load_chapter
from torch import nn

NAME = '13_transformer'
SIZES = '--hidden_size 32 --n_heads 2 --ffn_size 48 --n_layers 2 --vocab_size 700'


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def model_fn(chapter, tmp_path_factory):
    """A checkpoint with random weights."""
    config = chapter.train.define_argparser().parse_args(SIZES.split())
    pairs = chapter.data_loader.read_pairs(ROOT / NAME / 'sample' / 'valid', 'koen')
    subwords = chapter.data_loader.make_subwords(config, *pairs)
    torch.manual_seed(0)
    model = chapter.model.get_model(vars(config), *map(len, subwords))
    fn = tmp_path_factory.mktemp('int8') / 'model.pth'
    protos = [side.serialized_model_proto() for side in subwords]
    x_proto, y_proto = map(chapter.utils.to_tensor, protos)
    checkpoint = {
        'chapter': NAME,
        'config': vars(config),
        'x_subwords': x_proto,
        'y_subwords': y_proto,
        'model': model.state_dict(),
    }
    chapter.guards.save_checkpoint(checkpoint, fn)
    return fn


def get_logits(translator):
    """Return the logits of some steps of two hypotheses of each sentence."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(4, 700, (3, 9), generator=generator)
    y = torch.randint(4, 700, (6, 3, 2), generator=generator)
    with torch.inference_mode():
        state = translator.start(x, torch.tensor([9, 9, 9]))
        state.select(torch.arange(3).repeat_interleave(2).view(3, 2))
        return torch.stack([translator.step(last, state) for last in y])


def test_logits_are_nearly_the_same(chapter, model_fn):
    translators = [
        chapter.translate.Translator([model_fn], torch.device('cpu'), is_int8=is_int8)
        for is_int8 in (False, True)
    ]
    expected, found = map(get_logits, translators)
    difference = (found - expected).std() / expected.std()
    # As large as rounding makes it: with 4 bits, it would be 16 times as large.
    assert 0 < difference < 0.05

    layers = [*translators[1].models[0].modules()]
    assert not any(type(layer) is nn.Linear for layer in layers)
    quantized = [layer for layer in layers if 'Quantized' in layer._get_name()]
    plain = [*translators[0].models[0].modules()]
    assert len(quantized) == sum(isinstance(layer, nn.Linear) for layer in plain)
    assert all(layer.weight().dtype == torch.qint8 for layer in quantized)


def run_translate(chapter, monkeypatch, capsys, *options):
    """Run translate.py on a sentence, and return what it prints."""
    reader, writer = os.pipe()
    os.write(writer, '민수 씨는 언제 와요?\n\n'.encode())
    os.close(writer)
    with monkeypatch.context() as patch, open(reader, encoding='utf-8') as stdin:
        patch.setattr(sys, 'stdin', stdin)
        parser = chapter.translate.define_argparser()
        chapter.translate.main(parser.parse_args(list(map(str, options))))
    return capsys.readouterr().out


def test_a_line_for_a_line(chapter, model_fn, monkeypatch, capsys):
    options = '--model_fn', model_fn, '--gpu_id', -1, '--max_length', 9, '--int8'
    for more in ([], ['--no-fast'], ['--beam_size', 1]):
        text = run_translate(chapter, monkeypatch, capsys, *options, *more)
        first, second = text.splitlines()
        assert first
        assert second == ''


def test_other_devices_are_refused(chapter, model_fn, monkeypatch, capsys):
    monkeypatch.setattr(
        chapter.translate, 'get_device', lambda gpu_id: torch.device('cuda', 0)
    )
    with pytest.raises(chapter.guards.InputError, match='--int8: works on the CPU'):
        run_translate(chapter, monkeypatch, capsys, '--model_fn', model_fn, '--int8')


def test_a_torch_without_quantization_is_refused(chapter, model_fn, monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch.ao', None)
    with pytest.raises(chapter.guards.InputError, match='^--int8: '):
        chapter.translate.Translator([model_fn], torch.device('cpu'), is_int8=True)
