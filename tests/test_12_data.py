"""Chapter 12's sample, and the programs that prepare other parallel text."""

import gzip
import hashlib
import io
import random
import threading
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from chapters import ROOT, copy_chapter, importable, load_chapter, run
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

PARTS = ['train', 'valid', 'test']
LANGS = ['ko', 'en']


@pytest.fixture(scope='module')
def chapter():
    return load_chapter('12_seq2seq')


@pytest.fixture(scope='module')
def make_sample(chapter):
    return chapter.make_sample


@pytest.fixture
def copy(tmp_path):
    return copy_chapter('12_seq2seq', tmp_path)


def read_lines(fn):
    return fn.read_text(encoding='utf-8').splitlines()


def read_pairs(folder, part, languages=('ko', 'en')):
    sides = [read_lines(folder / f'{part}.{language}') for language in languages]
    return list(zip(*sides, strict=True))


# Korean grammar

PARTICLES = [
    ('책', '은/는', '책은'),
    ('커피', '은/는', '커피는'),
    ('책', '이/가', '책이'),
    ('친구', '이/가', '친구가'),
    ('빵', '을/를', '빵을'),
    ('사과', '을/를', '사과를'),
    ('빵', '과/와', '빵과'),
    ('우유', '과/와', '우유와'),
    ('부산', '으로/로', '부산으로'),
    ('제주도', '으로/로', '제주도로'),
    ('서울', '으로/로', '서울로'),
    ('지하철', '으로/로', '지하철로'),
    ('연필', '을/를', '연필을'),
    ('학교', '에서', '학교에서'),
    ('집', '에서', '집에서'),
]


@pytest.mark.parametrize(('word', 'particles', 'expected'), PARTICLES)
def test_particles_follow_the_final_consonant(make_sample, word, particles, expected):
    assert make_sample.with_particle(word, particles) == expected


