// The playground of chapter 09: questions to word vectors, answered as predict.py does.

import { create, createButton, createLatest } from './parts.js';
import { addStyle, createExamples, createShares, loadModel, padRows, splitWords } from './texts.js';

const CHAPTER = '09_word_embedding';
const N_BEST = 8;
const EXAMPLES = [
  'afghanistan',
  'goverment',
  'australian - australia + india',
  'israeli palestinian',
];

const TEXTS = {
  en: {
    label: 'A word, two words, or a sum of words',
    ask: 'Ask',
    examples: 'Examples:',
    nearest: (question) => `The words nearest to “${question}”, with their cosines`,
    cosine: 'The cosine of the two words',
    nGrams: (word) =>
      `“${word}” does not occur in the text. Its vector is computed from its n-grams alone. ` +
      'Those with a dashed border do not occur in the text either, and have no vector.',
    unknown: (words) => `unknown: ${words.join(', ')}. None of the n-grams occurs in the text.`,
    expected: 'Expected a word, two words, or a sum such as australian - australia + india',
    known: (n) =>
      `The model knows ${n.toLocaleString('en')} words of news articles, and their n-grams.`,
  },
  ko: {
    label: '단어 하나, 단어 두 개, 또는 단어의 합',
    ask: '물어보기',
    examples: '예:',
    nearest: (question) => `“${question}”에 가장 가까운 단어와 코사인 유사도`,
    cosine: '두 단어의 코사인 유사도',
    nGrams: (word) =>
      `“${word}”는 학습 텍스트에 없는 단어예요. 그래서 벡터를 n-gram만으로 계산해요. ` +
      '점선 테두리의 n-gram은 텍스트에 나오지 않아서 벡터가 없어요.',
    unknown: (words) => `모르는 단어예요: ${words.join(', ')}. 텍스트에 나오는 n-gram이 하나도 없어요.`,
    expected: '단어 하나, 단어 두 개, 또는 australian - australia + india 같은 합을 입력하세요',
    known: (n) => `모델은 뉴스 기사에 나온 단어 ${n.toLocaleString('ko')}개와 그 n-gram을 알아요.`,
  },
};

// Return the n-grams of a word, those of its beginning and end with < and >.
export function getNGrams(word, minN, maxN) {
  const characters = Array.from(`<${word}>`);
  const nGrams = [];
  for (let start = 0; start < characters.length; start += 1) {
    for (let n = minN; n <= maxN && start + n <= characters.length; n += 1) {
      const isMark = n === 1 && (start === 0 || start === characters.length - 1);
      if (!isMark) nGrams.push(characters.slice(start, start + n).join(''));
    }
  }
  return nGrams;
}

// Return the hash of fastText: FNV-1a with 32 bits. As there, bytes from 128 on are negative.
export function getHash(text) {
  let hash = 2166136261;
  for (const byte of new Int8Array(new TextEncoder().encode(text))) {
    hash = Math.imul(hash ^ byte, 16777619);
  }
  return hash >>> 0;
}

