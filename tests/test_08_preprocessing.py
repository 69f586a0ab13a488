"""Chapter 08: no text is lost on the way to subwords, and the merges are right."""

import contextlib
import io
import itertools
import os
import random
import re
import sys
from collections import Counter
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from attacks import run_here
from chapters import ROOT, copy_chapter, importable, load_chapter, run
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

NAME = '08_preprocessing'
FOLDER = ROOT / NAME
IS_LONG = os.environ.get('TEST_LONG') == '1'
N_EXAMPLES = 1000 if IS_LONG else 100

MARKED = '▁▂_\\'
KOREAN = '가각했다갔마셨재밌었 ㅋㅠ\u1100\u1161\u11a8'
ODD = ' \t\x00\x0b\x85\u2028\u3000\xa0\ufeff\u200d😀👨👩ﷺ①ｈ'
texts = st.text(
    st.sampled_from(MARKED + KOREAN + ODD + "ab'-1.,!")
    | st.characters(exclude_characters='\n\r', exclude_categories=['Cs']),
    max_size=40,
)
fuzz = settings(
    max_examples=N_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded


@pytest.fixture(scope='module')
def model_fn(chapter, tmp_path_factory):
    """The checkpoint of a training on the sample."""
    model_fn = tmp_path_factory.mktemp('trained') / 'model.pth'
    train(chapter, model_fn)
    return model_fn


@pytest.fixture(scope='module', params=['bpe', 'unigram', 'sentencepiece bpe'])
def model(request, chapter, tmp_path_factory):
    """A model of each kind, learned from the sample."""
    model_fn = tmp_path_factory.mktemp('trained') / 'model.pth'
    options = ['--n_merges', 300]
    if request.param != 'bpe':
        kind = request.param.split()[-1]
        options = ['--engine', 'sentencepiece', '--model_type', kind]
        options += ['--vocab_size', 500]
    train(chapter, model_fn, *options)
    checkpoint = torch.load(model_fn, weights_only=True)
    return chapter.model.get_model(checkpoint['config']['engine'], checkpoint['model'])


@pytest.fixture(scope='module')
def kiwi(chapter):
    """Let all calls of tokenize_korean share one Kiwi, which takes long to load."""
    import kiwipiepy

    shared = kiwipiepy.Kiwi(num_workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kiwipiepy, 'Kiwi', lambda num_workers: shared)
        yield shared


def train(chapter, model_fn, *options):
    train_fn = FOLDER / 'sample.train.tsv'
    arguments = ['--model_fn', model_fn, '--train_fn', train_fn, '--verbose', 0]
    run_here(chapter.train, *arguments, *options)


def normalise(text):
    return ' '.join(text.split())


@contextlib.contextmanager
def stdin(folder, content):
    """Let bytes be what a program reads."""
    fn = folder / 'stdin'
    fn.write_bytes(content)
    with open(fn, encoding='utf-8') as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'stdin', file)
        yield


def run_filter(program, folder, content, *arguments):
    """Run the main() of a filter on bytes, and return what it prints."""
    config = program.define_argparser().parse_args([str(part) for part in arguments])
    output = io.StringIO()
    with stdin(folder, content), contextlib.redirect_stdout(output):
        program.main(config)
    return output.getvalue()


# ---- Marks


@fuzz
@given(texts)
@example('▁')
@example('▂_ ▁▂')
@example('▁가 나 ▁다')
def test_raw_text_comes_back(chapter, text):
    tokens = chapter.model.get_tokens(text, is_raw=True)

    assert chapter.model.join_tokens(tokens) == normalise(text)
    assert len(tokens) == len(text.split())
    assert all(token.rfind('▁') == 0 for token in tokens)


@fuzz
@given(texts, st.sets(st.integers(0, 40)))
def test_cut_text_comes_back_and_is_known_as_tokens(chapter, text, cuts):
    text = normalise(text)
    tokens = chapter.model.split_words(text, {cut for cut in cuts if cut < len(text)})
    line = ' '.join(tokens)

    assert chapter.model.join_tokens(line.split()) == text
    assert chapter.model.get_tokens(line) == tokens


@fuzz
@given(texts)
def test_escape_has_an_inverse_and_leaves_no_mark(chapter, text):
    escaped = chapter.model.escape(text)

    assert '▁' not in escaped
    assert chapter.model.unescape(escaped) == text


# ---- Merges


def count_pairs(words, counts):
    pairs = Counter()
    for token, symbols in words.items():
        for pair in pairwise(symbols):
            pairs[pair] += counts[token]
    return pairs


