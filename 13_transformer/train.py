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

from guards import (
    InputError,
    add_encoding,
    check_model_fn,
    get_argparser,
    log,
    number,
    run,
)
from utils import draw_learning_curve, get_device, load_last, set_seed, to_tensor


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train a translator.')
    add_data_options(p)
    add_training_options(p)
    add_update_options(p)
    add_regularisation_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options that say what to train on."""
    group = parser.add_argument_group('data')
    option = group.add_argument
    prefix_help = 'prefix of the two training files: D/train for D/train.ko, ...'
    option('--train_fn', default='sample/train', help=prefix_help)
    option('--valid_fn', default='sample/valid', help='of the validation files')
    lang_help = 'source and target language, the endings of the files'
    option('--lang', type=languages, default='koen', help=lang_help)
    vocab_help = 'largest number of subwords of a vocabulary'
    option('--vocab_size', type=number(int, 300), default=8000, help=vocab_help)
    is_optional, joint_help = argparse.BooleanOptionalAction, 'one vocabulary for both'
    option('--joint', action=is_optional, default=False, help=joint_help)
    length_help = 'pairs with a longer sentence, in subwords, are left out'
    option('--max_length', type=number(int, 3), default=100, help=length_help)
    option('--cache_dir', default='cache', help='folder for encoded sentences')
    odd_help = 'leave out pairs that are equal, swapped, or nine times longer on a side'
    option('--drop_odd', action='store_true', help=odd_help)
    add_encoding(group)


def languages(text):
    """Return two languages of two letters each, such as koen."""
    if not re.fullmatch('[a-z]{4}', text):
        message = f'expected two languages, as koen, got {text!r}'
        raise argparse.ArgumentTypeError(message)
    return text


def add_training_options(parser):
    """Add the options that say how to train."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=6, help='passes over the data')
    size_help = 'largest number of pairs of a batch, of each process'
    option('--batch_size', type=number(int, 1), default=64, help=size_help)
    option('--lr', type=number(float, 0.0), default=2e-3, help='highest learning rate')
    levels = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=levels)
    patience = 'stop after this many epochs without a better model, 0: never'
    option('--early_stop', type=number(int, 0), default=0, help=patience)
    option('--log_dir', help='folder for TensorBoard; None: no log')
    resume = 'continue from model.last.pth, with the same options'
    option('--resume', action='store_true', help=resume)
    max_grad = 'gradients with a larger norm are clipped to it'
    option('--max_grad', type=number(float, 1e-6), default=5.0, help=max_grad)
    warmup = 'steps in which the learning rate rises; then it falls'
    option('--n_warmup_steps', type=number(int, 1), default=300, help=warmup)
    decay = 'of AdamW, not for biases and normalisations'
    option('--weight_decay', type=number(float, 0.0), default=0.01, help=decay)
    modes = ['off', 'bf16', 'fp16']
    option('--amp', choices=modes, default='off', help='mixed precision of 16 bits')


def add_update_options(parser):
    """Add the options that say how a gradient step is computed."""
    option = parser.add_argument_group('updates').add_argument
    tokens = (
        'largest number of tokens of a batch, of each process and side, 0: no limit'
    )
    option('--batch_tokens', type=number(int, 0), default=4000, help=tokens)
    n_batches = 'batches whose gradients are accumulated for one step'
    option('--iteration_per_update', type=number(int, 1), default=1, help=n_batches)
    share, share_help = number(float, 0.0, 0.9), 'probability taken from the true token'
    option('--label_smoothing', type=share, default=0.1, help=share_help)
    is_optional = argparse.BooleanOptionalAction
    option('--fast', action=is_optional, default=True, help='the pieces of fast.py')


def add_regularisation_options(parser):
    """Add the options of regularisation.py."""
    option = parser.add_argument_group('regularisation').add_argument
    p, p_help = number(float, 0.0, 0.95), 'probability to drop a word in training'
    option('--word_dropout_p', type=p, default=0.0, help=p_help)
    weight, weight_help = number(float, 0.0), 'weight of the difference of two passes'
    option('--r_drop', type=weight, default=0.0, help=weight_help)
    decay = 'keep a moving average of the weights, for example 0.999; 0: the weights'
    option('--ema_decay', type=number(float, 0.0, 0.99999), default=0.0, help=decay)


