"""The risk of translations, and losses whose gradients lower the expected risk.

Nothing here knows how a network works: a loss sees the log-probabilities and the risks
of some candidate translations of each sentence. The risk is 1 - score, from 0 to 1.
"""

import torch
from sacrebleu.metrics import BLEU, CHRF

from data_loader import EOS_ID


def get_token_mask(y):
    """Return a bool tensor of the shape of y, True before the first EOS."""
    return (y == EOS_ID).cumsum(dim=-1) == 0


class Gleu:
    """GLEU of subwords (Wu et al. 2016, section 5.2), for all candidates at once.

    It is the smaller one of precision and recall: the n-grams that candidate and
    reference share, divided by the n-grams of the longer one. The n-grams of n = 1, 2,
    3 and 4 are counted together.

    Arguments:
        max_n: the largest n.
    """

    def __init__(self, max_n=4):
        self.max_n = max_n

    def __call__(self, candidates, references):
        """Return the GLEU of each candidate.

        Arguments:
            candidates: the token ids of some translations of each sentence.
            references: the token ids of the reference of each sentence.
        """
        # |candidates| = (n_sentences, n_candidates, length)
        # |references| = (n_sentences, reference_length)
        references = references.unsqueeze(1)
        is_token, is_reference_token = map(get_token_mask, (candidates, references))
        is_match = candidates.unsqueeze(-1) == references.unsqueeze(-2)
        is_match &= is_token.unsqueeze(-1) & is_reference_token.unsqueeze(-2)
        # |is_match| = (n_sentences, n_candidates, length, reference_length)
        is_repeat = candidates.unsqueeze(-1) == candidates.unsqueeze(-2)
        # |is_repeat| = (n_sentences, n_candidates, length, length)
        n_matches = self._count_matches(is_match, is_repeat)
        lengths = torch.maximum(is_token.sum(dim=-1), is_reference_token.sum(dim=-1))
        # |lengths| = (n_sentences, n_candidates)
        n_grams = sum((lengths - n).clamp(min=0) for n in range(self.max_n))
        return n_matches / n_grams

    def _count_matches(self, is_match, is_repeat):
        """Count the n-grams that a candidate shares with its reference.

        The k-th occurrence of an n-gram in the candidate counts if the reference has
        this n-gram at least k times.

        Arguments:
            is_match: whether a token of the candidate is this one of the reference.
            is_repeat: whether a token of the candidate is this one of the candidate.
        """
        n_matches, match, repeat = 0, is_match, is_repeat
        for n in range(1, self.max_n + 1):
            n_in_reference = match.sum(dim=-1)
            n_before = repeat.tril(-1).sum(dim=-1)
            n_matches += (n_before < n_in_reference).sum(dim=-1)
            # n + 1 tokens are the same if the first n are, and the last one.
            match = match[..., :-1, :-1] & is_match[..., n:, n:]
            repeat = repeat[..., :-1, :-1] & is_repeat[..., n:, n:]
        return n_matches


class TextScore:
    """BLEU or chrF of each translation as text, by sacreBLEU: one after the other.

    Arguments:
        metric: a metric of sacreBLEU.
        subwords: the SentencePieceProcessor of the target language.
    """

    def __init__(self, metric, subwords):
        self.metric, self.subwords = metric, subwords

    def __call__(self, candidates, references):
        """Return the score of each candidate, from 0 to 1.

        Arguments:
            candidates: the token ids of some translations of each sentence.
            references: the token ids of the reference of each sentence.
        """
        # |candidates| = (n_sentences, n_candidates, length)
        # |references| = (n_sentences, reference_length)
        n_candidates = candidates.size(1)
        hypotheses = self._decode(candidates.flatten(0, 1))
        texts = self._decode(references.repeat_interleave(n_candidates, dim=0))
        scores = [
            self.metric.sentence_score(hypothesis, [text]).score / 100
            for hypothesis, text in zip(hypotheses, texts, strict=True)
        ]
        scores = torch.tensor(scores, device=candidates.device).view(-1, n_candidates)
        # |scores| = (n_sentences, n_candidates)
        return scores

    def _decode(self, y):
        # |y| = (n_texts, length)
        lengths = get_token_mask(y).sum(dim=-1)
        ids = zip(y.tolist(), lengths.tolist(), strict=True)
        return self.subwords.decode([tokens[:length] for tokens, length in ids])


