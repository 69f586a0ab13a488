// What the playgrounds of words and of reviews share.

import { create, createButton, loadJson } from './parts.js';

// What Python takes for white space in str.split(); \s of JavaScript is another set.
const WHITE_SPACE =
  /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;

// Return the words of a text: its parts between white space.
export function splitWords(text) {
  return text.split(WHITE_SPACE).filter((word) => word !== '');
}

// Load the style sheet of these playgrounds, once.
export function addStyle() {
  const { href } = new URL('texts.css', import.meta.url);
  if (document.querySelector(`link[href="${href}"]`)) return;
  document.head.append(create('link', { rel: 'stylesheet', href }));
}

// Return the network that export.py has written, and its description.
export async function loadModel(ort, folder) {
  const settings = await loadJson(`${folder}/model.json`);
  const session = await ort.InferenceSession.create(`${folder}/${settings.model.file}`);
  return { settings, session };
}

// Return rows of ids as a tensor; shorter rows are padded to the longest one.
export function padRows(ort, rows, padId) {
  const length = Math.max(...rows.map((row) => row.length));
  const data = new BigInt64Array(rows.length * length).fill(BigInt(padId));
  rows.forEach((row, i) => data.set(row.map(BigInt), i * length));
  return new ort.Tensor('int64', data, [rows.length, length]);
}

// Return a list: in each line a name, and a number from 0 to 1 with its bar.
export function createShares(names, values) {
  const items = values.map((value, i) => {
    const fill = create('span', { class: 'fill' });
    fill.style.width = `${(100 * Math.min(1, Math.max(0, value))).toFixed(1)}%`;
    // Screen readers say the number.
    const track = create('span', { class: 'track', 'aria-hidden': 'true' }, fill);
    return create('li', {}, names[i], track, create('span', { class: 'number' }, value.toFixed(4)));
  });
  return create('ol', { class: 'shares' }, ...items);
}

// Return a row of buttons; each gives its text to a function when it is pressed.
export function createExamples(title, examples, lang, action) {
  const buttons = examples.map((text) => createButton(text, () => action(text), { lang }));
  return create('div', { class: 'line', role: 'group', 'aria-label': title }, title, ...buttons);
}
