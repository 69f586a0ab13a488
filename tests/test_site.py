"""The pages of the course: complete, accessible, and the same in both languages.

The site is built once, without the networks of the playgrounds.
"""

import html
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import SITE, open_browser, open_page, serve
from chapters import ROOT, all_chapters

pytest.importorskip('furo', reason='needs: pip install -r requirements-dev.txt')
sys.path[:0] = [str(ROOT / 'tools'), str(SITE)]
from course import Course, get_anchor, get_link  # noqa: E402
from korean import split  # noqa: E402

LANGUAGES = ('en', 'ko')
IS_LONG = os.environ.get('TEST_LONG') == '1'
BOTH = ('light', 'dark')
SCHEMES = {'en': BOTH if IS_LONG else ('light',), 'ko': BOTH if IS_LONG else ('dark',)}
AXE = SITE / 'node_modules' / 'axe-core' / 'axe.min.js'
COURSE = Course()
# Run in the page: of lines that look the same, one is enough.
THIN_OUT = """
() => {
  const seen = new Set();
  for (const line of document.querySelectorAll('pre .line')) {
    const place = line.parentElement.tagName;
    const looks = [line, ...line.querySelectorAll('span')]
      .map((element) => `${place} ${element.className}`);
    if (looks.every((look) => seen.has(look))) line.remove();
    looks.forEach((look) => seen.add(look));
  }
}
"""
# The findings that keep somebody from reading the page.
FIND_FAULTS = """
async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter((fault) => ['serious', 'critical'].includes(fault.impact))
  .map((fault) => `${fault.id}: ${fault.nodes[0].html.slice(0, 200)}`)
"""
IS_TOO_WIDE = (
    'document.documentElement.scrollWidth > document.documentElement.clientWidth'
)

ARE_PICTURES_LOADED = """
() => [...document.querySelectorAll('.sheet img')].every(
  (image) => image.complete && image.naturalWidth > 0
)
"""

# Of the page and all that it loaded, before compression.
COUNT_BYTES = """
() => ['navigation', 'resource']
  .flatMap((type) => performance.getEntriesByType(type))
  .reduce((sum, entry) => sum + entry.decodedBodySize, 0)
"""

# Words and numbers in tables that are broken although they have no hyphen.
FIND_BROKEN_WORDS = """
() => {
  const found = [];
  for (const cell of document.querySelectorAll('article :is(td, th)')) {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const word of texts.currentNode.data.matchAll(/[\\p{L}\\d.,%]+/gu)) {
        const range = document.createRange();
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        const tops = [...range.getClientRects()].map((place) => Math.round(place.top));
        if (new Set(tops).size > 1) found.push(word[0]);
      }
    }
  }
  return found;
}
"""


