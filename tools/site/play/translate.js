// The playground of chapters 12 and 13: a Korean sentence, its translation as the search finds it,
// the hypotheses of the beam, and the attention between the words.

import { loadTranslator } from './translator.js';
import { Flow, drawMap, joinWeights, joinWords } from './attention.js';

const TEXTS = {
  en: {
    sentence: 'A Korean sentence', examples: 'Sentences of the test part', surprise: 'Surprise me',
    translate: 'Translate', beamSize: 'Beam size', greedy: '1 (greedy)',
    translation: 'Translation', reference: 'Reference: ', hypotheses: 'Hypotheses',
    score: 'Score', text: 'Text', attention: 'Attention',
    heads: 'Layer and head', mean: 'mean', layer: 'layer', head: 'head',
    most: 'attends most to',
    about: 'The width of a band is the attention that an English word pays to a Korean one.',
    kinds: 'The network knows only the words of its sample: 75 nouns, 45 verbs, 15 adjectives.',
  },
  ko: {
    sentence: '한국어 문장', examples: '테스트 문장', surprise: '아무 문장이나',
    translate: '번역하기', beamSize: '빔 크기', greedy: '1 (그리디)',
    translation: '번역', reference: '참조 번역: ', hypotheses: '가설',
    score: '점수', text: '문장', attention: '어텐션',
    heads: '층과 헤드', mean: '평균', layer: '층', head: '헤드',
    most: '가장 많이 보는 단어:',
    about: '띠의 두께는 영어 단어가 한국어 단어에 주는 어텐션 가중치예요.',
    kinds: '모델은 샘플에 나온 단어만 알아요. 명사 75개, 동사 45개, 형용사 15개쯤이에요.',
  },
};
// Lines of the test part that are offered as examples: short ones of several kinds.
const EXAMPLES = [0, 4, 1];
const BEAM_SIZES = [1, 2, 3, 5, 10];
const DEFAULT_BEAM_SIZE = 5;
// Between two steps, so that a reader can follow the search; in milliseconds.
const PAUSE = 90;
const TYPING_PAUSE = 600;

// Make an element: make('p', { class: 'a' }, 'text', child).
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== false) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

const wait = (time) => new Promise((resolve) => { setTimeout(resolve, time); });
const isCalm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

class Playground {
  constructor(element, texts, translator, examples) {
    Object.assign(this, { element, texts, translator, examples });
    this.number = 0;
    this.head = 'mean';
    this.layer = translator.nLayers - 1;
    element.classList.add('translate');
    element.append(this.makeForm(), ...this.makeResults());
  }

