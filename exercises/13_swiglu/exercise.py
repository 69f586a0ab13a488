"""The feed-forward network of each block gets a gate: SwiGLU instead of ReLU."""

from exercises.edits import redefine
from exercises.kit import first_difference, random_tensor

chapter = '13_transformer'
kind = 'change'


def feed_forward(code):
    """Return the edit that makes a class with a gate, and computes as the code says."""
    return redefine(
        'model.py',
        'FeedForward',
        f'''
        class FeedForward(nn.Module):
            """A layer with a gate and a linear layer, at each position separately.

            SwiGLU (Shazeer 2020): (silu(x W) * x V) W2.

            Arguments:
                hidden_size: the size of a token's features.
                ffn_size: the size of the layer in between.
                dropout_p: the dropout probability.
                activation: is not needed, because the gate has silu.
            """

            def __init__(self, hidden_size, ffn_size, dropout_p, activation='relu'):
                super().__init__()
                self.gate = nn.Linear(hidden_size, ffn_size)
                self.inner = nn.Linear(hidden_size, ffn_size)
                self.dropout = nn.Dropout(dropout_p)
                self.output = nn.Linear(ffn_size, hidden_size)

            def forward(self, x):
                """Return the features of each position after this network."""
                # |x| = (batch_size, length, hidden_size)
                x = {code}
                # |x| = (batch_size, length, hidden_size)
                return x
        ''',
    )


silu = 'functional.silu(self.gate(x))'
solution = feed_forward(f'self.output(self.dropout({silu} * self.inner(x)))')
wrong = [
    # A sigmoid as the gate is GLU.
    feed_forward('self.output(self.dropout(self.gate(x).sigmoid() * self.inner(x)))'),
    feed_forward(f'self.output(self.dropout({silu} + self.inner(x)))'),
    # The dropout is forgotten.
    feed_forward(f'self.output({silu} * self.inner(x))'),
]


def check(chapter):
    """Compare with the formula, and look for the dropout in the training."""
    import torch
    from torch import nn

    ffn, x = chapter.model.FeedForward(4, 400, 0.5).eval(), random_tensor(2, 3, 4)
    for name, sizes in (('gate', (4, 400)), ('inner', (4, 400)), ('output', (400, 4))):
        layer = getattr(ffn, name, None)
        if not isinstance(layer, nn.Linear) or layer.weight.shape != sizes[::-1]:
            return (
                f'FeedForward(4, 400, 0.5).{name} should be nn.Linear{sizes}.',
                f'FeedForward(4, 400, 0.5).{name}: nn.Linear{sizes}이어야 해요.',
            )
    with torch.no_grad():
        gate = ffn.gate(x)
        expected = ffn.output(gate * gate.sigmoid() * ffn.inner(x))
        difference = first_difference('x', ffn(x), expected)
        if difference:
            return difference
        inputs = []
        ffn.output.register_forward_pre_hook(lambda _, values: inputs.append(values[0]))
        ffn.train()(x)
    share = (inputs[0] == 0).float().mean().item()
    if abs(share - 0.5) > 0.1:
        return (
            f'With dropout_p 0.5, {share:.0%} of the features between the layers are 0 '
            'in training.',
            f'dropout_p가 0.5일 때 학습 중에 두 층 사이 특성의 {share:.0%}가 0이에요.',
        )
    return None
