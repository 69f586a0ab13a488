// The playground of chapter 10: the class of a Korean review, and which words decide it.

import { create, createLatest } from './parts.js';
import { addStyle, createExamples, createShares, loadModel, padRows, splitWords } from './texts.js';

const CHAPTER = '10_text_classification';
// Milliseconds after the last key, before a review is classified.
const DELAY = 200;
// Of the sample's test part.
const EXAMPLES = [
  '10년 만에 다시 봤는데 영상이 실망스러울 줄 알았는데 자연스러웠네요 ㅋㅋㅋㅋ',
  '분위기가 그렇게 엉성하지는 않았어요.',
  '반전이 훌륭할 줄 알았는데 훌륭하지 안았습니다 ㅋㅋㅋㅋ',
];

const TEXTS = {
  en: {
    label: 'A review in Korean',
    examples: 'Examples:',
    names: { 0: 'bad', 1: 'good' },
    decision: (name) => `The review is ${name}`,
    words: 'The words that decide',
    explained:
      'Each word was left out in turn. Its number says by how much the log-odds of the decision ' +
      'are higher with the word than without it.',
    against: 'against the decision',
    for: 'for the decision',
    note:
      'The network was trained on a small sample of generated reviews. It knows their words, ' +
      'not those of all reviews.',
  },
  ko: {
    label: '한국어 리뷰',
    examples: '예:',
    names: { 0: '나쁨', 1: '좋음' },
    decision: (name) => `리뷰 분류 결과: ${name}`,
    words: '결과에 영향을 준 단어',
    explained:
      '단어를 하나씩 빼고 다시 분류했어요. 숫자는 그 단어가 있을 때 결과의 로그 오즈가 얼마나 더 ' +
      '높은지를 나타내요.',
    against: '결과에 반대되는 단어',
    for: '결과를 뒷받침하는 단어',
    note: '이 신경망은 규칙으로 만든 작은 샘플 리뷰로 학습했어요. 실제 리뷰의 모든 단어를 알지는 못해요.',
  },
};

