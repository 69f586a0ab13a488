"""What transfer is worth: accuracy with few labels, and images a second of training.

    python benchmarks/transfer.py accuracy --data_dir DIR    # minutes
    python benchmarks/transfer.py speed
    python benchmarks/transfer.py families

- accuracy: the test accuracy of chapter 06 after 50, 200 and 1,000 labelled digits,
  those to validate on among them, with the mean and the standard deviation of some
  seeds. Four ways: a frozen backbone that was pre-trained on printed characters, the
  same one fine-tuned, one from scratch, and a linear classifier of the raw pixels.
- speed: epochs of the chapter's own Trainer, as it is used, checkpoints and all.
- families: how fast each family of backbones reads print, and how long its
  pre-training would take, by the time of ten steps.

Speed is counted in processor time, as if nothing else ran: with OMP_NUM_THREADS=1, that
is the time of one core.
The weights of the backbone are pre-trained first, if they are not in --weights_dir.
"""

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
from chapters import importable, load_chapter  # noqa: E402

# The options of each way, the same for every data set, all learning rates those that
# the chapter takes by itself; and the epochs by labels, so that few labels get as many
# steps as they need. Frozen epochs take milliseconds.
WAYS = {
    'frozen': '--pretrained glyphs --freeze --no-augment',
    'fine-tuned': '--pretrained glyphs',
    'scratch': '--pretrained none',
}
N_EPOCHS = {50: 30, 200: 20, 1000: 5}
N_EPOCHS_FROZEN = 100


def get_config(chapter, way, *more):
    options = [*WAYS[way].split(), '--verbose', '0', '--gpu_id', '-1', *map(str, more)]
    return chapter.train.define_argparser().parse_args(options)


def train_in_memory(chapter, config):
    """Run train.main(), but keep the best model in memory instead of in a file."""
    kept = {}

    def keep(checkpoint, fn):
        if Path(fn) == Path(config.model_fn):
            model = {name: w.clone() for name, w in checkpoint['model'].items()}
            kept.update(checkpoint | {'model': model})

    modules = (chapter.trainer, chapter.train)
    originals = [(modules[0], 'save_checkpoint'), (modules[1], 'draw_learning_curve')]
    replaced = [(m, name, getattr(m, name)) for m, name in originals]
    chapter.trainer.save_checkpoint = keep
    chapter.train.draw_learning_curve = lambda history, fn: None
    try:
        chapter.train.main(config)
    finally:
        for module, name, original in replaced:
            setattr(module, name, original)
    return kept


def score(chapter, config):
    checkpoint = train_in_memory(chapter, config)
    x, y, _ = chapter.data_loader.load_images(checkpoint['config'], is_train=False)
    model = chapter.predict.load_model(checkpoint)
    y_hat = chapter.predict.predict(model, x).argmax(dim=-1)
    return (y_hat == y).float().mean().item()


def score_linear(chapter, config):
    """Score logistic regression on the raw pixels of the very same labelled images."""
    x, y, _ = chapter.data_loader.load_images(vars(config), is_train=True)
    test_x, test_y, _ = chapter.data_loader.load_images(vars(config), is_train=False)
    chosen, _ = chapter.data_loader.choose_stratified(y, config.n_train, config.seed)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        linear = LogisticRegression(max_iter=2000)
        linear.fit(x[chosen].flatten(1), y[chosen])
    return linear.score(test_x.flatten(1), test_y)


def get_n_epochs(way, n_train):
    return N_EPOCHS_FROZEN if way == 'frozen' else N_EPOCHS[n_train]


def measure_accuracy(chapter, config, folder):
    for dataset in config.datasets:
        for n_train in config.n_train:
            for way in [*config.ways, *(['linear'] if config.linear else [])]:
                start = time.perf_counter()
                accuracies = []
                for seed in config.seeds:
                    n_epochs = config.n_epochs or get_n_epochs(way, n_train)
                    options = get_config(
                        chapter,
                        'scratch' if way == 'linear' else way,
                        *('--dataset', dataset, '--data_dir', config.data_dir),
                        *('--model_fn', folder / 'model.pth', '--batch_size', 16),
                        *('--weights_dir', config.weights_dir or folder),
                        *('--n_train', n_train, '--n_epochs', n_epochs),
                        *('--seed', seed),
                    )
                    run = score_linear if way == 'linear' else score
                    accuracies.append(100 * run(chapter, options))
                    print(
                        f'{dataset} {n_train} {way} seed {seed}: {accuracies[-1]:.2f}',
                        file=sys.stderr,
                    )
                spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0
                print(
                    f'{dataset:8} {n_train:5} labels  {way:10}  '
                    f'{statistics.mean(accuracies):5.1f} ± {spread:3.1f} %   '
                    f'{time.perf_counter() - start:5.0f} s   '
                    + ' '.join(f'{accuracy:.1f}' for accuracy in accuracies),
                    flush=True,
                )


