"""Chapter 10: texts of any length, tokenized, bucketed and classified."""

import hashlib
import http.server
import io
import re
import sys
import threading
import urllib.request
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from bert import make_bert
from chapters import (
    ROOT,
    copy_chapter,
    importable,
    load_chapter,
    run,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from torch import nn

NAME = '10_text_classification'
SMALL = [
    *('--word_vec_size', '8', '--n_gram_vec_size', '3'),
    *('--hidden_size', '6', '--n_filters', '4'),
]
REVIEWS = [
    ('good', '정말 좋았다'),
    ('bad', '너무 지루했다 ㅠㅠ'),
    ('good', '연기가 훌륭하다'),
    ('bad', '"나쁘다'),
    ('good', '재미있는 영화 ㅋㅋㅋㅋ'),
    ('bad', '뻔한 이야기라서 졸렸다'),
]


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture
def table_fn(tmp_path):
    """A file of labelled texts."""
    fn = tmp_path / 'reviews.tsv'
    lines = [f'{label}\t{text} {i}\n' for i in range(8) for label, text in REVIEWS]
    fn.write_text(''.join(lines), encoding='utf-8')
    return fn


def get_config(chapter, *arguments):
    config = chapter.train.define_argparser().parse_args([str(a) for a in arguments])
    chapter.train.fill_in(config)
    return config


def train(chapter, folder, table_fn, *arguments):
    """Train quickly; returns the checkpoint's name."""
    model_fn = folder / 'model.pth'
    config = get_config(
        chapter,
        *('--train_fn', table_fn, '--model_fn', model_fn, '--gpu_id', -1),
        *('--cache_dir', folder / 'cache', '--verbose', 0, '--n_epochs', 2),
        *('--tokenizer', 'space', '--batch_size', 8, *SMALL, *arguments),
    )
    chapter.train.main(config)
    return model_fn


# ---- Reading


def write(tmp_path, content):
    fn = tmp_path / 'table.tsv'
    fn.write_bytes(content if isinstance(content, bytes) else content.encode())
    return fn


@pytest.mark.parametrize(
    ('content', 'rows', 'line_numbers'),
    [
        ('1\tgood\n0\tbad\n', [('1', 'good'), ('0', 'bad')], [1, 2]),
        ('1\tgood\n0\tbad', [('1', 'good'), ('0', 'bad')], [1, 2]),
        ('\ufeff1\tgood\r\n0\tbad\r\n', [('1', 'good'), ('0', 'bad')], [1, 2]),
        (
            '1\t"never closed\n0\tb"ad\n',
            [('1', '"never closed'), ('0', 'b"ad')],
            [1, 2],
        ),
        ('1\ta\x00b\n', [('1', 'a\x00b')], [1]),
        ('1\ta\rb\n', [('1', 'a\rb')], [1]),
        ('1\ta\u2028b\x85c\n', [('1', 'a\u2028b\x85c')], [1]),
        ('1\tNA\n0\tnull\n', [('1', 'NA'), ('0', 'null')], [1, 2]),
        (' 1 \tgood\n', [('1', 'good')], [1]),
        ('\n1\tgood\n\n', [('1', 'good')], [2]),
        ('1\t\n1\t \n0\tbad\n', [('0', 'bad')], [3]),
        ('1\t' + 'x' * 1_000_000 + '\n', [('1', 'x' * 1_000_000)], [1]),
    ],
)
def test_read_table(chapter, tmp_path, content, rows, line_numbers):
    table = chapter.data_loader.read_table(write(tmp_path, content))

    assert [tuple(row) for row in table.values] == rows
    assert list(table.index) == line_numbers


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (
            '1\tgood\n0 bad\n',
            'line 2: expected a label and a text, found one column',
        ),
        ('1\ta\n0\tb\tc\n', 'line 2: expected .*, found 3 columns: .*--text_column'),
        ('1\tgood\n\tbad\n', 'line 2: expected a label .* found no label'),
        (b'1\tgood\n0\tb\xffd\n', 'line 2: expected UTF-8, byte 4 is not'),
        ('', 'expected labelled texts, found none'),
        ('\n \n', 'expected labelled texts, found none'),
        ('1\t\n', 'expected labelled texts, found none'),
    ],
)
def test_read_table_refuses(chapter, tmp_path, content, message):
    fn = write(tmp_path, content)
    with pytest.raises(chapter.guards.InputError, match=message) as refusal:
        chapter.data_loader.read_table(fn)
    assert str(refusal.value).startswith(str(fn))


def test_lines_without_text_are_counted_out_loud(chapter, tmp_path, capsys):
    chapter.data_loader.read_table(write(tmp_path, '1\tx\n0\t\n\n0\t \n1\ty\n'))
    assert '3 lines have no text, the first is line 2' in capsys.readouterr().err


@settings(max_examples=200, deadline=None)
@given(
    content=st.lists(
        st.sampled_from(
            [
                b'1',
                b'\t',
                b'\n',
                b'\r',
                b'"',
                b'\xff',
                b' ',
                b'\x00',
                '좋'.encode(),
                b'\xef\xbb\xbf',
            ]
        )
    )
)
def test_any_bytes_are_read_or_refused(chapter, tmp_path_factory, content):
    fn = write(tmp_path_factory.mktemp('fuzz'), b''.join(content))
    try:
        table = chapter.data_loader.read_table(fn)
    except chapter.guards.InputError as error:
        assert len(str(error).splitlines()) == 1
        return
    n_full = sum(
        bool(line.partition('\t')[2].strip())
        for line in b''.join(content).decode('utf-8-sig').split('\n')
    )
    assert len(table) == n_full
    assert (table['label'] != '').all()


def test_labels_are_sorted_strings(chapter, tmp_path):
    fn = write(tmp_path, 'b\tx\na\ty\n10\tz\n9\tw\nb\tv\n')
    table = chapter.data_loader.read_table(fn)
    class_names = chapter.data_loader.get_class_names(table, fn)

    assert class_names == ['10', '9', 'a', 'b']
    y = chapter.data_loader.get_labels(table, class_names, fn)
    assert y == [3, 2, 0, 1, 3]


def test_one_label_is_refused(chapter, tmp_path):
    fn = write(tmp_path, '1\tx\n1\ty\n')
    table = chapter.data_loader.read_table(fn)
    with pytest.raises(
        chapter.guards.InputError, match="two labels or more, found '1'"
    ):
        chapter.data_loader.get_class_names(table, fn)


