"""The attention of Luong becomes that of Bahdanau: a sum and tanh, not a product."""

from exercises.edits import redefine, swap
from exercises.kit import first_difference, random_tensor

chapter = '12_seq2seq/attention'
kind = 'change'

init = redefine(
    'model.py',
    'Attention.__init__',
    """
    def __init__(self, hidden_size):
        super().__init__()
        self.query = nn.Linear(hidden_size, hidden_size, bias=False)
        self.memory = nn.Linear(hidden_size, hidden_size, bias=False)
        self.score = nn.Linear(hidden_size, 1, bias=False)
    """,
)


def scores(code):
    """Return the edit that computes the scores in another way."""
    old = 'scores = self.linear(query) @ memory.transpose(1, 2)'
    return swap('model.py', 'Attention.forward', old, code)


solution = [
    init,
    scores(
        """
        q, m = self.query(query).unsqueeze(2), self.memory(memory).unsqueeze(1)
        # |q| = (batch_size, n_queries, 1, hidden_size)
        # |m| = (batch_size, 1, length, hidden_size)
        scores = self.score((q + m).tanh()).squeeze(-1)
        """
    ),
]
wrong = [
    # Without tanh, the query adds the same number to all scores of a row.
    [
        init,
        scores(
            """
            q, m = self.query(query).unsqueeze(2), self.memory(memory).unsqueeze(1)
            scores = self.score(q + m).squeeze(-1)
            """
        ),
    ],
    # Still a product of two vectors.
    [
        init,
        scores(
            """
            q, m = self.query(query).unsqueeze(2), self.memory(memory).unsqueeze(1)
            scores = self.score((q * m).tanh()).squeeze(-1)
            """
        ),
    ],
    # The context consists of the projected hidden states.
    [
        init,
        scores(
            """
            q, memory = self.query(query).unsqueeze(2), self.memory(memory)
            scores = self.score((q + memory.unsqueeze(1)).tanh()).squeeze(-1)
            """
        ),
    ],
]


def check(chapter):
    """Compare with the formula, one query and one hidden state after the other."""
    import torch
    from torch import nn

    attention = chapter.model.Attention(4)
    for name, size in (('query', 4), ('memory', 4), ('score', 1)):
        layer = getattr(attention, name, None)
        if not isinstance(layer, nn.Linear) or layer.out_features != size:
            return (
                f'Attention(4).{name} should be an nn.Linear, 4 features to {size}.',
                f'Attention(4).{name}: 특성 4개가 {size}개로 되는 nn.Linear여야 해요.',
            )
    query, memory = random_tensor(2, 3, 4), random_tensor(2, 5, 4)
    lengths = [5, 3]
    pad_mask = torch.arange(5) >= torch.tensor(lengths).unsqueeze(1)
    weights, context = torch.zeros(2, 3, 5), torch.zeros(2, 3, 4)
    with torch.no_grad():
        found = attention(query, memory, pad_mask)
        for i, length in enumerate(lengths):
            for j in range(3):
                sums = attention.query(query[i, j]) + attention.memory(memory[i])
                row = attention.score(sums.tanh())[:length, 0].softmax(dim=0)
                weights[i, j, :length], context[i, j] = row, row @ memory[i, :length]
    pairs = ('weights', found[1], weights), ('context', found[0], context)
    return next(filter(None, (first_difference(*pair) for pair in pairs)), None)
