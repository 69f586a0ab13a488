"""The shape comments of all chapters are right, and a wrong one would be noticed."""

import traceback
from textwrap import dedent
from unittest import mock

import numpy
import pytest
import torch
from bert import make_bert
from chapters import ROOT, all_chapters, importable
from PIL import Image
from shape_comments import load_checked_chapter
from sklearn.datasets import load_breast_cancer
from torch.nn.utils.rnn import pack_sequence
from translators import make_translator


def run_main(module, folder, *arguments):
    """Run the program of a module in this process, with its model in a folder."""
    model = ['--gpu_id', '-1', '--model_fn', str(folder / 'model.pth')]
    module.main(module.define_argparser().parse_args([*model, *arguments]))


def draw_digit(folder):
    """Draw a one, and return the path of the picture."""
    picture_fn = folder / 'one.png'
    picture = Image.new('L', (40, 40), 'white')
    picture.paste('black', (18, 8, 22, 32))
    picture.save(picture_fn)
    return picture_fn


def exercise_01(chapter, folder):
    run_main(chapter.main, folder, '--n_epochs', '2')
    run_main(chapter.train, folder, '--n_epochs', '2')
    run_main(chapter.predict, folder, '--x', '4.5')


def exercise_02(chapter, folder):
    digits = ['--n_epochs', '1', '--dataset', 'digits', '--hidden_sizes', '20']
    run_main(chapter.train, folder, *digits)
    run_main(chapter.predict, folder)
    run_main(chapter.train, folder, *digits, *write_mnist(folder))
    run_main(chapter.predict, folder)
    run_main(chapter.predict, folder, '--image', str(draw_digit(folder)))


def exercise_03(chapter, folder):
    digits = ['--n_epochs', '1', '--dataset', 'digits', '--hidden_sizes', '20']
    run_main(chapter.train, folder, *digits)
    run_main(chapter.predict, folder)
    run_main(chapter.train, folder, *digits, *write_mnist(folder))


def write_mnist(folder):
    """Write a few images where torchvision looks for MNIST, and return the options."""
    raw = folder / 'MNIST' / 'raw'
    raw.mkdir(parents=True, exist_ok=True)
    images = numpy.arange(40 * 28 * 28, dtype='>u4').astype('u1').tobytes()
    header = bytes([0, 0, 8, 3]) + numpy.array([40, 28, 28], '>u4').tobytes()
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 40, *[0, 1, 2, 3] * 10])
    for part in ('train', 't10k'):
        (raw / f'{part}-images-idx3-ubyte').write_bytes(header + images)
        (raw / f'{part}-labels-idx1-ubyte').write_bytes(labels)
    return ['--dataset', 'mnist', '--data_dir', str(folder)]


def exercise_04(chapter, folder):
    digits = ['--n_epochs', '1', '--dataset', 'digits', '--hidden_sizes', '20']
    run_main(chapter.train, folder, *digits)
    run_main(chapter.predict, folder)
    run_main(chapter.train, folder, *digits, *write_mnist(folder))
    run_main(chapter.predict, folder)
    run_main(chapter.predict, folder, '--image', str(draw_digit(folder)))


def exercise_custom_dataset(chapter, folder):
    run_main(chapter.train, folder, '--n_epochs', '1')
    run_main(chapter.predict, folder)

    rows_fn = folder / 'rows.csv'
    load_breast_cancer(as_frame=True).data.head().to_csv(rows_fn, index=False)
    run_main(chapter.predict, folder, '--input_fn', str(rows_fn))


def exercise_05(chapter, folder):
    digits = ['--n_epochs', '1', '--dataset', 'digits', '--hidden_sizes', '20']
    run_main(chapter.train, folder, *digits, '--model', 'fc')
    run_main(chapter.predict, folder)
    mnist = write_mnist(folder)
    run_main(chapter.train, folder, *digits, *mnist, '--model', 'cnn')
    run_main(chapter.predict, folder, '--image', str(draw_digit(folder)))


