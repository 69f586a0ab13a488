"""The playground of 12 and 13 in Chromium finds the translations of translate.py."""

import json
import os
import random
import shutil

import pytest
import torch
from browser import SITE, make_playground, open_browser, open_page, serve
from chapters import ROOT, importable, load_chapter, run

IS_LONG = os.environ.get('TEST_LONG') == '1'
NAMES = ['12_seq2seq', '13_transformer']
# Small networks that learn the shortest sentences in seconds.
OPTIONS = {
    '12_seq2seq': '--word_vec_size 48 --hidden_size 96 --lr 1e-2 --n_epochs 5',
    '13_transformer': '--hidden_size 64 --ffn_size 128 --n_heads 2 --n_layers 2 '
    '--lr 5e-3 --n_warmup_steps 60 --n_epochs 5 --dropout_p 0',
}
N_TRAIN = 9000 if IS_LONG else 1200
N_SENTENCES = 500 if IS_LONG else 300
READY = '.translate-result:not([aria-busy])'
# The functions of the page, in a page of its own kind.
OPEN = """
window.load = async () => {
  const ort = await import('/ort/ort.wasm.min.mjs');
  ort.env.wasm.wasmPaths = location.origin + '/ort/';
  ort.env.wasm.numThreads = 1;
  const { loadTranslator } = await import('/play/translator.js');
  return loadTranslator(ort, location.origin + '/models/' + CHAPTER);
};
"""
TRANSLATE = """async ([lines, beamSize]) => {
  window.translator ??= await window.load();
  const texts = [];
  for (const line of lines) {
    texts.push(await window.translator.translate(line, { beamSize }));
  }
  return texts;
}"""
N_BEST = """async ([line, beamSize]) => {
  window.translator ??= await window.load();
  let best = [];
  const options = { beamSize, nBest: beamSize };
  for await (const step of window.translator.search(line, options)) best = step.best;
  return best.map(({ tokens, score }) => [score, tokens]);
}"""
SUBWORDS = """async ([file, lines, ids]) => {
  const { readSubwords } = await import('/play/sentencepiece.js');
  const response = await fetch(file);
  const subwords = readSubwords(new Uint8Array(await response.arrayBuffer()));
  return [lines.map(subwords.encode), ids.map(subwords.decode)];
}"""
# A network whose logits are in a table: of a step, a token and the next token.
SEARCH = """async ([tables, length, options]) => {
  const { beamSearch, greedySearch } = await import('/play/search.js');
  const network = {
    start: async () => 0,
    step: async (tokens, t) => ({
      logits: tokens.map((token) => Float32Array.from(tables[t][token])),
      attention: tokens.map(() => [t]),
      state: t + 1,
    }),
    select: (t) => t,
  };
  const search = options.beamSize === 1 ? greedySearch : beamSearch;
  let best = [];
  const ids = Array(length).fill(0);
  for await (const step of search(network, ids, { bosId: 2, eosId: 3, ...options })) {
    best = step.best;
  }
  return best.map(({ tokens, score, attention }) => [score, tokens, attention.length]);
}"""


@pytest.fixture(scope='module')
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope='module', params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope='module')
def chapter(name):
    loaded = load_chapter(name)
    with importable(loaded):
        yield loaded


def read_sample(name, part, n_lines):
    """Return the shortest pairs of a part of the sample, in their order."""
    sample = ROOT / name / 'sample'
    texts = [(sample / f'{part}.{side}').read_text(encoding='utf-8') for side in LANG]
    pairs = list(zip(*(text.splitlines() for text in texts), strict=True))
    longest = sorted(len(x) for x, _ in pairs)[:n_lines][-1]
    return [pair for pair in pairs if len(pair[0]) <= longest][:n_lines]


LANG = ['ko', 'en']


