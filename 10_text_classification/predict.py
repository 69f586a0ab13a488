"""Classify texts, or score classifiers on labelled ones.

    python predict.py --model_fn model.pth < reviews.txt
    python predict.py --model_fn rnn.pth cnn.pth --test_fn sample/test.tsv
    python predict.py --figure_fn words.png

Reads one text a line from stdin and prints one line for each, blank lines included: the
label, its probability and the text, separated by tabs. The probabilities of several
models are averaged. With --test_fn it prints `accuracy: 0.8650`, the F1 score and the
confusion matrix of a file in which each line is the true label, a tab and a text.
"""

import argparse
import sys

from guards import InputError, add_encoding, get_argparser, log, number, read_lines, run
from labels import add_table_options
from utils import batched, get_device


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Classify texts, or score on a file.')
    # The option of get_argparser() takes only one checkpoint.
    option = p.add_argument_group('prediction', conflict_handler='resolve').add_argument
    models = {'nargs': '+', 'default': ['model.pth']}
    option('--model_fn', **models, help='checkpoints, whose probabilities are averaged')
    option('--test_fn', help='labelled texts to score on, instead of stdin')
    option('--top_k', type=number(int, 1), default=1, help='number of labels to print')
    option('--batch_size', type=number(int, 1), default=256, help='texts a step')
    option('--figure_fn', help='PNG of the contributions of the words of a text')
    switch = {'action': argparse.BooleanOptionalAction, 'default': True}
    option('--fast', **switch, help='use fast.py, which gives the same results')
    add_table_options(option)
    add_encoding(p)
    return p


class Classifier:
    """A trained classifier: from texts to the probabilities of the classes.

    Arguments:
        fn: the checkpoint.
        device: the device to compute on.
    """

    def __init__(self, fn, device):
        from guards import load_checkpoint
        from model import get_model
        from n_grams import NGramVocabulary
        from subwords import load_tokenizer

        checkpoint = load_checkpoint(fn, '10_text_classification')
        self.device, self.config = device, checkpoint['config']
        self.class_names = checkpoint['class_names']
        # Checkpoints of earlier versions have none.
        self.train_hashes = checkpoint.get('train_hashes')
        self.tokenizer = load_tokenizer(checkpoint['tokenizer'])
        self.vocabulary = NGramVocabulary(**checkpoint['vocabulary'])
        sizes = len(self.class_names), self.vocabulary, checkpoint['encoder_config']
        self.model = get_model(self.config, *sizes)
        self.model.load_state_dict(checkpoint['model'])
        self.model.to(device).eval()
        self.fn = fn

    def encode(self, texts):
        """Return the token ids of each text."""
        return [
            self.vocabulary.encode(tokens)[: self.config['max_length']]
            for tokens in self.tokenizer.tokenize(texts)
        ]

    def predict(self, id_lists, batch_size=256):
        """Return the probability of each class for each text.

        Returns:
            A float tensor of shape (n_texts, n_classes), on the CPU.
        """
        import torch

        from data_loader import get_loader

        p = torch.empty(len(id_lists), len(self.class_names))
        # In place of its class, each text has its index.
        indices, pad_id = range(len(id_lists)), self.vocabulary.pad_id
        loader = get_loader(id_lists, indices, pad_id, batch_size, is_train=False)
        # A step of an LSTM is too small for several threads: Kiwi can use the others.
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1 if self.config['model'] == 'rnn' else n_threads)
        with torch.inference_mode():
            for x, lengths, i in loader:
                p[i] = self.model(x.to(self.device), lengths).softmax(dim=-1).cpu()
        torch.set_num_threads(n_threads)
        return p


def load_classifiers(fns, device):
    """Load all checkpoints.

    Raises:
        InputError: they have been trained for different classes.
    """
    classifiers = [Classifier(fn, device) for fn in fns]
    expected = classifiers[0].class_names
    for other in classifiers[1:]:
        if other.class_names != expected:
            found = f'as in {fns[0]}, found {other.class_names}'
            raise InputError(f'{other.fn}: expected the classes {expected} {found}')
    return classifiers


def encode_chunks(classifiers, lines, chunk_size):
    """Yield chunks of the lines, each with the token ids for each classifier."""
    for chunk in batched(lines, chunk_size):
        texts = [line for line in chunk if line.strip()]
        yield chunk, [classifier.encode(texts) for classifier in classifiers]


