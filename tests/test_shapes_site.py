"""The shapes on the pages are those of the code, and a reader can reach all of them."""

import ast
import html
import json
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import torch
from browser import SITE, open_browser, open_page, serve
from chapters import ROOT, all_chapters, importable, load_chapter
from shape_comments import find_comments, parse_comment, size_of
from torch import nn

sys.path.insert(0, str(SITE))

from dataflow import DataFlow
from diagrams import draw_diagram
from record import PROGRAMS, get_cached_file, get_recording, run_program
from repeats import Repeat, flatten, fold
from shapes import find_functions, find_names, find_owner, get_shapes, write_shapes

AXE = SITE / 'node_modules' / 'axe-core' / 'axe.min.js'
SVG = '{http://www.w3.org/2000/svg}'
# These are recorded here if they have not been recorded; the others by the site.
ALWAYS = '01_linear_regression', '12_seq2seq/attention'
CHAPTER = '12_seq2seq/attention'
# No forward pass goes through this layer of 12.
UNUSED = {'decoder.dropout'}

PAGE = """\
<!doctype html>
<html lang="{lang}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Code with its shapes</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="furo.css">
<link rel="stylesheet" href="pygments.css">
<link rel="stylesheet" href="_static/shapes.css">
<link rel="stylesheet" href="_static/flow.css">
<script type="module" src="_static/shapes.js"></script>
<script type="module" src="_static/flow.js"></script>
<body data-theme="{theme}">
<main style="padding: 1rem; max-width: 60rem">
<h1 style="overflow-wrap: anywhere">{chapter}</h1>
{blocks}
</main>
</body>
</html>
"""


def write_lines(file):
    """Return a file of the course as lines of code with the spans of Pygments."""
    from pygments import lex
    from pygments.lexers import PythonLexer
    from pygments.token import STANDARD_TYPES

    lines, text = [''], (ROOT / file).read_text(encoding='utf-8')
    for kind, value in lex(text, PythonLexer()):
        for i, part in enumerate(value.split('\n')):
            if i > 0:
                lines.append('')
            name = STANDARD_TYPES[kind]
            span = f'<span class="{name}">{html.escape(part)}</span>'
            lines[-1] += span if part else ''
    spans = [
        f'<span class="line" data-file="{file}" data-line="{number}">{line}</span>'
        for number, line in enumerate(lines, 1)
    ]
    code = '\n'.join(spans)
    return f'<div class="highlight"><pre tabindex="0">{code}</pre></div>'


def write_page(folder, chapter, files, lang='en', theme='light'):
    """Write a page that shows files of a chapter, with all that it needs."""
    import furo
    from pygments.formatters import HtmlFormatter

    pages = folder / lang
    styles = Path(furo.__file__).parent / 'theme' / 'furo' / 'static' / 'styles'
    shutil.copytree(SITE / 'static', pages / '_static')
    shutil.copyfile(styles / 'furo.css', pages / 'furo.css')
    style = f'a11y-high-contrast-{theme}'
    css = HtmlFormatter(style=style).get_style_defs('.highlight')
    (pages / 'pygments.css').write_text(css, encoding='utf-8')
    (folder / '_shapes').mkdir()
    data = json.dumps(get_shapes(chapter))
    name = f'{chapter.replace("/", "_")}.json'
    (folder / '_shapes' / name).write_text(data, encoding='utf-8')
    blocks = '\n'.join(write_lines(f'{chapter}/{file}') for file in files)
    page = PAGE.format(lang=lang, theme=theme, chapter=chapter, blocks=blocks)
    (pages / 'index.html').write_text(page, encoding='utf-8')


def need_recording(chapter):
    """Skip a test whose chapter would have to be run first, which takes minutes."""
    if chapter not in ALWAYS and not get_cached_file(chapter).exists():
        pytest.skip(f'needs: python tools/site/record.py {chapter}')


# ---- The shapes of a batch