def add_model_options(parser):
    """Add the options that say which network to train."""
    option = parser.add_argument_group('model').add_argument
    option('--hidden_size', type=number(int, 2), default=128, help='of a token')
    heads = 'heads of each attention, which share the hidden size'
    option('--n_heads', type=number(int, 1), default=4, help=heads)
    option('--ffn_size', type=number(int, 1), default=512, help='inside a block')
    layers = 'blocks of the encoder and of the decoder'
    option('--n_layers', type=number(int, 1), default=3, help=layers)
    p, p_help = number(float, 0.0, 0.95), 'probability to set a feature to zero'
    option('--dropout_p', type=p, default=0.1, help=p_help)
    kinds, kinds_help = ['plain', 'sdpa'], "the formula, or torch's fused function"
    option('--attention', choices=kinds, default='sdpa', help=kinds_help)
    norm_help = 'layer normalisation before each sublayer, or after it'
    option('--norm', choices=['pre', 'post'], default='pre', help=norm_help)
    functions, functions_help = ['relu', 'gelu', 'silu'], 'in a feed-forward network'
    option('--activation', choices=functions, default='relu', help=functions_help)
    is_optional = argparse.BooleanOptionalAction
    tied = 'the generator shares its weights with the decoder embedding'
    option('--tied', action=is_optional, default=True, help=tied)
    compiled = 'compile the network with torch: a slow start, then faster'
    option('--compile', action='store_true', help=compiled)


def compile_model(model, device):
    """Compile forward() with torch, for batches of any shape.

    Raises:
        InputError: there is no compiler.
    """
    if device.type == 'cpu' and not shutil.which('g++'):
        raise InputError('--compile: expected a C++ compiler, g++, on this machine')
    model.compile(dynamic=True)


def main(config):
    """Train and save the best model."""
    from data_loader import get_loaders
    from fast import speed_up
    from model import get_criteria, get_model
    from regularisation import RegularisedTrainer
    from trainer import InverseSquareRoot, get_optimizer, get_perplexity

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    train_loader, valid_loader, x_subwords, y_subwords = get_loaders(config)
    log(f'{len(train_loader.dataset)} pairs to train on')

    # Model, criterion and optimizer
    model = get_model(vars(config), len(x_subwords), len(y_subwords)).to(device)
    crit, cross_entropy = get_criteria(config.label_smoothing)
    if config.fast and device.type == 'cpu':
        speed_up(model, crit, cross_entropy)
    if config.compile:
        compile_model(model, device)
    optimizer = get_optimizer(model, config.lr, config.weight_decay)
    n_steps = math.ceil(len(train_loader) / config.iteration_per_update)
    n_warmup_batches = config.n_warmup_steps * len(train_loader) / n_steps
    scheduler = InverseSquareRoot(optimizer, n_warmup_batches)

    # Trainer
    checkpoint = {
        'chapter': '13_transformer',
        'config': vars(config),
        'x_subwords': to_tensor(x_subwords.serialized_model_proto()),
        'y_subwords': to_tensor(y_subwords.serialized_model_proto()),
    }
    metrics = {'perplexity': get_perplexity(cross_entropy, device)}
    trainer = RegularisedTrainer(model, crit, optimizer, scheduler, metrics, checkpoint)
    if config.resume and (state := load_last(config, checkpoint['chapter'])):
        trainer.load_state_dict(state)
    try:
        trainer.train(train_loader, valid_loader)
    except KeyboardInterrupt:
        log('to go on, give the same command with --resume')
        raise
    finally:
        # The trainer has saved the best model.
        if trainer.history['train_loss']:
            log(f'saved: {config.model_fn}')
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)


if __name__ == '__main__':
    run(main, define_argparser())
