"""Tables of texts and of labelled texts as people have them: tables.py, labels.py."""

import os

import pytest
from chapters import copy_chapter, importable, load_chapter, run

NAME = '10_text_classification/lstm'
IS_LONG = os.environ.get('TEST_LONG') == '1'
# As NSMC's own file: an id, the text, the label.
NSMC = 'id\tdocument\tlabel\n' + ''.join(
    f'{9000 + i}\t좋은 영화 {i}\t{i % 2}\n' for i in range(8)
)
SWAPPED = ''.join(f'영화 {i}\t{"좋음" if i % 2 else "나쁨"}\n' for i in range(8))


@pytest.fixture(scope='module')
def tables():
    loaded = load_chapter(NAME)
    with importable(loaded):
        yield loaded.labels


def read(tables, folder, content, name='table.tsv', **options):
    fn = folder / name
    fn.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = tables.read_table(fn, **options)
    return [(line, *row) for line, row in zip(table.index, table.values, strict=True)]


@pytest.mark.parametrize(
    ('content', 'rows'),
    [
        ('label\ttext\n1\ta\n0\tb\n', [(2, '1', 'a'), (3, '0', 'b')]),
        ('Text\t LABEL \na\t1\nb\t0\n', [(2, '1', 'a'), (3, '0', 'b')]),
        ('\ufeff리뷰\t라벨\n좋다\t긍정\n', [(2, '긍정', '좋다')]),
        ('문장\t번호\t감정\n좋다\t1\t긍정\n', [(2, '긍정', '좋다')]),
        ('ＬＡＢＥＬ\tdocument\n1\ta\n', [(2, '1', 'a')]),
        # A known name beside one column whose cell is no label of the file.
        ('sentiment_kr\tdocument\n1\ta\n0\tb\n', [(2, '1', 'a'), (3, '0', 'b')]),
        # No header, though a text is such a word.
        ('1\t리뷰\n1\t문서\n', [(1, '1', '리뷰'), (2, '1', '문서')]),
        # Further tabs are part of the text, if it is the last column of a header.
        ('label\ttext\n1\ta\tb\n', [(2, '1', 'a\tb')]),
    ],
)
def test_a_header_is_recognised(tables, tmp_path, content, rows):
    assert read(tables, tmp_path, content) == rows


def test_the_file_of_nsmc(tables, tmp_path):
    rows = [(i + 2, str(i % 2), f'좋은 영화 {i}') for i in range(8)]

    assert read(tables, tmp_path, NSMC) == rows
    insisted = {'label_column': 'Label', 'text_column': 'DOCUMENT'}
    assert read(tables, tmp_path, NSMC, **insisted) == rows
    headless = NSMC.split('\n', 1)[1]
    numbers = {'label_column': '2', 'text_column': '1'}
    assert read(tables, tmp_path, headless, **numbers) == [
        (line - 1, label, text) for line, label, text in rows
    ]
    assert read(tables, tmp_path, NSMC, **numbers) == rows


def test_columns_in_the_other_order(tables, tmp_path):
    expected = [(i + 1, '좋음' if i % 2 else '나쁨', f'영화 {i}') for i in range(8)]

    assert read(tables, tmp_path, SWAPPED, label_column='1') == expected
    assert read(tables, tmp_path, SWAPPED, text_column='0') == expected


def test_a_number_is_no_name(tables, tmp_path):
    rows = [(1, '1', 'a'), (2, '0', 'b')]

    assert read(tables, tmp_path, '1\ta\n0\tb\n', label_column='0') == rows


