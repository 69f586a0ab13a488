"""In training, the decoder reads the tokens that it has to predict."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '13_transformer'
kind = 'fault'

place = ('model.py', 'DecoderBlock.forward')
context = (
    *place,
    'context = self.attention(z, self.attention.key_value(z), is_causal=True)',
)
edit = swap(*context, 'context = self.attention(z, self.attention.key_value(z))')


def attend(code):
    """Return the edit that gives the attention a mask, which the code makes."""
    return swap(
        *context,
        f"""
        n = x.size(1)
        {code}
        context = self.attention(z, self.attention.key_value(z), causal)
        """,
    )


wrong = [
    # One position too many.
    attend('causal = torch.ones(n, n, dtype=torch.bool).tril(1)'),
    # The other triangle.
    attend('causal = torch.ones(n, n, dtype=torch.bool).triu()'),
    # One position too few; the first one has to attend to something.
    attend('causal = torch.arange(n) < torch.arange(n).clamp(min=1).unsqueeze(1)'),
]


def check(chapter):
    """Change one position, and look which outputs change."""
    import torch

    memory, mask = random_tensor(1, 3, 8), torch.ones(1, 1, 1, 3, dtype=torch.bool)
    x = random_tensor(1, 5, 8)
    for attention in ('plain', 'sdpa'):
        block = chapter.model.DecoderBlock(8, 2, 16, 0.0, attention).eval()
        with torch.no_grad():
            before = block(x, memory, mask)
            for t in range(5):
                other = x.clone()
                other[:, t] += 1 + random_tensor(8)
                gap = (block(other, memory, mask) - before).abs().amax(dim=-1)[0]
                changed = [i for i in range(5) if not gap[i] < 1e-5]
                if changed != [*range(t, 5)]:
                    return (
                        f'If token {t} of the target changes, the outputs {changed} '
                        f'change, expected {[*range(t, 5)]}.',
                        f'정답 문장의 토큰 {t}을 바꾸면 출력 {changed}이 바뀌는데, '
                        f'{[*range(t, 5)]}만 바뀌어야 해요.',
                    )
        original = chapter.original.model.DecoderBlock(8, 2, 16, 0.0, attention).eval()
        original.load_state_dict(block.state_dict())
        with torch.no_grad():
            difference = first_difference('x', before, original(x, memory, mask))
        if difference:
            return difference
    return None
