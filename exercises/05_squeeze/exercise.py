"""squeeze() removes the dimension of the batch, too, if the batch is one image."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '05_cnn'
kind = 'fault'

place = ('model.py', 'ConvolutionalClassifier.forward')
mean = (*place, 'features.mean(dim=(2, 3))')
edit = swap(*mean, 'features.mean(dim=(2, 3), keepdim=True).squeeze()')
wrong = [
    # The same fault, said with another function.
    swap(*mean, 'features.mean(dim=(2, 3), keepdim=True).squeeze(0)'),
    # At the end of forward() instead.
    swap(
        *place,
        'self.linear(self.dropout(features))',
        'self.linear(self.dropout(features)).squeeze()',
    ),
    # Right for one image, but not for an image that has become one pixel.
    swap(*mean, 'features.mean(dim=2).squeeze(0)'),
]


def check(chapter):
    """Compare the logits of three images with those of each image alone."""
    import torch

    arguments = 1, 3, [4, 6], 0.0
    model = chapter.model.ConvolutionalClassifier(*arguments).eval()
    original = chapter.original.model.ConvolutionalClassifier(*arguments).eval()
    original.load_state_dict(model.state_dict())
    x = random_tensor(3, 1, 8, 8)
    with torch.no_grad():
        for n_images in (3, 1):
            expected = original(x[:n_images])
            difference = first_difference('y_hat', model(x[:n_images]), expected)
            if difference:
                return (
                    f'For a batch of {n_images} image(s): {difference[0]}',
                    f'배치에 이미지가 {n_images}장일 때: {difference[1]}',
                )
    return None
