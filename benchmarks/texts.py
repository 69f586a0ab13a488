"""Reviews a second in chapter 10, in training and in prediction.

    python benchmarks/texts.py reviews.tsv
    python benchmarks/texts.py reviews.tsv --models bert --n_reviews 2000

Training: the chapter's own run, without reading the file; a bare loop of the same model
over batches that are tensors already; and the same loop over random batches, which have
more padding. Prediction: from lines to labels, and its two parts alone, the tokenizer
and the model.
"""

import argparse
import contextlib
import io
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

CHAPTER = Path(__file__).resolve().parent.parent / '10_text_classification'
sys.path.insert(0, str(CHAPTER))


def get_config(arguments, folder, model):
    """Return the options of a training."""
    import train

    options = [
        *('--train_fn', arguments.reviews_fn, '--model', model, '--gpu_id', '-1'),
        *('--cache_dir', folder, '--model_fn', f'{folder}/{model}.pth'),
        *('--n_epochs', '1', '--verbose', '0'),
    ]
    if arguments.pretrained_model_name:
        options += ['--pretrained_model_name', arguments.pretrained_model_name]
    config = train.define_argparser().parse_args(list(map(str, options)))
    train.fill_in(config)
    return config


def get_parts(config, table):
    """Return a loader, a model and its optimizer, as train.main() makes them."""
    import data_loader
    import model
    import trainer

    data_loader.read_table = lambda fn, *columns: table
    loader, valid_loader, class_names, _, vocabulary, _ = data_loader.get_loaders(
        config
    )
    network = model.get_model(vars(config), len(class_names), vocabulary)
    optimizer = trainer.get_optimizer(network, config.lr, config.weight_decay)
    return loader, valid_loader, network, optimizer


def time_ours(config, loader, valid_loader, network, optimizer):
    """Return the seconds of an epoch by the chapter's Trainer, without validation."""
    from trainer import Trainer, get_scheduler

    scheduler = get_scheduler(optimizer, len(loader), config.warmup_ratio)
    checkpoint = {'chapter': '10_text_classification', 'config': vars(config)}
    trainer = Trainer(
        network, nn.CrossEntropyLoss(), optimizer, scheduler, {}, checkpoint
    )
    # An epoch ends without validation, and nothing is saved.
    trainer._validate = lambda engine, _: engine.state.metrics.update(valid_loss=0.0)
    trainer.best = trainer.last = lambda engine: None
    start = time.perf_counter()
    trainer.train(loader, valid_loader)
    return time.perf_counter() - start


def time_bare(batches, network, optimizer):
    """Return the seconds of a loop over batches that are tensors already."""
    network.train()
    crit = nn.CrossEntropyLoss()
    start = time.perf_counter()
    for x, lengths, y in batches:
        optimizer.zero_grad()
        crit(network(x, lengths), y).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    return time.perf_counter() - start


def measure_training(config, table, n_repeats):
    """Return the reviews a second of the three ways, which take turns."""
    loader, valid_loader, network, optimizer = get_parts(config, table)
    parts = loader, valid_loader, network, optimizer
    n_reviews = len(loader.dataset)
    batches = list(loader)
    order = torch.randperm(n_reviews).split(config.batch_size)
    dataset = loader.dataset
    random_batches = [dataset.collate([dataset[i] for i in batch]) for batch in order]
    # oneDNN generates code for each new length.
    time_bare(batches, network, optimizer)
    rows = [
        {
            'ours': time_ours(config, *parts),
            'bare': time_bare(batches, network, optimizer),
            'unbucketed': time_bare(random_batches, network, optimizer),
        }
        for _ in range(n_repeats)
    ]
    return [
        {name: n_reviews / value for name, value in seconds.items()} for seconds in rows
    ]


def measure_prediction(config, texts):
    """Return the reviews a second of the whole, of the tokenizer and of the model."""
    import predict

    import utils

    classifier = predict.Classifier(config.model_fn, utils.get_device(-1))
    next(classifier.tokenizer.tokenize(['좋다']))
    start = time.perf_counter()
    id_lists = classifier.encode(texts)
    tokenizer = time.perf_counter() - start
    start = time.perf_counter()
    for begin in range(0, len(texts), 2000):
        classifier.predict(id_lists[begin : begin + 2000], 256)
    model = time.perf_counter() - start

    parser = predict.define_argparser()
    predict_config = parser.parse_args(['--model_fn', config.model_fn])
    lines = iter(texts)
    predict.read_lines = lambda encoding: lines
    sys.stdin = io.StringIO()
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        predict.classify([classifier], predict_config)
    whole = time.perf_counter() - start
    seconds = {'whole': whole, 'tokenizer': tokenizer, 'model': model}
    return {name: len(texts) / value for name, value in seconds.items()}


def get_medians(rows):
    """Return the median of each column."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def describe(speeds):
    """Return a line of speeds."""
    return ' '.join(f'{name} {value:.0f}' for name, value in speeds.items())


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('reviews_fn', help='lines of a label, a tab and a text')
    p.add_argument('--models', nargs='+', default=['rnn', 'cnn'])
    p.add_argument('--n_reviews', type=int, default=20000)
    p.add_argument('--n_repeats', type=int, default=3)
    p.add_argument('--pretrained_model_name')
    arguments = p.parse_args()

    import data_loader
    import train

    table = data_loader.read_table(arguments.reviews_fn).head(arguments.n_reviews)
    print(f'{torch.get_num_threads()} threads, {len(table)} reviews, reviews a second')
    with tempfile.TemporaryDirectory() as folder:
        for model in arguments.models:
            config = get_config(arguments, folder, model)
            rows = measure_training(config, table, arguments.n_repeats)
            found = get_medians(rows)
            ratio = statistics.median(row['ours'] / row['bare'] for row in rows)
            gain = found['bare'] / found['unbucketed']
            print(
                f'{model} training: {describe(found)}; ours/bare {ratio:.2f}, '
                f'buckets {gain:.2f}',
                flush=True,
            )

            train.main(config)
            texts = table['text'].tolist()
            rows = [
                measure_prediction(config, texts) for _ in range(arguments.n_repeats)
            ]
            found = get_medians(rows)
            ratio = found['whole'] / min(found['tokenizer'], found['model'])
            print(
                f'{model} prediction: {describe(found)}; whole/slower part {ratio:.2f}',
                flush=True,
            )
    n_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f'memory at most: {n_bytes / 1e6:.0f} MB')


if __name__ == '__main__':
    main()
