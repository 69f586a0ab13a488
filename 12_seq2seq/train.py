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
from pathlib import Path

from utils import (
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
        '--lr', type=number(float, 0.0), default=3e-3, help='highest learning rate'
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
        '--warmup_ratio',
        type=number(float, 0.0, 1.0),
        default=0.1,
        help='share of the steps in which the learning rate rises; then it falls',
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
        '--word_vec_size', type=number(int, 1), default=128, help='of a subword'
    )
    p.add_argument(
        '--hidden_size',
        type=even_number,
        default=256,
        help='of a state, an even number',
    )
    p.add_argument(
        '--n_layers', type=number(int, 1), default=1, help='of encoder and decoder'
    )
    p.add_argument(
        '--dropout_p',
        type=number(float, 0.0, 0.95),
        default=0.2,
        help='share of the vectors and features to blank out',
    )
    p.add_argument(
        '--tied',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='score a subword by the vector that the decoder reads it by',
    )


def even_number(text):
    """Return a size that two directions can share."""
    size = number(int, 2)(text)
    if size % 2:
        raise argparse.ArgumentTypeError(f'expected an even number, got {text!r}')
    return size


def get_optimizer(model, lr, weight_decay):
    """Return AdamW, which lets matrices decay, but no biases and normalisations."""
    from torch import optim

    params = list(model.parameters())
    groups = [
        {'params': [p for p in params if p.dim() > 1], 'weight_decay': weight_decay},
        {'params': [p for p in params if p.dim() <= 1], 'weight_decay': 0.0},
    ]
    return optim.AdamW(groups, lr, fused=True)


def get_scheduler(optimizer, n_steps, warmup_ratio):
    """Return a schedule in which the learning rate rises to its height, then falls."""
    from torch import optim

    n_warmup_steps = n_steps * warmup_ratio

    def get_factor(step):
        rising = (step + 1) / (n_warmup_steps + 1)
        falling = (n_steps - step) / (n_steps - n_warmup_steps + 1)
        return max(0.0, min(rising, falling, 1.0))

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
    crit = SmoothCrossEntropyLoss(config.label_smoothing)
    optimizer = get_optimizer(model, config.lr, config.weight_decay)
    n_updates = math.ceil(len(train_loader) / config.iteration_per_update)
    n_steps = config.n_epochs * n_updates
    scheduler = get_scheduler(optimizer, n_steps, config.warmup_ratio)

    # Trainer
    checkpoint = {
        'chapter': '12_seq2seq',
        'config': vars(config),
        'x_subwords': to_tensor(x_subwords.serialized_model_proto()),
        'y_subwords': to_tensor(y_subwords.serialized_model_proto()),
    }
    cross_entropy = Loss(nn.CrossEntropyLoss(), device=device)
    metrics = {'perplexity': MetricsLambda(math.exp, cross_entropy)}
    trainer = Trainer(model, crit, optimizer, scheduler, metrics, checkpoint)
    state = load_last(config, '12_seq2seq') if config.resume else None
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
