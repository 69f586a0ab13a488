"""The decoder normalises the memory again, with the LayerNorm of its own features."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '13_transformer'
kind = 'fault'

place = ('model.py', 'DecoderBlock.forward')
keys = (*place, 'self.memory_attention.key_value(memory)')
edit = swap(*keys, 'self.memory_attention.key_value(self.memory_norm(memory))')
wrong = [
    # Training and translation agree again, but the memory is normalised twice.
    [
        edit,
        swap(
            'model.py',
            'Transformer.start',
            'block.memory_attention.key_value(memory)',
            'block.memory_attention.key_value(block.memory_norm(memory))',
        ),
    ],
    # The memory instead of x.
    [
        edit,
        swap(
            *place,
            'self.memory_attention(self.memory_norm(x), keys_values, mask)',
            'self.memory_attention(x, keys_values, mask)',
        ),
    ],
    # The encoder's own normalisation is the one that is left out.
    [
        edit,
        swap('model.py', 'Transformer.encode', 'memory = self.encoder_norm(...)', ''),
    ],
]


def check(chapter):
    """Compare a decoder block, then the steps of a translation with forward()."""
    import torch

    arguments = 8, 2, 16, 0.0, 'plain'
    block = chapter.model.DecoderBlock(*arguments).eval()
    original = chapter.original.model.DecoderBlock(*arguments).eval()
    # As after a training: the normalisations have weights of their own.
    for parameter in block.memory_norm.parameters():
        parameter.data = random_tensor(8)
    original.load_state_dict(block.state_dict())
    x, memory = random_tensor(2, 3, 8), random_tensor(2, 4, 8)
    mask = torch.ones(2, 1, 1, 4, dtype=torch.bool)
    with torch.no_grad():
        outputs = block(x, memory, mask), original(x, memory, mask)
    difference = first_difference('x', *outputs)
    if difference:
        return (
            f'DecoderBlock.forward: {difference[0]} What is done to x before the '
            'attention to the memory, and what to the memory?',
            f'DecoderBlock.forward: {difference[1]} 원문에 대한 어텐션 앞에서 x는 '
            '무엇을 거치고, memory는 무엇을 거치나요?',
        )

    arguments = 9, 9, 8, 2, 16, 2, 0.0, 'plain', 0
    options = {'is_joint': False, 'is_tied': False}
    model = chapter.model.Transformer(*arguments, **options).eval()
    original = chapter.original.model.Transformer(*arguments, **options).eval()
    original.load_state_dict(model.state_dict())
    x, lengths = torch.tensor([[4, 5, 6], [7, 8, 0]]), torch.tensor([3, 2])
    y = torch.tensor([[2, 5, 8], [2, 4, 7]])
    with torch.no_grad():
        expected = original(x, lengths, y)
        difference = first_difference('logits', model(x, lengths, y), expected)
        if difference:
            return (
                f'Transformer.forward: {difference[0]}',
                f'Transformer.forward: {difference[1]}',
            )
        state = model.start(x, lengths)
        for t in range(y.size(1)):
            logits = model.step(y[:, t : t + 1], state)
            difference = first_difference('logits', logits, expected[:, t : t + 1])
            if difference:
                return (
                    f'Step {t + 1} differs from forward(). {difference[0]}',
                    f'{t + 1}번째 step이 forward()와 달라요. {difference[1]}',
                )
    return None
