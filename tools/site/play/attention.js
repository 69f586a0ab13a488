// Attention weights between words, drawn as bands between two columns of words, and as small maps.

const SVG = 'http://www.w3.org/2000/svg';
// In CSS pixels, as in translate.css: a row of words, and the bands that arrive at a word.
const ROW = 38;
const BAND = 26;
// Bands that are narrower can't be seen.
const SMALLEST = 0.01;
// The maps are drawn in so many shades.
const N_SHADES = 8;

// Join subwords to words, a list of { text, positions }. A subword with ▁ begins a new word.
export function joinWords(ids, subwords) {
  const words = [];
  ids.forEach((id, position) => {
    if (subwords.getPiece(id).startsWith('▁') && words.at(-1)?.text !== '') {
      words.push({ ids: [], positions: [], text: '' });
    }
    if (words.length === 0) words.push({ ids: [], positions: [], text: '' });
    const word = words.at(-1);
    word.ids.push(id);
    word.positions.push(position);
    word.text = subwords.decode(word.ids).trim();
  });
  return words.filter(({ text }) => text);
}

// The weights between words: the mean over the subwords of a target word, the sum over those of a
// source word. So the weights of a target word sum to 1.
//
// weights has a row for each target subword, with a number for each source subword.
export function joinWeights(weights, xWords, yWords) {
  return yWords.map(({ positions: rows }) => xWords.map(({ positions: columns }) => {
    let total = 0;
    for (const row of rows) {
      for (const column of columns) total += weights[row][column];
    }
    return total / rows.length;
  }));
}

// The colours of the source words go from blue to orange, all of the same lightness.
function getColour(i, n) {
  return `oklch(0.7 0.14 ${Math.round(255 + (n > 1 ? (i / (n - 1)) * 180 : 0)) % 360})`;
}

// An area from the interval [a, a + from] on the left to [b, b + to] on the right.
function getBand(a, from, b, to) {
  return `M0 ${a}C50 ${a} 50 ${b} 100 ${b}V${b + to}C50 ${b + to} 50 ${a + from} 0 ${a + from}Z`;
}

// The source words on the left, the target words on the right, and bands between them. The bands
// of a target word fill its height; those of a source word fill as much as it gets of all.
export class Flow {
  // getText returns what a screen reader says of a target word.
  constructor(container, languages, getText) {
    this.getText = getText;
    [this.x, this.y] = languages.map((lang) => {
      const column = document.createElement('ol');
      column.lang = lang;
      return column;
    });
    this.svg = document.createElementNS(SVG, 'svg');
    this.svg.setAttribute('preserveAspectRatio', 'none');
    this.svg.setAttribute('aria-hidden', 'true');
    container.append(this.x, this.svg, this.y);
    container.addEventListener('pointerover', ({ target }) => this.light(target.closest('li')));
    container.addEventListener('pointerleave', () => this.light(null));
  }

  draw(xWords, yWords, weights) {
    // Both columns are as high as the longer one.
    this.height = ROW * Math.max(xWords.length, yWords.length);
    this.update(this.x, xWords.map(({ text }) => ({ text, said: '' })));
    this.update(this.y, yWords.map(({ text }, j) => {
      const i = weights[j].indexOf(Math.max(...weights[j]));
      return { text, said: this.getText(xWords[i].text, weights[j][i]) };
    }));
    [...this.x.children].forEach((item, i) => {
      item.style.height = `${this.height / xWords.length}px`;
      item.style.setProperty('--colour', getColour(i, xWords.length));
    });
    this.drawBands(xWords.length, weights);
  }

  // Words that stay keep their elements, so that only new ones appear slowly.
  update(column, words) {
    words.forEach(({ text, said }, i) => {
      let item = column.children[i];
      if (item?.dataset.text !== text) {
        const word = document.createElement('li');
        word.dataset.text = text;
        word.append(document.createElement('span'), document.createElement('span'));
        word.firstChild.textContent = text;
        word.lastChild.className = 'translate-said';
        if (item) item.replaceWith(word);
        else column.append(word);
        item = word;
      }
      item.lastChild.textContent = said;
    });
    while (column.children.length > words.length) column.lastChild.remove();
  }

  drawBands(nSources, weights) {
    this.svg.setAttribute('viewBox', `0 0 100 ${this.height}`);
    this.svg.style.height = `${this.height}px`;
    const totals = Array.from({ length: nSources }, (_, i) => (
      weights.reduce((total, row) => total + row[i], 0)
    ));
    const scale = BAND / Math.max(1, ...totals);
    const xRow = this.height / nSources;
    const lefts = totals.map((total, i) => (i + 0.5) * xRow - (total * scale) / 2);
    this.svg.replaceChildren(...weights.flatMap((row, j) => {
      let right = (j + 0.5) * ROW - BAND / 2;
      return row.map((weight, i) => {
        const path = document.createElementNS(SVG, 'path');
        path.setAttribute('d', getBand(lefts[i], weight * scale, right, weight * BAND));
        path.style.fill = getColour(i, nSources);
        Object.assign(path.dataset, { i, j });
        lefts[i] += weight * scale;
        right += weight * BAND;
        return weight < SMALLEST ? null : path;
      });
    }).filter((path) => path));
    this.light(null);
  }

  // Show the bands of one word only, or all.
  light(item) {
    const key = item?.parentElement === this.x ? 'i' : 'j';
    const index = item ? String([...item.parentElement.children].indexOf(item)) : null;
    for (const path of this.svg.children) {
      path.classList.toggle('is-dim', item !== null && path.dataset[key] !== index);
    }
  }
}

// A map with a row for each target word: the darker, the larger the weight.
export function drawMap(svg, weights, nSources) {
  const shades = Array.from({ length: N_SHADES + 1 }, () => '');
  weights.forEach((row, j) => row.forEach((weight, i) => {
    shades[Math.round(weight * N_SHADES)] += `M${i} ${j}h1v1h-1z`;
  }));
  svg.setAttribute('viewBox', `0 0 ${nSources || 1} ${weights.length || 1}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.replaceChildren(...shades.map((d, shade) => {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    path.setAttribute('fill-opacity', shade / N_SHADES);
    return path;
  }));
}
