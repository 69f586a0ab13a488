"""From text to tokens, from tokens to ids: what stands between a reader and a network.

Five ways to cut a text: at its spaces, into characters, into Korean morphemes, into
subwords learned from the training text, or as a pretrained model has learned it. A
tokenizer is plain data plus a way to cut, so that it travels inside the checkpoint.
"""

import io
import re
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from utils import InputError, batched, to_tensor


def refine(text):
    """Make alike what means the same, such as ㅋㅋㅋㅋㅋㅋ and ㅋㅋ.

    A character that is repeated three times or more keeps two of them, characters get
    their composed form, and whatever separates becomes one space.
    """
    text = unicodedata.normalize('NFC', text)
    text = re.sub(r'[\s\x00-\x1f\x7f]+', ' ', text).strip()
    return re.sub(r'(.)\1{2,}', r'\1\1', text)


class SpaceTokenizer:
    """Cuts at spaces."""

    def cut(self, texts):
        """Yield the tokens of each text, a list of strings."""
        for text in texts:
            yield refine(text).split()

    def state_dict(self):
        """Return plain data from which load_tokenizer() makes it again."""
        return {'kind': 'space'}


class CharacterTokenizer:
    """Cuts into characters, of which a space is one: nothing can be misspelled."""

    def cut(self, texts):
        """Yield the tokens of each text, a list of strings."""
        for text in texts:
            yield list(refine(text))

    def state_dict(self):
        """Return plain data from which load_tokenizer() makes it again."""
        return {'kind': 'character'}


class KiwiTokenizer:
    """Cuts Korean into morphemes: 재밌었다 becomes 재밌 었 다."""

    def __init__(self):
        import kiwipiepy

        self.kiwi = kiwipiepy.Kiwi()
        self.version = kiwipiepy.__version__

    def cut(self, texts):
        """Yield the tokens of each text, a list of strings."""
        for morphemes in self.kiwi.tokenize(refine(text) for text in texts):
            yield [morpheme.form for morpheme in morphemes]

    def state_dict(self):
        """Return plain data from which load_tokenizer() makes it again."""
        return {'kind': 'kiwi', 'version': self.version}


