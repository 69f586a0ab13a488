// Start the playgrounds of a page, each when its button is pressed.
//
//     <div class="playground" data-script="digits.js" data-chapter="05_cnn" data-size="1.2 MB">
//
// A script exports start(element, options). It gets an empty element to fill, and
//
// - models: the folder with the exported networks, one folder for each chapter,
// - chapter: the chapter whose page it is,
// - ort: onnxruntime-web, ready to use,
// - lang: 'en' or 'ko'.
//
// Nothing is loaded before the button is pressed, and nothing is ever sent.

const TEXTS = {
  en: { load: 'Load the networks', failed: 'This did not work: ' },
  ko: { load: '모델 불러오기', failed: '실행하지 못했어요: ' },
};
const ROOT = new URL('..', import.meta.url);

async function loadRuntime() {
  const ort = await import(new URL('ort/ort.wasm.min.mjs', ROOT));
  ort.env.wasm.wasmPaths = new URL('ort/', ROOT).href;
  // Threads need headers that a plain web server does not send.
  ort.env.wasm.numThreads = 1;
  return ort;
}

export async function start(element) {
  const lang = document.documentElement.lang === 'ko' ? 'ko' : 'en';
  const { script, chapter } = element.dataset;
  element.setAttribute('aria-busy', 'true');
  element.replaceChildren();
  try {
    const { start: fill } = await import(new URL(`play/${script}`, ROOT));
    const models = new URL('models', ROOT).href;
    await fill(element, { models, chapter, lang, ort: await loadRuntime() });
  } catch (error) {
    element.textContent = TEXTS[lang].failed + error.message;
    throw error;
  } finally {
    element.removeAttribute('aria-busy');
  }
}

function loadStyle() {
  const link = document.createElement('link');
  Object.assign(link, { rel: 'stylesheet', href: new URL('play/play.css', ROOT).href });
  document.head.append(link);
}

loadStyle();
for (const element of document.querySelectorAll('.playground')) {
  const lang = document.documentElement.lang === 'ko' ? 'ko' : 'en';
  const button = document.createElement('button');
  const { size } = element.dataset;
  button.textContent = size ? `${TEXTS[lang].load} (${size})` : TEXTS[lang].load;
  button.addEventListener('click', () => start(element));
  element.replaceChildren(button);
}