def time_epochs(chapter, options):
    """Return the seconds of some epochs, validation and files included.

    The first epoch is left out, and the last one, after which no other one starts.
    """
    seconds = []
    start_epoch = chapter.trainer.Trainer._start_epoch

    def note_and_start(self, engine):
        seconds.append(time.process_time())
        start_epoch(self, engine)

    chapter.trainer.Trainer._start_epoch = note_and_start
    try:
        chapter.train.main(options)
    finally:
        chapter.trainer.Trainer._start_epoch = start_epoch
    return [end - start for start, end in zip(seconds[1:], seconds[2:], strict=False)]


def measure_speed(chapter, config, folder):
    print(f'torch {torch.__version__}, {torch.get_num_threads()} threads')
    data = ('--dataset', 'digits', '--n_train', 1400, '--n_epochs', 5)
    rows = [
        ('frozen, features reused', 'frozen', ()),
        ('frozen, not reused', 'frozen', ('--no-fast',)),
        ('fine-tuned', 'fine-tuned', ('--no-augment',)),
        ('from scratch', 'scratch', ('--no-augment',)),
        ('fine-tuned, --amp bf16', 'fine-tuned', ('--no-augment', '--amp', 'bf16')),
    ]
    for name, way, more in rows:
        options = get_config(
            chapter,
            way,
            *(*data, *more, '--model_fn', folder / 'model.pth'),
            *('--weights_dir', config.weights_dir or folder),
        )
        seconds = statistics.median(time_epochs(chapter, options))
        print(
            f'{name:24} {seconds:7.2f} s an epoch   {1260 / seconds:9,.0f} images/s',
            flush=True,
        )


def measure_families(chapter, config, folder):
    print(f'torch {torch.__version__}, {torch.get_num_threads()} threads')
    n_images = chapter.pretrain.OPTIONS['n_images']
    for family, (_, _, min_size) in chapter.model.NETWORKS.items():
        image_size = max(32, min_size)
        backbone, n_features = chapter.model.get_backbone(family, image_size)
        model = chapter.model.TransferClassifier(
            backbone, n_features, len(chapter.make_sample.CLASSES), is_frozen=False
        )
        batches = chapter.make_sample.draw_batches(64, image_size)
        seconds = []
        # The first one renders the glyphs, too.
        for n_steps in (10, 10, 20):
            start = time.process_time()
            chapter.trainer.train_on_stream(model, batches, n_steps, 2e-3, False)
            seconds.append(time.process_time() - start)
        # The difference is that of ten steps alone.
        speed = 640 / (seconds[2] - seconds[1])
        print(
            f'{family:12} {image_size} pixels  {speed:7,.0f} images/s  '
            f'{n_images / speed / 60:5.1f} minutes for {n_images:,}',
            flush=True,
        )


def main():
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('what', choices=['accuracy', 'speed', 'families'])
    parser.add_argument('--data_dir', default=str(ROOT / 'data'))
    parser.add_argument('--weights_dir')
    parser.add_argument('--datasets', nargs='+', default=['mnist', 'digits'])
    parser.add_argument('--n_train', nargs='+', type=int, default=list(N_EPOCHS))
    parser.add_argument('--ways', nargs='*', default=list(WAYS))
    parser.add_argument('--linear', action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument('--seeds', nargs='+', type=int, default=range(5))
    parser.add_argument('--n_epochs', type=int, help='the same for all ways')
    config = parser.parse_args()

    chapter = load_chapter('06_transfer_learning')
    with tempfile.TemporaryDirectory() as folder, importable(chapter):
        ways = {
            'accuracy': measure_accuracy,
            'speed': measure_speed,
            'families': measure_families,
        }
        ways[config.what](chapter, config, Path(folder))


if __name__ == '__main__':
    main()