class SentencePieceTokenizer:
    """Cuts into subwords: frequent words stay whole, rare ones fall into pieces.

    Arguments:
        model: what train() has returned, as bytes.
    """

    def __init__(self, model):
        from sentencepiece import SentencePieceProcessor

        self.model = model
        self.processor = SentencePieceProcessor(model_proto=model)

    @staticmethod
    def train(texts, vocab_size):
        """Learn which pieces to cut texts into (Kudo 2018).

        Raises:
            InputError: there are not enough texts for so many pieces.
        """
        from sentencepiece import SentencePieceTrainer

        model = io.BytesIO()
        try:
            SentencePieceTrainer.train(
                sentence_iterator=map(refine, texts),
                model_writer=model,
                vocab_size=vocab_size,
                hard_vocab_limit=False,
                normalization_rule_name='identity',
                character_coverage=0.9995,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise InputError(
                f'--vocab_size {vocab_size}: too many for this text: {error}'
            ) from error
        return model.getvalue()

    def cut(self, texts):
        """Yield the tokens of each text, a list of strings."""
        for text in texts:
            yield self.processor.encode(refine(text), out_type=str)

    def state_dict(self):
        """Return plain data from which load_tokenizer() makes it again."""
        return {'kind': 'sentencepiece', 'model': to_tensor(self.model)}


class PretrainedTokenizer:
    """Cuts as a pretrained model from the hub, or from a folder, wants it.

    The tokens that the model expects around a text, such as [CLS] and [SEP], belong to
    it, so a long text is cut short here.

    Arguments:
        name: of a model on the hub, or a folder.
        max_length: the largest number of tokens of a text, those around it included.

    Raises:
        InputError: there is no such folder, and no such model to be had from the hub.
    """

    def __init__(self, name, max_length):
        from transformers import AutoTokenizer

        try:
            self.tokenizer = AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise InputError(
                f'{name}: expected a folder, or a model of the hub that can be '
                f'downloaded or was before: {str(error).splitlines()[0]}'
            ) from error
        self.max_length = max_length
        # Before the first cut: the library writes into its files how long it cut last.
        self.files = self.read_files()

    def cut(self, texts):
        """Yield the tokens of each text, a list of strings."""
        for batch in batched(map(refine, texts), 1000):
            all_ids = self.tokenizer(
                batch, truncation=True, max_length=self.max_length
            ).input_ids
            yield from map(self.tokenizer.convert_ids_to_tokens, all_ids)

    def get_vocabulary(self):
        """Return the Vocabulary that the pretrained embeddings go by."""
        ids = self.tokenizer.get_vocab()
        tokens = [''] * (max(ids.values()) + 1)
        for token, i in ids.items():
            tokens[i] = token
        return Vocabulary(tokens, self.tokenizer.pad_token, self.tokenizer.unk_token)

    def read_files(self):
        """Return the files from which the library makes the tokenizer again."""
        with tempfile.TemporaryDirectory() as folder:
            self.tokenizer.save_pretrained(folder)
            return {
                fn.relative_to(folder).as_posix(): to_tensor(fn.read_bytes())
                for fn in Path(folder).rglob('*')
                if fn.is_file()
            }

    def state_dict(self):
        """Return plain data from which load_tokenizer() makes it again: its files."""
        return {
            'kind': 'pretrained',
            'files': self.files,
            'max_length': self.max_length,
        }


def make_tokenizer(config, texts):
    """Return the tokenizer that the options ask for, trained if it has to learn."""
    if config.model == 'bert':
        return PretrainedTokenizer(config.pretrained_model_name, config.max_length)
    if config.tokenizer == 'sentencepiece':
        model = SentencePieceTokenizer.train(texts, config.max_vocab_size)
        return SentencePieceTokenizer(model)
    return load_tokenizer({'kind': config.tokenizer})


def make_vocabulary(config, tokenizer, token_lists):
    """Return the Vocabulary of the training texts, or of the pretrained model."""
    if config.model == 'bert':
        return tokenizer.get_vocabulary()
    return Vocabulary.build(token_lists, config.min_vocab_freq, config.max_vocab_size)


def load_tokenizer(state):
    """Make the tokenizer whose state_dict() a checkpoint holds."""
    if state['kind'] == 'space':
        return SpaceTokenizer()
    if state['kind'] == 'character':
        return CharacterTokenizer()
    if state['kind'] == 'kiwi':
        return KiwiTokenizer()
    if state['kind'] == 'sentencepiece':
        return SentencePieceTokenizer(state['model'].numpy().tobytes())
    with tempfile.TemporaryDirectory() as folder:
        for name, content in state['files'].items():
            fn = Path(folder, name)
            fn.parent.mkdir(parents=True, exist_ok=True)
            fn.write_bytes(content.numpy().tobytes())
        return PretrainedTokenizer(folder, state['max_length'])


def cut_characters(token):
    """Return the characters of a token, marked: a word of one letter is a word."""
    return [f'##{character}' for character in token]


def get_n_gram_keys(x, pad_id, vocab_size, n_sizes):
    """Return a number for the n-gram that ends at each token: different ones differ.

    The ids of its tokens are the digits of the number, to the base vocab_size. Before
    the first token of a text there is padding.

    Arguments:
        x: the ids of the tokens.
        pad_id: the id of the padding.
        vocab_size: the number of tokens in the vocabulary.
        n_sizes: so many tensors of keys to return, of n = 2, 3 and so on.

    Returns:
        Long tensors of the shape of x.
    """
    # |x| = (batch_size, length)
    keys, all_keys = x, []
    for n in range(1, n_sizes + 1):
        before = nn.functional.pad(x, (n, 0), value=pad_id)[:, : x.size(1)]
        # |before| = (batch_size, length)
        keys = keys * vocab_size + before
        # |keys| = (batch_size, length)
        all_keys.append(keys)
    return all_keys


class Vocabulary:
    """Which token has which id: its place in a list.

    Arguments:
        tokens: a list of different strings.
        pad: the token that fills up short texts.
        unknown: the token that stands for all that are not in the list.
        n_grams: what learn_n_grams() has found.
    """

    def __init__(self, tokens, pad='<pad>', unknown='<unk>', n_grams=()):
        self.tokens, self.pad, self.unknown = tokens, pad, unknown
        self.n_grams = list(n_grams)
        self.ids = {token: i for i, token in enumerate(tokens)}
        self.pad_id, self.unknown_id = self.ids[pad], self.ids[unknown]

    @classmethod
    def build(cls, token_lists, min_freq, max_size):
        """Return the vocabulary of the most frequent tokens, and of all characters.

        Equally frequent tokens are sorted, so that the same text gives the same ids.

        Arguments:
            token_lists: lists of strings.
            min_freq: what is rarer is not in the vocabulary.
            max_size: of the vocabulary.
        """
        counts = Counter(token for tokens in token_lists for token in tokens)
        for token, count in list(counts.items()):
            counts.update(dict.fromkeys(cut_characters(token), count))
        frequent = [token for token, count in counts.items() if count >= min_freq]
        frequent.sort(key=lambda token: (-counts[token], token))
        special = ['<pad>', '<unk>']
        tokens = special + [token for token in frequent if token not in special]
        return cls(tokens[:max_size])

    def __len__(self):
        return len(self.tokens)

    def encode(self, tokens):
        """Return the ids of tokens; a text of none is one unknown token.

        A token that is not in the vocabulary falls into its characters: in a word that
        is mistyped, most of them are right.
        """
        ids = []
        for token in tokens:
            if token in self.ids:
                ids.append(self.ids[token])
            else:
                pieces = cut_characters(token)
                ids += [self.ids.get(piece, self.unknown_id) for piece in pieces]
        return ids or [self.unknown_id]

    def learn_n_grams(self, id_lists, max_n_gram, min_freq):
        """Find the n-grams that are frequent enough to be known.

        They are put into n_grams: for each n from 2 up, a sorted long tensor of their
        keys, and before them -1, which is the key of none.

        Arguments:
            id_lists: the token ids of each text.
            max_n_gram: the number of tokens of the longest ones; 1: there are none.
            min_freq: what is rarer is not known.

        Raises:
            InputError: the keys of so many tokens are too large for 64 bits.
        """
        if len(self) ** max_n_gram >= 2**63:
            raise InputError(
                f'--max_n_gram {max_n_gram}: too many tokens in a row for a vocabulary '
                f'of {len(self)}'
            )
        found = [[] for _ in range(max_n_gram - 1)]
        for chunk in batched(id_lists, 1000):
            x = pad_sequence([torch.tensor(ids) for ids in chunk], True, self.pad_id)
            # |x| = (chunk_size, length)
            all_keys = get_n_gram_keys(x, self.pad_id, len(self), max_n_gram - 1)
            for keys, rows in zip(all_keys, found, strict=True):
                rows.append(keys[x != self.pad_id])
        for rows in found:
            keys, counts = torch.cat(rows).unique(return_counts=True)
            keys = keys[counts >= min_freq]
            self.n_grams.append(nn.functional.pad(keys, (1, 0), value=-1))

    def state_dict(self):
        """Return plain data: Vocabulary(**state) makes it again."""
        return {
            'tokens': self.tokens,
            'pad': self.pad,
            'unknown': self.unknown,
            'n_grams': self.n_grams,
        }
