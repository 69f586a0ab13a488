"""Train a recurrent classifier of texts.

    python train.py --model_fn model.pth
    python train.py --model_fn model.pth --train_fn reviews.tsv --tokenizer space

This file is the table of contents: device, data, model, criterion and optimizer,
trainer, save.
"""

from pathlib import Path

from guards import add_encoding, check_model_fn, get_argparser, log, number, run
from labels import add_table_options
from utils import draw_learning_curve, get_device, load_last, set_seed


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train a recurrent classifier of texts.')
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
    kind_help = 'split texts into Korean morphemes, or at spaces'
    option('--tokenizer', choices=['kiwi', 'space'], default='kiwi', help=kind_help)
    freq_help = 'tokens that occur less often are unknown'
    option('--min_vocab_freq', type=number(int, 1), default=2, help=freq_help)
    merge_help = 'labels that differ in case, width, spaces or .0 are one class'
    option('--merge_labels', action='store_true', help=merge_help)
    add_table_options(option)
    add_encoding(group)


def add_training_options(parser):
    """Add the options of the training."""
    option = parser.add_argument_group('training').add_argument
    option('--seed', type=number(int, 0), default=0, help='of the random numbers')
    option('--n_epochs', type=number(int, 1), default=5, help='passes over the data')
    option('--batch_size', type=number(int, 1), default=64, help='texts a step')
    option('--lr', type=number(float, 0), default=2e-3, help='learning rate')
    verbose_help = '0: silent, 1: a line an epoch, 2: a progress bar too'
    option('--verbose', type=int, choices=[0, 1, 2], default=2, help=verbose_help)
    stop_help = 'epochs without a better model after which to stop, 0: never'
    option('--early_stop', type=number(int, 0), default=0, help=stop_help)
    option('--log_dir', help='folder for TensorBoard; None: no log')
    resume_help = 'go on from model.last.pth, with the same options'
    option('--resume', action='store_true', help=resume_help)
    grad_help = 'gradients with a larger norm are clipped to it'
    option('--max_grad', type=number(float, 1e-6), default=5.0, help=grad_help)


def add_model_options(parser):
    """Add the options of the network."""
    option, size = parser.add_argument_group('model').add_argument, number(int, 1)
    p_help = 'probability that a feature is set to zero in training'
    option('--dropout_p', type=number(float, 0, 0.95), default=0.5, help=p_help)
    option('--word_vec_size', type=size, default=64, help='size of a word vector')
    option('--hidden_size', type=size, default=64, help='of each direction of the LSTM')
    option('--n_layers', type=size, default=1, help='layers of the LSTM')


def main(config):
    """Train and save the best model."""
    from ignite.metrics import Accuracy
    from torch import nn, optim

    from data_loader import get_loaders
    from model import get_model
    from trainer import Trainer

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    train_loader, valid_loader, class_names, vocabulary, hashes = get_loaders(config)
    log(f'{len(train_loader.dataset)} texts to train on, {len(vocabulary)} tokens')

    # Model, criterion and optimizer
    model = get_model(vars(config), len(class_names), vocabulary).to(device)
    crit = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=config.lr)

    # Trainer
    checkpoint = {
        'chapter': '10_text_classification/lstm',
        'config': vars(config),
        'class_names': class_names,
        'vocabulary': vocabulary.state_dict(),
        'train_hashes': hashes,
    }
    metrics = {'accuracy': Accuracy(device=device)}
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
