"""Greedy search and beam search, for any network that decodes step by step.

Nothing here knows how a network works. It has to have

    start(x, lengths) -> state
    step(y, state) -> logits of the next token

A state begins with one empty hypothesis for each sentence. It has to have
`select(rows)`, which keeps some hypotheses, in a new order: each row of rows is a
sentence, and contains the numbers of its hypotheses, counted through the whole batch.
All hypotheses of all sentences advance together as one tensor: there is a loop over
time, and none over sentences, hypotheses or tokens.
"""

import torch
from torch.nn.functional import cross_entropy, pad


def get_length_penalty(length, alpha):
    """Return the number by which the log-probability of a translation is divided.

    ((5 + length) / 6) ** alpha (Wu et al. 2016, equation 14). Log-probabilities are
    negative, so a larger alpha favours longer translations. With alpha = 0, the sums of
    log-probabilities are compared as they are.

    Arguments:
        length: the number of tokens, EOS included.
        alpha: at least 0.
    """
    return ((5 + length) / 6) ** alpha


def get_limits(x, lengths, max_length, max_ratio, max_extra):
    """Return the largest number of tokens of each translation, EOS included.

    It is max_ratio times the length of the source sentence plus max_extra, and at most
    max_length. The tighter the limit, the sooner a search knows that no open hypothesis
    can win; a translation that needs more tokens cannot be found.
    """
    limits = max_ratio * lengths + max_extra
    return limits.long().clamp(max=max_length).to(x.device)


@torch.inference_mode()
def greedy_search(
    network, x, lengths, bos_id, eos_id, max_length, max_ratio=2.0, max_extra=10
):
    """Take the most probable token at each step, until all sentences have ended.

    Arguments:
        x: a long tensor of shape (batch_size, length), the source sentences.
        lengths: a long tensor of shape (batch_size,), on the CPU.
        bos_id, eos_id: the tokens that begin and end a sentence.
        max_length, max_ratio, max_extra: of the largest number of tokens, EOS included;
            see get_limits().

    Returns:
        A long tensor of shape (batch_size, max_length): the translations, filled up
        with eos_id.
    """
    limits = get_limits(x, lengths, max_length, max_ratio, max_extra)
    result = torch.full((len(x), max_length), eos_id, device=x.device)
    state = network.start(x, lengths)
    sentences = torch.arange(len(x), device=x.device)
    y = torch.full((len(x), 1), bos_id, device=x.device)
    for t in range(max_length - 1):
        n_open, logits = len(y), network.step(y, state)
        # |logits| = (n_open, 1, vocab_size)
        y = logits.max(dim=-1).indices
        # |y| = (n_open, 1)
        result[sentences, t] = y.view(n_open)
        # A sentence that has ended leaves the batch.
        is_open = (y.view(n_open) != eos_id) & (t + 2 < limits[sentences])
        # |is_open| = (n_open,)
        if not is_open.any():
            break
        if not is_open.all():
            y, sentences = y[is_open], sentences[is_open]
            state.select(is_open.nonzero())
    return result


@torch.no_grad()
def sample(
    network,
    x,
    lengths,
    bos_id,
    eos_id,
    max_length,
    n_samples,
    max_ratio=2.0,
    max_extra=10,
):
    """Draw each token at random, with its probability, until all samples have ended.

    The samples of a sentence share its memory. A sample that has ended stays so, and a
    sentence leaves the batch when all of its samples have ended.

    Arguments:
        x, lengths, bos_id, eos_id, max_length: as in greedy_search().
        n_samples: how many translations of each sentence.
        max_ratio, max_extra: as in greedy_search().

    Returns:
        tokens: a long tensor of shape (batch_size, n_samples, length), filled up with
            eos_id.
        n_tokens: a long tensor of shape (batch_size, n_samples), the number of tokens
            that were drawn: EOS included, but for samples that reached the limit.
    """
    limits = get_limits(x, lengths, max_length, max_ratio, max_extra)
    tokens = torch.full((len(x), n_samples, max_length), eos_id, device=x.device)
    n_tokens = torch.zeros(len(x), n_samples, dtype=torch.long, device=x.device)
    state = network.start(x, lengths)
    sentences = torch.arange(len(x), device=x.device)
    state.select(sentences.unsqueeze(1).expand(-1, n_samples))
    y = torch.full((len(x), n_samples), bos_id, device=x.device)
    has_ended = torch.zeros_like(y, dtype=torch.bool)
    for t in range(max_length - 1):
        n_open, logits = len(y), network.step(y, state)
        # |logits| = (n_open, n_samples, vocab_size)
        y = draw(logits).masked_fill(has_ended, eos_id)
        # |y| = (n_open, n_samples)
        tokens[sentences, :, t] = y
        n_tokens[sentences] += ~has_ended
        has_ended = has_ended | (y == eos_id)
        # A sentence all of whose samples have ended leaves the batch.
        is_open = ~has_ended.all(dim=1) & (t + 2 < limits[sentences])
        # |is_open| = (n_open,)
        if not is_open.any():
            break
        if not is_open.all():
            rows = torch.arange(n_open * n_samples, device=x.device).view_as(y)
            state.select(rows[is_open])
            y, has_ended, sentences = y[is_open], has_ended[is_open], sentences[is_open]
    return tokens[:, :, : t + 1], n_tokens


