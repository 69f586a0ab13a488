"""Chapter 09: fastText's own files, the loss, the questions, and what is no text."""

import io
import os
import struct
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attacks import run_here, run_quickly
from chapters import copy_chapter, importable, load_chapter, run
from gensim.models.fasttext import load_facebook_model
from gensim.test.utils import datapath
from hypothesis import example, given, settings
from hypothesis import strategies as st

NAME = '09_word_embedding'
IS_LONG = os.environ.get('TEST_LONG') == '1'
N_EXAMPLES = 1000 if IS_LONG else 50
SMALL = ('--word_vec_size', 12, '--n_buckets', 500, '--verbose', 0)
TINY = (*SMALL, '--n_epochs', 1)


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def model_fn(chapter, tmp_path_factory):
    """The vectors of a short training on the default text."""
    model_fn = tmp_path_factory.mktemp('trained') / 'model.pth'
    run_here(chapter.train, '--model_fn', model_fn, *SMALL, '--n_epochs', 2)
    return model_fn


@pytest.fixture(scope='module')
def vectors(chapter, model_fn):
    return chapter.model.load_vectors(model_fn)


def make_config(**changes):
    config = {'model': 'skipgram', 'window': 2, 'n_negatives': 3, 'sample': 0.0}
    config |= {'seed': 0, 'train_fn': None, 'column': -1, 'lang': 'en'}
    config['encoding'] = 'utf-8'
    return SimpleNamespace(**config | {'valid_ratio': 0.5} | changes)


def ask(chapter, monkeypatch, capsys, text, *arguments):
    """Return what predict.py answers to a text on stdin, line by line."""
    lines = iter(text.split('\n')[:-1])
    monkeypatch.setattr(chapter.predict, 'read_lines', lambda **_: lines)
    run_here(chapter.predict, *arguments)
    return capsys.readouterr().out.split('\n')[:-1]


# ---- The file


def test_fasttext_itself_reads_the_file(model_fn, vectors):
    fasttext = pytest.importorskip('fasttext', reason='fasttext-wheel is not installed')
    theirs = fasttext.load_model(str(model_fn))

    assert theirs.get_words() == vectors.index_to_key
    for word in ('the', 'government', 'goverment', '한국'):
        # Its Python package may be too old for numpy's arrays: so number by number.
        subwords, numbers = theirs.f.getSubwords(word, 'strict')
        matrix = np.array(theirs.f.getInputMatrix())
        expected = matrix[list(numbers)].mean(axis=0)
        np.testing.assert_allclose(vectors.get_vector(word), expected, atol=1e-6)


def test_gensim_goes_on_with_the_file(model_fn):
    model = load_facebook_model(str(model_fn))

    assert (model.sg, model.window, model.negative) == (1, 5, 5)
    assert (model.wv.min_n, model.wv.max_n, model.wv.bucket) == (3, 6, 500)
    before = model.wv['the'].copy()
    model.train([['the', 'government']] * 50, total_examples=50, epochs=1)
    assert not np.array_equal(before, model.wv['the'])


def test_seed_decides_the_file_to_the_last_byte(chapter, tmp_path):
    """Whatever the hashes of strings are, which differ from process to process."""
    folder = copy_chapter(NAME, tmp_path)
    contents = []
    for seed, hash_seed in ((0, '1'), (0, '2'), (1, '1')):
        options = ('--seed', seed, '--gpu_id', -1, *TINY)
        environment = {'PYTHONHASHSEED': hash_seed}
        run(folder, 'train.py', *options, env=environment, check=True)
        contents.append((folder / 'model.pth').read_bytes())

    assert contents[0] == contents[1] != contents[2]


def test_without_ngrams(chapter, tmp_path, monkeypatch, capsys):
    model = ('--model_fn', tmp_path / 'x.pth')
    run_here(chapter.train, *model, *TINY, '--max_n', 0, '--model', 'cbow')
    answers = ask(chapter, monkeypatch, capsys, 'the\ngoverment\n', *model)

    assert len(answers[0].split('\t')) == 6
    assert answers[1] == 'goverment\tunknown: goverment'