# Written by hand: present 해요, 합니다, 한다, 해; past 해요; future 해요; -면; -는.
VERBS = """
먹다 먹어요 먹습니다 먹는다 먹어 먹었어요 먹을_거예요 먹으면 먹는
마시다 마셔요 마십니다 마신다 마셔 마셨어요 마실_거예요 마시면 마시는
만들다 만들어요 만듭니다 만든다 만들어 만들었어요 만들_거예요 만들면 만드는
굽다 구워요 굽습니다 굽는다 구워 구웠어요 구울_거예요 구우면 굽는
사다 사요 삽니다 산다 사 샀어요 살_거예요 사면 사는
팔다 팔아요 팝니다 판다 팔아 팔았어요 팔_거예요 팔면 파는
고르다 골라요 고릅니다 고른다 골라 골랐어요 고를_거예요 고르면 고르는
읽다 읽어요 읽습니다 읽는다 읽어 읽었어요 읽을_거예요 읽으면 읽는
쓰다 써요 씁니다 쓴다 써 썼어요 쓸_거예요 쓰면 쓰는
보다 봐요 봅니다 본다 봐 봤어요 볼_거예요 보면 보는
듣다 들어요 듣습니다 듣는다 들어 들었어요 들을_거예요 들으면 듣는
부르다 불러요 부릅니다 부른다 불러 불렀어요 부를_거예요 부르면 부르는
그리다 그려요 그립니다 그린다 그려 그렸어요 그릴_거예요 그리면 그리는
찍다 찍어요 찍습니다 찍는다 찍어 찍었어요 찍을_거예요 찍으면 찍는
공부하다 공부해요 공부합니다 공부한다 공부해 공부했어요 공부할_거예요 공부하면 공부하는
배우다 배워요 배웁니다 배운다 배워 배웠어요 배울_거예요 배우면 배우는
가르치다 가르쳐요 가르칩니다 가르친다 가르쳐 가르쳤어요 가르칠_거예요 가르치면 가르치는
치다 쳐요 칩니다 친다 쳐 쳤어요 칠_거예요 치면 치는
하다 해요 합니다 한다 해 했어요 할_거예요 하면 하는
청소하다 청소해요 청소합니다 청소한다 청소해 청소했어요 청소할_거예요 청소하면 청소하는
열다 열어요 엽니다 연다 열어 열었어요 열_거예요 열면 여는
닫다 닫아요 닫습니다 닫는다 닫아 닫았어요 닫을_거예요 닫으면 닫는
돕다 도와요 돕습니다 돕는다 도와 도왔어요 도울_거예요 도우면 돕는
만나다 만나요 만납니다 만난다 만나 만났어요 만날_거예요 만나면 만나는
기다리다 기다려요 기다립니다 기다린다 기다려 기다렸어요 기다릴_거예요 기다리면 기다리는
타다 타요 탑니다 탄다 타 탔어요 탈_거예요 타면 타는
찾다 찾아요 찾습니다 찾는다 찾아 찾았어요 찾을_거예요 찾으면 찾는
잃어버리다 잃어버려요 잃어버립니다 잃어버린다 잃어버려 잃어버렸어요 잃어버릴_거예요 \
잃어버리면 잃어버리는
수영하다 수영해요 수영합니다 수영한다 수영해 수영했어요 수영할_거예요 수영하면 수영하는
걷다 걸어요 걷습니다 걷는다 걸어 걸었어요 걸을_거예요 걸으면 걷는
쉬다 쉬어요 쉽니다 쉰다 쉬어 쉬었어요 쉴_거예요 쉬면 쉬는
자다 자요 잡니다 잔다 자 잤어요 잘_거예요 자면 자는
일하다 일해요 일합니다 일한다 일해 일했어요 일할_거예요 일하면 일하는
운동하다 운동해요 운동합니다 운동한다 운동해 운동했어요 운동할_거예요 운동하면 운동하는
울다 울어요 웁니다 운다 울어 울었어요 울_거예요 울면 우는
웃다 웃어요 웃습니다 웃는다 웃어 웃었어요 웃을_거예요 웃으면 웃는
가다 가요 갑니다 간다 가 갔어요 갈_거예요 가면 가는
오다 와요 옵니다 온다 와 왔어요 올_거예요 오면 오는
돌아가다 돌아가요 돌아갑니다 돌아간다 돌아가 돌아갔어요 돌아갈_거예요 돌아가면 돌아가는
이사하다 이사해요 이사합니다 이사한다 이사해 이사했어요 이사할_거예요 이사하면 이사하는
주다 줘요 줍니다 준다 줘 줬어요 줄_거예요 주면 주는
보내다 보내요 보냅니다 보낸다 보내 보냈어요 보낼_거예요 보내면 보내는
"""
ADJECTIVES = """
비싸다 비싸요 비쌉니다 비싸다 비싸 비쌌어요 비쌀_거예요
예쁘다 예뻐요 예쁩니다 예쁘다 예뻐 예뻤어요 예쁠_거예요
바쁘다 바빠요 바쁩니다 바쁘다 바빠 바빴어요 바쁠_거예요
크다 커요 큽니다 크다 커 컸어요 클_거예요
작다 작아요 작습니다 작다 작아 작았어요 작을_거예요
무겁다 무거워요 무겁습니다 무겁다 무거워 무거웠어요 무거울_거예요
재미있다 재미있어요 재미있습니다 재미있다 재미있어 재미있었어요 재미있을_거예요
빠르다 빨라요 빠릅니다 빠르다 빨라 빨랐어요 빠를_거예요
길다 길어요 깁니다 길다 길어 길었어요 길_거예요
피곤하다 피곤해요 피곤합니다 피곤하다 피곤해 피곤했어요 피곤할_거예요
"""


def get_rows(text):
    rows = text.strip().split('\n')
    return [[word.replace('_', ' ') for word in row.split()] for row in rows]


