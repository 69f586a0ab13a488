// Read a subword model of SentencePiece, and split text into subwords as SentencePiece does.
//
//     const subwords = readSubwords(bytes);            // the content of a .model file
//     const ids = subwords.encode('민수 씨는 책을 읽어요.');
//     const text = subwords.decode(ids);
//
// What chapters 12 and 13 train: a unigram model (Kudo 2018) whose normalisation is 'identity',
// with byte fallback. Other models are refused with an error, not read wrongly.

const SPACE = '▁';
const TYPES = { NORMAL: 1, UNKNOWN: 2, CONTROL: 3, USER_DEFINED: 4, UNUSED: 5, BYTE: 6 };
const UNIGRAM = 1;
// An unknown character scores this much less than the least probable subword.
const UNKNOWN_PENALTY = 10;

// The fields of a protobuf message, as a Map from their number to a list of their values: bytes,
// or numbers. Each field begins with its number and its wire type, which says how long it is.
function readMessage(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields = new Map();
  let position = 0;
  const readVarint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[position++];
      value += (byte & 127) * scale;
      if (!(byte > 127)) return value;
    }
  };
  const readers = {
    0: readVarint,
    2: () => {
      const length = readVarint();
      return bytes.subarray(position, (position += length));
    },
    5: () => view.getFloat32((position += 4) - 4, true),
  };
  while (position < bytes.length) {
    const key = readVarint();
    if (!((key & 7) in readers)) throw new Error('expected a subword model of SentencePiece');
    if (!fields.has(key >> 3)) fields.set(key >> 3, []);
    fields.get(key >> 3).push(readers[key & 7]());
  }
  return fields;
}

// The only value of a field, or its default.
const getField = (fields, number, value) => fields.get(number)?.[0] ?? value;

// The pieces with their scores and types, and the settings; numbers of sentencepiece_model.proto.
function readModel(bytes) {
  const model = readMessage(bytes);
  const trainer = readMessage(getField(model, 2, new Uint8Array()));
  const normalizer = readMessage(getField(model, 3, new Uint8Array()));
  const text = new TextDecoder();
  const pieces = (model.get(1) ?? []).map(readMessage).map((fields) => ({
    piece: text.decode(getField(fields, 1)),
    score: getField(fields, 2, 0),
    type: getField(fields, 3, TYPES.NORMAL),
  }));
  const isKnown = getField(trainer, 3, UNIGRAM) === UNIGRAM
    && getField(trainer, 35, 0) === 1 // byte_fallback
    && getField(normalizer, 2, '').length === 0 // precompiled_charsmap: none for 'identity'
    && [3, 4, 5].every((number) => getField(normalizer, number, 1) === 1)
    && pieces.every(({ type }) => type !== TYPES.USER_DEFINED);
  if (!isKnown) throw new Error('expected a unigram model with byte fallback and no normalisation');
  return pieces;
}

// A space before the text, one between words, none at its end; spaces are written as ▁.
function normalize(text) {
  const words = text.replace(/^ +/, '').replace(/ +/g, SPACE);
  return words && (SPACE + words).replace(/▁+$/, '');
}

// The bytes as text; a byte that is not part of a character becomes U+FFFD, each one by itself.
function decodeBytes(bytes) {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let text = '';
  for (let start = 0; start < bytes.length;) {
    // How many bytes a character has: the first of them says so.
    const length = [0xf0, 0xe0, 0xc0].findIndex((limit) => bytes[start] >= limit);
    const end = start + (length < 0 ? 1 : 4 - length);
    try {
      text += decoder.decode(Uint8Array.from(bytes.slice(start, end)));
      start = end;
    } catch {
      text += '\ufffd';
      start += 1;
    }
  }
  return text;
}

export function readSubwords(content) {
  const pieces = readModel(content);
  const scores = pieces.filter(({ type }) => type === TYPES.NORMAL).map(({ score }) => score);
  const unknownScore = Math.fround(Math.min(...scores) - UNKNOWN_PENALTY);
  const unknownId = pieces.findIndex(({ type }) => type === TYPES.UNKNOWN);
  const ids = new Map();
  const byteIds = new Map();
  pieces.forEach(({ piece, type }, id) => {
    if (type === TYPES.NORMAL) ids.set(piece, id);
    if (type === TYPES.BYTE) byteIds.set(Number(piece.slice(1, -1)), id);
  });
  const longest = Math.max(...[...ids.keys()].map((piece) => [...piece].length));

  // Viterbi: the best path to each position continues the best path to an earlier one. Scores are
  // rounded to 32 bits at each step, as SentencePiece does, and the first of equal paths is kept.
  function encode(text) {
    const characters = [...normalize(text)];
    const paths = [{ score: 0 }];
    const offer = (start, end, id, score) => {
      const sum = Math.fround(paths[start].score + score);
      if (!paths[end] || sum > paths[end].score) paths[end] = { score: sum, start, id };
    };
    characters.forEach((character, start) => {
      let piece = '';
      for (let end = start; end < Math.min(start + longest, characters.length); end += 1) {
        piece += characters[end];
        if (ids.has(piece)) offer(start, end + 1, ids.get(piece), pieces[ids.get(piece)].score);
      }
      if (!ids.has(character)) offer(start, start + 1, unknownId, unknownScore);
    });
    const result = [];
    for (let end = characters.length; end > 0; end = paths[end].start) {
      const { id, start } = paths[end];
      const bytes = new TextEncoder().encode(characters[start]);
      result.unshift(...(id === unknownId ? Array.from(bytes, (b) => byteIds.get(b)) : [id]));
    }
    return result;
  }

  function decode(tokens) {
    let text = '';
    let bytes = [];
    for (const id of [...tokens, null]) {
      const { piece, type } = pieces[id] ?? {};
      if (type !== TYPES.BYTE) text += decodeBytes(bytes);
      bytes = type === TYPES.BYTE ? [...bytes, Number(piece.slice(1, -1))] : [];
      if (type === TYPES.UNKNOWN) text += ' ⁇ ';
      // Spaces at the beginning of the text are left out.
      if (type === TYPES.NORMAL) text += piece.replace(text ? '' : /^▁+/, '').replaceAll('▁', ' ');
    }
    return text;
  }

  return { encode, decode, getPiece: (id) => pieces[id].piece, size: pieces.length };
}
