"""The model: a network of torchvision without its classifier, and one of our own."""

from torch import nn
from torchvision import models

from utils import InputError

# The smallest network of each family: torchvision's name for it, the number of its
# features, and the smallest images, in pixels, that leave its last pooling something.
NETWORKS = {
    'resnet': ('resnet18', 512, 16),
    'alexnet': ('alexnet', 256, 63),
    'vgg': ('vgg11_bn', 512, 32),
    'squeezenet': ('squeezenet1_1', 512, 17),
    'densenet': ('densenet121', 1024, 29),
}


class TransferClassifier(nn.Module):
    """A backbone that may be frozen, and a new linear layer for classes of our own.

    Frozen are the parameters of the backbone and all else that would differ between
    training and evaluation: the running statistics of its batch normalisation, which
    no optimizer touches, but each training batch does.

    Arguments:
        backbone: maps images to features.
        n_features: the number of features.
        output_size: the number of classes.
        is_frozen: whether to train the head alone.
    """

    def __init__(self, backbone, n_features, output_size, is_frozen):
        super().__init__()
        self.is_frozen = is_frozen
        self.backbone = backbone.requires_grad_(not is_frozen)
        self.head = nn.Linear(n_features, output_size)

    def train(self, mode=True):
        """Set the mode, but leave a frozen backbone in that of evaluation."""
        super().train(mode)
        if self.is_frozen:
            self.backbone.eval()
        return self

    def forward(self, x):
        """Return the logits of a batch of images, or of features computed before."""
        features = x if x.dim() == 2 else self.backbone(x)
        # |features| = (batch_size, n_features)
        y_hat = self.head(features)
        # |y_hat| = (batch_size, output_size)
        return y_hat


def get_backbone(model_name, image_size):
    """Build a network of torchvision, with random weights and without its classifier.

    What comes out is the mean over all places of what the convolutions find, whatever
    the family: alexnet and vgg have three linear layers behind theirs, which hold most
    of their weights and all of their dropout, and go too.

    Arguments:
        model_name: a key of NETWORKS.
        image_size: the height and width of the images.

    Returns:
        The network, which maps (batch_size, 3, image_size, image_size) to
        (batch_size, n_features), and n_features.

    Raises:
        InputError: the images are too small for it.
    """
    name, n_features, min_size = NETWORKS[model_name]
    if image_size < min_size:
        raise InputError(f'--image_size {image_size}: {name} takes {min_size} or more')
    network = models.get_model(name, weights=None)
    if model_name == 'resnet':
        network.fc = nn.Identity()
    elif model_name == 'squeezenet':
        network.classifier = nn.AdaptiveAvgPool2d(1)
    else:
        network.avgpool = nn.AdaptiveAvgPool2d(1)
        network.classifier = nn.Identity()
    return network, n_features


def get_model(config, output_size):
    """Build the network that config['model_name'] names.

    Arguments:
        config: the options of the training, a dict.
        output_size: the number of classes.
    """
    backbone, n_features = get_backbone(config['model_name'], config['image_size'])
    return TransferClassifier(backbone, n_features, output_size, config['freeze'])


def get_parameter_groups(model, config):
    """Give each part of a model the learning rate that becomes it.

    The head begins with random weights, and has far to go. What a backbone has learned
    is what it is there for, and large steps would shake it before the head is any use.

    Arguments:
        config: the options lr, backbone_lr, pretrained and weights_fn.

    Returns:
        What an optimizer takes: a list of two dicts.
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
    """Say how many of a model's numbers an optimizer moves: '5,130 of 11,181,642'."""
    n_all = sum(p.numel() for p in model.parameters())
    n_trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return f'{n_trained:,} of {n_all:,}'