def damage(content, place, value):
    return content[:place] + value + content[place + len(value) :]


HEADER_SIZE = struct.calcsize('<14id')


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        (0, b'\x00'),
        (4, b'\x0b'),
        (8, struct.pack('<i', 0)),
        (8, struct.pack('<i', 13)),
        (8, struct.pack('<i', 2**31 - 1)),
        (8 + 4 * 8, struct.pack('<i', -1)),
        (8 + 4 * 8, struct.pack('<i', 2**31 - 1)),
        (8 + 4 * 9, struct.pack('<i', -1)),
        (8 + 4 * 10, struct.pack('<i', 2**31 - 1)),
        (HEADER_SIZE, struct.pack('<i', 0)),
        (HEADER_SIZE, struct.pack('<i', 2**31 - 1)),
        (HEADER_SIZE + 8, struct.pack('<i', 1)),
        (HEADER_SIZE + 20, struct.pack('<q', 2**40)),
    ],
)
def test_sizes_that_do_not_agree(chapter, model_fn, tmp_path, place, value):
    (tmp_path / 'x.pth').write_bytes(damage(model_fn.read_bytes(), place, value))

    with pytest.raises(chapter.guards.InputError, match='expected a checkpoint of 09_'):
        chapter.model.load_vectors(tmp_path / 'x.pth')


def test_cut_files(chapter, model_fn, tmp_path):
    content = model_fn.read_bytes()
    chapter.model.check_format(content)
    places = [*range(0, 120), *range(120, len(content), 7919), len(content) - 1]

    for n_bytes in places:
        with pytest.raises((ValueError, struct.error)):
            chapter.model.check_format(content[:n_bytes])
    with pytest.raises(ValueError):
        chapter.model.check_format(content + b'\0')


@settings(max_examples=N_EXAMPLES, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=8))))
def test_any_damage(chapter, model_fn, tmp_path_factory, changes):
    """A damaged file is refused or read, and never breaks a reader."""
    content = model_fn.read_bytes()
    for place, value in changes:
        content = damage(content, place, value)
    fn = tmp_path_factory.getbasetemp() / 'damaged.pth'
    fn.write_bytes(content)

    try:
        vectors = chapter.model.load_vectors(fn)
    except chapter.guards.InputError as error:
        assert str(error).startswith(f'{fn}: expected a checkpoint of {NAME}')
    else:
        assert len(vectors.vectors) == len(vectors.index_to_key)


# ---- The data


def write_text(folder, text):
    fn = folder / 'text.txt'
    fn.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(fn)


def test_english_words(chapter):
    lines = ["Don’t stop, it's 1999!", '', '... --', 'Ünïcode_x 한국']

    words = list(chapter.data_loader.tokenize_english(lines))

    assert words == [['don’t', 'stop', "it's", '1999'], [], [], ['ünïcode_x', '한국']]


def test_korean_morphemes(chapter):
    lines = ['이 영화 정말 재미있었어요!! ^^', '', '3번 봤음']

    words = list(chapter.data_loader.tokenize_korean(lines))

    assert words[0] == ['이', '영화', '정말', '재미있다', '었', '어요']
    assert words[-1] == ['3', '번', '보다', '었', '음']


def test_sentences_held_out_are_not_trained_on(chapter, tmp_path):
    fn = write_text(tmp_path, ''.join(f'w{n} x\n\n' for n in range(40)))
    found = []
    for seed in (0, 0, 1):
        config = make_config(train_fn=fn, valid_ratio=0.25, seed=seed)
        found.append(chapter.data_loader.load_sentences(config))

    train, valid = found[0]
    assert (len(train), len(valid)) == (30, 10)
    numbers = sorted(int(words[0][1:]) for words in train + valid)
    assert numbers == list(range(40))
    assert found[0] == found[1] != found[2]