def get_metric(name, subwords):
    """Return a function that scores candidates: gleu, bleu or chrf.

    Arguments:
        subwords: the SentencePieceProcessor of the target language.
    """
    if name == 'gleu':
        return Gleu()
    # BLEU of one sentence: n-grams that are longer than the sentence do not count.
    metric = BLEU(effective_order=True) if name == 'bleu' else CHRF()
    return TextScore(metric, subwords)


def get_reinforce_loss(log_p, risk, baseline):
    """Return a loss whose gradient estimates that of the expected risk.

    The gradient is the mean of (risk - baseline) * gradient of log p (Williams 1992).
    A baseline that does not depend on the sample leaves its expectation as it is, and
    lowers its variance.

    Arguments:
        log_p, risk: of samples from the network.
        baseline: 'others' for the mean risk of the other samples, or 'none'.
    """
    # |log_p| = (n_sentences, n_samples)
    # |risk| = (n_sentences, n_samples)
    if baseline == 'others':
        risk = risk - (risk.sum(dim=1, keepdim=True) - risk) / (risk.size(1) - 1)
    loss = (risk * log_p).mean(dim=1)
    # |loss| = (n_sentences,)
    return loss


def get_expected_risk(log_p, risk, is_new, alpha):
    """Return the expected risk over a set of candidates (Shen et al. 2016, eq. 9-11).

    The probabilities are renormalised over the set: Q is p^alpha, divided by the sum of
    p^alpha. The gradient is alpha * sum of Q * (risk - expected risk) * gradient of
    log p: the expected risk is its own baseline.

    Arguments:
        log_p, risk: of the candidates.
        is_new: False for a candidate that is in the set already.
        alpha: the larger, the more the probable candidates weigh.
    """
    # |log_p| = (n_sentences, n_candidates)
    # |risk| = (n_sentences, n_candidates)
    q = (alpha * log_p).masked_fill(~is_new, -torch.inf).softmax(dim=1)
    # |q| = (n_sentences, n_candidates)
    loss = (q * risk).sum(dim=1)
    # |loss| = (n_sentences,)
    return loss


def find_new(candidates):
    """Return a bool tensor, True where no candidate before is the same."""
    # |candidates| = (n_sentences, n_candidates, length)
    is_same = (candidates.unsqueeze(1) == candidates.unsqueeze(2)).all(dim=-1)
    # |is_same| = (n_sentences, n_candidates, n_candidates)
    is_new = ~is_same.tril(-1).any(dim=-1)
    # |is_new| = (n_sentences, n_candidates)
    return is_new


class RiskLoss:
    """The loss of a method, and a share of the likelihood of the reference.

    Arguments:
        config: the options method, n_samples, baseline, alpha, include_reference and
            likelihood_weight, a dict.
    """

    def __init__(self, config):
        self.config = config
        self.likelihood_weight = config['likelihood_weight']
        self.n_used = config['n_samples'] + config['include_reference']
        self.needs_reference = config['include_reference'] or self.likelihood_weight > 0

    def __call__(self, log_p, risk, candidates):
        """Return the mean loss of a batch.

        Arguments:
            log_p, risk: of the candidates.
            candidates: the samples, and behind them the reference if it is needed.
        """
        # |log_p| = (n_sentences, n_candidates)
        # |risk| = (n_sentences, n_candidates)
        # |candidates| = (n_sentences, n_candidates, length)
        used = log_p[:, : self.n_used], risk[:, : self.n_used]
        if self.config['method'] == 'reinforce':
            loss = get_reinforce_loss(*used, self.config['baseline'])
        else:
            is_new = find_new(candidates[:, : self.n_used])
            loss = get_expected_risk(*used, is_new, self.config['alpha'])
        # |loss| = (n_sentences,)
        if self.likelihood_weight > 0:
            loss = loss - self.likelihood_weight * log_p[:, -1]
        return loss.mean()
