"""The exports of 09 and 10: the same numbers in onnxruntime, with nothing of ours."""

import os
import re
import unicodedata

import numpy as np
import pytest
import torch
from chapters import importable, run
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxruntime import InferenceSession
from text_exports import (
    REVIEWS,
    WORDS,
    export,
    get_folder,
    load,
    predict,
    read,
    read_reviews,
)

CLASSIFIERS = ['cnn', 'rnn']
if os.environ.get('TEST_LONG') == '1':
    CLASSIFIERS.append('bert')
SECTION = re.compile(r'## In other languages\n(.*?)\n## ', re.DOTALL)
PYTHON_FENCE = re.compile(r'```python\n(.*?)```', re.DOTALL)


@pytest.fixture
def words():
    with importable(load(WORDS)):
        yield load(WORDS)


@pytest.fixture
def reviews():
    with importable(load(REVIEWS)):
        yield load(REVIEWS)


def open_network(kind):
    folder, _ = export(kind)
    return InferenceSession(folder / 'model.onnx')


def load_classifier(reviews, kind):
    folder, _ = export(kind)
    fn = folder.with_suffix('.pth')
    return reviews.predict.Classifier(fn, torch.device('cpu'))


def load_vectors(words):
    folder, _ = export('words')
    return words.model.load_vectors(folder.with_suffix('.pth'))


def run_padded(session, id_lists, pad_id):
    """Return the logits of a batch; shorter texts are padded to the longest one."""
    lengths = np.array([len(ids) for ids in id_lists])
    x = np.full((len(id_lists), lengths.max()), pad_id)
    for row, ids in zip(x, id_lists, strict=True):
        row[: len(ids)] = ids
    return session.run(None, {'x': x, 'lengths': lengths})[0]


@pytest.mark.parametrize('kind', ['words', *CLASSIFIERS])
def test_the_difference_is_small(kind):
    _, printed = export(kind)
    (difference,) = re.fullmatch(r'largest difference: (\S+e-\d+)\n', printed).groups()
    assert float(difference) <= 1e-4


@pytest.mark.parametrize('kind', ['words', *CLASSIFIERS])
def test_inputs_are_described_and_of_any_size(kind):
    description = read(kind, 'model.json')
    session = open_network(kind)
    for side, values in (
        ('inputs', session.get_inputs()),
        ('outputs', session.get_outputs()),
    ):
        shapes = {value.name: value.shape for value in values}
        described = description['model'][side]
        assert {part['name']: part['shape'] for part in described} == shapes
    assert session.get_inputs()[0].shape == ['batch_size', 'length']


@pytest.mark.parametrize('kind', ['words', *CLASSIFIERS])
def test_no_path_of_this_machine_is_exported(kind):
    folder, _ = export(kind)
    for fn in folder.iterdir():
        content = fn.read_bytes()
        assert str(folder).encode() not in content
        assert b'.py' not in content


@pytest.mark.parametrize('kind', CLASSIFIERS)
def test_reviews_get_the_logits_of_pytorch(reviews, kind):
    classifier = load_classifier(reviews, kind)
    id_lists = classifier.encode(read_reviews()[:64])
    session, pad_id = open_network(kind), classifier.vocabulary.pad_id

    found = run_padded(session, id_lists, pad_id)
    alone = [run_padded(session, [ids], pad_id)[0] for ids in id_lists]

    for ids, logits in zip(id_lists, found, strict=True):
        with torch.no_grad():
            y_hat = classifier.model(torch.tensor([ids]), torch.tensor([len(ids)]))
        assert np.abs(y_hat[0].numpy() - logits).max() < 1e-4
    # Padding changes nothing.
    assert len({len(ids) for ids in id_lists}) > 3
    assert np.abs(np.stack(alone) - found).max() < 1e-5
    assert np.ptp(found, axis=0).min() > 0.01


def test_n_grams_are_found(reviews):
    classifier = load_classifier(reviews, 'cnn')
    (ids,) = classifier.encode(read_reviews()[:1])
    session = open_network('cnn')
    before = run_padded(session, [ids], 0)
    for layer in classifier.model.embedding.n_grams:
        layer.weight.data.zero_()
    with torch.no_grad():
        without = classifier.model(torch.tensor([ids]), torch.tensor([len(ids)]))
    assert np.abs(without.numpy() - before).max() > 0.01


@pytest.mark.parametrize('kind', CLASSIFIERS)
def test_examples_of_reviews_are_those_of_the_network(kind):
    examples, description = read(kind, 'examples.json'), read(kind, 'model.json')
    found = run_padded(open_network(kind), examples['ids'], description['ids']['pad'])
    assert np.abs(found - examples['logits']).max() < 1e-4


def refine(text, rules):
    """Refine a text as model.json says, with nothing of the chapter."""
    text = unicodedata.normalize(rules['normalization'], text)
    space = re.escape(rules['white_space'])
    text = re.sub(f'[{space}]+', ' ', text).strip(' ')
    n = rules['max_repeats']
    return re.sub(rf'(.)\1{{{n},}}', r'\1' * n, text, flags=re.DOTALL)