def merge_slowly(symbols, pair):
    """Replace by a regular expression; the symbols stand between tabs."""
    left, right = map(re.escape, pair)
    text = '\t\t'.join(symbols)
    text = re.sub(f'(^|\t){left}\t\t{right}($|\t)', rf'\g<1>{"".join(pair)}\2', text)
    return text.split('\t\t')


def learn_slowly(counts, n_merges, min_count):
    """Count all words again for each merge, as in Sennrich et al. (2016)."""
    words = {token: [token[:2], *token[2:]] for token in counts}
    merges = []
    while len(merges) < n_merges:
        pairs = count_pairs(words, counts)
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < min_count:
            break
        merges.append(best)
        words = {token: merge_slowly(word, best) for token, word in words.items()}
    return merges, words


def learn(chapter, counts, n_merges=10**6, min_count=1):
    config = SimpleNamespace(n_merges=n_merges, min_count=min_count, verbose=0)
    trainer = chapter.trainer.BytePairTrainer(config)
    trainer.train(counts)
    return trainer


corpora = st.dictionaries(
    st.text('ab', min_size=1, max_size=12).map(lambda word: '▁' + word)
    | st.text('abc', min_size=1, max_size=6).map(lambda word: '▁' + word),
    st.integers(1, 4),
    min_size=1,
    max_size=12,
)


@fuzz
@given(corpora, st.integers(0, 30), st.integers(1, 4))
@example({'▁aaaa': 1, '▁baaa': 1, '▁abab': 1}, 30, 1)
def test_merges_are_those_of_the_slow_way(chapter, counts, n_merges, min_count):
    merges, words = learn_slowly(counts, n_merges, min_count)

    trainer = learn(chapter, counts, n_merges, min_count)
    model = trainer.get_model()

    assert model.merges == merges
    assert dict(zip(counts, map(list, trainer.words), strict=True)) == words
    assert {token: model.split(token) for token in counts} == words


def test_merges_are_those_of_the_slow_way_on_the_sample(chapter):
    texts = chapter.tables.read_texts(1, FOLDER / 'sample.test.tsv')
    counts = chapter.trainer.count_words(texts, 'sample.test.tsv')
    merges, words = learn_slowly(counts, 60, 2)

    trainer = learn(chapter, counts, 60, 2)

    assert len(merges) == 60
    assert trainer.merges == merges
    n_tokens = sum(len(words[token]) * count for token, count in counts.items())
    assert trainer.history[-1] == pytest.approx(n_tokens / sum(counts.values()))


def test_merges_of_the_paper(chapter):
    """Its figure 1, with the mark at the beginning instead of the end."""
    counts = {'▁low': 5, '▁lower': 2, '▁newest': 6, '▁widest': 3}

    merges = learn(chapter, counts, 4).merges

    assert merges == [('e', 's'), ('es', 't'), ('o', 'w'), ('▁l', 'ow')]


def test_equally_frequent_pairs_come_in_the_order_of_unicode(chapter):
    words = ['▁zy', '▁xw', '▁ab']
    for order in itertools.permutations(words):
        merges = learn(chapter, dict.fromkeys(order, 2)).merges
        assert merges == [('▁a', 'b'), ('▁x', 'w'), ('▁z', 'y')]


@fuzz
@given(corpora, st.text('abcd', max_size=30))
def test_merges_are_applied_in_their_order(chapter, counts, word):
    model = learn(chapter, counts, 30).get_model()

    for token in ('▁' + word, 'a' + word):
        symbols = [token[:2], *token[2:]] if token[0] == '▁' else list(token)
        for pair in model.merges:
            symbols = merge_slowly(symbols, pair)
        assert model.split(token) == symbols


def test_very_long_words_take_no_long_time(chapter):
    words = {'▁' + word: 1 for word in ('ababcab', 'cabbac', 'bcbcabc')}
    model = learn(chapter, words).get_model()
    word = ''.join(random.Random(0).choices('abc', k=100_000))

    assert ''.join(model.split('▁' + word)) == '▁' + word
    assert ''.join(model.segment(['▁' + word])) == '▁' + word
    assert model.split_cached.cache_info().currsize == 0


def test_long_tokens_are_split_in_parts(chapter, model):
    """Up to the limit, a token has the pieces of split(); beyond it, its parts have."""
    limit = model.max_length
    word = ''.join(random.Random(0).choices('영화가재밌었다', k=limit + 99))

    whole, parts = '▁' + word[: limit - 1], '▁' + word

    assert model.segment([whole]) == model.split(whole)
    expected = model.split(parts[:limit]) + model.split(parts[limit:])
    assert model.segment([parts]) == expected
    assert ''.join(expected) == parts


