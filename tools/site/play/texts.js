// What the playgrounds of words and of reviews share.

// What Python takes for white space in str.split(); \s of JavaScript is another set.
const WHITE_SPACE =
  /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;

// Return the words of a text: its parts between white space.
export function splitWords(text) {
  return text.split(WHITE_SPACE).filter((word) => word !== '');
}

// Return an element. The properties are attributes; those that begin with 'on' are listeners.
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== false) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

// Load the style sheet of these playgrounds, once.
export function addStyle() {
  const { href } = new URL('texts.css', import.meta.url);
  if (document.querySelector(`link[href="${href}"]`)) return;
  document.head.append(make('link', { rel: 'stylesheet', href }));
}

// Return the network that export.py has written, and its description.
export async function loadModel(ort, folder) {
  const response = await fetch(`${folder}/model.json`);
  if (!response.ok) throw new Error(`model.json: ${response.status}`);
  const settings = await response.json();
  return { settings, session: await ort.InferenceSession.create(`${folder}/model.onnx`) };
}

// Return rows of ids as a tensor; shorter rows are padded to the longest one.
export function padRows(ort, rows, padId) {
  const length = Math.max(...rows.map((row) => row.length));
  const data = new BigInt64Array(rows.length * length).fill(BigInt(padId));
  rows.forEach((row, i) => data.set(row.map(BigInt), i * length));
  return new ort.Tensor('int64', data, [rows.length, length]);
}

// Return a list of names, a bar and a number from 0 to 1 beside each.
export function makeBars(names, values) {
  const items = values.map((value, i) => {
    const fill = make('span', { class: 'fill' });
    fill.style.width = `${(100 * Math.min(1, Math.max(0, value))).toFixed(1)}%`;
    // Screen readers say the number.
    const bar = make('span', { class: 'bar', 'aria-hidden': 'true' }, fill);
    return make('li', {}, names[i], bar, make('span', { class: 'number' }, value.toFixed(4)));
  });
  return make('ol', { class: 'bars' }, ...items);
}

// Return a row of buttons; each gives its text to a function when it is pressed.
export function makeExamples(title, examples, lang, onPress) {
  const buttons = examples.map((text) =>
    make('button', { type: 'button', lang, onclick: () => onPress(text) }, text),
  );
  return make('div', { class: 'examples', role: 'group', 'aria-label': title }, title, ...buttons);
}
