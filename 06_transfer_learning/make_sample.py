"""Printed characters, distorted at random: the sample to pre-train a backbone on.

The characters come from the fonts that matplotlib ships. pretrain.py trains on
draw_batches(), in which no image appears twice, and shows some by draw_sample().
"""

import functools
import re
import string
from pathlib import Path

import numpy as np
import torch
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional

from guards import save_figure

# matplotlib's text fonts; its other fonts hold symbols and parts of formulas.
FONTS = re.compile(
    r'DejaVu(Sans|SansMono|Serif)(-.*)?|STIXGeneral.*|cm(b|mi|r|ss|ti|tt)10'
)

# Characters that differ only in size or position are one class.
CLASSES = ['0Oo', '1Il', 'Cc', 'Jj', 'Kk', 'Pp', 'Ss', 'Uu', 'Vv', 'Ww', 'Xx', 'Zz']
CLASSES += sorted(set(string.digits + string.ascii_letters) - set(''.join(CLASSES)))

GLYPH_SIZE = 64

# The neighbours of a pixel, clockwise from the one above it: row and column.
NEIGHBOURS = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]


@functools.cache
def render_glyphs():
    """Draw each character in each font, scaled to the same size and centred.

    Each is drawn four times: as it is printed, and as three pens would write it, from a
    thin one to a thick one. A pen draws a line of constant width along the middle of
    the printed strokes.

    Returns:
        glyphs: a uint8 tensor of shape (n_glyphs, 1, GLYPH_SIZE, GLYPH_SIZE), where ink
            is 255.
        y: a long tensor of shape (n_glyphs,), their classes.
    """
    folder = Path(get_data_path(), 'fonts', 'ttf')
    glyphs, y = [], []
    for fn in sorted(fn for fn in folder.iterdir() if FONTS.fullmatch(fn.stem)):
        font = ImageFont.truetype(str(fn), 2 * GLYPH_SIZE)
        for label, characters in enumerate(CLASSES):
            for character in characters:
                left, top, right, bottom = font.getbbox(character)
                image = Image.new('L', (right - left, bottom - top))
                ImageDraw.Draw(image).text((-left, -top), character, 255, font)
                glyphs.append(fit_square(image))
                y.append(label)
    glyphs = torch.from_numpy(np.stack(glyphs)).unsqueeze(1)
    # |glyphs| = (n_printed, 1, GLYPH_SIZE, GLYPH_SIZE)
    lines = thin(glyphs)
    # |lines| = (n_printed, 1, GLYPH_SIZE, GLYPH_SIZE)
    pens = [dilate(lines, width) for width in (1, 3, 5)]
    return torch.cat([glyphs, *pens]), torch.tensor(y).repeat(4)