@pytest.mark.parametrize('row', get_rows(VERBS), ids=lambda row: row[0])
def test_verbs_are_conjugated(make_sample, row):
    word, *expected = row
    found = [
        make_sample.conjugate(word, 'present', style)[:-1]
        for style in ('해요', '합니다', '한다', '해')
    ]
    found += [
        make_sample.conjugate(word, tense, '해요')[:-1] for tense in ('past', 'future')
    ]
    found += [make_sample.get_vowel_stem(word) + '면']
    if word in ('만들다', '팔다', '열다', '울다'):
        found[-1] = word[:-1] + '면'
    found += [make_sample.get_adnominal(word, 'present')]
    assert found == expected


@pytest.mark.parametrize('row', get_rows(ADJECTIVES), ids=lambda row: row[0])
def test_adjectives_are_conjugated(make_sample, row):
    word, *expected = row
    found = [
        make_sample.conjugate(word, 'present', style, is_adjective=True)[:-1]
        for style in ('해요', '합니다', '한다', '해')
    ]
    found += [
        make_sample.conjugate(word, tense, '해요', is_adjective=True)[:-1]
        for tense in ('past', 'future')
    ]
    assert found == expected


def test_every_verb_of_the_sample_is_in_the_list_above(make_sample):
    author = make_sample.Author(0)
    listed = {row[0] for row in get_rows(VERBS)}
    used = {verb.ko.split()[-1] for verb in author.verbs + author.moves + author.gifts}
    assert used <= listed


@pytest.mark.parametrize(
    ('word', 'form', 'is_elder', 'expected'),
    [
        ('읽다', '안', False, '안 읽다'),
        ('공부하다', '안', False, '공부하지 않다'),
        ('여행을 가다', '못', False, '여행을 못 가다'),
        ('보여 주다', '안', False, '안 보여 주다'),
        ('읽다', '-고 싶다', False, '읽고 싶어 하다'),
        ('읽다', '-ㄹ 수 있다', False, '읽을 수 있다'),
        ('만들다', '-ㄹ 수 없다', False, '만들 수 없다'),
        ('돕다', '-아야 하다', False, '도와야 하다'),
        ('읽다', '-고 있다', True, '읽고 계시다'),
        ('읽다', '-지 않다', True, '읽지 않으시다'),
        ('먹다', '안', True, '안 드시다'),
        ('듣다', '-아야 하다', True, '들으셔야 하다'),
        ('자다', 'plain', True, '주무시다'),
    ],
)
def test_verbs_are_extended(make_sample, word, form, is_elder, expected):
    assert make_sample.extend(word, form, is_elder=is_elder) == expected


@pytest.mark.parametrize(
    ('phrase', 'ending', 'expected'),
    [
        ('buy', 's', 'buys'),
        ('study', 's', 'studies'),
        ('watch', 's', 'watches'),
        ('go back', 's', 'goes back'),
        ('have to go', 's', 'has to go'),
        ('study', 'ed', 'studied'),
        ('play', 'ed', 'played'),
        ('buy', 'ed', 'bought'),
        ('move', 'ed', 'moved'),
        ('wait for', 'ed', 'waited for'),
        ('swim', 'ing', 'swimming'),
        ('write', 'ing', 'writing'),
        ('listen to', 'ing', 'listening to'),
        ('show', 'ing', 'showing'),
        ('eat', 'ing', 'eating'),
    ],
)
def test_english_verbs_are_inflected(make_sample, phrase, ending, expected):
    assert make_sample.inflect(phrase, ending) == expected


# The sample


def test_the_samples_are_what_their_generator_writes(copy):
    """The program in attention/ learns from the short sentences."""
    options = ['--out_dir', 'again', '--short_dir', 'short']
    run(copy, 'make_sample.py', *options, check=True)
    for again, chapter in (('again', '12_seq2seq'), ('short', '12_seq2seq/attention')):
        folders = copy / again, ROOT / chapter / 'sample'
        written, shipped = (
            {file.name: file.read_bytes() for file in folder.iterdir()}
            for folder in folders
        )
        assert written == shipped
        assert set(written) == {f'{part}.{lang}' for part in PARTS for lang in LANGS}