def test_long_sentences_are_cut_where_gensim_would_drop_words(chapter, tmp_path):
    fn = write_text(tmp_path, 'a ' * 25_000 + '\nb\n')
    config = make_config(train_fn=fn)

    train, valid = chapter.data_loader.load_sentences(config)

    lengths = sorted(len(words) for words in train + valid)
    assert lengths == [1, 5_000, 10_000, 10_000]


@settings(max_examples=N_EXAMPLES, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([-1, 0, 1]))
@example(b'\xff\n', -1)
@example(b'a\tb\nc\td\n', 1)
@example(b'a b\r\nc\0d\xe2\x80\xa8e\n', -1)
def test_any_bytes_are_sentences_or_a_clear_line(
    chapter, tmp_path_factory, content, column
):
    fn = write_text(tmp_path_factory.getbasetemp(), content)
    try:
        parts = chapter.data_loader.load_sentences(
            make_config(train_fn=fn, column=column)
        )
    except chapter.guards.InputError as error:
        assert str(error).startswith(f'{fn}')
        assert '\n' not in str(error)
        return
    for words in parts[0] + parts[1]:
        assert words
        assert all(word and not set(word) & set(' \t\n\0') for word in words)


@pytest.mark.parametrize(
    ('content', 'options', 'message'),
    [
        (None, (), 'cannot be read'),
        (b'', (), 'expected two sentences'),
        (b'one line of words\n', (), 'expected two sentences'),
        (b'a b\nc \xff d\n', (), 'line 2: expected UTF-8, byte 3 is not'),
        (b'a\tb\nc\n', ('--column', 1), 'line 2: expected a column 1'),
        (b'a b\nc d\ne f\n', ('--min_count', 9), '--min_count 9'),
        (b'a\na\na\nb\nb\nb\n', ('--min_count', 1), 'neighbouring known words'),
    ],
)
def test_bad_texts(chapter, tmp_path, content, options, message):
    fn = tmp_path / 'missing.txt' if content is None else write_text(tmp_path, content)
    model = ('--model_fn', tmp_path / 'x.pth', *TINY)

    with pytest.raises(chapter.guards.InputError, match=message):
        run_here(chapter.train, *model, '--train_fn', fn, *options)

    assert not (tmp_path / 'x.pth').exists()


# ---- The loss


def test_noise_is_a_distribution_that_rare_words_are_part_of(chapter):
    counts = torch.tensor([10_000, 100, 1])

    noise_p = chapter.model.get_noise_p(counts)

    expected = np.array([10_000**0.75, 100**0.75, 1])
    np.testing.assert_allclose(noise_p, expected / expected.sum())


def test_frequent_words_become_rarer(chapter):
    counts = torch.tensor([900, 90, 10])

    keep_p = chapter.model.get_keep_p(counts, 0.01)

    expected = [(0.01 / f) ** 0.5 + 0.01 / f for f in (0.9, 0.09)]
    np.testing.assert_allclose(keep_p, [*expected, 1], rtol=1e-6)
    assert chapter.model.get_keep_p(counts, 0).tolist() == [1, 1, 1]


SENTENCES = [['a', 'b', 'c', '?', 'd'], ['?'], ['d', 'a']]


@pytest.mark.parametrize('model', ['skipgram', 'cbow'])
def test_examples_are_what_lies_in_the_windows(chapter, monkeypatch, model):
    """With a window that is always 2; the last word of a sentence counts as well."""
    monkeypatch.setattr(
        torch, 'randint', lambda high, size, generator: torch.full(size, high - 1)
    )
    counts = dict.fromkeys('abcd', 5)

    x, y, noise = chapter.model.get_examples(
        SENTENCES, counts, make_config(model=model)
    )

    assert noise.shape == (len(y), 3)
    found = {
        (y_i, *sorted(n for n in x_i if n >= 0))
        for x_i, y_i in zip(x.tolist(), y.tolist(), strict=True)
    }
    pairs = {(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 0)}
    if model == 'skipgram':
        assert found == pairs | {(b, a) for a, b in pairs}
    else:
        assert found == {
            (0, 1, 2),
            (1, 0, 2, 3),
            (2, 0, 1, 3),
            (3, 1, 2),
            (3, 0),
            (0, 3),
        }


