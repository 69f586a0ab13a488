"""Where the weights of a backbone come from: ImageNet, or printed characters."""

import contextlib
import socket
import sys
import warnings
from pathlib import Path

from guards import InputError, input_errors, log
from pretrain import GLYPHS, get_glyphs_fn, pretrain


def choose_weights(config, state=None):
    """Choose the file of the weights, and the options that depend on it.

    Sets weights_fn (None means random weights), and sets image_size and head if they
    are None. A file of printed characters need not exist yet: load_weights() makes it.

    Arguments:
        state: that of a training to resume, which has all of this already, or None.

    Raises:
        InputError: the weights can't be read or downloaded.
    """
    if state:
        return
    is_imagenet = False
    if config.weights_fn:
        # torchvision's files contain nothing but weights.
        content = read_weights(config.weights_fn, config.model_name)
        is_imagenet = 'chapter' not in content
    elif config.pretrained in ('imagenet', 'auto'):
        try:
            config.weights_fn, is_imagenet = download_imagenet(config), True
        except InputError as error:
            if config.pretrained == 'imagenet':
                raise
            log(f'warning: {error}; continuing with printed characters')

    config.image_size = config.image_size or (224 if is_imagenet else 32)
    config.head = config.head or ('last' if is_imagenet else 'linear')
    if not config.weights_fn and config.pretrained != 'none':
        config.weights_fn = get_glyphs_fn(config)


def load_weights(model, config, state=None):
    """Give a model the weights that choose_weights() has chosen, and say which.

    Arguments:
        state: that of a training to resume, which has all weights already, or None.

    Raises:
        InputError: they are those of another network, or of another image size.
    """
    fn, name = config.weights_fn, config.model_name
    if state:
        return
    if not fn:
        log('weights: random')
        return
    if not Path(fn).exists():
        log(f'{fn}: not there yet, so the backbone learns printed characters first')
        pretrain(fn, config)

    weights, origin = read_weights(fn, name), 'ImageNet'
    if weights.get('chapter') == GLYPHS:
        image_size, origin = weights['image_size'], 'printed characters'
        if image_size != config.image_size:
            expected = f'expected weights for --image_size {config.image_size}'
            raise InputError(f'{fn}: {expected}, found some for {image_size}')
        weights = weights['backbone']
    with input_errors(f'{fn}: expected weights of {name}', ValueError):
        model.load_backbone(weights)
    log(f'weights: {origin}, from {fn}')


def download_imagenet(config):
    """Return the file of torchvision's weights, which downloads it if it is missing.

    torchvision checks a download against the hash in its name.

    Raises:
        InputError: there is no file, and it can't be downloaded or written.
    """
    import torch
    from torchvision import models

    from model import NETWORKS

    weights = models.get_model_weights(NETWORKS[config.model_name][0]).DEFAULT
    folder = config.weights_dir or str(Path(torch.hub.get_dir(), 'checkpoints'))
    fn = Path(folder, weights.url.rpartition('/')[2])
    if fn.exists():
        return str(fn)
    # A server that does not answer would keep us waiting for ever.
    socket.setdefaulttimeout(15)
    is_shown = sys.stderr.isatty()
    advice = 'not there; put it there, or name it with --weights_fn'
    failed = f'{fn}: {advice}; {weights.url} cannot be downloaded'
    with input_errors(failed), contextlib.redirect_stdout(sys.stderr):
        weights.get_state_dict(
            model_dir=folder, progress=is_shown, check_hash=True, weights_only=True
        )
    return str(fn)


def read_weights(fn, model_name):
    """Read a file that pretrain.py has written, or a state dict of torchvision.

    Returns:
        A dict of plain data.

    Raises:
        InputError: fn can't be read, or contains more than plain data.
    """
    import torch

    try:
        with open(fn, 'rb') as file, warnings.catch_warnings():
            # torch warns about unknown files in many lines; one line is enough.
            warnings.simplefilter('ignore')
            return dict(torch.load(file, map_location='cpu', weights_only=True))
    except Exception as error:
        # torch's own reasons are many lines, too.
        reason = getattr(error, 'strerror', None) or 'it is damaged, or another file'
        raise InputError(f'{fn}: expected weights of {model_name}: {reason}') from error
