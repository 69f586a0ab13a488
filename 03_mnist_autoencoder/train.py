"""Train an autoencoder of handwritten digits.

    python train.py --model_fn model.pth

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

from pathlib import Path

import utils
from guards import check_model_fn, get_argparser, log, number, run, save_checkpoint


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train an autoencoder of handwritten digits.')
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


def add_training_options(parser):
    """Add the options of the training."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=50, help='passes over the data')
    option('--batch_size', type=number(int, 2), default=256, help='images a step')
    option('--lr', type=number(float, 0), default=1e-3, help='learning rate')
    verbose_help = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)


def add_model_options(parser):
    """Add the options of the network."""
    option = parser.add_argument_group('model').add_argument
    sizes = {'type': number(int, 1), 'nargs': '+', 'default': [500, 200, 100, 50]}
    sizes_help = "sizes of the encoder's hidden layers; the decoder's are the reverse"
    option('--hidden_sizes', **sizes, help=sizes_help)
    option('--btl_size', type=number(int, 1), default=2, help='size of the bottleneck')


def main(config):
    """Train and save the best model."""
    from torch import nn, optim

    from model import get_model
    from trainer import Trainer

    check_model_fn(config.model_fn)
    utils.set_seed(config.seed)
    device = utils.get_device(config.gpu_id)

    # Data
    config.dataset = utils.find_dataset(config.dataset, config.data_dir)
    x, _ = utils.load_mnist(config.dataset, config.data_dir, is_train=True)
    train_data, valid_data = utils.split_data(
        x.to(device), x.to(device), config.valid_ratio, config.seed
    )
    log(f'{config.dataset}: {len(train_data[0])} images to train on')

    # Model, criterion and optimizer
    model = get_model(vars(config)).to(device)
    crit = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=config.lr)

    # Trainer
    trainer = Trainer(model, crit, optimizer)
    try:
        trainer.train(train_data, valid_data, config)
    finally:
        # After Ctrl-C too, the best model so far is saved.
        if trainer.best_model:
            checkpoint = {
                'chapter': '03_mnist_autoencoder',
                'model': trainer.best_model,
                'config': vars(config),
            }
            save_checkpoint(checkpoint, config.model_fn)
            log(f'saved: {config.model_fn}')
            picture_fn = Path(config.model_fn).with_suffix('.png')
            utils.draw_learning_curve(trainer.history, picture_fn)


if __name__ == '__main__':
    run(main, define_argparser())
