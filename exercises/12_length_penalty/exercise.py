"""The length penalty has the wrong sign: it favours short translations."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '12_seq2seq'
kind = 'fault'

formula = ('search.py', 'get_length_penalty', '((5 + length) / 6) ** alpha')
edit = swap(*formula, '((5 + length) / 6) ** -alpha')
wrong = [
    swap(*formula, '((5 + length) / 6) * alpha'),
    swap(*formula, '(5 + length / 6) ** alpha'),
    # The mean over the tokens is another penalty.
    swap(*formula, 'length**alpha'),
]

BOS_ID, EOS_ID = 2, 3


class Network:
    """Its logits are the same at each step, so a translation can end at any."""

    def __init__(self, vocab_size):
        self.logits = random_tensor(vocab_size)
        self.logits[EOS_ID] = 1.0

    def start(self, x, lengths):
        """Return the state, which is this object."""
        return self

    def step(self, y, state):
        """Return the logits of the next token."""
        return self.logits.expand(*y.shape, -1)

    def select(self, rows):
        """Keep some hypotheses."""


def check(chapter):
    """Compare the best translations for several penalties."""
    import torch

    x, lengths = torch.zeros(1, 4, dtype=torch.long), torch.tensor([4])
    network = Network(6)
    for alpha in (0.0, 1.0, 2.0, 5.0):
        task = network, x, lengths, BOS_ID, EOS_ID, 12, 4, 4, alpha
        found = chapter.search.beam_search(*task)
        expected = chapter.original.search.beam_search(*task)
        difference = first_difference('scores', found[0], expected[0])
        if difference:
            return (
                f'With --length_penalty {alpha}: {difference[0]}',
                f'--length_penalty가 {alpha}일 때: {difference[1]}',
            )
    return None
