// Greedy search and beam search for one sentence, as search.py of chapters 12 and 13 does them.
//
// Nothing here knows how a network works. It has to have
//
//     start(ids) -> state, of one empty hypothesis
//     step(tokens, state) -> { logits, attention, state }, each with a row for each hypothesis
//     select(state, rows) -> state of these hypotheses, in this order
//
// Both searches are async generators, which yield { open, best } after each step: the hypotheses
// that go on, and those that have ended, each list in descending order of the scores. A hypothesis
// is { tokens, attention, sum, score }, with a row of attention weights for each token; tokens do
// not include EOS. Numbers have 32 bits, as in PyTorch.

const { fround } = Math;

// ((5 + length) / 6) ** alpha (Wu et al. 2016, equation 14): a larger alpha favours longer
// translations. The length includes EOS.
export function getLengthPenalty(length, alpha) {
  return fround(((5 + length) / 6) ** alpha);
}

// The largest number of tokens of a translation, EOS included.
export function getLimit(length, { maxLength, maxRatio, maxExtra }) {
  return Math.min(Math.floor(maxRatio * length) + maxExtra, maxLength);
}

export function logSoftmax(logits) {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return logits.map((logit) => logit - largest - Math.log(sum));
}

// The k largest numbers, in descending order, as [index, value]; of equal ones the first.
export function topk(values, k) {
  const best = [];
  values.forEach((value, index) => {
    if (best.length === k && !(value > best[k - 1][1])) return;
    let place = best.length;
    while (place > 0 && value > best[place - 1][1]) place -= 1;
    best.splice(place, 0, [index, value]);
    best.length = Math.min(best.length, k);
  });
  return best;
}

// The most probable token at each step, until EOS. There is no score.
export async function* greedySearch(network, ids, { bosId, eosId, ...limits }) {
  const limit = getLimit(ids.length, limits);
  const hypothesis = { tokens: [], attention: [], score: null };
  let state = await network.start(ids);
  let token = bosId;
  for (let t = 0; t + 1 < limit && token !== eosId; t += 1) {
    const output = await network.step([token], state);
    state = output.state;
    [[token]] = topk(output.logits[0], 1);
    if (token !== eosId) {
      hypothesis.tokens.push(token);
      hypothesis.attention.push(output.attention[0]);
      yield { open: [hypothesis], best: [] };
    }
  }
  yield { open: [], best: [hypothesis] };
}

// The beamSize best continuations of the open hypotheses, each with the number of its parent.
function advance(open, { logits, attention }, { beamSize, eosId }, isLast) {
  const candidates = open.flatMap((hypothesis, parent) => {
    const logP = logSoftmax(logits[parent]);
    // At its limit, a translation can only end.
    const best = isLast ? [[eosId, logP[eosId]]] : topk(logP, beamSize);
    return best.map(([token, value]) => ({ parent, token, sum: fround(hypothesis.sum + value) }));
  });
  return topk(candidates.map(({ sum }) => sum), beamSize).map(([index]) => {
    const { parent, token, sum } = candidates[index];
    const { tokens, attention: rows } = open[parent];
    if (token === eosId) return { parent, token, sum, tokens, attention: rows };
    return {
      parent, token, sum, tokens: [...tokens, token], attention: [...rows, attention[parent]],
    };
  });
}

// The nBest translations with the highest scores: the sum of the log-probabilities of the tokens,
// EOS included, divided by the length penalty.
export async function* beamSearch(network, ids, options) {
  const { bosId, eosId, nBest, alpha } = options;
  const limit = getLimit(ids.length, options);
  // No score of an open hypothesis can become better than its sum, divided by this.
  const largestPenalty = getLengthPenalty(limit, alpha);
  let state = await network.start(ids);
  let open = [{ token: bosId, sum: 0, tokens: [], attention: [] }];
  let best = [];
  for (let t = 1; open.length > 0; t += 1) {
    const output = await network.step(open.map(({ token }) => token), state);
    const hypotheses = advance(open, output, options, t === limit);
    const penalty = getLengthPenalty(t, alpha);
    for (const one of hypotheses) one.score = fround(one.sum / penalty);
    const ended = [...best, ...hypotheses.filter(({ token }) => token === eosId)];
    best = topk(ended.map(({ score }) => score), nBest).map(([index]) => ended[index]);
    open = hypotheses.filter(({ token }) => token !== eosId);
    const reachable = open.length > 0 ? fround(open[0].sum / largestPenalty) : -Infinity;
    if (!(reachable > (best[nBest - 1]?.score ?? -Infinity))) open = [];
    if (open.length > 0) state = network.select(output.state, open.map(({ parent }) => parent));
    yield { open, best };
  }
}
