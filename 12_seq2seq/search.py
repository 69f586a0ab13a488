"""The search for a translation, for any network that takes steps.

Nothing here knows how a network works. It has to have

    start(x, lengths, n_hypotheses, max_length) -> state
    step(y, state) -> logits of the next token

A state begins with one hypothesis of each sentence, an empty one; n_hypotheses is how
many a sentence will have at most. And a state has to have `select(rows)`, which keeps
some hypotheses, in a new order: each row of rows is a sentence, and has the numbers of
its hypotheses among all there were. All hypotheses of all sentences advance together,
in tensors: there is a loop over time, and none over sentences, hypotheses or tokens.
"""

import torch
from torch.nn import functional


def get_length_penalty(length, alpha):
    """Return what the log-probability of a translation is divided by.

    ((5 + length) / 6) ** alpha (Wu et al. 2016, equation 14). Log-probabilities are
    negative, so a larger alpha favours longer translations. With 0, the sums of
    log-probabilities are compared as they are.

    Arguments:
        length: the number of tokens, the end of the sentence included.
        alpha: not below 0.
    """
    return ((5 + length) / 6) ** alpha


def get_limits(x, lengths, max_length):
    """Return how many tokens the translation of each sentence has at most.

    Nobody needs more than twice as many as the sentence has, and 10. The tighter the
    limit is, the sooner a search knows that no open hypothesis can win any more.
    """
    return (2 * lengths + 10).clamp(max=max_length).to(x.device)


@torch.inference_mode()
def greedy_search(network, x, lengths, bos_id, eos_id, max_length):
    """Take the likeliest token, again and again, until the sentence ends.

    Arguments:
        x: a long tensor of shape (batch_size, length), the source sentences.
        lengths: a long tensor of shape (batch_size,), on the CPU.
        bos_id, eos_id: the tokens that begin and end a sentence.
        max_length: the largest number of tokens, the end included; see get_limits().

    Returns:
        A long tensor of shape (batch_size, max_length): the translations, each followed
        by nothing but eos_id.
    """
    limits = get_limits(x, lengths, max_length)
    state = network.start(x, lengths, 1, limits.max().item())
    result = torch.full((len(x), max_length), eos_id, device=x.device)
    sentences = torch.arange(len(x), device=x.device)
    y = torch.full((len(x), 1), bos_id, device=x.device)
    is_open = torch.ones_like(sentences, dtype=torch.bool)
    for t in range(max_length - 1):
        logits = network.step(y, state)
        # |logits| = (n_rows, 1, vocab_size)
        # Where argmax finds it too, but faster.
        y = logits.max(dim=-1).indices.masked_fill(~is_open.unsqueeze(1), eos_id)
        # |y| = (n_rows, 1)
        result[sentences, t] = y.squeeze(1)
        is_open = (y.squeeze(1) != eos_id) & (t + 2 < limits[sentences])
        # |is_open| = (n_rows,)
        n_open = is_open.sum().item()
        if n_open == 0:
            break
        # To leave out a few costs more than to take them along.
        if n_open < 0.9 * len(y):
            kept = is_open.nonzero()
            state.select(kept)
            y, sentences = y[kept.squeeze(1)], sentences[kept.squeeze(1)]
            is_open = is_open[kept.squeeze(1)]
    return result


