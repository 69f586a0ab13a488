"""Train a translator.

    python train.py --model_fn model.pth
    python train.py --train_fn D/train --valid_fn D/valid --lang deen
    torchrun --nproc_per_node 2 train.py --model_fn model.pth

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

import argparse
import math
import re
import shutil
from pathlib import Path

from utils import (
    InputError,
    check_model_fn,
    draw_learning_curve,
    get_argparser,
    get_device,
    load_last,
    log,
    number,
    run,
    set_seed,
    to_tensor,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train a translator.')
    add_data_options(p)
    add_training_options(p)
    add_update_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options that say what to learn from."""
    p = parser.add_argument_group('data')
    p.add_argument(
        '--train_fn',
        default='sample/train',
        help='beginning of the names of the two files to learn from: D/train.ko, ...',
    )
    p.add_argument(
        '--valid_fn', default='sample/valid', help='the same, to validate on'
    )
    p.add_argument(
        '--lang', type=languages, default='koen', help='source and target language'
    )
    p.add_argument(
        '--vocab_size', type=number(int, 300), default=8000, help='subwords at most'
    )
    p.add_argument(
        '--joint',
        action=argparse.BooleanOptionalAction,
        default=False,
        help='one vocabulary for both languages',
    )
    p.add_argument(
        '--max_length',
        type=number(int, 3),
        default=100,
        help='subwords of a sentence above which its pair is left out',
    )
    p.add_argument(
        '--cache_dir', default='cache', help='folder for sentences encoded before'
    )


def languages(text):
    """Return two languages of two letters each, such as koen."""
    if not re.fullmatch('[a-z]{4}', text):
        raise argparse.ArgumentTypeError(
            f'expected two languages, as koen, got {text!r}'
        )
    return text


def add_training_options(parser):
    """Add the options that say how to learn."""
    p = parser.add_argument_group('training')
    p.add_argument(
        '--seed', type=number(int, 0), default=0, help='of all that is random'
    )
    p.add_argument('--n_epochs', type=number(int, 1), default=6, help='times all data')
    p.add_argument(
        '--batch_size',
        type=number(int, 1),
        default=64,
        help='pairs a batch at most, of each process',
    )
    p.add_argument(
        '--lr', type=number(float, 0.0), default=2e-3, help='highest learning rate'
    )
    p.add_argument(
        '--verbose',
        type=int,
        choices=[0, 1, 2],
        default=2,
        help='0: silent, 1: a line an epoch, 2: a progress bar too',
    )
    p.add_argument(
        '--early_stop',
        type=number(int, 0),
        default=0,
        help='epochs without a better model after which to stop, 0: never',
    )
    p.add_argument('--log_dir', help='folder for TensorBoard; None: no log')
    p.add_argument(
        '--resume',
        action='store_true',
        help='go on from model.last.pth, with the same options',
    )
    p.add_argument(
        '--max_grad',
        type=number(float, 1e-6),
        default=5.0,
        help='norm above which gradients are clipped to it',
    )
    p.add_argument(
        '--n_warmup_steps',
        type=number(int, 1),
        default=300,
        help='in which the learning rate rises; then it falls',
    )
    p.add_argument(
        '--weight_decay',
        type=number(float, 0.0),
        default=0.01,
        help='of AdamW, but for biases and normalisations',
    )
    p.add_argument(
        '--amp',
        choices=['off', 'bf16', 'fp16'],
        default='off',
        help='mixed precision: numbers of 16 bits where they do',
    )


def add_update_options(parser):
    """Add the options that say what a step is made of."""
    p = parser.add_argument_group('updates')
    p.add_argument(
        '--batch_tokens',
        type=number(int, 0),
        default=4000,
        help='tokens a batch at most, of each process and language, 0: no limit',
    )
    p.add_argument(
        '--iteration_per_update',
        type=number(int, 1),
        default=1,
        help='batches whose gradients add up for one step',
    )
    p.add_argument(
        '--label_smoothing',
        type=number(float, 0.0, 0.9),
        default=0.1,
        help='share of the probability that is not asked of the true token',
    )