@pytest.fixture(scope='module')
def folder(name, chapter, browser, tmp_path_factory):
    """Train and export; return a folder with model.pth and two sites, en and ko."""
    folder = tmp_path_factory.mktemp('play')
    for part, n_lines in (('train', N_TRAIN), ('valid', 50)):
        for i, side in enumerate(LANG):
            lines = [pair[i] + '\n' for pair in read_sample(name, part, n_lines)]
            (folder / f'{part}.{side}').write_text(''.join(lines), encoding='utf-8')
    options = {
        '--model_fn': folder / 'model.pth',
        '--train_fn': folder / 'train',
        '--valid_fn': folder / 'valid',
        '--cache_dir': folder / 'cache',
        '--batch_size': 32,
        '--verbose': 0,
        '--gpu_id': -1,
    }
    options = [str(part) for option in options.items() for part in option]
    options += [] if IS_LONG else OPTIONS[name].split()
    chapter.train.main(chapter.train.define_argparser().parse_args(options))
    out_dir = folder / 'export'
    options = '--model_fn', folder / 'model.pth', '--out_dir', out_dir
    run(ROOT / name, 'export.py', *options, check=True)
    for side in LANG:
        shutil.copy(ROOT / name / 'sample' / f'test.{side}', out_dir)
    for lang in ('en', 'ko'):
        (folder / lang).mkdir()
        make_playground(folder / lang, 'translate.js', name, {name: out_dir}, lang)
    return folder


@pytest.fixture(scope='module')
def page(name, folder, browser):
    """Return a page whose functions can be called, without the playground."""
    with serve(folder / 'en') as url, open_page(browser, url) as page:
        page.evaluate(OPEN.replace('CHAPTER', json.dumps(name)))
        yield page


@pytest.fixture(scope='module')
def translator(chapter, folder):
    fns = [folder / 'model.pth']
    return chapter.translate.Translator(fns, torch.device('cpu'))


def translate(chapter, translator, lines, *options):
    """Return what translate.py finds: for each line, a list of (score, ids)."""
    config = chapter.translate.define_argparser().parse_args(options)
    found = chapter.translate.translate(translator, lines, config, 1280)
    return [translations for _, translations in found]


@pytest.mark.parametrize('beam_size', [1, 5])
def test_translations(name, chapter, translator, page, beam_size):
    """To the letter, as translate.py prints them."""
    lines = [x for x, _ in read_sample(name, 'test', N_SENTENCES)]
    lines += ['', ' \t', 'English 한국어 😀 ＡＢＣ', '민수\u3000씨는\x1f책을']
    found = translate(chapter, translator, lines, '--beam_size', str(beam_size))
    expected = [translator.decode(best[0][1]) if best else '' for best in found]

    assert page.evaluate(TRANSLATE, [lines, beam_size]) == expected
    # Hardly any sentence is translated like another: the network has learned.
    assert len({*expected}) > 0.5 * N_SENTENCES


@pytest.mark.parametrize('beam_size', [2, 5, 10])
def test_n_best(name, chapter, translator, page, beam_size):
    """All hypotheses with their scores, in their order."""
    lines = [x for x, _ in read_sample(name, 'test', 500 if IS_LONG else 5)]
    options = ['--beam_size', str(beam_size), '--n_best', str(beam_size)]
    for line, expected in zip(
        lines, translate(chapter, translator, lines, *options), strict=True
    ):
        found = page.evaluate(N_BEST, [line, beam_size])
        assert [tokens for _, tokens in found] == [tokens for _, tokens in expected]
        scores = [score for score, _ in expected]
        assert [score for score, _ in found] == pytest.approx(scores, abs=1e-4)


class Table:
    """A network whose logits are in a table: of a step, a token and the next token."""

    def __init__(self, tables):
        self.tables = torch.tensor(tables)

    def start(self, x, lengths):
        self.t = 0
        return self

    def step(self, y, state):
        self.t += 1
        return self.tables[self.t - 1][y]

    def select(self, rows):
        """Forget nothing: the last token is the whole state."""