// Return log(sum(exp(values))).
function logSumExp(values) {
  const largest = Math.max(...values);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

// Return the log-odds of a class: the logarithm of p / (1 - p).
function getLogOdds(logits, index) {
  return logits[index] - logSumExp(logits.filter((_, i) => i !== index));
}

function getSoftmax(logits) {
  const total = logSumExp(logits);
  return logits.map((value) => Math.exp(value - total));
}

// A network that reads characters: from texts to the logits of the classes.
export class Classifier {
  constructor(ort, { settings, session }) {
    Object.assign(this, { ort, settings, session });
    if (settings.tokenizer.kind !== 'character') throw new Error('expected characters');
    this.ids = new Map(settings.tokens.map((token, i) => [token, i]));
    const { white_space: whiteSpace, max_repeats: n } = settings.refine;
    const codes = Array.from(whiteSpace, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
    this.whiteSpace = new RegExp(`[${codes.join('')}]+`, 'gu');
    this.repeats = new RegExp(`(.)\\1{${n},}`, 'gsu');
  }

  static async load(ort, folder) {
    return new Classifier(ort, await loadModel(ort, folder));
  }

  // Do what refine() of tokenizer.py does.
  refine(text) {
    const { normalization, max_repeats: n } = this.settings.refine;
    const line = text.normalize(normalization).replace(this.whiteSpace, ' ');
    return line.replace(/^ | $/g, '').replace(this.repeats, (_, c) => c.repeat(n));
  }

  // Return the token ids of a text. An unknown token becomes its marked character.
  encode(text) {
    const { character_prefix: prefix, ids: special, max_length: maxLength } = this.settings;
    const getId = (c) => this.ids.get(c) ?? this.ids.get(prefix + c) ?? special.unknown;
    const ids = Array.from(this.refine(text), getId);
    return ids.length > 0 ? ids.slice(0, maxLength) : [special.unknown];
  }

  // Return the logits of each text.
  async getLogits(texts) {
    const rows = texts.map((text) => this.encode(text));
    const lengths = BigInt64Array.from(rows, (row) => BigInt(row.length));
    const { logits } = await this.session.run({
      x: padRows(this.ort, rows, this.settings.ids.pad),
      lengths: new this.ort.Tensor('int64', lengths, [rows.length]),
    });
    const size = this.settings.class_names.length;
    return rows.map((_, i) => Array.from(logits.data.slice(i * size, (i + 1) * size)));
  }

  // Return the probabilities of a text, and by how much each word changes the decision.
  async explain(text) {
    const words = splitWords(text);
    const shorter = words.map((_, i) => words.filter((_, j) => j !== i).join(' '));
    const [logits, ...others] = await this.getLogits([text, ...shorter]);
    const best = logits.indexOf(Math.max(...logits));
    const logOdds = getLogOdds(logits, best);
    const changes = others.map((other) => logOdds - getLogOdds(other, best));
    return { probabilities: getSoftmax(logits), best, words, changes };
  }
}

// Return a number with its sign, a minus sign and not a hyphen; 0.0 has none.
function toText(change) {
  const digits = Math.abs(change).toFixed(1);
  if (digits === '0.0') return digits;
  return `${change < 0 ? '−' : '+'}${digits}`;
}

// Return the words of the review, coloured by what they change, with the numbers below.
function createWords(words, changes) {
  // Small changes stay pale, also where there are no larger ones.
  const largest = Math.max(1, ...changes.map(Math.abs));
  const items = words.map((word, i) => {
    const kind = changes[i] < 0 ? 'against' : 'for';
    const change = create('span', { class: 'number' }, toText(changes[i]));
    const text = create('span', { lang: 'ko' }, word);
    const item = create('span', { class: `word ${kind}` }, text, change);
    item.style.setProperty('--strength', (Math.abs(changes[i]) / largest).toFixed(2));
    return item;
  });
  return create('p', { class: 'line' }, ...items);
}

function createLegend(texts) {
  const items = Object.entries({ for: '+', against: '−' }).map(([kind, sign]) => {
    const colour = create('span', { class: `word ${kind} sign`, 'aria-hidden': 'true' });
    return create('span', {}, colour, ` ${sign} ${texts[kind]}`);
  });
  return create('p', { class: 'legend' }, ...items);
}

// Return the elements that show a decision.
function createAnswer(answer, classNames, texts) {
  const names = classNames.map((name) => texts.names[name] ?? name);
  const labels = names.map((name) => create('span', {}, name));
  return [
    create('h3', {}, texts.decision(names[answer.best])),
    createShares(labels, answer.probabilities),
    create('h3', {}, texts.words),
    createWords(answer.words, answer.changes),
    createLegend(texts),
    create('p', { class: 'note' }, texts.explained),
  ];
}

export async function start(element, { models, ort, lang }) {
  addStyle();
  const texts = TEXTS[lang];
  const classifier = await Classifier.load(ort, `${models}/${CHAPTER}`);
  const input = create('textarea', { id: 'review', lang: 'ko', rows: 2, spellcheck: 'false' });
  const result = create('div', { class: 'stack', 'aria-live': 'polite' });
  const classify = createLatest(async () => {
    const isBlank = splitWords(input.value).length === 0;
    const answer = isBlank ? null : await classifier.explain(input.value);
    const { class_names: classNames } = classifier.settings;
    result.replaceChildren(...(answer ? createAnswer(answer, classNames, texts) : []));
  });

  let timer;
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(classify, DELAY);
  });
  const examples = createExamples(texts.examples, EXAMPLES, 'ko', (text) => {
    input.value = text;
    classify();
  });
  const label = create('label', { for: 'review' }, texts.label);
  const note = create('p', { class: 'note' }, texts.note);
  const parts = [create('div', {}, label, input), examples, result, note];
  element.replaceChildren(create('div', { class: 'texts stack' }, ...parts));
  [input.value] = EXAMPLES;
  await classify();
}
