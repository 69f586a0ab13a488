"""The playgrounds of words and of reviews: in Chromium, the answers of predict.py."""

import math
import re
import unicodedata

import pytest
import torch
from browser import SITE, make_playground, open_browser, open_page, serve
from chapters import importable
from text_exports import REVIEWS, WORDS, export, load, predict, read, read_reviews

AXE = SITE / 'node_modules' / 'axe-core' / 'axe.min.js'
PLAYGROUNDS = [('words.js', WORDS, 'words'), ('reviews.js', REVIEWS, 'cnn')]
HANGUL = re.compile('[가-힣]')
LONG_REVIEW = ('정말 좋았다. ' * 100).strip()


@pytest.fixture(scope='module')
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope='module')
def addresses(browser, tmp_path_factory):
    """Serve each playground in each language; a dict of addresses."""
    root = tmp_path_factory.mktemp('play')
    for script, chapter, kind in PLAYGROUNDS:
        for lang in ('en', 'ko'):
            folder, _ = export(kind)
            place = root / lang / script
            make_playground(place, script, chapter, {chapter: folder}, lang)
    with serve(root) as url:
        yield {
            (script, lang): f'{url}/{lang}/{script}/index.html'
            for script, _, _ in PLAYGROUNDS
            for lang in ('en', 'ko')
        }


@pytest.fixture(scope='module')
def pages(browser, addresses):
    """Open both playgrounds in English, and press their buttons."""
    with (
        open_page(browser, addresses['words.js', 'en']) as words,
        open_page(browser, addresses['reviews.js', 'en']) as reviews,
    ):
        for page in (words, reviews):
            start(page)
        yield {'words.js': words, 'reviews.js': reviews}


def start(page):
    page.get_by_role('button').click()
    page.get_by_role('heading').first.wait_for()


def call(page, name, method, *arguments):
    """Call a method of the model that a script exports; returns what it returns."""
    script = """async ([name, method, ...values]) => {
      const folder = new URL('.', location.href).href;
      const { script, chapter } = document.querySelector('.playground').dataset;
      if (!window.model) {
        const ort = await import(`${folder}ort/ort.wasm.min.mjs`);
        const module = await import(`${folder}play/${script}`);
        window.model = await module[name].load(ort, `${folder}models/${chapter}`);
      }
      return await window.model[method](...values);
    }"""
    return page.evaluate(script, [name, method, *arguments])


def softmax(logits):
    return torch.tensor(logits).double().softmax(dim=-1).tolist()


# ---- Reviews


def test_200_reviews_get_the_labels_of_predict(pages):
    texts = read_reviews()[:200]
    logits = call(pages['reviews.js'], 'Classifier', 'getLogits', texts)
    probabilities = softmax(logits)
    class_names = read('cnn', 'model.json')['class_names']

    n_equal = 0
    for line, p in zip(predict('cnn', texts, '--top_k', 2), probabilities, strict=True):
        label, first, other, second, _ = line.split('\t')
        n_equal += class_names[p.index(max(p))] == label
        for name, expected in (label, first), (other, second):
            assert p[class_names.index(name)] == pytest.approx(
                float(expected), abs=1e-4
            )
    assert n_equal == len(texts) == 200


@pytest.mark.parametrize(
    'text',
    [
        ' 재미\u3000없다\t!!!! ㅋㅋㅋㅋㅋ 😀😀😀 \x7f\x00\x85',
        unicodedata.normalize('NFD', '정말 좋았다'),
        'ÅA\u030a\ufeff\u200b\u2029글쎄',
        LONG_REVIEW,
        '<pad> ## $1 $& 👨‍👩‍👧',
        '',
    ],
)
def test_texts_become_the_same_ids(pages, text):
    chapter = load(REVIEWS)
    folder, _ = export('cnn')
    with importable(chapter):
        fn = folder.with_suffix('.pth')
        (ids,) = chapter.predict.Classifier(fn, torch.device('cpu')).encode([text])
    assert call(pages['reviews.js'], 'Classifier', 'encode', text) == ids