def test_unknown_label_of_the_validation_is_named_by_line(chapter, table_fn, tmp_path):
    valid_fn = write(tmp_path, 'good\tx\n\nugly\ty\n')
    with pytest.raises(
        chapter.guards.InputError, match=r"line 3: expected a label of .*, found 'ugly'"
    ):
        train(chapter, tmp_path, table_fn, '--valid_fn', valid_fn)


def test_one_line_is_refused(chapter, tmp_path):
    fn = write(tmp_path, '1\tx\n')
    with pytest.raises(chapter.guards.InputError):
        train(chapter, tmp_path, fn)


def test_split_is_disjoint_and_by_seed(chapter, table_fn):
    table = chapter.data_loader.read_table(table_fn)
    parts = chapter.data_loader.split_table(table, 0.25, seed=3)
    again = chapter.data_loader.split_table(table, 0.25, seed=3)
    other = chapter.data_loader.split_table(table, 0.25, seed=4)

    assert [len(part) for part in parts] == [36, 12]
    assert not set(parts[0].index) & set(parts[1].index)
    assert all(a.equals(b) for a, b in zip(parts, again, strict=True))
    assert not parts[1].index.equals(other[1].index)


# ---- Tokens


@pytest.fixture(scope='module')
def kiwi(chapter):
    """Korean morphemes: the model of the language takes seconds to load."""
    return chapter.tokenizer.Tokenizer('kiwi')


def test_refine(chapter):
    refine = chapter.tokenizer.refine
    assert (
        refine('  ㅋㅋㅋㅋㅋ  아\t주\x00좋\u200b았다!!!! ')
        == 'ㅋㅋ 아 주 좋\u200b았다!!'
    )
    assert refine('한글') == '한글'


def test_characters_are_all_there_spaces_too(chapter):
    texts = ['너무 좋다', 'ㅋㅋㅋㅋ  a\tb', '']
    tokenizer = chapter.tokenizer.Tokenizer('character')
    assert [''.join(tokens) for tokens in tokenizer.tokenize(texts)] == [
        chapter.tokenizer.refine(text) for text in texts
    ]
    assert next(tokenizer.tokenize(texts)) == ['너', '무', ' ', '좋', '다']


def test_kiwi_gives_morphemes(kiwi):
    tokens = next(kiwi.tokenize(['재미있었다']))
    assert len(tokens) >= 3
    assert any(token.startswith('었') for token in tokens)


def test_sentencepiece_loses_nothing(chapter):
    texts = [text for _, text in REVIEWS] * 5
    tokenizer_class = chapter.subwords.SentencePieceTokenizer
    tokenizer = tokenizer_class(tokenizer_class.train(texts, 80))
    for text, tokens in zip(texts, tokenizer.tokenize(texts), strict=True):
        assert ''.join(tokens).replace('▁', ' ').strip() == chapter.tokenizer.refine(
            text
        )


@pytest.mark.parametrize(
    'kind', ['space', 'character', 'kiwi', 'sentencepiece', 'pretrained']
)
def test_tokenizers_travel_in_a_checkpoint(chapter, kind, tiny_bert, tmp_path):
    texts = [text for _, text in REVIEWS] * 5
    arguments = ['--tokenizer', kind, '--max_vocab_size', 80]
    if kind == 'pretrained':
        arguments = ['--model', 'bert', '--pretrained_model_name', tiny_bert]
    config = get_config(chapter, *arguments)
    tokenizer = chapter.subwords.make_tokenizer(config, texts)
    fn = tmp_path / 'x.pth'
    chapter.guards.save_checkpoint(
        {'chapter': 'x', 'state': tokenizer.state_dict()}, fn
    )

    state = chapter.guards.load_checkpoint(fn, 'x')['state']
    again = chapter.subwords.load_tokenizer(state)

    # Tokenizing does not change the state, which is a part of the cache's file name.
    config = SimpleNamespace(cache_dir=tmp_path / 'cache', verbose=0)
    for _ in range(2):
        chapter.fast.tokenize_texts(again, texts, config)
    assert len(list((tmp_path / 'cache').iterdir())) == 1
    assert list(again.tokenize(texts)) == list(tokenizer.tokenize(texts))


def test_vocabulary(chapter):
    token_lists = [['b', 'a', 'a'], ['c', 'b'], ['d']]

    def build(token_lists, min_freq, max_size):
        config = SimpleNamespace(
            model='rnn',
            min_vocab_freq=min_freq,
            max_vocab_size=max_size,
            max_n_gram=1,
            max_length=9,
        )
        return chapter.n_grams.make_vocabulary(config, None, token_lists)

    vocabulary = build(token_lists, 1, 100)
    frequent = ['<pad>', '<unk>', '##a', '##b', 'a', 'b']
    assert vocabulary.tokens == [*frequent, '##c', '##d', 'c', 'd']
    assert build(token_lists, 2, 100).tokens == frequent
    assert build(token_lists, 1, 3).tokens == frequent[:3]
    assert build([['<pad>', 'a']], 1, 100).tokens.count('<pad>') == 1
    assert vocabulary.encode(['a', 'z', 'b']) == [4, 1, 5]
    assert vocabulary.encode([]) == [1]
    # An unknown word is split into its characters.
    tokens = [vocabulary.tokens[i] for i in vocabulary.encode(['ab', 'az'])]
    assert tokens == ['##a', '##b', '##a', '<unk>']
    again = chapter.n_grams.NGramVocabulary(**vocabulary.state_dict())
    assert again.encode(['c', 'z']) == vocabulary.encode(['c', 'z'])


class CountingTokenizer:
    def __init__(self, state='x'):
        self.state, self.n_texts = state, 0

    def tokenize(self, texts):
        for text in texts:
            self.n_texts += 1
            yield text.split()

    def state_dict(self):
        return {'kind': self.state}


def test_truncated_texts_are_reported(chapter, capsys):
    vocabulary = chapter.n_grams.NGramVocabulary(['<pad>', '<unk>', 'a'])
    token_lists = [['a'] * 5, ['a'] * 3]
    found = chapter.data_loader.encode_all(vocabulary, token_lists, 3, 'x.tsv')
    assert found == [[2, 2, 2], [2, 2, 2]]
    assert capsys.readouterr().err == 'x.tsv: 1 texts are truncated to --max_length 3\n'