def add_model_options(parser):
    """Add the options that say what kind of network learns."""
    p = parser.add_argument_group('model')
    p.add_argument(
        '--hidden_size', type=number(int, 2), default=128, help="of a token's features"
    )
    p.add_argument(
        '--n_heads',
        type=number(int, 1),
        default=4,
        help='attentions side by side, which share the hidden size',
    )
    p.add_argument(
        '--ffn_size', type=number(int, 1), default=512, help='inside a block'
    )
    p.add_argument(
        '--n_layers', type=number(int, 1), default=3, help='of encoder and decoder'
    )
    p.add_argument(
        '--dropout_p',
        type=number(float, 0.0, 0.95),
        default=0.1,
        help='share of the features to blank out',
    )
    p.add_argument(
        '--attention',
        choices=['plain', 'sdpa'],
        default='sdpa',
        help="the formula as written, or torch's fused form of it",
    )
    p.add_argument(
        '--tied',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='score a subword by the vector that the decoder reads it by',
    )
    p.add_argument(
        '--compile',
        action='store_true',
        help='let torch compile the network: slow to begin, fast to go on',
    )


def compile_model(model, device):
    """Let torch compile what forward() does, for batches of any shape.

    Raises:
        InputError: there is no compiler.
    """
    if device.type == 'cpu' and not shutil.which('g++'):
        raise InputError('--compile: expected a C++ compiler, g++, on this machine')
    model.compile(dynamic=True)


def get_optimizer(model, lr, weight_decay):
    """Return AdamW, which lets matrices decay, but no biases and normalisations."""
    from torch import optim

    params = list(model.parameters())
    groups = [
        {'params': [p for p in params if p.dim() > 1], 'weight_decay': weight_decay},
        {'params': [p for p in params if p.dim() <= 1], 'weight_decay': 0.0},
    ]
    return optim.AdamW(groups, lr, fused=True)


def get_scheduler(optimizer, n_warmup_steps):
    """Return a schedule that rises in a line, then falls as 1 / sqrt(step).

    Vaswani et al. 2017, equation 3, but for the height, which is the learning rate.
    """
    from torch import optim

    def get_factor(step):
        return min((step + 1) / n_warmup_steps, (n_warmup_steps / (step + 1)) ** 0.5)

    return optim.lr_scheduler.LambdaLR(optimizer, get_factor)


def main(config):
    """Train and save the best model."""
    from ignite.metrics import Loss, MetricsLambda
    from torch import nn

    from data_loader import get_loaders
    from loss import SmoothCrossEntropyLoss
    from model import get_model
    from trainer import Trainer

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    train_loader, valid_loader, x_subwords, y_subwords = get_loaders(config)
    log(f'{len(train_loader.dataset)} pairs to train on')

    # Model, criterion and optimizer
    vocab_sizes = x_subwords.vocab_size(), y_subwords.vocab_size()
    model = get_model(vars(config), *vocab_sizes).to(device)
    if config.compile:
        compile_model(model, device)
    crit = SmoothCrossEntropyLoss(config.label_smoothing)
    optimizer = get_optimizer(model, config.lr, config.weight_decay)
    scheduler = get_scheduler(optimizer, config.n_warmup_steps)

    # Trainer
    checkpoint = {
        'chapter': '13_transformer',
        'config': vars(config),
        'x_subwords': to_tensor(x_subwords.serialized_model_proto()),
        'y_subwords': to_tensor(y_subwords.serialized_model_proto()),
    }
    cross_entropy = Loss(nn.CrossEntropyLoss(), device=device)
    metrics = {'perplexity': MetricsLambda(math.exp, cross_entropy)}
    trainer = Trainer(model, crit, optimizer, scheduler, metrics, checkpoint)
    state = load_last(config, '13_transformer') if config.resume else None
    if state:
        trainer.load_state_dict(state)
    try:
        trainer.train(train_loader, valid_loader)
    except KeyboardInterrupt:
        log('to go on, give the same command with --resume')
        raise
    finally:
        if trainer.history['train_loss']:
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)
            log(f'saved: {config.model_fn}, learning curve: {picture_fn}')


if __name__ == '__main__':
    run(main, define_argparser())