def test_the_short_sample_is_a_part_of_the_sample():
    samples = ROOT / '12_seq2seq/sample', ROOT / '12_seq2seq/attention/sample'
    for part in PARTS:
        pairs, short = (read_pairs(sample, part) for sample in samples)
        assert set(short) <= set(pairs)
        assert max(len(ko.split()) for ko, _ in short) == 5


def test_13_has_the_same_sample():
    for file in (ROOT / '12_seq2seq/sample').iterdir():
        other = ROOT / '13_transformer/sample' / file.name
        assert other.read_bytes() == file.read_bytes()


def test_another_seed_is_another_sample(copy):
    for seed in (1, 1, 2):
        options = ['--n_train', 50, '--n_valid', 1, '--n_test', 1, '--seed', seed]
        out_dir = f'out_{seed}_{len(list(copy.iterdir()))}'
        run(copy, 'make_sample.py', '--out_dir', out_dir, *options, check=True)
    first, same, other = sorted(copy.glob('out_*/train.ko'))
    assert first.read_bytes() == same.read_bytes() != other.read_bytes()


def test_the_sample_has_the_size_that_it_should_have():
    folder = ROOT / '12_seq2seq/sample'
    sizes = {part: len(read_pairs(folder, part)) for part in PARTS}
    assert sizes['train'] >= 8000
    assert sizes['valid'] == sizes['test'] == 500
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1.2e6


def test_no_sentence_stands_in_two_parts():
    folder = ROOT / '12_seq2seq/sample'
    for side in (0, 1):
        train, valid, test = (
            {pair[side] for pair in read_pairs(folder, part)} for part in PARTS
        )
        assert not train & valid and not train & test and not valid & test


def test_korean_says_all_that_english_needs():
    pairs = [
        pair for part in PARTS for pair in read_pairs(ROOT / '12_seq2seq/sample', part)
    ]
    assert len({ko for ko, _ in pairs}) == len(pairs)
    for ko, en in pairs:
        assert ko == ko.strip() and '  ' not in ko + en and '{' not in en
        assert en[0].isupper() and en[-1] in '.?' and ko[-1] in '.?', (ko, en)
        assert (ko[-1] == '?') == (en[-1] == '?'), (ko, en)


def test_combinations_are_kept_apart(make_sample):
    author, part_of, seen = make_sample.Author(3), {}, {part: set() for part in PARTS}
    write = author.write

    def remember(make):
        author.last = write(make)
        return author.last

    author.write = remember
    for part in PARTS:
        size = 300 if part == 'train' else 60
        for _ in range(size):
            make_sample.make_part(author, part, 1, part_of)
            seen[part].update(author.last[0])
    assert not seen['train'] & seen['test'] and not seen['train'] & seen['valid']


def test_words_have_one_translation_each(make_sample):
    for text in (make_sample.PLACES, make_sample.SUBJECTS):
        rows = make_sample.read_table(text)
        for column in (0, 1):
            assert max(Counter(row[column] for row in rows).values()) == 1
    author = make_sample.Author(0)
    assert max(Counter(noun.en for noun in author.nouns.values()).values()) == 1
    for verb in author.verbs + author.gifts:
        assert {*verb.objects} <= {*author.nouns}
        assert {*verb.places} <= {*author.places}


# Spreadsheets


def write_book(fn, *sheets):
    book = Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f'Sheet{number + 1}')
        for row in rows:
            sheet.append(row)
    book.save(fn)


def get_table(n_rows, header=('SID', '원문', '번역문')):
    return [
        header,
        *[(i, f'문장 {i}번입니다.', f'This is {i}.') for i in range(n_rows)],
    ]


