"""The step of the beam search that chooses the best continuations is gone."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '12_seq2seq'
kind = 'write'

place = ('search.py', 'Beam.advance')
edit = swap(
    *place,
    """
    n_candidates = ...
    ...
    self.last_tokens = ...
    """,
    """
    # Choose: among all continuations of all open hypotheses of a sentence
    # |log_p| = (n_open, n_hypotheses, vocab_size)
    # |scores| = (n_open, n_hypotheses_now)
    # |parents| = (n_open, n_hypotheses_now)
    # |self.last_tokens| = (n_open, n_hypotheses_now)
    raise NotImplementedError('Beam.advance')
    """,
)
wrong = [
    # The log-probability of the last token alone.
    swap(
        *place, '(self.scores.unsqueeze(-1) + values).flatten(1)', 'values.flatten(1)'
    ),
    swap(*place, 'indices // n_candidates', 'indices % n_candidates'),
    # The position among the candidates is no token.
    swap(*place, 'tokens.flatten(1).gather(1, indices)', 'indices % n_candidates'),
    # One continuation of each hypothesis.
    swap(*place, 'min(self.beam_size, logits.size(-1))', '1'),
]

BOS_ID, EOS_ID = 2, 3


class Network:
    """Its logits depend on the last two tokens, of which the state keeps one."""

    def __init__(self, vocab_size):
        self.table = 3 * random_tensor(vocab_size, vocab_size, vocab_size)

    def start(self, x, lengths):
        """Return the state, which is this object."""
        self.tokens = x.new_zeros(len(x))
        return self

    def step(self, y, state):
        """Return the logits of the next token."""
        logits = self.table[self.tokens, y.flatten()]
        self.tokens = y.flatten()
        return logits.view(*y.shape, -1)

    def select(self, rows):
        """Keep some hypotheses."""
        self.tokens = self.tokens[rows.flatten()]


def take_step(search, logits, scores):
    """Return the Beam of 2 sentences, 3 open hypotheses each, after one step more.

    Arguments:
        search: the module.
        logits: of the next token.
        scores: of the three hypotheses.
    """
    import torch

    beam = search.Beam(torch.tensor([9, 9]), 3, 1, 9, 1.0, BOS_ID, EOS_ID, torch.topk)
    beam.tokens = beam.tokens.repeat(1, 3, 1)
    beam.tokens[:, :, 0] = torch.arange(4, 7)
    beam.scores, beam.t = scores, 1
    beam.advance(logits)
    return beam


def check(chapter):
    """Compare one step of three hypotheses, then whole searches."""
    import torch

    searches = chapter.search, chapter.original.search
    logits, scores = random_tensor(2, 3, 9), random_tensor(2, 3) - 5
    logits[:, :, EOS_ID] = -30.0
    beams = [take_step(search, logits, scores) for search in searches]
    difference = first_difference('scores', *(b.scores.sort().values for b in beams))
    if difference:
        return difference
    # The order of the hypotheses is free.
    found, expected = (
        [sorted(map(tuple, tokens)) for tokens in beam.tokens[:, :, :2].tolist()]
        for beam in beams
    )
    if found != expected:
        return (
            f'The scores are right. The hypotheses [4], [5] and [6] become {found[0]}, '
            f'expected {expected[0]}: whose continuation is each token?',
            f'점수는 맞아요. 가설 [4], [5], [6] 다음에 {found[0]}이 남는데 '
            f'{expected[0]}이어야 해요. 각 토큰은 어느 가설에 이어지나요?',
        )

    x, lengths = torch.zeros(4, 3, dtype=torch.long), torch.tensor([3, 1, 2, 3])
    for vocab_size, beam_size in ((5, 2), (30, 4), (5, 9)):
        network = Network(vocab_size)
        task = network, x, lengths, BOS_ID, EOS_ID, 12, beam_size
        pairs = zip(*(search.beam_search(*task) for search in searches), strict=True)
        for name, pair in zip(('scores', 'tokens'), pairs, strict=True):
            difference = first_difference(f'beam_search: {name}', *pair)
            if difference:
                return difference
    return None
