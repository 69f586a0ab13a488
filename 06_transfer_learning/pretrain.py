"""Pre-train a backbone on printed characters, for train.py to start from.

    python pretrain.py --model_fn model.pth
    python pretrain.py --model_fn model.pth --model_name squeezenet --image_size 48

make_sample.py draws the characters: each training batch is distorted anew, so no image
is seen twice. The weights are saved beside --model_fn, as resnet.glyphs.32.pth.
"""

import sys
from pathlib import Path

from guards import check_model_fn, get_argparser, log, number, run, save_checkpoint
from utils import get_device

# The kind of checkpoint that this program writes.
GLYPHS = '06_transfer_learning/glyphs'

# How train.py pre-trains a backbone.
OPTIONS = {'seed': 0, 'n_images': 25_600, 'batch_size': 64, 'lr': 2e-3}


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Pre-train a backbone on printed characters.')
    add_backbone_options(p)
    option = p.add_argument
    option('--seed', type=number(int, 0), help='of the random numbers')
    option('--n_images', type=number(int, 1), help='images to train on')
    option('--batch_size', type=number(int, 2), help='images a step')
    option('--lr', type=number(float, 0), help='highest learning rate')
    verbose_help = '2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)
    p.set_defaults(image_size=32, head='linear', **OPTIONS)
    return p


def add_backbone_options(parser):
    """Add the options of the backbone, which train.py and pretrain.py share."""
    option = parser.add_argument
    families = ['resnet', 'alexnet', 'vgg', 'squeezenet', 'densenet']
    name_help = 'family of the backbone'
    option('--model_name', choices=families, default='resnet', help=name_help)
    head_help = 'the new head replaces the last layer, or all linear ones; None: last '
    imagenet_help = "for ImageNet's weights, else linear"
    option('--head', choices=['last', 'linear'], help=head_help + imagenet_help)
    size_help = "of the resized images; None: 224 for ImageNet's weights, else 32"
    option('--image_size', type=number(int, 16, 1024), help=size_help)
    folder_help = "folder of the weights; None: torch's own for ImageNet's, that of "
    option('--weights_dir', help=folder_help + '--model_fn for printed characters')


def get_glyphs_fn(config):
    """Return where the weights of printed characters are kept."""
    folder = config.weights_dir or Path(config.model_fn).parent
    return str(Path(folder, f'{config.model_name}.glyphs.{config.image_size}.pth'))


def pretrain(fn, config, options=OPTIONS):
    """Train a backbone to classify printed characters, and save its weights.

    The random numbers of the caller stay as they are.

    Arguments:
        fn: the file to write.
        config: the options gpu_id, verbose, model_name, image_size and head.
        options: the numbers seed, n_images, batch_size and lr, a dict.

    Raises:
        InputError: fn can't be written, or the loss is not a number any more.
    """
    import torch

    from make_sample import CLASSES, draw_batches
    from model import TransferClassifier, get_backbone
    from trainer import train_on_stream

    check_model_fn(fn)
    device, size = get_device(config.gpu_id), config.image_size
    with torch.random.fork_rng():
        torch.manual_seed(options['seed'])
        backbone, n_features = get_backbone(config.model_name, size, config.head)
        model = TransferClassifier(backbone, n_features, len(CLASSES), is_frozen=False)
        batches = draw_batches(options['batch_size'], size)
        n_steps = max(10, options['n_images'] // options['batch_size'])
        is_shown = config.verbose == 2 and sys.stderr.isatty()
        model.to(device)
        accuracy = train_on_stream(model, batches, n_steps, options['lr'], is_shown)

    checkpoint = {'chapter': GLYPHS, 'model_name': config.model_name}
    checkpoint |= {'image_size': size, 'n_channels': 3, 'class_names': CLASSES}
    checkpoint |= {'options': options, 'accuracy': accuracy}
    save_checkpoint(checkpoint | {'backbone': backbone.state_dict()}, fn)
    log(f'{accuracy:.1%} of the last printed characters were classified correctly')


def main(config):
    """Pre-train, save the backbone, and draw some of the characters."""
    from make_sample import draw_sample

    fn = get_glyphs_fn(config)
    pretrain(fn, config, {name: getattr(config, name) for name in OPTIONS})
    log(f'saved: {fn}')
    draw_sample(config.image_size, Path(fn).with_suffix('.png'))


if __name__ == '__main__':
    run(main, define_argparser())