def test_stages_are_models_of_fewer_merges(chapter):
    texts = chapter.tables.read_texts(1, FOLDER / 'sample.test.tsv')
    words = chapter.trainer.count_words(texts, 'sample.test.tsv')
    trainer = learn(chapter, words, 120)

    stages = chapter.trainer.get_stages(trainer.get_model(), words, trainer.history)

    assert [name for name, _ in stages[:3]] == ['0 merges', '100 merges', '120 merges']
    assert len(stages) == 9
    for first in range(0, 9, 3):
        lengths = [len(pieces) for _, pieces in stages[first : first + 3]]
        assert lengths == sorted(lengths, reverse=True)
        assert len({''.join(pieces) for _, pieces in stages[first : first + 3]}) == 1
    assert stages[2][1] == trainer.get_model().split(''.join(stages[2][1]))


def test_scores_are_those_of_the_pieces(chapter):
    model = chapter.model.BytePairModel([('▁a', 'b')], ['▁a', 'b'])

    scores = chapter.trainer.evaluate(model, ['ab ab', '', 'abx'], is_raw=True)

    assert scores == {
        'n_lines': 3,
        'tokens_per_word': 4 / 3,
        'characters_per_token': 7 / 4,
        'unknown': 1 / 4,
        'round_trip': 1,
    }


def test_cache_is_bounded(chapter):
    model = chapter.model.BytePairModel([], ['a'])

    for number in range(model.cache_size + 1000):
        model.segment([f'▁{number}'])

    assert model.split_cached.cache_info().currsize == model.cache_size


def test_ctrl_c_leaves_the_merges_so_far(chapter, monkeypatch, tmp_path):
    trainer_class = chapter.trainer.BytePairTrainer
    find_best = trainer_class._find_best

    def find_best_for_a_while(trainer):
        if len(trainer.merges) == 20:
            raise KeyboardInterrupt
        return find_best(trainer)

    train(chapter, tmp_path / 'whole.pth', '--n_merges', 20)
    monkeypatch.setattr(trainer_class, '_find_best', find_best_for_a_while)
    with pytest.raises(KeyboardInterrupt):
        train(chapter, tmp_path / 'part.pth')

    whole, part = (
        torch.load(tmp_path / name, weights_only=True)['model']
        for name in ('whole.pth', 'part.pth')
    )
    assert part == whole
    assert len(part['merges']) == 20


# ---- Models


@fuzz
@given(text=texts)
@example(text='<unk> <s> </s> <pad>')
def test_pieces_lead_back_to_the_text(chapter, model, text):
    pieces = model.segment(chapter.model.get_tokens(text, is_raw=True))

    line = ' '.join(pieces)
    assert line.split() == line.split(' ') or not pieces
    assert chapter.model.join_tokens(line.split()) == normalise(text)


def test_pieces_have_numbers(chapter, model):
    text = '영화가 너무 재밌었다 힣'
    pieces = model.segment(chapter.model.get_tokens(text))

    numbers = model.encode(pieces)

    assert len(set(model.vocabulary)) == len(model.vocabulary)
    assert model.decode(numbers)[:-1] == pieces[:-1]
    assert model.vocabulary[numbers[-1]] == '<unk>'
    assert numbers.count(numbers[-1]) == 1


def test_few_pieces_are_needed_for_known_words(chapter, model_fn, tmp_path, capsys):
    with stdin(tmp_path, (FOLDER / 'sample.test.tsv').read_bytes()):
        run_here(chapter.predict, '--model_fn', model_fn, '--column', 1, '--score')

    output = capsys.readouterr().out.splitlines()
    scores = dict(line.split(': ') for line in output)
    assert scores['n_lines'] == '300'
    assert float(scores['tokens_per_word']) < 1.1
    assert float(scores['round_trip']) == 1


def test_the_same_text_gives_the_same_file(chapter, tmp_path, monkeypatch):
    contents = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        train(chapter, 'model.pth', '--n_merges', 50)
        contents.append((tmp_path / str(number) / 'model.pth').read_bytes())

    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ('content', 'options', 'message'),
    [
        (b'', [], 'expected text to learn from, found no words'),
        (b'1\t\n\n', [], 'expected text to learn from, found no words'),
        (b'1\ta\nb\n', [], 'line 2: expected a column 1, .* found 1 columns'),
        (b'1\ta\n1\t\xff\n', [], 'line 2: expected UTF-8, byte 3 is not'),
        (b'1\t' + b'a' * 200, [], 'expected text to learn from, found no words'),
        (b'1\ta b\n', ['--engine', 'sentencepiece', '--vocab_size', 1], 'vocab_size 1'),
    ],
)
def test_bad_text_to_learn_from(chapter, tmp_path, content, options, message):
    train_fn = tmp_path / 'train.tsv'
    train_fn.write_bytes(content)
    arguments = ['--model_fn', tmp_path / 'x.pth', '--train_fn', train_fn, *options]

    with pytest.raises(chapter.guards.InputError, match=message) as failure:
        run_here(chapter.train, *arguments)

    assert '\n' not in str(failure.value)
    assert not (tmp_path / 'x.pth').exists()


