"""Train a convolutional classifier of handwritten digits.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --model fc
    python train.py --model_fn model.pth --no-augment

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

import argparse
from pathlib import Path

from utils import (
    check_model_fn,
    draw_learning_curve,
    get_argparser,
    get_device,
    load_last,
    log,
    number,
    run,
    set_seed,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train a convolutional classifier of digits.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options that say what to learn from."""
    p = parser.add_argument_group('data')
    p.add_argument(
        '--dataset',
        choices=['auto', 'mnist', 'fashion_mnist', 'digits'],
        default='auto',
        help="auto: MNIST, or scikit-learn's digits where MNIST can't be had",
    )
    p.add_argument('--data_dir', default='../data', help='folder of the datasets')
    p.add_argument(
        '--valid_ratio',
        type=number(float, 0.01, 0.9),
        default=0.1,
        help='share of the training images to validate on',
    )
    p.add_argument(
        '--augment',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='turn, shift and scale the training images',
    )


def add_training_options(parser):
    """Add the options that say how to learn."""
    p = parser.add_argument_group('training')
    p.add_argument(
        '--seed', type=number(int, 0), default=0, help='of all that is random'
    )
    p.add_argument('--n_epochs', type=number(int, 1), default=30, help='times all data')
    p.add_argument(
        '--batch_size',
        type=number(int, 1),
        default=64,
        help='images a step; batch normalisation of fc needs two',
    )
    p.add_argument('--lr', type=number(float, 0.0), default=5e-4, help='learning rate')
    p.add_argument(
        '--verbose',
        type=int,
        choices=[0, 1, 2],
        default=2,
        help='0: silent, 1: a line an epoch, 2: a progress bar too',
    )
    p.add_argument(
        '--early_stop',
        type=number(int, 0),
        default=0,
        help='epochs without a better model after which to stop, 0: never',
    )
    p.add_argument('--log_dir', help='folder for TensorBoard; None: no log')
    p.add_argument(
        '--resume',
        action='store_true',
        help='go on from model.last.pth, with the same options',
    )


def add_model_options(parser):
    """Add the options that say what kind of network learns."""
    p = parser.add_argument_group('model')
    p.add_argument('--model', choices=['fc', 'cnn'], default='cnn', help='its kind')
    p.add_argument(
        '--hidden_sizes',
        type=number(int, 1),
        nargs='+',
        default=[500, 300, 100],
        help='sizes of the hidden layers of fc',
    )
    p.add_argument(
        '--dropout_p',
        type=number(float, 0.0, 0.95),
        default=0.4,
        help='share of the input or features to blank out',
    )
    p.add_argument(
        '--channel_sizes',
        type=number(int, 1),
        nargs='+',
        default=[16, 32, 64, 128],
        help='channels after each block of cnn',
    )


def main(config):
    """Train and save the best model."""
    from ignite.metrics import Accuracy
    from torch import nn, optim

    from data_loader import CLASS_NAMES, find_dataset, get_loaders
    from model import get_model
    from trainer import Trainer

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    config.dataset = find_dataset(config.dataset, config.data_dir)
    train_loader, valid_loader, mean, std = get_loaders(config)
    log(f'{config.dataset}: {len(train_loader.dataset)} images to train on')

    # Model, criterion and optimizer
    class_names = CLASS_NAMES[config.dataset]
    model = get_model(vars(config), len(class_names)).to(device)
    crit = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=config.lr)

    # Trainer
    checkpoint = {
        'chapter': '05_cnn',
        'config': vars(config),
        'class_names': class_names,
        'mean': mean,
        'std': std,
    }
    metrics = {'accuracy': Accuracy(device=device)}
    trainer = Trainer(model, crit, optimizer, metrics, checkpoint)
    state = load_last(config, '05_cnn') if config.resume else None
    if state:
        trainer.load_state_dict(state)
    try:
        trainer.train(train_loader, valid_loader)
    except KeyboardInterrupt:
        log('to go on, give the same command with --resume')
        raise
    finally:
        if trainer.history['train_loss']:
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)
            log(f'saved: {config.model_fn}, learning curve: {picture_fn}')


if __name__ == '__main__':
    run(main, define_argparser())