def exercise_06(chapter, folder):
    squeezenet = ['--model_name', 'squeezenet', '--image_size', '17']
    few = ['--n_epochs', '1', '--n_train', '40', '--pretrained', 'none', *squeezenet]
    run_main(chapter.pretrain, folder, *squeezenet, '--n_images', '20')
    run_main(chapter.train, folder, *write_mnist(folder), *few)
    run_main(chapter.train, folder, '--dataset', 'digits', *few)
    run_main(chapter.predict, folder)
    picture_fn = draw_digit(folder)
    run_main(chapter.predict, folder, '--image', str(picture_fn))

    for number in range(6):
        copy_fn = folder / 'classes' / f'{number % 2}' / f'{number}.png'
        copy_fn.parent.mkdir(parents=True, exist_ok=True)
        copy_fn.write_bytes(picture_fn.read_bytes())
    data = ['--dataset', 'folder', '--data_dir', str(folder / 'classes')]
    run_main(chapter.train, folder, *data, *few, '--n_train', '4')
    run_main(chapter.predict, folder, '--image', str(picture_fn))


def exercise_07(chapter, folder):
    exercise_05(chapter, folder)
    run_main(chapter.train, folder, '--n_epochs', '1', '--dataset', 'digits')
    run_main(chapter.predict, folder)


def exercise_08(chapter, folder):
    train_fn = str(ROOT / '08_preprocessing' / 'sample.train.tsv')
    options = ['--train_fn', train_fn, '--batch_size', '16']
    chapter.data_loader.main(chapter.data_loader.define_argparser().parse_args(options))


def exercise_10(chapter, folder):
    sample = ROOT / '10_text_classification' / 'sample' / 'test.tsv'
    data = ['--train_fn', str(sample), '--cache_dir', str(folder)]
    sizes = ['--word_vec_size', '6', '--n_gram_vec_size', '3']
    sizes += ['--hidden_size', '5', '--n_filters', '7']
    bert = ['--pretrained_model_name', make_bert(folder / 'bert', 'abcde')]
    for kind in ('rnn', 'cnn', 'bert'):
        options = ['--model', kind, '--tokenizer', 'space', *sizes, *bert]
        run_main(chapter.train, folder, '--n_epochs', '1', *data, *options)
        figure_fn = str(folder / 'words.png')
        run_main(
            chapter.predict, folder, '--test_fn', str(sample), '--figure_fn', figure_fn
        )
        model_fn = folder / 'model.pth'
        classifier = chapter.predict.Classifier(model_fn, torch.device('cpu'))
        network = chapter.export.get_network(classifier.model)
        network(*chapter.export.get_batch((2, 3), classifier))
        chapter.export.get_examples(classifier)


def exercise_lstm(chapter, folder):
    sample = str(ROOT / '10_text_classification' / 'sample' / 'test.tsv')
    sizes = ['--word_vec_size', '6', '--hidden_size', '5', '--tokenizer', 'space']
    run_main(chapter.train, folder, '--n_epochs', '1', '--train_fn', sample, *sizes)
    run_main(chapter.predict, folder, '--test_fn', sample)
    with open(sample, encoding='utf-8') as file, mock.patch('sys.stdin', file):
        run_main(chapter.predict, folder)


def exercise_lda(chapter, folder):
    documents_fn = folder / 'documents.txt'
    documents_fn.write_text('Arafat met Hamas\n\nbush fires\n', encoding='utf-8')
    for engine in ('torch', 'lsa'):
        run_main(chapter.train, folder, '--n_epochs', '1', '--engine', engine)
        with (
            open(documents_fn, encoding='utf-8') as file,
            mock.patch('sys.stdin', file),
        ):
            run_main(chapter.predict, folder, '--n_similar', '2')


def exercise_words(chapter, folder):
    """Train both kinds of vectors on little text; the questions on stdin are none."""
    text_fn = folder / 'text.txt'
    text_fn.write_text('the cat sat on the mat\n' * 40, encoding='utf-8')
    options = ['--train_fn', str(text_fn), '--sample', '0', '--n_epochs', '1']
    for model in ('skipgram', 'cbow'):
        run_main(chapter.train, folder, *options, '--model', model)
    with pytest.raises(chapter.utils.InputError, match='wordsim353'):
        run_main(chapter.predict, folder, '--evaluate')
    if hasattr(chapter, 'onnx_parts'):
        rows = chapter.onnx_parts.Rows(chapter.model.load_vectors(folder / 'model.pth'))
        network = chapter.onnx_parts.WordVectors(rows.get_table())
        network(rows.get_batch(rows.words[:2]))