@pytest.mark.parametrize('chapter', all_chapters())
def test_each_shape_comment_has_its_sizes(chapter):
    need_recording(chapter)
    shapes = get_shapes(chapter)
    found = [
        (f'{chapter}/{file.name}', line, text)
        for file in sorted((ROOT / chapter).glob('*.py'))
        for line, _, text in find_comments(file.read_text(encoding='utf-8'))
    ]

    assert found
    assert sorted((c['file'], c['line']) for c in shapes['comments']) == sorted(
        (file, line) for file, line, _ in found
    )
    written = {(file, line): text for file, line, text in found}
    for comment in shapes['comments']:
        text = written[comment['file'], comment['line']]
        parsed = parse_comment(text, 'here')
        assert comment['tensor'] == parsed.tensor
        assert set(comment['sizes']) == set(parsed.names)
        sizes = [
            size_of(dimension, comment['sizes']) for dimension in parsed.dimensions
        ]
        assert comment['shape'] == sizes, text
        dimensions = [ast.unparse(dimension) for dimension in parsed.dimensions]
        assert comment['dimensions'] == dimensions


@pytest.mark.parametrize('chapter', all_chapters())
def test_names_are_where_the_tensors_are(chapter):
    need_recording(chapter)
    n_names = 0
    for comment in get_shapes(chapter)['comments']:
        lines = (ROOT / comment['file']).read_text(encoding='utf-8').split('\n')
        for line, start, end in comment['names']:
            assert lines[line - 1][start:end] == comment['tensor'], (comment, line)
            n_names += 1
    assert n_names > 0


@pytest.mark.parametrize('chapter', all_chapters())
def test_trace_is_of_one_batch(chapter):
    need_recording(chapter)
    shapes = get_shapes(chapter)
    trace, comments = shapes['trace'], shapes['comments']

    assert trace
    for step in trace:
        comment = comments[step['comment']]
        tree = ast.parse(f'{tuple(comment["dimensions"])}').body[0].value
        dimensions = [ast.parse(d.value, mode='eval').body for d in tree.elts]
        assert [size_of(d, step['sizes']) for d in dimensions] == step['shape']
    sizes = {step['sizes'].get('batch_size') for step in trace} - {None}
    # Documents whose topics have converged leave the batch; all others stay.
    assert len(sizes) == 1 or chapter == 'appendix_lda'
    met = {(step['comment'], tuple(step['shape'])) for step in trace}
    for number in {step['comment'] for step in trace}:
        assert (number, tuple(comments[number]['shape'])) in met


@pytest.mark.parametrize('name', all_chapters())
def test_a_recording_is_short_and_writes_nothing_into_the_chapter(name, tmp_path):
    """A reader's own model.pth stays, and one epoch is enough."""
    chapter = load_chapter(name)
    with importable(chapter):
        for program, *arguments in PROGRAMS[name]:
            configs = []
            module = getattr(chapter, program)
            stand_in = SimpleNamespace(
                define_argparser=module.define_argparser, main=configs.append
            )
            run_program(stand_in, tmp_path, *arguments)
            (config,) = configs
            fns = getattr(config, 'model_fn', [])
            fns = fns if isinstance(fns, list) else [fns]
            for fn in [*fns, getattr(config, 'cache_dir', tmp_path)]:
                assert Path(fn).is_relative_to(tmp_path)
            assert getattr(config, 'n_epochs', 1) == 1


def test_one_file_a_chapter_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr('shapes.all_chapters', lambda: list(ALWAYS))

    write_shapes(tmp_path / 'shapes')

    names = sorted(file.name for file in (tmp_path / 'shapes').iterdir())
    assert names == ['01_linear_regression.json', '12_seq2seq_attention.json']
    text = (tmp_path / 'shapes' / names[1]).read_text(encoding='utf-8')
    assert json.loads(text)['chapter'] == CHAPTER


