"""Vectors of n-grams: they raise the score, and can be skipped in the first reading.

A linear classifier has a weight for each pair of tokens that it has seen, such as 안 +
좋다. So each token here has, beside its own vector, one for each n-gram that ends at
it. A word that is not in the vocabulary is split into its characters, because most of
the characters of a mistyped word are right.
"""

from collections import Counter

import torch
from torch import nn

from guards import InputError
from model import get_embedding
from tokenizer import Vocabulary, get_vocabulary


def split_characters(token):
    """Return the characters of a token, marked: 안 is a word, ##안 a character."""
    return [f'##{character}' for character in token]


def get_n_gram_keys(x, pad_id, vocab_size, n_sizes):
    """Return a number for the n-gram that ends at each token, its key.

    The ids of its tokens are the digits of the key, to the base vocab_size. Before the
    first token of a text there is padding.

    Arguments:
        x: the token ids.
        pad_id: the id of the padding.
        vocab_size: the number of tokens in the vocabulary.
        n_sizes: the number of tensors to return, for n = 2, 3 and so on.

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


class NGramVocabulary(Vocabulary):
    """A vocabulary of tokens, of the characters of unknown tokens, and of n-grams.

    Arguments:
        tokens: a list of different strings.
        pad: the token that fills short texts up to the length of the longest one.
        unknown: the token that replaces all characters that are not in the list.
        n_grams: for each n from 2 on, a sorted long tensor of the keys of the known
            n-grams, and before them -1, the key of unknown n-grams.
    """

    def __init__(self, tokens, pad='<pad>', unknown='<unk>', n_grams=()):
        super().__init__(tokens, pad, unknown)
        self.n_grams = list(n_grams)

    def encode(self, tokens):
        """Return the ids of tokens, or of the characters of unknown tokens."""
        known = [
            [token] if token in self.ids else split_characters(token)
            for token in tokens
        ]
        return super().encode([token for pieces in known for token in pieces])

    def learn_n_grams(self, id_lists, max_n_gram, min_freq):
        """Find the n-grams that are frequent enough to have a vector.

        Arguments:
            id_lists: the token ids of each text.
            max_n_gram: the number of tokens of the longest n-grams; 1: no n-grams.
            min_freq: n-grams that occur less often are unknown.

        Raises:
            InputError: the keys of such long n-grams do not fit into 64 bits.
        """
        if len(self) ** max_n_gram >= 2**63:
            found = f'too many tokens for a vocabulary of {len(self)}'
            raise InputError(f'--max_n_gram {max_n_gram}: {found}')
        padding = [self.pad_id] * max_n_gram
        x = torch.tensor([[i for ids in id_lists for i in ids + padding]])
        # |x| = (1, length)
        for keys in get_n_gram_keys(x, self.pad_id, len(self), max_n_gram - 1):
            keys, counts = keys[x != self.pad_id].unique(return_counts=True)
            keys = keys[counts >= min_freq]
            self.n_grams.append(nn.functional.pad(keys, (1, 0), value=-1))

    def state_dict(self):
        """Return plain data: NGramVocabulary(**state) makes the vocabulary again."""
        return super().state_dict() | {'n_grams': self.n_grams}


def make_vocabulary(config, tokenizer, token_lists):
    """Return the vocabulary of the training texts, or of a pretrained model.

    Arguments:
        config: the options of the training.
        tokenizer: the tokenizer of the tokens.
        token_lists: the tokens of each training text.
    """
    if config.model == 'bert':
        library = tokenizer.tokenizer
        n_tokens = max(library.get_vocab().values()) + 1
        tokens = library.convert_ids_to_tokens(range(n_tokens))
        return NGramVocabulary(tokens, library.pad_token, library.unk_token)
    counts = Counter(token for tokens in token_lists for token in tokens)
    for token, count in list(counts.items()):
        counts.update(dict.fromkeys(split_characters(token), count))
    tokens = get_vocabulary(counts, config.min_vocab_freq, ['<pad>', '<unk>'])
    vocabulary = NGramVocabulary(tokens[: config.max_vocab_size])
    id_lists = [vocabulary.encode(text)[: config.max_length] for text in token_lists]
    vocabulary.learn_n_grams(id_lists, config.max_n_gram, config.min_vocab_freq)
    return vocabulary


class NGramEmbedding(nn.Module):
    """Looks up the vector of each token, and those of the n-grams that end at it.

    All unknown n-grams have the vector zero.

    Arguments:
        vocabulary: has the tokens, and the known n-grams.
        word_vec_size: the size of the vector of a token.
        n_gram_vec_size: the size of the vector of an n-gram.
    """

    def __init__(self, vocabulary, word_vec_size, n_gram_vec_size):
        super().__init__()
        self.pad_id, n_grams = vocabulary.pad_id, vocabulary.n_grams
        self.words = get_embedding(len(vocabulary), word_vec_size, self.pad_id)
        self.n_grams = nn.ModuleList(
            get_embedding(len(known), n_gram_vec_size, pad_id=0) for known in n_grams
        )
        self.embedding_dim = word_vec_size + len(n_grams) * n_gram_vec_size
        for i, known in enumerate(n_grams):
            self.register_buffer(f'known_{i}', known, persistent=False)

    def forward(self, x):
        """Return all vectors of each token, concatenated."""
        # |x| = (batch_size, length)
        vectors = [self.words(x)]
        sizes = self.words.num_embeddings, len(self.n_grams)
        for i, keys in enumerate(get_n_gram_keys(x, self.pad_id, *sizes)):
            # |keys| = (batch_size, length)
            known = self.get_buffer(f'known_{i}')
            indices = torch.searchsorted(known, keys).clamp(max=len(known) - 1)
            # Index 0 is that of all unknown n-grams.
            indices = indices.masked_fill(known[indices] != keys, 0)
            # |indices| = (batch_size, length)
            vectors.append(self.n_grams[i](indices))
        vectors = torch.cat(vectors, dim=-1)
        # |vectors| = (batch_size, length, vec_size)
        return vectors