def fit_square(image):
    """Scale a picture and centre it in a square, with a margin of an eighth."""
    scale = GLYPH_SIZE * 3 / 4 / max(image.size)
    size = [max(1, round(scale * n)) for n in image.size]
    square = Image.new('L', (GLYPH_SIZE, GLYPH_SIZE))
    corner = [(GLYPH_SIZE - n) // 2 for n in size]
    square.paste(image.resize(size, Image.Resampling.LANCZOS), corner)
    return np.asarray(square)


def thin(glyphs):
    """Remove pixels from the edges of strokes until lines of one pixel are left.

    This is the thinning algorithm of Zhang and Suen (1984). Each iteration removes
    pixels first on the right and the lower side, then on the left and the upper side.

    Arguments:
        glyphs: a uint8 tensor of shape (n_glyphs, 1, GLYPH_SIZE, GLYPH_SIZE).

    Returns:
        A tensor like glyphs, of 0 and 255.
    """
    x = (glyphs > 100).byte()
    n_before = None
    while x.sum() != n_before:
        n_before = x.sum()
        for is_removable in make_thinning_tables():
            # The eight neighbours of a pixel are the eight bits of a byte.
            code = sum(
                x.roll((-row, -column), dims=(2, 3)) << bit
                for bit, (row, column) in enumerate(NEIGHBOURS)
            )
            # |code| = (n_glyphs, 1, GLYPH_SIZE, GLYPH_SIZE)
            x = x & ~is_removable[code.int()]
    return x * 255


def make_thinning_tables():
    """Say for each combination of neighbours whether a pixel between them is removable.

    Returns:
        Two bool tensors of shape (256,), indexed by the bits of the NEIGHBOURS: for
        pixels on the right or lower side, and for those on the left or upper side.
    """
    tables = [], []
    for code in range(256):
        bits = [code >> i & 1 for i in range(8)]
        # An edge pixel has background on one side only, and is not the end of a line.
        n_sides = sum(bits[i - 1] < bits[i] for i in range(8))
        is_edge = n_sides == 1 and 2 <= sum(bits) <= 6
        above, right, below, left = bits[::2]
        tables[0].append(is_edge and not right & below & (above | left))
        tables[1].append(is_edge and not above & left & (right | below))
    return [torch.tensor(table) for table in tables]


def dilate(lines, width):
    """Make lines of one pixel as many pixels wide as width says."""
    return functional.max_pool2d(lines.float(), width, 1, width // 2).byte()


def draw_uniform(n, low, high):
    """Return n random numbers, in a shape that multiplies a batch of images."""
    return torch.empty(n, 1, 1, 1).uniform_(low, high)


def distort(glyphs, image_size):
    """Distort clean glyphs as handwriting, pens and paper do.

    Arguments:
        glyphs: a float tensor of shape (batch_size, 1, GLYPH_SIZE, GLYPH_SIZE).

    Returns:
        A float tensor of shape (batch_size, 1, image_size, image_size), from 0 to 1.
    """
    x = warp(change_thickness(glyphs), image_size)
    # |x| = (batch_size, 1, image_size, image_size)
    return add_noise(x)


def change_thickness(glyphs):
    """Blur, and apply a random threshold: the lower it is, the thicker the strokes."""
    x = glyphs
    for _ in range(3):
        x = functional.avg_pool2d(x, 3, stride=1, padding=1)
    # A blurred hairline is pale: without this, the threshold would remove it.
    x = x / x.amax(dim=(2, 3), keepdim=True)
    return ((x - draw_uniform(len(x), 0.1, 0.5)) * 5).clamp(0, 1)


def warp(x, image_size):
    """Rotate, slant, scale, shift and bend each image at random."""
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
    bend = torch.randn(n, 2, 5, 5) * draw_uniform(n, 0, 0.13)
    bend = functional.interpolate(bend, size[2:], mode='bicubic', align_corners=True)
    # |bend| = (batch_size, 2, image_size, image_size)
    grid = grid + bend.permute(0, 2, 3, 1)
    return functional.grid_sample(x, grid, align_corners=False)


def add_noise(x):
    """Vary the contrast of each image, and make half of them coarse or noisy."""
    n = len(x)
    ink = draw_uniform(n, 0.6, 1)
    clean = ink * x
    coarse = functional.adaptive_avg_pool2d(x, 10)
    coarse = functional.interpolate(coarse, x.shape[2:], mode='bicubic')
    x = x + (coarse - x) * draw_uniform(n, -1, 1).relu()
    shade = torch.rand(n, 1, 3, 3) * draw_uniform(n, -0.4, 0.4).relu()
    shade = functional.interpolate(shade, x.shape[2:], mode='bicubic')
    noise = torch.randn_like(x) * draw_uniform(n, -0.1, 0.1).relu()
    noisy = (shade + (ink - shade) * x + noise).clamp(0, 1)
    return torch.where(torch.rand(n, 1, 1, 1) < 0.5, clean, noisy)


def get_sampling_weights(y):
    """Return how often to draw each glyph: half of all images drawn are digits.

    There are five times as many letters. A letter that looks like a digit counts as
    a digit.

    Arguments:
        y: a long tensor of shape (n_glyphs,), their classes.
    """
    has_digit = [any(c.isdigit() for c in characters) for characters in CLASSES]
    is_digit = torch.tensor(has_digit)[y]
    # |is_digit| = (n_glyphs,)
    return torch.where(is_digit, 1 / is_digit.sum(), 1 / (~is_digit).sum())


def draw_batch(batch_size, image_size):
    """Draw a batch of characters, each distorted differently.

    Returns:
        x: a float tensor of shape (batch_size, 1, image_size, image_size), 0 to 1.
        y: a long tensor of shape (batch_size,), their classes.
    """
    glyphs, y = render_glyphs()
    # |glyphs| = (n_glyphs, 1, GLYPH_SIZE, GLYPH_SIZE)
    # |y| = (n_glyphs,)
    chosen = get_sampling_weights(y).multinomial(batch_size, replacement=True)
    # |chosen| = (batch_size,)
    return distort(glyphs[chosen] / 255, image_size), y[chosen]


def draw_batches(batch_size, image_size):
    """Yield batches without end, as a backbone expects them."""
    from model import IMAGENET_MEAN, IMAGENET_STD, get_transform

    transform = get_transform(image_size, IMAGENET_MEAN, IMAGENET_STD)
    while True:
        x, y = draw_batch(batch_size, image_size)
        yield transform(x), y


def draw_sample(image_size, fn):
    """Draw 60 characters, as a backbone sees them during its pre-training."""
    from matplotlib.figure import Figure

    with torch.random.fork_rng():
        torch.manual_seed(0)
        x, _ = draw_batch(60, image_size)
        # |x| = (60, 1, image_size, image_size)
    figure = Figure(figsize=(9, 6), layout='constrained')
    for axes, image in zip(figure.subplots(6, 10).flat, x, strict=True):
        axes.imshow(image.squeeze(0), cmap='gray_r', vmin=0, vmax=1)
        axes.axis('off')
    save_figure(figure, fn)
