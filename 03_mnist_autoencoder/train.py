"""Train an autoencoder of handwritten digits: its target is its input.

    python train.py --model_fn model.pth

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

from pathlib import Path

from utils import (
    check_model_fn,
    draw_learning_curve,
    find_dataset,
    get_argparser,
    get_device,
    load_mnist,
    log,
    number,
    run,
    save_checkpoint,
    set_seed,
    split_data,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train an autoencoder of handwritten digits.')
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


def add_training_options(parser):
    """Add the options that say how to learn."""
    p = parser.add_argument_group('training')
    p.add_argument(
        '--seed', type=number(int, 0), default=0, help='of all that is random'
    )
    p.add_argument('--n_epochs', type=number(int, 1), default=50, help='times all data')
    p.add_argument(
        '--batch_size',
        type=number(int, 2),
        default=256,
        help='images a step; batch normalisation needs two',
    )
    p.add_argument('--lr', type=number(float, 0.0), default=1e-3, help='learning rate')
    p.add_argument(
        '--verbose',
        type=int,
        choices=[0, 1, 2],
        default=2,
        help='0: silent, 1: a line an epoch, 2: a progress bar too',
    )


def add_model_options(parser):
    """Add the options that say what kind of network learns."""
    p = parser.add_argument_group('model')
    p.add_argument(
        '--hidden_sizes',
        type=number(int, 1),
        nargs='+',
        default=[500, 200, 100, 50],
        help="sizes of the encoder's hidden layers, the decoder's in reverse",
    )
    p.add_argument(
        '--btl_size', type=number(int, 1), default=2, help='of the bottleneck'
    )


def main(config):
    """Train and save the best model."""
    from torch import nn, optim

    from model import Autoencoder
    from trainer import Trainer

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    config.dataset = find_dataset(config.dataset, config.data_dir)
    x, _ = load_mnist(config.dataset, config.data_dir, is_train=True)
    train_data, valid_data = split_data(
        x.to(device), x.to(device), config.valid_ratio, config.seed
    )
    log(f'{config.dataset}: {len(train_data[0])} images to train on')

    # Model, criterion and optimizer
    model = Autoencoder(
        input_size=x.size(1),
        btl_size=config.btl_size,
        hidden_sizes=config.hidden_sizes,
    ).to(device)
    crit = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=config.lr)

    # Trainer
    trainer = Trainer(model, crit, optimizer)
    try:
        trainer.train(train_data, valid_data, config)
    finally:
        # After Ctrl-C too, what has been learned so far is kept.
        if trainer.best_model:
            checkpoint = {
                'chapter': '03_mnist_autoencoder',
                'model': trainer.best_model,
                'config': vars(config),
            }
            save_checkpoint(checkpoint, config.model_fn)
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)
            log(f'saved: {config.model_fn}, learning curve: {picture_fn}')


if __name__ == '__main__':
    run(main, define_argparser())
