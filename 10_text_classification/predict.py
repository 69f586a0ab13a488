"""Classify texts, or score classifiers on labelled ones.

    python predict.py --model_fn model.pth < reviews.txt
    python predict.py --model_fn rnn.pth cnn.pth --test_fn sample/test.tsv
    python predict.py --figure_fn words.png

Reads a text a line from stdin and prints a line for each, blank ones included: the
label, its probability and the text, separated by tabs. Several models are averaged.
With --test_fn it prints `accuracy: 0.8650`, the F1 score and the confusion matrix of a
file in which each line begins with the true label and a tab.
"""

import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from utils import (
    InputError,
    batched,
    get_argparser,
    get_device,
    load_checkpoint,
    log,
    number,
    read_lines,
    run,
    save_figure,
    use_korean_font,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Classify texts, or score on a file.', takes_models=True)
    p.add_argument('--test_fn', help='labelled texts to score on, instead of stdin')
    p.add_argument(
        '--top_k', type=number(int, 1), default=1, help='how many labels to print'
    )
    p.add_argument(
        '--batch_size', type=number(int, 1), default=256, help='texts a step'
    )
    p.add_argument(
        '--figure_fn', help='PNG of the words that moved the decision on the first text'
    )
    return p


class Classifier:
    """A checkpoint at work: from texts to the probabilities of its classes.

    Arguments:
        fn: the checkpoint.
        device: where to compute.
    """

    def __init__(self, fn, device):
        from model import get_model
        from tokenizer import Vocabulary, load_tokenizer

        checkpoint = load_checkpoint(fn, '10_text_classification')
        self.fn = fn
        self.device = device
        self.max_length = checkpoint['config']['max_length']
        self.class_names = checkpoint['class_names']
        self.tokenizer = load_tokenizer(checkpoint['tokenizer'])
        self.vocabulary = Vocabulary(**checkpoint['vocabulary'])
        self.model = get_model(
            checkpoint['config'],
            len(self.class_names),
            self.vocabulary,
            checkpoint['encoder_config'],
        )
        self.model.load_state_dict(checkpoint['model'])
        self.model.to(device).eval()
        self.is_rnn = checkpoint['config']['model'] == 'rnn'

    def encode(self, texts):
        """Return the token ids of each text."""
        token_lists = self.tokenizer.cut(texts)
        return [
            self.vocabulary.encode(tokens)[: self.max_length] for tokens in token_lists
        ]

    def predict(self, id_lists, batch_size):
        """Return the probability of each class for each text.

        Returns:
            A float tensor of shape (n_texts, n_classes), on the CPU.
        """
        import torch

        from data_loader import get_loader

        p = torch.empty(len(id_lists), len(self.class_names))
        if not id_lists:
            return p
        # The place of each text in the input instead of its class.
        places = torch.arange(len(id_lists))
        loader = get_loader(
            id_lists, places, self.vocabulary.pad_id, batch_size, is_train=False
        )
        # A step of an LSTM is too small to be shared out; Kiwi has use for the threads.
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1 if self.is_rnn else n_threads)
        with torch.inference_mode():
            for x, lengths, i in loader:
                p[i] = self.model(x.to(self.device), lengths).softmax(dim=-1).cpu()
        torch.set_num_threads(n_threads)
        return p

    def get_contributions(self, text):
        """Return how much each token of a text speaks for the class that was chosen.

        The contribution of a token is its vector times the gradient of the logit with
        respect to it: how the logit would fall, to first order, if the vector were 0
        (Simonyan et al. 2014).

        Returns:
            The tokens, their contributions as a float tensor of shape (length,), and
            the name of the class.
        """
        import torch

        (ids,) = self.encode([text])
        vectors = []
        hook = self.model.embedding.register_forward_hook(
            lambda layer, x, y: vectors.append(y.retain_grad() or y)
        )
        # cuDNN has no backward pass for a network that predicts.
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            x = torch.tensor([ids], device=self.device)
            y_hat = self.model(x, torch.tensor([len(ids)]))
            y_hat.max().backward()
        hook.remove()
        contributions = (vectors[0] * vectors[0].grad).sum(dim=-1).squeeze(0)
        # |contributions| = (length,)
        tokens = [self.vocabulary.tokens[i] for i in ids]
        return (
            tokens,
            contributions.detach().cpu(),
            self.class_names[y_hat.argmax().item()],
        )


def load_classifiers(fns, device):
    """Load all checkpoints.

    Raises:
        InputError: they have been trained for other classes.
    """
    classifiers = [Classifier(fn, device) for fn in fns]
    for other in classifiers[1:]:
        if other.class_names != classifiers[0].class_names:
            raise InputError(
                f'{other.fn}: expected the classes {classifiers[0].class_names} as in '
                f'{fns[0]}, found {other.class_names}'
            )
    return classifiers


