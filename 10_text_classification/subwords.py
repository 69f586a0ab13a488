"""Tokenizers that split texts into subwords, and the choice of a tokenizer.

Frequent words are one token, rare words are split into several. The subwords are
learned from the training texts, or come with a pretrained model. Both kinds are saved
in the checkpoint, so that predict.py needs no other file.
"""

import io
import tempfile
from pathlib import Path

from guards import input_errors
from tokenizer import Tokenizer, refine
from utils import batched, to_tensor


class PretrainedTokenizer:
    """The tokenizer of a pretrained model.

    The tokens that the model expects around a text, such as [CLS] and [SEP], are part
    of the output, so long texts are truncated here.

    Arguments:
        name: of a model on the hub, or a folder.
        max_length: the largest number of tokens of a text, [CLS] and [SEP] included.

    Raises:
        InputError: there is no such folder, and no such model on the hub.
    """

    def __init__(self, name, max_length):
        from transformers import AutoTokenizer

        expected = 'a folder, or a model of the hub that is, or can be, downloaded'
        with input_errors(f'{name}: expected {expected}', (OSError, ValueError)):
            self.tokenizer = AutoTokenizer.from_pretrained(name)
        self.max_length = max_length
        # Before the first text: the library also saves how it truncated the last one.
        with tempfile.TemporaryDirectory() as folder:
            self.tokenizer.save_pretrained(folder)
            fns = Path(folder).glob('*.*')
            self.files = {fn.name: to_tensor(fn.read_bytes()) for fn in fns}

    def tokenize(self, texts):
        """Yield the tokens of each text, a list of strings."""
        options = {'truncation': True, 'max_length': self.max_length}
        for batch in batched(map(refine, texts), 1000):
            ids = self.tokenizer(batch, **options).input_ids
            yield from map(self.tokenizer.convert_ids_to_tokens, ids)

    def state_dict(self):
        """Return plain data, from which load_tokenizer() makes the tokenizer again."""
        state = {'kind': 'pretrained', 'files': self.files}
        return state | {'max_length': self.max_length}


class SentencePieceTokenizer:
    """A tokenizer whose subwords were learned from the training texts (Kudo 2018).

    Arguments:
        model: the bytes that train() returned.
    """

    def __init__(self, model):
        from sentencepiece import SentencePieceProcessor

        self.model = model
        self.processor = SentencePieceProcessor(model_proto=model)

    @staticmethod
    def train(texts, vocab_size):
        """Learn the subwords.

        Raises:
            InputError: there are not enough texts for so many subwords.
        """
        from sentencepiece import SentencePieceTrainer

        model = io.BytesIO()
        size = {'vocab_size': vocab_size, 'hard_vocab_limit': False, 'minloglevel': 2}
        text = {'normalization_rule_name': 'identity', 'character_coverage': 0.9995}
        too_many = f'--max_vocab_size {vocab_size}: too many for this text'
        with input_errors(too_many, RuntimeError):
            SentencePieceTrainer.train(
                sentence_iterator=map(refine, texts), model_writer=model, **size, **text
            )
        return model.getvalue()

    def tokenize(self, texts):
        """Yield the tokens of each text, a list of strings."""
        for text in texts:
            yield self.processor.encode(refine(text), out_type=str)

    def state_dict(self):
        """Return plain data, from which load_tokenizer() makes the tokenizer again."""
        return {'kind': 'sentencepiece', 'model': to_tensor(self.model)}


def make_tokenizer(config, texts):
    """Return the tokenizer of the options; only one kind learns from the texts."""
    if config.model == 'bert':
        return PretrainedTokenizer(config.pretrained_model_name, config.max_length)
    if config.tokenizer == 'sentencepiece':
        model = SentencePieceTokenizer.train(texts, config.max_vocab_size)
        return SentencePieceTokenizer(model)
    return Tokenizer(config.tokenizer)


def load_tokenizer(state):
    """Make the tokenizer whose state_dict() is in a checkpoint."""
    if state['kind'] == 'sentencepiece':
        return SentencePieceTokenizer(state['model'].numpy().tobytes())
    if state['kind'] != 'pretrained':
        return Tokenizer(state['kind'])
    with tempfile.TemporaryDirectory() as folder:
        for name, content in state['files'].items():
            Path(folder, name).write_bytes(content.numpy().tobytes())
        return PretrainedTokenizer(folder, state['max_length'])