def predict(classifiers, lines, config, chunk_size=2000):
    """Yield each line with its probabilities, a list; None for a blank line.

    Arguments:
        classifiers: what load_classifiers() returned.
        lines: an iterable of strings.
        config: the options batch_size and fast.
        chunk_size: the number of lines to read before they are classified.
    """
    import fast

    chunks = encode_chunks(classifiers, lines, chunk_size)
    for chunk, encoded in fast.run_ahead(chunks) if config.fast else chunks:
        probabilities = [
            classifier.predict(id_lists, config.batch_size)
            for classifier, id_lists in zip(classifiers, encoded, strict=True)
        ]
        # |probabilities[0]| = (n_texts, n_classes)
        rows = iter((sum(probabilities) / len(classifiers)).tolist())
        for line in chunk:
            yield line, next(rows) if line.strip() else None


def classify(classifiers, config):
    """Print a line for each line of stdin; return the first text."""
    is_typed = sys.stdin.isatty()
    if is_typed:
        log('type one text a line; Ctrl-D ends the input')
    class_names, first_text = classifiers[0].class_names, None
    # A user who types wants each answer at once.
    chunk_size = 1 if is_typed else 2000
    for line, p in predict(
        classifiers, read_lines(encoding=config.encoding), config, chunk_size
    ):
        if p is None:
            print()
            continue
        first_text = first_text or line
        best = sorted(range(len(p)), key=p.__getitem__, reverse=True)
        answers = [f'{class_names[i]}\t{p[i]:.4f}' for i in best[: config.top_k]]
        print(*answers, line, sep='\t', flush=is_typed)
    return first_text


def score(classifiers, config):
    """Print the scores on a file of labelled texts; return its first text."""
    from sklearn import metrics

    from labels import drop_known, get_labels, read_table

    class_names, fn = classifiers[0].class_names, config.test_fn
    table = read_table(fn, config.label_column, config.text_column, config.encoding)
    for classifier in classifiers:
        if classifier.train_hashes is not None:
            hashes = classifier.train_hashes
            table = drop_known(table, hashes, fn, config.drop_duplicates)
    y = get_labels(table, class_names, fn, classifiers[0].config.get('merge_labels'))
    y_hat = [p.index(max(p)) for _, p in predict(classifiers, table['text'], config)]

    print(f'n_texts: {len(y)}\naccuracy: {metrics.accuracy_score(y, y_hat):.4f}')
    print(f'f1: {metrics.f1_score(y, y_hat, average="macro"):.4f}\nconfusion_matrix:')
    print('true \\ predicted', *class_names, sep='\t')
    confusions = metrics.confusion_matrix(y, y_hat, labels=range(len(class_names)))
    for name, counts in zip(class_names, confusions, strict=True):
        print(name, *counts, sep='\t')
    return table['text'].iloc[0]


def draw_contributions(figure, classifiers, text):
    """Draw the contributions of all tokens, for and against the decision.

    Arguments:
        figure: the matplotlib Figure to draw on.
        classifiers: one plot for each.
        text: the text that was classified.
    """
    import torch

    from model import get_contributions

    grid = figure.subplots(1, len(classifiers), squeeze=False)
    for axes, classifier in zip(grid.flat, classifiers, strict=True):
        (ids,) = classifier.encode([text])
        x = torch.tensor([ids], device=classifier.device)
        y_hat, values = get_contributions(classifier.model, x)
        label = classifier.class_names[y_hat.argmax().item()]
        colours = ['tab:red' if value < 0 else 'tab:blue' for value in values[0]]
        axes.barh(range(len(ids)), values[0].cpu(), color=colours)
        axes.set_yticks(range(len(ids)), [classifier.vocabulary.tokens[i] for i in ids])
        axes.invert_yaxis()
        axes.set(title=f'{classifier.fn}: {label}', xlabel='against or for it')


def main(config):
    """Classify or score, and draw."""
    from matplotlib.figure import Figure

    from guards import save_figure
    from utils import use_korean_font

    classifiers = load_classifiers(config.model_fn, get_device(config.gpu_id))
    use = score if config.test_fn else classify
    text = use(classifiers, config)
    if config.figure_fn and text:
        use_korean_font()
        figure = Figure(figsize=(5 * len(classifiers), 6), layout='constrained')
        draw_contributions(figure, classifiers, text)
        save_figure(figure, config.figure_fn)


if __name__ == '__main__':
    run(main, define_argparser())
