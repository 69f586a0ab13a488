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

// The chapters whose code is on this page. Where a page shows what has changed, the lines
// that were removed are those of another chapter: `isOwn` leaves them out.
export function findChapters(isOwn = false) {
  const lines = [...document.querySelectorAll('.line[data-file]')];
  const kept = isOwn ? lines.filter((line) => !line.closest('del')) : lines;
  const names = kept.map((line) => getChapter(line.dataset.file));
  return [...new Set(names)].filter((name) => name !== null);
}

// The recorded shapes of a chapter, fetched once. They are beside the folders of the
// languages: en/_static/shape_data.js, _shapes/05_cnn.json.
export function loadShapes(chapter) {
  if (!chapters.has(chapter)) {
    const name = chapter.replaceAll('/', '_');
    const url = new URL(`../../_shapes/${name}.json`, import.meta.url);
    chapters.set(chapter, fetch(url).then((response) => response.json()));
  }
  return chapters.get(chapter);
}

// The elements of a line of code: there may be none on a page, or several.
export function findLines(file, number) {
  const name = CSS.escape(file);
  return [...document.querySelectorAll(`.line[data-file="${name}"][data-line="${number}"]`)];
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