@settings(max_examples=300, deadline=None)
@given(text=st.text() | st.text(alphabet=' \t\n\x00\x7f\x85\xa0\u3000\ufeffㅋ가각a'))
def test_the_rules_of_refine_are_complete(text):
    rules = read('cnn', 'model.json')['refine']
    assert refine(text, rules) == load(REVIEWS).tokenizer.refine(text)


def test_the_description_is_enough_for_ids(reviews):
    description = read('cnn', 'model.json')
    ids = {token: i for i, token in enumerate(description['tokens'])}
    prefix, unknown = description['character_prefix'], description['ids']['unknown']
    classifier = load_classifier(reviews, 'cnn')
    texts = [*read_reviews()[:100], 'Ünknown 글쎄', '좋' * 300]
    for text, expected in zip(texts, classifier.encode(texts), strict=True):
        found = refine(text, description['refine'])
        found = [ids.get(c, ids.get(prefix + c, unknown)) for c in found]
        assert found[: description['max_length']] == expected


def test_vectors_are_those_of_gensim(words):
    vectors = load_vectors(words)
    rows = words.onnx_parts.Rows(vectors)
    session = open_network('words')
    for names in (vectors.index_to_key[:1], vectors.index_to_key):
        (found,) = session.run(None, {'x': rows.get_batch(names).numpy()})
        expected = np.stack([vectors.get_vector(name, norm=True) for name in names])
        assert np.abs(found - expected).max() < 1e-4


def test_padding_and_unknown_parts_add_nothing(words):
    session = open_network('words')
    x = np.array([[1, 5, 9]])
    (alone,) = session.run(None, {'x': x})
    (padded,) = session.run(None, {'x': np.pad(x, ((0, 1), (0, 4)))})
    assert np.array_equal(alone[0], padded[0])
    assert not padded[1].any()


def test_only_trained_buckets_are_exported(words):
    folder, _ = export('words')
    description, vectors = read('words', 'model.json'), load_vectors(words)
    lengths = np.linalg.norm(vectors.vectors_ngrams, axis=1)
    is_exported = np.isin(np.arange(len(lengths)), description['buckets'])
    assert lengths[~is_exported].max() < 0.1 < lengths[is_exported].mean()
    size = (folder / 'model.onnx').stat().st_size
    n_rows = 1 + len(description['words']) + len(description['buckets'])
    # Two bytes for each number, and four for the scale of a row.
    assert size < 1.01 * n_rows * (2 * vectors.vector_size + 4) + 10_000


def get_example(chapter, kind):
    """Return the Python example of a README, for the export of a small model."""
    readme = (get_folder(chapter) / 'README.md').read_text(encoding='utf-8')
    (example,) = PYTHON_FENCE.findall(SECTION.search(readme)[1])
    assert 'export/' in example
    return example.replace('export/', f'{kind}/')


@pytest.mark.parametrize(
    ('chapter', 'kind', 'question', 'columns'),
    [
        (WORDS, 'words', 'goverment government', slice(1, 2)),
        (REVIEWS, 'cnn', '정말 좋았다', slice(2)),
    ],
)
def test_the_example_needs_no_torch(chapter, kind, question, columns):
    folder = export(kind)[0].parent
    example = get_example(chapter, kind)
    assert all(word in example for word in question.split())
    ours = ('torch', 'gensim', 'guards', 'model', 'tokenizer')
    block = f'import sys\nsys.modules |= dict.fromkeys({ours})\n'
    printed = run(folder, '-c', block + example, check=True).stdout.split()

    (answer,) = predict(kind, [question])
    expected = answer.split('\t')[columns]
    for ours, theirs in zip(printed, expected, strict=True):
        assert float(ours) == pytest.approx(float(theirs), abs=1e-3)


@pytest.mark.parametrize('chapter', [WORDS, REVIEWS])
@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--model_fn', 'none.pth'], 'none.pth: expected a checkpoint of '),
        (['--model_fn', 'README.md'], 'README.md: expected a checkpoint of '),
        (['--out_dir', 'README.md'], 'README.md: cannot be written: '),
    ],
)
def test_bad_input_is_one_line(chapter, options, message):
    kind = 'words' if chapter == WORDS else 'cnn'
    export(kind)
    process = run(
        get_folder(chapter), 'export.py', '--model_fn', f'{kind}.pth', *options
    )
    assert process.returncode == 2
    assert process.stderr.startswith(f'error: {message}')
    assert len(process.stderr.splitlines()) == 1


@pytest.mark.parametrize('difference', [2e-4, float('nan')])
def test_a_large_difference_is_an_error(reviews, monkeypatch, tmp_path, difference):
    folder, _ = export('cnn')
    network = 20, {'file': 'model.onnx'}
    (tmp_path / 'model.onnx').touch()
    monkeypatch.setattr(reviews.export, 'export_network', lambda *_: network)
    monkeypatch.setattr(reviews.export, 'compare', lambda *_: difference)
    options = [
        '--model_fn',
        str(folder.with_suffix('.pth')),
        '--out_dir',
        str(tmp_path),
    ]
    config = reviews.export.define_argparser().parse_args(options)
    with pytest.raises(reviews.guards.InputError, match='difference of at most 0.0001'):
        reviews.export.main(config)
