"""Train a classifier of tumours, benign or malignant, from a table.

    python train.py --model_fn model.pth

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

from pathlib import Path

from guards import check_model_fn, get_argparser, log, number, run, save_checkpoint
from utils import draw_learning_curve, get_device, set_seed


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train a classifier of tumours.')
    add_training_options(p)
    add_model_options(p)
    return p


def add_training_options(parser):
    """Add the options of the training."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=200, help='passes over the data')
    option('--batch_size', type=number(int, 2), default=32, help='rows a step')
    option('--lr', type=number(float, 0), default=5e-4, help='learning rate')
    verbose_help = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)
    stop_help = 'epochs without a better model after which to stop, 0: never'
    option('--early_stop', type=number(int, 0), default=20, help=stop_help)


def add_model_options(parser):
    """Add the options of the network."""
    option = parser.add_argument_group('model').add_argument
    sizes = {'type': number(int, 1), 'nargs': '+', 'default': [20, 10]}
    option('--hidden_sizes', **sizes, help='sizes of the hidden layers')
    p_help = 'probability that an input is set to zero in training'
    option('--dropout_p', type=number(float, 0, 0.95), default=0.2, help=p_help)


def main(config):
    """Train and save the best model."""
    from torch import nn, optim

    from data_loader import CLASS_NAMES, get_loaders
    from model import get_model
    from trainer import Trainer

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    train_loader, valid_loader, mean, std = get_loaders(config)
    log(f'breast cancer: {len(train_loader.dataset)} rows to train on')

    # Model, criterion and optimizer
    model = get_model(vars(config), len(mean), len(CLASS_NAMES)).to(device)
    crit = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=config.lr)

    # Trainer
    trainer = Trainer(model, crit, optimizer)
    try:
        trainer.train(train_loader, valid_loader, config)
    finally:
        # After Ctrl-C too, the best model so far is saved.
        if trainer.best_model:
            checkpoint = {
                'chapter': '04_advanced_pytorch/custom_dataset',
                'model': trainer.best_model,
                'config': vars(config),
                'class_names': CLASS_NAMES,
                'mean': mean,
                'std': std,
            }
            save_checkpoint(checkpoint, config.model_fn)
            log(f'saved: {config.model_fn}')
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)


if __name__ == '__main__':
    run(main, define_argparser())
