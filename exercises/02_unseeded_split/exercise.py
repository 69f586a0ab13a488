"""The split into training and validation data does not depend on the seed."""

from exercises.edits import swap

chapter = '02_mnist_tutorial'
kind = 'fault'

place = ('utils.py', 'split_data')
old = 'generator = ...\nindices = ...'
edit = [
    swap(*place, old, 'indices = torch.from_numpy(np.random.permutation(len(x)))'),
    swap(*place, 'import torch', 'import numpy as np\nimport torch'),
]
wrong = [
    # The generator of all random numbers: its state depends on what was drawn before.
    swap(*place, old, 'indices = torch.randperm(len(x))'),
    # A generator that begins with the same state, whatever the seed is.
    swap(*place, 'torch.Generator().manual_seed(seed)', 'torch.Generator()'),
]


def check(chapter):
    """Split the same data several times."""
    import numpy as np
    import torch

    x = torch.arange(40)

    def split(seed, state):
        torch.manual_seed(state)
        np.random.seed(state)
        (train_x, train_y), (valid_x, valid_y) = chapter.utils.split_data(
            x, x + 100, valid_ratio=0.25, seed=seed
        )
        is_pair = torch.equal(train_x + 100, train_y) and torch.equal(
            valid_x + 100, valid_y
        )
        return valid_x.tolist(), sorted((*train_x.tolist(), *valid_x.tolist())), is_pair

    valid, both, is_pair = split(seed=3, state=1)
    if both != x.tolist() or not is_pair or len(valid) != 10:
        return (
            'Each sample should be in one of the two parts, x beside its own y.',
            '샘플은 둘 중 한쪽에만 있어야 하고, x와 y가 서로 맞아야 해요.',
        )
    if split(seed=3, state=2)[0] != valid:
        return (
            'Two splits with the same seed differ.',
            '시드가 같은데 나눈 결과가 서로 달라요.',
        )
    if split(seed=4, state=1)[0] == valid:
        return (
            'Two splits with different seeds are equal.',
            '시드가 다른데 나눈 결과가 똑같아요.',
        )
    return None
