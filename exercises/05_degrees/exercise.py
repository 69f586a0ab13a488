"""The angle of the augmentation is in radians, and the number is one in degrees."""

from exercises.edits import swap

chapter = '05_cnn'
kind = 'fault'

limit = ('data_loader.py', 'augment', '0.2')
edit = swap(*limit, '12')
wrong = [
    # Still half a turn in both directions.
    swap(*limit, '3.2'),
    # No image is rotated any more.
    swap(*limit, '0'),
    # The limit is converted in the wrong direction.
    [
        edit,
        swap(
            'data_loader.py',
            'augment',
            'draw(max_angle)',
            'draw(max_angle).rad2deg()',
        ),
    ],
]


def check(chapter):
    """Measure by which angles the augmentation turns a flat bar."""
    import torch

    x = torch.zeros(300, 1, 28, 28)
    x[:, :, 13:15, 6:22] = 1
    degrees = get_angles(chapter.data_loader.augment(x)).rad2deg().abs()
    largest = degrees.max().item()
    if largest > 20:
        return (
            f'Of 300 images, one is turned by {largest:.0f} degrees. '
            'Which digits cannot be told apart then?',
            f'이미지 300장 중에 {largest:.0f}도나 돌아간 것이 있어요. '
            '그러면 어떤 숫자들을 구분할 수 없나요?',
        )
    if largest < 5:
        return (
            f'Of 300 images, none is turned by more than {largest:.1f} degrees.',
            f'이미지 300장 중에 {largest:.1f}도보다 많이 돌아간 것이 없어요.',
        )
    return None


def get_angles(x):
    """Return the angle between the long axis of each image and the horizontal."""
    import torch

    rows, columns = torch.meshgrid(*[torch.arange(28.0)] * 2, indexing='ij')
    weight = (x / x.sum(dim=(2, 3), keepdim=True)).squeeze(1)
    # |weight| = (batch_size, height, width)

    def get_mean(values):
        return (weight * values).sum(dim=(1, 2), keepdim=True)

    down, right = rows - get_mean(rows), columns - get_mean(columns)
    spread = get_mean(right**2) - get_mean(down**2)
    return torch.atan2(2 * get_mean(down * right), spread).flatten() / 2
