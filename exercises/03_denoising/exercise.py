"""The autoencoder learns to repair images with missing pixels."""

from exercises.edits import redefine, swap
from exercises.kit import recorded, run_program

chapter = '03_mnist_autoencoder'
kind = 'change'

option = swap(
    'train.py',
    'add_model_options',
    'option = ...',
    """
    option = parser.add_argument_group('model').add_argument
    p_help = 'probability that a pixel of the input is set to zero in training'
    option('--dropout_p', type=number(float, 0, 0.95), default=0.3, help=p_help)
    """,
)
init = redefine(
    'model.py',
    'Autoencoder.__init__',
    """
    def __init__(self, input_size, btl_size, hidden_sizes, dropout_p):
        super().__init__()
        sizes = [input_size, *hidden_sizes, btl_size]
        self.dropout = nn.Dropout(dropout_p)
        self.encoder = get_layers(sizes)
        self.decoder = get_layers(sizes[::-1])
    """,
)
build = swap(
    'model.py',
    'get_model',
    'return ...',
    """
    return Autoencoder(
        input_size=28 * 28,
        btl_size=config['btl_size'],
        hidden_sizes=config['hidden_sizes'],
        dropout_p=config['dropout_p'],
    )
    """,
)
code = ('model.py', 'Autoencoder.forward', 'z = ...')
solution = [option, init, build, swap(*code, 'z = self.encoder(self.dropout(x))')]
wrong = [
    # Numbers of the bottleneck are missing, and not pixels.
    [option, init, build, swap(*code, 'z = self.dropout(self.encoder(x))')],
    # Pixels are missing after the training, too.
    [
        *(option, init, build),
        swap(*code, 'z = self.encoder(nn.functional.dropout(x, self.dropout.p))'),
    ],
    # The option has no effect.
    [option, init, build],
]


def check(chapter):
    """Look at the inputs of the encoder, in training and afterwards."""
    import torch

    with recorded(chapter.trainer.Trainer, 'train') as calls:
        run_program(chapter.train, '--dataset', 'digits', '--dropout_p', 0.5)
    trainer, (x, y), _, _ = calls[0]
    if not torch.equal(x, y):
        return (
            'The target should be the image without missing pixels, as before.',
            '정답은 전과 같이 픽셀이 빠지지 않은 이미지여야 해요.',
        )
    inputs, model, x = [], trainer.model.cpu(), torch.ones(8, 784)
    model.encoder.register_forward_pre_hook(lambda _, values: inputs.append(values[0]))
    with torch.no_grad():
        model.train()(x)
        model.eval()(x)
    share = (inputs[0] == 0).float().mean().item()
    if abs(share - 0.5) > 0.05:
        return (
            f'With --dropout_p 0.5, {share:.0%} of the pixels are 0 in training.',
            f'--dropout_p가 0.5일 때 학습 중에 픽셀의 {share:.0%}가 0이에요.',
        )
    if not torch.equal(inputs[1], x):
        return (
            'After the training, the encoder should get the image as it is.',
            '학습이 끝나면 인코더는 이미지를 그대로 받아야 해요.',
        )
    return None
