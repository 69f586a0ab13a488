"""Some parts of a frozen backbone are trained nevertheless, such as its last block."""

from exercises.edits import redefine, swap
from exercises.kit import recorded, run_program

chapter = '06_transfer_learning'
kind = 'change'

option = swap(
    'train.py',
    'add_model_options',
    "switch = {'action': argparse.BooleanOptionalAction, 'default': False}",
    """
    parts_help = 'parts of a frozen backbone to train nevertheless, such as layer4'
    option('--unfreeze', nargs='+', default=[], help=parts_help)
    switch = {'action': argparse.BooleanOptionalAction, 'default': False}
    """,
)
slow = swap(
    'train.py',
    'main',
    'config.fast and config.freeze and not config.augment',
    'config.fast and config.freeze and not config.augment and not config.unfreeze',
)
init = redefine(
    'model.py',
    'TransferClassifier.__init__',
    """
    def __init__(self, backbone, n_features, output_size, is_frozen, unfreeze=()):
        super().__init__()
        self.is_frozen = is_frozen
        self.backbone = backbone.requires_grad_(not is_frozen)
        self.unfreeze = unfreeze
        for name in unfreeze:
            backbone.get_submodule(name).requires_grad_()
        self.head = nn.Linear(n_features, output_size)
    """,
)
mode = swap(
    'model.py',
    'TransferClassifier.train',
    'self.backbone.eval()',
    """
    self.backbone.eval()
    for name in self.unfreeze:
        self.backbone.get_submodule(name).train(mode)
    """,
)
build = swap(
    'model.py', 'get_model', "config['freeze']", "config['freeze'], config['unfreeze']"
)
solution = [option, slow, init, mode, build]
wrong = [
    # The features of the backbone at the beginning are computed once, and kept.
    [option, init, mode, build],
    # The part has gradients, but its batch normalisation stays as it is.
    [option, slow, init, build],
    # The batch normalisation of the whole backbone learns.
    [
        *(option, slow, init, build),
        swap(
            'model.py',
            'TransferClassifier.train',
            'self.is_frozen',
            'self.is_frozen and not self.unfreeze',
        ),
    ],
    # The part has no gradients.
    [option, slow, init._replace(new=init.new.replace('grad_()', 'grad_(False)'))]
    + [mode, build],
]


def check(chapter):
    """Take one step of the training, and look at the tensors that it changes."""
    import torch

    if getattr(chapter.train.define_argparser().parse_args([]), 'unfreeze', None):
        return (
            'Without --unfreeze, no part of a frozen backbone should be trained.',
            '--unfreeze가 없으면 고정한 백본의 어떤 부분도 학습하지 않아야 해요.',
        )
    with recorded(chapter.trainer.Trainer, 'train') as calls:
        options = '--dataset digits --n_train 20 --pretrained none --image_size 16'
        options += ' --batch_size 8 --freeze --no-augment --unfreeze layer4'
        run_program(chapter.train, *options.split())
    trainer, loader, _ = calls[0]
    x, y = next(iter(loader))
    if x.dim() == 2:
        return (
            'With --no-augment, the training gets features that were computed once. '
            'They would stay the same while layer4 changes.',
            '--no-augment를 주면 한 번만 계산한 특징으로 학습해요. '
            'layer4가 변해도 그 특징은 그대로예요.',
        )
    before = {name: w.clone() for name, w in trainer.model.state_dict().items()}
    trainer._train_step(None, (x, y))
    for name, weight in trainer.model.state_dict().items():
        is_trained = name.startswith(('backbone.layer4.', 'head.'))
        if torch.equal(weight, before[name]) == is_trained:
            should, should_ko = (
                ('change, but it stays', '변해야 하는데 그대로예요')
                if is_trained
                else ('stay, but it changes', '그대로여야 하는데 변해요')
            )
            return (
                f'--unfreeze layer4: in a training step, {name} should {should}.',
                f'--unfreeze layer4: 학습 step에서 {name}은(는) {should_ko}.',
            )
    return None
