// A strip that follows one real batch through a network, from one shape comment to the next.
//
// The steps are the trace of tools/site/shapes.py. The button that opens the strip is above
// the diagram of the network, or above the first code that the batch meets.

import { findChapters, findLines, inLanguage, loadShapes, make, toTuple } from './shape_data.js';

const TEXTS = {
  open: inLanguage(['Follow one batch', '배치 하나 따라가기']),
  title: inLanguage(['One batch through the network', '배치 하나가 네트워크를 지나는 길']),
  close: inLanguage(['Close', '닫기']),
  previous: inLanguage(['Previous', '이전']),
  next: inLanguage(['Next', '다음']),
  steps: inLanguage(['Steps', '단계']),
  of: inLanguage(['first batch of', '첫 배치:']),
  network: inLanguage(['the whole network', '네트워크 전체']),
  elsewhere: inLanguage(['unchanged, written in', '바뀌지 않은 코드, 처음 나온 곳:']),
  keys: inLanguage(['← → steps, Esc closes', '← → 단계 이동, Esc 닫기']),
  times: inLanguage([
    (n) => `× ${n}: this line runs ${n} times with this shape`,
    (n) => `× ${n}: 이 줄은 같은 모양으로 ${n}번 실행돼요`,
  ]),
};

const isCalm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

// The open strip: its elements, the data of its chapter and the step that is shown.
let strip = null;

// A button with a text and with what it does.
function makeButton(className, text, onClick) {
  const button = make('button', className, text);
  button.type = 'button';
  button.addEventListener('click', onClick);
  return button;
}

// The comment that a step has met.
function getComment(data, step) {
  return data.comments[step.comment];
}

// The place in the code: 12_seq2seq/model.py is model.py here, for it is in its chapter.
function getPlace({ file, line }) {
  return `${file.slice(file.lastIndexOf('/') + 1)}:${line}`;
}

// The sizes of a step: what each dimension is called, and how large it is.
function makeSizes({ dimensions }, { shape }) {
  const sizes = shape.map((size, i) => {
    const name = make('code', '', dimensions[i]);
    return make('li', '', name, ' ', make('strong', '', `${size}`));
  });
  return make('ul', 'flow-sizes', ...sizes);
}

// What is said about one step.
function fillCard(card, data, step) {
  const comment = getComment(data, step);
  const where = step.module || TEXTS.network;
  const parts = [
    make('p', 'flow-module', make('code', '', where), ' ', make('span', '', step.class)),
    make('p', 'flow-tensor', make('code', '', comment.tensor)),
    makeSizes(comment, step),
    make('p', 'flow-tuple', make('code', '', `${toTuple(comment.dimensions)} `),
      make('code', '', '= ', make('strong', '', toTuple(step.shape)))),
    make('p', 'flow-place', make('code', '', `${comment.function}()`), ' ', getPlace(comment)),
  ];
  const link = getLines(comment).length ? null : findLink(comment);
  if (link) {
    const copy = make('a', '', link.pathname.split('/').slice(-1)[0].replace('.html', ''));
    copy.href = link.href;
    parts.push(make('p', 'flow-elsewhere', `${TEXTS.elsewhere} `, copy));
  }
  if (step.times > 1) parts.push(make('p', 'flow-times', TEXTS.times(step.times)));
  card.replaceChildren(...parts);
}

// All steps as a list of buttons, under the names of their modules.
function makeList(data) {
  const list = make('ol', 'flow-list');
  list.setAttribute('aria-label', TEXTS.steps);
  data.trace.forEach((step, i) => {
    const before = data.trace[i - 1];
    const item = make('li', '');
    if (!before || before.module !== step.module) {
      item.append(make('span', 'flow-group', step.module || step.class));
    }
    const name = make('code', '', getComment(data, step).tensor);
    const sizes = make('code', 'flow-shape', step.shape.join(' × ') || '1');
    const button = makeButton('', '', () => showStep(i));
    button.append(name, sizes);
    if (step.times > 1) button.append(make('span', 'flow-count', `× ${step.times}`));
    item.append(button);
    list.append(item);
  });
  return list;
}

// Tell whether an element is on the page and not in something that is closed.
const isVisible = (element) => element.getClientRects().length > 0;

// The lines of the code that belong to a step: its comment, and the statement above it.
function getLines({ file, line, names }) {
  const above = names.map(([number]) => number).filter((number) => number < line);
  const first = Math.max(...above.filter((number) => line - number < 6), -1);
  return [...findLines(file, line), ...findLines(file, first)].filter(isVisible);
}

// The link to the chapter where a function was written, if it has not changed since.
function findLink({ file, function: name }) {
  const chapter = file.slice(0, file.lastIndexOf('/'));
  if (!findChapters(true).includes(chapter)) return null;
  const names = name.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.'));
  const links = names.map((part) => `a[data-definition="${part}"]`);
  return [...document.querySelectorAll(links.join())].find(isVisible) ?? null;
}