  makeForm() {
    const { texts, translator, examples } = this;
    const [language] = translator.model.languages;
    this.input = make('textarea', { id: 'translate-input', rows: 2, lang: language });
    this.input.addEventListener('keydown', (event) => {
      // In the middle of a Korean syllable, Enter belongs to the keyboard.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.translate();
    });
    this.input.addEventListener('input', () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.translate(), TYPING_PAUSE);
    });
    this.beam = make('select', { id: 'translate-beam', onchange: () => this.translate() });
    for (const size of BEAM_SIZES) {
      const text = size === 1 ? texts.greedy : String(size);
      this.beam.append(make('option', { value: size, selected: size === DEFAULT_BEAM_SIZE }, text));
    }
    const offer = (text) => make(
      'button', { type: 'button', lang: language, onclick: () => this.take(text) }, text,
    );
    const surprise = () => this.take(examples[Math.floor(Math.random() * examples.length)].x);
    const onsubmit = (event) => {
      event.preventDefault();
      this.translate();
    };
    return make(
      'form', { onsubmit },
      make('label', { for: 'translate-input' }, texts.sentence), this.input,
      make(
        'div', { class: 'translate-examples', role: 'group', 'aria-label': texts.examples },
        ...EXAMPLES.map((i) => offer(examples[i].x)),
        make('button', { type: 'button', onclick: surprise }, `⚄ ${texts.surprise}`),
      ),
      make(
        'div', { class: 'translate-options' },
        make('label', { for: 'translate-beam' }, texts.beamSize), this.beam,
        make('button', { type: 'submit', class: 'translate-go' }, texts.translate),
      ),
      make('p', { class: 'translate-note' }, texts.kinds),
    );
  }

  makeResults() {
    const { texts, translator } = this;
    const [, language] = translator.model.languages;
    const label = (name) => ({ class: 'translate-label', id: `translate-${name}` });
    const status = { role: 'status', lang: language, 'aria-labelledby': 'translate-translation' };
    this.result = make('p', { class: 'translate-result', ...status });
    this.reference = make('p', { class: 'translate-reference', hidden: true });
    const flow = make('div', { class: 'translate-flow' });
    const say = (word, weight) => ` (${texts.most} ${word}, ${Math.round(100 * weight)} %)`;
    this.flow = new Flow(flow, translator.model.languages, say);
    this.heads = make('fieldset', { class: 'translate-heads', hidden: this.isSingle() });
    this.list = make('tbody', { lang: language });
    const columns = [texts.score, texts.text].map((text) => make('th', { scope: 'col' }, text));
    this.table = make(
      'table', { class: 'translate-list', 'aria-labelledby': 'translate-hypotheses' },
      make('thead', {}, make('tr', {}, ...columns)), this.list,
    );
    this.beamPart = make('div', {}, make('p', label('hypotheses'), texts.hypotheses), this.table);
    this.makeHeads();
    return [
      make('p', label('translation'), texts.translation), this.result, this.reference,
      make('p', label('attention'), texts.attention),
      make('div', { class: 'translate-attention' }, flow, this.heads),
      make('p', { class: 'translate-note' }, texts.about),
      this.beamPart,
    ];
  }

  isSingle() {
    return this.translator.nLayers * this.translator.nHeads === 1;
  }

  // A small map for each head, in rows of layers; the first of a row is the mean of its heads.
  makeHeads() {
    const { texts, translator: { nLayers, nHeads } } = this;
    this.maps = [];
    this.legend = make('legend');
    this.heads.append(this.legend);
    this.heads.style.setProperty('--n-columns', nHeads + 1);
    for (let layer = 0; layer < nLayers; layer += 1) {
      for (const head of ['mean', ...Array(nHeads).keys()]) {
        const name = head === 'mean' ? texts.mean : `${texts.head} ${head + 1}`;
        const label = `${texts.layer} ${layer + 1}, ${name}`;
        const checked = layer === this.layer && head === this.head;
        const onchange = () => {
          Object.assign(this, { layer, head });
          this.drawAttention();
        };
        const attributes = { type: 'radio', name: 'translate-head', checked, onchange };
        const map = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
        this.maps.push({ map, layer, head, label });
        this.heads.append(make(
          'label', { title: label }, make('input', { ...attributes, 'aria-label': label }), map,
        ));
      }
    }
  }

  take(text) {
    this.input.value = text;
    return this.translate();
  }

  // Search, and show each step; a search that begins later ends this one.
  async translate() {
    clearTimeout(this.timer);
    this.number += 1;
    const { number, translator } = this;
    const text = this.input.value;
    const beamSize = Number(this.beam.value);
    const ids = translator.encode(text);
    this.xWords = joinWords(ids, translator.xSubwords);
    this.reference.hidden = true;
    this.result.setAttribute('aria-busy', 'true');
    this.show({ open: [], best: [] }, beamSize);
    for await (const hypotheses of translator.search(text, { beamSize, nBest: beamSize })) {
      if (number !== this.number) return;
      this.show(hypotheses, beamSize);
      if (!isCalm()) await wait(PAUSE);
      if (number !== this.number) return;
    }
    const example = this.examples.find(({ x }) => x === text);
    this.reference.textContent = example ? this.texts.reference + example.y : '';
    this.reference.hidden = !example;
    this.result.removeAttribute('aria-busy');
  }

  show({ open, best }, beamSize) {
    const all = [...best, ...open].sort((a, b) => b.score - a.score).slice(0, beamSize);
    this.hypothesis = open[0] ?? best[0] ?? { tokens: [], attention: [] };
    this.beamPart.hidden = beamSize === 1;
    this.showList(all, open);
    this.showHypothesis();
  }

  showList(hypotheses, open) {
    this.list.replaceChildren(...hypotheses.map((hypothesis) => {
      const isOpen = open.includes(hypothesis);
      const text = this.translator.decode(hypothesis.tokens) + (isOpen ? ' …' : '');
      const isShown = String(hypothesis === this.hypothesis);
      const onclick = ({ target }) => {
        this.list.querySelector('[aria-pressed=true]')?.setAttribute('aria-pressed', 'false');
        target.setAttribute('aria-pressed', 'true');
        this.hypothesis = hypothesis;
        this.showHypothesis();
      };
      const button = make('button', { type: 'button', onclick, 'aria-pressed': isShown }, text);
      const score = hypothesis.score?.toFixed(4) ?? '';
      return make(
        'tr', { class: isOpen ? 'is-open' : 'has-ended' },
        make('td', {}, score), make('td', {}, button),
      );
    }));
  }

  showHypothesis() {
    this.result.textContent = this.translator.decode(this.hypothesis.tokens);
    this.drawAttention();
  }

  drawAttention() {
    const { translator, texts, hypothesis, xWords } = this;
    if (!xWords) return;
    const yWords = joinWords(hypothesis.tokens, translator.ySubwords);
    const get = (layer, head) => (
      joinWeights(translator.getWeights(hypothesis, layer, head), xWords, yWords)
    );
    this.flow.draw(xWords, yWords, get(this.layer, this.head));
    if (this.isSingle()) return;
    for (const { map, layer, head, label } of this.maps) {
      drawMap(map, get(layer, head), xWords.length);
      if (layer === this.layer && head === this.head) {
        this.legend.textContent = `${texts.heads}: ${label}`;
      }
    }
  }
}

async function loadExamples(folder, languages) {
  const [x, y] = await Promise.all(languages.map(async (language) => {
    const response = await fetch(`${folder}/test.${language}`);
    return (await response.text()).trim().split('\n');
  }));
  return x.map((text, i) => ({ x: text, y: y[i] }));
}

export async function start(element, { models, chapter, lang, ort }) {
  const href = new URL('translate.css', import.meta.url);
  document.head.append(make('link', { rel: 'stylesheet', href }));
  const folder = `${models}/${chapter}`;
  const translator = await loadTranslator(ort, folder);
  const examples = await loadExamples(folder, translator.model.languages);
  const playground = new Playground(element, TEXTS[lang], translator, examples);
  await playground.take(examples[EXAMPLES[0]].x);
}
