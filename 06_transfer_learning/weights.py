"""Where a backbone's weights come from: ImageNet's photographs, printed characters."""

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
        return
    if config.pretrained == 'none':
        log('weights: random ones')
        return
    if config.weights_fn:
        fn, weights = config.weights_fn, read_weights(config.weights_fn, config)
    elif config.pretrained == 'glyphs':
        fn, weights = find_glyphs(config)
    else:
        try:
            fn, weights = find_imagenet(config)
        except InputError as error:
            if config.pretrained != 'auto':
                raise
            log(f'warning: {error}')
            log('going on with weights learned from printed characters')
            fn, weights = find_glyphs(config)
    copy_weights(model.backbone, weights, fn, config.model_name)
    log(f'weights: {fn}')


def get_imagenet_fn(config):
    """Return where torchvision keeps, or would keep, its weights of a network."""
    import torch
    from torchvision import models

    from model import NETWORKS

    url = models.get_model_weights(NETWORKS[config.model_name]).DEFAULT.url
    folder = config.weights_dir or Path(torch.hub.get_dir(), 'checkpoints')
    return url, Path(folder, url.rpartition('/')[2])


def find_imagenet(config):
    """Return the file of ImageNet's weights, downloaded if need be, and its content.

    A download is checked against the hash in its name, and whole or not there at all.

    Raises:
        InputError: there is no file, and it can't be downloaded or written.
    """
    import torch

    url, fn = get_imagenet_fn(config)
    if not fn.exists():
        log(f'downloading {url}')
        patience = socket.getdefaulttimeout()
        try:
            socket.setdefaulttimeout(15)
            fn.parent.mkdir(parents=True, exist_ok=True)
            hash_prefix = re.search(r'-([0-9a-f]{8,})\.', fn.name)[1]
            is_shown = sys.stderr.isatty()
            torch.hub.download_url_to_file(url, fn, hash_prefix, progress=is_shown)
        except (OSError, RuntimeError, HTTPException) as error:
            reason = ' '.join(str(error).split())
            raise InputError(
                f'{fn}: not there, and {url} can not be downloaded ({reason}); put the '
                'file there by hand, or name it with --weights_fn'
            ) from error
        finally:
            socket.setdefaulttimeout(patience)
    return fn, read_weights(fn, config)


def get_glyphs_fn(config):
    """Return where the weights learned from printed characters are kept."""
    folder = config.weights_dir or Path(config.model_fn).parent
    return Path(folder, f'{config.model_name}.glyphs.{config.image_size}.pth')


def find_glyphs(config):
    """Return the file of weights from printed characters, and its content.

    Raises:
        InputError: the file is there and no such, or can't be written.
    """
    fn = get_glyphs_fn(config)
    if not fn.exists():
        from pretrain import pretrain

        log(f'{fn}: not there yet, so the backbone first learns to read print')
        pretrain(fn, config)
    return fn, read_weights(fn, config)


def read_weights(fn, config):
    """Read weights that pretrain.py or torchvision has written.

    Returns:
        A state dict.

    Raises:
        InputError: fn can't be read, holds more than plain data, or was pre-trained
            for another network or size.
    """
    import torch

    from model import NETWORKS

    expected = f'expected weights of {NETWORKS[config.model_name]}'
    try:
        with open(fn, 'rb') as file, warnings.catch_warnings():
            warnings.simplefilter('ignore')
            content = torch.load(file, map_location='cpu', weights_only=True)
            is_print = content.get('chapter') == GLYPHS
            found = content if is_print else None
            weights = dict(content['backbone'] if is_print else content)
    except OSError as error:
        raise InputError(f'{fn}: {expected}: {error.strerror}') from error
    except Exception as error:
        # Damaged bytes raise whatever they happen to hit inside the reader.
        raise InputError(f'{fn}: {expected}, this is damaged or no such') from error

    for name in ('model_name', 'image_size') if is_print else ():
        if found[name] != getattr(config, name):
            raise InputError(
                f'{fn}: expected --{name} {getattr(config, name)}, found {found[name]}'
            )
    return weights


def copy_weights(backbone, weights, fn, model_name):
    """Put weights into a backbone; those of a head that it does not have are left out.

    Raises:
        InputError: a weight is missing, or has another shape.
    """
    if model_name == 'densenet':
        # The file is older than the names: norm.1 has become norm1.
        weights = {
            re.sub(r'\.(norm|conv)\.([12])\.', r'.\1\2.', name): weight
            for name, weight in weights.items()
        }
    chosen = {}
    for name, weight in backbone.state_dict().items():
        if getattr(weights.get(name), 'shape', None) != weight.shape:
            raise InputError(
                f'{fn}: expected weights of {model_name}, in which {name} '
                f'has the shape {tuple(weight.shape)}'
            )
        chosen[name] = weights[name]
    backbone.load_state_dict(chosen)