@pytest.mark.parametrize(
    'header',
    [
        ('SID', '원문', '번역문'),
        ('ID', '한국어', '영어'),
        ('id', 'Korean', 'English'),
        ('', 'ko', 'en'),
        ('번호', '한국어 원문', '영어 번역문'),
        ('ID', ' 원문 ', '최종번역문'),
    ],
)
def test_columns_are_found_by_name(copy, header):
    write_book(copy / 'a.xlsx', get_table(200, header))
    process = run(copy, 'prepare_aihub.py', 'a.xlsx', '--out_dir', 'd', check=True)
    pairs = [pair for part in PARTS for pair in read_pairs(copy / 'd', part)]
    assert sorted(pairs) == sorted(row[1:] for row in get_table(200)[1:])
    assert process.stdout == ''


def test_rows_are_cleaned_and_counted(copy):
    rows = [
        ('대분류', '원문', '번역문'),
        ('a', '  두  칸\u00a0\t빈칸 ', 'two\nlines_x000D_'),
        ('b', '두 칸 빈칸', 'two lines'),
        ('c', None, 'nothing'),
        ('d', '가', '  '),
        ('e', 'OK', 'OK'),
        ('f', 3, 'three'),
        ('g', '\u1100\u1161', 'ga\u200b'),
        ('h',),
    ]
    write_book(copy / 'a.xlsx', rows, [])
    options = ['--valid_ratio', 0, '--test_ratio', 0]
    process = run(
        copy, 'prepare_aihub.py', 'a.xlsx', '--out_dir', 'd', *options, check=True
    )
    assert 'read: 8, empty: 3, identical: 1, duplicate: 1' in process.stderr
    assert read_pairs(copy / 'd', 'train') == [
        ('두 칸 빈칸', 'two lines'),
        ('3', 'three'),
        ('가', 'ga'),
    ]


def test_a_translation_from_english_is_turned_round(copy):
    rows = [('원문', '번역문'), ('Hello, all.', '여러분 안녕하세요.')]
    write_book(copy / 'a.xlsx', rows)
    options = ['--valid_ratio', 0, '--test_ratio', 0]
    run(copy, 'prepare_aihub.py', 'a.xlsx', '--out_dir', 'd', *options, check=True)
    assert read_pairs(copy / 'd', 'train') == [('여러분 안녕하세요.', 'Hello, all.')]


def test_no_sentence_stands_on_two_sides_of_the_split(copy):
    rng = random.Random(0)
    rows = [
        (f'문장 {rng.randrange(700)}', f'Line {rng.randrange(700)}') for _ in range(600)
    ]
    write_book(copy / 'a.xlsx', [('한국어', '영어'), *rows])
    write_book(copy / 'b.xlsx', [('한국어', '영어'), *reversed(rows)])
    options = ['--valid_ratio', 0.2, '--test_ratio', 0.2]
    run(copy, 'prepare_aihub.py', 'a.xlsx', '--out_dir', 'a', *options, check=True)
    run(copy, 'prepare_aihub.py', 'b.xlsx', '--out_dir', 'b', *options, check=True)
    for part in PARTS:
        # The split depends on the sentences, not on their order.
        assert sorted(read_pairs(copy / 'a', part)) == sorted(
            read_pairs(copy / 'b', part)
        )
    for side in (0, 1):
        train, valid, test = (
            {pair[side] for pair in read_pairs(copy / 'a', part)} for part in PARTS
        )
        assert train and valid and test
        assert not train & valid and not train & test and not valid & test


def test_ratios_are_kept(chapter):
    import numpy as np

    numbers = [chapter.prepare.get_sentence_hash(f'sentence {i}') for i in range(20000)]
    hashes = np.array(numbers, dtype=np.uint64).reshape(-1, 2)
    parts = chapter.prepare.assign_parts(hashes, 0.1, 0.05)
    assert abs((parts == 1).mean() - 0.1) < 0.01
    assert abs((parts == 2).mean() - 0.05) < 0.01