def test_decoder_steps_are_listed_once():
    shapes = get_shapes(CHAPTER)
    steps = [s for s in shapes['trace'] if s['module'] == 'decoder.attention']
    comment = next(c for c in shapes['comments'] if c['tensor'] == 'word_vecs')

    # One step for each position of the target sentences.
    assert {step['times'] for step in steps} == {comment['sizes']['y_length']}
    assert [s['class'] for s in steps] == ['Attention'] * 5


def test_names_follow_the_shapes_through_a_function():
    source = """\
def f(self, x, 가='한글'):
    'Has a docstring.'
    # |x| = (n, m)
    y = g(x, '한글', x)
    # |y| = (n,)
    for row in x:
        # |row| = (m,)
        y = y + row
    z = y.sum()
    x = pack(x)
    state.h = h(x, y=y)
    # |state.h| = (n,)
    return state.h, row
"""
    ((function, name),) = find_functions(ast.parse(source))
    comments = {3: 'x', 5: 'y', 7: 'row', 12: 'state.h'}
    names = find_names(function, comments, source.split('\n'))

    def read(line):
        lines = source.split('\n')
        return [(n, start, lines[n - 1][start:end]) for n, start, end in names[line]]

    assert name == 'f'
    assert read(3) == [
        (1, 12, 'x'),
        (4, 10, 'x'),
        (4, 19, 'x'),
        (6, 15, 'x'),
        (10, 13, 'x'),
    ]
    # y is another tensor after line 8, and nothing says of which shape.
    assert read(5) == [(4, 4, 'y'), (8, 12, 'y')]
    assert read(7) == [(6, 8, 'row'), (8, 16, 'row'), (13, 20, 'row')]
    assert read(12) == [(11, 4, 'state.h'), (13, 11, 'state.h')]


def test_comment_at_the_end_belongs_to_the_function_above_it():
    source = (
        'def f(x):\n    def g(y):\n        z = y\n        # |z| = (n,)\n    # |x| = ()'
    )
    functions = list(find_functions(ast.parse(source)))
    owners = [find_owner(functions, line, source.split('\n')) for line in (4, 5)]

    assert [functions[owner][1] for owner in owners] == ['f.g', 'f']


@pytest.mark.parametrize(
    ('keys', 'expected'),
    [
        ('abc', [('a', 1), ('b', 1), ('c', 1)]),
        ('aaa', [('a', 3)]),
        ('xababy', [('x', 1), ('a', 2), ('b', 2), ('y', 1)]),
        ('aabaab', [('a', 4), ('b', 2)]),
        ('abcabd', [('a', 1), ('b', 1), ('c', 1), ('a', 1), ('b', 1), ('d', 1)]),
    ],
)
def test_fold(keys, expected):
    items = fold(list(keys))

    assert [(keys[number], times) for number, times in flatten(items)] == expected


def test_fold_keeps_the_numbers_of_the_copies():
    (repeat,) = fold(list('ababab'))

    assert repeat == Repeat((0, 1), ((2, 3), (4, 5)))


def test_fold_only_what_goes_on():
    items = fold(list('aaaa'), lambda first, second: second[0] != 2)

    assert items == [Repeat((0,), ((1,),)), Repeat((2,), ((3,),))]


# ---- The diagrams


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 4)
        self.table = nn.Parameter(torch.zeros(7, 4))

    def forward(self, x, y):
        h = self.first(x).unsqueeze(1)
        z = self.second(h).relu() + h
        mask = torch.ones_like(z, dtype=torch.bool)
        z = z.masked_fill(~mask, 0.0) * 2
        return torch.cat([z, self.table[y]], dim=1)


