"""13 imports Marian's networks and exports its own, and all compute the same."""

import json
import sys

import pytest
import torch
from chapters import ROOT, importable, load_chapter
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from torch.nn.utils.rnn import pad_sequence

NAME = '13_transformer'
SAMPLE = ROOT / NAME / 'sample'
BOS, EOS = torch.tensor([2]), torch.tensor([3])
KINDS = {
    'swish': {'activation': 'swish'},
    # What is left of the options, and the older file of weights.
    'gelu': {
        'activation': 'gelu',
        'is_scaled': False,
        'model_type': 'bpe',
        'is_safe': False,
    },
}


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


def randomize(model):
    """Give a network random weights, with which its translations differ."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'embed_positions' not in name:
                parameter.normal_(std=0.4 if parameter.dim() > 1 else 0.2)
            if 'norm' in name and name.endswith('weight'):
                parameter += 1


def make_subwords(folder, model_type):
    """Write source.spm and target.spm; return a vocabulary of both, with gaps."""
    tokens = ['</s>', '<unk>']
    for side, language in (('source', 'ko'), ('target', 'en')):
        text = (SAMPLE / f'valid.{language}').read_text(encoding='utf-8')
        with open(folder / f'{side}.spm', 'wb') as file:
            SentencePieceTrainer.train(
                sentence_iterator=iter(text.splitlines()),
                model_writer=file,
                vocab_size=400,
                hard_vocab_limit=False,
                model_type=model_type,
                minloglevel=2,
            )
        subwords = SentencePieceProcessor(model_file=str(folder / f'{side}.spm'))
        tokens += [subwords.id_to_piece(i) for i in range(3, len(subwords))]
    tokens = list(dict.fromkeys(tokens))
    # Some subwords of the sentences are unknown to Marian.
    known = [token for i, token in enumerate(tokens) if i % 25 != 5]
    return [*known, '>>eng<<', '<pad>']


def make_marian(
    folder, activation='swish', is_scaled=True, model_type='unigram', is_safe=True
):
    """Write a random MarianMTModel with its subwords into a folder, and return it."""
    from transformers import MarianConfig, MarianMTModel

    folder.mkdir()
    tokens = make_subwords(folder, model_type)
    vocabulary = {token: i for i, token in enumerate(tokens)}
    (folder / 'vocab.json').write_text(json.dumps(vocabulary), encoding='utf-8')
    sizes = {'layers': 2, 'attention_heads': 2, 'ffn_dim': 24}
    sides = ('encoder', 'decoder')
    torch.manual_seed(0)
    pad_id = len(tokens) - 1
    config = MarianConfig(
        vocab_size=len(tokens),
        d_model=16,
        activation_function=activation,
        scale_embedding=is_scaled,
        pad_token_id=pad_id,
        decoder_start_token_id=pad_id,
        max_position_embeddings=128,
        **{f'{side}_{name}': size for side in sides for name, size in sizes.items()},
    )
    model = MarianMTModel(config).eval()
    randomize(model)
    with torch.no_grad():
        model.model.shared.weight[pad_id] = 0
        model.final_logits_bias.normal_()
        model.final_logits_bias[0, [0, pad_id]] = torch.tensor([4.0, 0.0])
    model.generation_config.bad_words_ids = [[pad_id]]
    model.save_pretrained(folder)
    if not is_safe:
        (folder / 'model.safetensors').unlink()
        torch.save(model.state_dict(), folder / 'pytorch_model.bin')
    return model


@pytest.fixture(scope='module', params=KINDS)
def marian(request, chapter, tmp_path_factory):
    """A network of Marian, its folder, and the checkpoint that it has become."""
    folder = tmp_path_factory.mktemp('imported') / request.param
    model = make_marian(folder, **KINDS[request.param])
    model_fn = folder / 'marian.pth'
    run_program(chapter.import_marian, folder, '--model_fn', model_fn)
    return model, folder, model_fn


def run_program(module, *arguments):
    module.main(module.define_argparser().parse_args(list(map(str, arguments))))


def get_translator(chapter, model_fn, is_fast=True):
    return chapter.translate.Translator([model_fn], torch.device('cpu'), is_fast)


def read_sentences(n_sentences):
    text = (SAMPLE / 'test.ko').read_text(encoding='utf-8')
    return text.splitlines()[:n_sentences]


def read_phrases(n_phrases):
    """Return two words of each sentence, so that the translations are short."""
    return [' '.join(line.split()[-2:]) for line in read_sentences(n_phrases)]


def translate(chapter, translator, lines, beam_size):
    """Return our translations, without a length penalty."""
    options = ['--beam_size', str(beam_size), '--length_penalty', '0']
    config = chapter.translate.define_argparser().parse_args(options)
    results = chapter.translate.translate(translator, lines, config, len(lines))
    return [translator.decode(found[0][1]) for _, found in results]


def generate(network, tokenizer, ids, beam_size):
    """Return the translation of a sentence by transformers, with our limit."""
    # Like Marian and us, and unlike the default, it leaves no probability to padding.
    (y,) = network.generate(
        torch.tensor([ids]),
        num_beams=beam_size,
        do_sample=False,
        length_penalty=0.0,
        early_stopping='never',
        renormalize_logits=True,
        max_length=2 * len(ids) + 11,
    )
    return ' '.join(tokenizer.decode(y, skip_special_tokens=True).split())


def get_rows(translator, folder):
    """Return Marian's id of each of our tokens that it has."""
    vocabulary = json.loads((folder / 'vocab.json').read_text(encoding='utf-8'))
    pieces = [translator.y_subwords.id_to_piece(i) for i in range(len(vocabulary) + 1)]
    pieces[2] = '<pad>'
    return torch.tensor([vocabulary[piece] for piece in pieces])