def test_groups_are_what_union_find_finds(chapter):
    import numpy as np

    rng = random.Random(1)
    pairs = [(rng.randrange(300), 1000 + rng.randrange(300)) for _ in range(200)]
    groups, _ = chapter.prepare.get_groups(np.array(pairs, dtype=np.uint64))
    leader = {name: name for pair in pairs for name in pair}

    def find(name):
        return name if leader[name] == name else find(leader[name])

    for source, target in pairs:
        leader[find(source)] = find(target)
    found = {
        (int(group), find(pair[0])) for group, pair in zip(groups, pairs, strict=True)
    }
    assert (
        len(found)
        == len({group for group, _ in found})
        == len({one for _, one in found})
    )


def test_two_sheets_and_one_of_notes(copy):
    notes = [('설명', '내용'), ('a', 'b')]
    write_book(copy / 'a.xlsx', notes, get_table(5), [('ko', 'en'), ('끝', 'End')])
    options = ['--valid_ratio', 0, '--test_ratio', 0]
    process = run(
        copy, 'prepare_aihub.py', 'a.xlsx', '--out_dir', 'd', *options, check=True
    )
    assert len(read_pairs(copy / 'd', 'train')) == 6
    assert 'sheet Sheet1 is left out' in process.stderr


def get_bad_books(folder):
    write_book(folder / 'columns.xlsx', [('하나', '둘'), ('가', 'a')])
    write_book(folder / 'empty.xlsx', [])
    write_book(folder / 'header.xlsx', [('원문', '번역문')])
    (folder / 'text.xlsx').write_text('원문\t번역문', encoding='utf-8')
    write_book(folder / 'good.xlsx', get_table(3000))
    content = (folder / 'good.xlsx').read_bytes()
    (folder / 'cut.xlsx').write_bytes(content[: len(content) // 2])
    middle = len(content) // 2
    flipped = bytes(byte ^ 255 for byte in content[middle : middle + 200])
    (folder / 'flipped.xlsx').write_bytes(
        content[:middle] + flipped + content[middle + 200 :]
    )


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('columns', ['원문', 'found 하나, 둘']),
        ('empty', ['expected columns', 'found none']),
        ('header', ['found none']),
        ('text', ['expected an .xlsx file']),
        ('cut', ['expected an .xlsx file']),
        ('flipped', ['expected an .xlsx file']),
        ('missing', ['missing.xlsx', 'No such file']),
    ],
)
def test_a_bad_spreadsheet_is_one_line_and_nothing_is_written(copy, name, words):
    get_bad_books(copy)
    (copy / 'd').mkdir()
    (copy / 'd/train.ko').write_text('as before', encoding='utf-8')
    process = run(copy, 'prepare_aihub.py', f'{name}.xlsx', '--out_dir', 'd')
    errors = [
        line for line in process.stderr.splitlines() if line.startswith('error: ')
    ]
    assert process.returncode == 2 and len(errors) == 1, process.stderr
    assert 'Traceback' not in process.stderr
    assert all(word in errors[0] for word in words), errors
    assert [file.name for file in (copy / 'd').iterdir()] == ['train.ko']
    assert (copy / 'd/train.ko').read_text(encoding='utf-8') == 'as before'


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_normal_sentence_is_one_line_and_stays_as_it_is(text):
    prepare = test_a_normal_sentence_is_one_line_and_stays_as_it_is.prepare
    once = prepare.normalise(text)
    assert prepare.normalise(once) == once
    assert len(once.splitlines()) <= 1 and '\t' not in once
    once.encode()


test_a_normal_sentence_is_one_line_and_stays_as_it_is.prepare = load_chapter(
    '12_seq2seq'
).prepare


# Downloads