@pytest.mark.parametrize(
    ('content', 'options', 'message'),
    [
        (
            NSMC.split('\n', 1)[1],
            {},
            "line 1: expected .*, found 3 columns: .'9000', .*",
        ),
        (SWAPPED, {}, "found 8 labels in 8 lines, such as '영화 0'; .*--label_column"),
        ('a\t1\nb\t0\na\t1\nb\t2\nc\t1\n', {}, None),
        ('영화\t1\n음악\t0\n책\t1\n', {}, 'found 3 labels in 3 lines'),
        ('1\ta\n0\tb\tc\n', {}, 'line 2: expected .*, found 3 columns'),
        ('1\ta\n0\n', {}, "line 2: .* found one column, '0'"),
        ('label,text\n1,a\n', {}, "one column, 'label,text'; .* ends in .csv"),
        ('text\tlabel\n1\ta\n1\tb\n0\tc\n', {}, 'found 3 labels in 3 lines'),
        (
            b'PK\3\4\xff\xff',
            {},
            'line 1: .* found an Excel or zip file; save it as CSV',
        ),
        (b'\xd0\xcf\x11\xe0\xa1', {}, 'found an Excel or zip file'),
        (NSMC, {'label_column': '별점'}, 'see --label_column, found .*document'),
        (NSMC, {'label_column': '3'}, 'see --label_column'),
        (NSMC, {'text_column': 'id'}, None),
        ('a\tb\tc\n1\t2\t3\n', {'text_column': 'a'}, 'expected both'),
        ('text\treview\tlabel\na\tb\t1\n', {}, 'one column of the text, see --text'),
        ('label\ttext\n', {}, 'expected labelled texts, found none'),
        ('id\ttext\tlabel\n1\ta\n', {}, 'line 2: expected 3 columns, found 2'),
    ],
)
def test_a_table_read_wrongly_is_one_line(tables, tmp_path, content, options, message):
    if message is None:
        assert read(tables, tmp_path, content, **options)
        return
    with pytest.raises(tables.InputError, match=message) as refusal:
        read(tables, tmp_path, content, **options)
    assert len(str(refusal.value).splitlines()) == 1


def test_csv(tables, tmp_path):
    content = (
        'id,document,label\n1,"좋다, 정말\n두 줄",1\n2,"그는 ""네""라고",0\n3,a,0\n'
    )
    rows = [(2, '1', '좋다, 정말\n두 줄'), (4, '0', '그는 "네"라고'), (5, '0', 'a')]

    assert read(tables, tmp_path, content, 'table.csv') == rows
    headless = '1,좋다\n0,"나쁘다, 아주"\n'
    rows = [(1, '1', '좋다'), (2, '0', '나쁘다, 아주')]
    assert read(tables, tmp_path, headless, 'TABLE.CSV') == rows
    with pytest.raises(tables.InputError, match='line 2: expected CSV: unexpected end'):
        read(tables, tmp_path, 'document,label\n"좋다,1\na,0\n', 'table.csv')


@pytest.mark.parametrize('separator', [',', ';', '\t'])
@pytest.mark.parametrize('encoding', ['cp949', 'euc-kr', 'utf-16', 'utf-8-sig'])
def test_what_excel_writes(tables, tmp_path, separator, encoding):
    content = '문장,라벨\r\n좋다,긍정\r\n나쁘다,부정\r\n'.replace(',', separator)
    rows = [(2, '긍정', '좋다'), (3, '부정', '나쁘다')]

    options = {'name': 'table.csv', 'encoding': encoding}
    assert read(tables, tmp_path, content.encode(encoding), **options) == rows


def test_classes_are_counted_and_rare_ones_named(tables, tmp_path, capsys):
    content = '1\ta\n' * 150 + '0\tb\n' * 150 + '2\tc\n' * 2 + '3\td\n'
    read(tables, tmp_path, content)
    table = tables.read_table(tmp_path / 'table.tsv')

    assert tables.get_class_names(table, 'x') == ['0', '1', '2', '3']
    output = capsys.readouterr().err
    assert 'x: 150 of class 0, 150 of class 1, 2 of class 2, 1 of class 3\n' in output
    assert output.endswith('one text, or less than 1 % of all: 2, 3\n')


