"""Train a translator.

    python train.py --model_fn model.pth
    python train.py --train_fn D/train --valid_fn D/valid --lang deen

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

import argparse
import re
from pathlib import Path

from guards import add_encoding, check_model_fn, get_argparser, log, number, run
from utils import draw_learning_curve, get_device, load_last, set_seed, to_tensor


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train a translator.')
    add_data_options(p)
    add_training_options(p)
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
    option('--vocab_size', type=number(int, 300), default=1000, help=vocab_help)
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
    option('--n_epochs', type=number(int, 1), default=15, help='passes over the data')
    option('--batch_size', type=number(int, 1), default=64, help='pairs a step')
    option('--lr', type=number(float, 0.0), default=2e-3, help='learning rate')
    levels = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=levels)
    patience = 'stop after this many epochs without a better model, 0: never'
    option('--early_stop', type=number(int, 0), default=0, help=patience)
    option('--log_dir', help='folder for TensorBoard; None: no log')
    resume = 'continue from model.last.pth, with the same options'
    option('--resume', action='store_true', help=resume)
    max_grad = 'gradients with a larger norm are clipped to it'
    option('--max_grad', type=number(float, 1e-6), default=5.0, help=max_grad)


def add_model_options(parser):
    """Add the options that say which network to train."""
    option = parser.add_argument_group('model').add_argument
    option('--word_vec_size', type=number(int, 1), default=64, help='of a subword')
    option('--hidden_size', type=even_number, default=128, help='an even number')
    layers = 'LSTM layers of the encoder and of the decoder'
    option('--n_layers', type=number(int, 1), default=1, help=layers)
    p, p_help = number(float, 0.0, 0.95), 'probability to set a feature to zero'
    option('--dropout_p', type=p, default=0.2, help=p_help)


def even_number(text):
    """Return a size that can be divided between two directions."""
    size = number(int, 2)(text)
    if size % 2:
        raise argparse.ArgumentTypeError(f'expected an even number, got {text!r}')
    return size


def main(config):
    """Train and save the best model."""
    from torch import nn, optim

    from data_loader import PAD_ID, get_loaders
    from model import get_model
    from trainer import Trainer, get_perplexity

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    train_loader, valid_loader, x_subwords, y_subwords = get_loaders(config)
    log(f'{len(train_loader.dataset)} pairs to train on')

    # Model, criterion and optimizer
    model = get_model(vars(config), len(x_subwords), len(y_subwords)).to(device)
    crit = nn.CrossEntropyLoss(ignore_index=PAD_ID)
    optimizer = optim.Adam(model.parameters(), lr=config.lr)

    # Trainer
    checkpoint = {
        'chapter': '12_seq2seq/attention',
        'config': vars(config),
        'x_subwords': to_tensor(x_subwords.serialized_model_proto()),
        'y_subwords': to_tensor(y_subwords.serialized_model_proto()),
    }
    metrics = {'perplexity': get_perplexity(crit, device)}
    trainer = Trainer(model, crit, optimizer, metrics, checkpoint)
    state = load_last(config, checkpoint['chapter']) if config.resume else None
    if state:
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
