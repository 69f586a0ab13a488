"""Teach a backbone to read printed characters, for train.py to go on from.

    python pretrain.py --model_fn model.pth
    python pretrain.py --model_fn model.pth --model_name squeezenet --image_size 48

The digits and letters of the fonts that matplotlib ships are drawn once: as they are
printed, and as three pens would write them. Each training batch bends, turns, thickens
and dirties some of them in its own way, so no image is seen twice. The weights are
saved beside --model_fn, as resnet.glyphs.32.pth.
"""

import sys

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
    save_figure,
)
from weights import GLYPHS, get_glyphs_fn

# How a backbone is pre-trained if nobody says otherwise.
OPTIONS = {'seed': 0, 'n_images': 25_600, 'batch_size': 64, 'lr': 2e-3}


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
    from glyphs import draw_batch, render_glyphs

    device = next(model.parameters()).device
    batch_size, lr = options['batch_size'], options['lr']
    n_steps = max(10, options['n_images'] // batch_size)
    crit = nn.CrossEntropyLoss()
    optimizer = optim.AdamW(model.parameters(), lr=lr, fused=True)
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

    from glyphs import CLASSES
    from model import TransferClassifier, get_backbone

    check_model_fn(fn)
    device = get_device(config.gpu_id)
    with torch.random.fork_rng():
        torch.manual_seed(options['seed'])
        backbone, n_features = get_backbone(config.model_name, config.image_size)
        model = TransferClassifier(backbone, n_features, len(CLASSES), is_frozen=False)
        accuracy = learn(model.to(device), options, config)

    checkpoint = {
        'chapter': GLYPHS,
        'model_name': config.model_name,
        'image_size': config.image_size,
        'n_channels': 3,
        'options': options,
        'accuracy': accuracy,
        'class_names': CLASSES,
        'backbone': backbone.state_dict(),
    }
    save_checkpoint(checkpoint, fn)
    log(f'{accuracy:.1%} of the last printed characters were read right')


def draw_print(image_size, fn):
    """Draw characters as a backbone sees them in its pre-training."""
    import torch
    from matplotlib.figure import Figure

    from glyphs import draw_batch, render_glyphs

    with torch.random.fork_rng():
        torch.manual_seed(0)
        x, _ = draw_batch(*render_glyphs(), 60, image_size)
        # |x| = (60, 1, image_size, image_size)
    figure = Figure(figsize=(9, 6), layout='constrained')
    for axes, image in zip(figure.subplots(6, 10).flat, x, strict=True):
        axes.imshow(image.squeeze(0), cmap='gray_r', vmin=0, vmax=1)
        axes.axis('off')
    save_figure(figure, fn)


def main(config):
    """Pre-train, save the backbone, and draw what there was to read."""
    fn = get_glyphs_fn(config)
    pretrain(fn, config, {name: getattr(config, name) for name in OPTIONS})
    picture_fn = fn.with_suffix('.png')
    draw_print(config.image_size, picture_fn)
    log(f'saved: {fn}, some of the characters: {picture_fn}')


if __name__ == '__main__':
    run(main, define_argparser())
