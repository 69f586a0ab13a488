"""Adam becomes gradient descent with momentum."""

from exercises.edits import swap
from exercises.kit import recorded, run_program

chapter = '01_linear_regression'
kind = 'change'

adam = ('train.py', 'main', 'optim.Adam(model.parameters(), lr=config.lr)')
lr = ('train.py', 'define_argparser', '0.5')
sgd = 'optim.SGD(model.parameters(), lr=config.lr, momentum=0.9)'
solution = [swap(*adam, sgd), swap(*lr, '0.005')]
wrong = [
    # The learning rate of Adam is too large for a gradient of this size.
    swap(*adam, sgd),
    # Without momentum, 500 steps are not enough.
    [swap(*adam, 'optim.SGD(model.parameters(), lr=config.lr)'), swap(*lr, '0.005')],
]


def check(chapter):
    """Train with the defaults, and compare with the closed form."""
    from torch import optim

    trainers, train = [], chapter.trainer.Trainer.train

    def remember(trainer, *data):
        trainers.append(trainer)
        return train(trainer, *data)

    chapter.trainer.Trainer.train = remember
    with recorded(chapter.train, 'draw_fit'):
        text = run_program(chapter.train, '--verbose', 0)
    optimizer = trainers[0].optimizer
    if not isinstance(optimizer, optim.SGD) or not optimizer.defaults['momentum']:
        kind = type(optimizer).__name__
        return (
            f'The optimizer is {kind}, expected optim.SGD with momentum.',
            f'옵티마이저가 {kind}이에요. 모멘텀을 쓰는 optim.SGD여야 해요.',
        )
    values = dict(line.split(': ') for line in text.splitlines())
    for name in ('w', 'b'):
        found, best = float(values[name]), float(values[f'closed_form_{name}'])
        if abs(found - best) > 0.02:
            return (
                f'After 500 epochs {name} is {found:.3f}, expected {best:.3f}.',
                f'500 에포크 뒤에 {name}: {found:.3f}인데 {best:.3f}이어야 해요.',
            )
    return None
