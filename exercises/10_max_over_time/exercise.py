"""The maximum of each filter over the windows of a text is to be written."""

from exercises.edits import blank, rewrite, swap
from exercises.kit import first_difference, random_tensor

chapter = '10_text_classification'
kind = 'write'

place = ('model.py', 'ConvolutionalClassifier.get_maxima')
edit = blank(*place)
wrong = [
    # The windows of the padding take part.
    rewrite(*place, 'return convolution(x).relu().amax(dim=2)'),
    # The last windows of a text, which reach into the padding, are left out.
    swap(*place, 'lengths + convolution.padding[0]', 'lengths'),
    # The mean instead of the maximum.
    rewrite(
        *place,
        """
        z = convolution(x).relu()
        n_windows = lengths + convolution.padding[0]
        pad_mask = get_pad_mask(n_windows, z.size(2)).unsqueeze(1)
        return z.masked_fill(pad_mask, 0.0).sum(dim=2) / n_windows.unsqueeze(1)
        """,
    ),
    # No ReLU.
    swap(
        *place,
        'z = convolution(x).relu()\n...\nreturn maxima',
        """
        z = convolution(x)
        pad_mask = get_pad_mask(lengths + convolution.padding[0], z.size(2))
        return z.masked_fill(pad_mask.unsqueeze(1), float('-inf')).amax(dim=2)
        """,
    ),
]


def check(chapter):
    """Compare a batch with each of its texts alone, without padding."""
    import torch
    from torch import nn

    embedding = nn.Embedding(5, 3, padding_idx=0)
    options = {'window_sizes': [1, 3], 'n_filters': 4, 'dropout_p': 0.0}
    model = chapter.model.ConvolutionalClassifier(embedding, 2, **options)
    lengths = torch.tensor([2, 6, 4])
    x = random_tensor(3, 3, 6)
    for i, length in enumerate(lengths):
        x[i, :, length:] = 0
    for convolution in model.convolutions:
        # What a filter gives for nothing but padding is its bias.
        nn.init.uniform_(convolution.bias, -2, 2)
        size = convolution.kernel_size[0]
        with torch.no_grad():
            found = model.get_maxima(x, lengths, convolution)
            expected = torch.stack(
                [
                    convolution(x[i, :, :length]).relu().amax(dim=1)
                    for i, length in enumerate(lengths)
                ]
            )
        difference = first_difference('maxima', found, expected)
        if difference:
            return (
                f'Windows of {size} token(s), texts of {lengths.tolist()} tokens: '
                f'{difference[0]} Did a window of nothing but padding take part, '
                'or was a window of the text left out?',
                f'윈도우 크기 {size}, 토큰이 {lengths.tolist()}개인 텍스트들: '
                f'{difference[1]} 패딩만 있는 윈도우가 끼어들었거나 텍스트의 윈도우가 '
                '빠지지 않았나요?',
            )
    return None
