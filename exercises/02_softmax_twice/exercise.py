"""The model returns probabilities, and cross-entropy takes their softmax again."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '02_mnist_tutorial'
kind = 'fault'

output = (
    'model.py',
    'FullyConnectedClassifier.forward',
    'self.layers(self.dropout(x))',
)
edit = swap(*output, 'self.layers(self.dropout(x)).softmax(dim=-1)')
wrong = [
    swap(*output, 'self.layers(self.dropout(x)).sigmoid()'),
    swap(*output, 'self.layers(self.dropout(x)).softmax(dim=0)'),
]


def check(chapter):
    """Compare with the last layer; a constant for all classes makes no difference."""
    import torch

    arguments = {'input_size': 4, 'output_size': 3, 'hidden_sizes': [5], 'dropout_p': 0}
    model = chapter.model.FullyConnectedClassifier(**arguments)
    original = chapter.original.model.FullyConnectedClassifier(**arguments)
    original.load_state_dict(model.state_dict())
    x = random_tensor(6, 4) * 9
    with torch.no_grad():
        y_hat, expected = model.eval()(x), original.eval()(x)
    if torch.allclose(y_hat.sum(dim=-1), torch.ones(6)):
        return (
            'The rows of y_hat add up to 1: these are probabilities, not logits.',
            'y_hat의 각 행을 더하면 1이에요. 로짓이 아니라 확률이에요.',
        )
    centred = (y - y.mean(dim=-1, keepdim=True) for y in (y_hat, expected))
    return first_difference('y_hat', *centred)