def test_of_many_classes_only_the_first_are_named(tables, tmp_path, capsys):
    content = 'stars\ttext\n' + ''.join(f'{i}\tab {i}\n' for i in range(999))
    read(tables, tmp_path, content, label_column='stars')
    table = tables.read_table(tmp_path / 'table.tsv', label_column='stars')

    assert len(tables.get_class_names(table, 'x')) == 999
    for line in capsys.readouterr().err.strip().split('\n')[-2:]:
        assert line.endswith('and 949 more')
        assert len(line) < 1200


def test_labels_of_one_meaning(tables, tmp_path, capsys):
    labels = (
        ['Positive'] * 50 + ['positive'] * 44 + ['0'] * 106 + ['0.0', '０', 'po sitive']
    )
    read(tables, tmp_path, ''.join(f'{a}\ttext {i}\n' for i, a in enumerate(labels)))
    table = tables.read_table(tmp_path / 'table.tsv')

    assert len(tables.get_class_names(table, 'x')) == 6
    output = capsys.readouterr().err
    found = "'Positive' (50), 'positive' (44), 'po sitive' (1); --merge_labels"
    assert found in output
    assert "'0' (106), '0.0' (1), '０' (1); --merge_labels" in output
    names = tables.get_class_names(table, 'x', merge=True)
    assert names == ['0', 'Positive']
    y = tables.get_labels(table, names, 'x', merge=True)
    assert y == [1] * 94 + [0] * 108 + [1]
    # 10 and 1 have nothing in common, nor have 1.5 and 15.
    assert len({tables.simplify(name) for name in ['10', '1', '1.5', '15', '1.0']}) == 4


def test_repeated_texts(tables, tmp_path, capsys):
    read(tables, tmp_path, '1\ta\n0\tb\n1\ta\n0\tc\n1\tc\n1\td\n0\te\n')
    table = tables.read_table(tmp_path / 'table.tsv')

    assert tables.drop_duplicates(table, 'x', drop=False) is table
    message = 'x: 2 texts repeat an earlier one; 1 texts have several labels; '
    assert f'{message}--drop_duplicates' in capsys.readouterr().err
    assert [*tables.drop_duplicates(table, 'x', drop=True)['text']] == [
        'a',
        'b',
        'd',
        'e',
    ]


@pytest.mark.parametrize(
    'name',
    [
        NAME,
        pytest.param(
            '10_text_classification',
            marks=pytest.mark.skipif(not IS_LONG, reason='five processes: TEST_LONG=1'),
        ),
    ],
)
def test_from_a_file_of_excel_to_a_score(tmp_path, name):
    """Train with another encoding, and see the training texts in the test again."""
    chapter = copy_chapter(name, tmp_path)
    lines = [
        f'{"좋은" if i % 2 else "나쁜"} 영화 {i},{"긍정" if i % 2 else "부정"}\n'
        for i in range(40)
    ]
    text = '리뷰,라벨\n' + ''.join(lines)
    (chapter / 'own.csv').write_bytes(text.encode('cp949'))
    options = ['--n_epochs', 1, '--tokenizer', 'space', '--verbose', 0, '--gpu_id', -1]

    refusal = run(chapter, 'train.py', '--train_fn', 'own.csv', *options)
    assert refusal.returncode == 2
    advice = 'own.csv, line 1: expected UTF-8, byte 1 is not; try again with --encoding'
    assert refusal.stderr == f'error: {advice} cp949\n'
    data = ['--train_fn', 'own.csv', '--encoding', 'cp949']
    training = run(chapter, 'train.py', *data, *options, check=True)
    assert '20 of class 긍정, 20 of class 부정' in training.stderr

    data = ['--test_fn', 'own.csv', '--encoding', 'cp949', '--gpu_id', -1]
    score = run(chapter, 'predict.py', *data, check=True)
    assert 'n_texts: 40\n' in score.stdout
    assert '36 of 40 texts are training texts, too' in score.stderr
    score = run(chapter, 'predict.py', *data, '--drop_duplicates', check=True)
    assert 'n_texts: 4\n' in score.stdout