class Handler(BaseHTTPRequestHandler):
    """Sends files of a dict, in parts if it is asked to, and may stop half-way."""

    def do_GET(self):  # noqa: N802
        server = self.server
        content = server.contents.get(self.path)
        first = self.headers.get('Range', 'bytes=0-').removeprefix('bytes=').rstrip('-')
        server.asked.append((self.path, int(first)))
        if content is None:
            self.send_error(404)
            return
        start = int(first) if server.knows_ranges else 0
        self.send_response(206 if server.knows_ranges else 200)
        self.send_header('Content-Length', str(len(content) - start))
        self.end_headers()
        end = start + (len(content) - start) // 2 if server.n_cuts > 0 else len(content)
        server.n_cuts -= 1
        self.wfile.write(content[start:end])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.contents, server.asked, server.n_cuts = {}, [], 0
    server.knows_ranges = True
    server.url = f'http://127.0.0.1:{server.server_port}'
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def get_tatoeba(n_pairs=300):
    lines = [f'Line {i}.\t{i}번 문장.\tCC-BY 2.0 {i}\n' for i in range(n_pairs)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('_about.txt', 'about')
        archive.writestr('kor.txt', ''.join(lines))
    return buffer.getvalue()


def get_direct(copy):
    """Let a program reach this machine's own server, past any proxy."""
    return {'no_proxy': '127.0.0.1', 'NO_PROXY': '127.0.0.1'}


def fetch_tatoeba(copy, server, *options):
    arguments = ['--url', f'{server.url}/kor-eng.zip', '--out_dir', 'd', *options]
    return run(copy, 'prepare_tatoeba.py', *arguments, env=get_direct(copy))


def test_tatoeba_is_fetched_and_split(copy, server):
    server.contents['/kor-eng.zip'] = get_tatoeba()
    process = fetch_tatoeba(copy, server)
    assert process.returncode == 0, process.stderr
    pairs = [pair for part in PARTS for pair in read_pairs(copy / 'd', part)]
    assert sorted(pairs) == sorted((f'{i}번 문장.', f'Line {i}.') for i in range(300))
    fetch_tatoeba(copy, server)
    assert len(server.asked) == 1, 'what is there is not asked for again'


@pytest.mark.parametrize('knows_ranges', [True, False])
def test_a_download_that_was_cut_goes_on(copy, server, knows_ranges):
    server.contents['/kor-eng.zip'] = get_tatoeba()
    server.n_cuts, server.knows_ranges = 1, knows_ranges
    process = fetch_tatoeba(copy, server)
    assert process.returncode == 2 and 'try again to go on' in process.stderr
    assert not (copy / 'd/train.ko').exists() and not (copy / 'd/kor-eng.zip').exists()
    process = fetch_tatoeba(copy, server)
    assert process.returncode == 0, process.stderr
    assert (copy / 'd/kor-eng.zip').read_bytes() == server.contents['/kor-eng.zip']
    assert server.asked[1][1] == len(server.contents['/kor-eng.zip']) // 2


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (None, '404'),
        (b'<html>busy</html>', 'expected a .zip file'),
        (get_tatoeba()[:-50], 'expected a zip file with kor.txt'),
    ],
)
def test_a_wrong_download_is_one_line(copy, server, content, words):
    if content is not None:
        server.contents['/kor-eng.zip'] = content
    process = fetch_tatoeba(copy, server)
    assert process.returncode == 2 and 'Traceback' not in process.stderr
    assert words in process.stderr.splitlines()[-1]
    assert not (copy / 'd/train.ko').exists()


def test_tatoeba_reads_a_file_of_ones_own(copy):
    (copy / 'own.tsv').write_text('가.\tGo.\n뛰어!\tRun!\n', encoding='utf-8')
    options = ['--data_fn', 'own.tsv', '--valid_ratio', 0, '--test_ratio', 0]
    run(copy, 'prepare_tatoeba.py', *options, '--out_dir', 'd', check=True)
    assert read_pairs(copy / 'd', 'train') == [('가.', 'Go.'), ('뛰어!', 'Run!')]


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('가.\tGo.\n뛰어\n'.encode(), 'own.tsv, line 2: expected a sentence, a tab'),
        (b'\xff\tGo.\n', 'own.tsv, line 1: expected UTF-8'),
        (b'', 'expected pairs of sentences, found none'),
    ],
)
def test_a_bad_text_file_is_one_line(copy, content, words):
    (copy / 'own.tsv').write_bytes(content)
    process = run(copy, 'prepare_tatoeba.py', '--data_fn', 'own.tsv', '--out_dir', 'd')
    assert process.returncode == 2 and words in process.stderr.splitlines()[-1]
    assert 'Traceback' not in process.stderr


