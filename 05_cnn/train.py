"""Train a convolutional classifier of handwritten digits.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --model fc
    python train.py --model_fn model.pth --no-augment

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

import argparse
from pathlib import Path

from guards import check_model_fn, get_argparser, log, number, run
from utils import draw_learning_curve, get_device, load_last, set_seed


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train a convolutional classifier of digits.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options of the data."""
    option = parser.add_argument_group('data').add_argument
    names = ['auto', 'mnist', 'fashion_mnist', 'digits']
    auto_help = "auto: MNIST, or scikit-learn's digits if MNIST can't be downloaded"
    option('--dataset', choices=names, default='auto', help=auto_help)
    option('--data_dir', default='../data', help='folder of the datasets')
    ratio_help = 'share of the training images to validate on'
    option('--valid_ratio', type=number(float, 0.01, 0.9), default=0.1, help=ratio_help)
    switch = {'action': argparse.BooleanOptionalAction, 'default': True}
    option('--augment', **switch, help='rotate, shift and scale the training images')


def add_training_options(parser):
    """Add the options of the training."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=30, help='passes over the data')
    batch_help = 'images a step; batch normalisation of fc needs two'
    option('--batch_size', type=number(int, 1), default=64, help=batch_help)
    option('--lr', type=number(float, 0), default=5e-4, help='learning rate')
    verbose_help = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)
    stop_help = 'epochs without a better model after which to stop, 0: never'
    option('--early_stop', type=number(int, 0), default=0, help=stop_help)
    option('--log_dir', help='folder for TensorBoard; None: no log')
    resume_help = 'go on from model.last.pth, with the same options'
    option('--resume', action='store_true', help=resume_help)


def add_model_options(parser):
    """Add the options of the network."""
    option = parser.add_argument_group('model').add_argument
    option('--model', choices=['fc', 'cnn'], default='cnn', help='kind of network')
    sizes = {'type': number(int, 1), 'nargs': '+'}
    hidden_help = 'sizes of the hidden layers of fc'
    option('--hidden_sizes', **sizes, default=[500, 300, 100], help=hidden_help)
    p_help = 'probability that an input or feature is set to zero in training'
    option('--dropout_p', type=number(float, 0, 0.95), default=0.4, help=p_help)
    channel_help = 'channels after each block of cnn'
    option('--channel_sizes', **sizes, default=[16, 32, 64, 128], help=channel_help)


def main(config):
    """Train and save the best model."""
    from ignite.metrics import Accuracy
    from torch import nn, optim

    from data_loader import find_dataset, get_class_names, get_loaders
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
    class_names = get_class_names(config.dataset)
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
    state = load_last(config, checkpoint['chapter']) if config.resume else None
    if state:
        trainer.load_state_dict(state)
    try:
        trainer.train(train_loader, valid_loader)
    except KeyboardInterrupt:
        log('to go on, give the same command with --resume')
        raise
    finally:
        # The trainer has saved the best model.
        if trainer.history['train_loss']:
            log(f'saved: {config.model_fn}')
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)


if __name__ == '__main__':
    run(main, define_argparser())