def test_tokens_are_cached_by_content(chapter, tmp_path):
    config = SimpleNamespace(cache_dir=tmp_path / 'c', verbose=0)

    def tokenize(tokenizer, texts):
        return chapter.fast.tokenize_texts(tokenizer, texts, config)

    tokenizer = CountingTokenizer()
    expected = [['a', 'b'], [], ['c']]
    assert tokenize(tokenizer, ['a b', '', 'c']) == expected
    assert tokenize(tokenizer, ['a b', '', 'c']) == expected
    assert tokenizer.n_texts == 3

    tokenize(tokenizer, ['a b', 'c', ''])
    assert tokenizer.n_texts == 6
    other = CountingTokenizer('other')
    tokenize(other, ['a b', '', 'c'])
    assert other.n_texts == 3


# ---- Batches

LISTS = [[5, 6, 7], [8], [9, 10], [11, 12, 13, 14]]


def test_batch_is_padded_to_its_longest_text(chapter):
    dataset = chapter.data_loader.TextDataset(LISTS, [0, 1, 1, 0], pad_id=3)
    x, lengths, labels = dataset.collate([dataset[i] for i in [2, 0, 1]])

    assert x.tolist() == [[9, 10, 3], [5, 6, 7], [8, 3, 3]]
    assert lengths.tolist() == [2, 3, 1]
    assert labels.tolist() == [1, 0, 1]


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=60),
    batch_size=st.integers(1, 10),
    n_processes=st.integers(1, 3),
    is_train=st.booleans(),
)
def test_buckets_deal_out_each_text_once(
    chapter, lengths, batch_size, n_processes, is_train
):
    lengths = torch.tensor(lengths)
    idist = chapter.data_loader.idist
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idist, 'get_world_size', lambda: n_processes)
        dealt = []
        for rank in range(n_processes):
            patch.setattr(idist, 'get_rank', lambda rank=rank: rank)
            sampler = chapter.data_loader.BucketSampler(lengths, batch_size, is_train)
            batches = list(sampler)
            assert len(batches) == len(sampler)
            assert all(len(batch) <= batch_size for batch in batches)
            dealt.append(batches)

    flat = [i for batches in dealt for batch in batches for i in batch]
    n_left_out = len(lengths) % n_processes if is_train else 0
    assert len(flat) == len(set(flat)) == len(lengths) - n_left_out
    if is_train:
        assert len({len(batches) for batches in dealt}) == 1


def test_processes_share_the_batches_of_one(chapter, monkeypatch):
    """Two processes with half the batch see together what one sees with the whole."""
    lengths = torch.randint(1, 30, (64,))
    idist = chapter.data_loader.idist
    whole = list(chapter.data_loader.BucketSampler(lengths, 8, True, seed=1))
    monkeypatch.setattr(idist, 'get_world_size', lambda: 2)
    halves = []
    for rank in range(2):
        monkeypatch.setattr(idist, 'get_rank', lambda rank=rank: rank)
        halves.append(list(chapter.data_loader.BucketSampler(lengths, 4, True, seed=1)))

    for batch, *parts in zip(whole, *halves, strict=True):
        assert sorted(batch) == sorted(sum(parts, []))


