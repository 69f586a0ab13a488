"""A batch of texts of different lengths is to be made."""

from exercises.edits import blank, rewrite, swap
from exercises.kit import first_difference

chapter = '10_text_classification/lstm'
kind = 'write'

place = ('data_loader.py', 'TextDataset.collate')
edit = blank(*place)
padding = 'x = pad_sequence(texts, batch_first=True, padding_value=self.pad_id)'
wrong = [
    # Zeros, which are the padding only if its id is 0.
    swap(*place, padding, 'x = pad_sequence(texts, batch_first=True)'),
    # The batch is the second dimension.
    swap(*place, padding, 'x = pad_sequence(texts, padding_value=self.pad_id)'),
    # The lengths of the padded texts.
    swap(
        *place,
        'return ...',
        'return x, torch.full_like(lengths, x.size(1)), torch.tensor(y)',
    ),
    # The padding comes first, so that an LSTM begins with it.
    swap(
        *place,
        padding,
        """
        x = torch.full((len(texts), max(lengths)), self.pad_id)
        for row, text in zip(x, texts, strict=True):
            row[len(row) - len(text) :] = text
        """,
    ),
    # Longer texts lose their end.
    rewrite(
        *place,
        """
        texts, y = zip(*samples, strict=True)
        length = min(len(text) for text in texts)
        x = torch.stack([text[:length] for text in texts])
        return x, torch.full((len(texts),), length), torch.tensor(y)
        """,
    ),
]


def check(chapter):
    """Make batches with a padding that is not 0, and look at all three tensors."""
    import torch

    texts, y, pad_id = [[5, 2], [4, 6, 1, 3], [8]], [1, 0, 2], 7
    dataset = chapter.data_loader.TextDataset(texts, y, pad_id)
    for indices in ([0, 1, 2], [2]):
        batch = dataset.collate([dataset[i] for i in indices])
        if not isinstance(batch, tuple) or len(batch) != 3:
            return (
                'collate() should return three tensors: x, lengths and y.',
                'collate()는 x, lengths, y 세 텐서를 돌려줘야 해요.',
            )
        lengths = [len(texts[i]) for i in indices]
        rows = [texts[i] + [pad_id] * (max(lengths) - len(texts[i])) for i in indices]
        expected = torch.tensor(rows), torch.tensor(lengths), torch.tensor(y)[indices]
        for name, found, right in zip(
            ('x', 'lengths', 'y'), batch, expected, strict=True
        ):
            difference = first_difference(name, found, right)
            if difference:
                return (
                    f'Texts of {lengths} tokens, pad_id {pad_id}: {difference[0]}',
                    f'토큰이 {lengths}개인 텍스트들, pad_id {pad_id}: {difference[1]}',
                )
            if found.dtype != torch.long:
                return (
                    f'{name} should be of type torch.int64, and not {found.dtype}.',
                    f'{name}의 타입은 {found.dtype}이 아니라 torch.int64여야 해요.',
                )
    return None
