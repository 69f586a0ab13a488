"""Train two translators of opposite directions together.

    python train_lm.py --lang ko --model_fn lm.ko.pth
    python train_lm.py --lang en --model_fn lm.en.pth
    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --init_fn koen.pth enko.pth

With --lang koen, model.pth translates from Korean to English, and model.enko.pth back.
Both are checkpoints of 13_transformer: translate.py reads them, here and there.

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
    load_checkpoint,
    log,
    number,
    run,
)
from utils import get_device, set_seed, to_tensor

CHAPTER = '13_transformer/dual_learning'
# What a checkpoint of 13 says of its network; older ones do not say the last three.
SIZES = 'hidden_size', 'n_heads', 'ffn_size', 'n_layers', 'tied', 'joint'
DEFAULTS = {'norm': 'pre', 'activation': 'relu', 'logits_bias': False}


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train two translators of opposite directions.')
    add_data_options(p)
    add_dual_options(p)
    add_training_options(p)
    add_update_options(p)
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
    length_help = 'pairs with a longer sentence, in subwords, are left out'
    option('--max_length', type=number(int, 3), default=100, help=length_help)
    option('--cache_dir', default='cache', help='folder for encoded sentences')
    odd_help = 'leave out pairs that are equal, swapped, or nine times longer on a side'
    option('--drop_odd', action='store_true', help=odd_help)
    add_encoding(group)


def add_dual_options(parser):
    """Add the options that say what ties the two directions together."""
    option = parser.add_argument_group('duality').add_argument
    lm_fns, lm_help = ['lm.ko.pth', 'lm.en.pth'], 'language models of both languages'
    option('--lm_fn', nargs=2, default=lm_fns, help=lm_help)
    init_help = (
        'checkpoints of 13 to start from, of both directions; None: from nothing'
    )
    option('--init_fn', nargs=2, help=init_help)
    weight_help = 'of the squared duality gap, 0: the directions are independent'
    option('--dual_weight', type=number(float, 0.0), default=0.01, help=weight_help)


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
    option('--n_epochs', type=number(int, 1), default=12, help='passes over the data')
    size_help = 'largest number of pairs of a batch, of each process'
    option('--batch_size', type=number(int, 1), default=32, help=size_help)
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
    option('--n_warmup_steps', type=number(int, 1), default=200, help=warmup)
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


def get_back_fn(config):
    """Return where the other direction is saved: model.enko.pth for model.pth."""
    suffix = f'.{config.lang[2:]}{config.lang[:2]}.pth'
    return Path(config.model_fn).with_suffix(suffix)


def load_language_models(config, device):
    """Load the language models of both languages, and their subwords.

    Raises:
        InputError: a file is no such checkpoint, or of another language.
    """
    from sentencepiece import SentencePieceProcessor

    from model import get_language_model

    models, subwords = [], []
    for fn, lang in zip(config.lm_fn, (config.lang[:2], config.lang[2:]), strict=True):
        checkpoint = load_checkpoint(fn, f'{CHAPTER}/train_lm')
        found = checkpoint['config']['lang']
        if found != lang:
            raise InputError(f'{fn}: expected a model of {lang}, found one of {found}')
        proto = checkpoint['subwords'].numpy().tobytes()
        subwords.append(SentencePieceProcessor(model_proto=proto))
        model = get_language_model(checkpoint['config'], len(subwords[-1]))
        model.load_state_dict(checkpoint['model'])
        models.append(model.to(device).eval())
    return models, subwords


def make_pair(config, subwords):
    """Return a Pair, from nothing or from the checkpoints of --init_fn.

    Then the networks have the sizes of these checkpoints, which are set in config.

    Raises:
        InputError: a checkpoint is not of this direction, of these subwords or of the
            size of the other one.
    """
    from model import get_pair

    lang, protos = config.lang, [part.serialized_model_proto() for part in subwords]
    config.joint = protos[0] == protos[1]
    states = []
    for fn in config.init_fn or ():
        found = load_checkpoint(fn, '13_transformer')
        sizes = DEFAULTS | found['config']
        sizes = {name: sizes[name] for name in (*SIZES, *DEFAULTS)}
        found_lang = found['config']['lang']
        if found_lang != lang:
            raise InputError(f'{fn}: expected {lang}, found a model of {found_lang}')
        sides = found['x_subwords'], found['y_subwords']
        if [side.numpy().tobytes() for side in sides] != protos:
            raise InputError(f'{fn}: expected the subwords of the language models')
        if states and sizes != {name: getattr(config, name) for name in sizes}:
            raise InputError(f'{fn}: expected a network as in {config.init_fn[0]}')
        vars(config).update(sizes)
        states.append(found['model'])
        # The other direction.
        lang, protos = lang[2:] + lang[:2], protos[::-1]
    pair = get_pair(vars(config), *map(len, subwords))
    for model, state in zip((pair.forth, pair.back), states, strict=False):
        model.load_state_dict(state)
    return pair


def get_best_models(pair, config, subwords):
    """Return the parts of a Pair and what is saved with each, by file."""
    x, y = (to_tensor(part.serialized_model_proto()) for part in subwords)
    best_models = {}
    for fn, model, lang, x_subwords, y_subwords in (
        (config.model_fn, pair.forth, config.lang, x, y),
        (get_back_fn(config), pair.back, config.lang[2:] + config.lang[:2], y, x),
    ):
        checkpoint = {
            'chapter': '13_transformer',
            'config': vars(config) | {'model_fn': str(fn), 'lang': lang},
            'x_subwords': x_subwords,
            'y_subwords': y_subwords,
        }
        best_models[fn] = model, checkpoint
    return best_models


def main(config):
    """Train both directions and save the best pair."""
    from data_loader import get_loaders
    from fast import speed_up
    from model import DualLoss, get_criteria
    from trainer import (
        InverseSquareRoot,
        Trainer,
        get_metrics,
        get_optimizer,
        run_training,
    )

    check_model_fn(config.model_fn)
    check_model_fn(get_back_fn(config))
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data: the language models know the subwords, and how probable a sentence is
    language_models, subwords = load_language_models(config, device)
    train_loader, valid_loader = get_loaders(config, *subwords)
    for loader in (train_loader, valid_loader):
        loader.dataset.score(*language_models)
    log(f'{len(train_loader.dataset)} pairs to train on')

    # Model, criterion and optimizer
    pair = make_pair(config, subwords).to(device)
    crit, _ = get_criteria(config.label_smoothing)
    if config.fast and device.type == 'cpu':
        speed_up(pair, crit)
    if config.compile:
        compile_model(pair, device)
    optimizer = get_optimizer(pair, config.lr, config.weight_decay)
    n_steps = math.ceil(len(train_loader) / config.iteration_per_update)
    n_warmup_batches = config.n_warmup_steps * len(train_loader) / n_steps
    scheduler = InverseSquareRoot(optimizer, n_warmup_batches)

    # Trainer
    checkpoint = {'chapter': CHAPTER, 'config': vars(config)}
    best = get_best_models(pair, config, subwords)
    crit, metrics = DualLoss(crit, config.dual_weight), get_metrics(config.lang, device)
    trainer = Trainer(pair, crit, optimizer, scheduler, metrics, checkpoint, best)
    run_training(trainer, config, train_loader, valid_loader)


if __name__ == '__main__':
    run(main, define_argparser())