def test_each_word_is_left_out_in_turn(pages):
    text = read_reviews()[0]
    answer = call(pages['reviews.js'], 'Classifier', 'explain', text)
    words = text.split()
    others = [' '.join(words[:i] + words[i + 1 :]) for i in range(len(words))]
    logits = call(pages['reviews.js'], 'Classifier', 'getLogits', [text, *others])

    best = answer['best']
    log_odds = [math.log(p[best] / (1 - p[best])) for p in softmax(logits)]
    assert answer['words'] == words
    expected = [log_odds[0] - value for value in log_odds[1:]]
    assert answer['changes'] == pytest.approx(expected, abs=1e-3)


def test_a_typed_review_is_classified(pages):
    page, text = pages['reviews.js'], '연기가 정말 형편없었다'
    page.get_by_label('A review in Korean').fill(text)
    words = page.locator('.word [lang=ko]')
    page.get_by_text('형편없었다', exact=True).wait_for()
    assert words.all_text_contents() == text.split()

    (line,) = predict('cnn', [text])
    name = {'0': 'bad', '1': 'good'}[line[0]]
    assert page.get_by_role('heading').first.text_content() == f'The review is {name}'
    row = page.locator('.shares li', has_text=name)
    assert row.locator('.number').text_content() == line.split('\t')[1]
    for change in page.locator('.word .number').all_text_contents():
        assert re.fullmatch(r'[+−]\d+\.\d|0\.0', change)

    page.get_by_label('A review in Korean').fill(' \n ')
    page.locator('.word').first.wait_for(state='hidden')


def test_examples_of_reviews_are_of_the_test_part(pages):
    page, texts = pages['reviews.js'], set(read_reviews())
    buttons = page.get_by_role('group').get_by_role('button')
    assert buttons.count() >= 3
    for button in buttons.all():
        assert button.text_content() in texts
    button.click()
    page.get_by_text(button.text_content().split()[-1], exact=True).wait_for()
    assert page.get_by_role('textbox').input_value() == button.text_content()


# ---- Words


def make_typo(word):
    """Leave out the third letter of a word."""
    return word[:2] + word[3:]


def get_questions():
    """Return 50 words of the vocabulary, and 20 typos of words of it."""
    words = read('words', 'model.json')['words']
    long = [word for word in words if len(word) > 7 and word.isascii()]
    typos = [make_typo(word) for word in long]
    typos = [word for word in typos if word not in words]
    return words[:25] + words[-25:], typos[:20]


def read_answer(line):
    """Return the words and the cosines of a line of predict.py."""
    _, *cells = line.split('\t')
    pairs = [cell.split(' ') for cell in cells if not cell.startswith('(')]
    return {word: float(cosine) for word, cosine in pairs}


def compare_neighbours(page, questions):
    """Hold the answers of the page to those of predict.py."""
    lines = predict('words', questions, '--n_best', 20)
    for question, line in zip(questions, lines, strict=True):
        answer = call(page, 'WordVectors', 'answer', question, 5)
        expected = read_answer(line)
        assert answer['kind'] == 'nearest'
        assert bool(answer['guessed']) == ('by its n-grams' in line)
        words = list(expected)
        for rank, part in enumerate(answer['neighbours']):
            # Only words with cosines as good as equal may change places.
            assert part['cosine'] == pytest.approx(expected[words[rank]], abs=1e-3)
            assert part['cosine'] == pytest.approx(expected[part['word']], abs=1e-3)
        assert len(answer['neighbours']) == 5


def test_neighbours_of_words_are_those_of_predict(pages):
    words, _ = get_questions()
    assert len(set(words)) == 50
    compare_neighbours(pages['words.js'], words)


def test_neighbours_of_typos_are_those_of_predict(pages):
    _, typos = get_questions()
    assert len(typos) == 20
    compare_neighbours(pages['words.js'], typos)


def test_sums_and_pairs_are_those_of_predict(pages):
    sums = [
        'australian - australia + india',
        'goverment + minister',
        'US - us + Police',
    ]
    compare_neighbours(pages['words.js'], sums)
    (line,) = predict('words', ['israeli  Palestinian'])
    answer = call(pages['words.js'], 'WordVectors', 'answer', 'israeli  Palestinian')
    assert answer['cosine'] == pytest.approx(float(line.split('\t')[1]), abs=1e-3)


