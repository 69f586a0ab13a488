"""Files as people have them: several pictures, tables of other programs, encodings."""

import argparse
import io
import re
import sys

import pytest
import torch
from attacks import run_here
from chapters import ROOT, importable, load_chapter
from PIL import Image, ImageDraw

PICTURE_CHAPTERS = {
    '02_mnist_tutorial': (),
    '04_advanced_pytorch': (),
    '05_cnn': (),
    '06_transfer_learning': (
        *('--model_name', 'squeezenet', '--image_size', '17'),
        *('--pretrained', 'none'),
    ),
    '07_rnn': (),
}
TEXT_CHAPTERS = ['09_word_embedding', 'appendix_word2vec', 'appendix_lda']
TABLE_OF_NSMC = (
    'id\tdocument\tlabel\n1\t좋은 영화, 최고\t1\n2\t나쁜 영화\t0\n3\t명작\t1\n'
)


def save_untrained(chapter, name, model_fn, *arguments, **more):
    """Save a model with random weights as a training would save it."""
    config = vars(chapter.train.define_argparser().parse_args([*arguments]))
    checkpoint = {'chapter': name, 'config': config, 'mean': 0.5, 'std': 0.5}
    checkpoint |= {'class_names': list('0123456789'), **more}
    torch.manual_seed(0)
    n_classes = len(checkpoint['class_names'])
    checkpoint['model'] = chapter.model.get_model(config, n_classes).state_dict()
    chapter.guards.save_checkpoint(checkpoint, model_fn)


def draw_seven(fn):
    image = Image.new('L', (60, 60), 255)
    ImageDraw.Draw(image).line([(15, 10), (45, 10), (25, 50)], fill=0, width=5)
    image.convert('RGB').save(fn)


# ---- Several inputs, of which one is bad