def test_data_flow_is_that_of_the_network():
    network, x, y = Network(), torch.zeros(2, 3), torch.zeros(2, 5, dtype=torch.long)
    flow = DataFlow(network)
    flow.add_inputs(network.forward, (x, y))
    for module in (network.first, network.second):
        module.register_forward_pre_hook(lambda layer, _: flow.start_layer(layer))
        module.register_forward_hook(flow.end_layer)
    with flow:
        network(x, y)

    assert [(n['kind'], n['name'], n['path'], n['shape']) for n in flow.nodes] == [
        ('input', 'x', '', [2, 3]),
        ('input', 'y', '', [2, 5]),
        ('layer', 'Linear', 'first', [2, 4]),
        ('layer', 'Linear', 'second', [2, 1, 4]),
        ('operation', 'ReLU', '', [2, 1, 4]),
        ('operation', '+', '', [2, 1, 4]),
        ('operation', 'mask', '', [2, 1, 4]),
        ('operation', 'look up', '', [2, 5, 4]),
        ('operation', 'concatenate', '', [2, 6, 4]),
    ]
    sources = [[source for source, *_ in node['inputs']] for node in flow.nodes]
    assert sources == [[], [], [0], [2], [3], [4, 2], [5], [1], [6, 7]]
    # unsqueeze() changes the shape on the way, and is no box.
    assert flow.nodes[3]['inputs'] == [[2, [2, 4], [2, 1, 4]]]
    assert flow.nodes[7]['detail'] == 'table'


def find_texts(root, name):
    """Return the texts of a class in a diagram."""
    return [text.text for text in root.iter(f'{SVG}text') if text.get('class') == name]


@pytest.mark.parametrize('language', ['en', 'ko'])
@pytest.mark.parametrize('chapter', all_chapters())
def test_diagram(chapter, language):
    need_recording(chapter)
    recording = get_recording(chapter)
    root = ElementTree.fromstring(draw_diagram(chapter, language))
    width, height = (float(root.get(name)) for name in ('width', 'height'))

    # A screen reader finds the title and the description by their ids.
    title, description = root.find(f'{SVG}title'), root.find(f'{SVG}desc')
    assert root.get('aria-labelledby').split() == [
        title.get('id'),
        description.get('id'),
    ]
    assert chapter in title.text
    assert len(description.text) > 40
    assert re.search('[가-힣]', title.text) or language == 'en'

    # All layers are there, each once.
    groups = [group.get('data-modules') for group in root.iter(f'{SVG}g')]
    drawn = {path for group in groups if group is not None for path in group.split(' ')}
    layers = {m['path'] for m in recording['modules'] if m['n_parts'] == 0}
    if len(recording['modules']) > 1:
        assert drawn == layers - UNUSED

    # The shapes that are written are those of the run.
    nodes = recording['nodes']
    known = {tuple(node['shape']) for node in nodes}
    known |= {tuple(s) for node in nodes for edge in node['inputs'] for s in edge[1:]}
    if nodes:
        shapes = {text.removeprefix('as ') for text in find_texts(root, 'shape')}
        assert {ast.literal_eval(text) for text in shapes} <= known
        assert len(shapes) >= min(len(known), 2)

    # Nothing is outside of the picture, and it fits into a narrow page.
    assert width <= 360
    for box in root.iter(f'{SVG}rect'):
        left, top, w, h = (float(box.get(n)) for n in ('x', 'y', 'width', 'height'))
        assert 0 <= left <= left + w <= width
        assert 0 <= top <= top + h <= height


def test_equal_blocks_and_steps_are_drawn_once():
    need_recording('13_transformer')
    blocks = ElementTree.fromstring(draw_diagram('13_transformer'))
    steps = ElementTree.fromstring(draw_diagram(CHAPTER))
    layers = [g.get('data-modules') for g in blocks.iter(f'{SVG}g')]

    assert find_texts(blocks, 'size').count('EncoderBlock × 3') == 1
    assert find_texts(blocks, 'size').count('DecoderBlock × 3') == 1
    paths = ' '.join(f'encoder.{number}.attention.query' for number in range(3))
    assert layers.count(paths) == 1
    y_length = next(
        comment['sizes']['y_length']
        for comment in get_shapes(CHAPTER)['comments']
        if comment['tensor'] == 'word_vecs'
    )
    assert f'{y_length} times' in find_texts(steps, 'size')
    # The memory goes from the encoder to the decoder.
    for diagram in (blocks, steps):
        assert [g for g in diagram.iter(f'{SVG}g') if g.get('class') == 'memory']


