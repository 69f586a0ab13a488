// Draw a digit, and see what the networks of 02, 05 and 07 answer, and how they get there.
//
// The picture is prepared as read_image() of the chapters' pictures.py does it, and each
// network is the file that the chapter's export.py has written.

import * as parts from './parts.js';

const { create } = parts;
const CHAPTERS = ['02_mnist_tutorial', '05_cnn', '07_rnn'];
const PAD_SIZE = 280;
const SIZE = 28;
const DIGIT_SIZE = 20;
const PEN_WIDTH = 22;

// Whether a digit ends in a vowel when it is read in Korean: the particle depends on it.
const endsInVowel = (digit) => '2459'.includes(digit);

const TEXTS = {
  en: {
    names: { '02': '02 Fully connected', '05': '05 Convolution', '07': '07 Recurrent (LSTM)' },
    here: 'this chapter',
    draw: 'Draw a digit with mouse, finger or pen:',
    pad: 'Drawing area for one digit. The buttons with example digits work without a mouse.',
    clear: 'Clear',
    examples: 'Or take a real one, which no network has seen in training:',
    example: (digit) => `Example: ${digit}`,
    seen: 'What the networks get: 28 × 28 pixels, cut out, scaled and centred.',
    empty: 'Draw something, and three networks answer.',
    agree: (digit) => `All three say ${digit}.`,
    disagree: (answers) => `They disagree: ${answers}.`,
    says: (name, digit, share) => `${name} says ${digit} (${share})`,
    features: 'What the first convolution of 05 sees',
    featuresNote:
      'Each picture is one filter of 3 × 3 weights, moved over the digit. Orange: more than on ' +
      'empty paper, blue: less. Some filters find edges of one direction, others the whole stroke.',
    filter: (number) => `Features of filter ${number}`,
    states: 'How 07 reads the digit, row by row',
    statesNote:
      'Each row of the picture is one time step, and each column one number of the hidden state, ' +
      'from −1 (blue) to 1 (orange). The forward direction reads from the top, the backward ' +
      'direction from the bottom.',
    forward: 'forward, from the top ↓',
    backward: 'backward, from the bottom ↑',
    statesLabel: 'Hidden states: 28 rows, the forward direction on the left',
  },
  ko: {
    names: { '02': '02 완전 연결', '05': '05 합성곱', '07': '07 순환 (LSTM)' },
    here: '이 챕터',
    draw: '마우스, 손가락, 펜으로 숫자를 하나 그려 보세요.',
    pad: '숫자 하나를 그리는 영역이에요. 예시 숫자 버튼은 마우스 없이도 쓸 수 있어요.',
    clear: '지우기',
    examples: '또는 학습에 쓰지 않은 실제 숫자를 골라 보세요.',
    example: (digit) => `예시: ${digit}`,
    seen: '신경망의 입력: 숫자만 잘라 크기를 맞추고 가운데에 놓은 28 × 28 픽셀이에요.',
    empty: '숫자를 그리면 세 신경망이 답해요.',
    agree: (digit) => `셋 다 ${digit}${endsInVowel(digit) ? '' : '이'}라고 답했어요.`,
    disagree: (answers) => `답이 서로 달라요. ${answers}.`,
    says: (name, digit, share) => `${name}: ${digit} (${share})`,
    features: '05의 첫 합성곱 층이 보는 것',
    featuresNote:
      '그림 하나가 3 × 3 가중치로 된 필터 하나의 출력이에요. 주황색은 빈 종이에서보다 큰 값, ' +
      '파란색은 작은 값이에요. 한 방향의 가장자리를 찾는 필터도 있고 획 전체를 찾는 필터도 있어요.',
    filter: (number) => `필터 ${number}의 특징`,
    states: '07이 숫자를 한 행씩 읽는 과정',
    statesNote:
      '그림의 행 하나가 타임 스텝 하나이고, 열 하나가 은닉 상태의 값 하나예요. 파란색은 −1, ' +
      '주황색은 1이에요. 정방향은 위에서부터, 역방향은 아래에서부터 읽어요.',
    forward: '정방향, 위에서부터 ↓',
    backward: '역방향, 아래에서부터 ↑',
    statesLabel: '은닉 상태: 28개 행, 왼쪽 절반이 정방향',
  },
};

// ---- The picture, as in pictures.py