def test_order_follows_from_seed_and_epoch(chapter):
    lengths = torch.randint(1, 30, (200,))

    def deal(seed, epoch):
        sampler = chapter.data_loader.BucketSampler(lengths, 16, True, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert deal(0, 1) == deal(0, 1)
    assert deal(0, 1) != deal(0, 2)
    assert deal(0, 1) != deal(1, 1)


def test_buckets_save_padding(chapter):
    lengths = torch.randint(1, 100, (2000,))

    def count_cells(batches):
        return sum(len(batch) * lengths[batch].max().item() for batch in batches)

    sampler = chapter.data_loader.BucketSampler(lengths, 50, True)
    n_tokens = lengths.sum().item()
    assert count_cells(list(sampler)) < 1.05 * n_tokens
    assert count_cells(torch.randperm(2000).split(50)) > 1.5 * n_tokens


def test_plain_and_fast_training_give_the_same(chapter, table_fn, tmp_path):
    states = []
    for name, options in (('plain', ['--no-fast']), ('fast', []), ('cached', [])):
        cache_dir = tmp_path / ('cache' if name != 'plain' else 'none')
        (tmp_path / name).mkdir()
        options = [*options, '--cache_dir', cache_dir]
        model_fn = train(chapter, tmp_path / name, table_fn, *options)
        states.append(torch.load(model_fn, weights_only=True)['model'])
        assert cache_dir.exists() == (name != 'plain')
    for other in states[1:]:
        assert states[0].keys() == other.keys()
        assert all(torch.equal(states[0][key], other[key]) for key in other)


# ---- Networks


@pytest.fixture(scope='module')
def tiny_bert(tmp_path_factory):
    """A folder with a tiny BERT of random weights, and its Korean tokenizer."""
    characters = ''.join(text for _, text in REVIEWS)
    return make_bert(tmp_path_factory.mktemp('bert') / 'model', characters)


@pytest.fixture(params=['rnn', 'cnn', 'bert'])
def model(request, chapter, tiny_bert):
    """One of the networks, with random weights, for three classes and 30 tokens."""
    config = get_config(
        chapter,
        *('--model', request.param, '--pretrained_model_name', tiny_bert, *SMALL),
    )
    vocabulary = chapter.n_grams.NGramVocabulary(
        ['<pad>', '<unk>', *map(str, range(28))]
    )
    if request.param != 'bert':
        vocabulary.learn_n_grams(LISTS, config.max_n_gram, 1)
    torch.manual_seed(1)
    return chapter.model.get_model(vars(config), 3, vocabulary).eval()


def predict(model, lists, width=0):
    """The logits of texts in one batch, with some padding more than it takes."""
    lengths = torch.tensor([len(ids) for ids in lists])
    x = torch.zeros(len(lists), max(int(lengths.max()), width), dtype=torch.long)
    for row, ids in zip(x, lists, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    with torch.no_grad():
        return model(x, lengths)


def test_padding_does_not_count(model):
    expected = predict(model, LISTS)
    assert torch.allclose(predict(model, LISTS, width=20), expected, atol=1e-6)


def test_other_texts_of_the_batch_do_not_count(model):
    together = predict(model, LISTS)
    alone = torch.cat([predict(model, [ids]) for ids in LISTS])
    assert torch.allclose(together, alone, atol=1e-6)
    assert not torch.allclose(together[0], together[1], atol=1e-4)


def test_order_of_the_batch_does_not_count(model):
    expected = predict(model, LISTS).flip(0)
    assert torch.allclose(predict(model, LISTS[::-1]), expected, atol=1e-6)


def test_all_tokens_count(model):
    """The first and the last token of the longest text move its logits."""
    logits = predict(model, LISTS)[3]
    for place in (0, 3):
        ids = list(LISTS[3])
        ids[place] = 20
        assert not torch.allclose(predict(model, [ids])[0], logits, atol=1e-5)


def test_logits_are_no_probabilities(model):
    logits = predict(model, LISTS)
    assert not torch.allclose(logits.sum(dim=-1), torch.ones(4), atol=1e-2)


def test_vector_of_the_padding_stays_zero(chapter):
    for kind in ('rnn', 'cnn'):
        config = get_config(chapter, '--model', kind, *SMALL, '--dropout_p', 0.0)
        vocabulary = chapter.n_grams.NGramVocabulary(['<pad>', '<unk>', 'a'])
        vocabulary.learn_n_grams([[2, 1], [2, 2, 2, 2]], config.max_n_gram, 1)
        model = chapter.model.get_model(vars(config), 2, vocabulary)
        optimizer = chapter.trainer.get_optimizer(model, 0.1, 0.1)
        x = torch.tensor([[2, 1, 0, 0], [2, 2, 2, 2]])
        loss = nn.functional.cross_entropy(
            model(x, torch.tensor([2, 4])), torch.tensor([0, 1])
        )
        loss.backward()
        optimizer.step()
        assert not model.embedding(torch.tensor([[2, 0, 0]]))[0, 1:].any()
        for embedding in (model.embedding.words, *model.embedding.n_grams):
            assert not embedding.weight[0].any()
        assert model.embedding.words.weight.grad[1:].any(dim=1).all()
        # With a dot for nothing: .2, 21 and 22; ..2, .21, .22 and 222; and so on.
        n_found = [
            embedding.weight.grad.any(dim=1).sum()
            for embedding in model.embedding.n_grams
        ]
        assert n_found == [3, 4, 5][: len(n_found)]


def get_embedding(chapter, vocab_size, sizes, max_n_gram=2, id_lists=LISTS):
    """Return an NGramEmbedding that knows the n-grams of some texts."""
    tokens = ['<pad>', '<unk>', *map(str, range(2, vocab_size))]
    vocabulary = chapter.n_grams.NGramVocabulary(tokens)
    vocabulary.learn_n_grams(id_lists, max_n_gram, 1)
    return chapter.n_grams.NGramEmbedding(vocabulary, *sizes)


def test_vector_of_an_n_gram_is_that_of_its_tokens_in_their_order(chapter):
    lists = [[5, 6, 5, 6, 5], [6, 5]]
    embedding = get_embedding(chapter, 30, (4, 3), 3, lists)
    x = torch.tensor([[5, 6, 5, 6, 5], [6, 5, 0, 0, 0]])
    words, pairs, triples = embedding(x).split([4, 3, 3], dim=-1)

    assert torch.equal(words[0, 0], embedding.words.weight[5])
    # 6 after 5 is the same anywhere, but neither 5 after 6 nor 6 at the beginning.
    assert torch.equal(pairs[0, 1], pairs[0, 3])
    assert torch.equal(pairs[0, 2], pairs[1, 1])
    assert torch.equal(triples[0, 2], triples[0, 4])
    different = [pairs[0, 0], pairs[0, 1], pairs[0, 2], pairs[1, 0]]
    different += [triples[0, 0], triples[0, 1], triples[0, 2], triples[0, 3]]
    different += [triples[1, 0], triples[1, 1]]
    assert len({tuple(vector.tolist()) for vector in different}) == 10
    assert all(vector.any() for vector in different)
    # Padding is no part of a text; of unknown n-grams nothing is known.
    assert not pairs[1, 2:].any()
    assert not triples[1, 2:].any()
    unknown = embedding(torch.tensor([[5, 5, 7]]))[0, 1:, 4:]
    assert not unknown.any()


@pytest.mark.parametrize('min_freq', [1, 2, 3])
def test_known_n_grams_are_those_that_are_frequent(chapter, min_freq):
    """Beside a count by hand."""
    generator = torch.Generator().manual_seed(0)
    lists = [
        torch.randint(1, 6, (n,), generator=generator).tolist() for n in range(1, 40)
    ]
    vocabulary = chapter.n_grams.NGramVocabulary(['<pad>', '<unk>', *'abcd'])
    vocabulary.learn_n_grams(lists, 4, min_freq)
    for n, known in enumerate(vocabulary.n_grams, 2):
        counts = Counter(
            tuple(reversed(([0] * n + ids)[i + 1 : i + 1 + n]))
            for ids in lists
            for i in range(len(ids))
        )
        frequent = [gram for gram, count in counts.items() if count >= min_freq]
        keys = sum(torch.tensor(frequent)[:, i] * 6 ** (n - 1 - i) for i in range(n))
        assert known[0] == -1
        assert torch.equal(known[1:], keys.sort().values)


def test_n_grams_need_keys_of_64_bits(chapter):
    vocabulary = chapter.n_grams.NGramVocabulary(
        ['<pad>', '<unk>', *map(str, range(998))]
    )
    vocabulary.learn_n_grams([[2, 3]], 6, 1)
    with pytest.raises(chapter.guards.InputError, match='--max_n_gram 7'):
        vocabulary.learn_n_grams([[2, 3]], 7, 1)


def test_where_all_n_grams_are_rare_none_is_known(chapter):
    vocabulary = chapter.n_grams.NGramVocabulary(['<pad>', '<unk>', 'a', 'b'])
    vocabulary.learn_n_grams([[2, 3]], 2, 2)
    embedding = chapter.n_grams.NGramEmbedding(vocabulary, 5, 3)
    assert not embedding(torch.tensor([[2, 3]]))[:, :, 5:].any()


def test_without_n_grams_tokens_have_their_own_vector_alone(chapter):
    embedding = get_embedding(chapter, 30, (4, 3), 1)
    x = torch.tensor([[5, 6], [6, 0]])
    assert torch.equal(embedding(x), embedding.words(x))


def test_options_that_were_not_given_suit_the_network(chapter):
    config = get_config(chapter, '--model', 'cnn', '--lr', 0.5)
    assert (config.lr, config.tokenizer, config.max_n_gram) == (0.5, 'character', 4)
    config = get_config(chapter, '--weight_decay', 0.0)
    assert (config.lr, config.tokenizer, config.weight_decay) == (2e-3, 'kiwi', 0.0)
    config = get_config(chapter, '--model', 'bert')
    assert (config.lr, config.weight_decay) == (5e-5, 0.01)


def test_sequence_classifier_takes_the_states_of_both_directions(chapter):
    embedding = get_embedding(chapter, 30, (8, 3))
    model = chapter.model.SequenceClassifier(embedding, 3, 6, 2, 0.0).eval()
    ids = torch.tensor([LISTS[3]])
    vectors = model.embedding(ids)
    outputs, _ = model.rnn(vectors)
    features = torch.cat([outputs[:, -1, :6], outputs[:, 0, 6:]], dim=-1)

    expected = model.linear(features)
    assert torch.allclose(model(ids, torch.tensor([4])), expected, atol=1e-6)


def test_convolutional_classifier_is_the_formula(chapter):
    """Kim 2014, equations 2 to 4, with zeros around the text, and the sum."""
    embedding = get_embedding(chapter, 30, (8, 3))
    model = chapter.model.ConvolutionalClassifier(embedding, 3, [1, 3], 4, 0.0).eval()
    for ids in LISTS:
        vectors = model.embedding(torch.tensor([ids]))[0]
        features = []
        for convolution, size in zip(model.convolutions, [1, 3], strict=True):
            zeros = torch.zeros(size - 1, 11)
            padded = torch.cat([zeros, vectors, zeros])
            windows = [padded[i : i + size] for i in range(len(padded) - size + 1)]
            c = torch.stack(
                [
                    (convolution.weight * window.T).sum(dim=(1, 2)) + convolution.bias
                    for window in windows
                ]
            ).relu()
            features.append(c.amax(dim=0))
        features.append(vectors.sum(dim=0) / len(ids) ** 0.5)
        expected = model.linear(torch.cat(features))
        assert torch.allclose(predict(model, [ids])[0], expected, atol=1e-5)


# ---- Training


def test_biases_and_normalisations_do_not_decay(chapter):
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    decaying, others = chapter.trainer.get_optimizer(model, 0.1, 0.01).param_groups
    assert [p.shape for p in decaying['params']] == [(4, 3)]
    assert decaying['weight_decay'] == 0.01
    assert len(others['params']) == 3
    assert others['weight_decay'] == 0.0


def test_learning_rate_rises_and_falls(chapter):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = chapter.trainer.get_scheduler(optimizer, 100, 0.2)
    rates = []
    for _ in range(100):
        scheduler(None)
        rates.append(optimizer.param_groups[0]['lr'])

    assert 0 < rates[0] < 0.2
    assert max(rates) == pytest.approx(2.0, rel=0.1)
    assert rates.index(max(rates)) in (19, 20, 21)
    assert all(a < b for a, b in zip(rates[:19], rates[1:20], strict=True))
    assert all(a > b > 0 for a, b in zip(rates[21:99], rates[22:], strict=True))


@pytest.mark.parametrize('warmup_ratio', [0.0, 1.0])
def test_all_warm_up_or_none(chapter, warmup_ratio):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = chapter.trainer.get_scheduler(optimizer, 10, warmup_ratio)
    rates = []
    for _ in range(11):
        scheduler(None)
        rates.append(optimizer.param_groups[0]['lr'])

    falling = [2.0 - 0.2 * step for step in range(11)]
    rising = [2.0 * (step + 1) / 11 for step in range(10)]
    expected = falling if warmup_ratio == 0 else [*rising, 0.0]
    assert rates == pytest.approx(expected)


def test_schedule_goes_on_where_the_training_was(chapter, table_fn, tmp_path):
    """Another number of epochs changes the last steps only, not their count."""
    model_fn = train(chapter, tmp_path, table_fn, '--lr', 0.01)
    state = torch.load(model_fn.with_suffix('.last.pth'), weights_only=True)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.01)
    n_steps = 4 * state['trainer']['epoch_length']
    scheduler = chapter.trainer.get_scheduler(optimizer, n_steps, 0.1)
    for _ in range(n_steps):
        scheduler(None)

    train(chapter, tmp_path, table_fn, '--lr', 0.01, '--n_epochs', 4, '--resume')

    state = torch.load(model_fn.with_suffix('.last.pth'), weights_only=True)
    expected = optimizer.param_groups[0]['lr']
    assert state['optimizer']['param_groups'][0]['lr'] == pytest.approx(expected)


def test_gradients_are_clipped_after_they_are_unscaled(chapter, monkeypatch):
    """With a scaler at work, the norms and the weights are those without one."""
    lengths = torch.tensor([3, 2])
    batch = torch.tensor([[2, 3, 4], [4, 3, 0]]), lengths, torch.tensor([0, 1])
    results = []
    for is_scaled in (False, True):
        torch.manual_seed(0)
        embedding = get_embedding(chapter, 9, (4, 2), 2, [[2, 3, 4], [4, 3]])
        model = chapter.model.SequenceClassifier(embedding, 2, 4, 1, 0.0)
        optimizer = chapter.trainer.get_optimizer(model, 0.1, 0.0)
        scheduler = chapter.trainer.get_scheduler(optimizer, 10, 0.1)
        config = get_config(chapter, '--verbose', 0, '--max_grad', 0.01)
        trainer = chapter.trainer.Trainer(
            model,
            nn.CrossEntropyLoss(),
            optimizer,
            scheduler,
            {},
            {'config': vars(config)},
        )
        trainer.scaler = torch.amp.GradScaler('cpu', enabled=is_scaled)
        report = trainer._train_step(None, batch)
        results.append((report['|grad|'], *(p.grad for p in model.parameters())))

    assert results[0][0] > 0.02
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_fp16_is_not_for_the_cpu(chapter, table_fn, tmp_path):
    with pytest.raises(chapter.guards.InputError, match='--amp fp16: needs a GPU'):
        train(chapter, tmp_path, table_fn, '--amp', 'fp16')


def has_bf16_lstm():
    """Return whether this CPU has an LSTM with numbers of 16 bits."""
    try:
        with torch.autocast('cpu', torch.bfloat16):
            nn.LSTM(2, 2)(torch.zeros(2, 2, 2))
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize('kind', ['rnn', 'cnn'])
def test_bf16_learns_what_fp32_learns(kind, chapter, table_fn, tmp_path):
    if kind == 'rnn' and not has_bf16_lstm():
        pytest.skip('this CPU has no LSTM in bf16')
    losses = []
    for amp in ('off', 'bf16'):
        (tmp_path / amp).mkdir()
        options = ('--model', kind, '--amp', amp, '--dropout_p', 0)
        model_fn = train(chapter, tmp_path / amp, table_fn, *options)
        state = torch.load(model_fn.with_suffix('.last.pth'), weights_only=True)
        losses.append(state['trainer']['history']['valid_loss'])
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


@pytest.mark.parametrize('kind', ['rnn', 'cnn', 'bert'])
def test_scores_are_those_of_scikit_learn(
    kind, chapter, table_fn, tmp_path, tiny_bert, capsys
):
    bert = ['--pretrained_model_name', tiny_bert]
    model_fn = train(chapter, tmp_path, table_fn, '--model', kind, *bert)
    state = torch.load(model_fn, weights_only=True)
    capsys.readouterr()
    parser = chapter.predict.define_argparser()
    arguments = ['--model_fn', str(model_fn), '--gpu_id', '-1']
    chapter.predict.main(parser.parse_args([*arguments, '--test_fn', str(table_fn)]))
    output = capsys.readouterr().out

    table = chapter.data_loader.read_table(table_fn)
    classifiers = chapter.predict.load_classifiers([model_fn], torch.device('cpu'))
    config = SimpleNamespace(batch_size=7, fast=True)
    rows = chapter.predict.predict(classifiers, table['text'], config, 5)
    y_hat = [state['class_names'][p.index(max(p))] for _, p in rows]
    accuracy = accuracy_score(table['label'], y_hat)
    f1 = f1_score(table['label'], y_hat, average='macro')
    assert f'accuracy: {accuracy:.4f}\n' in output
    assert f'f1: {f1:.4f}\n' in output


def test_a_loss_that_is_no_number_stops(chapter, table_fn, tmp_path):
    with pytest.raises(
        chapter.guards.InputError,
        match=r'loss=\S+ in epoch 1, iteration \d+: lower --lr',
    ):
        train(chapter, tmp_path, table_fn, '--lr', 2e9, '--n_epochs', 30)


def test_checkpoint_of_bert_needs_no_hub(chapter, table_fn, tmp_path, tiny_bert):
    """The folder of the pretrained model may be gone."""
    import shutil

    bert = shutil.copytree(tiny_bert, tmp_path / 'gone')
    arguments = ('--model', 'bert', '--pretrained_model_name', bert)
    model_fn = train(chapter, tmp_path, table_fn, *arguments)
    shutil.rmtree(bert)

    (classifier,) = chapter.predict.load_classifiers([model_fn], torch.device('cpu'))
    p = classifier.predict(classifier.encode(['정말 좋았다']), 1)
    assert p.sum().item() == pytest.approx(1, abs=1e-5)


def test_bert_that_can_not_be_had(chapter, table_fn, tmp_path):
    folder = copy_chapter(NAME, tmp_path / 'alone')
    process = run(folder, 'train.py', '--model', 'bert', '--train_fn', table_fn)
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1].startswith(
        'error: beomi/kcbert-base: expected a folder, or a model of the hub'
    )
    assert 'Traceback' not in process.stderr