def run_ahead(values, n_ahead=2):
    """Yield values, while another thread is making the next ones already."""
    values, end = iter(values), object()
    # Python's threads take turns; short ones, as a network waits for one every layer.
    sys.setswitchinterval(0.0005)
    with ThreadPoolExecutor(max_workers=1) as executor:
        ahead = deque(executor.submit(next, values, end) for _ in range(n_ahead))
        while (value := ahead.popleft().result()) is not end:
            ahead.append(executor.submit(next, values, end))
            yield value


def predict(classifiers, lines, batch_size, chunk_size):
    """Yield each line with its probabilities, a list; None for a blank line.

    The lines are cut into tokens chunk by chunk, and while the models work on one chunk
    the next is being cut.

    Arguments:
        lines: an iterable of strings.
    """

    def encode_chunks():
        for chunk in batched(lines, chunk_size):
            texts = [line for line in chunk if line.strip()]
            yield chunk, [classifier.encode(texts) for classifier in classifiers]

    for chunk, encoded in run_ahead(encode_chunks()):
        probabilities = sum(
            classifier.predict(id_lists, batch_size)
            for classifier, id_lists in zip(classifiers, encoded, strict=True)
        ) / len(classifiers)
        rows = iter(probabilities.tolist())
        for line in chunk:
            yield line, next(rows) if line.strip() else None


def classify(classifiers, config):
    """Print a line for each line of stdin; return the first text."""
    is_typed = sys.stdin.isatty()
    if is_typed:
        log('a text a line, please; Ctrl-D ends it')
    lines = read_lines()
    class_names = classifiers[0].class_names
    first_text = None
    # A person at the keyboard wants the answer at once.
    chunk_size = 1 if is_typed else 2000
    for line, p in predict(classifiers, lines, config.batch_size, chunk_size):
        if p is None:
            print()
            continue
        first_text = first_text or line
        best = sorted(range(len(p)), key=p.__getitem__, reverse=True)
        answers = [f'{class_names[i]}\t{p[i]:.4f}' for i in best[: config.top_k]]
        print(*answers, line, sep='\t', flush=is_typed)
    return first_text


def score(classifiers, config):
    """Print how well the classifiers do on a labelled file; return its first text."""
    import torch
    from sklearn.metrics import confusion_matrix, f1_score

    from data_loader import get_labels, read_table

    class_names = classifiers[0].class_names
    table = read_table(config.test_fn)
    y = get_labels(table, class_names, config.test_fn)
    texts = table['text'].tolist()
    p = torch.tensor(
        [p for _, p in predict(classifiers, texts, config.batch_size, 2000)]
    )
    # |p| = (n_texts, n_classes)
    y_hat = p.argmax(dim=-1)
    # |y_hat| = (n_texts,)

    print(f'n_texts: {len(texts)}')
    print(f'accuracy: {(y_hat == y).float().mean().item():.4f}')
    print(f'f1: {f1_score(y, y_hat, average="macro"):.4f}')
    print('confusion_matrix:')
    print('true \\ predicted', *class_names, sep='\t')
    confusions = confusion_matrix(y, y_hat, labels=range(len(class_names)))
    for name, counts in zip(class_names, confusions.tolist(), strict=True):
        print(name, *counts, sep='\t')
    return texts[0]


def draw_contributions(figure, classifiers, text):
    """Draw for each classifier which tokens spoke for its decision, and which against.

    Arguments:
        figure: the matplotlib Figure to draw on.
        text: the text that was classified.
    """
    grid = figure.subplots(1, len(classifiers), squeeze=False)
    for axes, classifier in zip(grid.flat, classifiers, strict=True):
        tokens, contributions, label = classifier.get_contributions(text)
        places = range(len(tokens))
        colours = ['tab:red' if value < 0 else 'tab:blue' for value in contributions]
        axes.barh(places, contributions, color=colours)
        axes.set_yticks(places, tokens)
        axes.invert_yaxis()
        axes.set(title=f'{classifier.fn}: {label}', xlabel='against or for it')


def main(config):
    """Classify or score, and draw."""
    from matplotlib.figure import Figure

    device = get_device(config.gpu_id)
    classifiers = load_classifiers(config.model_fn, device)
    use = score if config.test_fn else classify
    text = use(classifiers, config)
    if config.figure_fn and text:
        use_korean_font()
        figure = Figure(figsize=(5 * len(classifiers), 6), layout='constrained')
        draw_contributions(figure, classifiers, text)
        save_figure(figure, config.figure_fn)
        log(f'picture: {config.figure_fn}')


if __name__ == '__main__':
    run(main, define_argparser())