// Round as NumPy does: a half goes to the even neighbour.
function round(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

// Return the smallest box around all ink, null if there is none.
function findBox(ink, height, width) {
  const box = { top: height, left: width, bottom: 0, right: 0 };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (ink[y * width + x] > 0) {
        box.top = Math.min(box.top, y);
        box.left = Math.min(box.left, x);
        box.bottom = Math.max(box.bottom, y + 1);
        box.right = Math.max(box.right, x + 1);
      }
    }
  }
  return box.bottom > 0 ? box : null;
}

// Return for each of newSize pixels the old ones that it is made of, with their weights:
// Pillow's bilinear filter, which is wider than two pixels when it makes a picture smaller.
function getWeights(oldSize, newSize) {
  const scale = oldSize / newSize;
  const support = Math.max(scale, 1);
  return Array.from({ length: newSize }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(oldSize, Math.trunc(centre + support + 0.5));
    const weights = [];
    for (let j = first; j < last; j += 1) {
      weights.push(Math.max(0, 1 - Math.abs((j - centre + 0.5) / support)));
    }
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

// Return the part of a picture in a box, scaled to height and width: first the rows, then
// the columns.
function resize(ink, rowLength, box, height, width) {
  const oldHeight = box.bottom - box.top;
  const columns = getWeights(box.right - box.left, width);
  const rows = getWeights(oldHeight, height);
  const narrow = new Float32Array(oldHeight * width);
  for (let y = 0; y < oldHeight; y += 1) {
    const start = (box.top + y) * rowLength + box.left;
    columns.forEach(({ first, weights }, x) => {
      narrow[y * width + x] = weights.reduce((sum, w, i) => sum + w * ink[start + first + i], 0);
    });
  }
  const result = new Float32Array(height * width);
  rows.forEach(({ first, weights }, y) => {
    for (let x = 0; x < width; x += 1) {
      result[y * width + x] = weights.reduce(
        (sum, w, i) => sum + w * narrow[(first + i) * width + x],
        0,
      );
    }
  });
  return result;
}

// Return a picture of one digit in the form of MNIST's, null if it is empty.
//
// pixels: height * width numbers from 0 (paper) to 255 (ink), with paper along the edges.
export function prepare(pixels, height, width) {
  const most = pixels.reduce((a, b) => Math.max(a, b), 0);
  if (most < 16) return null;
  const ink = Float32Array.from(pixels, (value) =>
    Math.min(1, Math.max(0, (value / most) * 1.4 - 0.4)),
  );
  const box = findBox(ink, height, width);
  const sizes = [box.bottom - box.top, box.right - box.left];
  const [newHeight, newWidth] = sizes.map((size) =>
    Math.max(1, round((DIGIT_SIZE * size) / Math.max(...sizes))),
  );
  const digit = resize(ink, width, box, newHeight, newWidth);
  return centre(digit, newHeight, newWidth);
}

// Place a digit with its centre of mass in the middle of 28 x 28 pixels.
function centre(digit, height, width) {
  let [mass, down, right, most] = [0, 0, 0, 0];
  digit.forEach((value, i) => {
    mass += value;
    down += value * (Math.floor(i / width) + 0.5);
    right += value * ((i % width) + 0.5);
    most = Math.max(most, value);
  });
  const top = Math.min(SIZE - height, Math.max(0, round(SIZE / 2 - down / mass)));
  const left = Math.min(SIZE - width, Math.max(0, round(SIZE / 2 - right / mass)));
  const square = new Float32Array(SIZE * SIZE);
  digit.forEach((value, i) => {
    square[(top + Math.floor(i / width)) * SIZE + left + (i % width)] = value / most;
  });
  return square;
}

// ---- The networks

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

// Return a function from 784 pixels (0 is paper, 1 is ink) to what all networks compute:
// {chapter: {probabilities, logits, and features or states}}.
export async function loadNetworks(ort, models) {
  const networks = await Promise.all(
    CHAPTERS.map((chapter) => parts.loadNetwork(ort, `${models}/${chapter}/model.onnx`)),
  );
  return async (pixels) => {
    const results = await Promise.all(networks.map((network) => network(pixels)));
    return Object.fromEntries(
      results.map((result, i) => {
        return [CHAPTERS[i], { ...result, probabilities: softmax(result.logits) }];
      }),
    );
  };
}

// ---- The page

const showShare = (share) => `${(100 * share).toFixed(share > 0.9995 ? 0 : 1)} %`;
const findBest = (values) => values.indexOf(Math.max(...values));

// Make the drawing area; onStroke is called while a stroke is drawn, and with true at its end.
function createPad(texts, onStroke) {
  const attributes = { class: 'pad', role: 'img', 'aria-label': texts.pad };
  const pad = create('canvas', { ...attributes, width: PAD_SIZE, height: PAD_SIZE });
  const context = pad.getContext('2d', { willReadFrequently: true });
  Object.assign(context, { lineWidth: PEN_WIDTH, lineCap: 'round', lineJoin: 'round' });
  let last = null;
  const getPoint = (event) => {
    const area = pad.getBoundingClientRect();
    const scale = PAD_SIZE / area.width;
    return [(event.clientX - area.left) * scale, (event.clientY - area.top) * scale];
  };
  const drawTo = (point) => {
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(...point);
    context.stroke();
    last = point;
  };
  pad.addEventListener('pointerdown', (event) => {
    // A second finger draws nothing.
    if (event.button > 0 || !event.isPrimary) return;
    pad.setPointerCapture(event.pointerId);
    last = getPoint(event);
    drawTo(last);
    onStroke(false);
  });
  pad.addEventListener('pointermove', (event) => {
    if (!last || !event.isPrimary) return;
    const events = event.getCoalescedEvents?.() ?? [];
    (events.length ? events : [event]).forEach((part) => drawTo(getPoint(part)));
    onStroke(false);
  });
  for (const name of ['pointerup', 'pointercancel']) {
    pad.addEventListener(name, (event) => {
      if (!last || !event.isPrimary) return;
      last = null;
      onStroke(true);
    });
  }
  return pad;
}

// Return how much ink is on each pixel of the drawing area, 0 to 255.
function readPad(pad) {
  const { data } = pad.getContext('2d').getImageData(0, 0, pad.width, pad.height);
  return Uint8Array.from({ length: pad.width * pad.height }, (_, i) => data[4 * i + 3]);
}

// Make a canvas of one pixel for each value.
function createPicture(height, width, attributes) {
  return create('canvas', { class: 'pixels', role: 'img', height, width, ...attributes });
}

// Make the card of one network: its answer, and a bar for each class.
function createCard(chapter, isHere, classNames, texts) {
  const answer = create('span', {}, '–');
  const name = texts.names[chapter.slice(0, 2)];
  const title = create('h3', {}, isHere ? `${name} · ${texts.here}` : name);
  const bars = classNames.map((label) =>
    create('div', { class: 'bar' }, create('i'), create('span', {}, label)),
  );
  const chart = create('div', { class: 'bars', role: 'img', 'aria-label': name }, ...bars);
  const card = create('div', { class: 'card wide' }, title);
  card.append(create('p', { class: 'answer' }, answer), chart);
  const show = (probabilities) => {
    const best = probabilities ? findBest(probabilities) : -1;
    const shares = probabilities ?? classNames.map(() => 0);
    answer.textContent = probabilities ? `${classNames[best]} · ${showShare(shares[best])}` : '–';
    bars.forEach((bar, i) => {
      bar.style.setProperty('--share', shares[i]);
      bar.title = `${classNames[i]}: ${showShare(shares[i])}`;
      bar.classList.toggle('best', i === best);
    });
    chart.setAttribute('aria-label', `${name}. ${bars.map((bar) => bar.title).join(', ')}`);
  };
  return { card, show };
}

// Make the feature maps of 05: what each filter finds beyond what it finds on empty paper.
function createFeatures(blank, texts) {
  const area = SIZE * SIZE;
  const nFilters = blank.length / area;
  const maps = Array.from({ length: nFilters }, (_, i) =>
    createPicture(SIZE, SIZE, { 'aria-label': texts.filter(i + 1) }),
  );
  const element = create('div', { class: 'card stack' }, create('h3', {}, texts.features));
  element.append(create('div', { class: 'maps' }, ...maps));
  element.append(create('p', { class: 'note' }, texts.featuresNote));
  const show = (features) => {
    const change = features.map((value, i) => value - blank[i]);
    const most = change.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-6);
    maps.forEach((map, i) => {
      const values = change.slice(i * area, (i + 1) * area);
      parts.drawValues(map, values, (value) => parts.getSigned(value / most));
    });
  };
  return { element, show };
}

// Make the heat map of 07: a row of hidden states beside each row of the digit.
function createStates(nUnits, texts) {
  const digit = createPicture(SIZE, SIZE, { 'aria-hidden': 'true' });
  const map = createPicture(SIZE, nUnits, { 'aria-label': texts.statesLabel });
  const element = create('div', { class: 'card stack' }, create('h3', {}, texts.states));
  const labels = create('div', { class: 'directions' });
  labels.append(create('span', {}, texts.forward), create('span', {}, texts.backward));
  element.append(create('div', { class: 'reading' }, digit, map, labels));
  element.append(create('p', { class: 'note' }, texts.statesNote));
  const show = (pixels, states) => {
    parts.drawValues(digit, pixels, parts.getInk);
    parts.drawValues(map, states, parts.getSigned);
  };
  return { element, show };
}

// Make a button for each example; onChoose gets its 784 pixels.
function createExamples(examples, texts, onChoose) {
  const buttons = examples.labels.map((label, i) => {
    const pixels = Float32Array.from(examples.pixels[i], (value) => value / 255);
    const picture = createPicture(SIZE, SIZE, { 'aria-hidden': 'true' });
    parts.drawValues(picture, pixels, parts.getInk);
    const attributes = { class: 'picture', 'aria-label': texts.example(label) };
    return parts.createButton(picture, () => onChoose(pixels, picture), attributes);
  });
  return create('div', { class: 'line examples' }, ...buttons);
}

// Return one sentence about the answers of all networks.
function summarise(results, order, classNames, texts) {
  const best = order.map((chapter) => findBest(results[chapter].probabilities));
  if (best.every((answer) => answer === best[0])) return texts.agree(classNames[best[0]]);
  const answers = order.map((chapter, i) => {
    const share = showShare(results[chapter].probabilities[best[i]]);
    return texts.says(chapter.slice(0, 2), classNames[best[i]], share);
  });
  return texts.disagree(answers.join(', '));
}

// Fill a playground. For tests and curious readers, the element gets classify(pixels).
export async function start(element, { models, chapter, ort, lang }) {
  const texts = TEXTS[lang];
  const [classify, description, examples] = await Promise.all([
    loadNetworks(ort, models),
    parts.loadJson(`${models}/${chapter}/model.json`),
    parts.loadJson(`${models}/${chapter}/examples.json`),
  ]);
  const classNames = description.class_names;
  const order = [chapter, ...CHAPTERS.filter((name) => name !== chapter)];
  const blank = new Float32Array(SIZE * SIZE);
  const first = await classify(blank);

  const cards = order.map((name) => createCard(name, name === chapter, classNames, texts));
  const features = createFeatures(first['05_cnn'].features, texts);
  const states = createStates(first['07_rnn'].states.length / SIZE, texts);
  const seen = createPicture(SIZE, SIZE, { class: 'pixels seen', 'aria-label': texts.seen });
  const answer = create('p', { class: 'answer', role: 'status', 'aria-live': 'polite' });

  const show = parts.createLatest(async (pixels, isEnd) => {
    const results = await classify(pixels ?? blank);
    cards.forEach((card, i) => card.show(pixels && results[order[i]].probabilities));
    features.show(results['05_cnn'].features);
    states.show(pixels ?? blank, results['07_rnn'].states);
    parts.drawValues(seen, pixels ?? blank, parts.getInk);
    if (isEnd) {
      answer.textContent = pixels ? summarise(results, order, classNames, texts) : texts.empty;
    }
  });
  const pad = createPad(texts, (isEnd) => show(prepare(readPad(pad), PAD_SIZE, PAD_SIZE), isEnd));
  const clear = () => pad.getContext('2d').clearRect(0, 0, PAD_SIZE, PAD_SIZE);
  const clearButton = parts.createButton(texts.clear, () => {
    clear();
    show(null, true);
  });
  const row = createExamples(examples, texts, (pixels, picture) => {
    clear();
    pad.getContext('2d').drawImage(picture, 0, 0, PAD_SIZE, PAD_SIZE);
    show(pixels, true);
  });

  const drawing = create('div', { class: 'stack' }, create('p', {}, texts.draw), pad, clearButton);
  const caption = create('figcaption', {}, texts.seen);
  const input = create('div', { class: 'stack wide' }, create('p', {}, texts.examples), row);
  input.append(create('figure', { class: 'line' }, seen, caption), answer);
  const answers = create('div', { class: 'row' }, ...cards.map(({ card }) => card));
  const views = [features.element, states.element];
  if (chapter === '07_rnn') views.reverse();
  const top = create('div', { class: 'row' }, drawing, input);
  element.append(create('div', { class: 'stack' }, top, answers, ...views));
  element.classify = classify;
  await show(null, true);
}
