"""Train small networks of the image chapters for seconds, and export them."""

from types import SimpleNamespace

import torch
from attacks import run_here
from chapters import ROOT, importable, load_chapter, run

SHORT = ('--dataset', 'digits', '--n_epochs', 2, '--verbose', 0)
SIZES = {
    '02_mnist_tutorial': ('--hidden_sizes', 40),
    '03_mnist_autoencoder': ('--hidden_sizes', 40),
    '05_cnn': ('--channel_sizes', 4, 8),
    '07_rnn': ('--hidden_size', 12),
}
# Exports are made once for all tests of a process.
MADE = {}


def get_export(name, tmp_path_factory):
    """Return what make_export() returns; it is made when it is first asked for."""
    if name not in MADE:
        MADE[name] = make_export(name, tmp_path_factory.mktemp('exported'))
    return MADE[name]


def make_export(name, folder):
    """Train a small network of a chapter for seconds, and export it.

    Arguments:
        name: of the chapter.
        folder: an empty folder, for `model.pth` and `export`.

    Returns:
        A namespace: the `name` and the loaded `chapter`; `model`, the network in
        PyTorch, ready to predict; `model_fn`; `out_dir`, the folder with the exported
        network; and what export.py has `printed`.
    """
    chapter = load_chapter(name)
    model_fn, out_dir = folder / 'model.pth', folder / 'export'
    with importable(chapter):
        run_here(chapter.train, '--model_fn', model_fn, *SHORT, *SIZES[name])
        checkpoint = torch.load(model_fn, weights_only=True)
        model = chapter.predict.load_model(checkpoint)
    options = '--model_fn', model_fn, '--out_dir', out_dir
    # One process an export: torch 2.14 does not export a second network with an LSTM.
    process = run(ROOT / name, 'export.py', *options, check=True)
    return SimpleNamespace(
        name=name,
        chapter=chapter,
        model=model,
        model_fn=model_fn,
        out_dir=out_dir,
        printed=process.stdout,
    )
