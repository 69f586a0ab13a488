// What the playgrounds with pictures share: elements, networks and small canvases.

// Make an element: create('p', { class: 'note' }, 'Some text', otherElement).
export function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Make a button with an action.
export function createButton(content, action, attributes = {}) {
  const button = create('button', { type: 'button', ...attributes }, content);
  button.addEventListener('click', action);
  return button;
}

export async function loadJson(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.json();
}

// onnxruntime does one thing at a time: each task waits for the one before, even a failed one.
let last = Promise.resolve();
function enqueue(task) {
  last = last.then(task, task);
  return last;
}

// Return a function that computes all outputs of an exported network for one sample:
// {name: values}.
export async function loadNetwork(ort, url) {
  const session = await enqueue(() => ort.InferenceSession.create(url));
  const [name] = session.inputNames;
  return (values) =>
    enqueue(async () => {
      const x = new ort.Tensor('float32', Float32Array.from(values), [1, values.length]);
      const outputs = await session.run({ [name]: x });
      return Object.fromEntries(Object.entries(outputs).map(([key, y]) => [key, y.data]));
    });
}

// Call an asynchronous function with the newest values: while it is busy, older calls that
// still wait are left out, so that a picture follows the hand.
export function createLatest(action) {
  let isBusy = false;
  let waiting = null;
  return async function run(...values) {
    waiting = values;
    if (isBusy) return;
    isBusy = true;
    try {
      while (waiting) {
        const next = waiting;
        waiting = null;
        await action(...next);
      }
    } finally {
      isBusy = false;
    }
  };
}

// Draw values as a picture: getColour turns each into [red, green, blue, alpha] of 0 to 255.
export function drawValues(canvas, values, getColour) {
  const context = canvas.getContext('2d');
  const image = context.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < canvas.width * canvas.height; i += 1) {
    image.data.set(getColour(values[i]), 4 * i);
  }
  context.putImageData(image, 0, 0);
}

// Ink on paper: 0 is paper, 1 is ink.
export const getInk = (value) => [0, 0, 0, 255 * Math.min(1, Math.max(0, value))];

// Orange above 0, blue below, and paper at 0: colour-blind people tell them apart.
export const getSigned = (value) => [
  ...(value > 0 ? [200, 80, 0] : [0, 95, 175]),
  255 * Math.min(1, Math.abs(value)),
];
