"""Train a language model: how probable is a sentence of one language?

    python train_lm.py --lang ko --model_fn lm.ko.pth
    python train_lm.py --lang en --model_fn lm.en.pth --train_fn D/train D/news
    python train_lm.py --lang ko --model_fn lm.ko.pth --subwords_fn koen.pth

Text of one language is enough. The subwords are trained on it, or are those of a
translator of 13 with --subwords_fn. train.py needs a model of each language.
"""

import math

from guards import add_encoding, check_model_fn, get_argparser, log, number, run
from train import (
    CHAPTER,
    add_model_options,
    add_training_options,
    add_update_options,
    compile_model,
)
from utils import get_device, set_seed, to_tensor


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Train a language model.')
    add_data_options(p)
    add_training_options(p)
    add_update_options(p)
    add_model_options(p)
    # The loss has to be the log-probability itself.
    p.set_defaults(model_fn='lm.ko.pth', label_smoothing=0.0, n_layers=2)
    p.set_defaults(n_epochs=10, batch_size=64, n_warmup_steps=300, dropout_p=0.3)
    return p


def add_data_options(parser):
    """Add the options that say what to train on."""
    group = parser.add_argument_group('data')
    option = group.add_argument
    prefixes, prefix_help = ['sample/train', 'sample/mono'], 'prefixes of text files'
    option('--train_fn', nargs='+', default=prefixes, help=prefix_help)
    option('--valid_fn', default='sample/valid', help='prefix of the validation file')
    lang_help = 'the language, the ending of the files'
    option('--lang', default='ko', help=lang_help)
    vocab_help = 'largest number of subwords'
    option('--vocab_size', type=number(int, 300), default=8000, help=vocab_help)
    subwords_help = "a translator of 13 whose subwords to use; None: the text's own"
    option('--subwords_fn', help=subwords_help)
    length_help = 'longer sentences, in subwords, are left out'
    option('--max_length', type=number(int, 3), default=100, help=length_help)
    option('--cache_dir', default='cache', help='folder for encoded sentences')
    add_encoding(group)


def main(config):
    """Train and save the best model."""
    from data_loader import get_text_loaders
    from fast import speed_up
    from model import LanguageLoss, get_criteria, get_language_model
    from trainer import (
        InverseSquareRoot,
        Trainer,
        get_optimizer,
        get_perplexity,
        run_training,
    )

    check_model_fn(config.model_fn)
    set_seed(config.seed)
    device = get_device(config.gpu_id)

    # Data
    train_loader, valid_loader, subwords = get_text_loaders(config)
    log(f'{len(train_loader.dataset)} sentences to train on')

    # Model, criterion and optimizer
    model = get_language_model(vars(config), len(subwords)).to(device)
    crit, _ = get_criteria(config.label_smoothing)
    if config.fast and device.type == 'cpu':
        speed_up(model, crit)
    if config.compile:
        compile_model(model, device)
    optimizer = get_optimizer(model, config.lr, config.weight_decay)
    n_steps = math.ceil(len(train_loader) / config.iteration_per_update)
    n_warmup_batches = config.n_warmup_steps * len(train_loader) / n_steps
    scheduler = InverseSquareRoot(optimizer, n_warmup_batches)

    # Trainer
    checkpoint = {
        'chapter': f'{CHAPTER}/train_lm',
        'config': vars(config),
        'subwords': to_tensor(subwords.serialized_model_proto()),
    }
    crit = LanguageLoss(crit)
    metrics = {'perplexity': get_perplexity('language', device)}
    best = {config.model_fn: (model, checkpoint)}
    trainer = Trainer(model, crit, optimizer, scheduler, metrics, checkpoint, best)
    run_training(trainer, config, train_loader, valid_loader)


if __name__ == '__main__':
    run(main, define_argparser())
