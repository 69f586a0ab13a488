"""The forward pass of the convolutional classifier is empty."""

from exercises.edits import blank, swap
from exercises.kit import first_difference, random_tensor

chapter = '05_cnn'
kind = 'write'

place = ('model.py', 'ConvolutionalClassifier.forward')
edit = blank(*place)
mean = (*place, 'features.mean(dim=(2, 3))')
wrong = [
    # The largest feature, not the mean.
    swap(*mean, 'features.amax(dim=(2, 3))'),
    # One position, not all.
    swap(*mean, 'features[:, :, 0, 0]'),
    # No dropout.
    swap(*place, 'self.dropout(features)', 'features'),
    # Positions are set to zero, not whole features.
    [
        swap(*mean, 'self.dropout(features).mean(dim=(2, 3))'),
        swap(*place, 'self.linear(self.dropout(features))', 'self.linear(features)'),
    ],
]


def check(chapter):
    """Compare with the mean of the features, with and without dropout."""
    import torch

    arguments = {'in_channels': 1, 'output_size': 3, 'dropout_p': 0.5}
    arguments['channel_sizes'] = [4, 6]
    model = chapter.model.ConvolutionalClassifier(**arguments).eval()
    x, inputs = random_tensor(5, 1, 20, 12), []
    with torch.no_grad():
        features = model.blocks(x).flatten(2).sum(dim=-1) / (5 * 3)
        difference = first_difference('y_hat', model(x), model.linear(features))
    if difference:
        return difference

    model.dropout.register_forward_hook(lambda _, x, y: inputs.append(x[0]))
    with torch.no_grad():
        model(x)
    if not inputs:
        return (
            'The logits are right, but dropout is not used.',
            '로짓은 맞지만 드롭아웃을 쓰지 않아요.',
        )
    return first_difference('input of dropout', inputs[0], features)