def exercise_translation(chapter, folder):
    prefix = folder / 'pairs'
    for lang, words in (('ko', '나는 물을 마신다'), ('en', 'I drink some water')):
        lines = [' '.join(words.split()[:n]) + '\n' for n in (2, 3, 4)] * 4
        prefix.with_suffix(f'.{lang}').write_text(''.join(lines), encoding='utf-8')
    data = ['--train_fn', str(prefix), '--valid_fn', str(prefix), '--vocab_size', '300']
    train = [*data, '--n_epochs', '1', '--n_layers', '2']
    if hasattr(chapter, 'fast'):
        train += ['--cache_dir', str(folder)]
    figure_fn = str(folder / 'attention.png')
    if hasattr(chapter.model, 'MultiHeadAttention'):
        regular = ['--r_drop', '5', '--word_dropout_p', '0.1', '--ema_decay', '0.9']
        runs = [['--norm', 'post', '--joint', '--vocab_size', '350', *regular]]
        runs += [['--attention', 'plain', '--no-fast'], ['--attention', 'sdpa']]
    else:
        runs = [['--no-fast'], ['--fast']] if hasattr(chapter, 'fast') else [[]]
    for options in runs:
        run_main(chapter.train, folder, *train, *options)
        with (
            open(prefix.with_suffix('.ko'), encoding='utf-8') as file,
            mock.patch('sys.stdin', file),
        ):
            searching = [option for option in options if option.endswith('fast')]
            run_main(chapter.translate, folder, '--attention_fn', figure_fn, *searching)
        if '--norm' in options:
            exercise_marian(chapter, folder)
    if not hasattr(chapter, 'fast'):
        return
    model_fn = folder / 'model.pth'
    translator = chapter.translate.Translator([model_fn], torch.device('cpu'))
    x, lengths = torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([3, 2])
    chapter.search.greedy_search(translator, x, lengths, 2, 3, 9)
    plain = chapter.translate.Translator([model_fn], torch.device('cpu'), is_fast=False)
    model = plain.models[0]
    chapter.export.get_inputs(chapter.steps.Start(model), chapter.steps.Step(model), 2)
    # A vocabulary that is large enough for groups.
    chapter.fast.topk(torch.randn(2, 3, 1001), 5)


def exercise_minimum_risk(chapter, folder):
    prefix = folder / 'pairs'
    for lang, words in (('ko', '나는 물을 마신다'), ('en', 'I drink some water')):
        lines = [' '.join(words.split()[:n]) + '\n' for n in (2, 3, 4)]
        prefix.with_suffix(f'.{lang}').write_text(''.join(lines), encoding='utf-8')
    data = ['--train_fn', str(prefix), '--valid_fn', str(prefix)]
    data += ['--cache_dir', str(folder), '--pretrained_fn', str(folder / 'begin.pth')]
    runs = [
        ('12_seq2seq', {}, ['--metric', 'chrf', '--method', 'reinforce']),
        ('13_transformer', {'attention': 'plain'}, ['--include_reference']),
        ('13_transformer', {'norm': 'post'}, []),
    ]
    for name, extra, options in runs:
        make_translator(folder / 'begin.pth', name, prefix, 300, **extra)
        run_main(chapter.train, folder, *data, *options)
        figure_fn = str(folder / 'attention.png')
        with (
            open(prefix.with_suffix('.ko'), encoding='utf-8') as file,
            mock.patch('sys.stdin', file),
        ):
            run_main(chapter.translate, folder, '--attention_fn', figure_fn)
    # A vocabulary that is large enough for groups.
    chapter.fast.topk(torch.randn(2, 3, 1001), 5)


