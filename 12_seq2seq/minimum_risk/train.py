"""Fine-tune a translator of 12 or of 13, so that the risk of its translations falls.

    python train.py --pretrained_fn ../model.pth --model_fn model.pth
    python train.py --method reinforce --n_samples 2
    torchrun --nproc_per_node 2 train.py --model_fn model.pth

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

import argparse
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
from utils import draw_learning_curve, get_device, load_last, set_seed


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Fine-tune a translator.')
    add_data_options(p)
    add_training_options(p)
    add_update_options(p)
    add_risk_options(p)
    return p


def add_data_options(parser):
    """Add the options that say what to train on."""
    group = parser.add_argument_group('data')
    option = group.add_argument
    prefix_help = 'prefix of the two training files: D/train for D/train.ko, ...'
    option('--train_fn', default='sample/train', help=prefix_help)
    option('--valid_fn', default='sample/valid', help='of the validation files')
    n_batches = 'batches of an epoch, other ones in each; 0: all'
    option('--n_batches', type=number(int, 0), default=16, help=n_batches)
    length_help = 'pairs with a longer sentence, in subwords, are left out'
    option('--max_length', type=number(int, 3), default=100, help=length_help)
    option('--cache_dir', default='cache', help='folder for encoded sentences')
    odd_help = 'leave out pairs that are equal, swapped, or nine times longer on a side'
    option('--drop_odd', action='store_true', help=odd_help)
    add_encoding(group)


def add_training_options(parser):
    """Add the options that say how to train."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=3, help='each is validated')
    size_help = 'largest number of pairs of a batch, of each process'
    option('--batch_size', type=number(int, 1), default=64, help=size_help)
    option('--lr', type=number(float, 0.0), default=1e-4, help='highest learning rate')
    levels = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=levels)
    patience = 'stop after this many epochs without a better model, 0: never'
    option('--early_stop', type=number(int, 0), default=0, help=patience)
    option('--log_dir', help='folder for TensorBoard; None: no log')
    resume = 'continue from model.last.pth, with the same options'
    option('--resume', action='store_true', help=resume)
    max_grad = 'gradients with a larger norm are clipped to it'
    option('--max_grad', type=number(float, 1e-6), default=5.0, help=max_grad)
    warmup = 'share of the steps in which the learning rate rises; then it falls'
    option('--warmup_ratio', type=number(float, 0.0, 1.0), default=0.1, help=warmup)
    decay = 'of AdamW, not for biases and normalisations'
    option('--weight_decay', type=number(float, 0.0), default=0.0, help=decay)
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


def add_risk_options(parser):
    """Add the options that say what to fine-tune, and which risk shall fall."""
    option = parser.add_argument_group('risk').add_argument
    pretrained = 'checkpoint of 12 or of 13 to begin with'
    option('--pretrained_fn', default='../model.pth', help=pretrained)
    methods = ['minimum_risk', 'reinforce']
    method = 'renormalise the probabilities of the samples, or REINFORCE'
    option('--method', choices=methods, default=methods[0], help=method)
    metrics = ['gleu', 'bleu', 'chrf']
    metric = 'the risk of a translation is 1 - this score of it'
    option('--metric', choices=metrics, default=metrics[0], help=metric)
    size, size_help = number(int, 1, 1000), 'translations drawn for each sentence'
    option('--n_samples', type=size, default=4, help=size_help)
    baselines = ['others', 'none']
    baseline = 'of REINFORCE: the mean risk of the other samples, or 0'
    option('--baseline', choices=baselines, default=baselines[0], help=baseline)
    alpha = 'of minimum_risk: the larger, the more the probable samples weigh'
    option('--alpha', type=number(float, 0.0), default=0.1, help=alpha)
    is_optional = argparse.BooleanOptionalAction
    include = 'of minimum_risk: the reference counts as one more sample'
    option('--include_reference', action=is_optional, default=False, help=include)
    weight = 'of minus the log-probability of the reference in the loss'
    option('--likelihood_weight', type=number(float, 0.0), default=0.0, help=weight)
    p, p_help = number(float, 0.0, 0.95), '0: the risk is that of the whole network'
    option('--dropout_p', type=p, default=0.0, help=p_help)


def check_options(config):
    """Fail before the training if some options do not go together.

    Raises:
        InputError: they do not.
    """
    is_reinforce = config.method == 'reinforce'
    if is_reinforce and config.include_reference:
        raise InputError('--include_reference: expected --method minimum_risk')
    if is_reinforce and config.baseline == 'others' and config.n_samples == 1:
        raise InputError('--n_samples 1: has no --baseline others; expected 2 or more')
    if Path(config.model_fn).resolve() == Path(config.pretrained_fn).resolve():
        raise InputError('--model_fn: expected another file than --pretrained_fn')


def main(config):
    """Fine-tune and save the best model."""
    from data_loader import get_loaders
    from pretrained import get_network, get_subwords, load_pretrained
    from risk import RiskLoss, get_metric
    from trainer import Trainer, get_optimizer, get_scheduler

    check_model_fn(config.model_fn)
    check_options(config)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data: in the language and the subwords of the pretrained network
    pretrained = load_pretrained(config.pretrained_fn)
    config = argparse.Namespace(**pretrained['config'] | vars(config))
    subwords = get_subwords(pretrained)
    train_loader, valid_loader = get_loaders(config, subwords)
    log(f'{len(train_loader.dataset)} pairs to train on')

    # Model, criterion and optimizer
    model = get_network(pretrained, vars(config)).to(device)
    metric = get_metric(config.metric, subwords[1])
    crit = RiskLoss(vars(config))
    optimizer = get_optimizer(model, config.lr, config.weight_decay)
    n_steps = config.n_epochs * len(train_loader)
    scheduler = get_scheduler(optimizer, n_steps, config.warmup_ratio)

    # Trainer: the checkpoint remains one of the chapter that it comes from
    names = 'chapter', 'x_subwords', 'y_subwords'
    checkpoint = {'config': vars(config)} | {name: pretrained[name] for name in names}
    trainer = Trainer(model, metric, crit, optimizer, scheduler, checkpoint)
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
