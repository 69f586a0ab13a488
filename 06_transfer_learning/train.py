"""Train a classifier of images that starts from the weights of a trained network.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --freeze --no-augment --n_train 200
    python train.py --model_fn model.pth --dataset folder --data_dir my_pictures

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

import argparse
from pathlib import Path

from guards import check_model_fn, get_argparser, log, number, run
from pretrain import add_backbone_options
from utils import draw_learning_curve, get_device, load_last, set_seed


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train a classifier from a trained backbone.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options of the data."""
    option = parser.add_argument_group('data').add_argument
    names = ['auto', 'mnist', 'fashion_mnist', 'digits', 'folder']
    auto_help = "auto: MNIST, or scikit-learn's digits if MNIST can't be downloaded; "
    folder_help = 'folder: your own pictures, a folder in --data_dir for each class'
    option('--dataset', choices=names, default='auto', help=auto_help + folder_help)
    option('--data_dir', default='../data', help='folder of the datasets')
    ratio_help = 'share of the training images to validate on'
    option('--valid_ratio', type=number(float, 0.01, 0.9), default=0.1, help=ratio_help)
    switch = {'action': argparse.BooleanOptionalAction, 'default': True}
    option('--augment', **switch, help='rotate, shift and scale the training images')
    n_help = 'labelled images to use, including those to validate on; 0: all'
    option('--n_train', type=number(int, 0), default=0, help=n_help)


def add_training_options(parser):
    """Add the options of the training."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=10, help='passes over the data')
    option('--batch_size', type=number(int, 2), default=64, help='images a step')
    option('--lr', type=number(float, 0), default=1e-3, help='learning rate')
    verbose_help = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)
    stop_help = 'epochs without a better model after which to stop, 0: never'
    option('--early_stop', type=number(int, 0), default=0, help=stop_help)
    option('--log_dir', help='folder for TensorBoard; None: no log')
    resume_help = 'go on from model.last.pth, with the same options'
    option('--resume', action='store_true', help=resume_help)
    backbone_help = 'of the backbone; None: --lr / 10, or --lr for random weights'
    option('--backbone_lr', type=number(float, 0), help=backbone_help)
    amp_help = 'mixed precision: half the bits where they are enough'
    option('--amp', choices=['off', 'bf16', 'fp16'], default='off', help=amp_help)
    switch = {'action': argparse.BooleanOptionalAction, 'default': True}
    fast_help = 'compute the features of a frozen backbone once, if not augmented'
    option('--fast', **switch, help=fast_help)


def add_model_options(parser):
    """Add the options of the network and its weights."""
    group = parser.add_argument_group('model')
    add_backbone_options(group)
    option = group.add_argument
    option('--n_classes', type=number(int, 2), help='expected; None: as in the data')
    names = ['auto', 'imagenet', 'glyphs', 'none']
    auto_help = "auto: ImageNet's, or printed characters if they can't be downloaded"
    option('--pretrained', choices=names, default='auto', help=auto_help)
    option('--weights_fn', help='file of weights; None: find or make it')
    switch = {'action': argparse.BooleanOptionalAction, 'default': False}
    option('--freeze', **switch, help='train the new head only')


def main(config):
    """Train and save the best model."""
    from ignite.metrics import Accuracy
    from torch import nn, optim

    from data_loader import find_dataset, get_loaders
    from fast import reuse_features
    from model import count_parameters, get_model, get_parameter_groups
    from trainer import Trainer
    from weights import choose_weights, load_weights

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data: the size of the images depends on the weights
    if config.dataset != 'folder':
        config.dataset = find_dataset(config.dataset, config.data_dir)
    state = load_last(config, '06_transfer_learning') if config.resume else None
    choose_weights(config, state)
    *loaders, facts = get_loaders(config)
    log(f'{config.dataset}: {len(loaders[0].dataset)} images to train on')

    # Model, criterion and optimizer: a fused one updates all parameters in one loop
    model = get_model(vars(config), len(facts['class_names'])).to(device)
    load_weights(model, config, state)
    log(f'{config.model_name}: {count_parameters(model)} parameters to train')
    crit = nn.CrossEntropyLoss()
    optimizer = optim.Adam(get_parameter_groups(model, config), fused=True)

    # Trainer
    checkpoint = {'chapter': '06_transfer_learning', 'config': vars(config)} | facts
    metrics = {'accuracy': Accuracy(device=device)}
    trainer = Trainer(model, crit, optimizer, metrics, checkpoint)
    if state:
        trainer.load_state_dict(state)
    if config.fast and config.freeze and not config.augment:
        loaders = reuse_features(trainer, loaders)
    try:
        trainer.train(*loaders)
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