# ---- Rules


def read_examples():
    """Return the examples of the rules' file, in which odd characters are escaped."""
    text = (FOLDER / 'rules.tsv').read_text(encoding='utf-8')
    text = re.sub(
        r'\\(u[0-9a-f]{4}|x[0-9a-f]{2}|r)',
        lambda match: match[0].encode().decode('unicode_escape'),
        text,
    )
    return re.findall('^# example: (.*) -> (.*)\n', text, re.MULTILINE)


@pytest.mark.parametrize(('before', 'after'), read_examples())
def test_examples_of_the_rules(chapter, tmp_path, before, after):
    """All rules together, and on what they have refined there is nothing left to do."""
    for text in (before, after):
        content = f'1\t{text}\n'.encode()
        output = run_filter(
            chapter.refine, tmp_path, content, FOLDER / 'rules.tsv', '1'
        )
        assert output == f'1\t{after}\n'


def test_every_group_of_rules_has_an_example():
    groups = (FOLDER / 'rules.tsv').read_text(encoding='utf-8').split('\n\n')[1:]

    assert len(groups) == 8
    assert all('# example: ' in group for group in groups)
    assert len(read_examples()) >= 12


def test_every_rule_changes_something(chapter):
    """No rule is dead: each finds something in an example, or in a text made for it."""
    examples = [before for before, _ in read_examples()]
    more = (
        '&gt; &nbsp; &#39; &amp; 〉 ≪ ≫ 」 』 『 ‘ ’ “” 〔〕 www.a.kr +82-10-1234-5678'
    )
    forms = ''.join(map(chr, range(0xFF01, 0xFF5F)))
    for rule in chapter.refine.read_rules(FOLDER / 'rules.tsv'):
        found = [text for text in [*examples, more, forms] if rule.pattern.search(text)]
        assert found, rule.place


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'a\n', 'line 1: .* found 0 tabs'),
        (b'# fine\n\na\tb\nc\td\te\n', 'line 4: .* found 2 tabs'),
        (b'a\tb\n(\tb\n', 'line 2: expected a regular expression .*unterminated'),
        (b'[b-a]\t\n', 'line 1: expected a regular expression'),
        (b'*\t\n', 'line 1: expected a regular expression'),
        (b'\t\n', "line 1: .* '' finds the empty string"),
        (b'\tx\n', "line 1: .* '' finds the empty string"),
        (b'a*\tx\n', 'line 1: .* finds the empty string'),
        (b'a|\tx\n', 'line 1: .* finds the empty string'),
        (b'\\b\tx\n', 'line 1: .* finds the empty string'),
        (b'$\tx\n', 'line 1: .* finds the empty string'),
        (b'(?=\\w)\tx\n', 'line 1: .* finds the empty string'),
        (b'a\t\\1\n', 'line 1: .* groups: invalid group reference 1'),
        (b'a\t\\g<b>\n', "line 1: .* groups: unknown group name 'b'"),
        (b'a\t\\n\n', r'line 1: expected only \\1 to'),
        (b'a\t\\\n', r'line 1: expected only \\1 to'),
        (b'a{99999999999}\t\n', 'line 1: expected a regular expression'),
        (b'a\tb\n\xff\tb\n', 'line 2: expected UTF-8, byte 1 is not'),
    ],
)
def test_bad_rules(chapter, tmp_path, content, message):
    (tmp_path / 'rules.tsv').write_bytes(content)

    with pytest.raises(chapter.guards.InputError, match=message) as failure:
        chapter.refine.read_rules(tmp_path / 'rules.tsv')

    assert '\n' not in str(failure.value)


def test_pattern_that_finds_nothing_in_the_text_alone(chapter, tmp_path):
    """That the empty string stands before every 쀍 shows only when there is one."""
    rules_fn = tmp_path / 'rules.tsv'
    rules_fn.write_text('# 1\n(?=쀍)\t!\n', encoding='utf-8')

    with pytest.raises(chapter.guards.InputError, match='line 2: .* the empty string'):
        run_filter(chapter.refine, tmp_path, '가쀍'.encode(), rules_fn, '-1')