def test_gradient_checkpointing_changes_no_result(
    chapter, table_fn, tmp_path, tiny_bert
):
    bert = ('--model', 'bert', '--pretrained_model_name', tiny_bert)
    states = []
    for name, more in (('a', ()), ('b', ('--gradient_checkpointing',))):
        (tmp_path / name).mkdir()
        model_fn = train(chapter, tmp_path / name, table_fn, *bert, *more)
        states.append(torch.load(model_fn, weights_only=True)['model'])
    for key, value in states[0].items():
        assert torch.allclose(value, states[1][key], atol=1e-6)


def test_two_processes_follow_one(table_fn, tmp_path):
    """Two processes with half the batch give the losses of one with the whole."""
    folder = copy_chapter(NAME, tmp_path / 'alone')
    options = [
        *('train.py', '--train_fn', str(table_fn), '--tokenizer', 'space'),
        *('--dropout_p', '0', '--n_epochs', '3', '--gpu_id', '-1', '--verbose', '1'),
        *('--valid_ratio', '0.5'),
        *SMALL,
    ]
    one = run(
        folder, *options, '--batch_size', '8', '--model_fn', 'one.pth', check=True
    )
    two = run(
        folder,
        *('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2'),
        *(*options, '--batch_size', '4', '--model_fn', 'two.pth'),
        check=True,
    )
    histories = [
        torch.load(folder / f'{name}.last.pth', weights_only=True)['trainer']['history']
        for name in ('one', 'two')
    ]
    for name, losses in histories[0].items():
        assert losses == pytest.approx(histories[1][name], abs=1e-4)
    # Rank 0 alone speaks.
    assert two.stderr.count('epoch 3/3') == one.stderr.count('epoch 3/3') == 1