class Page(HTMLParser):
    """What the tests look at in a page: its links, anchors, definitions and lines."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.definitions = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids += [attributes['id']] if attributes.get('id') else []
        for name in ('href', 'src'):
            self.links += [attributes[name]] if attributes.get(name) else []
        if 'data-definition' in attributes:
            stem = attributes['id'].split('.')[0]
            self.definitions.append((stem, attributes['data-definition']))


@pytest.fixture(scope='session')
def site(tmp_path_factory):
    """Build the site; a warning of Sphinx is an error."""
    folder = tmp_path_factory.mktemp('pages') / 'site'
    build = [sys.executable, SITE / 'build.py', '--out_dir', folder, '--no-models']
    process = subprocess.run(build, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr

    return folder


@pytest.fixture(scope='session')
def pages(site):
    """Return the parsed pages by their path."""
    return {
        path.relative_to(site).as_posix(): Page(path.read_text(encoding='utf-8'))
        for path in sorted(site.rglob('*.html'))
    }


def list_pages(site):
    """Return the paths of all pages of a language, without it."""
    return sorted(
        p.relative_to(site / 'en').as_posix() for p in site.glob('en/**/*.html')
    )


def test_each_program_has_a_page_in_both_languages(site):
    english, korean = (
        {path.relative_to(site / lang) for path in site.glob(f'{lang}/**/*.html')}
        for lang in LANGUAGES
    )

    assert english == korean
    assert {Path(f'{chapter}.html') for chapter in all_chapters()} <= english


def test_links_lead_somewhere(site, pages):
    faults = []
    for name, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (
                (site / name).parent / unquote(url.path) if url.path else site / name
            )
            target_name = target.resolve().relative_to(site.resolve()).as_posix()
            anchors = pages[target_name].ids if target_name in pages else []
            is_lost = url.fragment and unquote(url.fragment) not in anchors
            if is_lost or not target.is_file():
                faults.append(f'{name}: {link}')

    assert not faults, '\n'.join(faults)


def test_anchors_are_unique(pages):
    for name, page in pages.items():
        doubles = {i for i in page.ids if page.ids.count(i) > 1}
        assert not doubles, name


@pytest.mark.parametrize('chapter', all_chapters())
def test_changes_show_each_definition_once(pages, chapter):
    expected = sorted(
        (file.removesuffix('.py'), name)
        for file in COURSE.files(chapter)
        for name in COURSE.definitions(f'{chapter}/{file}')
    )

    for lang in LANGUAGES:
        assert sorted(pages[f'{lang}/{chapter}.html'].definitions) == expected


def get_text(block):
    """Return the text of a piece of HTML."""
    return html.unescape(re.sub('<[^>]+>', '', block))


@pytest.mark.parametrize('chapter', all_chapters())
def test_whole_files_are_the_sources(site, chapter):
    text = (site / 'en' / f'{chapter}.html').read_text(encoding='utf-8')
    for file in COURSE.files(chapter):
        start = text.index(f'aria-label="{chapter}/{file}"><code>')
        block = text[text.index('<code>', start) : text.index('</code>', start)]

        assert get_text(block) == COURSE.read(f'{chapter}/{file}')


@pytest.mark.parametrize('chapter', all_chapters())
def test_a_changed_definition_has_both_sides_and_the_reason(site, chapter):
    text = (site / 'en' / f'{chapter}.html').read_text(encoding='utf-8')
    for file in COURSE.files(chapter):
        for name, pair in COURSE.pairs(chapter, file).items():
            if pair.kind != 'changed':
                continue
            start = text.index(f'id="{get_anchor(file, name)}" data-definition=')
            head, _, code = text[start : text.index('</pre>', start)].partition('<pre')
            code = code.partition('<code>')[2]
            new, old = (
                get_text(re.sub(rf'(?s)<{side}>.*?</{side}>', '', code))
                for side in ('del', 'ins')
            )

            assert new == ''.join(pair.child.pieces), f'{file}: {name}'
            assert old == ''.join(pair.parent.pieces), f'{file}: {name}'
            assert pair.reason in get_text(head)


def test_lines_know_their_file_and_number(site):
    text = (site / 'en' / '05_cnn.html').read_text(encoding='utf-8')
    lines = re.findall(
        r'<span class="line" data-file="(.*?)" data-line="(\d+)".*?>(.*)\n</span>', text
    )

    assert len(lines) > 1000
    for file, number, code in lines:
        assert get_text(code) == COURSE.read(file).split('\n')[int(number) - 1]


def test_korean_is_split_into_pairs_of_letters():
    assert split('어텐션을 쓰는 batch_size=64, 열') == [
        *('어텐', '텐션', '션을', '쓰는', 'batch_size', '64', '열')
    ]


# ---- In a browser


@pytest.fixture(scope='module')
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope='module')
def url(site):
    with serve(site) as url:
        yield url


@pytest.mark.parametrize('lang', LANGUAGES)
def test_pages_are_accessible_and_not_too_wide(browser, url, site, lang):
    """No finding of axe, no error, no foreign request, on any page.

    With TEST_LONG=1 each page is seen light and dark, else in one scheme a language.
    """
    if not AXE.exists():
        pytest.skip('needs axe-core: npm ci --prefix tools/site')
    faults = []
    for name in list_pages(site):
        with open_page(browser, f'{url}/{lang}/{name}') as page:
            for width in (360, 768, 1280, 1600):
                page.set_viewport_size({'width': width, 'height': 900})
                faults += [(name, width)] * page.evaluate(IS_TOO_WIDE)
                words = page.evaluate(FIND_BROKEN_WORDS)
                faults += [(name, width, word) for word in words]
            page.evaluate(THIN_OUT)
            page.add_script_tag(path=AXE)
            for scheme in SCHEMES[lang]:
                page.emulate_media(color_scheme=scheme)
                faults += [(name, scheme, text) for text in page.evaluate(FIND_FAULTS)]

    assert not faults, faults


@pytest.mark.parametrize('lang', LANGUAGES)
def test_the_front_page_is_light(browser, url, lang):
    with open_page(browser, f'{url}/{lang}/index.html') as page:
        # Pictures are loaded when they come into view.
        page.set_viewport_size({'width': 1280, 'height': 5000})
        assert page.locator('.sheet img').count() == len(all_chapters())
        page.wait_for_function(ARE_PICTURES_LOADED)
        n_bytes = page.evaluate(COUNT_BYTES)

    assert 50_000 < n_bytes < 300_000


@pytest.mark.parametrize(
    ('lang', 'query', 'expected'),
    [
        ('en', 'beam search', '12_seq2seq'),
        ('en', 'ConvolutionalClassifier', '05_cnn'),
        ('ko', '어텐션', '13_transformer'),
        ('ko', '배치', '10_text_classification'),
    ],
)
def test_search_finds_pages(browser, url, lang, query, expected):
    with open_page(browser, f'{url}/{lang}/search.html?q={query}') as page:
        page.wait_for_selector(f'#search-results a[href^="{expected}.html"]')


@pytest.mark.parametrize(
    ('query', 'form'), [('어텐션', '어텐션을'), ('배치', '배치를')]
)
def test_search_finds_words_with_particles(browser, url, site, query, form):
    """All pages are found that have a word with a particle, which is one word."""
    expected = {
        path.name
        for path in site.glob('ko/*.html')
        if form in get_text(path.read_text(encoding='utf-8'))
    }
    assert expected
    with open_page(browser, f'{url}/ko/search.html?q={query}') as page:
        for name in expected:
            page.wait_for_selector(f'#search-results a[href^="{name}"]')


def test_pages_work_without_javascript(browser, url):
    page_url = f'{url}/en/05_cnn.html'
    with open_page(browser, page_url, java_script_enabled=False) as page:
        assert page.get_by_role('heading', name='New here').is_visible()
        model = page.locator('#model-py')
        assert model.locator('.definition ins').first.is_visible()
        assert not model.locator('.whole').is_visible()
        model.get_by_text('Whole file').click()
        assert model.locator('.whole').is_visible()
        assert not model.locator('.changes').is_visible()


def test_the_language_switch_stays_on_the_page(browser, url):
    name = '04_advanced_pytorch/custom_dataset.html'
    for width in (360, 1280):
        with open_page(browser, f'{url}/en/{name}', width=width) as page:
            page.locator('a.language:visible').click()
            assert page.url == f'{url}/ko/{name}'
            assert page.locator('html').get_attribute('lang') == 'ko'
            page.locator('a.language:visible').click()
            assert page.url == f'{url}/en/{name}'


@pytest.mark.parametrize(('locale', 'lang'), [('ko-KR', 'ko'), ('fr-FR', 'en')])
def test_the_browser_chooses_the_language(browser, url, locale, lang):
    with open_page(browser, f'{url}/index.html', locale=locale) as page:
        page.wait_for_url(f'{url}/{lang}/index.html')


def test_each_page_leads_to_the_next_and_to_its_relatives(pages):
    following = dict(zip(COURSE.chapters, COURSE.chapters[1:], strict=False))
    for lang in LANGUAGES:
        for chapter in COURSE.chapters:
            links = pages[f'{lang}/{chapter}.html'].links
            expected = [*COURSE.children(chapter), *COURSE.parents(chapter)]
            expected += [following[chapter]] if chapter in following else []

            assert {get_link(chapter, name) for name in expected} <= {*links}
