"""Cross-entropy with label smoothing, as an option."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor, recorded, run_program

chapter = '02_mnist_tutorial'
kind = 'change'

crit = ('train.py', 'main', 'nn.CrossEntropyLoss()')
option = swap(
    'train.py',
    'add_training_options',
    'option = ...',
    """
    option = parser.add_argument_group('training').add_argument
    smoothing_help = 'share of the probability that all classes get'
    smoothing = {'type': number(float, 0, 1), 'default': 0.1}
    option('--label_smoothing', **smoothing, help=smoothing_help)
    """,
)
solution = [
    option,
    swap(*crit, 'nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)'),
]
wrong = [
    # The option has no effect.
    option,
    # It cannot be set.
    swap(*crit, 'nn.CrossEntropyLoss(label_smoothing=0.1)'),
    # It smooths the default alone.
    [option, swap(*crit, 'nn.CrossEntropyLoss(label_smoothing=0.1)')],
]


def check(chapter):
    """Compare the criterion of the training with the formula."""
    import torch

    y_hat, y = random_tensor(4, 10), torch.tensor([3, 1, 0, 9])
    log_p = y_hat.log_softmax(dim=-1)
    for options, epsilon in (([], 0.1), (['--label_smoothing', 0.3], 0.3)):
        with recorded(chapter.trainer.Trainer, 'train') as calls:
            run_program(chapter.train, '--dataset', 'digits', *options)
        loss = calls[0][0].crit(y_hat, y)
        target = torch.full((4, 10), epsilon / 10)
        target[range(4), y] += 1 - epsilon
        expected = -(target * log_p).sum(dim=-1).mean()
        difference = first_difference('loss', loss, expected)
        if difference:
            words = (f'With smoothing {epsilon}: ', f'스무딩이 {epsilon}일 때: ')
            return tuple(map(''.join, zip(words, difference, strict=True)))
    return None