def test_loss_is_the_formula(chapter):
    """Sums of logarithms, not logarithms of sums; no noise that is the true word."""
    generator = torch.Generator().manual_seed(0)
    in_vectors, out_vectors = torch.randn(2, 5, 4, generator=generator)
    x = torch.tensor([[0, 1, -1], [2, -1, -1], [3, 4, 0]])
    y = torch.tensor([2, 3, 4])
    noise = torch.tensor([[0, 2], [1, 1], [0, 3]])

    found = chapter.model.get_loss(in_vectors, out_vectors, x, y, noise)

    total = 0
    for x_i, y_i, noise_i in zip(x.tolist(), y.tolist(), noise.tolist(), strict=True):
        h = np.mean([in_vectors[n].numpy() for n in x_i if n >= 0], axis=0)
        total += np.log1p(np.exp(-out_vectors[y_i].numpy() @ h))
        for k in noise_i:
            if k != y_i:
                total += np.log1p(np.exp(out_vectors[k].numpy() @ h))
    assert found == pytest.approx(total / 3, rel=1e-5)


@pytest.mark.parametrize('model', ['skipgram', 'cbow'])
def test_it_learns(chapter, tmp_path, monkeypatch, capsys, model):
    """Words of two topics, which never meet, end up in two corners."""
    random = np.random.default_rng(0)
    topics = [
        ['가을', '겨울', '봄날', '여름', '날씨'],
        ['apple', 'pear', 'plum', 'fig', 'nut'],
    ]
    text = ''.join(' '.join(random.choice(topics[n % 2], 8)) + '\n' for n in range(600))
    options = ('--train_fn', write_text(tmp_path, text), '--sample', 0, '--max_n', 0)
    fn = tmp_path / 'x.pth'

    run_here(
        chapter.train,
        *('--model_fn', fn, *SMALL, *options, '--model', model, '--n_epochs', 20),
    )
    answers = ask(chapter, monkeypatch, capsys, 'apple\n여름\n', '--model_fn', fn)

    for line, topic in zip(answers, (topics[1], topics[0]), strict=True):
        assert {part.split()[0] for part in line.split('\t')[:5]} == set(topic)


# ---- The questions


def test_answers_are_cosines(chapter, vectors, model_fn, monkeypatch, capsys):
    text = 'government\nthe  OF\n\nthe - of + is\n \t \na b c\n+ +\n'
    lines = ask(
        chapter, monkeypatch, capsys, text, '--model_fn', model_fn, '--n_best', 3
    )

    matrix = vectors.vectors / np.linalg.norm(vectors.vectors, axis=1, keepdims=True)
    word = {key: matrix[number] for number, key in enumerate(vectors.index_to_key)}

    def neighbours(vector, *known):
        cosines = matrix @ (vector / np.linalg.norm(vector))
        order = [vectors.index_to_key[n] for n in np.argsort(-cosines)]
        best = [key for key in order if key not in known][:3]
        return [
            f'{key} {word[key] @ vector / np.linalg.norm(vector):.4f}' for key in best
        ]

    assert len(lines) == 7
    assert lines[0].split('\t') == [
        'government',
        *neighbours(word['government'], 'government'),
    ]
    assert lines[1] == f'the OF\t{word["the"] @ word["of"]:.4f}'
    total = word['the'] - word['of'] + word['is']
    assert lines[3].split('\t') == [
        'the - of + is',
        *neighbours(total, 'the', 'of', 'is'),
    ]
    assert lines[2] == lines[4] == ''
    assert lines[5] == 'a b c\texpected a word, two words, or a sum: king - man + woman'


