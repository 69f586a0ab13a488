"""The training split contains the images of the test split."""

from exercises.edits import swap

chapter = '02_mnist_tutorial'
kind = 'fault'

place = ('utils.py', 'load_digits')
edit = swap(*place, 'return ...', 'return (x, y) if is_train else (x[test], y[test])')
wrong = [
    # Another split at each call: some test images are trained on.
    swap(
        *place,
        'train, test = ...',
        'train, test = model_selection.train_test_split(range(len(y)), test_size=0.2)',
    ),
    swap(*place, 'return ...', 'return x[train], y[train]'),
]


def check(chapter):
    """Look for each test image among those to train on."""
    train_x, _ = chapter.utils.load_digits(is_train=True)
    test_x, _ = chapter.utils.load_digits(is_train=False)
    known = {tuple(image) for image in train_x.tolist()}
    n_known = sum(tuple(image) in known for image in test_x.tolist())
    if n_known:
        return (
            f'{n_known} of {len(test_x)} test images are in the training split, too.',
            f'테스트 이미지 {len(test_x)}장 중 {n_known}장이 학습 데이터에도 있어요.',
        )
    n_images = len(train_x) + len(test_x)
    if n_images != 1797:
        return (
            f'Together both splits have {n_images} images, not 1797.',
            f'두 데이터를 합치면 1797장이어야 하는데 {n_images}장이에요.',
        )
    return None
