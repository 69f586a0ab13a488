"""The last batch is dropped in the validation, too."""

from exercises.edits import swap

chapter = '04_advanced_pytorch'
kind = 'fault'

place = ('data_loader.py', 'get_loader')
drop = (*place, 'drop_last = ...')
edit = swap(*drop, 'drop_last = len(dataset) >= batch_size')
wrong = [
    # Now the training keeps its last batch, which may be a single image.
    swap(*drop, 'drop_last = False'),
    swap(*drop, 'drop_last = not is_train and len(dataset) >= batch_size'),
    # Less data than one batch, and there is no training at all.
    swap(*drop, 'drop_last = is_train'),
]


def check(chapter):
    """Count the samples of each batch, for several sizes of the data."""
    import torch

    for is_train, n_samples, expected in (
        (False, 7, [3, 3, 1]),
        (False, 2, [2]),
        (True, 7, [3, 3]),
        (True, 2, [2]),
    ):
        x = torch.arange(n_samples)
        loader = chapter.data_loader.get_loader([x], 3, is_train=is_train)
        sizes = [len(x_i) for (x_i,) in loader]
        if sizes != expected:
            use = ('training', '학습') if is_train else ('validation', '검증')
            return (
                f'{n_samples} samples in batches of 3, for {use[0]}: '
                f'the batches have {sizes} samples, expected {expected}.',
                f'{use[1]} 데이터 {n_samples}개를 3개씩 나눌 때 배치별 샘플 수: '
                f'{sizes}인데 {expected}이어야 해요.',
            )
    return None
