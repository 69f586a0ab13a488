"""Chapters 12 and 13: parallel text as people have it."""

import json
import os
import re
import tracemalloc
import zipfile

import pytest
from chapters import ROOT, copy_chapter, importable, load_chapter, run
from openpyxl import Workbook

PAIRS = [(f'문장 {i}번입니다.', f'This is {i}.') for i in range(30)]
PARTS = ['train', 'valid', 'test']
IS_LONG = os.environ.get('TEST_LONG') == '1'
LONG = pytest.mark.skipif(not IS_LONG, reason='four processes: TEST_LONG=1')


@pytest.fixture(scope='module')
def chapter():
    loaded = load_chapter('12_seq2seq')
    with importable(loaded):
        yield loaded


# ---- Odd pairs


def write_pairs(folder, pairs, encoding='utf-8'):
    prefix = folder / 'part'
    for i, language in enumerate(['ko', 'en']):
        text = ''.join(f'{pair[i]}\n' for pair in pairs)
        prefix.with_suffix(f'.{language}').write_bytes(text.encode(encoding))
    return prefix


@pytest.mark.parametrize(
    ('pair', 'lang', 'kind'),
    [
        (('OK', 'OK'), 'koen', 'same'),
        (('안녕', '안녕'), 'koen', 'same'),
        (('I saw Tom', '나는 Tom을 보았다'), 'koen', 'language'),
        (('나는 보았다', 'I saw'), 'enko', 'language'),
        (('나는 Tom을 보았다', 'I saw Tom'), 'enko', 'language'),
        (('I go', 'Ich gehe'), 'deen', None),
        (('日本へ行く', '나는 간다'), 'koja', 'language'),
        (('네', 'a ' * 10), 'koen', 'words'),
        (('네', 'a ' * 9), 'koen', None),
        (('나는 Tom을 보았다', 'I saw Tom'), 'koen', None),
        (('3', '3 pieces'), 'koen', None),
        (('OK라고 했다', 'He said OK'), 'koen', None),
    ],
)
def test_kinds_of_odd_pairs(chapter, pair, lang, kind):
    pair = tuple(' '.join(side.split()) for side in pair)
    odd = chapter.data_loader.find_odd({7: pair}, lang)

    assert [lines for name, lines in odd.items() if kind and kind in name] == (
        [[7]] if kind else []
    )
    assert sum(map(len, odd.values())) == bool(kind)


def test_odd_pairs_are_counted_and_dropped(chapter, tmp_path, capsys):
    pairs = [*PAIRS[:3], ('', 'x'), ('a b', 'a b'), PAIRS[3][::-1], ('네', 'a ' * 10)]
    prefix = write_pairs(tmp_path, pairs)

    x, y = chapter.data_loader.read_pairs(prefix, 'koen')
    assert len(x) == len(y) == 6
    output = capsys.readouterr().err
    assert '1 pairs have an empty side' in output
    for line, kind in ((5, 'same'), (6, 'language'), (7, 'nine times')):
        (found,) = (text for text in output.splitlines() if kind in text)
        assert '1 of 7 pairs have' in found and f'lines [{line}]; --drop_odd' in found
    kept = chapter.data_loader.read_pairs(prefix, 'koen', drop_odd=True)
    assert kept == tuple(map(list, zip(*PAIRS[:3], strict=True)))
    assert 'they are left out' in capsys.readouterr().err
    prefix = write_pairs(tmp_path, [('OK', 'OK')])
    with pytest.raises(
        chapter.guards.InputError, match='expected sentences, found none'
    ):
        chapter.data_loader.read_pairs(prefix, 'koen', drop_odd=True)


def test_the_samples_have_no_odd_pairs(chapter, capsys):
    for part in PARTS:
        chapter.data_loader.read_pairs(ROOT / '12_seq2seq/sample' / part, 'koen')

    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    'name',
    [
        '12_seq2seq/attention',
        pytest.param('12_seq2seq', marks=LONG),
        pytest.param('13_transformer', marks=LONG),
    ],
)
def test_training_and_translation_in_cp949(tmp_path, name):
    copy = copy_chapter(name, tmp_path)
    write_pairs(copy, PAIRS * 4, 'cp949')
    options = ['--train_fn', 'part', '--valid_fn', 'part', '--vocab_size', 400]
    sizes = ['--word_vec_size', 8] if name != '13_transformer' else []
    options += ['--hidden_size', 8, *sizes, '--n_epochs', 1, '--gpu_id', -1]
    refusal = run(copy, 'train.py', *options)

    assert refusal.returncode == 2
    place = 'part.ko, line 1: expected UTF-8, byte 1 is not'
    assert refusal.stderr == f'error: {place}; try again with --encoding cp949\n'
    run(copy, 'train.py', *options, '--encoding', 'cp949', '--drop_odd', check=True)
    command = ['translate.py', '--gpu_id', -1, '--ref_fn', 'part.en']
    command += ['--encoding', 'cp949', '--max_length', 5]
    content = (copy / 'part.ko').read_bytes().decode('utf-8', 'surrogateescape')
    result = run(copy, *command, stdin=content, check=True)
    assert len(result.stdout.splitlines()) == 120 and 'bleu' in result.stderr