function dot(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

// The vectors of all words, and the answers to questions.
export class WordVectors {
  constructor(ort, { settings, session }) {
    Object.assign(this, { ort, settings, session });
    const { words, buckets } = settings;
    // Row 0 is the padding; then come the rows of the words, and those of the buckets.
    this.wordRows = new Map(words.map((word, i) => [word, i + 1]));
    this.bucketRows = new Map(buckets.map((bucket, i) => [bucket, words.length + 1 + i]));
  }

  static async load(ort, folder) {
    const vectors = new WordVectors(ort, await loadModel(ort, folder));
    const { words } = vectors.settings;
    vectors.all = [];
    for (let start = 0; start < words.length; start += 200) {
      vectors.all.push(...(await vectors.embed(words.slice(start, start + 200))));
    }
    return vectors;
  }

  // Return the row of the bucket of an n-gram; undefined if it does not occur in the text.
  getBucketRow(nGram) {
    return this.bucketRows.get(getHash(nGram) % this.settings.n_grams.n_buckets);
  }

  // Return the rows whose sum is the vector of a word, up to its length.
  getRows(word) {
    const { min_n: minN, max_n: maxN } = this.settings.n_grams;
    const nGrams = getNGrams(word, minN, maxN);
    const rows = [this.wordRows.get(word), ...nGrams.map((nGram) => this.getBucketRow(nGram))];
    return rows.filter((row) => row !== undefined);
  }

  // Return the vector of each word, with the length 1.
  async embed(words) {
    const x = padRows(this.ort, words.map((word) => this.getRows(word)), 0);
    const { vectors } = await this.session.run({ x });
    const size = vectors.dims[1];
    return words.map((_, i) => vectors.data.slice(i * size, (i + 1) * size));
  }

  // Answer a question as answer() of model.py does.
  async answer(question, nBest = N_BEST) {
    const parts = splitWords(question.toLowerCase());
    const isSign = (part) => part === '+' || part === '-';
    const isSum = parts.length % 2 === 1 && parts.every((part, i) => i % 2 === 0 || isSign(part));
    if (!isSum && parts.length !== 2) return { kind: 'expected' };
    const words = isSum ? parts.filter((_, i) => i % 2 === 0) : parts;
    const unknown = words.filter((word) => this.getRows(word).length === 0);
    if (unknown.length > 0) return { kind: 'unknown', words: [...new Set(unknown)] };

    const vectors = await this.embed(words);
    const guessed = [...new Set(words)].filter((word) => !this.wordRows.has(word));
    if (!isSum) return { kind: 'cosine', words, guessed, cosine: dot(...vectors) };
    const signs = words.map((_, i) => (i > 0 && parts[2 * i - 1] === '-' ? -1 : 1));
    const sum = vectors[0].map((_, j) => dot(signs, vectors.map((vector) => vector[j])));
    return { kind: 'nearest', guessed, neighbours: this.getNearest(sum, words, nBest) };
  }

  // Return the words nearest to a vector, without those of the question.
  getNearest(vector, exceptions, nBest) {
    const length = Math.sqrt(dot(vector, vector));
    return this.settings.words
      .map((word, i) => ({ word, cosine: dot(this.all[i], vector) / length }))
      .filter(({ word }) => !exceptions.includes(word))
      .sort((a, b) => b.cosine - a.cosine)
      .slice(0, nBest);
  }
}

// Return the list of neighbours; each is a button that asks for its own neighbours.
function createNeighbours(neighbours, onAsk) {
  const names = neighbours.map(({ word }) => {
    const attributes = { class: 'small', lang: 'en' };
    return create('span', {}, createButton(word, () => onAsk(word), attributes));
  });
  return createShares(names, neighbours.map(({ cosine }) => cosine));
}

// Say that a word is known by its n-grams alone, and show which of them have a vector.
function createNGrams(vectors, word, texts) {
  const { min_n: minN, max_n: maxN } = vectors.settings.n_grams;
  const list = create('p', { class: 'n-grams', lang: 'en' });
  for (const nGram of getNGrams(word, minN, maxN)) {
    const isKnown = vectors.getBucketRow(nGram) !== undefined;
    list.append(create(isKnown ? 'span' : 'del', { class: 'n-gram' }, nGram), ' ');
  }
  return [create('p', {}, texts.nGrams(word)), list];
}

// Return the elements that show an answer.
function createAnswer(vectors, question, answer, texts, onAsk) {
  if (answer.kind === 'expected') return [create('p', {}, texts.expected)];
  if (answer.kind === 'unknown') return [create('p', {}, texts.unknown(answer.words))];
  const notes = answer.guessed.flatMap((word) => createNGrams(vectors, word, texts));
  if (answer.kind === 'cosine') {
    const title = create('h3', {}, texts.cosine);
    const pair = create('span', { lang: 'en' }, answer.words.join(' – '));
    return [title, createShares([pair], [answer.cosine]), ...notes];
  }
  const title = create('h3', {}, texts.nearest(question));
  return [title, createNeighbours(answer.neighbours, onAsk), ...notes];
}

export async function start(element, { models, ort, lang }) {
  addStyle();
  const texts = TEXTS[lang];
  const vectors = await WordVectors.load(ort, `${models}/${CHAPTER}`);
  const attributes = { id: 'question', lang: 'en', autocomplete: 'off', spellcheck: 'false' };
  const input = create('input', attributes);
  const result = create('div', { class: 'stack', 'aria-live': 'polite' });
  const ask = createLatest(async (question) => {
    input.value = question;
    const answer = await vectors.answer(question);
    result.replaceChildren(...createAnswer(vectors, question, answer, texts, ask));
  });

  const form = create('form', { class: 'question' }, input, create('button', {}, texts.ask));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    ask(input.value.trim());
  });
  const label = create('label', { for: 'question' }, texts.label);
  const examples = createExamples(texts.examples, EXAMPLES, 'en', ask);
  const note = create('p', { class: 'note' }, texts.known(vectors.settings.words.length));
  const parts = [create('div', {}, label, form), examples, result, note];
  element.replaceChildren(create('div', { class: 'texts stack' }, ...parts));
  await ask(EXAMPLES[0]);
}