def test_rules_have_groups_and_an_order(chapter, tmp_path):
    rules_fn = tmp_path / 'rules.tsv'
    rules = '# first\na(?P<x>.)(.)\t\\2\\g<x>\\\\\n\nb\tc\nc\\\\\t\n'
    rules_fn.write_text(rules, encoding='utf-8')
    content = b'abz\tabz\n\n\tcab\r\n'

    output = run_filter(chapter.refine, tmp_path, content, rules_fn, '1')

    assert output == 'abz\tz\n\n\tcac\n'


@fuzz
@given(
    content=st.binary(max_size=60)
    | st.text('a\\(1[*\t\n#', max_size=20).map(str.encode)
)
def test_any_bytes_are_rules_or_a_clear_line(chapter, tmp_path, content):
    (tmp_path / 'rules.tsv').write_bytes(content)
    try:
        rules = chapter.refine.read_rules(tmp_path / 'rules.tsv')
        for rule in rules:
            assert len(rule.apply('a' * 20)) <= 20 * 60
    except chapter.guards.InputError as error:
        assert re.match(r'.*rules.tsv, line \d+: expected ', str(error))
        assert '\n' not in str(error)


# ---- Tokens


def tokenize(chapter, texts, lang='ko'):
    if lang == 'en':
        return list(chapter.tokenizer.tokenize_english(iter(texts)))
    return list(chapter.tokenizer.tokenize_korean(iter(texts)))


@pytest.mark.parametrize(
    ('text', 'tokens'),
    [
        ('정말 재밌었다!', '▁정말 ▁재밌 었 다 !'),
        ('했다', '▁했 다'),
        ('  나는\t학교에  갔다 ', '▁나 는 ▁학교 에 ▁갔 다'),
        ('😀갔다😀', '▁😀 갔 다 😀'),
        ('', ''),
        (' \t ', ''),
        ('▁', '▁▂_'),
    ],
)
def test_korean_tokens(chapter, kiwi, text, tokens):
    assert tokenize(chapter, [text]) == [tokens]


@pytest.mark.parametrize(
    ('text', 'tokens'),
    [
        ("I don't like it!!", "▁I ▁don't ▁like ▁it !!"),
        ('3.14 (1,000) e-mail', '▁3.14 ▁( 1,000 ) ▁e-mail'),
        ('"well-made"... yes', '▁" well-made " ... ▁yes'),
        ('', ''),
        ('a▁b', '▁a ▂_ b'),
    ],
)
def test_english_tokens(chapter, text, tokens):
    assert tokenize(chapter, [text], 'en') == [tokens]


@fuzz
@given(text=texts)
@example(text='각' + '\u1100\u1161\u11a8' * 3)
@example(text='👨\u200d👩\u200d👧갔다▁▂')
@example(text='마셨다\x00했\x1f다')
def test_korean_tokens_lead_back_to_the_text(chapter, kiwi, text):
    (line,) = tokenize(chapter, [text])

    assert chapter.model.join_tokens(line.split()) == normalise(text)
    assert chapter.model.get_tokens(line) == line.split()


@fuzz
@given(text=texts)
def test_english_tokens_lead_back_to_the_text(chapter, text):
    (line,) = tokenize(chapter, [text], 'en')

    assert chapter.model.join_tokens(line.split()) == normalise(text)
    assert chapter.model.get_tokens(line) == line.split()


@fuzz
@given(text=texts)
def test_subwords_of_morphemes_lead_back_to_the_text(chapter, kiwi, model, text):
    (line,) = tokenize(chapter, [text])

    pieces = model.segment(chapter.model.get_tokens(line))

    assert chapter.model.join_tokens(pieces) == normalise(text)


@pytest.mark.parametrize(
    ('morphemes', 'boundaries'),
    [
        ([], {0}),
        ([(0, 1), (0, 1), (1, 1)], {0, 1, 2}),
        ([(0, 2), (1, 1), (2, 1)], {0, 2, 3}),
        ([(0, 3), (1, 1), (3, 2)], {0, 3, 5}),
        ([(0, 1), (2, 1)], {0, 1, 2, 3}),
        ([(1, 1), (0, 2)], {0, 2}),
        ([(0, 2), (2, 0), (2, 1)], {0, 2, 3}),
    ],
)
def test_morphemes_that_share_a_character_stay_together(chapter, morphemes, boundaries):
    morphemes = [SimpleNamespace(start=start, len=n) for start, n in morphemes]

    found = chapter.model.get_boundaries(morphemes, 10)

    assert found == {10 + boundary for boundary in boundaries}


def test_tokens_do_not_depend_on_the_lines_before(chapter, kiwi):
    lines = (FOLDER / 'sample.test.tsv').read_text(encoding='utf-8').splitlines()
    lines = [
        line.split('\t')[1] * (1 + number % 3) for number, line in enumerate(lines)
    ]
    lines[7] = ''
    whole = tokenize(chapter, lines)

    assert len(whole) == len(lines)
    assert [tokenize(chapter, [line])[0] for line in lines[:10]] == whole[:10]