# ---- Import


def test_subwords_are_those_of_marian(chapter, marian):
    """Unknown subwords, subwords of the other language, and names of languages."""
    from transformers import MarianTokenizer

    _, folder, model_fn = marian
    translator = get_translator(chapter, model_fn)
    tokenizer = MarianTokenizer.from_pretrained(folder)
    rows = get_rows(translator, folder).tolist()
    # What vocab.json does not have comes last, and is unknown.
    rows += [1] * (len(translator.x_subwords) - len(rows))
    lines = [
        *read_sentences(40),
        '뷁 xyz !?',
        '>>eng<< 민수 씨는 언제 와요?',
        'the book',
    ]
    found = [[rows[i] for i in ids] for ids in translator.encode(lines, 100)]
    assert found == tokenizer(lines)['input_ids']
    assert any(1 in ids for ids in found[:40])
    assert translator.encode(['', '  '], 100) == [[], []]


@torch.no_grad()
def test_logits_are_those_of_marian(chapter, marian):
    network, folder, model_fn = marian
    translator = get_translator(chapter, model_fn, is_fast=False)
    rows = get_rows(translator, folder)
    ids = translator.encode(read_sentences(20), 100)
    ids = [[i if i < len(rows) else 1 for i in sentence] for sentence in ids]
    x = pad_sequence([torch.tensor(i) for i in ids], True)
    lengths = torch.tensor([len(i) for i in ids])
    y = torch.randint(4, len(rows), (len(x), 9))
    y[:, 0] = 2
    mask = (torch.arange(x.size(1)) < lengths[:, None]).long()
    task = {'input_ids': rows[x], 'attention_mask': mask, 'decoder_input_ids': rows[y]}
    expected = network(**task).logits[:, :, rows]

    found = translator.models[0](x, lengths, y)

    possible = [1, *range(3, len(rows))]
    difference = found[:, :, : len(rows)] - expected
    assert difference[:, :, possible].abs().max() < 1e-4
    # Padding, BOS, and subwords that Marian does not know.
    p = found.softmax(dim=-1)
    assert p[:, :, [0, 2]].max() == 0
    assert p[:, :, len(rows) :].max() == 0

    # The steps of a search, and the weights of the attention.
    for is_fast in (False, True):
        model = get_translator(chapter, model_fn, is_fast).models[0]
        state = model.start(x, lengths)
        steps = [model.step(y[:, t : t + 1], state) for t in range(y.size(1))]
        assert (torch.cat(steps, dim=1) - found)[:, :, possible].abs().max() < 1e-4
    weights = translator.models[0].get_attention(x, lengths, y)
    network.set_attn_implementation('eager')
    expected = network(**task, output_attentions=True).cross_attentions
    assert (weights - torch.stack(expected, dim=1)).abs().max() < 1e-5


