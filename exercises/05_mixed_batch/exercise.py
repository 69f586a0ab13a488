"""The features of different images are mixed before they are averaged."""

from exercises.edits import swap
from exercises.kit import random_tensor

chapter = '05_cnn'
kind = 'fault'

place = ('model.py', 'ConvolutionalClassifier.forward', 'features.mean(dim=(2, 3))')
mixed = """
features.transpose(0, 1).reshape(*features.shape[:2], -1).mean(dim=-1)
""".strip()
edit = swap(*place, mixed)
wrong = [
    # The channels come last, and then a part of the positions is taken for channels.
    swap(
        *place,
        'features.permute(0, 2, 3, 1).reshape(*features.shape[:2], -1).mean(dim=-1)',
    ),
    # Only one row of the features is read.
    swap(*place, 'features[:, :, 0].mean(dim=-1)'),
    # The mean is subtracted over the batch.
    swap(*place, 'features.mean(dim=(2, 3)) - features.mean(dim=(0, 2, 3))'),
]


def check(chapter):
    """Compare the images of a batch with each image alone, then with the original."""
    import torch

    arguments = {'in_channels': 1, 'output_size': 3, 'dropout_p': 0}
    arguments['channel_sizes'] = [4, 6]
    model = chapter.model.ConvolutionalClassifier(**arguments).eval()
    x = random_tensor(5, 1, 12, 8)
    with torch.no_grad():
        y_hat, alone = model(x), torch.cat([model(image[None]) for image in x])
    wrong = [i for i in range(5) if not torch.allclose(y_hat[i], alone[i], atol=1e-4)]
    if wrong:
        return (
            f'Image {wrong[0]} of a batch gets other logits than the same image alone. '
            'Which numbers of the batch does its row depend on?',
            f'배치의 {wrong[0]}번 이미지는 혼자 있을 때와 로짓이 달라요. 이 행은 '
            '배치의 어느 값에 좌우되나요?',
        )
    original = chapter.original.model.ConvolutionalClassifier(**arguments).eval()
    original.load_state_dict(model.state_dict())
    with torch.no_grad():
        expected = original(x)
    if not torch.allclose(y_hat, expected, atol=1e-4):
        return (
            'Each image depends on itself alone, but its features are not the means '
            'of the channels over all positions.',
            '이미지끼리는 섞이지 않지만, 특징이 채널마다 모든 위치를 평균한 값이 '
            '아니에요.',
        )
    return None