# ---- The pages


@pytest.fixture(scope='module')
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def show(browser, tmp_path):
    """Return a function that shows the model of a chapter, for a block."""

    def show_page(lang='en', theme='light', chapter=CHAPTER, **options):
        write_page(tmp_path, chapter, ['model.py'], lang, theme)
        return serve_page(browser, tmp_path, lang, **options)

    return show_page


@contextmanager
def serve_page(browser, folder, lang, **options):
    """Serve a page and show it, for a block."""
    with (
        serve(folder) as address,
        open_page(browser, f'{address}/{lang}/index.html', **options) as page,
    ):
        if options.get('java_script_enabled', True):
            page.wait_for_selector('.flow-open')
        yield page


def find_item(page, line, text):
    """Return the first name or tag with a text on a line of the model."""
    items = page.locator(f'[data-line="{line}"]').locator('.shape-name, .shape-tag')
    return items.filter(has_text=text).first


def find_line(text):
    """Return the number of the first line of the model that has a text."""
    lines = (ROOT / CHAPTER / 'model.py').read_text(encoding='utf-8').split('\n')
    return next(number for number, line in enumerate(lines, 1) if text in line)


def get_tip(line):
    """Return what the tip of a shape comment says."""
    comments = get_shapes(CHAPTER)['comments']
    file = f'{CHAPTER}/model.py'
    c = next(c for c in comments if (c['file'], c['line']) == (file, line))
    return f'{c["tensor"]}: ({", ".join(c["dimensions"])}) = {tuple(c["shape"])}'


def read_tip(page):
    """Return the first line of the tip."""
    return page.locator('.shape-tip code').inner_text().replace('\n', ' ')


MEMORY = '# |memory| = (batch_size, length, hidden_size)'


def test_pointer_on_a_name_and_on_a_comment(show):
    line = find_line(MEMORY)
    with show() as page:
        tip = page.locator('.shape-tip')
        assert not tip.is_visible()

        find_item(page, line + 1, 'memory').hover()
        assert read_tip(page) == get_tip(line)
        assert re.search(r'hidden_size\) = \(64, \d+, 128\)$', get_tip(line))
        # All places with this shape are marked, and no others.
        assert page.locator('.shape-same').all_inner_texts() == [
            'memory',
            MEMORY,
            'memory',
        ]

        find_item(page, line, MEMORY).hover()
        assert read_tip(page) == get_tip(line)
        page.mouse.move(0, 0)
        tip.wait_for(state='hidden')


def test_the_same_name_has_another_shape_further_down(show):
    line = find_line('# |x| = (batch_size, length)')
    with show() as page:
        # x = self.dropout(self.embedding(x)): ids at the right, vectors at the left.
        names = page.locator(f'[data-line="{line + 2}"] .shape-name')
        tips = []
        for name in names.all():
            name.hover()
            tips.append(read_tip(page))

    assert tips == [get_tip(line + 3), get_tip(line)]


def test_keyboard_reaches_all_names(show):
    with show() as page:
        page.locator('.flow-open').focus()
        page.keyboard.press('Tab')
        page.keyboard.press('Tab')
        count = page.locator('.shape-name, .shape-tag').count()
        seen = []
        for _ in range(count):
            focused = page.locator(':focus')
            assert focused.get_attribute('aria-expanded') == 'true'
            assert focused.get_attribute('aria-describedby') == 'shape-tip'
            seen.append((read_tip(page), focused.inner_text()))
            page.keyboard.press('ArrowRight')
        assert all(text in tip or text.startswith('#') for tip, text in seen)
        assert len({tip for tip, _ in seen}) > 20

        page.keyboard.press('ArrowLeft')
        page.keyboard.press('Escape')
        assert not page.locator('.shape-tip').is_visible()
        page.keyboard.press('Enter')
        assert page.locator('.shape-tip').is_visible()
        # One tab stop for the whole block: the next Tab leaves it.
        page.keyboard.press('Tab')
        assert page.locator('.shape-name:focus, .shape-tag:focus').count() == 0


