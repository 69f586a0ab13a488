"""Predict y for numbers x: one number a line in, one number a line out.

python predict.py --model_fn model.pth --x 4.5 10
cat numbers.txt | python predict.py --model_fn model.pth
"""

import math
import sys

from utils import (
    InputError,
    get_argparser,
    get_device,
    load_checkpoint,
    run,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Predict y for each x, from --x or line by line.')

    p.add_argument('--x', nargs='+', help='numbers; None reads them from stdin')
    return p


def read_numbers(lines, source):
    """Yield the number of each line, None for a blank one.

    Raises:
        InputError: a line is not a finite number.
    """
    for line_number, line in enumerate(lines, start=1):
        try:
            value = float(line) if line.strip() else None
        except ValueError:
            value = math.nan
        if value is not None and not math.isfinite(value):
            raise InputError(
                f'{source}:{line_number}: expected a number, found {line.strip()!r}'
            )
        yield value


def main(config):
    """Write a y for each x."""
    import torch

    from model import LinearRegression

    device = get_device(config.gpu_id)
    checkpoint = load_checkpoint(config.model_fn, '01_linear_regression')
    model = LinearRegression(in_features=1, out_features=1).to(device)
    model.load_state_dict(checkpoint['model'])
    model.eval()

    lines, source = config.x, '--x'
    if not lines:
        # Bytes that are no text become a text that is no number.
        sys.stdin.reconfigure(encoding='utf-8', errors='backslashreplace')
        lines, source = sys.stdin, 'stdin'
    for value in read_numbers(lines, source):
        if value is None:
            print()
            continue
        with torch.no_grad():
            x = torch.tensor([[value]], device=device)
            # |x| = (1, 1)
            print(model(x).item())


if __name__ == '__main__':
    run(main, define_argparser())
