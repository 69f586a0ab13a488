"""Train a classifier of texts.

    python train.py --model_fn model.pth
    python train.py --model_fn cnn.pth --model cnn --train_fn reviews.tsv
    python train.py --model_fn bert.pth --model bert --train_fn reviews.tsv
    torchrun --nproc_per_node 2 train.py --model_fn model.pth

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

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
)

# Of options that are not given, what suits each network.
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
    """Add the options that say what to learn from."""
    p = parser.add_argument_group('data')
    p.add_argument(
        '--train_fn',
        default='sample/train.tsv',
        help='texts to learn from, a line for each: label, tab, text',
    )
    p.add_argument(
        '--valid_fn', help='texts to validate on; None: a share of those of --train_fn'
    )
    p.add_argument(
        '--valid_ratio',
        type=number(float, 0.01, 0.9),
        default=0.1,
        help='this share, without --valid_fn',
    )
    p.add_argument(
        '--tokenizer',
        choices=['kiwi', 'sentencepiece', 'space', 'character'],
        help='how to cut a text: Korean morphemes, subwords, what spaces separate, or '
        'characters; None: kiwi, of cnn character',
    )
    p.add_argument(
        '--min_vocab_freq',
        type=number(int, 1),
        default=2,
        help='how often a token, or an n-gram, must occur to be learned',
    )
    p.add_argument(
        '--max_vocab_size', type=number(int, 3), default=30000, help='tokens at most'
    )
    p.add_argument(
        '--max_length',
        type=number(int, 3),
        default=255,
        help='tokens of a text to read, the rest is cut off',
    )
    p.add_argument(
        '--cache_dir', default='cache', help='folder for texts that were cut before'
    )


def add_training_options(parser):
    """Add the options that say how to learn."""
    p = parser.add_argument_group('training')
    p.add_argument(
        '--seed', type=number(int, 0), default=0, help='of all that is random'
    )
    p.add_argument('--n_epochs', type=number(int, 1), default=3, help='times all data')
    p.add_argument(
        '--batch_size',
        type=number(int, 1),
        default=64,
        help='texts a step, of each process',
    )
    p.add_argument(
        '--lr',
        type=number(float, 0.0),
        help='highest learning rate; None: 2e-3, of bert 5e-5',
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
        help='of AdamW; None: 0.25, of bert 0.01',
    )
    p.add_argument(
        '--amp',
        choices=['off', 'bf16', 'fp16'],
        default='off',
        help='mixed precision: numbers of 16 bits where they do',
    )


def add_model_options(parser):
    """Add the options that say what kind of network learns."""
    p = parser.add_argument_group('model')
    p.add_argument(
        '--model', choices=['rnn', 'cnn', 'bert'], default='rnn', help='its kind'
    )
    p.add_argument(
        '--dropout_p',
        type=number(float, 0.0, 0.95),
        default=0.5,
        help='share of the word vectors and features to blank out, not of bert',
    )
    p.add_argument(
        '--word_vec_size', type=number(int, 1), default=64, help='of rnn and cnn'
    )
    p.add_argument(
        '--max_n_gram',
        type=number(int, 1),
        help='of rnn and cnn: up to so many tokens in a row have a vector; '
        'None: 2, of cnn 4',
    )
    p.add_argument(
        '--n_gram_vec_size', type=number(int, 1), default=32, help='its size'
    )
    p.add_argument('--hidden_size', type=number(int, 1), default=64, help='of rnn')
    p.add_argument('--n_layers', type=number(int, 1), default=1, help='layers of rnn')
    p.add_argument(
        '--window_sizes',
        type=number(int, 1),
        nargs='+',
        default=[1, 2, 3, 4],
        help='tokens that a filter of cnn sees',
    )
    p.add_argument(
        '--n_filters',
        type=number(int, 1),
        default=64,
        help='filters of cnn for each window size',
    )
    p.add_argument(
        '--pretrained_model_name',
        default='beomi/kcbert-base',
        help='of bert: a model of the hub, or a folder',
    )
    p.add_argument(
        '--gradient_checkpointing',
        action='store_true',
        help='bert in less memory, but slower',
    )


def fill_in(config):
    """Give the options that were not given the values of DEFAULTS."""
    for name, values in DEFAULTS.items():
        if getattr(config, name) is None:
            setattr(config, name, values[config.model])


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
    from ignite.metrics import Accuracy
    from torch import nn

    from data_loader import get_loaders
    from model import get_encoder_config, get_model
    from trainer import Trainer

    fill_in(config)
    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    train_loader, valid_loader, class_names, tokenizer, vocabulary = get_loaders(config)
    log(f'{len(train_loader.dataset)} texts to train on, {len(vocabulary)} tokens')

    # Model, criterion and optimizer
    model = get_model(vars(config), len(class_names), vocabulary).to(device)
    crit = nn.CrossEntropyLoss()
    optimizer = get_optimizer(model, config.lr, config.weight_decay)
    n_steps = config.n_epochs * len(train_loader)
    scheduler = get_scheduler(optimizer, n_steps, config.warmup_ratio)

    # Trainer
    checkpoint = {
        'chapter': '10_text_classification',
        'config': vars(config),
        'class_names': class_names,
        'tokenizer': tokenizer.state_dict(),
        'vocabulary': vocabulary.state_dict(),
        'encoder_config': get_encoder_config(model),
    }
    metrics = {'accuracy': Accuracy(device=device)}
    trainer = Trainer(model, crit, optimizer, scheduler, metrics, checkpoint)
    state = load_last(config, '10_text_classification') if config.resume else None
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
