"""Train a classifier of images that begins with what another network has learned.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --freeze --no-augment --n_train 200
    python train.py --model_fn model.pth --dataset folder --data_dir my_pictures

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

import argparse
from pathlib import Path

from utils import (
    add_backbone_options,
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
    p = get_argparser(description='Train a classifier from a trained backbone.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options that say what to learn from."""
    p = parser.add_argument_group('data')
    p.add_argument(
        '--dataset',
        choices=['auto', 'mnist', 'fashion_mnist', 'digits', 'folder'],
        default='auto',
        help="auto: MNIST, or scikit-learn's digits where MNIST can't be had; "
        'folder: pictures of your own, a folder in --data_dir for each class',
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
    p.add_argument(
        '--n_train',
        type=number(int, 0),
        default=0,
        help='labelled images to use, those to validate on among them; 0: all',
    )


def add_training_options(parser):
    """Add the options that say how to learn."""
    p = parser.add_argument_group('training')
    p.add_argument(
        '--seed', type=number(int, 0), default=0, help='of all that is random'
    )
    p.add_argument('--n_epochs', type=number(int, 1), default=10, help='times all data')
    p.add_argument(
        '--batch_size',
        type=number(int, 2),
        default=64,
        help='images a step; batch normalisation needs two',
    )
    p.add_argument('--lr', type=number(float, 0.0), default=1e-3, help='learning rate')
    p.add_argument(
        '--backbone_lr',
        type=number(float, 0.0),
        help='learning rate of the backbone; None: a tenth of --lr if it is trained '
        'already, else --lr',
    )
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
    p.add_argument(
        '--amp',
        choices=['off', 'bf16', 'fp16'],
        default='off',
        help='mixed precision: half the bits where they are enough',
    )


def add_model_options(parser):
    """Add the options that say what kind of network learns, and from where it comes."""
    p = parser.add_argument_group('model')
    add_backbone_options(p)
    p.add_argument(
        '--n_classes',
        type=number(int, 2),
        help='insist on so many; None: as many as the data has',
    )
    p.add_argument(
        '--pretrained',
        choices=['auto', 'imagenet', 'glyphs', 'none'],
        default='auto',
        help="auto: ImageNet's weights, or those of printed characters where these "
        "can't be had",
    )
    p.add_argument(
        '--weights_fn', help='file of weights to take; None: find or make it'
    )
    p.add_argument(
        '--freeze',
        action=argparse.BooleanOptionalAction,
        default=False,
        help='train the new head alone',
    )


def main(config):
    """Train and save the best model."""
    from ignite.metrics import Accuracy
    from torch import nn, optim

    from data_loader import find_dataset, get_loaders, reuse_features
    from model import count_parameters, get_model, get_parameter_groups
    from trainer import Trainer
    from weights import load_weights

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    config.dataset = find_dataset(config.dataset, config.data_dir)
    train_loader, valid_loader, facts = get_loaders(config)
    log(f'{config.dataset}: {len(train_loader.dataset)} images to train on')

    # Model, criterion and optimizer
    state = load_last(config, '06_transfer_learning') if config.resume else None
    model = get_model(vars(config), len(facts['class_names'])).to(device)
    load_weights(model, config, state)
    log(f'{config.model_name}: {count_parameters(model)} parameters to train')
    crit = nn.CrossEntropyLoss()
    # One loop over all parameters, instead of several over each: much faster.
    optimizer = optim.Adam(get_parameter_groups(model, config), fused=True)

    # Trainer
    checkpoint = {'chapter': '06_transfer_learning', 'config': vars(config)} | facts
    metrics = {'accuracy': Accuracy(device=device)}
    trainer = Trainer(model, crit, optimizer, metrics, checkpoint)
    if state:
        trainer.load_state_dict(state)
    if config.freeze and not config.augment:
        loaders = reuse_features(model, (train_loader, valid_loader), config.amp)
        train_loader, valid_loader = loaders
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
