"""The training: gensim runs the loop, and calls the trainer after each epoch.

Nothing here depends on n-grams: it trains any model of gensim's Word2Vec family.
"""

import math
import sys

import torch
from gensim.models.callbacks import CallbackAny2Vec
from tqdm import tqdm

from guards import InputError, log
from model import get_loss, save_model


class Sentences:
    """Sentences that advance a progress bar when they are read.

    Arguments:
        sentences: lists of words.
        verbose: 2 for a bar, if stderr is a terminal.
    """

    def __init__(self, sentences, verbose):
        self.sentences = sentences
        self.is_silent = verbose < 2 or not sys.stderr.isatty()

    def __iter__(self):
        options = {'unit': ' sentences', 'leave': False, 'disable': self.is_silent}
        yield from tqdm(self.sentences, **options)


class Trainer(CallbackAny2Vec):
    """Trains a model of gensim, and after each epoch measures, reports and saves it.

    Arguments:
        model: it has built its vocabulary.
        examples: x, y and noise of get_examples(), from sentences held out.
        device: where to compute the loss.
        config: the options n_epochs, verbose and model_fn.
    """

    def __init__(self, model, examples, device, config):
        self.model = model
        self.examples = [tensor.to(device) for tensor in examples]
        self.config = config
        self.history = {'valid_loss': []}

    def train(self, sentences):
        """Train for all epochs.

        Arguments:
            sentences: lists of words.

        Raises:
            InputError: the loss is not a number any more.
        """
        self.model.train(
            Sentences(sentences, self.config.verbose),
            total_examples=self.model.corpus_count,
            epochs=self.config.n_epochs,
            callbacks=[self],
        )

    def on_epoch_end(self, model):
        """Measure the loss, report and save: gensim calls this after each epoch."""
        # A word's input vector is the mean of its own and its n-grams' vectors.
        model.wv.adjust_vectors()
        vectors = map(torch.from_numpy, [model.wv.vectors, model.syn1neg])
        device = self.examples[0].device
        valid_loss = get_loss(*(part.to(device) for part in vectors), *self.examples)
        epoch = len(self.history['valid_loss']) + 1
        if not math.isfinite(valid_loss):
            raise InputError(f'loss={valid_loss} in epoch {epoch}: lower --lr')

        if self.config.verbose > 0:
            log(f'epoch {epoch}/{self.config.n_epochs}: valid_loss={valid_loss:.4f}')
        save_model(model, self.config.model_fn)
        self.history['valid_loss'].append(valid_loss)