def exercise_dual_learning(chapter, folder):
    """Train both directions with small language models; translate, and back."""
    prefix = folder / 'pairs'
    for lang, words in (('ko', '나는 물을 마신다'), ('en', 'I drink some water')):
        lines = [' '.join(words.split()[:n]) + '\n' for n in (2, 3, 4)] * 4
        prefix.with_suffix(f'.{lang}').write_text(''.join(lines), encoding='utf-8')
    data = ['--train_fn', str(prefix), '--valid_fn', str(prefix)]
    data += ['--cache_dir', str(folder), '--n_epochs', '1', '--n_layers', '1']
    lm_fns = [str(folder / f'lm.{lang}.pth') for lang in ('ko', 'en')]
    plain = ['--attention', 'plain', '--no-fast', '--norm', 'post']
    for options in (plain, ['--attention', 'sdpa']):
        for lang, lm_fn in zip(('ko', 'en'), lm_fns, strict=True):
            lm = ['--lang', lang, '--vocab_size', '300', '--model_fn', lm_fn]
            run_main(chapter.train_lm, folder, *data, *options, *lm)
        run_main(chapter.train, folder, *data, *options, '--lm_fn', *lm_fns)
        exercise_search(chapter, folder, prefix.with_suffix('.ko'), options)


def exercise_search(chapter, folder, text_fn, options):
    """Translate by all searches, draw attention, and sample."""
    searching = [option for option in options if option.endswith('fast')]
    with open(text_fn, encoding='utf-8') as file, mock.patch('sys.stdin', file):
        figure_fn = str(folder / 'attention.png')
        run_main(chapter.translate, folder, '--attention_fn', figure_fn, *searching)
    samples = ['--method', 'sample', '--mono_fn', str(text_fn), *searching]
    # Alone in its batch, since a batch becomes smaller while greedy search runs.
    samples += ['--out_fn', str(folder / f'back{len(searching)}'), '--batch_size', '1']
    run_main(chapter.back_translate, folder, *samples)
    # A vocabulary that is large enough for groups.
    chapter.fast.topk(torch.randn(2, 3, 1001), 5)


def exercise_marian(chapter, folder):
    """Export the network of a folder to Marian's format, and import it again."""
    for module, *options in (
        (chapter.export_marian, '--out_dir', folder / 'marian'),
        (chapter.import_marian, folder / 'marian'),
    ):
        options += ['--model_fn', folder / 'model.pth']
        module.main(module.define_argparser().parse_args(list(map(str, options))))


# For each chapter with shape comments, a function that runs all the code they stand in,
# real training steps among it. It gets the loaded chapter and an empty folder.
EXERCISES = {
    '01_linear_regression': exercise_01,
    '02_mnist_tutorial': exercise_02,
    '03_mnist_autoencoder': exercise_03,
    '04_advanced_pytorch': exercise_04,
    '04_advanced_pytorch/custom_dataset': exercise_custom_dataset,
    '05_cnn': exercise_05,
    '06_transfer_learning': exercise_06,
    '07_rnn': exercise_07,
    '08_preprocessing': exercise_08,
    '10_text_classification': exercise_10,
    '10_text_classification/lstm': exercise_lstm,
    '12_seq2seq': exercise_translation,
    '12_seq2seq/attention': exercise_translation,
    '12_seq2seq/minimum_risk': exercise_minimum_risk,
    '13_transformer': exercise_translation,
    '13_transformer/dual_learning': exercise_dual_learning,
    'appendix_lda': exercise_lda,
    '09_word_embedding': exercise_words,
    'appendix_word2vec': exercise_words,
}


@pytest.mark.parametrize('name', all_chapters())
def test_shape_comments_of_chapter(name, tmp_path):
    chapter, checks = load_checked_chapter(name)

    if checks.comments:
        assert name in EXERCISES, f'nothing exercises the shape comments of {name}'
        with importable(chapter):
            EXERCISES[name](chapter, tmp_path)

    assert checks.unexecuted() == []


NETWORK = """\
from torch import nn


class Network(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.layer = nn.Linear(4, hidden_size)

    def forward(self, x):
        # |x| = (batch_size, 4)
        # |self.layer.weight| = (hidden_size, 4)
        y = self.layer(x)
        # |y| = (batch_size, hidden_size)
        return y.sum()
"""