// Mark the lines of a step, or the link to them, and scroll there.
function markLines(comment) {
  for (const line of document.querySelectorAll('.flow-line')) line.classList.remove('flow-line');
  if (!comment) return;
  const lines = getLines(comment);
  const places = lines.length ? lines : [findLink(comment)].filter(Boolean);
  places.forEach((place) => place.classList.add('flow-line'));
  if (places.length) scrollToLine(places[0]);
}

// Scroll a line to the middle of what the strip leaves of the window.
function scrollToLine(line) {
  const box = line.getBoundingClientRect();
  const below = strip.element.getBoundingClientRect();
  const isSheet = below.width > window.innerWidth * 0.9;
  const height = isSheet ? below.top : window.innerHeight;
  const top = window.scrollY + box.top - height / 2;
  window.scrollTo({ top, behavior: isCalm() ? 'instant' : 'smooth' });
}

// Show a step: in the strip, and in the code.
function showStep(index) {
  const { data, card, count, list, previous, next } = strip;
  const last = data.trace.length - 1;
  strip.index = Math.max(0, Math.min(index, last));
  const step = data.trace[strip.index];
  fillCard(card, data, step);
  count.textContent = `${strip.index + 1} / ${last + 1}`;
  previous.setAttribute('aria-disabled', strip.index === 0);
  next.setAttribute('aria-disabled', strip.index === last);
  strip.bar.style.transform = `scaleX(${(strip.index + 1) / (last + 1)})`;
  [...list.children].forEach((item, i) => {
    const button = item.querySelector('button');
    if (i === strip.index) button.setAttribute('aria-current', 'step');
    else button.removeAttribute('aria-current');
  });
  const item = list.children[strip.index];
  list.scrollTop = item.offsetTop - list.clientHeight / 2;
  markLines(getComment(data, step));
}

// Build the strip of a chapter.
function makeStrip(data, opener) {
  const element = make('aside', 'flow-strip');
  element.setAttribute('aria-label', TEXTS.title);
  const close = makeButton('flow-close', '×', closeStrip);
  close.setAttribute('aria-label', TEXTS.close);
  const command = make('p', 'flow-command', `${TEXTS.of} `, make('code', '', data.command));
  const head = make('header', '', make('p', 'flow-title', TEXTS.title), close, command);
  const card = make('div', 'flow-card');
  card.setAttribute('aria-live', 'polite');
  const list = makeList(data);
  const previous = makeButton('', `← ${TEXTS.previous}`, () => showStep(strip.index - 1));
  const next = makeButton('', `${TEXTS.next} →`, () => showStep(strip.index + 1));
  const count = make('span', 'flow-number');
  const bar = make('div', 'flow-bar');
  const keys = make('span', 'flow-keys', TEXTS.keys);
  const foot = make('footer', '', bar, previous, count, next, keys);
  element.append(head, card, list, foot);
  return { element, card, list, previous, next, count, bar, data, opener, index: 0 };
}

// Open the strip of a chapter at its first step; its button closes it again.
function openStrip(data, opener) {
  const isSame = strip && strip.opener === opener;
  closeStrip();
  if (isSame) return;
  strip = makeStrip(data, opener);
  document.body.append(strip.element);
  document.documentElement.classList.add('flow-is-open');
  opener.setAttribute('aria-expanded', 'true');
  showStep(0);
  strip.next.focus({ preventScroll: true });
}

// Close the strip, and give the focus back to the button that has opened it.
function closeStrip() {
  if (!strip) return;
  const { element, opener } = strip;
  markLines(null);
  element.remove();
  document.documentElement.classList.remove('flow-is-open');
  opener.setAttribute('aria-expanded', 'false');
  opener.focus({ preventScroll: true });
  strip = null;
}

// The arrow keys walk, and Escape closes, unless another element needs these keys.
function onKey(event) {
  if (!strip || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.closest('input, textarea, select, [contenteditable], .playground')) return;
  // In a block of code that is too wide, the arrow keys scroll.
  const block = event.target.closest('pre');
  if (block && block.scrollWidth > block.clientWidth && event.key !== 'Escape') return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    event.preventDefault();
    showStep(strip.index + step);
  } else if (event.key === 'Escape') {
    closeStrip();
  }
}

// Put the button of a chapter above its diagram, or above its code.
function addOpener(data) {
  const opener = makeButton('flow-open', TEXTS.open, () => openStrip(data, opener));
  opener.setAttribute('aria-expanded', 'false');
  const comments = data.trace.map((step) => getComment(data, step));
  const line = comments.flatMap(({ file, line: number }) => findLines(file, number))[0];
  const place = document.querySelector('svg.diagram') ?? line?.closest('.highlight, pre');
  place?.before(make('p', 'flow-opener', opener));
}

async function start() {
  const chapters = await Promise.all(findChapters(true).map((name) => loadShapes(name)));
  // One step is no way to follow.
  chapters.filter(({ trace }) => trace.length > 1).slice(0, 1).forEach(addOpener);
  document.addEventListener('keydown', onKey);
}

start();