@pytest.mark.parametrize('alpha', [0.0, 0.6, 1.0, 3.0])
@pytest.mark.parametrize('options', [(1, 1), (2, 1), (3, 3), (5, 2), (20, 20)])
def test_search_is_that_of_search_py(chapter, page, options, alpha):
    """For any network, limit and length penalty; 12 and 13 have the same search."""
    beam_size, n_best = options
    generator = random.Random(repr((options, alpha)))
    for max_length in (2, 3, 7, 40):
        length = generator.randrange(1, 6)
        tables = [
            [[generator.gauss(0, 2) for _ in range(9)] for _ in range(9)]
            for _ in range(max_length)
        ]
        x, lengths = torch.zeros(1, length).long(), torch.tensor([length])
        task = Table(tables), x, lengths, 2, 3, max_length
        limits = {'max_ratio': generator.choice([0.0, 0.8, 2.0]), 'max_extra': 3}
        if beam_size == 1:
            (tokens,) = chapter.search.greedy_search(*task, **limits)
            expected = [(None, tokens.tolist())]
        else:
            options = beam_size, n_best, alpha
            found = chapter.search.beam_search(*task, *options, **limits)
            expected = zip(found[0][0].tolist(), found[1][0].tolist(), strict=True)
            expected = [pair for pair in expected if pair[0] > -torch.inf]
        js = {'beamSize': beam_size, 'nBest': n_best, 'alpha': alpha}
        js |= {'maxRatio': limits['max_ratio'], 'maxExtra': limits['max_extra']}
        found = page.evaluate(SEARCH, [tables, length, js | {'maxLength': max_length}])
        assert len(found) == len(expected)
        for (score, tokens, n_rows), (best, ids) in zip(found, expected, strict=True):
            assert tokens == [*ids, 3][: [*ids, 3].index(3)]
            assert n_rows == len(tokens)
            assert score == (None if best is None else pytest.approx(best, abs=1e-5))


def make_texts(generator, n_texts):
    """Return random strings of all kinds of characters."""
    kinds = [
        '가나다라마바사는을 습니다요',
        'abcdef the ing T',
        '😀👍🏽👨‍👩‍👧',
        'ＡＢ１？　',
    ]
    kinds += [
        '   ',
        '▁',
        'é\u0301ㅏ\u1100\u1161',
        '\t\n\x00\x85\ufeff',
        '0123"\'.,?',
        '漢Жф',
    ]
    texts = []
    for _ in range(n_texts):
        pool = ''.join(generator.sample(kinds, generator.randrange(1, len(kinds))))
        length = generator.randrange(40)
        texts.append(''.join(generator.choice(pool) for _ in range(length)))
    return texts


@pytest.mark.parametrize('side', [0, 1])
def test_subwords(name, translator, page, side):
    """The ids and the texts are SentencePiece's, whatever the text or the ids are."""
    subwords = (translator.x_subwords, translator.y_subwords)[side]
    generator = random.Random(side)
    n_texts = 20_000 if IS_LONG else 1000
    lines = [pair[side] for pair in read_sample(name, 'test', 500)]
    lines += make_texts(generator, n_texts)
    # Bytes come first, which may be no characters.
    ids = [
        [
            generator.choice([generator.randrange(n), generator.randrange(260)])
            for _ in line
        ]
        for line in lines
        for n in [len(subwords)]
    ]
    ids += subwords.encode(lines)
    file = f'models/{name}/{"xy"[side]}.model'

    found, texts = page.evaluate(SUBWORDS, [file, lines, ids])

    assert found == subwords.encode(lines)
    assert texts == [subwords.decode(tokens) for tokens in ids]


def start(page):
    """Press the button, and wait for the first translation."""
    page.click('.playground button')
    page.wait_for_selector(READY + ':not(:empty)')


def test_playground(name, chapter, translator, folder, browser):
    """A reader types, chooses and looks, with the keyboard alone."""
    line = read_sample(name, 'test', 7)[-1][0]
    with (
        serve(folder / 'en') as url,
        open_page(browser, url, reduced_motion='reduce') as page,
    ):
        start(page)
        for beam_size in (5, 1):
            page.select_option('select', str(beam_size))
            page.fill('textarea', line)
            page.focus('textarea')
            page.keyboard.press('Enter')
            page.wait_for_selector(READY + ':not(:empty)')
            best = translate(chapter, translator, [line], '--beam_size', str(beam_size))
            expected = translator.decode(best[0][0][1])
            assert page.inner_text('.translate-result') == expected
            assert page.is_visible('.translate-list') == (beam_size > 1)
        words = page.locator('.translate-flow ol:last-child li > :first-child')
        assert ' '.join(words.all_inner_texts()) == expected
        words = page.locator('.translate-flow ol:first-child li > :first-child')
        assert ' '.join(words.all_inner_texts()) == line
        assert page.locator('.translate-flow path').count() > 0
        n_maps = {'12_seq2seq': 1 + 1, '13_transformer': 2 * (2 + 1)}[name]
        heads = page.locator('.translate-heads input')
        assert IS_LONG or heads.count() == n_maps
        assert heads.first.is_visible() == (name == '13_transformer')
        page.click('.translate-examples button:last-child')
        page.wait_for_selector(READY + ':not(:empty)')
        references = [y for _, y in read_sample(name, 'test', 500)]
        assert (
            page.inner_text('.translate-reference').removeprefix('Reference: ')
            in references
        )
        page.fill('textarea', '')
        page.keyboard.press('Enter')
        page.wait_for_function("!document.querySelector('.translate-flow li')")
        assert page.inner_text('.translate-result') == ''


