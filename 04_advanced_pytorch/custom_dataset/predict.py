"""Score a trained classifier on the test split, or classify rows of one's own.

    python predict.py --model_fn model.pth
    python predict.py --model_fn model.pth --input_fn my_tumours.csv
    cat my_tumours.csv | python predict.py --model_fn model.pth --input_fn -

The first prints accuracy, precision, recall and the area under the ROC curve, and draws
that curve. The others print the probability of a malignant tumour, a line for each row.
A bad row is an error on stderr and gives a blank line; the exit status is then 2.
"""

import sys
from pathlib import Path

from guards import add_encoding, get_argparser, load_checkpoint, run, save_figure
from utils import get_device


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Score on the test split, or classify rows.')
    p.add_argument('--input_fn', help='CSV to classify instead, - for stdin')
    p.add_argument('--figure_fn', help='PNG to draw; None: beside the checkpoint')
    add_encoding(p)
    return p


def load_model(checkpoint):
    """Build the classifier that a checkpoint describes, ready to predict."""
    from model import get_model

    sizes = len(checkpoint['mean']), len(checkpoint['class_names'])
    model = get_model(checkpoint['config'], *sizes)
    model.load_state_dict(checkpoint['model'])
    return model.eval()


def predict(model, x, checkpoint):
    """Return the probability that each row is malignant.

    Arguments:
        x: a float tensor of shape (n_rows, n_features), on the CPU, as measured.
        checkpoint: contains the mean and std that the model was trained with.

    Returns:
        A float tensor of shape (n_rows,), on the CPU.
    """
    import torch

    device = next(model.parameters()).device
    x = (x - checkpoint['mean']) / checkpoint['std']
    with torch.no_grad():
        return model(x.to(device)).softmax(dim=-1)[:, 1].cpu()


def score(y, p, figure_fn):
    """Print and draw how well the probabilities separate the classes.

    Arguments:
        y: the classes, a long tensor of shape (n_rows,).
        p: the probabilities of class 1, a float tensor of shape (n_rows,).
        figure_fn: the PNG file to write.
    """
    from matplotlib.figure import Figure
    from sklearn import metrics

    y, p = y.numpy(), p.numpy()
    y_hat = p > 0.5
    figure = Figure(figsize=(5, 5), layout='constrained')
    axes = figure.subplots()
    curve = metrics.RocCurveDisplay.from_predictions(
        y, p, name='model', plot_chance_level=True, ax=axes
    )
    axes.set_title('ROC curve of the test split')

    print(f'n_rows: {len(y)}')
    print(f'accuracy: {metrics.accuracy_score(y, y_hat):.4f}')
    print(f'precision: {metrics.precision_score(y, y_hat, zero_division=0):.4f}')
    print(f'recall: {metrics.recall_score(y, y_hat):.4f}')
    print(f'roc_auc: {curve.roc_auc:.4f}')
    save_figure(figure, figure_fn)


def main(config):
    """Score the test split, or classify the rows of a CSV file."""
    from data_loader import get_feature_names, load_splits, read_table

    device = get_device(config.gpu_id)
    checkpoint = load_checkpoint(config.model_fn, '04_advanced_pytorch/custom_dataset')
    model = load_model(checkpoint).to(device)

    if config.input_fn:
        x = read_table(config.input_fn, get_feature_names(), config.encoding)
        # |x| = (n_rows, n_features)
        is_bad = x.isnan().any(dim=1).tolist()
        for p, bad in zip(predict(model, x, checkpoint), is_bad, strict=True):
            print('' if bad else f'{p:.4f}')
        if any(is_bad):
            sys.exit(2)
        return

    *_, (x, y) = load_splits(checkpoint['config']['seed'])
    # |x| = (n_rows, n_features)
    # |y| = (n_rows,)
    figure_fn = config.figure_fn or Path(config.model_fn).with_suffix('.predict.png')
    score(y, predict(model, x, checkpoint), figure_fn)


if __name__ == '__main__':
    run(main, define_argparser())