def draw(logits):
    """Draw a token from each softmax: the first whose cumulative probability exceeds u.

    The number u is uniform from 0 to 1, so one random number is enough for a token.
    """
    # |logits| = (n_open, n_samples, vocab_size)
    cumulative = logits.float().softmax(dim=-1).cumsum(dim=-1)
    u = torch.rand_like(cumulative[:, :, :1]) * cumulative[:, :, -1:]
    # |u| = (n_open, n_samples, 1)
    y = torch.searchsorted(cumulative, u, right=True).squeeze(-1)
    # |y| = (n_open, n_samples)
    return y.clamp(max=logits.size(-1) - 1)


def get_log_p(network, x, lengths, candidates, n_tokens, bos_id):
    """Return the log-probability of each candidate, by teacher forcing in one pass.

    Arguments:
        x, lengths: as in greedy_search().
        candidates, n_tokens: tokens as sample() returns them, and how many count.
        bos_id: the token that begins a sentence.
    """
    # |candidates| = (n_sentences, n_candidates, length)
    # |n_tokens| = (n_sentences, n_candidates)
    n_candidates, y = candidates.size(1), candidates.flatten(0, 1)
    # |y| = (n_sentences * n_candidates, length)
    x, lengths = (each.repeat_interleave(n_candidates, dim=0) for each in (x, lengths))
    y_hat = network(x, lengths, pad(y[:, :-1], (1, 0), value=bos_id))
    # |y_hat| = (n_sentences * n_candidates, length, vocab_size)
    losses = cross_entropy(y_hat.flatten(0, 1), y.flatten(), reduction='none')
    positions = torch.arange(y.size(1), device=y.device)
    is_token = positions < n_tokens.unsqueeze(-1)
    # |is_token| = (n_sentences, n_candidates, length)
    log_p = -(losses.view_as(is_token) * is_token).sum(dim=-1)
    # |log_p| = (n_sentences, n_candidates)
    return log_p


