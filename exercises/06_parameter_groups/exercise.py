"""The function that gives the head and the backbone a learning rate each is empty."""

from exercises.edits import blank, swap
from exercises.kit import get_config

chapter = '06_transfer_learning'
kind = 'write'

place = ('model.py', 'get_parameter_groups')
edit = blank(*place)
wrong = [
    # --backbone_lr 0 is taken for an option that was not given.
    swap(*place, 'backbone_lr is None', 'not backbone_lr'),
    # A file of weights is forgotten.
    swap(*place, 'is_trained = ...', "is_trained = config.pretrained != 'none'"),
    # The backbone has large steps, and the head small ones.
    [
        swap(*place, 'model.head', 'model.backbone'),
        swap(
            *place,
            "{'params': model.backbone.parameters(), 'lr': backbone_lr}",
            "{'params': model.head.parameters(), 'lr': backbone_lr}",
        ),
    ],
    # The backbone stays as it is.
    swap(
        *place,
        'return ...',
        "return [{'params': model.head.parameters(), 'lr': config.lr}]",
    ),
]


def check(chapter):
    """Build an optimizer from the groups, and ask it for each learning rate."""
    from torch import nn, optim

    model = chapter.original.model.TransferClassifier(nn.Linear(3, 2), 2, 2, False)
    cases = [
        # pretrained, weights_fn, backbone_lr and the expected one, for --lr 0.5
        ('glyphs', 'x.pth', None, 0.05),
        ('none', None, None, 0.5),
        ('none', 'x.pth', None, 0.05),
        ('glyphs', 'x.pth', 0.2, 0.2),
        ('none', None, 0.2, 0.2),
        ('glyphs', 'x.pth', 0.0, 0.0),
    ]
    for pretrained, weights_fn, backbone_lr, expected in cases:
        options = {'pretrained': pretrained, 'weights_fn': weights_fn}
        options |= {'lr': 0.5, 'backbone_lr': backbone_lr}
        groups = chapter.model.get_parameter_groups(model, get_config(**options))
        lrs = {
            parameter: group['lr']
            for group in optim.SGD(groups, lr=9.0).param_groups
            for parameter in group['params']
        }
        text = ', '.join(f'{name}={value!r}' for name, value in options.items())
        for part, right in (('head', 0.5), ('backbone', expected)):
            for parameter in getattr(model, part).parameters():
                lr = lrs.get(parameter)
                if lr is None:
                    return (
                        f'{text}: no group contains the parameters of the {part}.',
                        f'{text}: {part}의 파라미터가 어느 그룹에도 없어요.',
                    )
                if abs(lr - right) > 1e-9:
                    return (
                        f'{text}: lr of the {part} is {lr:g}, expected {right:g}.',
                        f'{text}: {part}의 lr이 {lr:g}인데 {right:g}이어야 해요.',
                    )
    return None
