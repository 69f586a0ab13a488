"""Teach a backbone to read printed characters, for train.py to go on from.

    python pretrain.py --model_fn model.pth
    python pretrain.py --model_fn model.pth --model_name squeezenet --image_size 48

The digits and letters of the fonts that matplotlib ships are drawn once. Each training
batch bends, turns, thickens and dirties some of them in its own way, so no image is
seen twice. The weights are saved beside --model_fn, as resnet.glyphs.32.pth.
"""

import re
import string
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from utils import (
    InputError,
    add_backbone_options,
    check_model_fn,
    get_argparser,
    get_device,
    log,
    number,
    run,
    save_checkpoint,
)
from weights import get_glyphs_fn

# How a backbone is pre-trained if nobody says otherwise.
OPTIONS = {'seed': 0, 'n_images': 24_000, 'batch_size': 64, 'lr': 2e-3}

# matplotlib's fonts of text; the others hold symbols and parts of formulas.
FONTS = re.compile(
    r'DejaVu(Sans|SansMono|Serif)(-.*)?|STIXGeneral.*|cm(b|mi|r|ss|ti|tt)10'
)

# Print that looks the same, once size and place are gone, is one class.
CLASSES = ['0Oo', '1Il', 'Cc', 'Jj', 'Kk', 'Pp', 'Ss', 'Uu', 'Vv', 'Ww', 'Xx', 'Zz']
CLASSES += sorted(set(string.digits + string.ascii_letters) - set(''.join(CLASSES)))

GLYPH_SIZE = 64


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Pre-train a backbone on printed characters.')
    add_backbone_options(p)
    p.add_argument(
        '--seed',
        type=number(int, 0),
        default=OPTIONS['seed'],
        help='of all that is random',
    )
    p.add_argument(
        '--n_images',
        type=number(int, 1),
        default=OPTIONS['n_images'],
        help='images to learn from',
    )
    p.add_argument(
        '--batch_size',
        type=number(int, 2),
        default=OPTIONS['batch_size'],
        help='images a step',
    )
    p.add_argument(
        '--lr', type=number(float, 0.0), default=OPTIONS['lr'], help='learning rate'
    )
    p.add_argument(
        '--verbose',
        type=int,
        choices=[0, 1, 2],
        default=2,
        help='0: silent, 1: the result, 2: a progress bar too',
    )
    return p


def render_glyphs():
    """Draw each character in each font, as large as fits and in the middle.

    Returns:
        glyphs: a uint8 tensor of shape (n_glyphs, 1, GLYPH_SIZE, GLYPH_SIZE), ink 255.
        y: a long tensor of shape (n_glyphs,), their classes.
    """
    import torch
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    folder = Path(get_data_path(), 'fonts', 'ttf')
    glyphs, y = [], []
    for fn in sorted(fn for fn in folder.iterdir() if FONTS.fullmatch(fn.stem)):
        font = ImageFont.truetype(str(fn), 2 * GLYPH_SIZE)
        for label, characters in enumerate(CLASSES):
            for character in characters:
                left, top, right, bottom = font.getbbox(character)
                image = Image.new('L', (right - left, bottom - top))
                ImageDraw.Draw(image).text((-left, -top), character, 255, font)
                glyphs.append(fit(image))
                y.append(label)
    return torch.from_numpy(np.stack(glyphs)).unsqueeze(1), torch.tensor(y)