@pytest.mark.parametrize('beam_size', [1, 5])
def test_translations_are_those_of_marian(chapter, marian, beam_size):
    from transformers import MarianTokenizer

    network, folder, model_fn = marian
    tokenizer = MarianTokenizer.from_pretrained(folder)
    lines = read_phrases(6)
    expected = [
        generate(network, tokenizer, ids, beam_size)
        for ids in tokenizer(lines)['input_ids']
    ]
    for is_fast in (False, True):
        translator = get_translator(chapter, model_fn, is_fast)
        assert translate(chapter, translator, lines, beam_size) == expected
    assert len({*expected}) > 1


def change_json(fn, **values):
    content = json.loads(fn.read_text(encoding='utf-8')) | values
    fn.write_text(json.dumps(content), encoding='utf-8')


def get_error(chapter, module, *arguments):
    """Run a program that has to fail in one line, and return the line."""
    with pytest.raises(chapter.guards.InputError) as info:
        run_program(module, *arguments)
    assert '\n' not in str(info.value)
    return str(info.value)


class Harmful:
    def __reduce__(self):
        return exec, ('raise SystemExit("code of the file was run")',)


def test_bad_folders_are_one_line(chapter, tmp_path):
    folder = tmp_path / 'marian'
    make_marian(folder)
    model_fn = tmp_path / 'm.pth'

    def fail():
        task = folder, '--model_fn', model_fn
        line = get_error(chapter, chapter.import_marian, *task)
        assert not model_fn.exists()
        return line

    config, content = folder / 'config.json', (folder / 'config.json').read_bytes()
    for name, value, expected in (
        ('model_type', 'bart', '"marian"'),
        ('normalize_before', True, 'false'),
        ('share_encoder_decoder_embeddings', False, 'true'),
        ('static_position_embeddings', False, 'true'),
        ('activation_function', 'tanh', '"relu" or "gelu" or "swish"'),
        ('decoder_layers', 3, '2'),
    ):
        change_json(config, **{name: value})
        line = fail()
        assert f'expected "{name}": {expected}' in line
        assert str(config) in line
        config.write_bytes(content)
    # A network with more weights than the file has.
    change_json(config, encoder_layers=3, decoder_layers=3)
    assert 'missing' in fail()
    config.write_bytes(content)
    for name in ('config.json', 'vocab.json', 'source.spm', 'model.safetensors'):
        fn, content = folder / name, (folder / name).read_bytes()
        for damaged in (content[: len(content) // 2], b''):
            fn.write_bytes(damaged)
            assert str(folder) in fail()
        fn.unlink()
        assert str(folder) in fail()
        fn.write_bytes(content)
    (folder / 'model.safetensors').unlink()
    torch.save({'model.shared.weight': Harmful()}, folder / 'pytorch_model.bin')
    assert 'expected the weights of a Marian model' in fail()


# ---- Export

NETWORKS = {
    'pre': '',
    'pre, joint, not tied': '--joint --no-tied --activation gelu',
    'post, joint': '--norm post --joint --activation silu',
}


def teach(chapter, model, x_ids, n_steps):
    """Teach a network to replace each of the first tokens of a sentence by another.

    Then all searches find the same, the clear winner; a random network has none.
    """
    x_ids = [ids[: 3 + len(ids) % 5] for ids in x_ids if len(ids) > 7]
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    crit = torch.nn.CrossEntropyLoss(ignore_index=0)
    for step in range(n_steps):
        batch = [torch.tensor(x_ids[(64 * step + i) % len(x_ids)]) for i in range(64)]
        x, lengths, y = chapter.data_loader.collate(
            [(x, torch.cat([BOS, 4 + x % 20, EOS])) for x in batch]
        )
        loss = crit(model(x, lengths, y[:, :-1]).flatten(0, 1), y[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def make_ours(chapter, folder, options, n_steps=0):
    """Write a network of ours into a folder, and return the checkpoint."""
    sizes = '--hidden_size 16 --n_heads 2 --ffn_size 16 --n_layers 2 --vocab_size 900'
    parser = chapter.train.define_argparser()
    config = parser.parse_args([*sizes.split(), *options.split()])
    pairs = chapter.data_loader.read_pairs(SAMPLE / 'valid', 'koen')
    subwords = chapter.data_loader.make_subwords(config, *pairs)
    torch.manual_seed(1)
    model = chapter.model.get_model(vars(config), *map(len, subwords))
    teach(chapter, model, subwords[0].encode(pairs[0]), n_steps)
    x_proto, y_proto = (
        chapter.utils.to_tensor(side.serialized_model_proto()) for side in subwords
    )
    checkpoint = {
        'chapter': NAME,
        'config': vars(config),
        'x_subwords': x_proto,
        'y_subwords': y_proto,
        'model': model.state_dict(),
    }
    chapter.guards.save_checkpoint(checkpoint, folder / 'ours.pth')
    return folder / 'ours.pth'


@pytest.fixture(scope='module', params=[*NETWORKS, 'marian'])
def ours(request, chapter, tmp_path_factory):
    """A checkpoint of train.py, as it seems, or of import_marian.py."""
    folder = tmp_path_factory.mktemp('exported')
    if request.param != 'marian':
        return make_ours(chapter, folder, NETWORKS[request.param], n_steps=100)
    make_marian(folder / 'marian')
    model_fn = folder / 'ours.pth'
    run_program(chapter.import_marian, folder / 'marian', '--model_fn', model_fn)
    return model_fn


def test_transformers_translates_the_same(chapter, ours, capsys):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = ours.parent / 'transformers'
    run_program(chapter.export_marian, '--model_fn', ours, '--out_dir', folder)
    name, difference = capsys.readouterr().out.split(': ')
    assert name == 'largest difference'
    assert 0 < float(difference) < 1e-4
    network = AutoModelForSeq2SeqLM.from_pretrained(folder)
    config = torch.load(ours, weights_only=True)['config']
    kinds = {'pre': 'PegasusForConditionalGeneration', 'post': 'MarianMTModel'}
    assert type(network).__name__ == kinds[config['norm']]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    translator, lines = get_translator(chapter, ours), read_phrases(4)
    has_end = bool(config.get('source_eos'))
    ids = tokenizer(lines, add_special_tokens=has_end)['input_ids']
    for beam_size in (1,) if has_end else (1, 5):
        expected = translate(chapter, translator, lines, beam_size)
        found = [generate(network, tokenizer, i, beam_size) for i in ids]
        assert found == expected
    assert len({*expected}) > 1


def test_ctranslate2_translates_the_same(chapter, ours, capsys):
    ctranslate2 = pytest.importorskip('ctranslate2')
    folder = ours.parent / 'ctranslate2'
    options = '--model_fn', ours, '--out_dir', folder, '--format', 'ctranslate2'
    run_program(chapter.export_marian, *options)
    assert 0 < float(capsys.readouterr().out.split(': ')[1]) < 1e-4
    network = ctranslate2.Translator(str(folder), inter_threads=1, intra_threads=1)
    translator, lines = get_translator(chapter, ours), read_phrases(6)
    tokens = translator.x_subwords.encode(lines, out_type=str)
    # The translations of random weights end at the limit, where the searches differ.
    for beam_size in (1,) if translator.x_end else (1, 5):
        expected = translate(chapter, translator, lines, beam_size)
        found = []
        for sentence in tokens:
            # One by one, because each has a limit of its own; EOS is not counted.
            n_tokens = len(sentence) + len(translator.x_end)
            (result,) = network.translate_batch(
                [sentence],
                beam_size=beam_size,
                length_penalty=0,
                max_decoding_length=2 * n_tokens + 9,
            )
            text = translator.y_subwords.decode_pieces(result.hypotheses[0])
            found.append(' '.join(text.split()))
        assert found == expected


def test_what_was_exported_is_imported_again(chapter, tmp_path):
    """There and back, the network is the same, and its sentences end without EOS."""
    model_fn = make_ours(chapter, tmp_path, NETWORKS['post, joint'])
    folder, again_fn = tmp_path / 'marian', tmp_path / 'again.pth'
    run_program(chapter.export_marian, '--model_fn', model_fn, '--out_dir', folder)
    run_program(chapter.import_marian, folder, '--model_fn', again_fn)
    first, again = (torch.load(fn, weights_only=True) for fn in (model_fn, again_fn))
    assert again['model'].pop('generator.bias')[3:].count_nonzero() == 0
    assert first['model'].keys() == again['model'].keys()
    for name, weight in first['model'].items():
        assert torch.equal(weight, again['model'][name]), name
    translators = [get_translator(chapter, fn) for fn in (model_fn, again_fn)]
    lines = read_phrases(20)
    ids = [translator.encode(lines, 100) for translator in translators]
    assert ids[0] == ids[1]


def test_a_difference_is_an_error(chapter, tmp_path, monkeypatch, capsys):
    """A network that computes something else is not exported in silence."""
    model_fn = make_ours(chapter, tmp_path, '')
    monkeypatch.setattr(
        chapter.export_marian, 'reorder', lambda name, tensor, order: tensor
    )
    options = '--model_fn', model_fn, '--out_dir', tmp_path / 'out'
    line = get_error(chapter, chapter.export_marian, *options)
    assert 'expected a difference of at most 0.0001' in line
    assert float(capsys.readouterr().out.split(': ')[1]) > 1e-4


def test_bad_input_of_the_export_is_one_line(chapter, tmp_path, monkeypatch):
    file = tmp_path / 'file'
    file.write_text('', encoding='utf-8')
    model_fn = make_ours(chapter, tmp_path, '')
    export = chapter.export_marian
    line = get_error(chapter, export, '--model_fn', tmp_path / 'none.pth')
    assert 'none.pth' in line
    line = get_error(chapter, export, '--model_fn', model_fn, '--out_dir', file)
    assert str(file) in line
    for name in [name for name in sys.modules if name.startswith('ctranslate2')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'ctranslate2', None)
    options = '--model_fn', model_fn, '--out_dir', tmp_path / 'out'
    line = get_error(chapter, export, *options, '--format', 'ctranslate2')
    assert line.startswith('--format ctranslate2')


def test_older_checkpoints_are_read(chapter, tmp_path):
    """Their options say nothing of norm, activation and bias."""
    model_fn = make_ours(chapter, tmp_path, '')
    expected = translate(chapter, get_translator(chapter, model_fn), ['민수'], 1)
    checkpoint = torch.load(model_fn, weights_only=True)
    for name in ('norm', 'activation'):
        del checkpoint['config'][name]
    chapter.guards.save_checkpoint(checkpoint, model_fn)
    assert (
        translate(chapter, get_translator(chapter, model_fn), ['민수'], 1) == expected
    )