def load(folder, source):
    """Write a chapter with this `model.py`; return that module and its checks."""
    chapter = folder / '01_made_up'
    chapter.mkdir(exist_ok=True)
    (chapter / 'model.py').write_text(dedent(source), encoding='utf-8')
    loaded, checks = load_checked_chapter('01_made_up', folder)

    return loaded.model, checks


def load_function(folder, *lines):
    """Write a chapter with a function `f(x)` of these lines, the first in line 2."""
    source = '\n    '.join(['def f(x):', *lines, 'return x\n'])
    model, checks = load(folder, source)

    return model.f, checks


def test_right_comments_pass(tmp_path):
    model, checks = load(tmp_path, NETWORK)

    model.Network(3)(torch.zeros(5, 4)).backward()

    assert [str(comment) for comment in checks.comments] == [
        '|x| = (batch_size, 4)',
        '|self.layer.weight| = (hidden_size, 4)',
        '|y| = (batch_size, hidden_size)',
    ]
    assert checks.unexecuted() == []


def test_wrong_comment_names_file_and_line(tmp_path):
    source = NETWORK.replace(
        '(batch_size, hidden_size)', '(batch_size, hidden_size + 2)'
    )
    model, checks = load(tmp_path, source)

    with pytest.raises(AssertionError) as failure:
        model.Network(3)(torch.zeros(5, 4))

    place = '01_made_up/model.py:14: |y| = (batch_size, hidden_size + 2)'
    assert str(failure.value) == (
        f'{place} but y has (5, 3); dimension 1 is 3, not 5; '
        'batch_size is 5; hidden_size is 3'
    )
    assert checks.unexecuted() == [place]


def test_traceback_leads_to_the_comment(tmp_path):
    model, _ = load(tmp_path, NETWORK)

    with pytest.raises(AssertionError) as failure:
        model.Network(3)(torch.zeros(1, 5, 4))

    lines = [
        (frame.lineno, frame.line)
        for frame in traceback.extract_tb(failure.value.__traceback__)
        if frame.filename == model.__file__
    ]
    assert lines == [(11, '# |x| = (batch_size, 4)')]


@pytest.mark.parametrize(
    'lines',
    [
        ['# |x| = (2, 3)'],
        ['# |x| = (n, m)', '# |x| = (n, m)', '# |x.T| = (m, n)'],
        ['y = x.sum()', '# |y| = ()'],
        ['# |x[0]| = (length,)', '# |x[-1]| = (length,)', '# |x[:, 0]| = (2,)'],
        ['i = 0', '# |x[i + 1]| = (3,)'],
        ['h = {"last": (x, x[0])}', "# |h['last'][1]| = (3,)"],
        [
            '# |x| = (n, m)',
            '# |x.T| = (n + 1, m - 1)',
            '# |x| = (m // n * 2, n * 2 - 1)',
        ],
        ['x = x.view(3, 1, 2)', '# |x| = (n * 3, n, (n + 1) * n)'],
        ['batch_size = len(x)', '# |x| = (batch_size, 3)'],
        ['# |x| = (n, m)', 'n = 3', '# |x.T| = (n, 2)'],
        ['x = x.numpy()', '# |x| = (n, 3)'],
    ],
)
def test_right_comment(tmp_path, lines):
    f, checks = load_function(tmp_path, *lines)

    f(torch.zeros(2, 3))

    assert checks.unexecuted() == []


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        (
            ['# |x| = (3, 2)'],
            r':2: .* dimension 0 is 2, not 3; dimension 1 is 3, not 2',
        ),
        (['# |x| = (6,)'], r':2: \|x\| = \(6,\) but x has \(2, 3\)'),
        (['# |x| = ()'], r':2: \|x\| = \(\) but x has \(2, 3\)'),
        (['# |x| = (n, n)'], r':2: .* dimension 1 is 3, not 2; n is 2'),
        (['# |x| = (n, m)', '# |x| = (m, n)'], r':3: .* m is 3; n is 2'),
        (['# |x| = (n, n + 2)'], r':2: .* dimension 1 is 3, not 4; n is 2'),
        (['# |x| = (n, n - 1)'], r':2: .* dimension 1 is 3, not 1; n is 2'),
        (['# |x| = (n, n * 2)'], r':2: .* dimension 1 is 3, not 4; n is 2'),
        (['# |x| = (n, n // 2)'], r':2: .* dimension 1 is 3, not 1; n is 2'),
        (['# |x| = (n // 2, m)'], r':2: .* but nothing says what n is'),
        (['# |x| = (n, self.size)'], r':2: .* but nothing says what self.size is'),
        (['n = 4', '# |x| = (n, 3)'], r':3: .* dimension 0 is 2, not 4; n is 4'),
        (['', '# |y| = (n, 3)'], r":3: .* NameError: name 'y' is not defined"),
        (['# |x[2]| = (3,)'], r':2: .* IndexError'),
        (
            ['h = (x, x)', '# |h| = (2, 3)'],
            r':3: .* h is of type tuple, which has no shape',
        ),
        (
            ['h = [x, x]', '# |h| = (2, 3)'],
            r':3: .* h is of type list, which has no shape',
        ),
        (['n = len(x)', '# |n| = ()'], r':3: .* n is of type int, which has no shape'),
    ],
)
def test_wrong_comment(tmp_path, lines, message):
    f, checks = load_function(tmp_path, *lines)

    with pytest.raises(AssertionError, match=message):
        f(torch.zeros(2, 3))

    assert len(checks.unexecuted()) == 1