@pytest.mark.parametrize(
    'text', ['가' * 3000, '영화가 너무 재밌었다 ' * 300, '😀' * 1200]
)
def test_long_texts_are_read_in_parts(chapter, kiwi, text):
    parts = chapter.tokenizer.PART.findall(normalise(text))

    (line,) = tokenize(chapter, [text])

    assert max(map(len, parts)) <= 500
    assert ''.join(parts) == normalise(text)
    assert len(parts) == 1 or all(len(part) > 480 for part in parts[:-1])
    assert chapter.model.join_tokens(line.split()) == normalise(text)
    if ' ' in text:
        words = tokenize(chapter, ['영화가 너무 재밌었다'])[0]
        assert line == ' '.join([words] * 300)


# ---- Filters


FILTERS = {
    'refine': ['rules.tsv', '1'],
    'tokenizer': ['--lang', 'en', '--column', '1'],
    'detokenizer': ['--column', '1'],
    'predict': ['--column', '1'],
}


def filter_arguments(name, model_fn):
    arguments = [
        FOLDER / part if part.endswith('.tsv') else part for part in FILTERS[name]
    ]
    model = ['--model_fn', model_fn, '--gpu_id', '-1']
    return [*arguments, *(model if name == 'predict' else [])]


@pytest.mark.parametrize('name', FILTERS)
def test_blank_lines_and_other_columns_stay(chapter, model_fn, tmp_path, name):
    content = ' a \t영화가\t▁x \n\n0\t\n\t\t\n1\t좋다\r\n'.encode()

    output = run_filter(
        getattr(chapter, name), tmp_path, content, *filter_arguments(name, model_fn)
    )

    lines = [line.split('\t') for line in output.split('\n')]
    assert [len(cells) for cells in lines] == [3, 1, 2, 3, 2, 1]
    assert [cells[0] for cells in lines] == [' a ', '', '0', '', '1', '']
    assert lines[0][2] == '▁x '
    assert output.endswith('\n')


@pytest.mark.parametrize('name', FILTERS)
def test_bad_lines(chapter, model_fn, tmp_path, name):
    content, message = b'0\ta\n\n0\t\xc3\n', 'stdin, line 3: expected UTF-8, byte 3'
    with pytest.raises(chapter.guards.InputError, match=message):
        run_filter(
            getattr(chapter, name), tmp_path, content, *filter_arguments(name, model_fn)
        )


@pytest.mark.parametrize('name', FILTERS)
def test_lines_without_the_column_do_not_stop_a_filter(
    chapter, model_fn, tmp_path, name, capsys, monkeypatch
):
    """They are blank, an error each, and the exit status is 2 at the end."""
    stdin = io.TextIOWrapper(io.BytesIO('0\t영\nb\n1\t일\nc'.encode()), 'utf-8')
    monkeypatch.setattr(sys, 'stdin', stdin)
    program = getattr(chapter, name)
    arguments = [*filter_arguments(name, model_fn)]
    figure_fn = tmp_path / 'lines.png'
    if name == 'predict':
        arguments += ['--figure_fn', figure_fn]

    with importable(chapter), pytest.raises(SystemExit, match='^2$'):
        program.main(program.define_argparser().parse_args([*map(str, arguments)]))

    output, errors = capsys.readouterr()
    assert [line[:2] for line in output.split('\n')] == ['0\t', '', '1\t', '', '']
    for line in (2, 4):
        place = f'error: stdin, line {line}'
        assert f'{place}: expected a column 1, counted from 0, found 1 col' in errors
    assert figure_fn.exists() == (name == 'predict')


def test_a_bad_line_comes_through_kiwi(chapter, kiwi, tmp_path):
    content = '좋다\n'.encode() * 50 + b'\xff\n'
    with pytest.raises(chapter.guards.InputError, match='stdin, line 51: expected UTF'):
        run_filter(chapter.tokenizer, tmp_path, content)


@pytest.mark.parametrize('name', FILTERS)
@fuzz
@given(content=st.binary() | st.lists(texts).map(lambda all: '\n'.join(all).encode()))
def test_any_bytes_are_text_or_a_clear_line(chapter, model_fn, tmp_path, name, content):
    arguments = [
        '-1' if part == '1' else part for part in filter_arguments(name, model_fn)
    ]
    try:
        output = run_filter(getattr(chapter, name), tmp_path, content, *arguments)
    except chapter.guards.InputError as error:
        with pytest.raises(UnicodeDecodeError) as failure:
            content.decode('utf-8')
        n_lines = content[: failure.value.start].count(b'\n') + 1
        found = str(error).removeprefix(f'stdin, line {n_lines}: ')
        assert found.startswith(('expected UTF-8, ', 'expected text, found an Excel'))
    else:
        n_lines = content.count(b'\n') + (content[-1:] not in (b'', b'\n'))
        assert output.count('\n') == n_lines


