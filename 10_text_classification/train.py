"""Train a classifier of texts.

    python train.py --model_fn model.pth
    python train.py --model_fn cnn.pth --model cnn --train_fn reviews.tsv
    python train.py --model_fn bert.pth --model bert --train_fn reviews.tsv
    torchrun --nproc_per_node 2 train.py --model_fn model.pth

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

import argparse
from pathlib import Path

from guards import add_encoding, check_model_fn, get_argparser, log, number, run
from labels import add_table_options
from utils import draw_learning_curve, get_device, load_last, set_seed

# The values of options that were not given, for each network.
DEFAULTS = {
    'tokenizer': {'rnn': 'kiwi', 'cnn': 'character', 'bert': None},
    'max_n_gram': {'rnn': 2, 'cnn': 4, 'bert': None},
    'lr': {'rnn': 2e-3, 'cnn': 2e-3, 'bert': 5e-5},
    'weight_decay': {'rnn': 0.25, 'cnn': 0.25, 'bert': 0.01},
}


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train a classifier of texts.')
    add_data_options(p)
    add_training_options(p)
    add_model_options(p)
    return p


def add_data_options(parser):
    """Add the options of the data."""
    group = parser.add_argument_group('data')
    option = group.add_argument
    train_help = 'training texts: a table of labels and texts, TSV or CSV'
    option('--train_fn', default='sample/train.tsv', help=train_help)
    ratio_help = 'share of the training texts to validate on'
    option('--valid_ratio', type=number(float, 0.01, 0.9), default=0.1, help=ratio_help)
    option('--valid_fn', help='validation texts, instead of this share')
    kinds = ['kiwi', 'sentencepiece', 'space', 'character']
    kind_help = 'morphemes, subwords, words or characters; None: kiwi, of cnn character'
    option('--tokenizer', choices=kinds, help=kind_help)
    freq_help = 'tokens and n-grams that occur less often are unknown'
    option('--min_vocab_freq', type=number(int, 1), default=2, help=freq_help)
    option('--max_vocab_size', type=number(int, 3), default=30000, help='maximum size')
    length_help = 'longer texts are truncated to this number of tokens'
    option('--max_length', type=number(int, 3), default=255, help=length_help)
    option('--cache_dir', default='cache', help='folder for the tokens of texts')
    switch = {'action': argparse.BooleanOptionalAction, 'default': True}
    option('--fast', **switch, help='use fast.py, which gives the same results')
    merge_help = 'labels that differ in case, width, spaces or .0 are one class'
    option('--merge_labels', action='store_true', help=merge_help)
    add_table_options(option)
    add_encoding(group)


def add_training_options(parser):
    """Add the options of the training."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=3, help='passes over the data')
    option('--batch_size', type=number(int, 1), default=64, help='texts of a process')
    option('--lr', type=number(float, 0), help='the highest; None: 2e-3, of bert 5e-5')
    verbose_help = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)
    stop_help = 'epochs without a better model after which to stop, 0: never'
    option('--early_stop', type=number(int, 0), default=0, help=stop_help)
    option('--log_dir', help='folder for TensorBoard; None: no log')
    resume_help = 'go on from model.last.pth, with the same options'
    option('--resume', action='store_true', help=resume_help)
    grad_help = 'gradients with a larger norm are clipped to it'
    option('--max_grad', type=number(float, 1e-6), default=5.0, help=grad_help)
    warmup_help = 'share of the steps in which the learning rate rises; then it falls'
    option('--warmup_ratio', type=number(float, 0, 1), default=0.1, help=warmup_help)
    decay_help = 'of AdamW; None: 0.25, of bert 0.01'
    option('--weight_decay', type=number(float, 0), help=decay_help)
    amp_help = 'mixed precision: 16 bits where possible'
    option('--amp', choices=['off', 'bf16', 'fp16'], default='off', help=amp_help)


def add_model_options(parser):
    """Add the options of the network."""
    option, size = parser.add_argument_group('model').add_argument, number(int, 1)
    option('--model', choices=['rnn', 'cnn', 'bert'], default='rnn', help='its kind')
    p_help = 'probability that a feature is set to zero in training'
    option('--dropout_p', type=number(float, 0, 0.95), default=0.5, help=p_help)
    option('--word_vec_size', type=size, default=64, help='size of a word vector')
    option('--hidden_size', type=size, default=64, help='of each direction of the LSTM')
    option('--n_layers', type=size, default=1, help='layers of the LSTM')
    option('--max_n_gram', type=size, help='longest n-grams; None: 2, of cnn 4')
    option('--n_gram_vec_size', type=size, default=32, help='size of their vectors')
    windows = {'type': size, 'nargs': '+', 'default': [1, 2, 3, 4]}
    option('--window_sizes', **windows, help='tokens that a filter of cnn reads')
    option('--n_filters', type=size, default=64, help='of cnn, for each window size')
    name_help = 'of bert: a model of the hub, or a folder'
    option('--pretrained_model_name', default='beomi/kcbert-base', help=name_help)
    memory_help = 'bert with less memory, but slower'
    option('--gradient_checkpointing', action='store_true', help=memory_help)


def fill_in(config):
    """Set the options that were not given to the values of DEFAULTS."""
    for name, values in DEFAULTS.items():
        if getattr(config, name) is None:
            setattr(config, name, values[config.model])


def main(config):
    """Train and save the best model."""
    from ignite.metrics import Accuracy
    from torch import nn

    from data_loader import get_loaders
    from model import get_encoder_config, get_model
    from trainer import Trainer, get_optimizer, get_scheduler

    fill_in(config)
    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    *loaders, class_names, tokenizer, vocabulary, hashes = get_loaders(config)
    log(f'{len(loaders[0].dataset)} texts to train on, {len(vocabulary)} tokens')

    # Model, criterion and optimizer
    model = get_model(vars(config), len(class_names), vocabulary).to(device)
    crit = nn.CrossEntropyLoss()
    optimizer = get_optimizer(model, config.lr, config.weight_decay)
    n_steps = config.n_epochs * len(loaders[0])
    scheduler = get_scheduler(optimizer, n_steps, config.warmup_ratio)

    # Trainer
    checkpoint = {
        'chapter': '10_text_classification',
        'config': vars(config),
        'class_names': class_names,
        'tokenizer': tokenizer.state_dict(),
        'vocabulary': vocabulary.state_dict(),
        'train_hashes': hashes,
        'encoder_config': get_encoder_config(model),
    }
    metrics = {'accuracy': Accuracy(device=device)}
    trainer = Trainer(model, crit, optimizer, scheduler, metrics, checkpoint)
    if config.resume and (state := load_last(config, checkpoint['chapter'])):
        trainer.load_state_dict(state)
    try:
        trainer.train(*loaders)
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