# ---- AI-Hub


class ZipInfoOfWindows(zipfile.ZipInfo):
    """A name in CP949, without the flag of UTF-8, as Windows writes it in Korea."""

    def _encodeFilenameFlags(self):  # noqa: N802, which zipfile calls
        return self.filename.encode('cp949'), 0


def write_zip(fn, members):
    with zipfile.ZipFile(fn, 'w') as archive:
        for name, content in members.items():
            info = ZipInfoOfWindows(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def to_json(pairs, keys=('ko', 'en')):
    rows = [
        {'sn': f'A{i}', keys[0]: ko, keys[1]: en, 'mt': 'machine', 'words': [1, 2]}
        for i, (ko, en) in enumerate(pairs)
    ]
    return json.dumps({'data': rows}, ensure_ascii=False)


def to_csv(pairs, header=('번호', '원문', '번역문')):
    rows = [(i, *pair) for i, pair in enumerate(pairs)]
    return ''.join(
        ','.join(f'"{cell}"' for cell in row) + '\r\n' for row in [header, *rows]
    )


def to_xlsx(fn, pairs):
    book = Workbook()
    book.active.append(['한국어-영어 번역 말뭉치'])
    book.active.append([])
    book.active.append(['원문', '번역문'])
    for pair in pairs:
        book.active.append(pair)
    book.save(fn)


def get_pairs(folder):
    return sorted(
        pair
        for part in PARTS
        for pair in zip(
            (folder / f'{part}.ko').read_text('utf-8').splitlines(),
            (folder / f'{part}.en').read_text('utf-8').splitlines(),
            strict=True,
        )
    )


@pytest.fixture(scope='module')
def aihub(tmp_path_factory):
    """Run the program in this process: returns what it logs, or its error."""
    loaded = load_chapter('12_seq2seq')
    with importable(loaded):
        import prepare_aihub

        import guards

        def use(folder, *arguments, ratio=0.1):
            options = ['--out_dir', folder / 'out', *arguments]
            options += ['--valid_ratio', ratio, '--test_ratio', ratio]
            config = prepare_aihub.define_argparser().parse_args([*map(str, options)])
            try:
                prepare_aihub.main(config)
            except guards.InputError as error:
                assert len(str(error).splitlines()) == 1
                return str(error)
            return get_pairs(folder / 'out')

        yield use


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('a.json', to_json(PAIRS)),
        ('b.json', '\ufeff' + to_json(PAIRS, ('ko_original', 'en_original'))),
        ('c.json', json.dumps([{'한국어': ko, '영어': en} for ko, en in PAIRS])),
        (
            'd.json',
            json.dumps(
                {'a': {'b': [{'c': [{'원문': en, '번역문': ko}]} for ko, en in PAIRS]}}
            ),
        ),
        ('e.csv', to_csv(PAIRS)),
        ('f.csv', '\ufeff' + to_csv(PAIRS, ('sid', '한국어', '영어 번역문'))),
        ('g.txt', ''.join(f'{ko}\t{en}\n' for ko, en in PAIRS)),
        ('h.txt', 'en\tko\n' + ''.join(f'{en}\t{ko}\n' for ko, en in PAIRS)),
        ('i.TSV', '원문\t번역문\r\n' + ''.join(f'{ko}\t{en}\r\n' for ko, en in PAIRS)),
    ],
)
def test_each_kind_of_file(aihub, tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding='utf-8', newline='')
    assert aihub(tmp_path, tmp_path / name) == sorted(PAIRS)


@pytest.mark.parametrize('encoding', ['cp949', 'utf-16'])
@pytest.mark.parametrize('kind', ['json', 'csv', 'txt'])
def test_encodings_of_korea(aihub, tmp_path, kind, encoding):
    text = {
        'json': to_json(PAIRS),
        'csv': to_csv(PAIRS),
        'txt': ''.join(f'{ko}\t{en}\n' for ko, en in PAIRS),
    }
    fn = tmp_path / f'a.{kind}'
    fn.write_bytes(text[kind].encode(encoding))

    assert aihub(tmp_path, fn).endswith(f'try again with --encoding {encoding}')
    assert aihub(tmp_path, fn, '--encoding', encoding) == sorted(PAIRS)


def test_several_at_once_in_a_folder_and_in_a_zip_file(aihub, tmp_path, capsys):
    folder = tmp_path / '말뭉치 1'
    folder.mkdir()
    to_xlsx(folder / 'a.xlsx', PAIRS[:5])
    (folder / 'b.json').write_text(to_json(PAIRS[5:10]), encoding='utf-8')
    (folder / 'notes.pdf').write_bytes(b'%PDF')
    members = {
        '1.구어체/대화.csv': to_csv(PAIRS[10:15]),
        '../../밖.json': to_json(PAIRS[15:20]),
        '설명서.hwp': 'x',
    }
    write_zip(tmp_path / 'inner.zip', {'문어체.txt': 'ko\ten\n가나\tGana\n'})
    members['안.zip'] = (tmp_path / 'inner.zip').read_bytes()
    write_zip(tmp_path / 'Training.zip', members)

    expected = sorted([*PAIRS[:20], ('가나', 'Gana')])
    assert aihub(tmp_path, folder, tmp_path / 'Training.zip') == expected
    assert '1 files of other kinds are left out' in capsys.readouterr().err
    assert not [*tmp_path.parent.glob('밖*')]


