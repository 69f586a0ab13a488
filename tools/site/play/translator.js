// A translator of chapter 12 or 13, from text to text, as translate.py is one.

import { readSubwords } from './sentencepiece.js';
import { beamSearch, greedySearch } from './search.js';

// What Python's str.split() takes for white space.
const SPACES = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
const squeeze = (text) => text.split(SPACES).filter((word) => word).join(' ');

// Copies of some rows of a tensor, of which `axis` counts the rows.
function select({ type, dims, data }, axis, rows) {
  const size = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const nBlocks = dims.slice(0, axis).reduce((a, b) => a * b, 1);
  const result = new data.constructor(nBlocks * rows.length * size);
  for (let block = 0; block < nBlocks; block += 1) {
    rows.forEach((row, i) => {
      const start = (block * dims[axis] + row) * size;
      result.set(data.subarray(start, start + size), (block * rows.length + i) * size);
    });
  }
  return { type, dims: dims.with(axis, rows.length), data: result };
}

// The exported networks, in the form that search.js needs: a state is a list of tensors, the first
// of which is the memory of the sentence, which all hypotheses share.
class Network {
  constructor(ort, encoder, decoder, axis) {
    Object.assign(this, { ort, encoder, decoder, axis });
  }

  // An int64 tensor of shape (1, length).
  makeTensor(ids) {
    return new this.ort.Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);
  }

  async start(ids) {
    const output = await this.encoder.run({ x: this.makeTensor(ids) });
    return this.encoder.outputNames.map((name) => output[name]);
  }

  async step(tokens, [memory, ...state]) {
    const { ort, decoder } = this;
    const [tokenName, ...names] = decoder.inputNames;
    const feeds = { [tokenName]: this.makeTensor(tokens) };
    [memory, ...state].forEach(({ type, data, dims }, i) => {
      feeds[names[i]] = new ort.Tensor(type, data, dims);
    });
    const output = await decoder.run(feeds);
    const [logits, weights, ...rest] = decoder.outputNames.map((name) => output[name]);
    const getLogits = (row) => select(logits, 1, [row]).data;
    return {
      logits: tokens.map((_, row) => getLogits(row)),
      // Of each hypothesis, the weights of all layers and heads.
      attention: tokens.map((_, row) => select(weights, 2, [row]).data),
      state: [memory, ...rest],
    };
  }

  select([memory, ...state], rows) {
    return [memory, ...state.map((tensor) => select(tensor, this.axis, rows))];
  }
}

export class Translator {
  constructor(model, network, subwords) {
    Object.assign(this, { model, network });
    [this.xSubwords, this.ySubwords] = subwords;
    // The layers and heads whose attention weights there are.
    const { shape } = model.decoder.outputs[1];
    [this.nLayers, this.nHeads] = shape;
  }

  encode(text) {
    return this.xSubwords.encode(squeeze(text)).slice(0, this.model.search.max_length);
  }

  decode(tokens) {
    return squeeze(this.ySubwords.decode(tokens));
  }

  // The attention weights of a head, or the mean of all heads of a layer: a row for each subword of
  // the translation, with a number for each subword of the sentence.
  getWeights({ attention }, layer, head) {
    const { nLayers, nHeads } = this;
    const heads = head === 'mean' ? [...Array(nHeads).keys()] : [head];
    return attention.map((row) => {
      const length = row.length / nLayers / nHeads;
      const starts = heads.map((h) => (layer * nHeads + h) * length);
      return Array.from({ length }, (_, i) => (
        starts.reduce((total, start) => total + row[start + i], 0) / heads.length
      ));
    });
  }

  // Yields { open, best } after each step, as search.js does; nothing for a blank text.
  async* search(text, { beamSize = 5, nBest = 1 } = {}) {
    const { ids: { bos: bosId, eos: eosId }, search } = this.model;
    const options = {
      bosId, eosId, beamSize, nBest, alpha: search.alpha,
      maxLength: search.max_length, maxRatio: search.max_ratio, maxExtra: search.max_extra,
    };
    const ids = this.encode(text);
    if (ids.length === 0) return;
    yield* (beamSize === 1 ? greedySearch : beamSearch)(this.network, ids, options);
  }

  // The translation alone.
  async translate(text, options) {
    let tokens = [];
    for await (const { best } of this.search(text, options)) tokens = best[0]?.tokens ?? [];
    return this.decode(tokens);
  }
}

async function load(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response;
}

// Load what export.py has written into a folder.
export async function loadTranslator(ort, folder) {
  const model = await (await load(`${folder}/model.json`)).json();
  const [encoder, decoder] = await Promise.all([model.encoder, model.decoder].map(
    async ({ file }) => ort.InferenceSession.create(
      await (await load(`${folder}/${file}`)).arrayBuffer(),
    ),
  ));
  const subwords = await Promise.all(model.subwords.map(async (file) => readSubwords(
    new Uint8Array(await (await load(`${folder}/${file}`)).arrayBuffer()),
  )));
  const network = new Network(ort, encoder, decoder, model.hypotheses_axis);
  return new Translator(model, network, subwords);
}
