"""The step of a decoder block for one position, with a cache, is gone."""

from exercises.edits import blank, swap
from exercises.kit import first_difference, random_tensor

chapter = '13_transformer'
kind = 'write'

place = ('model.py', 'DecoderBlock.step')
edit = blank(*place)
keys_values = (*place, 'cache.add(self.attention.key_value(z))')
wrong = [
    # The position attends to itself alone.
    swap(*keys_values, 'self.attention.key_value(z)'),
    # Keys and values of features without the normalisation.
    swap(
        *keys_values,
        'cache.add(self.attention.key_value(x.flatten(0, 1).unsqueeze(1)))',
    ),
    # Attention to the padding of the source.
    swap(
        *place,
        'self.memory_attention(self.memory_norm(x), cache.memory, mask)',
        'self.memory_attention(self.memory_norm(x), cache.memory)',
    ),
    swap(
        *place, 'x = x + self.ffn(self.ffn_norm(x))', 'x = self.ffn(self.ffn_norm(x))'
    ),
]


def check(chapter):
    """Compare the steps of two hypotheses a sentence with forward()."""
    import torch

    block = chapter.model.DecoderBlock(8, 2, 16, 0.0, 'plain').eval()
    for norm in (block.attention_norm, block.memory_norm, block.ffn_norm):
        torch.nn.init.normal_(norm.bias)
    memory, x = random_tensor(2, 3, 8), random_tensor(2, 2, 4, 8)
    # |x| = (n_sentences, n_hypotheses, length, hidden_size)
    # A sentence begins with one hypothesis, which two others continue.
    x[:, 1, 0], n_hypotheses = x[:, 0, 0], (1, 2, 2, 2)
    mask = (torch.arange(3) < torch.tensor([[3], [2]]))[:, None, None]
    with torch.no_grad():
        cache = chapter.original.model.BlockCache(
            block.memory_attention.key_value(memory)
        )
        memory, masks = memory.repeat_interleave(2, 0), mask.repeat_interleave(2, 0)
        expected = block(x.flatten(0, 1), memory, masks).view_as(x)
        for t in range(4):
            if t == 1:
                cache.select(torch.tensor([0, 0, 1, 1]), torch.arange(2))
            found = block.step(x[:, : n_hypotheses[t], t], cache, mask)
            difference = first_difference('x', found, expected[:, : n_hypotheses[t], t])
            if difference:
                return (
                    f'Step {t + 1} differs from forward(). {difference[0]}',
                    f'{t + 1}번째 step이 forward()와 달라요. {difference[1]}',
                )
    return None
