"""Faster training with the same result; --no-fast turns it off."""

import sys

import torch
from tqdm import tqdm

from data_loader import get_loader
from utils import get_autocast


def reuse_features(trainer, loaders):
    """Return loaders of features, computed once from the images of other loaders.

    A frozen backbone computes the same features in each epoch if the images are not
    augmented. This saves all epochs but the first one the forward pass through the
    backbone. It draws no random number, so the training stays the same.

    Arguments:
        trainer: its model has a frozen backbone.
        loaders: for training and for validation, of images that are not augmented.
    """
    backbone = trainer.model.eval().backbone
    feature_loaders = []
    for loader, is_train in zip(loaders, (True, False), strict=True):
        x, y = loader.dataset.tensors
        batch_size, is_hidden = loader.sampler.batch_size, not sys.stderr.isatty()
        bar = tqdm(x.split(batch_size), 'features', leave=False, disable=is_hidden)
        autocast = get_autocast(trainer.device, trainer.config['amp'])
        with torch.no_grad(), autocast:
            features = [
                backbone(loader.collate_fn((x_i,))[0].to(trainer.device)).cpu()
                for x_i in bar
            ]
        tensors = (torch.cat(features), y)
        feature_loaders.append(get_loader(tensors, batch_size, is_train))
    return feature_loaders