# ---- Prediction


@pytest.fixture(scope='module')
def trained(chapter, tmp_path_factory):
    """Checkpoints of an rnn and a cnn of the same classes."""
    folder = tmp_path_factory.mktemp('trained')
    table_fn = folder / 'reviews.tsv'
    lines = [f'{label}\t{text} {i}\n' for i in range(8) for label, text in REVIEWS]
    table_fn.write_text(''.join(lines), encoding='utf-8')
    fns = []
    for kind in ('rnn', 'cnn'):
        (folder / kind).mkdir()
        fns.append(train(chapter, folder / kind, table_fn, '--model', kind))
    return fns


def classify(chapter, fns, content, *options):
    """Run the filter here; returns the lines that it prints."""
    parser = chapter.predict.define_argparser()
    arguments = ['--gpu_id', '-1', *options, '--model_fn', *map(str, fns)]
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        lines = content.split('\n')[:-1]
        patch.setattr(chapter.predict, 'read_lines', lambda encoding: iter(lines))
        patch.setattr(sys, 'stdin', io.StringIO())
        patch.setattr(sys, 'stdout', output)
        chapter.predict.main(parser.parse_args(arguments))
    return output.getvalue().split('\n')[:-1]


def test_a_line_in_a_line_out(chapter, trained):
    lines = classify(chapter, trained, '좋았다\n\n  \n지루했다\tㅠ\n')
    assert len(lines) == 4
    assert lines[1] == lines[2] == ''
    label, probability, text = lines[3].split('\t', 2)
    assert label in ('good', 'bad')
    assert 0.5 <= float(probability) <= 1
    assert text == '지루했다\tㅠ'


