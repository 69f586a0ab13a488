// Shapes on hover: each shape comment is a tag, and each name of a tensor tells its sizes.
//
// The shapes are those of one real batch (tools/site/shapes.py). A page needs nothing but
// lines of code as <span class="line" data-file="05_cnn/model.py" data-line="12">.

import { findChapters, findLines, inLanguage, loadShapes, make, toTuple } from './shape_data.js';

const HINT = inLanguage(['← → next name, Esc to close', '← → 다음 이름, Esc 닫기']);
const HIDE_AFTER_MS = 150;

const tip = make('div', 'shape-tip');
tip.id = 'shape-tip';
tip.setAttribute('role', 'tooltip');
tip.hidden = true;

// The item whose tip is shown, and what hides it a moment after the pointer has left.
let current = null;
let timer = 0;

// Find the text node, and the place in it, at a column of a line.
function findText(line, column, isEnd) {
  const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
  let rest = column;
  while (walker.nextNode()) {
    const size = walker.currentNode.data.length;
    if (rest < size || (isEnd && rest === size)) return [walker.currentNode, rest];
    rest -= size;
  }
  return null;
}

// Put the columns of a line into an item. Copying the code still copies the same text.
function wrap(line, start, end, className) {
  const range = document.createRange();
  const from = findText(line, start, false);
  const to = findText(line, end, true);
  if (!from || !to) return null;
  range.setStart(...from);
  range.setEnd(...to);
  const item = make('span', className, range.extractContents());
  range.insertNode(item);
  // A range over several tokens leaves the first and the last one empty.
  for (const token of [item.previousSibling, item.nextSibling]) {
    if (token && token.textContent === '') token.remove();
  }
  return item;
}

// Let an item show the shape of a comment.
function addItem(item, comment, items) {
  item.shape = comment;
  item.tabIndex = -1;
  item.setAttribute('role', 'button');
  item.setAttribute('aria-expanded', 'false');
  items.push(item);
}

// Turn the comments of a chapter, and the names they are about, into items.
function addItems(comments) {
  const items = [];
  for (const comment of comments) {
    for (const line of findLines(comment.file, comment.line)) {
      const text = line.textContent;
      const tag = wrap(line, text.indexOf('#'), text.trimEnd().length, 'shape-tag');
      if (tag) addItem(tag, comment, items);
    }
    for (const [number, start, end] of comment.names) {
      for (const line of findLines(comment.file, number)) {
        const name = wrap(line, start, end, 'shape-name');
        if (name) addItem(name, comment, items);
      }
    }
  }
  return items;
}

// Only one item of a block of code is a tab stop: the arrow keys go to the others.
function addTabStops() {
  for (const block of document.querySelectorAll('pre')) {
    const first = block.querySelector('.shape-name, .shape-tag');
    if (first) first.tabIndex = 0;
  }
}

// Focus the next or the previous item of the same block.
function moveFocus(item, step) {
  const items = [...item.closest('pre').querySelectorAll('.shape-name, .shape-tag')];
  const next = items[items.indexOf(item) + step];
  if (!next) return;
  item.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// Write what a comment says, and what that is in numbers.
function fillTip({ tensor, dimensions, shape }, isByKeyboard) {
  const sizes = make('strong', '', toTuple(shape));
  const names = make('span', '', `${tensor}: ${toTuple(dimensions)} `);
  tip.replaceChildren(make('code', '', names, make('span', 'shape-sizes', '= ', sizes)));
  if (isByKeyboard) tip.append(make('span', 'shape-hint', HINT));
}

// Put the tip below an item, or above it at the end of the window, and never outside.
function placeTip(item) {
  const box = item.getClientRects()[0];
  const { clientWidth, clientHeight } = document.documentElement;
  const { offsetWidth, offsetHeight } = tip;
  const left = Math.max(8, Math.min(box.left, clientWidth - offsetWidth - 8));
  const isBelow = box.bottom + offsetHeight + 14 < clientHeight;
  const top = isBelow ? box.bottom + 6 : box.top - offsetHeight - 6;
  tip.style.left = `${left + window.scrollX}px`;
  tip.style.top = `${top + window.scrollY}px`;
}

// Mark, or no longer, all places where a tensor has the shape of a comment.
function markPlaces(comment, isMarked) {
  for (const item of document.querySelectorAll('.shape-name, .shape-tag')) {
    if (item.shape === comment) item.classList.toggle('shape-same', isMarked);
  }
}

// Show the tip of an item.
function show(item) {
  clearTimeout(timer);
  if (current !== item) hide();
  current = item;
  fillTip(item.shape, item.matches(':focus-visible'));
  tip.hidden = false;
  placeTip(item);
  markPlaces(item.shape, true);
  item.setAttribute('aria-expanded', 'true');
  item.setAttribute('aria-describedby', tip.id);
}

// Hide the tip.
function hide() {
  clearTimeout(timer);
  if (current) {
    markPlaces(current.shape, false);
    current.setAttribute('aria-expanded', 'false');
    current.removeAttribute('aria-describedby');
  }
  tip.hidden = true;
  current = null;
}

// Hide the tip in a moment, unless the pointer goes into it or to another item.
function hideSoon() {
  clearTimeout(timer);
  timer = setTimeout(hide, HIDE_AFTER_MS);
}

// Move between the items with the arrow keys; close and open with Escape and Enter.
function onKey(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === 'Escape') {
    hide();
  } else if (event.key === 'Enter' || event.key === ' ') {
    event.preventDefault();
    if (current) hide();
    else show(event.currentTarget);
  } else if (step) {
    event.preventDefault();
    event.stopPropagation();
    moveFocus(event.currentTarget, step);
  }
}

// Listen to all that touches an item: the pointer, the focus and the keys. A touch on a
// screen gives the focus.
function listen(item) {
  item.addEventListener('pointerenter', () => show(item));
  item.addEventListener('pointerleave', hideSoon);
  item.addEventListener('focus', () => show(item));
  item.addEventListener('blur', hideSoon);
  item.addEventListener('keydown', onKey);
}

async function start() {
  const chapters = await Promise.all(findChapters().map((name) => loadShapes(name)));
  const items = chapters.flatMap(({ comments }) => addItems(comments));
  if (!items.length) return;
  items.forEach(listen);
  addTabStops();
  tip.addEventListener('pointerenter', () => clearTimeout(timer));
  tip.addEventListener('pointerleave', hideSoon);
  document.addEventListener('keydown', (event) => event.key === 'Escape' && hide());
  document.body.append(tip);
}

start();
