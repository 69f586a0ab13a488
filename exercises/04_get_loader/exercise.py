"""The function that makes a DataLoader of whole batches is empty."""

from exercises.edits import blank, swap
from exercises.kit import recorded

chapter = '04_advanced_pytorch'
kind = 'write'

place = ('data_loader.py', 'get_loader')
edit = blank(*place)
wrong = [
    # The samples are read one by one.
    swap(
        *place,
        'return ...',
        """
        options = {'shuffle': is_train, 'drop_last': drop_last}
        return DataLoader(dataset, batch_size, **options)
        """,
    ),
    # Nothing is shuffled.
    swap(*place, 'order = ...', 'order = range(len(dataset))'),
    # A batch of one batch: there is one dimension too many.
    swap(*place, 'return ...', 'return DataLoader(dataset, sampler=batches)'),
    # The last images are never validated.
    swap(*place, 'drop_last = ...', 'drop_last = len(dataset) >= batch_size'),
]


def check(chapter):
    """Look at the batches, at their order, and at how they are read."""
    import torch
    from torch.utils.data import TensorDataset

    get_loader, x = chapter.data_loader.get_loader, torch.arange(22)
    for is_train, n_samples, expected in (
        (False, 7, [3, 3, 1]),
        (True, 7, [3, 3]),
        (True, 2, [2]),
    ):
        tensors = x[:n_samples], x[:n_samples] * 2
        sizes = []
        for x_i, y_i in get_loader(tensors, 3, is_train):
            sizes.append(len(x_i))
            if x_i.dim() != 1 or not torch.equal(y_i, x_i * 2):
                return (
                    f'A batch of 3 rows should be the same rows of all tensors, but '
                    f'the first tensor is {x_i.tolist()}, the second {y_i.tolist()}.',
                    f'배치는 모든 텐서에서 같은 행 3개여야 하는데, 첫 텐서는 '
                    f'{x_i.tolist()}이고 두 번째 텐서는 {y_i.tolist()}예요.',
                )
        if sizes != expected:
            return (
                f'{n_samples} rows in batches of 3, is_train={is_train}: '
                f'the batches have {sizes} rows, expected {expected}.',
                f'행 {n_samples}개를 3개씩 나눌 때(is_train={is_train}) '
                f'배치별 행 수: {sizes}인데 {expected}이어야 해요.',
            )

    orders = [read(get_loader([x], 2, is_train)) for is_train in (False, True)]
    loader = get_loader([x], 2, True)
    if orders[0] != x.tolist() or sorted(orders[1]) != x.tolist():
        return (
            'Each row should come once an epoch, in the validation in its own order.',
            '한 에포크에 각 행이 한 번씩, 검증할 때는 원래 순서대로 나와야 해요.',
        )
    if orders[1] == orders[0] or read(loader) == read(loader):
        return (
            'For training, each epoch should have another random order.',
            '학습할 때는 에포크마다 순서를 새로 섞어야 해요.',
        )
    with recorded(TensorDataset, '__getitem__', x) as calls:
        list(get_loader([x], 2, False))
    if len(calls) != 11:
        return (
            f'For 11 batches, the dataset is read {len(calls)} times: '
            'a whole batch should be one read.',
            f'배치가 11개인데 데이터셋을 {len(calls)}번 읽어요. '
            '배치 하나를 한 번에 읽어야 해요.',
        )
    return None


def read(loader):
    """Return the rows of all batches, in their order."""
    return [row for (x_i,) in loader for row in x_i.tolist()]
