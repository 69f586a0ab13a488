"""Linear regression, the program of main.py in four files.

    python train.py --model_fn model.pth

This file is the table of contents: data, model, criterion and optimizer, trainer,
result, save.
"""

from pathlib import Path

from guards import (
    add_encoding,
    check_model_fn,
    get_argparser,
    number,
    run,
    save_checkpoint,
)
from utils import draw_fit, get_device, load_data, set_seed


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Fit a line y = w x + b to the points of a table.')
    data_fn = str(Path(__file__).with_name('01_data.csv'))
    verbose_help = '0: silent, 1: a line every 100 epochs, 2: a line an epoch'
    option = p.add_argument
    option('--data_fn', default=data_fn, help='CSV with the columns x and y')
    add_encoding(p)
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=500, help='steps to take')
    option('--lr', type=number(float, 0), default=0.5, help='learning rate')
    option('--verbose', type=int, choices=[0, 1, 2], default=1, help=verbose_help)
    return p


def main(config):
    """Fit, report, draw and save."""
    import numpy as np
    from torch import nn, optim

    from model import LinearRegression
    from trainer import Trainer

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    data = load_data(config.data_fn, config.encoding)
    x, y = (values.to(device) for values in data)
    # |x| = (n_points, 1)
    # |y| = (n_points, 1)

    # Model, criterion and optimizer
    model = LinearRegression(in_features=1, out_features=1).to(device)
    crit = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=config.lr)

    # Training
    trainer = Trainer(model, crit, optimizer)
    history = trainer.train(x, y, config)

    # Result, and the best possible line to compare with
    best_w, best_b = np.polyfit(x.flatten().tolist(), y.flatten().tolist(), deg=1)
    print(f'w: {model.weight.item()}\nb: {model.bias.item()}')
    print(f'closed_form_w: {best_w}\nclosed_form_b: {best_b}')

    # Save
    checkpoint = {
        'chapter': '01_linear_regression',
        'model': model.state_dict(),
        'config': vars(config),
    }
    save_checkpoint(checkpoint, config.model_fn)
    draw_fit(x, y, model(x), history, Path(config.model_fn).with_suffix('.png'))


if __name__ == '__main__':
    run(main, define_argparser())
