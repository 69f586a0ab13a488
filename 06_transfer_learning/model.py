"""The model: a network of torchvision without its last layers, and a new head."""

import re

import torch
from torch import nn
from torchvision import models
from torchvision.transforms import v2

from guards import InputError

# The smallest network of each family: its name in torchvision, the number of features
# that its convolutions compute, and the smallest image size that its pooling layers
# accept, in pixels.
NETWORKS = {
    'resnet': ('resnet18', 512, 16),
    'alexnet': ('alexnet', 256, 63),
    'vgg': ('vgg11_bn', 512, 32),
    'squeezenet': ('squeezenet1_1', 512, 17),
    'densenet': ('densenet121', 1024, 29),
}

# The mean and std of each channel of ImageNet's photographs: the networks expect images
# that are normalised with them.
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

# torchvision's file for densenet has old names: norm.1 is now norm1.
OLD_NAME = re.compile(r'\.(norm|conv)\.([12])\.')


def get_transform(image_size, mean, std):
    """Return the transform that makes images what a backbone expects.

    Training and prediction use it alike.

    Arguments:
        mean, std: of each of the three channels.

    Returns:
        A function of images of shape (batch_size, n_channels, height, width), of one
        channel or of three: floats from 0 to 1, or bytes from 0 to 255. It returns
        floats of shape (batch_size, 3, image_size, image_size).
    """
    return v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Resize([image_size, image_size]),
            # One channel of grey becomes three, because there are three means.
            v2.Normalize(mean, std),
        ]
    )


class TransferClassifier(nn.Module):
    """A backbone that can be frozen, and a new linear layer for our own classes.

    Frozen means that the parameters of the backbone stay the same, and also the running
    statistics of its batch normalisation: no optimizer updates these, but each batch in
    training mode does. So a frozen backbone always stays in evaluation mode.

    Arguments:
        backbone: maps images to features.
        n_features: the number of features.
        output_size: the number of classes.
        is_frozen: whether to train the head only.
    """

    def __init__(self, backbone, n_features, output_size, is_frozen):
        super().__init__()
        self.is_frozen = is_frozen
        self.backbone = backbone.requires_grad_(not is_frozen)
        self.head = nn.Linear(n_features, output_size)

    def train(self, mode=True):
        """Set the mode, but keep a frozen backbone in evaluation mode."""
        super().train(mode)
        if self.is_frozen:
            self.backbone.eval()
        return self

    def load_backbone(self, weights):
        """Copy the weights of a trained network, except those of its last layers.

        Arguments:
            weights: a state dict that contains all weights of the backbone, or more.

        Raises:
            ValueError: a weight is missing, or has another shape.
        """
        weights = {OLD_NAME.sub(r'.\1\2.', name): weights[name] for name in weights}
        own_weights = self.backbone.state_dict()
        for name, weight in own_weights.items():
            if getattr(weights.get(name), 'shape', None) != weight.shape:
                raise ValueError(f'no {name} of the shape {tuple(weight.shape)}')
        self.backbone.load_state_dict({name: weights[name] for name in own_weights})

    def forward(self, x):
        """Return the logits of a batch of images, or of features from fast.py."""
        features = x if x.dim() == 2 else self.backbone(x)
        # |features| = (batch_size, n_features)
        y_hat = self.head(features)
        # |y_hat| = (batch_size, output_size)
        return y_hat


def get_backbone(model_name, image_size, head='linear'):
    """Build a network of torchvision with random weights, without its last layers.

    alexnet and vgg have three fully connected layers behind their convolutions, with
    most of their weights and all of their dropout. With head='last', the network loses
    only the last one, and the features are the output of the layer before. With
    head='linear', it loses all three, and the features are the output of the
    convolutions, averaged over all positions. The other families have one such layer,
    so both are the same for them.

    Arguments:
        model_name: a key of NETWORKS.
        image_size: the height and width of the images.
        head: what the new head replaces, last or linear.

    Returns:
        The network, which maps (batch_size, 3, image_size, image_size) to
        (batch_size, n_features), and n_features.

    Raises:
        InputError: the images are too small for the network.
    """
    name, n_features, min_size = NETWORKS[model_name]
    if image_size < min_size:
        raise InputError(f'--image_size {image_size}: {name} takes {min_size} or more')
    network = models.get_model(name, weights=None)
    if model_name == 'resnet':
        network.fc = nn.Identity()
    elif model_name == 'squeezenet':
        network.classifier = nn.AdaptiveAvgPool2d(1)
    elif model_name == 'densenet':
        network.classifier = nn.Identity()
    elif head == 'last':
        n_features = network.classifier[-1].in_features
        network.classifier[-1] = nn.Identity()
    else:
        network.avgpool = nn.AdaptiveAvgPool2d(1)
        network.classifier = nn.Identity()
    return network, n_features


def get_model(config, output_size):
    """Build the network that config['model_name'] names.

    Arguments:
        config: the options of the training, a dict. A checkpoint from before --head
            existed has no such entry; its head is a linear one.
        output_size: the number of classes.
    """
    backbone, n_features = get_backbone(
        config['model_name'], config['image_size'], config.get('head') or 'linear'
    )
    return TransferClassifier(backbone, n_features, output_size, config['freeze'])


def get_parameter_groups(model, config):
    """Give the head and the backbone a learning rate each.

    The head begins with random weights and needs large steps. The weights of a trained
    backbone are good already, and large steps would destroy what it has learned before
    the head is of any use.

    Arguments:
        config: the options lr, backbone_lr, pretrained and weights_fn.

    Returns:
        The parameter groups for an optimizer: a list of two dicts.
    """
    is_trained = config.weights_fn or config.pretrained != 'none'
    backbone_lr = config.backbone_lr
    if backbone_lr is None:
        backbone_lr = config.lr / 10 if is_trained else config.lr
    return [
        {'params': model.head.parameters(), 'lr': config.lr},
        {'params': model.backbone.parameters(), 'lr': backbone_lr},
    ]


def count_parameters(model):
    """Say how many parameters of a model are trained: '5,130 of 11,181,642'."""
    n_all = sum(p.numel() for p in model.parameters())
    n_trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return f'{n_trained:,} of {n_all:,}'