MULTI30K = [('train', 29000), ('val', 1014), ('test_2016_flickr', 1000)]


def get_multi30k():
    return {
        f'{name}.{language}': ''.join(
            f'{language} {name} {i}\n' for i in range(n_lines)
        ).encode()
        for name, n_lines in MULTI30K
        for language in ('de', 'en')
    }


def check_multi30k(folder):
    for part, (name, n_lines) in zip(PARTS, MULTI30K, strict=True):
        pairs = read_pairs(folder, part, ('de', 'en'))
        assert len(pairs) == n_lines
        assert pairs[-1] == tuple(
            f'{side} {name} {n_lines - 1}' for side in ('de', 'en')
        )


def test_multi30k_is_fetched(copy, server):
    for name, content in get_multi30k().items():
        server.contents[f'/{name}.gz'] = gzip.compress(content)
    options = ['--url', server.url, '--out_dir', 'd']
    process = run(copy, 'prepare_multi30k.py', *options, env=get_direct(copy))
    assert process.returncode == 0, process.stderr
    check_multi30k(copy / 'd')
    assert 'not the very text' in process.stderr
    run(copy, 'prepare_multi30k.py', *options, env=get_direct(copy), check=True)
    assert len(server.asked) == 6


def test_multi30k_is_read_from_a_folder(copy):
    (copy / 'own').mkdir()
    for name, content in get_multi30k().items():
        fn = copy / 'own' / name
        if name.endswith('de'):
            fn.write_bytes(content)
        else:
            fn.with_name(f'{name}.gz').write_bytes(gzip.compress(content))
    options = ['--data_dir', 'own', '--out_dir', 'd']
    run(copy, 'prepare_multi30k.py', *options, check=True)
    check_multi30k(copy / 'd')


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (gzip.compress(b'one\ntwo\n'), 'expected 29000 lines, found 2'),
        (gzip.compress(b'line\n' * 29000)[:-30], 'this is damaged'),
        (gzip.compress(b'\xff\n' * 29000), 'expected text in UTF-8'),
        (b'no gzip at all', 'this is damaged'),
    ],
    # The time is part of a gzip file: two processes would name the tests otherwise.
    ids=['two lines', 'cut', 'not UTF-8', 'no gzip'],
)
def test_a_wrong_file_of_multi30k_is_one_line(copy, content, words):
    (copy / 'own').mkdir()
    for name, text in get_multi30k().items():
        (copy / 'own' / f'{name}.gz').write_bytes(gzip.compress(text))
    (copy / 'own/train.de.gz').write_bytes(content)
    process = run(copy, 'prepare_multi30k.py', '--data_dir', 'own', '--out_dir', 'd')
    assert process.returncode == 2 and words in process.stderr.splitlines()[-1]
    assert 'Traceback' not in process.stderr and not (copy / 'd/train.de').exists()


def test_known_texts_of_multi30k_pass_in_silence(chapter, tmp_path, capsys):
    content = b'ein Satz\n' * 3
    fn = tmp_path / 'val.de'
    fn.write_bytes(content)
    digests = chapter.prepare_multi30k.DIGESTS
    before = digests['val.de']
    digests['val.de'] = hashlib.sha256(content).hexdigest()
    try:
        with importable(chapter):
            lines = chapter.prepare_multi30k.read_file(fn, 'val.de', 3)
    finally:
        digests['val.de'] = before
    assert lines == ['ein Satz'] * 3
    assert capsys.readouterr().err == ''