def test_packed_sequence_has_no_shape(tmp_path):
    f, _ = load_function(tmp_path, '# |x.data| = (n_steps, 3)', '# |x| = (n_steps, 3)')

    with pytest.raises(AssertionError, match=':3: .* x is of type PackedSequence'):
        f(pack_sequence([torch.zeros(2, 3), torch.zeros(1, 3)]))


HOLDER = """\
class Holder:
    size = 7

    def f(self, x, size):
        # |x| = (size, 3)
        pass
"""


@pytest.mark.parametrize('size', [5, numpy.int64(5)])
def test_local_integer_comes_first(tmp_path, size):
    model, _ = load(tmp_path, HOLDER)

    model.Holder().f(torch.zeros(5, 3), size)
    with pytest.raises(AssertionError, match='dimension 0 is 7, not 5; size is 5'):
        model.Holder().f(torch.zeros(7, 3), size)


@pytest.mark.parametrize('size', [None, True, torch.tensor([5, 4])])
def test_integer_attribute_comes_second(tmp_path, size):
    model, _ = load(tmp_path, HOLDER)

    model.Holder().f(torch.zeros(7, 3), size)
    with pytest.raises(AssertionError, match='dimension 0 is 5, not 7; size is 7'):
        model.Holder().f(torch.zeros(5, 3), size)


@pytest.mark.parametrize('attribute', [None, True, 7.0])
def test_any_size_will_do_where_there_is_no_integer(tmp_path, attribute):
    model, checks = load(tmp_path, HOLDER)
    model.Holder.size = attribute

    model.Holder().f(torch.zeros(5, 3), None)

    assert checks.unexecuted() == []


def test_names_are_bound_per_call(tmp_path):
    f, checks = load_function(
        tmp_path,
        '# |x| = (n, m)',
        'if len(x) > 1:',
        '    f(x[1:, 1:])',
        'y = x.T',
        '# |y| = (m, n)',
    )

    f(torch.zeros(2, 3))
    f(torch.zeros(4, 5))

    assert checks.unexecuted() == []


def test_names_stay_bound_within_a_call(tmp_path):
    f, _ = load_function(tmp_path, 'for x_i in x:', '    # |x_i| = (n,)', '    pass')

    f([torch.zeros(2), torch.zeros(2)])
    with pytest.raises(AssertionError, match='dimension 0 is 3, not 2; n is 2'):
        f([torch.zeros(2), torch.zeros(3)])