def test_attention_of_a_head(name, chapter, translator, folder, browser):
    """The bands that are drawn are the weights of the chosen layer and head."""
    if name == '12_seq2seq':
        pytest.skip('there is one layer with one head')
    with (
        serve(folder / 'en') as url,
        open_page(browser, url, reduced_motion='reduce') as page,
    ):
        start(page)
        before = page.get_attribute('.translate-flow path', 'd')
        page.focus('.translate-heads input:checked')
        page.keyboard.press('ArrowLeft')
        assert page.get_attribute('.translate-flow path', 'd') != before
        label = page.get_attribute('.translate-heads input:checked', 'aria-label')
        assert label in page.inner_text('.translate-heads legend')
        page.evaluate(OPEN.replace('CHAPTER', json.dumps(name)))
        line = page.input_value('textarea')
        found = page.evaluate(
            """async (line) => {
              const translator = await window.load();
              let best;
              for await (const step of translator.search(line)) [best] = step.best;
              const { nLayers } = translator;
              return [best.tokens, translator.getWeights(best, nLayers - 1, 1)];
            }""",
            line,
        )
    ids = translator.encode([line], 150)[0]
    _, _, expected = translator.get_attention(ids, found[0])
    weights = torch.tensor(found[1])
    torch.testing.assert_close(
        weights, torch.from_numpy(expected[-1, 1, :-1]), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(('lang', 'width'), [('en', 1280), ('ko', 360)])
def test_page_is_accessible(folder, browser, lang, width):
    """axe-core has no serious findings; nothing is wider than the window."""
    axe = SITE / 'node_modules' / 'axe-core' / 'axe.min.js'
    if not axe.exists():
        pytest.skip('needs axe-core: npm ci --prefix tools/site')
    with (
        serve(folder / lang) as url,
        open_page(browser, url, width=width, reduced_motion='reduce') as page,
    ):
        start(page)
        is_korean = '번역하기' in page.inner_text('.playground')
        assert is_korean == (lang == 'ko')
        assert ('Translate' in page.inner_text('.playground')) == (lang == 'en')
        assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
        page.add_script_tag(path=axe)
        found = page.evaluate("axe.run('.playground')")
        serious = [
            (violation['id'], [node['html'] for node in violation['nodes']])
            for violation in found['violations']
            if violation['impact'] in ('serious', 'critical')
        ]
        assert serious == []


def test_other_subword_models_are_refused(page, folder):
    """A model with another normalisation would be read wrongly."""
    import sentencepiece

    lines = (ROOT / NAMES[0] / 'sample' / 'valid.en').read_text(encoding='utf-8')
    for i, options in enumerate(
        [{'byte_fallback': True}, {'normalization_rule_name': 'identity'}]
    ):
        with open(folder / 'en' / f'{i}.model', 'wb') as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines.splitlines()),
                model_writer=file,
                vocab_size=400,
                minloglevel=2,
                **options,
            )
        with pytest.raises(Exception, match='expected a unigram model'):
            page.evaluate(SUBWORDS, [f'{i}.model', [], []])


def test_scripts_are_short():
    lines = (
        (SITE / 'play' / 'sentencepiece.js').read_text(encoding='utf-8').splitlines()
    )
    assert len(lines) < 150
    assert max(map(len, lines)) <= 100
