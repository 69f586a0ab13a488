"""Scaled dot-product attention is gone: the scores, the masks and the softmax."""

from exercises.edits import blank, swap
from exercises.kit import first_difference, random_tensor

chapter = '13_transformer'
kind = 'write'

weights = ('model.py', 'get_attention_weights')
edit = [blank(*weights), blank('model.py', 'scaled_dot_product_attention')]
scores = (*weights, 'q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))')
wrong = [
    swap(*scores, 'q @ k.transpose(-2, -1)'),
    swap(*scores, 'q @ k.transpose(-2, -1) / q.size(-1)'),
    swap(*weights, 'scores.softmax(dim=-1)', 'scores.softmax(dim=-2)'),
    # The mask is read the wrong way round.
    swap(
        *weights,
        'scores.masked_fill(~mask, -torch.inf)',
        'scores.masked_fill(mask, -torch.inf)',
    ),
    # A position sees the next one, too.
    swap(
        *weights,
        'torch.ones_like(scores, dtype=torch.bool).tril()',
        'torch.ones_like(scores, dtype=torch.bool).tril(1)',
    ),
]


def check(chapter):
    """Compare with torch, without a mask, with one, and with the causal one."""
    import torch
    from torch.nn import functional

    model = chapter.model
    q, k, v = (
        random_tensor(2, 3, 4, 8),
        random_tensor(2, 3, 5, 8),
        random_tensor(2, 3, 5, 8),
    )
    mask = (torch.arange(5) < torch.tensor([[5], [3]]))[:, None, None]
    # |mask| = (batch_size, 1, 1, k_length)
    cases = (
        ('no mask', '마스크가 없을 때', (q, k, v), {}),
        ('a mask', '마스크가 있을 때', (q, k, v), {'mask': mask}),
        ('is_causal', 'is_causal일 때', (k, k, v), {'is_causal': True}),
    )
    for english, korean, (q, k, v), options in cases:
        weights = model.get_attention_weights(q, k, **options)
        context = model.scaled_dot_product_attention(q, k, v, **options)
        names = {'attn_mask': options.get('mask'), 'is_causal': 'is_causal' in options}
        values = torch.eye(5).expand(2, 3, 5, 5)
        for name, found, value in (
            ('weights', weights, values),
            ('context', context, v),
        ):
            expected = functional.scaled_dot_product_attention(q, k, value, **names)
            difference = first_difference(name, found, expected)
            if difference:
                return f'With {english}: {difference[0]}', f'{korean}: {difference[1]}'
    return None
