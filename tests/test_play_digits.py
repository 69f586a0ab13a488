"""The playgrounds of 02, 03, 05 and 07 in Chromium: they compute what PyTorch does."""

import json
import re

import numpy as np
import pytest
import torch
from browser import SITE, make_playground, open_browser, open_page, serve
from chapters import importable
from exports import SIZES, get_export
from PIL import Image, ImageDraw

AXE = SITE / 'node_modules' / 'axe-core' / 'axe.min.js'
CLASSIFIERS = ['02_mnist_tutorial', '05_cnn', '07_rnn']
HANGUL = re.compile('[가-힣]')
PLAYGROUNDS = [('digits.js', '05_cnn'), ('latent.js', '03_mnist_autoencoder')]
# A machine that does many things at once needs its time.
TIMEOUT = 120_000


@pytest.fixture(scope='module')
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope='module')
def exports(browser, tmp_path_factory):
    """The exported networks of all four chapters, by chapter."""
    return {name: get_export(name, tmp_path_factory) for name in SIZES}


@pytest.fixture(scope='module')
def open_playground(browser, exports, tmp_path_factory):
    """Return a function that opens a page, presses its button, and waits."""

    def open_one(script, chapter, lang='en', change=None, **options):
        folder = tmp_path_factory.mktemp('site')
        models = {name: made.out_dir for name, made in exports.items()}
        make_playground(folder, script, chapter, models, lang)
        if change:
            change(folder / 'models' / chapter / 'model.json')
        return Playground(browser, folder, options)

    return open_one


class Playground:
    """A page with one playground, open for a block, in which it is ready."""

    def __init__(self, browser, folder, options):
        self.browser, self.folder, self.options = browser, folder, options

    def __enter__(self):
        self.server = serve(self.folder)
        url = self.server.__enter__()
        self.context = open_page(self.browser, url, **self.options)
        page = self.context.__enter__()
        page.set_default_timeout(TIMEOUT)
        page.click('.playground button')
        # While the playground is filled it is busy, and before and after it is not.
        page.wait_for_selector('.playground:not([aria-busy]) :not(button)')
        page.wait_for_load_state('networkidle')
        return page

    def __exit__(self, *error):
        self.context.__exit__(*error)
        self.server.__exit__(*error)


@pytest.fixture(scope='module')
def digits_page(open_playground):
    with open_playground('digits.js', '05_cnn') as page:
        yield page


@pytest.fixture(scope='module')
def latent_page(open_playground):
    with open_playground('latent.js', '03_mnist_autoencoder') as page:
        yield page


def classify(page, x):
    """Return the probabilities that the playground gives: {chapter: an array}."""
    results = page.evaluate(
        """async (images) => {
          const { classify } = document.querySelector('.playground');
          const results = [];
          for (const pixels of images) {
            const answers = Object.entries(await classify(pixels));
            results.push(answers.map(([name, answer]) => [name, answer.probabilities]));
          }
          return results.map(Object.fromEntries);
        }""",
        x.tolist(),
    )
    return {name: np.array([result[name] for result in results]) for name in results[0]}


def predict(made, x):
    """Return the probabilities that predict.py gives."""
    with importable(made.chapter):
        return made.chapter.predict.predict(made.model, x).numpy()


def test_200_digits_get_the_label_that_predict_gives(digits_page, exports):
    x, _ = exports['02_mnist_tutorial'].chapter.utils.load_digits(is_train=False)
    found = classify(digits_page, x[:200])
    assert list(found) == CLASSIFIERS
    for name in CLASSIFIERS:
        expected = predict(exports[name], x[:200])
        assert (found[name].argmax(axis=1) == expected.argmax(axis=1)).sum() == 200
        np.testing.assert_allclose(found[name], expected, atol=1e-4)


# Strokes on 280 x 280 pixels, as [x, y, x, y, ...], and the width of the pen.
DRAWINGS = {
    'a seven': ([70, 60, 190, 60, 120, 230], 22),
    'a thin one': ([140, 30, 140, 250], 3),
    'a flat line': ([40, 150, 260, 151], 9),
    'a small zero': ([30, 30, 60, 25, 75, 50, 60, 80, 32, 78, 28, 32], 7),
    'ink at the edge': ([3, 200, 270, 20], 30),
}