def fit(image):
    """Scale a picture to the middle of a square, with a margin of an eighth."""
    from PIL import Image

    scale = GLYPH_SIZE * 3 / 4 / max(image.size)
    size = [max(1, round(scale * n)) for n in image.size]
    square = Image.new('L', (GLYPH_SIZE, GLYPH_SIZE))
    place = [(GLYPH_SIZE - n) // 2 for n in size]
    square.paste(image.resize(size, Image.Resampling.LANCZOS), place)
    return np.asarray(square)


def draw_uniform(n, low, high):
    """Return n random numbers, shaped to multiply a batch of images."""
    import torch

    return torch.empty(n, 1, 1, 1).uniform_(low, high)


def distort(glyphs, image_size):
    """Make of clean glyphs what a hand, a pen and paper might.

    Arguments:
        glyphs: a float tensor of shape (batch_size, 1, GLYPH_SIZE, GLYPH_SIZE).

    Returns:
        A float tensor of shape (batch_size, 1, image_size, image_size), from 0 to 1.
    """

    x = write_by_hand(set_thickness(glyphs), image_size)
    # |x| = (batch_size, 1, image_size, image_size)
    return add_paper(x)


def set_thickness(glyphs):
    """Blur, and cut at a random level: the lower, the thicker a stroke."""
    from torch.nn import functional

    x = glyphs
    for _ in range(3):
        x = functional.avg_pool2d(x, 3, stride=1, padding=1)
    # A hairline is pale once it is blurred, and must not be cut away.
    x = x / x.amax(dim=(2, 3), keepdim=True)
    return ((x - draw_uniform(len(x), 0.1, 0.6)) * 5).clamp(0, 1)


def write_by_hand(x, image_size):
    """Turn, slant, scale, shift and bend each image in its own way."""
    import torch
    from torch.nn import functional

    n = len(x)
    angle, slant = draw_uniform(n, -0.25, 0.25), draw_uniform(n, -0.4, 0.4)
    width, height = draw_uniform(n, 0.75, 1.5), draw_uniform(n, 0.85, 1.2)
    right, down = draw_uniform(n, -0.15, 0.15), draw_uniform(n, -0.15, 0.15)
    sine, cosine = angle.sin(), angle.cos()
    matrix = torch.cat(
        [
            torch.cat([cosine * width, (slant - sine) * height, right], dim=3),
            torch.cat([sine * width, cosine * height, down], dim=3),
        ],
        dim=2,
    ).squeeze(1)
    # |matrix| = (batch_size, 2, 3)
    size = (n, 1, image_size, image_size)
    grid = functional.affine_grid(matrix, size, align_corners=False)
    # |grid| = (batch_size, image_size, image_size, 2)
    bend = torch.randn(n, 2, 5, 5) * draw_uniform(n, 0, 0.1)
    bend = functional.interpolate(bend, size[2:], mode='bicubic', align_corners=True)
    # |bend| = (batch_size, 2, image_size, image_size)
    grid = grid + bend.permute(0, 2, 3, 1)
    return functional.grid_sample(x, grid, align_corners=False)


def add_paper(x):
    """Put ink of any darkness on paper that is shaded and grainy."""
    import torch
    from torch.nn import functional

    n = len(x)
    ink = draw_uniform(n, 0.6, 1)
    shade = torch.rand(n, 1, 3, 3) * draw_uniform(n, -0.4, 0.4).clamp(min=0)
    shade = functional.interpolate(shade, x.shape[2:], mode='bicubic')
    grain = torch.randn_like(x) * draw_uniform(n, -0.1, 0.1).clamp(min=0)
    return (shade + (ink - shade) * x + grain).clamp(0, 1)


def draw_batch(glyphs, y, batch_size, image_size):
    """Draw a batch of characters, no two alike.

    Returns:
        x: a float tensor of shape (batch_size, 1, image_size, image_size), 0 to 1.
        y: a long tensor of shape (batch_size,), their classes.
    """
    import torch

    chosen = torch.randint(len(glyphs), (batch_size,))
    return distort(glyphs[chosen] / 255, image_size), y[chosen]


def learn(model, options, config):
    """Take the steps of the pre-training.

    Arguments:
        model: maps images to the logits of CLASSES.
        options: the numbers n_images, batch_size and lr, a dict.
        config: the options image_size and verbose.

    Returns:
        The share of characters read right, of the last tenth: no image was seen before.

    Raises:
        InputError: the loss is not a number any more.
    """
    from torch import nn, optim

    from data_loader import IMAGENET_MEAN, IMAGENET_STD, prepare

    device = next(model.parameters()).device
    batch_size, lr = options['batch_size'], options['lr']
    n_steps = max(10, options['n_images'] // batch_size)
    crit = nn.CrossEntropyLoss()
    optimizer = optim.AdamW(model.parameters(), lr=lr)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, lr, n_steps, pct_start=0.25)
    glyphs, labels = render_glyphs()

    model.train()
    is_shown = config.verbose == 2 and sys.stderr.isatty()
    bar = tqdm(range(n_steps), 'reading print', leave=False, disable=not is_shown)
    accuracies = []
    for step in bar:
        x, y = draw_batch(glyphs, labels, batch_size, config.image_size)
        x = prepare(x, config.image_size, IMAGENET_MEAN, IMAGENET_STD).to(device)
        y = y.to(device)
        y_hat = model(x)
        loss = crit(y_hat, y)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

        accuracies.append((y_hat.argmax(dim=-1) == y).float().mean())
        if step % 20 == 0 or step == n_steps - 1:
            if not loss.isfinite():
                raise InputError(f'loss={loss} in step {step + 1}: lower --lr')
            bar.set_postfix(loss=f'{loss:.3f}', accuracy=f'{accuracies[-1]:.3f}')
    return sum(accuracies[-(n_steps // 10) :]).item() / (n_steps // 10)


def pretrain(fn, config, options=OPTIONS):
    """Teach a backbone to read printed characters, and save its weights.

    Whoever calls has the same random numbers afterwards as before.

    Arguments:
        fn: the file to write.
        config: the options gpu_id, verbose, model_name and image_size.
        options: the numbers seed, n_images, batch_size and lr, a dict.

    Raises:
        InputError: fn can't be written, or the loss is not a number any more.
    """
    import torch

    from model import TransferClassifier, get_backbone

    check_model_fn(fn)
    device = get_device(config.gpu_id)
    with torch.random.fork_rng():
        torch.manual_seed(options['seed'])
        backbone, n_features = get_backbone(config.model_name, config.image_size)
        model = TransferClassifier(backbone, n_features, len(CLASSES), is_frozen=False)
        accuracy = learn(model.to(device), options, config)

    checkpoint = {
        'chapter': '06_transfer_learning/glyphs',
        'model_name': config.model_name,
        'image_size': config.image_size,
        'n_channels': 3,
        'options': options,
        'accuracy': accuracy,
        'class_names': CLASSES,
        'backbone': backbone.state_dict(),
    }
    save_checkpoint(checkpoint, fn)
    log(f'{fn}: {accuracy:.1%} of the last printed characters were read right')


def main(config):
    """Pre-train, and draw what there was to read."""
    options = {name: getattr(config, name) for name in OPTIONS}
    fn = get_glyphs_fn(config)
    pretrain(fn, config, options)


if __name__ == '__main__':
    run(main, define_argparser())