@settings(max_examples=30, deadline=None)
@given(lines=st.lists(st.text(st.characters(codec='utf-8', exclude_characters='\n'))))
def test_any_lines(chapter, trained, lines):
    output = classify(chapter, trained[:1], ''.join(f'{line}\n' for line in lines))
    assert len(output) == len(lines)
    for line, answer in zip(lines, output, strict=True):
        assert answer.split('\t', 2)[2:] == ([line] if line.strip() else [])


def test_ensemble_is_the_mean(chapter, trained):
    texts = [text for _, text in REVIEWS]
    device = torch.device('cpu')
    classifiers = chapter.predict.load_classifiers(trained, device)

    def predict(classifiers, batch_size, chunk_size):
        config = SimpleNamespace(batch_size=batch_size, fast=True)
        rows = chapter.predict.predict(classifiers, texts, config, chunk_size)
        return torch.tensor([p for _, p in rows])

    single = [predict([classifier], 4, 3) for classifier in classifiers]
    both = predict(classifiers, 2, 4)
    assert torch.allclose(both, (single[0] + single[1]) / 2, atol=1e-6)
    assert not torch.allclose(single[0], single[1], atol=1e-4)


def test_plain_and_fast_prediction_give_the_same(chapter, trained):
    content = ''.join(f'{text}\n\n' for _, text in REVIEWS) * 400
    fast = classify(chapter, trained, content)
    assert classify(chapter, trained, content, '--no-fast') == fast
    assert len(fast) == content.count('\n')


def test_a_mistake_in_the_other_thread_is_not_lost(chapter):
    def values():
        yield 1
        raise ZeroDivisionError

    ahead = chapter.fast.run_ahead(values())
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError):
        next(ahead)


def test_top_k(chapter, trained):
    (line,) = classify(chapter, trained, '좋았다\n', '--top_k', '5')
    first, p, second, q, text = line.split('\t')
    assert {first, second} == {'good', 'bad'}
    assert float(p) >= float(q)
    assert float(p) + float(q) == pytest.approx(1, abs=2e-4)
    assert text == '좋았다'


def test_models_of_other_classes_are_refused(chapter, trained, table_fn, tmp_path):
    text = table_fn.read_text(encoding='utf-8').replace('good', 'fine')
    table_fn.write_text(text, encoding='utf-8')
    other_fn = train(chapter, tmp_path, table_fn)
    with pytest.raises(chapter.guards.InputError, match='expected the classes'):
        classify(chapter, [trained[0], other_fn], '좋았다\n')


def test_contributions_are_those_of_the_formula(chapter, trained):
    """Gradient times input, the gradient by finite differences."""
    classifiers = chapter.predict.load_classifiers(trained, torch.device('cpu'))
    for classifier in classifiers:
        text = '정말 좋았다 너무 지루했다'
        (ids,) = classifier.encode([text])
        assert [classifier.vocabulary.tokens[i] for i in ids] == text.split()
        x, lengths = torch.tensor([ids]), torch.tensor([len(ids)])
        model = classifier.model.double()
        y_hat, contributions = chapter.model.get_contributions(model, x)
        vectors = model.embedding(x).detach()
        label = y_hat.argmax().item()
        for i, contribution in enumerate(contributions[0].tolist()):
            logits = []
            for sign in (1, -1):
                moved = vectors.clone()
                moved[0, i] *= 1 + sign * 1e-6
                hook = model.embedding.register_forward_hook(lambda *_, m=moved: m)
                logits.append(model(x, lengths)[0, label].item())
                hook.remove()
            expected = (logits[0] - logits[1]) / 2e-6
            assert contribution == pytest.approx(expected, abs=1e-4)


def test_figure(chapter, trained, tmp_path):
    figure_fn = tmp_path / 'words.png'
    classify(chapter, trained, '\n재미있는 영화\n', '--figure_fn', str(figure_fn))
    assert figure_fn.read_bytes().startswith(b'\x89PNG')


# ---- The sample


def test_sample_is_what_the_generator_writes(chapter, tmp_path):
    config = chapter.make_sample.define_argparser().parse_args(
        ['--out_dir', str(tmp_path)]
    )
    chapter.make_sample.main(config)
    for name in ('train', 'test'):
        shipped = ROOT / NAME / 'sample' / f'{name}.tsv'
        assert (tmp_path / f'{name}.tsv').read_bytes() == shipped.read_bytes()


def read_sample(chapter, name):
    return chapter.data_loader.read_table(ROOT / NAME / 'sample' / f'{name}.tsv')


def test_sample_is_varied_and_its_parts_are_disjoint(chapter):
    train_part, test_part = (read_sample(chapter, name) for name in ('train', 'test'))
    assert len(train_part) >= 4000
    assert train_part['text'].is_unique
    assert not set(train_part['text']) & set(test_part['text'])
    assert 0.45 < (train_part['label'] == '1').mean() < 0.55


def test_a_bag_of_words_does_not_do(chapter, kiwi):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    parts = [read_sample(chapter, name) for name in ('train', 'test')]
    words = [list(kiwi.tokenize(part['text'])) for part in parts]
    vectorizer = CountVectorizer(analyzer=lambda tokens: tokens)
    x = vectorizer.fit_transform(words[0])
    classifier = LogisticRegression(max_iter=1000).fit(x, parts[0]['label'])
    accuracy = classifier.score(vectorizer.transform(words[1]), parts[1]['label'])
    assert accuracy < 0.7


@pytest.mark.parametrize(
    ('noun', 'expected'), [('결말', '결말은 결말이'), ('연기', '연기는 연기가')]
)
def test_particles_follow_the_final_consonant(chapter, noun, expected):
    make_sample = chapter.make_sample
    assert f'{make_sample.topic(noun)} {make_sample.subject(noun)}' == expected


# ---- NSMC

NSMC = {
    'ratings_train.txt': 'id\tdocument\tlabel\n'
    + ''.join(f'{i}\t"영화 {i}\t{i % 2}\n' for i in range(20))
    + '20\t\t1\n',
    'ratings_test.txt': 'id\tdocument\tlabel\n1\t좋아\t1\n2\t싫어\t0\n',
}