class Beam:
    """The hypotheses of a batch: the open ones, and the best of those that have ended.

    Arguments:
        limits: the largest number of tokens of each translation, EOS included.
        beam_size: how many hypotheses of each sentence are kept at each step.
        n_best: how many translations of each sentence to return.
        max_length: the largest of all limits.
        alpha: of the length penalty.
        bos_id, eos_id: the tokens that begin and end a sentence.
        topk: torch.topk, or a function that returns the same.
    """

    def __init__(
        self, limits, beam_size, n_best, max_length, alpha, bos_id, eos_id, topk
    ):
        self.limits, self.beam_size, self.n_best = limits, beam_size, n_best
        self.max_length, self.alpha, self.eos_id = max_length, alpha, eos_id
        self.topk = topk
        self.t = 0
        n_sentences, device = len(limits), limits.device

        # Open hypotheses: in the beginning, an empty one for each sentence.
        shape = (n_sentences, 1)
        self.sentences = torch.arange(n_sentences, device=device)
        self.tokens = torch.full((*shape, max_length), eos_id, device=device)
        self.last_tokens = torch.full(shape, bos_id, device=device)
        self.scores = torch.zeros(shape, device=device)

        # The best of those that have ended, in descending order of their scores.
        shape = (n_sentences, n_best)
        self.best_scores = torch.full(shape, -torch.inf, device=device)
        self.best_tokens = torch.full((*shape, max_length), eos_id, device=device)

    def advance(self, logits):
        """Replace the open hypotheses by the beam_size best continuations.

        Arguments:
            logits: of the next token of each open hypothesis.

        Returns:
            For each hypothesis that is open now, the number of the one that it
            continues: a long tensor of shape (n_open_now, n_hypotheses_now).
        """
        # |logits| = (n_open, n_hypotheses, vocab_size)
        log_p = logits.log_softmax(dim=-1)
        is_last = self.limits[self.sentences] == self.t + 1
        # |is_last| = (n_open,)
        if is_last.any():
            tokens = torch.arange(logits.size(-1), device=logits.device)
            is_impossible = is_last[:, None, None] & (tokens != self.eos_id)
            log_p = log_p.masked_fill(is_impossible, -torch.inf)

        # The beam_size best of a sentence are among the beam_size best of each of its
        # hypotheses.
        n_candidates = min(self.beam_size, logits.size(-1))
        values, tokens = self.topk(log_p, n_candidates)
        # |values| = (n_open, n_hypotheses, n_candidates)
        candidates = (self.scores.unsqueeze(-1) + values).flatten(1)
        # |candidates| = (n_open, n_hypotheses * n_candidates)
        scores, indices = candidates.topk(min(self.beam_size, candidates.size(1)))
        # |scores| = (n_open, n_hypotheses_now)
        parents = indices // n_candidates
        # |parents| = (n_open, n_hypotheses_now)

        self.last_tokens = tokens.flatten(1).gather(1, indices)
        repeated = parents.unsqueeze(-1).expand(-1, -1, self.max_length)
        self.tokens = self.tokens.gather(1, repeated)
        self.tokens[:, :, self.t] = self.last_tokens
        self.t += 1
        has_ended = self.last_tokens == self.eos_id
        self._keep_best(scores.masked_fill(~has_ended, -torch.inf))
        self.scores = scores.masked_fill(has_ended, -torch.inf)
        rows = torch.arange(len(logits), device=logits.device) * logits.size(1)
        return self._drop_finished(rows.unsqueeze(1) + parents)

    def _keep_best(self, scores):
        """Update the best hypotheses with those that have ended at this step.

        Arguments:
            scores: the sums of log-probabilities, minus infinity for open hypotheses.
        """
        # |scores| = (n_open, n_hypotheses)
        scores = scores / get_length_penalty(self.t, self.alpha)
        scores = torch.cat([self.best_scores[self.sentences], scores], dim=1)
        # |scores| = (n_open, n_best + n_hypotheses)
        tokens = torch.cat([self.best_tokens[self.sentences], self.tokens], dim=1)
        # |tokens| = (n_open, n_best + n_hypotheses, max_length)
        scores, indices = scores.topk(self.n_best)
        # |scores| = (n_open, n_best)
        repeated = indices.unsqueeze(-1).expand(-1, -1, self.max_length)
        self.best_scores[self.sentences] = scores
        self.best_tokens[self.sentences] = tokens.gather(1, repeated)

    def _drop_finished(self, rows):
        """Drop the sentences none of whose open hypotheses can win any more.

        A sum of log-probabilities never rises: the best score that a hypothesis can
        reach is its present sum, divided by the largest penalty.
        """
        largest = get_length_penalty(self.limits[self.sentences], self.alpha)
        reachable = self.scores.amax(dim=1) / largest
        # |reachable| = (n_open,)
        is_open = reachable > self.best_scores[self.sentences, -1]
        # |is_open| = (n_open,)
        self.sentences, self.scores = self.sentences[is_open], self.scores[is_open]
        self.tokens, self.last_tokens = self.tokens[is_open], self.last_tokens[is_open]
        return rows[is_open]


@torch.inference_mode()
def beam_search(
    network,
    x,
    lengths,
    bos_id,
    eos_id,
    max_length,
    beam_size=5,
    n_best=1,
    alpha=1.0,
    topk=torch.topk,
    max_ratio=2.0,
    max_extra=10,
):
    """Search for the translations with the highest scores.

    The score of a translation is the sum of the log-probabilities of its tokens, EOS
    included, divided by the length penalty.

    Arguments:
        x, lengths, bos_id, eos_id, max_length: as in greedy_search().
        beam_size: how many hypotheses of a sentence are kept at each step.
        n_best: how many translations of each sentence, at most beam_size.
        alpha: of the length penalty; larger favours longer translations.
        topk: torch.topk, or a function that returns the same.
        max_ratio, max_extra: as in greedy_search().

    Returns:
        scores: a float tensor of shape (batch_size, n_best), in descending order; minus
            infinity if there are fewer translations.
        tokens: a long tensor of shape (batch_size, n_best, max_length): the
            translations, filled up with eos_id.
    """
    limits = get_limits(x, lengths, max_length, max_ratio, max_extra)
    state = network.start(x, lengths)
    beam = Beam(limits, beam_size, n_best, max_length, alpha, bos_id, eos_id, topk)
    for _ in range(max_length):
        logits = network.step(beam.last_tokens, state)
        rows = beam.advance(logits)
        if len(rows) == 0:
            break
        state.select(rows)
    return beam.best_scores, beam.best_tokens