@pytest.mark.parametrize('lang', ['ko', 'en'])
def test_endless_text_is_read_as_it_comes(chapter, kiwi, monkeypatch, lang):
    """A filter that read all its input first would not come to an end here."""
    lines = map('{}\t좋다'.format, itertools.count())
    monkeypatch.setattr(chapter.tables, 'read_lines', lambda *_: lines)

    def change(texts):
        if lang == 'en':
            return chapter.tokenizer.tokenize_english(texts)
        return chapter.tokenizer.tokenize_korean(texts)

    changed = chapter.utils.change_column(change, 1)

    first = list(itertools.islice(changed, 5))
    assert [line.split('\t')[0] for line in first] == list('01234')
    assert int(next(lines).split('\t')[0]) < 1_000


def test_the_chain_gives_the_text_back(tmp_path):
    """The programs themselves, as the README has them in a row."""
    folder = copy_chapter(NAME, tmp_path)
    run(folder, 'train.py', '--model_fn', 'bpe.pth', check=True)
    text = (folder / 'sample.test.tsv').read_text(encoding='utf-8')
    text = '\n'.join(
        [*text.splitlines()[:50], '', '1\t  ▁▂ "😀\x00ㅋㅋㅋㅋ', '0\t', '']
    )

    refined = run(folder, 'refine.py', 'rules.tsv', '1', stdin=text, check=True).stdout
    output = refined
    for program in (
        ['tokenizer.py'],
        ['predict.py', '--model_fn', 'bpe.pth'],
        ['detokenizer.py'],
    ):
        arguments = [*program, '--column', '1']
        output = run(folder, *arguments, stdin=output, check=True).stdout
        assert output.count('\n') == text.count('\n')

    assert output == refined
    assert output.splitlines()[51] == '1\t▁▂ "😀ㅋㅋ'


def test_errors_are_one_line(tmp_path):
    folder = copy_chapter(NAME, tmp_path)
    (folder / 'bad.tsv').write_text('a\tb\nc*\td\n', encoding='utf-8')
    for arguments in (
        ['refine.py', 'bad.tsv', '1'],
        ['refine.py', 'missing.tsv', '1'],
        ['refine.py', 'rules.tsv', 'x'],
        ['refine.py'],
        ['tokenizer.py', '--lang', 'fr'],
        ['data_loader.py', '--train_fn', 'missing.tsv'],
        ['data_loader.py', '--train_fn', 'rules.tsv'],
        ['train.py', '--train_fn', 'missing.tsv'],
    ):
        process = run(folder, *arguments, stdin='a\n')
        assert process.returncode == 2, process.stderr
        assert process.stdout == ''
        assert 'error: ' in process.stderr
        assert process.stderr.count('\n') == 1


def test_pictures_of_odd_text(chapter, model_fn, tmp_path, recwarn):
    content = '$\\frac$ 😀 \x00\ue000 ▁▂\n\n'.encode() + '가'.encode() * 2000
    figure_fn = tmp_path / 'lines.png'
    options = ['--model_fn', model_fn, '--gpu_id', '-1', '--figure_fn', figure_fn]

    run_filter(chapter.predict, tmp_path, content, *options)
    run_filter(chapter.predict, tmp_path, b'', *options)

    assert figure_fn.read_bytes().startswith(b'\x89PNG')
    assert model_fn.with_suffix('.png').read_bytes().startswith(b'\x89PNG')
    assert not [warning for warning in recwarn if 'Glyph' in str(warning.message)]


# ---- Batches


def collect(chapter, examples, batch_size, min_freq=1, seed=0, n_epochs=2):
    """Return the batches of some epochs, by torchtext and by torch alone."""
    data = examples, batch_size, min_freq
    random.seed(seed)
    iterator = chapter.data_loader.get_torchtext_iterator(*data)
    loader, *_ = chapter.data_loader.get_loader(*data, seed)
    ended = [
        (*batch.text, batch.label) for _ in range(n_epochs) for batch in iter(iterator)
    ]
    plain = [tuple(batch) for _ in range(n_epochs) for batch in loader]
    return ended, plain


def read_table(chapter, fn):
    """Return the examples of a table, read with the default options."""
    options = ['--train_fn', str(fn)]
    config = chapter.data_loader.define_argparser().parse_args(options)
    return chapter.data_loader.read_examples(config)