def test_touch_on_a_narrow_screen(show):
    line = find_line(MEMORY)
    with show(width=360, height=700, has_touch=True) as page:
        find_item(page, line + 1, 'memory').tap()
        assert read_tip(page) == get_tip(line)
        box = page.locator('.shape-tip').bounding_box()
        assert box['x'] >= 0
        assert box['x'] + box['width'] <= 360
        width = page.evaluate('document.documentElement.scrollWidth')
        assert width == 360


def test_code_stays_where_it_is(show, browser, tmp_path):
    places = """[...document.querySelectorAll('.line')].map((line) => {
        const { x, y, width, height } = line.getBoundingClientRect();
        const { top } = document.querySelector('pre').getBoundingClientRect();
        return [x, y - top, width, height, line.textContent].join();
    })"""
    with show() as page:
        n_tags = page.locator('.shape-tag').count()
        decorated = page.evaluate(places)
    with serve_page(browser, tmp_path, 'en', java_script_enabled=False) as page:
        assert MEMORY in page.locator('pre').inner_text()
        assert page.locator('.shape-tag').count() == 0
        plain = page.evaluate(places)

    in_model = [c for c in get_shapes(CHAPTER)['comments'] if 'model.py' in c['file']]
    assert n_tags == len(in_model)
    assert decorated == plain


@pytest.mark.parametrize(('lang', 'width'), [('en', 1280), ('ko', 360)])
def test_strip_walks_through_the_network(show, lang, width):
    shapes = get_shapes(CHAPTER)
    with show(lang, width=width, height=800, reduced_motion='reduce') as page:
        opener = page.locator('.flow-open')
        assert (
            opener.inner_text()
            == {'en': 'Follow one batch', 'ko': '배치 하나 따라가기'}[lang]
        )
        opener.click()
        assert opener.get_attribute('aria-expanded') == 'true'
        for number, step in enumerate(shapes['trace'], 1):
            comment = shapes['comments'][step['comment']]
            assert page.locator('.flow-number').inner_text() == (
                f'{number} / {len(shapes["trace"])}'
            )
            assert page.locator('.flow-tensor').inner_text() == comment['tensor']
            sizes = page.locator('.flow-sizes strong').all_inner_texts()
            assert list(map(int, sizes)) == step['shape']
            # The line is marked, and is to be seen above or beside the strip.
            line = page.locator(f'.flow-line[data-line="{comment["line"]}"]')
            box, strip = line.bounding_box(), page.locator('.flow-strip').bounding_box()
            assert 0 <= box['y'] < (strip['y'] if width == 360 else 800)
            page.keyboard.press('ArrowRight')
        page.locator('.flow-strip footer button').first.click()
        assert (
            page.locator('.flow-number')
            .inner_text()
            .startswith(f'{len(shapes["trace"]) - 1} /')
        )
        width_now = page.evaluate('document.documentElement.scrollWidth')
        assert width_now == width

        page.keyboard.press('Escape')
        assert page.locator('.flow-strip, .flow-line').count() == 0
        assert opener.evaluate('button => button === document.activeElement')


