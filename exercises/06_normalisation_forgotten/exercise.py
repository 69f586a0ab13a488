"""predict.py resizes the images itself, and forgets to normalise them."""

from exercises.edits import swap
from exercises.kit import first_difference

chapter = '06_transfer_learning'
kind = 'fault'

place = ('predict.py', 'load_model')
old = 'mean, std = ...\ntransform = ...'
new = """
size = [config['image_size']] * 2
# Bytes become floats, and one channel of grey becomes three.
steps = [v2.ToDtype(torch.float32, scale=True), v2.Resize(size), v2.RGB()]
transform = v2.Compose(steps)
"""
imports = swap(
    *place,
    'from torch import nn',
    'import torch\nfrom torch import nn\nfrom torchvision.transforms import v2',
)
without_function = swap(
    *place, 'from model import get_model, get_transform', 'from model import get_model'
)
edit = [imports, without_function, swap(*place, old, new)]
half = 'v2.RGB(), v2.Normalize([0.5] * 3, [0.5] * 3)]'
sample = 'v2.RGB(), lambda x: (x - x.mean()) / x.std()]'
wrong = [
    # Any mean and std.
    [imports, without_function, swap(*place, old, new.replace('v2.RGB()]', half))],
    # The mean and std of the images that are to be classified.
    [imports, without_function, swap(*place, old, new.replace('v2.RGB()]', sample))],
    # The mean and std change places.
    swap(
        *place,
        "get_transform(config['image_size'], mean, std)",
        "get_transform(config['image_size'], std, mean)",
    ),
]


def check(chapter):
    """Compare the probabilities of images of several kinds."""
    import torch

    options = {'model_name': 'squeezenet', 'image_size': 17, 'freeze': False}
    facts = {'class_names': ['a', 'b'], 'config': options}
    facts |= {'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225]}
    network = chapter.original.model.get_model(options, output_size=2)
    checkpoint = facts | {'model': network.state_dict()}
    images = {
        ('grey images', '흑백 이미지'): torch.rand(3, 1, 28, 28),
        ('colour pictures of bytes', '바이트로 된 컬러 사진'): torch.randint(
            256, (3, 3, 17, 17), dtype=torch.uint8
        ),
    }
    for (name, name_ko), x in images.items():
        found, expected = (
            predict.predict(predict.load_model(checkpoint), x)
            for predict in (chapter.predict, chapter.original.predict)
        )
        difference = first_difference('p', found, expected)
        if difference:
            return f'{name}: {difference[0]}', f'{name_ko}: {difference[1]}'
    return None