def test_unknown_words_are_known_by_their_ngrams(
    chapter, model_fn, monkeypatch, capsys
):
    lines = ask(
        chapter, monkeypatch, capsys, 'goverment\nthe xyzzyx\n', '--model_fn', model_fn
    )

    assert lines[0].endswith('\t(goverment by its n-grams)')
    assert lines[1].endswith('\t(xyzzyx by its n-grams)')


@settings(max_examples=N_EXAMPLES, deadline=None)
@given(st.text(max_size=30))
@example('\x85\u2028x')
@example('$x$ _y_')
def test_any_question_has_one_line_of_an_answer(chapter, vectors, question):
    text, words = (
        chapter.model.answer(vectors, question, 3)
        if question.split()
        else (
            'blank',
            [],
        )
    )

    assert len(text.splitlines()) == 1
    assert all(chapter.model.find_word(vectors, word) is not None for word in words)


def test_a_line_in_a_line_out(model_fn, tmp_path):
    folder = copy_chapter(NAME, tmp_path)
    text = 'the\n\n\udcff\n'
    arguments = ('predict.py', '--model_fn', model_fn)

    process = run(folder, *arguments, stdin=text)
    assert process.returncode == 2
    expected = 'error: stdin, line 3: expected UTF-8, byte 1 is not'
    assert process.stderr.startswith(expected)
    assert process.stderr.count('\n') == 1
    assert process.stdout.count('\n') == 2


def test_tests_are_those_of_gensim(chapter, model_fn, vectors, capsys):
    run_here(chapter.predict, '--model_fn', model_fn, '--evaluate')

    scores = dict(line.split(': ') for line in capsys.readouterr().out.splitlines())
    fn = datapath('wordsim353.tsv')
    with open(fn, encoding='utf-8') as file:
        rows = [line.lower().split('\t') for line in file if not line.startswith('#')]
    known = [row for row in rows if all(w in vectors.key_to_index for w in row[:2])]
    assert scores['wordsim353_n_pairs'] == str(len(known))
    assert set(scores) == {
        'wordsim353_n_pairs',
        'wordsim353_spearman',
        'questions_words_n_questions',
        'questions_words_accuracy',
    }


# ---- The map


@pytest.mark.parametrize('kind', ['pca', 'tsne'])
@pytest.mark.parametrize('n_words', [2, 3, 6, 40])
def test_map_has_a_place_for_each_word(chapter, vectors, kind, n_words):
    words = [*vectors.index_to_key[: n_words - 1], 'goverment']

    points = chapter.predict.get_map(vectors, words, kind)

    assert points.shape == (n_words, 2)
    assert np.isfinite(points).all()


def test_picture_with_korean(chapter, vectors, tmp_path):
    """A letter that no font has would be a warning, and a box."""
    config = SimpleNamespace(
        figure_fn=str(tmp_path / 'x.png'), map='pca', n_map_words=10, model_fn='x'
    )
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        chapter.predict.draw_map(vectors, ['the', '한국', '$x$', '영화'], config)
        chapter.predict.draw_map(vectors, [], config)

    assert (tmp_path / 'x.png').read_bytes().startswith(b'\x89PNG')


def test_pictures_lie_beside_the_model(chapter, model_fn, monkeypatch, capsys):
    ask(chapter, monkeypatch, capsys, 'the\n', '--model_fn', model_fn)

    names = sorted(file.name for file in model_fn.parent.iterdir())
    assert names == ['model.png', 'model.predict.png', 'model.pth']


def test_silence(tmp_path):
    """gensim has much to say; none of it is for the person at the keyboard."""
    folder = copy_chapter(NAME, tmp_path)

    process = run_quickly(folder, 'train.py', *TINY, '--gpu_id', '-1', check=True)

    assert process.stdout == ''
    lines = process.stderr.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ['1760', 'saved:', 'picture:']
    assert io.StringIO(process.stderr).readline().endswith('words to train on\n')
