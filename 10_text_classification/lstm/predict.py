"""Classify texts, or score a classifier on labelled ones.

    python predict.py --model_fn model.pth < reviews.txt
    python predict.py --model_fn model.pth --test_fn sample/test.tsv

Reads one text a line from stdin and prints one line for each, blank lines included: the
label, its probability and the text, separated by tabs. With --test_fn it prints
`accuracy: 0.9700`, the F1 score and the confusion matrix of a file in which each line
is the true label, a tab and a text.
"""

from guards import add_encoding, get_argparser, read_lines, run
from labels import add_table_options
from utils import get_device


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Classify texts, or score on a file.')
    p.add_argument('--test_fn', help='labelled texts to score on, instead of stdin')
    add_table_options(p.add_argument)
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
        from tokenizer import Tokenizer, Vocabulary

        checkpoint = load_checkpoint(fn, '10_text_classification/lstm')
        self.device, self.config = device, checkpoint['config']
        self.class_names = checkpoint['class_names']
        # Checkpoints of earlier versions have none.
        self.train_hashes = checkpoint.get('train_hashes')
        self.tokenizer = Tokenizer(self.config['tokenizer'])
        self.vocabulary = Vocabulary(**checkpoint['vocabulary'])
        self.model = get_model(self.config, len(self.class_names), self.vocabulary)
        self.model.load_state_dict(checkpoint['model'])
        self.model.to(device).eval()

    def encode(self, texts):
        """Return the token ids of each text."""
        return [*map(self.vocabulary.encode, self.tokenizer.tokenize(texts))]

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
        with torch.inference_mode():
            for x, lengths, i in loader:
                p[i] = self.model(x.to(self.device), lengths).softmax(dim=-1).cpu()
        return p


def classify(classifier, config):
    """Print a line for each line of stdin."""
    lines = list(read_lines(encoding=config.encoding))
    texts = [line for line in lines if line.strip()]
    p, y_hat = classifier.predict(classifier.encode(texts)).max(dim=-1)
    # |p| = (n_texts,)
    # |y_hat| = (n_texts,)
    rows = zip(y_hat.tolist(), p.tolist(), strict=True)
    answers = (f'{classifier.class_names[i]}\t{p_i:.4f}' for i, p_i in rows)
    for line in lines:
        print(f'{next(answers)}\t{line}' if line.strip() else '')


def score(classifier, config):
    """Print the scores of the classifier on a file of labelled texts."""
    from sklearn import metrics

    from labels import drop_known, get_labels, read_table

    class_names, fn = classifier.class_names, config.test_fn
    table = read_table(fn, config.label_column, config.text_column, config.encoding)
    if classifier.train_hashes is not None:
        table = drop_known(table, classifier.train_hashes, fn, config.drop_duplicates)
    y = get_labels(table, class_names, fn, classifier.config.get('merge_labels'))
    y_hat = classifier.predict(classifier.encode(table['text'])).argmax(dim=-1)
    # |y_hat| = (n_texts,)

    print(f'n_texts: {len(y)}\naccuracy: {metrics.accuracy_score(y, y_hat):.4f}')
    print(f'f1: {metrics.f1_score(y, y_hat, average="macro"):.4f}\nconfusion_matrix:')
    print('true \\ predicted', *class_names, sep='\t')
    confusions = metrics.confusion_matrix(y, y_hat, labels=range(len(class_names)))
    for name, counts in zip(class_names, confusions, strict=True):
        print(name, *counts, sep='\t')


def main(config):
    """Classify or score."""
    classifier = Classifier(config.model_fn, get_device(config.gpu_id))
    use = score if config.test_fn else classify
    use(classifier, config)


if __name__ == '__main__':
    run(main, define_argparser())
