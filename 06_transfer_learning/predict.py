"""Score a trained classifier on the test split, or read pictures of one's own.

    python predict.py --model_fn model.pth
    python predict.py --model_fn model.pth --image my_seven.png photo_of_a_3.jpg

The first prints `accuracy: 0.9700` and the confusion matrix, and draws digits that were
read right and wrong. The second prints one line for each picture: its name and the
three likeliest classes with their probabilities, separated by tabs.
"""

import math
from pathlib import Path

import numpy as np

from utils import (
    InputError,
    get_argparser,
    get_device,
    load_checkpoint,
    log,
    run,
    save_figure,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Score on the test split, or read pictures.')

    p.add_argument('--data_dir', help='folder of the datasets; None: as in training')
    p.add_argument('--image', nargs='+', help='pictures to read instead')
    p.add_argument('--figure_fn', help='PNG to draw; None: beside the checkpoint')
    return p


def load_model(checkpoint):
    """Build the classifier that a checkpoint describes, ready to predict."""
    from model import get_model

    model = get_model(checkpoint['config'], len(checkpoint['class_names']))
    model.load_state_dict(checkpoint['model'])
    model.eval()
    return model


def predict(model, x, checkpoint, batch_size=256):
    """Return the probability of each class for each image.

    Arguments:
        x: a tensor of shape (n_images, n_channels, height, width), on the CPU: floats
            from 0 to 1, or bytes from 0 to 255.
        checkpoint: holds the size, mean and std that the model was trained with.

    Returns:
        A float tensor of shape (n_images, n_classes), on the CPU.
    """
    import torch

    from data_loader import prepare

    device = next(model.parameters()).device
    image_size = checkpoint['config']['image_size']
    y_hat = []
    with torch.no_grad():
        for x_i in x.split(batch_size):
            x_i = prepare(x_i, image_size, checkpoint['mean'], checkpoint['std'])
            y_hat.append(model(x_i.to(device)).softmax(dim=-1).cpu())
    return torch.cat(y_hat)


def read_image(fn):
    """Read a picture of one digit and make it look as MNIST's digits do.

    The ink becomes 1 and the paper 0, whichever is the darker; the digit is cut out,
    scaled to a box of 20 x 20 and put with its centre of mass into the middle of
    28 x 28 pixels (LeCun et al. 1998, section III.A).

    Arguments:
        fn: a file in any format that Pillow reads, of any size.

    Returns:
        An array of shape (28, 28).

    Raises:
        InputError: the file is no picture, or an even one.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(fn) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith('I'):
                # 16 bits a pixel, of which Pillow would cut the bright ones off.
                image = image.point(lambda value: value * (1 / 256))
            image.thumbnail((400, 400))
            image = image.convert('RGBA')
    except Exception as error:
        # Damaged bytes raise whatever they happen to hit inside the reader.
        raise InputError(f'{fn}: expected a picture: {error}') from error
    # What is transparent becomes grey, so that black ink and white ink show on it.
    paper = Image.new('RGBA', image.size, 'grey')
    pixels = np.asarray(Image.alpha_composite(paper, image).convert('L'), np.float32)

    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    background = np.median(border)
    is_dark_ink = background - pixels.min() > pixels.max() - background
    ink = background - pixels if is_dark_ink else pixels - background
    if ink.max() < 16:
        raise InputError(f'{fn}: expected a digit, found an even picture')
    ink = np.clip(ink / ink.max() * 1.4 - 0.4, 0, 1)

    rows, columns = np.nonzero(ink.max(axis=1))[0], np.nonzero(ink.max(axis=0))[0]
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = 20 / max(ink.shape)
    size = [max(1, round(scale * n)) for n in reversed(ink.shape)]
    small = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BILINEAR))
    return centre(small / small.max())


def centre(ink, size=28):
    """Put an array into the middle of a square, by its centre of mass."""
    top, left = (
        np.clip(
            round(size / 2 - np.average(np.arange(n) + 0.5, weights=mass)), 0, size - n
        )
        for n, mass in zip(ink.shape, (ink.sum(axis=1), ink.sum(axis=0)), strict=True)
    )
    square = np.zeros((size, size), np.float32)
    square[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return square


def count_confusions(y, y_hat, n_classes):
    """Count how often each class was taken for each other.

    Arguments:
        y, y_hat: long tensors of shape (n_images,), the true and the predicted classes.

    Returns:
        A long tensor of shape (n_classes, n_classes): a row for each true class.
    """
    counts = (y * n_classes + y_hat).bincount(minlength=n_classes**2)
    return counts.view(n_classes, n_classes)


def draw_images(figure, title, x, captions):
    """Draw up to 20 images in rows of five, each under its caption.

    Arguments:
        figure: the matplotlib Figure, or a part of one, to draw on.
        x: a tensor of shape (n_images, n_channels, height, width), of one channel (ink
            on paper) or of three.
        captions: n_images strings.
    """
    figure.suptitle(title)
    n_rows = min(4, math.ceil(len(x) / 5)) or 1
    grid = figure.subplots(n_rows, 5)
    for axes in grid.flat:
        axes.axis('off')
    for axes, image, caption in zip(grid.flat, x, captions, strict=False):
        axes.imshow(image.permute(1, 2, 0).numpy(), cmap='gray_r', vmin=0, vmax=1)
        axes.set_title(caption, fontsize=8)


def draw_confusions(figure, confusions, class_names):
    """Draw the confusion matrix, its errors shaded."""
    figure.suptitle('Confusion matrix')
    axes = figure.subplots()
    errors = confusions.clone().fill_diagonal_(0)
    axes.imshow(errors, cmap='Reds', vmax=2 * errors.max().item() or 1)
    ticks = range(len(class_names))
    axes.set_xticks(ticks, class_names, rotation='vertical')
    axes.set_yticks(ticks, class_names)
    axes.set(xlabel='predicted', ylabel='true')
    for i, counts in enumerate(confusions.tolist()):
        for j, count in enumerate(counts):
            axes.text(j, i, count or '', ha='center', va='center', fontsize=8)


def score(model, checkpoint, config, figure):
    """Print and draw how well the model reads the test split."""
    from data_loader import load_images

    options = checkpoint['config']
    class_names = checkpoint['class_names']
    data_dir = config.data_dir or options['data_dir']
    x, y, found = load_images(options | {'data_dir': data_dir}, is_train=False)
    if found != class_names:
        raise InputError(
            f'{data_dir}: expected the classes {class_names}, found {found}'
        )

    p, y_hat = predict(model, x, checkpoint).max(dim=-1)
    # |p| = (n_images,)
    # |y_hat| = (n_images,)
    confusions = count_confusions(y, y_hat, len(class_names))
    # |confusions| = (n_classes, n_classes)

    print(f'dataset: {options["dataset"]}\nn_images: {len(x)}')
    print(f'accuracy: {(y_hat == y).float().mean().item():.4f}')
    print('confusion_matrix:')
    print('true \\ predicted', *class_names, sep='\t')
    for name, counts in zip(class_names, confusions.tolist(), strict=True):
        print(name, *counts, sep='\t')

    left, middle, right = figure.subfigures(1, 3)
    for part, title, chosen in (
        (left, 'Read right', y_hat == y),
        (middle, 'Read wrong', y_hat != y),
    ):
        answers = zip(y[chosen], y_hat[chosen], p[chosen].tolist(), strict=True)
        captions = [
            f'{class_names[true]}\nas {class_names[answer]}, {certainty:.0%}'
            for true, answer, certainty in answers
        ]
        draw_images(part, title, x[chosen], captions)
    draw_confusions(right, confusions, class_names)


def read_images(model, checkpoint, config, figure):
    """Print and draw what the model takes a person's own pictures for."""
    import torch

    from data_loader import read_picture

    if checkpoint['config']['dataset'] == 'folder':
        size = checkpoint['config']['image_size']
        x = torch.stack([read_picture(fn, size) for fn in config.image])
    else:
        x = np.stack([read_image(fn) for fn in config.image])
        x = torch.from_numpy(x).unsqueeze(1)
    n_answers = min(3, len(checkpoint['class_names']))
    p, y_hat = predict(model, x, checkpoint).topk(n_answers)
    # |p| = (n_images, n_answers)
    # |y_hat| = (n_images, n_answers)

    captions = []
    for fn, p_i, y_hat_i in zip(config.image, p.tolist(), y_hat, strict=True):
        answers = [
            f'{checkpoint["class_names"][answer]} {certainty:.4f}'
            for answer, certainty in zip(y_hat_i, p_i, strict=True)
        ]
        print(fn, *answers, sep='\t')
        captions.append(answers[0])

    draw_images(figure, 'What the model saw, and what it says', x, captions)


def main(config):
    """Predict, print and draw."""
    from matplotlib.figure import Figure

    device = get_device(config.gpu_id)
    checkpoint = load_checkpoint(config.model_fn, '06_transfer_learning')
    model = load_model(checkpoint).to(device)

    figure = Figure(figsize=(15, 5), layout='constrained')
    use = read_images if config.image else score
    use(model, checkpoint, config, figure)
    figure_fn = config.figure_fn or Path(config.model_fn).with_suffix('.predict.png')
    save_figure(figure, figure_fn)
    log(f'picture: {figure_fn}')


if __name__ == '__main__':
    run(main, define_argparser())