def test_functions_in_functions(tmp_path):
    model, checks = load(
        tmp_path,
        """\
        WIDTH = 3


        class Holder:
            size = 2

            def f(self, x):
                height = len(x)

                def turn(y):
                    # |y| = (height, WIDTH)
                    # |y| = (size, n)
                    z = y.T
                    # |z| = (n, self.size)
                    return z

                # |x| = (n, m)
                z = (lambda y: turn(y))(x)
                # |z| = (m, n)
                return z
        """,
    )

    model.Holder().f(torch.zeros(2, 3))

    assert checks.unexecuted() == []
    with pytest.raises(AssertionError, match=':11: .* dimension 1 is 4, not 3'):
        model.Holder().f(torch.zeros(2, 4))


def test_generators_and_coroutines(tmp_path):
    model, checks = load(
        tmp_path,
        """\
        def rows(x):
            for x_i in x:
                # |x_i| = (n,)
                yield x_i


        async def turn(x):
            # |x| = (n, m)
            return x.T
        """,
    )

    threes, fours = model.rows(torch.zeros(2, 3)), model.rows(torch.zeros(2, 4))
    assert len(list(zip(threes, fours, strict=True))) == 2
    with pytest.raises(StopIteration):
        model.turn(torch.zeros(2, 3)).send(None)

    assert checks.unexecuted() == []


def test_comment_belongs_to_the_block_of_its_indentation(tmp_path):
    model, checks = load(
        tmp_path,
        """\
        def f(x):
            'Has a docstring.'
            # |x| = (2, 3)

            if len(x) == 1:
                # |x| = (1, 3)
                y = x
                # |y| = (1, 3)
            elif len(x) == 2:
                # |x| = (2, 3)

                y = x.view(
                    6,
                )
                # |y| = (6,)

                # |y| = (6,)
            else:
                # |x| = (4, 3)
                y = x
                # |y| = (4, 3)
            # |y| = (6,)

            for y_i in y:
                z = y_i + 1
                # |z| = ()
            else:
                z = y + 1
                # |z| = (6,)
            # |z| = (6,)

            try:
                with open('missing'):
                    pass
                    # |y| = (0,)
            except OSError:
                z = y[1:]
                # |z| = (5,)
            finally:
                z = z[1:]
                # |z| = (4,)

            match len(z):
                case 4:
                    z = z[1:]
                    # |z| = (3,)
            while len(z) > 1:
                z = z[1:]
                # |y| = (6,)
            return z
            # |z| = (7,)


        class Holder:
            def f(self):
                x = self.x
                # |x| = (8,)
            y = 1
        """,
    )

    model.f(torch.zeros(2, 3))

    assert [comment.split(': ')[1] for comment in checks.unexecuted()] == [
        '|x| = (1, 3)',
        '|y| = (1, 3)',
        '|x| = (4, 3)',
        '|y| = (4, 3)',
        '|y| = (0,)',
        '|z| = (7,)',
        '|x| = (8,)',
    ]
    assert model.f.__doc__ == 'Has a docstring.'


@pytest.mark.parametrize(
    'lines',
    [
        ['y = x  # |x| = (n,)'],
        ['y = (', '    # |x| = (n,)', '    x', ')'],
        ['y = [', '    # |x| = (n,)', ']'],
        ['y = [', '    x,', '    # |x| = (n,)', ']'],
        ['y = [  # |x| = (n,)', ']'],
        ['y = x', '    # |x| = (n,)'],
        ['if x is None:', '    y = x', '# |x| = (n,)', 'else:', '    y = x'],
        ['if x is None:', '    y = x', '  # |x| = (n,)', 'y = x'],
        ['for y in x:  # |x| = (n,)', '    pass'],
        ['class Inner:', '    # |x| = (n,)', '    y = 1'],
        ['@staticmethod', '# |x| = (n,)', 'def inner():', '    pass'],
    ],
)
def test_comment_in_the_wrong_place(tmp_path, lines):
    number = next(number for number, line in enumerate(lines, 2) if '#' in line)

    with pytest.raises(
        SyntaxError, match=f'^01_made_up/model.py:{number}: .* line of its own'
    ):
        load_function(tmp_path, *lines)