@pytest.mark.parametrize(('line', 'width'), DRAWINGS.values(), ids=DRAWINGS)
def test_a_picture_is_prepared_as_by_pictures_py(
    digits_page, exports, tmp_path, line, width
):
    picture = Image.new('L', (280, 280))
    ImageDraw.Draw(picture).line(line, fill=255, width=width, joint='curve')
    # Shades between ink and paper, as a browser draws them.
    picture = picture.resize((140, 140), Image.Resampling.BILINEAR)
    picture.save(tmp_path / 'digit.png')
    read_image = exports['02_mnist_tutorial'].chapter.pictures.read_image
    expected = read_image(tmp_path / 'digit.png')

    found = digits_page.evaluate(
        """async ([pixels, height, width]) => {
          const { prepare } = await import('./play/digits.js');
          return [...prepare(Uint8Array.from(pixels), height, width)];
        }""",
        [np.asarray(picture).flatten().tolist(), 140, 140],
    )
    np.testing.assert_allclose(np.reshape(found, (28, 28)), expected, atol=1e-5)


def draw(page, points):
    """Draw a line with the mouse on the drawing area of 280 x 280."""
    area = page.locator('canvas.pad').bounding_box()
    scale = area['width'] / 280
    points = [(area['x'] + scale * x, area['y'] + scale * y) for x, y in points]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def wait_for_answer(page, pattern):
    """Return the sentence about the answers, once it matches a pattern."""
    page.wait_for_function(
        """(pattern) => new RegExp(pattern).test(
          document.querySelector('[role=status]').textContent)""",
        arg=pattern,
    )
    return page.inner_text('[role=status]')


def test_a_digit_drawn_with_the_mouse_is_answered(digits_page, exports, tmp_path):
    page = digits_page
    page.get_by_role('button', name='Clear').click()
    wait_for_answer(page, '^Draw something')
    draw(page, [(80, 60), (190, 60), (120, 230)])
    wait_for_answer(page, '^(All three say|They disagree)')

    # The picture that the reader has drawn, for predict.py.
    ink = page.evaluate(
        """() => {
          const pad = document.querySelector('canvas.pad');
          const { data } = pad.getContext('2d').getImageData(0, 0, 280, 280);
          return [...data].filter((_, i) => i % 4 === 3);
        }"""
    )
    picture = Image.fromarray(np.array(ink, np.uint8).reshape(280, 280))
    picture.save(tmp_path / 'digit.png')
    read_image = exports['02_mnist_tutorial'].chapter.pictures.read_image
    x = torch.from_numpy(read_image(tmp_path / 'digit.png')).flatten()[None]

    answers = page.locator('.card .answer').all_inner_texts()
    for name, answer in zip(
        ['05_cnn', '02_mnist_tutorial', '07_rnn'], answers, strict=True
    ):
        label, share = re.fullmatch(r'(\d) · ([\d.]+) %', answer).groups()
        [expected] = predict(exports[name], x)
        assert int(label) == expected.argmax()
        assert float(share) == pytest.approx(100 * expected.max(), abs=0.06)


def test_examples_can_be_chosen_with_the_keyboard(digits_page):
    page = digits_page
    page.get_by_role('button', name='Clear').click()
    wait_for_answer(page, '^Draw something')
    page.get_by_role('button', name='Example: 3').focus()
    page.keyboard.press('Enter')
    wait_for_answer(page, '^(All three say|They disagree)')
    assert page.locator('.bar.best').count() == 3


