"""Where a backbone's weights come from: photographs, or printed characters."""

import re
import socket
import sys
import warnings
from http.client import HTTPException
from pathlib import Path

from utils import InputError, log

# The kind of checkpoint that pretrain.py writes.
GLYPHS = '06_transfer_learning/glyphs'


def load_weights(model, config, state=None):
    """Give a model the weights that --pretrained asks for, and say which they are.

    Arguments:
        model: its backbone is changed in place.
        config: the options; auto takes ImageNet's weights, or those of printed
            characters if ImageNet's are not there and can't be downloaded.
        state: that of the training to go on with, which has all weights, or None.

    Raises:
        InputError: the weights can't be had, or are those of another network.
    """
    if state:
        model.load_state_dict(state['model'])
    elif config.weights_fn:
        copy_weights(model.backbone, config.weights_fn, config)
    elif config.pretrained == 'none':
        log('weights: random')
    else:
        copy_weights(model.backbone, find_weights(config), config)


def find_weights(config):
    """Return the file of the weights that --pretrained asks for: there it is now.

    Raises:
        InputError: they can't be had.
    """
    if config.pretrained in ('imagenet', 'auto'):
        try:
            return download_imagenet(config)
        except InputError as error:
            if config.pretrained == 'imagenet':
                raise
            log(f'warning: {error}; going on with printed characters')

    fn = get_glyphs_fn(config)
    if not fn.exists():
        from pretrain import pretrain

        log(f'{fn}: not there yet, so the backbone learns to read print first')
        pretrain(fn, config)
    return fn


def get_glyphs_fn(config):
    """Return where the weights learned from printed characters are kept."""
    folder = config.weights_dir or Path(config.model_fn).parent
    return Path(folder, f'{config.model_name}.glyphs.{config.image_size}.pth')


def download_imagenet(config):
    """Return the file of torchvision's weights, downloaded if it is not there yet.

    A download is held to the hash in its name, and there whole or not at all.

    Raises:
        InputError: there is no file, and it can't be downloaded or written.
    """
    import torch
    from torchvision import models

    from model import NETWORKS

    name, _, _ = NETWORKS[config.model_name]
    url = models.get_model_weights(name).DEFAULT.url
    folder = config.weights_dir or Path(torch.hub.get_dir(), 'checkpoints')
    fn = Path(folder, url.rpartition('/')[2])
    if fn.exists():
        return fn
    log(f'downloading {url}')
    patience = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(15)
        fn.parent.mkdir(parents=True, exist_ok=True)
        hash_prefix = re.search(r'-([0-9a-f]{8,})\.', fn.name)[1]
        torch.hub.download_url_to_file(url, fn, hash_prefix, sys.stderr.isatty())
    except (OSError, RuntimeError, HTTPException) as error:
        reason = ' '.join(str(error).split())
        raise InputError(
            f'{fn}: not there, and {url} can not be downloaded ({reason}); '
            'put the file there by hand, or name it with --weights_fn'
        ) from error
    finally:
        socket.setdefaulttimeout(patience)
    return fn


def copy_weights(backbone, fn, config):
    """Put the weights of a file into a backbone, but for those of a classifier.

    Raises:
        InputError: the file is no such, or was pre-trained for another size.
    """
    content = read_weights(fn, config.model_name)
    weights, origin = content, 'ImageNet'
    if content.get('chapter') == GLYPHS:
        weights, origin = content['backbone'], 'printed characters'
        if content['image_size'] != config.image_size:
            raise InputError(
                f'{fn}: expected weights for --image_size {config.image_size}, found '
                f'some for {content["image_size"]}'
            )
    if config.model_name == 'densenet':
        # The file is older than the names: norm.1 has become norm1.
        pattern = re.compile(r'\.(norm|conv)\.([12])\.')
        weights = {pattern.sub(r'.\1\2.', name): weights[name] for name in weights}

    expected = backbone.state_dict()
    for name, weight in expected.items():
        if getattr(weights.get(name), 'shape', None) != weight.shape:
            raise InputError(
                f'{fn}: expected weights of {config.model_name}, with {name} of the '
                f'shape {tuple(weight.shape)}'
            )
    backbone.load_state_dict({name: weights[name] for name in expected})
    log(f'weights: {origin}, from {fn}')


def read_weights(fn, model_name):
    """Read a file that pretrain.py has written, or a state dict of torchvision.

    Returns:
        A dict of plain data.

    Raises:
        InputError: fn can't be read, or holds more than plain data.
    """
    import torch

    expected = f'expected weights of {model_name}'
    try:
        with open(fn, 'rb') as file, warnings.catch_warnings():
            # Of a strange file, torch says in many lines what we say in one.
            warnings.simplefilter('ignore')
            return dict(torch.load(file, map_location='cpu', weights_only=True))
    except OSError as error:
        raise InputError(f'{fn}: {expected}: {error.strerror}') from error
    except Exception as error:
        # Damaged bytes raise whatever they happen to hit inside the reader.
        raise InputError(f'{fn}: {expected}, this is damaged or no such') from error