def get_best(log_p, k, group_size=100):
    """Return the k largest of many values, and their places: topk, but faster.

    The k largest are in the k groups of which the largest are the largest: so only
    these groups have to be sorted.

    Arguments:
        log_p: the values of each row, in the last dimension.
        k: how many to find.
        group_size: how many values stand together.
    """
    if log_p.size(-1) < 2 * k * group_size:
        return log_p.topk(k)
    n_missing = -log_p.size(-1) % group_size
    if n_missing > 0:
        log_p = functional.pad(log_p, (0, n_missing), value=-torch.inf)
    groups = log_p.unflatten(-1, (-1, group_size))
    # |groups| = (n_open, n_hypotheses, n_groups, group_size)
    _, places = groups.amax(dim=-1).topk(k)
    # |places| = (n_open, n_hypotheses, k)
    repeated = places.unsqueeze(-1).expand(-1, -1, -1, group_size)
    values, inside = groups.gather(2, repeated).flatten(2).topk(k)
    # |values| = (n_open, n_hypotheses, k)
    found = places.gather(2, inside // group_size) * group_size + inside % group_size
    # |found| = (n_open, n_hypotheses, k)
    return values, found


class Board:
    """The hypotheses of a batch: the open ones, and the best of those that have ended.

    Arguments:
        limits: the largest number of tokens of each translation, the end included.
        beam_size: how many hypotheses of each sentence stay open, if there are so many.
        n_best: how many translations of each sentence to return.
        max_length: the largest of all.
        alpha: of the length penalty.
    """

    def __init__(self, limits, beam_size, n_best, max_length, alpha, bos_id, eos_id):
        self.limits, self.beam_size, self.n_best = limits, beam_size, n_best
        self.max_length, self.alpha, self.eos_id = max_length, alpha, eos_id
        self.t = 0
        n_sentences, device = len(limits), limits.device

        # Open hypotheses: in the beginning, one for each sentence.
        shape = (n_sentences, 1)
        self.sentences = torch.arange(n_sentences, device=device)
        self.tokens = torch.full((*shape, max_length), eos_id, device=device)
        self.last_tokens = torch.full(shape, bos_id, device=device)
        self.scores = torch.zeros(shape, device=device)

        # Those that have ended, from the best one down.
        shape = (n_sentences, n_best)
        self.best_scores = torch.full(shape, -torch.inf, device=device)
        self.best_tokens = torch.full((*shape, max_length), eos_id, device=device)

    def advance(self, logits):
        """Give each sentence its beam_size best continuations.

        Arguments:
            logits: of the next token of each open hypothesis.

        Returns:
            For each hypothesis that is open now, the number of the one that has been
            continued: a long tensor of shape (n_open_now, n_hypotheses_now).
        """
        # |logits| = (n_open, n_hypotheses, vocab_size)
        log_p = logits.log_softmax(dim=-1)
        is_last = self.limits[self.sentences] == self.t + 1
        # |is_last| = (n_open,)
        if is_last.any():
            tokens = torch.arange(logits.size(-1), device=logits.device)
            is_impossible = is_last[:, None, None] & (tokens != self.eos_id)
            log_p = log_p.masked_fill(is_impossible, -torch.inf)
        # None of its sentence's best can be beyond the best of its own hypothesis.
        n_candidates = min(self.beam_size, logits.size(-1))
        values, tokens = get_best(log_p, n_candidates)
        # |values| = (n_open, n_hypotheses, n_candidates)
        candidates = (self.scores.unsqueeze(-1) + values).flatten(1)
        # |candidates| = (n_open, n_hypotheses * n_candidates)
        scores, places = candidates.topk(min(self.beam_size, candidates.size(1)))
        # |scores| = (n_open, n_hypotheses_now)
        parents = places // n_candidates
        # |parents| = (n_open, n_hypotheses_now)

        self.last_tokens = tokens.flatten(1).gather(1, places)
        self.tokens = self.tokens.gather(
            1, parents.unsqueeze(-1).expand(-1, -1, self.max_length)
        )
        self.tokens[:, :, self.t] = self.last_tokens
        self.t += 1
        has_ended = self.last_tokens == self.eos_id
        self._keep_best(scores.masked_fill(~has_ended, -torch.inf))
        self.scores = scores.masked_fill(has_ended, -torch.inf)
        rows = torch.arange(len(logits), device=logits.device) * logits.size(1)
        return self._drop_finished(rows.unsqueeze(1) + parents)

    def _keep_best(self, scores):
        """Put what has just ended among the best, if it is one of them.

        Arguments:
            scores: the sums of log-probabilities, minus infinity for what is open.
        """
        # |scores| = (n_open, n_hypotheses)
        scores = scores / get_length_penalty(self.t, self.alpha)
        scores = torch.cat([self.best_scores[self.sentences], scores], dim=1)
        # |scores| = (n_open, n_best + n_hypotheses)
        tokens = torch.cat([self.best_tokens[self.sentences], self.tokens], dim=1)
        # |tokens| = (n_open, n_best + n_hypotheses, max_length)
        scores, places = scores.topk(self.n_best)
        # |scores| = (n_open, n_best)
        places = places.unsqueeze(-1).expand(-1, -1, self.max_length)
        self.best_scores[self.sentences] = scores
        self.best_tokens[self.sentences] = tokens.gather(1, places)

    def _drop_finished(self, rows):
        """Leave the sentences alone whose open hypotheses can't win any more.

        A sum of log-probabilities never rises: the best that a hypothesis can come to
        is what it has now, divided by the largest penalty.
        """
        largest = get_length_penalty(self.limits[self.sentences], self.alpha)
        reachable = self.scores.amax(dim=1) / largest
        # |reachable| = (n_open,)
        is_open = reachable > self.best_scores[self.sentences, -1]
        # |is_open| = (n_open,)
        kept = is_open.nonzero().squeeze(1)
        self.sentences, self.scores = self.sentences[kept], self.scores[kept]
        self.tokens, self.last_tokens = self.tokens[kept], self.last_tokens[kept]
        return rows[kept]


@torch.inference_mode()
def beam_search(
    network, x, lengths, bos_id, eos_id, max_length, beam_size=5, n_best=1, alpha=1.0
):
    """Search for the translations of the highest scores.

    The score of a translation is the sum of the log-probabilities of its tokens, its
    end included, divided by the length penalty.

    Arguments:
        x: a long tensor of shape (batch_size, length), the source sentences.
        lengths: a long tensor of shape (batch_size,), on the CPU.
        bos_id, eos_id: the tokens that begin and end a sentence.
        max_length: the largest number of tokens, the end included; see get_limits().
        beam_size: how many hypotheses of a sentence go on at a time.
        n_best: how many translations of each sentence, not above beam_size.
        alpha: of the length penalty; larger favours longer translations.

    Returns:
        scores: a float tensor of shape (batch_size, n_best), from the best one down;
            minus infinity if there are not so many.
        tokens: a long tensor of shape (batch_size, n_best, max_length): the
            translations, each followed by nothing but eos_id.
    """
    limits = get_limits(x, lengths, max_length)
    state = network.start(x, lengths, beam_size, limits.max().item())
    board = Board(limits, beam_size, n_best, max_length, alpha, bos_id, eos_id)
    for _ in range(max_length):
        logits = network.step(board.last_tokens, state)
        rows = board.advance(logits)
        if len(rows) == 0:
            break
        state.select(rows)
    return board.best_scores, board.best_tokens