def test_the_first_layer_and_the_states_are_drawn(digits_page):
    page = digits_page
    count_ink = """(canvases) => canvases.map((canvas) => {
      const context = canvas.getContext('2d');
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, i) => i % 4 === 3 && value > 0).length;
    })"""
    page.get_by_role('button', name='Clear').click()
    wait_for_answer(page, '^Draw something')
    # Without ink, no filter sees anything.
    assert page.locator('.maps canvas').evaluate_all(count_ink) == [0] * 4
    page.get_by_role('button', name='Example: 8').click()
    wait_for_answer(page, '^(All three say|They disagree)')
    assert min(page.locator('.maps canvas').evaluate_all(count_ink)) > 50
    assert page.locator('.reading canvas').evaluate_all(count_ink)[1] > 28 * 12


def test_the_decoder_draws_what_pytorch_draws(latent_page, exports):
    generator = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(20, 2, generator=generator)
    found = latent_page.evaluate(
        """async (points) => {
          const { decode } = document.querySelector('.playground');
          const pictures = [];
          for (const z of points) pictures.push([...await decode(z)]);
          return pictures;
        }""",
        z.tolist(),
    )
    with torch.no_grad():
        expected = exports['03_mnist_autoencoder'].model.decoder(z)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def get_point(page):
    """Return the two numbers that the playground shows."""
    text = page.locator('p.answer').inner_text()
    return [float(number) for number in re.findall(r'-?\d+\.\d+', text)]


def test_the_point_follows_keys_and_mouse(latent_page):
    page = latent_page
    before = get_point(page)
    page.locator('canvas.map').focus()
    page.keyboard.press('Shift+ArrowRight')
    right = get_point(page)
    assert right[0] > before[0] and right[1] == before[1]
    page.keyboard.press('Shift+ArrowUp')
    assert get_point(page)[1] > right[1]

    area = page.locator('canvas.map').bounding_box()
    page.mouse.move(area['x'] + 150, area['y'] + 150)
    page.mouse.down()
    page.mouse.move(area['x'] + 60, area['y'] + 200, steps=5)
    page.mouse.up()
    left = get_point(page)
    assert left[0] < before[0]
    assert re.search(r'\d, \d, \d', page.inner_text('[role=status]'))


def test_the_middle_of_a_class_can_be_chosen(latent_page, exports):
    page = latent_page
    text = (exports['03_mnist_autoencoder'].out_dir / 'examples.json').read_text()
    examples = json.loads(text)
    points = [
        z for z, y in zip(examples['z'], examples['labels'], strict=True) if y == 7
    ]
    page.get_by_role('button', name='7', exact=True).click()
    page.wait_for_timeout(100)
    page.wait_for_function(
        """(target) => {
          const text = document.querySelector('p.answer').textContent;
          const z = text.match(/-?\\d+\\.\\d+/g).map(Number);
          return z.every((value, i) => Math.abs(value - target[i]) < 0.02);
        }""",
        arg=[sorted(values)[len(points) // 2] for values in zip(*points, strict=True)],
    )


def test_another_size_of_the_bottleneck_is_said(open_playground):
    def enlarge(fn):
        content = json.loads(fn.read_text(encoding='utf-8')) | {'btl_size': 16}
        fn.write_text(json.dumps(content), encoding='utf-8')

    with open_playground('latent.js', '03_mnist_autoencoder', 'en', enlarge) as page:
        assert 'has 16 numbers' in page.inner_text('.playground')
        assert page.locator('canvas').count() == 0


@pytest.mark.parametrize(('script', 'chapter'), PLAYGROUNDS)
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_korean_narrow_and_accessible(open_playground, script, chapter, scheme):
    options = {'width': 360, 'color_scheme': scheme}
    with open_playground(script, chapter, 'ko', **options) as page:
        texts = page.locator('.playground :is(p, h3, figcaption)').all_inner_texts()
        texts = [text for text in texts if len(text) > 20]
        assert len(texts) >= 2
        assert all(HANGUL.search(text) for text in texts)
        assert page.evaluate('document.documentElement.scrollWidth') == 360

        page.add_script_tag(content=AXE.read_text(encoding='utf-8'))
        results = page.evaluate("axe.run('.playground')")
        serious = [
            (fault['id'], fault['nodes'][0]['html'])
            for fault in results['violations']
            if fault['impact'] in ('serious', 'critical')
        ]
        assert not serious
