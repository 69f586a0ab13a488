"""Score a trained classifier on the test split, or read pictures of one's own.

    python predict.py --model_fn model.pth
    python predict.py --model_fn model.pth --image my_seven.png photo_of_a_3.jpg

The first prints `accuracy: 0.9700` and the confusion matrix, and draws images that were
classified right and wrong. The second prints one line for each picture: its name, and
the three most probable classes with their probabilities, separated by tabs. A picture
that cannot be read is an error on stderr, and the exit status is 2 at the end.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

from guards import get_argparser, load_checkpoint, run, save_figure
from pictures import read_good, read_image
from utils import get_device


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Score on the test split, or read pictures.')
    p.add_argument('--data_dir', help='folder of the datasets; None: as in training')
    p.add_argument('--image', nargs='+', help='pictures to read instead')
    p.add_argument('--figure_fn', help='PNG to draw; None: beside the checkpoint')
    return p


def predict(model, x, batch_size=1024):
    """Return the probability of each class for each image.

    Arguments:
        x: images as the model takes them, a tensor on the CPU, (n_images, ...).

    Returns:
        A float tensor of shape (n_images, n_classes), on the CPU.
    """
    import torch

    device = next(model.parameters()).device
    with torch.no_grad():
        y_hat = [model(x_i.to(device)).cpu() for x_i in x.split(batch_size)]
    return torch.cat(y_hat).softmax(dim=-1)


def load_model(checkpoint):
    """Build the classifier that a checkpoint describes, ready to predict.

    Returns:
        The network, behind the transform that makes images what its backbone expects.
    """
    from torch import nn

    from model import get_model, get_transform

    config = checkpoint['config']
    network = get_model(config, len(checkpoint['class_names']))
    network.load_state_dict(checkpoint['model'])
    mean, std = checkpoint['mean'], checkpoint['std']
    transform = get_transform(config['image_size'], mean, std)
    return nn.Sequential(transform, network).eval()


def draw_images(figure, title, x, captions):
    """Draw up to 20 images in rows of five, each under its caption.

    Arguments:
        figure: the matplotlib Figure, or a part of one, to draw on.
        x: a tensor of shape (n_images, n_channels, height, width), of one channel (ink
            on paper) or of three.
        captions: n_images strings.
    """
    figure.suptitle(title)
    for i, (image, caption) in enumerate(zip(x[:20], captions[:20], strict=True)):
        axes = figure.add_subplot(4, 5, i + 1)
        axes.imshow(image.permute(1, 2, 0).numpy(), cmap='gray_r', vmin=0, vmax=1)
        axes.set_title(caption, fontsize=8)
        axes.axis('off')


def score(model, checkpoint, config, figure):
    """Print and draw how well the test split is classified; return its images."""
    import pandas as pd
    import torch
    from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score

    from data_loader import load_images

    options, names = checkpoint['config'], checkpoint['class_names']
    data_dir = config.data_dir or options['data_dir']
    x, y, _ = load_images(options | {'data_dir': data_dir}, False, names)
    p, y_hat = predict(model, x, batch_size=64).max(dim=-1)
    # |p| = (n_images,)
    # |y_hat| = (n_images,)

    left, right = figure.subfigures(1, 2)
    labels = {'labels': range(len(names)), 'display_labels': names}
    display = ConfusionMatrixDisplay.from_predictions(
        y, y_hat, **labels, xticks_rotation='vertical', ax=right.subplots()
    )
    print(f'dataset: {options["dataset"]}\nn_images: {len(x)}')
    print(f'accuracy: {accuracy_score(y, y_hat):.4f}\nconfusion_matrix:')
    table = pd.DataFrame(display.confusion_matrix, names, names)
    table.to_csv(sys.stdout, sep='\t', index_label='true \\ predicted')

    right_ones, wrong_ones = (y_hat == y).nonzero(), (y_hat != y).nonzero()
    shown = torch.cat([right_ones[:10], wrong_ones[:10]]).flatten()
    # |shown| = (n_shown,)
    captions = [f'{names[y[i]]}\nas {names[y_hat[i]]}, {p[i]:.0%}' for i in shown]
    title = 'Ten images classified right, and up to ten classified wrong'
    draw_images(left, title, x[shown], captions)
    return x


def read_images(model, checkpoint, config, figure):
    """Print and draw how the model classifies one's own pictures; return the images."""
    import torch

    from data_loader import read_colour_picture

    if checkpoint['config']['dataset'] == 'folder':
        size = checkpoint['config']['image_size']
        read = partial(read_colour_picture, image_size=size)
        fns, images = read_good(config.image, read)
        x = torch.stack(images)
    else:
        fns, images = read_good(config.image, read_image)
        x = torch.from_numpy(np.stack(images)).unsqueeze(1)
    n_answers = min(3, len(checkpoint['class_names']))
    p, y_hat = predict(model, x, batch_size=64).topk(n_answers)
    # |p| = (n_images, n_answers)
    # |y_hat| = (n_images, n_answers)
    captions = []
    for fn, p_i, y_hat_i in zip(fns, p, y_hat, strict=True):
        names = [checkpoint['class_names'][answer] for answer in y_hat_i]
        answers = [f'{name} {p_ij:.4f}' for name, p_ij in zip(names, p_i, strict=True)]
        print(fn, *answers, sep='\t')
        captions.append(answers[0])
    draw_images(figure, 'What the model saw, and its answer', x, captions)
    return x


def main(config):
    """Predict, print and draw."""
    from matplotlib.figure import Figure

    device = get_device(config.gpu_id)
    checkpoint = load_checkpoint(config.model_fn, '06_transfer_learning')
    model = load_model(checkpoint).to(device)

    figure = Figure(figsize=(15, 5), layout='constrained')
    use = read_images if config.image else score
    x = use(model, checkpoint, config, figure)
    figure_fn = config.figure_fn or Path(config.model_fn).with_suffix('.predict.png')
    save_figure(figure, figure_fn)
    if config.image and len(x) < len(config.image):
        sys.exit(2)


if __name__ == '__main__':
    run(main, define_argparser())