def test_strip_names_the_page_of_code_that_has_not_changed(show):
    # As where a chapter keeps a class of the chapter before: a link is in its place.
    link = '<a data-definition="Attention" href="12.html#attention">Attention</a>'
    first, last = find_line('class Attention'), find_line('class Decoder')
    with show(reduced_motion='reduce') as page:
        page.evaluate(
            """([link, first, last]) => {
              document.querySelector('main').insertAdjacentHTML('afterbegin', link);
              for (let line = first; line < last; line += 1) {
                document.querySelector(`[data-line="${line}"]`).remove();
              }
            }""",
            [link, first, last],
        )
        page.locator('.flow-open').click()
        page.locator('.flow-list button', has_text='scores').click()
        assert page.locator('.flow-elsewhere a').inner_text() == '12'
        assert page.locator('.flow-line').all_inner_texts() == ['Attention']
        page.keyboard.press('Home')
        page.locator('.flow-list button').first.click()
        assert page.locator('.flow-elsewhere').count() == 0


def test_other_keys_stay_with_a_field(show):
    with show() as page:
        page.evaluate(
            "document.querySelector('h1').append(document.createElement('input'))"
        )
        page.locator('.flow-open').click()
        page.locator('input').press('ArrowRight')
        assert page.locator('.flow-number').inner_text().startswith('1 /')


@pytest.mark.parametrize(
    ('lang', 'theme', 'width'), [('en', 'light', 1280), ('ko', 'dark', 360)]
)
def test_axe_finds_nothing_serious(show, lang, theme, width):
    if not AXE.exists():
        pytest.skip('needs axe-core: npm ci --prefix tools/site')
    options = {'reduced_motion': 'reduce', 'width': width}
    # A short page: axe takes its time with each line.
    with show(lang, theme, '01_linear_regression', **options) as page:
        page.evaluate(AXE.read_text(encoding='utf-8'))
        page.locator('.shape-name').first.focus()
        findings = run_axe(page)
        page.locator('.flow-open').click()
        findings += run_axe(page)

    assert findings == []


def run_axe(page):
    """Return the serious findings of axe-core, each with one element it is about."""
    result = page.evaluate('axe.run()')
    return [
        (finding['id'], finding['nodes'][0]['html'], finding['nodes'][0]['any'][:1])
        for finding in result['violations']
        if finding['impact'] in ('serious', 'critical')
    ]


# Returns, for each text of the diagram, its contrast with all that is behind it.
CONTRASTS = """() => {
  const canvas = document.createElement('canvas');
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const paint = (colors) => {
    for (const color of colors) {
      pen.fillStyle = color;
      pen.fillRect(0, 0, 1, 1);
    }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const getLight = (color) => color
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const getFill = (element) => getComputedStyle(element).fill;
  const page = getComputedStyle(document.body).backgroundColor;
  const boxes = [...document.querySelectorAll('.diagram rect')];
  return [...document.querySelectorAll('.diagram text')].map((text) => {
    const { x, y, width, height } = text.getBoundingClientRect();
    const behind = boxes.filter((box) => {
      const { left, right, top, bottom } = box.getBoundingClientRect();
      const [middle, center] = [x + width / 2, y + height / 2];
      return left < middle && middle < right && top < center && center < bottom;
    });
    const colors = [page, ...behind.map(getFill)];
    const lights = [colors, [...colors, getFill(text)]].map((c) => getLight(paint(c)));
    return (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
  });
}"""


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_texts_of_a_diagram_are_easy_to_read(browser, tmp_path, theme):
    write_page(tmp_path, CHAPTER, [], theme=theme)
    page = tmp_path / 'en' / 'index.html'
    text = page.read_text(encoding='utf-8')
    text = text.replace('</h1>', f'</h1>{draw_diagram(CHAPTER)}')
    text = text.replace('shapes.css', 'diagrams.css')
    page.write_text(text, encoding='utf-8')

    with (
        serve(tmp_path) as address,
        open_page(browser, f'{address}/en/index.html', width=360) as page,
    ):
        contrasts = page.evaluate(CONTRASTS)
        assert page.evaluate('document.documentElement.scrollWidth') == 360

    assert len(contrasts) > 40
    assert min(contrasts) > 4.5