def assert_equal_batches(ended, plain):
    assert len(ended) == len(plain)
    for batch, other in zip(ended, plain, strict=True):
        for tensor, other_tensor in zip(batch, other, strict=True):
            assert tensor.dtype == other_tensor.dtype
            assert torch.equal(tensor, other_tensor)


@pytest.mark.parametrize(('batch_size', 'min_freq'), [(1, 1), (7, 2), (5000, 3)])
def test_torchtext_and_torch_make_the_same_batches(chapter, batch_size, min_freq):
    fn = FOLDER / ('sample.test.tsv' if batch_size == 1 else 'sample.train.tsv')

    examples = read_table(chapter, fn)
    ended, plain = collect(chapter, examples, batch_size, min_freq, seed=batch_size)

    assert_equal_batches(ended, plain)
    half = len(plain) // 2
    if half > 1:
        assert not all(
            first[0].shape == second[0].shape and torch.equal(first[0], second[0])
            for first, second in zip(plain[:half], plain[half:], strict=True)
        )


rows = st.tuples(
    st.sampled_from(['0', '1', '긍정']),
    st.text('ab가"\'\\, <unk>,<pad>', max_size=12),
)


@fuzz
@given(
    rows=st.lists(rows, min_size=1, max_size=12),
    batch_size=st.integers(1, 5),
    min_freq=st.integers(1, 3),
)
@example(rows=[('0', 'an "open mark'), ('1', 'b')], batch_size=2, min_freq=1)
@example(rows=[('0', '<pad> <unk> a')], batch_size=1, min_freq=1)
def test_torchtext_and_torch_read_the_same(chapter, rows, batch_size, min_freq):
    examples = [(label, text.split()) for label, text in rows]

    assert_equal_batches(*collect(chapter, examples, batch_size, min_freq))


def test_lines_of_any_length_are_read(chapter, tmp_path):
    fn = tmp_path / 'rows.tsv'
    fn.write_text('0\t' + 'a ' * 200_000 + '\n1\tb\n', encoding='utf-8')

    assert_equal_batches(*collect(chapter, read_table(chapter, fn), 2, n_epochs=1))


def test_every_line_comes_once_an_epoch_among_its_like(chapter):
    lengths = [random.Random(0).randint(0, 50) for _ in range(1003)]
    sampler = chapter.data_loader.BucketSampler(lengths, 10, seed=0)

    epochs = [list(sampler) for _ in range(2)]

    assert epochs[0] != epochs[1]
    for epoch in epochs:
        assert len(epoch) == len(sampler) == 101
        assert sorted(itertools.chain(*epoch)) == list(range(1003))
        padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in epoch)
        assert padded < 1.1 * sum(lengths)


def test_labels_and_words_do_not_depend_on_the_order_of_lines(chapter):
    get_vocabulary = chapter.data_loader.get_vocabulary
    for words in itertools.permutations(['b', 'a', 'b', 'c']):
        assert get_vocabulary(words) == ['b', 'a', 'c']
        assert get_vocabulary(words, 2, ['<unk>']) == ['<unk>', 'b']


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'expected labelled texts, found none'),
        (b'0\t \n', 'expected labelled texts, found none'),
        (b'0 a\n', 'line 1: .* found one column'),
        (b'\ta\n', 'line 1: .* found no label'),
        (b'0\ta\tb\n', 'line 1: .* found 3 columns'),
        (b'0\ta\n0\t\xff\n', 'line 2: expected UTF-8'),
    ],
)
def test_bad_examples(chapter, tmp_path, content, message):
    fn = tmp_path / 'rows.tsv'
    fn.write_bytes(content)

    with pytest.raises(chapter.guards.InputError, match=message):
        read_table(chapter, fn)


def test_a_batch_is_printed(chapter, tmp_path):
    output = run_filter(
        chapter.data_loader, tmp_path, b'', '--train_fn', FOLDER / 'sample.train.tsv'
    )

    torchtext, plain = output.split('\n\n')[1:]
    assert torchtext.startswith('torchtext:\n|text| = (4, ')
    assert plain.startswith('torch.utils.data:\n|text| = (4, ')
    assert plain.split('\n')[1:8] == torchtext.split('\n')[1:8]


# ---- The sample


def test_the_sample_is_what_its_generator_writes(tmp_path):
    folder = copy_chapter(NAME, tmp_path)
    names = ['sample.train.tsv', 'sample.test.tsv']
    contents = [(folder / name).read_bytes() for name in names]

    run(folder, 'make_sample.py', check=True)

    assert [(folder / name).read_bytes() for name in names] == contents
    train_lines, test_lines = (set(content.splitlines()) for content in contents)
    assert len(train_lines) == 3000
    assert not train_lines & test_lines
