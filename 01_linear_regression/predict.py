"""Predict y for numbers x: one number a line in, one number a line out.

python predict.py --model_fn model.pth --x 4.5 10
cat numbers.txt | python predict.py --model_fn model.pth

A line that is not a number is an error on stderr, and gives a blank line. The exit
status is then 2 at the end.
"""

import math
import sys

from guards import (
    InputError,
    add_encoding,
    get_argparser,
    load_checkpoint,
    log,
    read_lines,
    run,
)
from utils import get_device


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Predict y for each x, from --x or line by line.')
    p.add_argument('--x', nargs='+', help='numbers; None reads them from stdin')
    add_encoding(p)
    return p


def read_number(text, source):
    """Return the number in a text.

    Raises:
        InputError: the text is not a finite number; source says where it is.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f'{source}: expected a number, found {text.strip()!r}')
    return value


def main(config):
    """Print a y for each x, and a blank line for a blank line or a bad one."""
    import torch

    from model import LinearRegression

    device = get_device(config.gpu_id)
    checkpoint = load_checkpoint(config.model_fn, '01_linear_regression')
    model = LinearRegression(in_features=1, out_features=1).to(device)
    model.load_state_dict(checkpoint['model'])
    model.eval()

    source = '--x' if config.x else 'stdin'
    lines = config.x or read_lines(encoding=config.encoding)
    status = 0
    for line_number, line in enumerate(lines, start=1):
        number = None
        try:
            if line.strip():
                number = read_number(line, f'{source}:{line_number}')
        except InputError as error:
            log(f'error: {error}')
            status = 2
        if number is None:
            print()
            continue
        x = torch.tensor([[number]])
        # |x| = (1, 1)
        with torch.no_grad():
            print(model(x.to(device)).item())
    if status:
        sys.exit(status)


if __name__ == '__main__':
    run(main, define_argparser())
