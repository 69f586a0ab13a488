// Move a point on the map of 03, and see the digit that the decoder draws for it.

import * as parts from './parts.js';

const { create } = parts;
const CHAPTER = '03_mnist_autoencoder';
const MAP_SIZE = 560;
const MARGIN = 28;
const SIZE = 28;
// Ten colours that colour-blind people tell apart, after Okabe and Ito; each point is a digit.
const COLOURS = ['#111111', '#0072b2', '#c04a00', '#00795a', '#b0508a'];
COLOURS.push('#8a6200', '#2a86c0', '#882255', '#4a7a00', '#666666');

const TEXTS = {
  en: {
    map: 'Map of the two numbers. Arrow keys move the point, with Shift in larger steps.',
    how: 'Drag on the map, or use the arrow keys: the decoder draws the digit of each point.',
    drawn: 'Drawn by the decoder',
    point: (z) => `z = (${z.map((value) => value.toFixed(2)).join(', ')})`,
    near: (digits) => `The nearest test digits are ${digits}.`,
    go: 'Move to the middle of all images of:',
    note:
      'Each small digit is an image of the test split, at the two numbers to which the encoder ' +
      'compresses it. The network has never seen the labels. Between the groups, the digits ' +
      'change into each other, or turn into no digit at all.',
    size: (size) =>
      `The bottleneck of this network has ${size} numbers. A map needs two: train it with ` +
      '--btl_size 2, and export it again.',
  },
  ko: {
    map: '두 값의 지도. 방향키로 점을 움직이고, Shift를 함께 누르면 더 크게 움직여요.',
    how: '지도를 끌거나 방향키를 눌러 보세요. 디코더가 그 점의 숫자를 그려요.',
    drawn: '디코더가 그린 숫자',
    point: (z) => `z = (${z.map((value) => value.toFixed(2)).join(', ')})`,
    near: (digits) =>
      `가장 가까운 테스트 숫자는 ${digits}${/[2459]$/.test(digits) ? '예요' : '이에요'}.`,
    go: '다음 숫자들의 가운데로 이동:',
    note:
      '작은 숫자 하나가 테스트 이미지 한 장이고, 그 위치는 인코더가 이미지를 압축한 두 값이에요. ' +
      '신경망은 레이블을 본 적이 없어요. 무리와 무리 사이에서는 한 숫자가 다른 숫자로 바뀌거나, ' +
      '숫자가 아닌 것이 나와요.',
    size: (size) =>
      `이 신경망의 병목은 값이 ${size}개예요. 지도를 그리려면 두 개여야 해요. --btl_size 2로 ` +
      '학습한 다음 다시 내보내세요.',
  },
};

// ---- The map

// Return functions from points of the bottleneck to pixels of the map, and back.
function createScale(points) {
  const ends = [0, 1].map((axis) => {
    const values = points.map((z) => z[axis]);
    return [Math.min(...values), Math.max(...values)];
  });
  const length = MAP_SIZE - 2 * MARGIN;
  const toPixel = (z) => {
    const [x, y] = z.map((value, axis) => {
      const [low, high] = ends[axis];
      return MARGIN + (length * (value - low)) / (high - low);
    });
    // On the map, the second number grows upwards.
    return [x, MAP_SIZE - y];
  };
  const toPoint = ([x, y]) =>
    [x, MAP_SIZE - y].map((pixel, axis) => {
      const [low, high] = ends[axis];
      return low + ((pixel - MARGIN) / length) * (high - low);
    });
  return { toPixel, toPoint };
}

// Draw all test digits, and a ring around the chosen point.
function drawMap(canvas, examples, scale, z) {
  const context = canvas.getContext('2d');
  context.clearRect(0, 0, MAP_SIZE, MAP_SIZE);
  Object.assign(context, { font: '600 17px sans-serif', textAlign: 'center' });
  context.textBaseline = 'middle';
  examples.z.forEach((point, i) => {
    context.fillStyle = COLOURS[examples.labels[i]];
    context.fillText(examples.labels[i], ...scale.toPixel(point));
  });
  const [x, y] = scale.toPixel(z);
  for (const [colour, width] of [['#fff', 9], ['#d00000', 4]]) {
    context.beginPath();
    context.arc(x, y, 16, 0, 2 * Math.PI);
    Object.assign(context, { strokeStyle: colour, lineWidth: width });
    context.stroke();
  }
}

// Return the labels of the test digits that are nearest to a point.
function findNearest(examples, scale, z, nDigits = 3) {
  const [x, y] = scale.toPixel(z);
  const distances = examples.z.map((point, i) => {
    const [a, b] = scale.toPixel(point);
    return [Math.hypot(a - x, b - y), examples.labels[i]];
  });
  distances.sort((a, b) => a[0] - b[0]);
  return distances.slice(0, nDigits).map(([, label]) => label);
}

