"""The learning rate has fallen to zero after a few steps: epochs were counted."""

from pathlib import Path

from exercises.edits import swap
from exercises.kit import recorded, run_program

chapter = '10_text_classification'
kind = 'fault'

place = ('train.py', 'main', 'n_steps = ...')
edit = swap(*place, 'n_steps = config.n_epochs')
wrong = [
    # The steps of one epoch.
    swap(*place, 'n_steps = len(loaders[0])'),
    # Texts instead of batches.
    swap(*place, 'n_steps = config.n_epochs * len(loaders[0].dataset)'),
    # The batches of the validation.
    swap(*place, 'n_steps = config.n_epochs * len(loaders[1])'),
]


def check(chapter):
    """Let the scheduler of a training set the learning rate of each of its steps."""
    lines = [f'{i % 2}\t{"good" if i % 2 else "bad"} film {i}' for i in range(40)]
    Path('train.tsv').write_text('\n'.join(lines), encoding='utf-8')
    options = ['--train_fn', 'train.tsv', '--tokenizer', 'space', '--no-fast']
    options += ['--batch_size', 4, '--n_epochs', 3, '--warmup_ratio', 0.1]
    with recorded(chapter.trainer.Trainer, 'train') as calls:
        run_program(chapter.train, *options)
    trainer, train_loader, _ = calls[0]
    n_steps, rates = 3 * len(train_loader), []
    for _ in range(n_steps):
        trainer.scheduler(None)
        rates.append(trainer.optimizer.param_groups[0]['lr'])
    n_learning = sum(rate > 0 for rate in rates)
    if n_learning < n_steps:
        return (
            f'Of the {n_steps} steps of a training, {n_steps - n_learning} have the '
            'learning rate 0.',
            f'학습의 {n_steps} step 중에서 {n_steps - n_learning} step은 학습률이 '
            '0이에요.',
        )
    top = rates.index(max(rates)) + 1
    # From the top at a tenth of the steps, the rate falls by equal amounts to 0.
    if top > 5 or rates[-1] > 0.1 * max(rates):
        return (
            f'The largest learning rate is in step {top} of {n_steps}, and the last '
            f'one is {rates[-1] / max(rates):.0%} of it; it should fall to about 0.',
            f'학습률이 {n_steps} step 중 {top}번째에서 가장 크고, 마지막 학습률이 '
            f'그것의 {rates[-1] / max(rates):.0%}예요. 0 가까이 내려가야 해요.',
        )
    return None
