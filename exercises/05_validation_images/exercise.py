"""The validation images are augmented, too."""

from exercises.edits import swap
from exercises.kit import first_difference, get_config

chapter = '05_cnn'
kind = 'fault'

place = ('data_loader.py', 'get_loaders')
valid = 'valid_loader = get_loader(valid_data, config.batch_size, False, normalise)'
edit = swap(*place, valid, valid.replace('normalise', 'steps'))
wrong = [
    # Now the training has lost its augmentation, too.
    [
        edit,
        swap(*place, 'steps = ...', 'steps = transforms.Compose([normalise])'),
    ],
    # Neither augmented nor normalised.
    swap(*place, valid, valid.replace('normalise', 'None')),
]


def check(chapter):
    """Compare the validation images with those of the dataset, and read them twice."""
    import torch

    options = {'dataset': 'digits', 'data_dir': '', 'valid_ratio': 0.1, 'seed': 0}
    config = get_config(**options, augment=True, batch_size=64)
    train_loader, valid_loader, mean, std = chapter.data_loader.get_loaders(config)

    def read(loader):
        return torch.cat([x for x, _ in loader])

    x = valid_loader.dataset.tensors[0]
    found, again = read(valid_loader), read(valid_loader)
    if not torch.equal(found, again):
        return (
            'The validation images are others each time they are read.',
            '검증 이미지가 읽을 때마다 달라져요.',
        )
    difference = first_difference('x', found, (x - mean) / std)
    if difference:
        return difference
    originals = (train_loader.dataset.tensors[0] - mean) / std
    images = next(iter(train_loader))[0]
    distances = torch.cdist(images.flatten(1), originals.flatten(1))
    if distances.min() < 1e-3:
        return (
            'With augment=True, some training images are not changed at all.',
            'augment가 True인데 바뀌지 않은 학습 이미지가 있어요.',
        )
    return None
