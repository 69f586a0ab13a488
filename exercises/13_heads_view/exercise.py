"""The heads divide the positions instead of the features."""

from exercises.edits import swap

chapter = '13_transformer'
kind = 'fault'

place = ('model.py', 'MultiHeadAttention.split_heads')
split = (*place, 'x = x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)')
edit = swap(*split, 'x = x.reshape(len(x), self.n_heads, x.size(1), -1)')
wrong = [
    # Heads and positions have not changed places.
    swap(*split, 'x = x.unflatten(-1, (self.n_heads, -1))'),
    swap(*split, 'x = x.mT.reshape(len(x), self.n_heads, x.size(1), -1)'),
    swap(*split, 'x = x.reshape(len(x), self.n_heads, -1, x.size(1)).mT'),
]


def check(chapter):
    """Look for the features of each position, before and after the attention."""
    import torch

    attention = chapter.model.MultiHeadAttention(6, 2, 'plain')
    for layer in (attention.query, attention.output):
        torch.nn.init.eye_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    # The features of position t are 10 * t + 1, 10 * t + 2 ...
    x = (10.0 * torch.arange(4).unsqueeze(1) + torch.arange(1, 7)).unsqueeze(0)
    keys_values = torch.cat([x, x], dim=-1)
    heads = attention.get_heads(x, keys_values)
    for name, head in zip(('q', 'k', 'v'), heads, strict=True):
        if head.shape != (1, 2, 4, 3):
            return (
                f'|{name}| is {tuple(head.shape)}, expected (1, 2, 4, 3): '
                '(batch_size, n_heads, length, head_size).',
                f'|{name}|: shape이 {tuple(head.shape)}인데 (1, 2, 4, 3)이어야 해요. '
                '(batch_size, n_heads, length, head_size)예요.',
            )
        for t in range(4):
            found = sorted(head[0, :, t].flatten().tolist())
            if found != x[0, t].tolist():
                positions = sorted({int(value) // 10 for value in found})
                return (
                    f'{name}[:, :, {t}] has features of the positions {positions}, '
                    f'expected all features of position {t} and no others.',
                    f'{name}[:, :, {t}]에 위치 {positions}의 특성이 들어 있어요. '
                    f'위치 {t}의 특성이 모두 있고 다른 것은 없어야 해요.',
                )
    # Each position attends to itself alone.
    y = attention(x, keys_values, torch.eye(4, dtype=torch.bool))
    if not torch.equal(y.sort(dim=-1).values.round(), x):
        return (
            'The heads are split correctly, but they are not put together again: '
            'a position that attends to itself alone does not get its own features.',
            '헤드는 맞게 나눴지만 다시 합친 결과가 틀려요. '
            '자기 자신만 보는 위치가 자기 특성을 돌려받지 못해요.',
        )
    return None