def test_korean_names_in_a_zip_file_are_read(aihub, tmp_path):
    write_zip(tmp_path / 'a.zip', {'1.구어체/대화.csv': 'a,b\n1,2\n'})

    assert '1.구어체/대화.csv' in aihub(tmp_path, tmp_path / 'a.zip')


def test_rows_that_are_left_out_are_counted_by_reason(aihub, tmp_path, capsys):
    odd = [('', 'x'), PAIRS[0], ('OK', 'OK'), ('가', '나'), ('One', 'Two')]
    (tmp_path / 'a.json').write_text(to_json([*PAIRS, *odd]), encoding='utf-8')

    assert aihub(tmp_path, tmp_path / 'a.json') == sorted(PAIRS)
    output = capsys.readouterr().err
    assert 'left out, because both sides are in one language: 2' in output
    assert 'read: 33, empty: 1, identical: 1, duplicate: 1' in output


def break_zip(content):
    middle = len(content) // 3
    flipped = bytes(byte ^ 255 for byte in content[middle : middle + 40])
    return content[:middle] + flipped + content[middle + 40 :]


@pytest.mark.parametrize(
    ('name', 'content', 'words'),
    [
        (
            'a.json',
            '{"data": [{"ko": "가", "en": "a"}, {"ko": ',
            'a.json: expected a .json',
        ),
        ('b.json', 'no json', 'b.json: expected a .json file, this is damaged'),
        ('c.json', '{"data": [{"a": "b"}]}', 'expected columns such as .*, found a'),
        ('d.json', '{"data": []}', 'found none'),
        ('e.json', '{"src": "ko", "tgt_lang": "en"}', 'expected columns'),
        ('f.csv', '원문,번역문\n"가,a\n', 'expected a .csv file, this is damaged'),
        ('g.csv', '', 'found none'),
        ('h.txt', '가나다\n', 'expected columns such as .*, found 가나다'),
        ('i.pdf', 'x', 'expected one of .xlsx, .json'),
        ('j.zip', 'x', 'expected a .zip file, this is damaged'),
        ('missing.json', None, 'cannot be read: No such file'),
    ],
)
def test_a_bad_file_is_one_line(aihub, tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_text(content, encoding='utf-8')
    assert re.search(words, aihub(tmp_path, tmp_path / name))
    assert not [*(tmp_path / 'out').glob('train*')]


def test_a_damaged_or_encrypted_zip_file_is_one_line(aihub, tmp_path):
    fn = tmp_path / 'a.zip'
    write_zip(fn, {'가.json': to_json([(ko * 50, en) for ko, en in PAIRS])})
    content = fn.read_bytes()
    fn.write_bytes(break_zip(content))
    assert 'this is damaged' in aihub(tmp_path, fn)
    # The bit of encryption, in the header of the file and in the directory.
    marked = bytearray(content)
    marked[6] |= 1
    marked[content.rindex(b'PK\x01\x02') + 8] |= 1
    fn.write_bytes(marked)
    assert '가.json: is encrypted' in aihub(tmp_path, fn)


@pytest.mark.parametrize('n_pairs', [3, 4, 5])
def test_no_part_is_empty(aihub, tmp_path, n_pairs):
    (tmp_path / 'a.json').write_text(to_json(PAIRS[:n_pairs]), encoding='utf-8')

    assert aihub(tmp_path, tmp_path / 'a.json', ratio=0.01) == sorted(PAIRS[:n_pairs])
    assert all((tmp_path / f'out/{part}.ko').stat().st_size > 0 for part in PARTS)


def test_two_pairs_are_too_few(aihub, tmp_path):
    (tmp_path / 'a.json').write_text(to_json(PAIRS[:2]), encoding='utf-8')

    assert 'expected pairs for each part' in aihub(tmp_path, tmp_path / 'a.json')
    assert [*(tmp_path / 'out').iterdir()] == []


def test_a_large_file_needs_little_memory(chapter, tmp_path):
    """200,000 objects, 30 MB: their text is never in memory."""
    with importable(chapter):
        import prepare_aihub

        fn = tmp_path / 'large.json'
        row = json.dumps({'sn': 1, 'ko': '가나다라' * 5, 'en': 'Hello there ' * 5})
        with open(fn, 'w', encoding='utf-8') as file:
            file.write('{"data": [' + f'{row},\n' * 100_000 + f'{row}]}}')
        tracemalloc.start()
        n_pairs = sum(1 for _ in prepare_aihub.read_pairs(fn))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert n_pairs == 100_001
    assert fn.stat().st_size > 15_000_000
    assert peak < 2_000_000
