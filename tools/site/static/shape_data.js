// What shapes.js and flow.js share: the recorded shapes, and the lines of code on a page.

const IS_KOREAN = document.documentElement.lang.startsWith('ko');
const chapters = new Map();

// The text of a page in its language, of a pair that holds both.
export const inLanguage = ([english, korean]) => (IS_KOREAN ? korean : english);

// The chapter of a file is its folder: 12_seq2seq/attention for ….../attention/model.py.
// Only chapters have recorded shapes, and not what else may be shown on a page.
export function getChapter(file) {
  const folder = file.slice(0, file.lastIndexOf('/'));
  return /^(\d\d_|appendix_)/.test(folder) ? folder : null;
}

// The chapters whose code is on this page.
export function findChapters() {
  const lines = document.querySelectorAll('.line[data-file]');
  const names = [...lines].map((line) => getChapter(line.dataset.file));
  return [...new Set(names)].filter((name) => name !== null);
}

// The recorded shapes of a chapter, fetched once.
export function loadShapes(chapter) {
  if (!chapters.has(chapter)) {
    const name = chapter.replaceAll('/', '_');
    const url = new URL(`shapes/${name}.json`, import.meta.url);
    chapters.set(chapter, fetch(url).then((response) => response.json()));
  }
  return chapters.get(chapter);
}

// The element of a line of code, or null if the page does not show it.
export function findLine(file, number) {
  const name = CSS.escape(file);
  return document.querySelector(`.line[data-file="${name}"][data-line="${number}"]`);
}

// A shape as Python writes it: a tuple of one keeps its comma.
export function toTuple(values) {
  return values.length === 1 ? `(${values[0]},)` : `(${values.join(', ')})`;
}

// An element with a class and with what is inside.
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}