// Return the middle of the test digits of one class: the median of each number.
function findMiddle(examples, label) {
  const points = examples.z.filter((_, i) => examples.labels[i] === label);
  return [0, 1].map((axis) => {
    const values = points.map((z) => z[axis]).sort((a, b) => a - b);
    return values[Math.floor(values.length / 2)];
  });
}

// Let the pointer and the arrow keys move a point: move(z, isEnd).
function addControls(canvas, scale, getPoint, move) {
  const keep = (pixel) => Math.min(MAP_SIZE, Math.max(0, pixel));
  const follow = (event, isEnd) => {
    const area = canvas.getBoundingClientRect();
    const x = ((event.clientX - area.left) * MAP_SIZE) / area.width;
    const y = ((event.clientY - area.top) * MAP_SIZE) / area.height;
    move(scale.toPoint([keep(x), keep(y)]), isEnd);
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    follow(event, false);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) follow(event, false);
  });
  canvas.addEventListener('pointerup', (event) => follow(event, true));
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener('keydown', (event) => {
    if (!steps[event.key]) return;
    event.preventDefault();
    const length = event.shiftKey ? 40 : 8;
    const [x, y] = scale.toPixel(getPoint());
    const [right, down] = steps[event.key];
    move(scale.toPoint([keep(x + length * right), keep(y + length * down)]), true);
  });
}

// ---- The page

// Move from one point to another in half a second, at once if the reader prefers that.
function travel(from, to, move) {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
    move(to, true);
    return;
  }
  const begin = performance.now();
  const step = (now) => {
    const share = Math.min(1, Math.max(0, (now - begin) / 500));
    const eased = share * share * (3 - 2 * share);
    move(from.map((value, axis) => value + eased * (to[axis] - value)), share === 1);
    if (share < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

// Make the map, the picture and the texts; returns them, and the element that holds them.
function createView(texts) {
  const label = { tabindex: '0', role: 'application', 'aria-label': texts.map };
  const map = create('canvas', { class: 'pad map', width: MAP_SIZE, height: MAP_SIZE, ...label });
  const sizes = { class: 'drawn', role: 'img', width: SIZE, height: SIZE };
  const picture = create('canvas', { ...sizes, 'aria-label': texts.drawn });
  const point = create('p', { class: 'answer' });
  const near = create('p', { role: 'status', 'aria-live': 'polite' });
  const buttons = create('div', { class: 'line', role: 'group', 'aria-label': texts.go });
  const side = create('div', { class: 'stack wide' });
  side.append(create('figure', {}, picture, create('figcaption', {}, texts.drawn)));
  side.append(point, near, create('p', {}, texts.go), buttons);
  const view = create('div', { class: 'stack' }, create('p', {}, texts.how));
  view.append(create('div', { class: 'row latent' }, map, side));
  view.append(create('p', { class: 'note' }, texts.note));
  return { map, picture, point, near, buttons, view };
}

// Fill a playground. For tests and curious readers, the element gets decode(z).
export async function start(element, { models, ort, lang }) {
  const texts = TEXTS[lang];
  const folder = `${models}/${CHAPTER}`;
  const { btl_size: bottleneckSize } = await parts.loadJson(`${folder}/model.json`);
  if (bottleneckSize !== 2) {
    element.append(create('p', {}, texts.size(bottleneckSize)));
    return;
  }
  const [decoder, examples] = await Promise.all([
    parts.loadNetwork(ort, `${folder}/decoder.onnx`),
    parts.loadJson(`${folder}/examples.json`),
  ]);
  element.decode = async (z) => (await decoder(z)).x_hat;
  const scale = createScale(examples.z);
  const { map, picture, point, near, buttons, view } = createView(texts);
  element.append(view);

  let chosen = findMiddle(examples, 3);
  const draw = parts.createLatest(async (z) => {
    parts.drawValues(picture, await element.decode(z), parts.getInk);
  });
  const move = (z, isEnd) => {
    chosen = z;
    drawMap(map, examples, scale, z);
    point.textContent = texts.point(z);
    if (isEnd) near.textContent = texts.near(findNearest(examples, scale, z).join(', '));
    return draw(z);
  };
  addControls(map, scale, () => chosen, move);
  for (let digit = 0; digit < 10; digit += 1) {
    const go = () => travel(chosen, findMiddle(examples, digit), move);
    buttons.append(parts.createButton(String(digit), go, { class: 'small' }));
  }
  await move(chosen, true);
}