@pytest.mark.parametrize('name', [*PICTURE_CHAPTERS, 'folder'])
def test_a_bad_picture_does_not_stop_the_others(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for fn in ('a.png', 'b.jpg'):
        draw_seven(fn)
    (tmp_path / 'broken.png').write_bytes(b'\x89PNG\r\n\x1a\nbroken')
    fns = ['a.png', 'broken.png', 'b.jpg', 'missing.png', 'a.png']
    options, more = PICTURE_CHAPTERS.get(name), {}
    if name == 'folder':
        name, more = '06_transfer_learning', {'class_names': ['x', 'y']}
        options = [*PICTURE_CHAPTERS[name], '--dataset', 'folder', '--data_dir', '.']
    chapter = load_chapter(name)
    with importable(chapter):
        if name.startswith('06'):
            more |= {'mean': [0.5] * 3, 'std': [0.5] * 3}
        save_untrained(chapter, name, 'model.pth', *options, **more)

        with pytest.raises(SystemExit) as end:
            run_here(chapter.predict, '--image', *fns)
        captured = capsys.readouterr()
        assert (tmp_path / 'model.predict.png').read_bytes().startswith(b'\x89PNG')
        (tmp_path / 'model.predict.png').unlink()
        run_here(chapter.predict, '--image', 'a.png', 'b.jpg', 'a.png')
        good = capsys.readouterr()
        (tmp_path / 'model.predict.png').unlink()
        with pytest.raises(SystemExit) as end_of_none:
            run_here(chapter.predict, '--image', 'broken.png', 'missing.png')
        none = capsys.readouterr()

    assert end.value.code == end_of_none.value.code == 2
    assert captured.out == good.out
    assert [line.split('\t')[0] for line in good.out.splitlines()] == [
        *('a.png', 'b.jpg', 'a.png')
    ]
    errors = captured.err.splitlines()[:2]
    assert errors[0].startswith('error: broken.png: expected a picture: ')
    assert errors[1].startswith('error: missing.png: expected a picture: No such file')
    assert captured.err.count('error: ') == 2
    assert none.out == ''
    assert none.err.splitlines() == errors
    assert not (tmp_path / 'model.predict.png').exists()


@pytest.fixture
def custom(tmp_path, monkeypatch):
    """The chapter of one's own table, with a model that always gives the same."""
    monkeypatch.chdir(tmp_path)
    name = '04_advanced_pytorch/custom_dataset'
    chapter = load_chapter(name)
    with importable(chapter):
        config = vars(chapter.train.define_argparser().parse_args([]))
        checkpoint = {'chapter': name, 'config': config, 'class_names': ['no', 'yes']}
        checkpoint |= {'mean': torch.zeros(30), 'std': torch.ones(30)}
        torch.manual_seed(0)
        checkpoint['model'] = chapter.model.get_model(config, 30, 2).state_dict()
        chapter.guards.save_checkpoint(checkpoint, 'model.pth')
        yield chapter


def classify(chapter, content, capsys, *arguments):
    """Return the exit status, and what is printed of some bytes."""
    with open('x.csv', 'wb') as file:
        file.write(content)
    status = 0
    try:
        run_here(chapter.predict, '--input_fn', 'x.csv', *arguments)
    except SystemExit as end:
        status = end.code
    captured = capsys.readouterr()
    return status, captured.out.split('\n'), captured.err.splitlines()


def test_tables_of_other_programs(custom, capsys):
    names = custom.data_loader.get_feature_names()
    rows = [[f'{i * j + 0.25:.2f}' for i in range(30)] for j in range(3)]
    plain = '\n'.join(','.join(row) for row in [names, *rows]) + '\n'
    _, expected, errors = classify(custom, plain.encode(), capsys)
    assert errors == []
    assert len(set(expected)) == 4

    titles = [f' {name.title()} ' for name in names]
    german = '\n'.join(';'.join(row) for row in [names, *rows]).replace('.', ',')
    with_tabs = '\r\n'.join('\t'.join(row) for row in [titles, *rows])
    underscores = plain.replace('mean ', 'mean_').replace('worst ', 'WORST_')
    for content, encoding in (
        (german, 'utf-8'),
        (with_tabs, 'utf-16'),
        (underscores, 'cp949'),
        ('\ufeff' + plain, 'utf-8'),
    ):
        arguments = content.encode(encoding), capsys, '--encoding', encoding
        assert classify(custom, *arguments) == (0, expected, [])


def test_bad_rows_do_not_stop_the_others(custom, capsys):
    names = custom.data_loader.get_feature_names()
    row = ','.join(['1'] * 30)
    good = [','.join(names), row]
    _, (line, _), _ = classify(custom, '\n'.join(good).encode(), capsys)

    content = '\n'.join([*good, 'much' + row, row, row + ',1', '', '1,2', row])
    status, lines, errors = classify(custom, content.encode(), capsys)

    assert status == 2
    assert lines == [line, '', line, '', '', '', line, '']
    places = [error.split(': ')[1] for error in errors]
    assert places == ['x.csv:3', 'x.csv:5', 'x.csv:6', 'x.csv:7']
    assert "expected a number for 'mean radius', found 'much1'" in errors[0]
    assert 'expected no more values than columns' in errors[1]


def test_two_columns_of_one_name_are_refused(custom, capsys):
    names = custom.data_loader.get_feature_names()
    content = ','.join([*names, 'Mean Radius']) + '\n' + ','.join(['1'] * 31)

    with pytest.raises(custom.guards.InputError, match="a column 'mean radius', found"):
        classify(custom, content.encode(), capsys)


# ---- Encodings


def find_programs():
    """Return the programs of these chapters that have a parser, with those of text."""
    with_text = {
        *('01_linear_regression/main', '01_linear_regression/train'),
        *('01_linear_regression/predict', '04_advanced_pytorch/custom_dataset/predict'),
        *(f'08_preprocessing/{name}' for name in ('train', 'predict', 'refine')),
        *(f'08_preprocessing/{name}' for name in ('tokenizer', 'detokenizer')),
        '08_preprocessing/data_loader',
        *(f'{name}/{part}' for name in TEXT_CHAPTERS for part in ('train', 'predict')),
    }
    return sorted(with_text)


@pytest.mark.parametrize('program', find_programs())
def test_every_program_that_reads_text_has_encoding(program):
    name, _, module = program.rpartition('/')
    parser = getattr(load_chapter(name), module).define_argparser()

    assert isinstance(parser, argparse.ArgumentParser)
    assert parser.get_default('encoding') == 'utf-8'


def filter_text(program, content, monkeypatch, capsys, *arguments):
    """Return what a filter prints of the bytes on stdin."""
    stdin = io.TextIOWrapper(io.BytesIO(content), encoding='utf-8')
    monkeypatch.setattr(sys, 'stdin', stdin)
    program.main(program.define_argparser().parse_args([*arguments]))
    return capsys.readouterr().out


@pytest.mark.parametrize('encoding', ['cp949', 'euc-kr', 'utf-16', 'utf-8-sig'])
def test_filters_read_other_encodings(encoding, monkeypatch, capsys):
    chapter = load_chapter('08_preprocessing')
    content = '1\t정말 재미있었다!\r\n\r\n0\t별로\r\n'.encode(encoding)
    rules_fn = str(ROOT / '08_preprocessing' / 'rules.tsv')
    programs = {
        chapter.refine: (rules_fn, '1'),
        chapter.tokenizer: ('--column', '1', '--lang', 'en'),
        chapter.detokenizer: ('--column', '1'),
    }
    with importable(chapter):
        for program, arguments in programs.items():
            options = *arguments, '--encoding', encoding
            text = filter_text(program, content, monkeypatch, capsys, *options)
            assert [line.split('\t')[0] for line in text.split('\n')] == [
                *('1', '', '0', '')
            ]
            assert '재미있었다' in text
        with pytest.raises(chapter.guards.InputError, match='no encoding|unknown enc'):
            filter_text(
                *(chapter.detokenizer, content, monkeypatch, capsys),
                *('--encoding', 'no_encoding'),
            )


def test_points_of_excel(tmp_path, capsys, monkeypatch):
    chapter = load_chapter('01_linear_regression')
    fn = tmp_path / 'points.csv'
    fn.write_bytes('이름;X ; Y\r\n점;1,5;2\r\n점;3;4,25\r\n'.encode('cp949'))

    with pytest.raises(chapter.guards.InputError, match='again with --encoding cp949$'):
        chapter.utils.load_data(fn)
    x, y = chapter.utils.load_data(fn, 'cp949')

    assert (x.tolist(), y.tolist()) == ([[1.5], [3]], [[2], [4.25]])


# ---- Tables of texts


def read_examples(content, tmp_path, *arguments, name='x.tsv', encoding='utf-8'):
    """Return the chapter, and what its data_loader prints of a table."""
    chapter = load_chapter('08_preprocessing')
    fn = tmp_path / name
    fn.write_bytes(content.encode(encoding))
    options = ['--train_fn', str(fn), '--encoding', encoding, *arguments]
    with importable(chapter):
        program = chapter.data_loader
        try:
            program.main(program.define_argparser().parse_args(options))
        except chapter.guards.InputError as error:
            return str(error)
    return ''


@pytest.mark.parametrize(
    ('content', 'arguments', 'name', 'encoding'),
    [
        ('label\ttext\n1\ta b\n0\tc\n1\td\n', (), 'x.tsv', 'utf-8'),
        ('\ufeff TEXT \t Label\na b\t1\nc\t0\nd\t1\n', (), 'x.tsv', 'utf-8'),
        ('id\tdocument\tlabel\n7\ta b\t1\n8\tc\t0\n9\td\t1\n', (), 'x.txt', 'utf-8'),
        ('리뷰,라벨\n"a b",1\nc,0\nd,1\n', (), 'x.csv', 'cp949'),
        ('문장;라벨\na b;1\nc;0\nd;1\n', (), 'X.CSV', 'utf-16'),
        (
            '7\ta b\t1\n8\tc\t0\n9\td\t1\n',
            ('--text_column', '1', '--label_column', '2'),
            *('x.tsv', 'utf-8'),
        ),
        (
            'stars\twords\n1\ta b\n0\tc\n1\td\n',
            ('--text_column', 'Words', '--label_column', 'stars'),
            *('x.tsv', 'utf-8'),
        ),
    ],
)
def test_columns_are_found(content, arguments, name, encoding, tmp_path, capsys):
    given = {'name': name, 'encoding': encoding}
    assert read_examples(content, tmp_path, *arguments, **given) == ''

    captured = capsys.readouterr()
    assert 'n_lines: 3\nn_words: 6\nlabels: 1 0\n' in captured.out
    assert ': 1 of class 0, 2 of class 1\n' in captured.err
    assert 'warning: classes with one text, or less than 1 % of all: 0' in captured.err


@pytest.mark.parametrize(
    ('content', 'arguments', 'found'),
    [
        ('a b\t1\nc\t0\nd\t1\ne\t0\n', (), "found 4 labels in 4 lines, such as 'a b'"),
        ('7\ta\t1\n8\tb\t0\n', (), "line 1: expected .* found 3 columns: .'7', 'a'"),
        ('1\ta\n0\tb\tc\n', (), "line 2: expected .* found 3 columns: .'0', 'b'"),
        (TABLE_OF_NSMC, ('--label_column', 'stars'), "found .*'document'"),
        (TABLE_OF_NSMC, ('--label_column', '3'), "found .*'document'"),
        ('label\ttext\n', (), 'expected labelled texts, found none'),
    ],
)
def test_what_was_seen_and_what_to_give(content, arguments, found, tmp_path):
    error = read_examples(content, tmp_path, *arguments)

    assert re.search(found, error), error
    assert '--label_column' in error or 'found none' in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize('name', ['08_preprocessing', *TEXT_CHAPTERS])
@pytest.mark.parametrize('suffix', ['txt', 'csv'])
def test_a_table_is_not_read_as_text(name, suffix, tmp_path, capsys):
    chapter = load_chapter(name)
    fn = tmp_path / f'ratings.{suffix}'
    table = TABLE_OF_NSMC
    if suffix == 'csv':
        table = table.replace(', ', ' ').replace('\t', ',')
    fn.write_bytes(table.encode('cp949'))
    read_texts = chapter.tables.read_texts

    with pytest.raises(chapter.guards.InputError, match='with --column, such as 1$'):
        read_texts(-1, fn, 'cp949')
    texts = list(read_texts(1, fn, 'cp949'))

    assert texts[1:] == ['나쁜 영화', '명작']
    assert texts[0].startswith('좋은 영화')
    assert "line 1 is a header, the text is 'document'" in capsys.readouterr().err


@pytest.mark.parametrize('name', ['08_preprocessing', *TEXT_CHAPTERS])
def test_texts_stay_texts(name, tmp_path, capsys):
    """What only looks like a header is a text, and no text is lost."""
    chapter = load_chapter(name)
    fn = tmp_path / 'texts.txt'
    for content, column in (
        ('text\nb, c\n', -1),
        ('review, text and sentence\n\nb\n', -1),
        ('0\t리뷰\n1\tb\n', 1),
        ('', -1),
    ):
        fn.write_text(content, encoding='utf-8')
        lines = content.split('\n')[:-1] or ['']
        expected = [line.split('\t')[column] if line else '' for line in lines]
        assert list(chapter.tables.read_texts(column, fn)) == expected
    assert capsys.readouterr().err == ''

    fn.write_text('리뷰\na\n', encoding='utf-8')
    assert list(chapter.tables.read_texts(0, fn)) == ['a']
    assert 'line 1 is a header' in capsys.readouterr().err

    fn.write_text('1\ta\n0\tb\n', encoding='utf-8')
    assert list(chapter.tables.read_texts(-1, fn)) == ['1\ta', '0\tb']
    assert 'line 1 has tabs; if this is a table' in capsys.readouterr().err
