"""Printed characters, written as if by hand: what a backbone is pre-trained on."""

import functools
import re
import string
from pathlib import Path

import numpy as np
import torch
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional

# matplotlib's fonts of text; the others hold symbols and parts of formulas.
FONTS = re.compile(
    r'DejaVu(Sans|SansMono|Serif)(-.*)?|STIXGeneral.*|cm(b|mi|r|ss|ti|tt)10'
)

# Print that looks the same, once size and place are gone, is one class.
CLASSES = ['0Oo', '1Il', 'Cc', 'Jj', 'Kk', 'Pp', 'Ss', 'Uu', 'Vv', 'Ww', 'Xx', 'Zz']
CLASSES += sorted(set(string.digits + string.ascii_letters) - set(''.join(CLASSES)))

GLYPH_SIZE = 64

# The neighbours of a pixel, clockwise from the one above it: row and column.
NEIGHBOURS = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]


@functools.cache
def render_glyphs():
    """Draw each character in each font, as large as fits and in the middle.

    Once as it is printed, and three times as pens might write it, from a thin one to
    a thick one: lines of the same width all along, as no printed stroke is.

    Returns:
        glyphs: a uint8 tensor of shape (n_glyphs, 1, GLYPH_SIZE, GLYPH_SIZE), ink 255.
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
                glyphs.append(fit(image))
                y.append(label)
    glyphs = torch.from_numpy(np.stack(glyphs)).unsqueeze(1)
    # |glyphs| = (n_printed, 1, GLYPH_SIZE, GLYPH_SIZE)
    lines = thin(glyphs)
    # |lines| = (n_printed, 1, GLYPH_SIZE, GLYPH_SIZE)
    pens = [widen(lines, width) for width in (1, 3, 5)]
    return torch.cat([glyphs, *pens]), torch.tensor(y).repeat(4)


def fit(image):
    """Scale a picture to the middle of a square, with a margin of an eighth."""
    scale = GLYPH_SIZE * 3 / 4 / max(image.size)
    size = [max(1, round(scale * n)) for n in image.size]
    square = Image.new('L', (GLYPH_SIZE, GLYPH_SIZE))
    place = [(GLYPH_SIZE - n) // 2 for n in size]
    square.paste(image.resize(size, Image.Resampling.LANCZOS), place)
    return np.asarray(square)


def thin(glyphs):
    """Take pixels from the edges of strokes until lines of one pixel are left.

    This is the algorithm of Zhang and Suen (1984): each round takes from the right and
    from below first, then from the left and from above.

    Arguments:
        glyphs: a uint8 tensor of shape (n_glyphs, 1, GLYPH_SIZE, GLYPH_SIZE).

    Returns:
        A tensor like glyphs, of 0 and 255.
    """
    x = (glyphs > 100).byte()
    n_before = None
    while x.sum() != n_before:
        n_before = x.sum()
        for may_go in find_edges():
            # The eight neighbours of a pixel are the eight bits of a byte.
            code = sum(
                x.roll((-row, -column), dims=(2, 3)) << bit
                for bit, (row, column) in enumerate(NEIGHBOURS)
            )
            # |code| = (n_glyphs, 1, GLYPH_SIZE, GLYPH_SIZE)
            x = x & ~may_go[code.int()]
    return x * 255


def find_edges():
    """Say around which pixels a stroke stays whole if they go.

    Returns:
        Two bool tensors of shape (256,), by the bits of the NEIGHBOURS: of pixels at
        the right or below, and of those at the left or above.
    """
    tables = [], []
    for code in range(256):
        bits = [code >> i & 1 for i in range(8)]
        # An edge has paper on one side alone, and is not the end of a line.
        n_sides = sum(bits[i - 1] < bits[i] for i in range(8))
        is_edge = n_sides == 1 and 2 <= sum(bits) <= 6
        above, right, below, left = bits[::2]
        tables[0].append(is_edge and not right & below & (above | left))
        tables[1].append(is_edge and not above & left & (right | below))
    return [torch.tensor(table) for table in tables]


def widen(lines, width):
    """Draw over lines of one pixel with a pen of so many pixels."""
    return functional.max_pool2d(lines.float(), width, 1, width // 2).byte()


def draw_uniform(n, low, high):
    """Return n random numbers, shaped to multiply a batch of images."""
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
    x = glyphs
    for _ in range(3):
        x = functional.avg_pool2d(x, 3, stride=1, padding=1)
    # A hairline is pale once it is blurred, and must not be cut away.
    x = x / x.amax(dim=(2, 3), keepdim=True)
    return ((x - draw_uniform(len(x), 0.1, 0.5)) * 5).clamp(0, 1)


def write_by_hand(x, image_size):
    """Turn, slant, scale, shift and bend each image in its own way."""
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


def add_paper(x):
    """Put ink of any darkness on paper: clean, or else coarse, shaded or grainy."""
    n = len(x)
    ink = draw_uniform(n, 0.6, 1)
    clean = ink * x
    coarse = functional.adaptive_avg_pool2d(x, 10)
    coarse = functional.interpolate(coarse, x.shape[2:], mode='bicubic')
    x = x + (coarse - x) * draw_uniform(n, -1, 1).relu()
    shade = torch.rand(n, 1, 3, 3) * draw_uniform(n, -0.4, 0.4).relu()
    shade = functional.interpolate(shade, x.shape[2:], mode='bicubic')
    grain = torch.randn_like(x) * draw_uniform(n, -0.1, 0.1).relu()
    dirty = (shade + (ink - shade) * x + grain).clamp(0, 1)
    return torch.where(torch.rand(n, 1, 1, 1) < 0.5, clean, dirty)


def get_chances(y):
    """Return how often each glyph is to be drawn: half of all drawn are digits.

    There are five times as many letters. What prints like a digit counts as one.

    Arguments:
        y: a long tensor of shape (n_glyphs,), their classes.
    """
    has_digit = [any(c.isdigit() for c in characters) for characters in CLASSES]
    is_digit = torch.tensor(has_digit)[y]
    # |is_digit| = (n_glyphs,)
    return torch.where(is_digit, 1 / is_digit.sum(), 1 / (~is_digit).sum())


def draw_batch(glyphs, y, batch_size, image_size):
    """Draw a batch of characters, no two alike.

    Returns:
        x: a float tensor of shape (batch_size, 1, image_size, image_size), 0 to 1.
        y: a long tensor of shape (batch_size,), their classes.
    """
    chosen = get_chances(y).multinomial(batch_size, replacement=True)
    # |chosen| = (batch_size,)
    return distort(glyphs[chosen] / 255, image_size), y[chosen]
