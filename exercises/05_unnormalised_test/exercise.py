"""The pixels are normalised in training, but not in predict.py."""

from exercises.edits import swap
from exercises.kit import first_difference

chapter = '05_cnn'
kind = 'fault'

place = ('predict.py', 'load_model')
layers = (*place, 'return ...')
edit = swap(
    *layers, 'return nn.Sequential(nn.Unflatten(1, (1, 28, 28)), network).eval()'
)
wrong = [
    # Mean 0 and std 1 are what comes out, not what is subtracted and divided by.
    swap(*place, 'normalise = ...', 'normalise = transforms.Normalize([0], [1])'),
    # Each image has its own mean and std, which training never used.
    swap(*place, 'normalise = ...', 'normalise = nn.InstanceNorm2d(1)'),
    # The two numbers are exchanged.
    swap(
        *place,
        'normalise = ...',
        "normalise = transforms.Normalize([checkpoint['std']], [checkpoint['mean']])",
    ),
]


def check(chapter):
    """Compare with the network of a checkpoint, given normalised images."""
    import torch

    config = {'model': 'cnn', 'channel_sizes': [4, 6], 'dropout_p': 0.5}
    names = ['zero', 'one', 'two']
    network = chapter.original.model.get_model(config, len(names)).eval()
    checkpoint = {'config': config, 'class_names': names, 'mean': 0.25, 'std': 0.5}
    model = chapter.predict.load_model(
        {**checkpoint, 'model': network.state_dict()},
    )
    x = torch.rand(3, 28 * 28)
    with torch.no_grad():
        y_hat = network((x.view(3, 1, 28, 28) - 0.25) / 0.5)
    found = chapter.predict.predict(model, x)
    return first_difference('p', found, y_hat.softmax(dim=-1))