def test_comment_outside_of_all_functions(tmp_path):
    with pytest.raises(SyntaxError, match='^01_made_up/model.py:3: .* in a function'):
        load(tmp_path, 'def f(x):\n    return x\n# |x| = (n,)\n')


@pytest.mark.parametrize(
    'comment',
    [
        '# |x|',
        '# |x| = n',
        '# |x| = (n)',
        '# |x| = n, m',
        '# |x| = [n, m]',
        '# |x| = (n,m)',
        '# |x| = (n, m,)',
        '# |x| = ( n, m)',
        '# |x| = ((n + 1), m)',
        '# |x| = (n, m).',
        '# |x| = (n, m) or None',
        '# |x| = (n, -1)',
        '# |x| = (n, 2.0)',
        '# |x| = (n, True)',
        '# |x| = (n, m / 2)',
        '# |x| = (n, m ** 2)',
        '# |x| = (n, max(m, 2))',
        '# |x| = (n, x.size)',
        "# |x| = (n, 'm')",
        '# |x| = (n, ...)',
        '# |x| = (n, *m)',
        '# |x| = (n, (m, 2))',
        '# |x| = (n, m',
        '# |x| == (n, m)',
        '# |x|=(n, m)',
        '# |x = (n, m)',
        '# |x, y| = (n, m)',
        '# |x + 1| = (n, m)',
        '# |f(x)| = (n, m)',
        '# |x[f(0)]| = (n, m)',
        '# | x | = (n, m)',
        '# || = (n, m)',
        '# |3| = ()',
        '#  |x| = (n, m)',
        '#|x| = (n, m)',
        '## |x| = (n, m)',
    ],
)
def test_comment_of_another_form(tmp_path, comment):
    with pytest.raises(
        SyntaxError, match='^01_made_up/model.py:2: .* no shape comment'
    ):
        load_function(tmp_path, comment)


def test_other_comments_and_strings_stay_what_they_are(tmp_path):
    f, checks = load_function(
        tmp_path,
        '# The absolute value |x|, not (n, m).',
        "text = '# |x| = (9,)'",
        "more = '''",
        "# |x| = (9,)'''",
        'return text + more',
    )

    assert f(torch.zeros(2, 3)) == '# |x| = (9,)\n    # |x| = (9,)'
    assert checks.comments == []


def test_lines_keep_their_numbers(tmp_path):
    f, _ = load_function(
        tmp_path, '# |x| = (n, m)', '', 'y = x.T', '# |y| = (m, n)', 'return 1 / 0'
    )

    with pytest.raises(ZeroDivisionError) as failure:
        f(torch.zeros(2, 3))

    last = traceback.extract_tb(failure.value.__traceback__)[-1]
    assert (last.lineno, last.line) == (6, 'return 1 / 0')


def test_nothing_is_added_on_other_lines(tmp_path):
    model, _ = load(tmp_path, NETWORK)

    lines = [line for _, _, line in model.Network.forward.__code__.co_lines() if line]
    assert (min(lines), max(lines)) == (10, 15)


def test_module_with_a_mistake_of_its_own(tmp_path):
    with pytest.raises(SyntaxError) as failure:
        load_function(tmp_path, '# |x| = (n, m)', 'return x x')

    assert failure.value.lineno == 3


def test_unexecuted_comments_of_all_files_are_listed(tmp_path):
    chapter = tmp_path / '01_made_up'
    load(tmp_path, NETWORK)
    (chapter / 'trainer.py').write_text(
        'from model import Network\n\n\n'
        'def step(x):\n'
        '    y = Network(3)(x)\n'
        '    # |y| = ()\n'
        '    if len(x) == 0:\n'
        '        return x\n'
        '        # |x| = (0, 4)\n',
        encoding='utf-8',
    )
    loaded, checks = load_checked_chapter('01_made_up', tmp_path)

    assert len(checks.unexecuted()) == 5
    loaded.trainer.step(torch.zeros(5, 4))
    assert checks.unexecuted() == ['01_made_up/trainer.py:9: |x| = (0, 4)']
