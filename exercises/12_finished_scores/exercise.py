"""A mask in place destroys the scores of the translations that have ended."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '12_seq2seq'
kind = 'fault'

place = ('search.py', 'Beam.advance')
masks = (
    *place,
    """
    self._keep_best(scores.masked_fill(~has_ended, -torch.inf))
    self.scores = scores.masked_fill(has_ended, -torch.inf)
    """,
)
edit = swap(
    *masks,
    """
    self.scores = scores.masked_fill_(has_ended, -torch.inf)
    self._keep_best(scores.masked_fill(~has_ended, -torch.inf))
    """,
)
wrong = [
    # Now the open hypotheses lose their scores.
    swap(
        *masks,
        """
        self._keep_best(scores.masked_fill_(~has_ended, -torch.inf))
        self.scores = scores.masked_fill(has_ended, -torch.inf)
        """,
    ),
    # Hypotheses that have not ended count as translations.
    swap(
        *masks,
        """
        self._keep_best(scores)
        self.scores = scores.masked_fill(has_ended, -torch.inf)
        """,
    ),
    # Translations that have ended go on.
    swap(
        *masks,
        """
        self._keep_best(scores.masked_fill(~has_ended, -torch.inf))
        self.scores = scores
        """,
    ),
]

BOS_ID, EOS_ID = 2, 3


class Network:
    """Its logits depend on the last token alone, so it needs no state."""

    def __init__(self, vocab_size):
        self.table = 2 * random_tensor(vocab_size, vocab_size)

    def start(self, x, lengths):
        """Return the state, which is this object."""
        return self

    def step(self, y, state):
        """Return the logits of the next token."""
        return self.table[y]

    def select(self, rows):
        """Keep some hypotheses."""


def check(chapter):
    """Compare the translations and their scores with those of the course."""
    import torch

    x, lengths = torch.zeros(3, 4, dtype=torch.long), torch.tensor([4, 1, 2])
    for vocab_size, beam_size in ((5, 2), (9, 4), (30, 5)):
        task = Network(vocab_size), x, lengths, BOS_ID, EOS_ID, 12, beam_size, 2
        found = chapter.search.beam_search(*task)
        expected = chapter.original.search.beam_search(*task)
        if found[0].isneginf().all():
            return (
                'No translation is kept: all of beam.best_scores are minus infinity.',
                '남은 번역이 하나도 없어요. beam.best_scores가 모두 음의 무한대예요.',
            )
        for name, *pair in zip(('scores', 'tokens'), found, expected, strict=True):
            difference = first_difference(f'beam_search: {name}', *pair)
            if difference:
                return difference
    return None
