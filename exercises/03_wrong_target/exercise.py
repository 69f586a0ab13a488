"""The target is the image minus the mean image, and not the image."""

from exercises.edits import swap
from exercises.kit import first_difference, recorded, run_program

chapter = '03_mnist_autoencoder'
kind = 'fault'


def split(x, y):
    """Return the edit of the line that makes the training data."""
    new = f"""
    train_data, valid_data = utils.split_data(
        {x}.to(device), {y}.to(device), config.valid_ratio, config.seed
    )
    """
    return swap('train.py', 'main', 'train_data, valid_data = ...', new)


edit = split('x', '(x - x.mean(dim=0))')
wrong = [
    # The labels, as in chapter 02.
    [
        swap(
            'train.py',
            'main',
            'x, _ = ...',
            'x, y = utils.load_mnist(config.dataset, config.data_dir)',
        ),
        split('x', 'y'),
    ],
    # Both are centred: the decoder learns images without their mean.
    split('(x - x.mean(dim=0))', '(x - x.mean(dim=0))'),
]


def check(chapter):
    """Look at what the trainer gets."""
    with recorded(chapter.trainer.Trainer, 'train') as calls:
        run_program(chapter.train, '--dataset', 'digits')
    _, (train_x, train_y), (valid_x, valid_y), _ = calls[0]
    if train_x.min() < 0:
        return (
            'The inputs have values below 0; the images are from 0 to 1.',
            '입력에 0보다 작은 값이 있어요. 이미지의 값은 0에서 1 사이예요.',
        )
    return first_difference('target', train_y, train_x) or first_difference(
        'target', valid_y, valid_x
    )