@contextmanager
def serve(answer):
    """A web server on this machine; `answer` writes into its handler."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        server.server_close()


def send(handler, stop=None):
    """Send a file of NSMC, from where it is asked for, and break off at some byte."""
    content = NSMC[handler.path.lstrip('/')].encode()
    start = int(re.search(r'bytes=(\d+)-', handler.headers['Range'])[1])
    handler.send_response(206 if start else 200)
    handler.send_header('Content-Length', str(len(content) - start))
    handler.end_headers()
    handler.wfile.write(content[start:stop])


@pytest.fixture
def nsmc(chapter, monkeypatch):
    """The script, which takes our small files for the right ones."""
    files = {
        name: (len(text.encode()), hashlib.sha256(text.encode()).hexdigest())
        for name, text in NSMC.items()
    }
    monkeypatch.setattr(chapter.prepare_nsmc, 'FILES', files)
    for name in ('http_proxy', 'HTTP_PROXY'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(urllib.request, '_opener', None)

    def prepare(*arguments):
        parser = chapter.prepare_nsmc.define_argparser()
        chapter.prepare_nsmc.main(parser.parse_args([str(a) for a in arguments]))

    return prepare


def test_nsmc(nsmc, tmp_path, capsys):
    with serve(send) as url:
        nsmc('--url', url, '--out_dir', tmp_path)
    parts = {
        name: (tmp_path / f'{name}.tsv').read_text(encoding='utf-8').splitlines()
        for name in ('train', 'valid', 'test')
    }
    assert [len(lines) for lines in parts.values()] == [18, 2, 2]
    assert sorted(parts['train'] + parts['valid']) == sorted(
        f'{i % 2}\t"영화 {i}' for i in range(20)
    )
    assert parts['test'] == ['1\t좋아', '0\t싫어']
    assert '21 reviews, 1 of them empty' in capsys.readouterr().err
    # The second time, everything is there.
    nsmc('--url', 'http://127.0.0.1:9', '--out_dir', tmp_path)


def test_nsmc_goes_on_after_a_cut(chapter, nsmc, tmp_path):
    ranges = []

    def cut(handler):
        ranges.append(handler.headers['Range'])
        send(handler, stop=100 if len(ranges) == 1 else None)
        handler.close_connection = True

    with serve(cut) as url:
        with pytest.raises(chapter.guards.InputError, match='cannot be downloaded'):
            nsmc('--url', url, '--out_dir', tmp_path)
        nsmc('--url', url, '--out_dir', tmp_path)
    assert ranges[:2] == ['bytes=0-', 'bytes=100-']
    assert (tmp_path / 'train.tsv').exists()


def test_nsmc_that_is_not_there(chapter, nsmc, tmp_path):
    refused = pytest.raises(chapter.guards.InputError, match='404')
    with serve(lambda handler: handler.send_error(404)) as url, refused:
        nsmc('--url', url, '--out_dir', tmp_path)
    assert not (tmp_path / 'train.tsv').exists()


def test_nsmc_of_other_content(chapter, nsmc, tmp_path):
    text = NSMC['ratings_train.txt'].replace('영화', '연극')
    (tmp_path / 'ratings_train.txt').write_text(text, encoding='utf-8')
    with pytest.raises(
        chapter.guards.InputError, match=r'expected \d+ bytes of SHA-256'
    ):
        nsmc('--data_dir', tmp_path, '--out_dir', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


# ---- The LSTM alone


LSTM = f'{NAME}/lstm'


@pytest.fixture(scope='module')
def lstm():
    return load_chapter(LSTM)


def test_lstm_has_the_sample_of_the_chapter():
    for name in ('train.tsv', 'test.tsv'):
        shipped = (ROOT / LSTM / 'sample' / name).read_bytes()
        assert shipped == (ROOT / NAME / 'sample' / name).read_bytes()


def test_lstm_reads_no_padding(lstm):
    vocabulary = lstm.tokenizer.Vocabulary(['<pad>', '<unk>', *map(str, range(28))])
    config = {'word_vec_size': 8, 'hidden_size': 6, 'n_layers': 2, 'dropout_p': 0.5}
    model = lstm.model.get_model(config, 3, vocabulary).eval()
    expected = torch.cat([predict(model, [ids]) for ids in LISTS])

    assert torch.allclose(predict(model, LISTS, width=20), expected, atol=1e-6)
    assert torch.allclose(predict(model, LISTS[::-1]), expected.flip(0), atol=1e-6)
    assert not torch.allclose(expected[0], expected[1], atol=1e-4)
    assert not model.embedding.weight[0].any()


def test_lstm_batch_is_padded(lstm):
    dataset = lstm.data_loader.TextDataset(LISTS, [0, 1, 1, 0], pad_id=3)
    x, lengths, y = dataset.collate([dataset[i] for i in [2, 0, 1]])

    assert x.tolist() == [[9, 10, 3], [5, 6, 7], [8, 3, 3]]
    assert (lengths.tolist(), y.tolist()) == ([2, 3, 1], [1, 0, 1])


def test_lstm_vocabulary(lstm):
    tokens = lstm.tokenizer.get_vocabulary('baacbd', 2, ['<pad>', '<unk>'])
    vocabulary = lstm.tokenizer.Vocabulary(tokens)

    assert vocabulary.tokens == ['<pad>', '<unk>', 'a', 'b']
    assert vocabulary.encode(['b', 'z', 'a']) == [3, 1, 2]
    assert vocabulary.encode([]) == [1]


def test_lstm_is_a_filter(table_fn, tmp_path):
    """One line for each line, whatever the others are; of no line, nothing."""
    folder = copy_chapter(LSTM, tmp_path / 'alone')
    options = ('--tokenizer', 'space', '--train_fn', table_fn, '--n_epochs', 20)
    run(folder, 'train.py', *options, '--gpu_id', -1, '--verbose', 0, check=True)

    texts = [text for _, text in REVIEWS]
    answer = run(folder, 'predict.py', stdin='\n'.join(['', *texts, ' ']), check=True)
    first, *lines, last = answer.stdout.splitlines()
    assert first == last == ''
    assert [line.split('\t')[2] for line in lines] == texts
    assert [line.split('\t')[0] for line in lines] == [label for label, _ in REVIEWS]
    assert run(folder, 'predict.py', check=True).stdout == ''
