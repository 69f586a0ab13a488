"""The attention of the decoder is gone: scores, mask, softmax and weighted mean."""

from exercises.edits import blank, swap
from exercises.kit import first_difference, random_tensor

chapter = '12_seq2seq/attention'
kind = 'write'

place = ('model.py', 'Attention.forward')
edit = blank(*place)
mask = 'scores = scores.masked_fill(pad_mask.unsqueeze(1), -torch.inf)'
wrong = [
    # The mask comes after the softmax.
    [
        swap(*place, mask, ''),
        swap(
            *place,
            'scores.softmax(dim=-1)',
            'scores.softmax(dim=-1).masked_fill(pad_mask.unsqueeze(1), 0.0)',
        ),
    ],
    swap(*place, mask, ''),
    swap(*place, 'scores.softmax(dim=-1)', 'scores.softmax(dim=1)'),
    swap(*place, 'self.linear(query)', 'query'),
]


def check(chapter):
    """Compare with the course's attention, for a sentence that ends in padding."""
    import torch

    found, expected = chapter.model.Attention(4), chapter.original.model.Attention(4)
    expected.load_state_dict(found.state_dict())
    query, memory = random_tensor(2, 3, 4), random_tensor(2, 5, 4)
    pad_mask = torch.arange(5) >= torch.tensor([[5], [3]])
    with torch.no_grad():
        outputs = found(query, memory, pad_mask)
        context, weights = expected(query, memory, pad_mask)
    if not isinstance(outputs, tuple) or len(outputs) != 2:
        return (
            'forward should return two tensors: the context and the weights.',
            'forward는 context와 weights, 텐서 두 개를 돌려줘야 해요.',
        )
    if outputs[1].shape == weights.shape:
        on_padding, total = outputs[1][1, 0, 3:].sum(), outputs[1][1, 0].sum()
        if on_padding != 0:
            return (
                f'The weights of padding add up to {on_padding:.2f}, expected 0.',
                f'패딩의 가중치를 더하면 {on_padding:.2f}인데 0이어야 해요.',
            )
        if abs(total - 1) > 1e-4:
            return (
                f'A row of weights adds up to {total:.2f}, expected 1. '
                'Which dimension is the softmax over, and did the padding take part?',
                f'weights의 한 행을 더하면 {total:.2f}인데 1이어야 해요. '
                'softmax를 어느 차원으로 계산했나요? 패딩도 softmax에 들어갔나요?',
            )
    pairs = ('weights', outputs[1], weights), ('context', outputs[0], context)
    return next(filter(None, (first_difference(*pair) for pair in pairs)), None)