def test_the_same_questions_are_answered(pages):
    questions = ['a b c', 'police -', 'us - us + us', 'a - b c', 'us + us -', 'us / us']
    for question, line in zip(questions, predict('words', questions), strict=True):
        answer = call(pages['words.js'], 'WordVectors', 'answer', question)
        assert (answer['kind'] == 'expected') == ('\texpected a word' in line)


def test_without_known_n_grams_there_is_no_vector(pages):
    answer = call(pages['words.js'], 'WordVectors', 'answer', 'police - 쀍 + 쀍')
    assert answer == {'kind': 'unknown', 'words': ['쀍']}


def test_n_grams_have_the_buckets_of_gensim(pages):
    from gensim.models.fasttext import ft_ngram_hashes

    rows = read('words', 'examples.json')
    for word, expected in zip(rows['words'], rows['rows'], strict=True):
        assert call(pages['words.js'], 'WordVectors', 'getRows', word) == expected
    module = '${new URL("play/words.js", location.href)}'
    script = f"""async ([words, ...limits]) => {{
      const {{ getNGrams, getHash }} = await import(`{module}`);
      return words.map((word) => getNGrams(word, ...limits).map(getHash));
    }}"""
    words = ['a', '좋았다', 'café', '😀', "don't"]
    for limits in (3, 6), (1, 2):
        found = pages['words.js'].evaluate(script, [words, *limits])
        expected = [ft_ngram_hashes(word, *limits, 2**32) for word in words]
        assert [sorted(row) for row in found] == [sorted(row) for row in expected]


def test_a_typed_typo_is_answered_and_explained(pages):
    page = pages['words.js']
    page.get_by_label('A word, two words, or a sum').fill('Goverment')
    page.keyboard.press('Enter')
    page.get_by_text('does not occur in the text').wait_for()

    assert page.locator('.n-gram').first.text_content() == '<go'
    assert 0 < page.locator('del.n-gram').count() < page.locator('.n-gram').count()
    (line,) = predict('words', ['goverment'])
    best, cosine = next(iter(read_answer(line).items()))
    row = page.locator('.shares li').first
    assert row.get_by_role('button').text_content() == best
    found = float(row.locator('.number').text_content())
    assert found == pytest.approx(cosine, abs=1e-3)

    # A neighbour is asked for by its button.
    row.get_by_role('button').click()
    page.get_by_text(f'nearest to “{best}”').wait_for()
    assert page.locator('.n-gram').count() == 0
    page.get_by_label('A word, two words, or a sum').fill('쀍')
    page.keyboard.press('Enter')
    page.get_by_text('unknown: 쀍').wait_for()


# ---- Both


def find_faults(page):
    """Return the serious findings of axe-core."""
    page.add_script_tag(path=AXE)
    results = page.evaluate('axe.run(document.querySelector(".playground"))')
    return [
        (fault['id'], node['html'])
        for fault in results['violations']
        if fault['impact'] in ('serious', 'critical')
        for node in fault['nodes']
    ]


@pytest.mark.parametrize('script', ['words.js', 'reviews.js'])
def test_english_pages_are_accessible(pages, script):
    page = pages[script]
    page.get_by_role('group').get_by_role('button').nth(1).click()
    page.get_by_role('heading').first.wait_for()
    assert find_faults(page) == []
    own = page.locator('.playground :not([lang]):not([lang] *)')
    texts = own.evaluate_all(
        'all => all.map((e) => e.childElementCount ? "" : e.textContent)'
    )
    assert not HANGUL.search(''.join(texts))


@pytest.mark.parametrize('script', ['words.js', 'reviews.js'])
def test_korean_pages_are_korean_dark_and_narrow(browser, addresses, script):
    url = addresses[script, 'ko']
    with open_page(browser, url, width=360, color_scheme='dark') as page:
        start(page)
        for text in page.locator('h3, .note, label').all_text_contents():
            assert HANGUL.search(text)
        assert page.evaluate('document.documentElement.scrollWidth') <= 360
        assert find_faults(page) == []
