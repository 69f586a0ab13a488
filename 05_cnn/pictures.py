"""Pictures of one's own, as people have them, in the form of MNIST's digits.

The same file in 02, 04, 05, 06 and 07: read it once, in 02.
"""

import sys

import numpy as np

from guards import InputError, input_errors, log


def read_picture(fn):
    """Read a picture in any format that Pillow knows, as shades of grey.

    Returns:
        An array of shape (height, width), 0 (black) to 255 (white), at most 400 x 400.

    Raises:
        InputError: fn can't be read, is not a picture, or has only one colour.
    """
    from PIL import Image, ImageOps

    with input_errors(f'{fn}: expected a picture'), Image.open(fn) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith('I'):
            # 16 bits a pixel: Pillow would cut off all above 255.
            image = image.point(lambda value: value * (1 / 256))
        image.thumbnail((400, 400))
        image = image.convert('RGBA')
    # Transparent pixels become grey, so that black and white ink are visible on them.
    paper = Image.new('RGBA', image.size, 'grey')
    pixels = np.asarray(Image.alpha_composite(paper, image).convert('L'), np.float32)
    if np.ptp(pixels) < 16:
        raise InputError(f'{fn}: expected a drawing, found a picture of one colour')
    return pixels


def read_image(fn):
    """Read a picture of one digit, and make it similar to the digits of MNIST.

    The ink becomes 1 and the paper 0, whichever is darker; the digit is cut out, scaled
    to 20 x 20 pixels, and placed with its centre of mass in the middle of 28 x 28
    pixels (LeCun et al. 1998, section III.A).

    Returns:
        An array of shape (28, 28).

    Raises:
        InputError: fn is not a picture, or has only one colour.
    """
    from PIL import Image
    from scipy import ndimage

    pixels = read_picture(fn)
    # |pixels| = (height, width)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ink = pixels - np.median(border)
    if -ink.min() > ink.max():
        ink = -ink
    ink = np.clip(ink / ink.max() * 1.4 - 0.4, 0, 1)

    # Cut out and scale: a thin line keeps a width of one pixel.
    ink = ink[ndimage.find_objects((ink > 0).astype(int))[0]]
    height, width = np.maximum(1, np.round(20 * np.array(ink.shape) / max(ink.shape)))
    size = int(width), int(height)
    ink = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BILINEAR))

    # Centre
    square = np.zeros((28, 28), np.float32)
    centre = np.add(ndimage.center_of_mass(ink), 0.5)
    top, left = np.clip(np.round(14 - centre), 0, 28 - np.array(ink.shape)).astype(int)
    square[top : top + ink.shape[0], left : left + ink.shape[1]] = ink / ink.max()
    return square


def read_good(fns, read):
    """Read pictures; report those that can't be read, and leave them out.

    If none can be read, the program ends with exit status 2.

    Arguments:
        fns: the files.
        read: makes an array or a tensor of a file, or raises an InputError.

    Returns:
        The files that could be read, and what read has made of each.
    """
    pairs = []
    for fn in fns:
        try:
            pairs.append((fn, read(fn)))
        except InputError as error:
            log(f'error: {error}')
    if not pairs:
        sys.exit(2)
    return zip(*pairs, strict=True)
