"""The model: a network of torchvision without its last layer, and a head of our own."""

from torch import nn
from torchvision import models

from utils import InputError

# The smallest network of each family, and the smallest images, in pixels, that it can
# take: below, one of its pooling layers would have nothing left to pool.
NETWORKS = {
    'resnet': 'resnet18',
    'alexnet': 'alexnet',
    'vgg': 'vgg11_bn',
    'squeezenet': 'squeezenet1_1',
    'densenet': 'densenet121',
}
MIN_SIZES = {'resnet': 16, 'alexnet': 63, 'vgg': 32, 'squeezenet': 17, 'densenet': 29}


class TransferClassifier(nn.Module):
    """A backbone that may be frozen, and a new linear layer for classes of our own.

    Frozen are the parameters of the backbone and all else that would differ between
    training and evaluation: the running statistics of its batch normalisation, which
    no optimizer touches but each training batch does, and its dropout.

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
    """Build a network of torchvision, with random weights and no last layer.

    Arguments:
        model_name: a key of NETWORKS.

        image_size: the height and width of the images.

    Returns:
        The network, which maps (batch_size, 3, image_size, image_size) to
        (batch_size, n_features), and n_features.

    Raises:
        InputError: the images are too small for it.
    """
    if image_size < MIN_SIZES[model_name]:
        raise InputError(
            f'--image_size {image_size}: {model_name} takes {MIN_SIZES[model_name]} or '
            'more'
        )
    network = models.get_model(NETWORKS[model_name], weights=None)
    if model_name == 'resnet':
        n_features = network.fc.in_features
        network.fc = nn.Identity()
    elif model_name == 'densenet':
        n_features = network.classifier.in_features
        network.classifier = nn.Identity()
    elif model_name == 'squeezenet':
        # Its last layer is a convolution, and the mean over all places comes after it.
        n_features = network.classifier[1].in_channels
        network.classifier = nn.AdaptiveAvgPool2d(1)
    else:
        n_features = network.classifier[-1].in_features
        network.classifier[-1] = nn.Identity()
    return network, n_features


def get_model(config, output_size):
    """Build the network that config['model_name'] names.

    Arguments:
        config: the options of the training, a dict.
        output_size: the number of classes.
    """
    backbone, n_features = get_backbone(config['model_name'], config['image_size'])
    return TransferClassifier(backbone, n_features, output_size, config['freeze'])


def count_parameters(model):
    """Say how many of a model's numbers an optimizer moves: '5,130 of 11,181,642'."""
    n_all = sum(p.numel() for p in model.parameters())
    n_trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return f'{n_trained:,} of {n_all:,}'
