"""What export.py writes: the rows of a table, whose sums are the vectors of words."""

import torch
from gensim.models.fasttext import ft_ngram_hashes
from torch import nn
from torch.nn import functional


class WordVectors(nn.Module):
    """Adds up the rows of the parts of words: the vectors of the words, at length 1.

    The numbers of a row have 16 bits: each is a multiple of the largest one / 32767.

    Arguments:
        table: a float tensor of shape (n_rows, word_vec_size).
    """

    def __init__(self, table):
        super().__init__()
        # |table| = (n_rows, word_vec_size)
        scales = table.abs().amax(dim=1, keepdim=True).clamp(min=1e-30) / 32767
        # |scales| = (n_rows, 1)
        self.register_buffer('table', (table / scales).round().short())
        self.register_buffer('scales', scales)

    def forward(self, x):
        """Return the vectors of words.

        Arguments:
            x: the rows of the parts of each word, padded with 0.
        """
        # |x| = (batch_size, length)
        parts = self.table[x].float() * self.scales[x]
        # |parts| = (batch_size, length, word_vec_size)
        vectors = functional.normalize(parts.sum(dim=1), dim=-1)
        # |vectors| = (batch_size, word_vec_size)
        return vectors


class Rows:
    """The rows of the table: row 0 is the padding, then come words, then buckets.

    A bucket has a row if an n-gram of a known word is in it. The vectors of all other
    buckets are not trained: they are the small random ones of the beginning.

    Arguments:
        vectors: gensim's FastTextKeyedVectors.
    """

    def __init__(self, vectors):
        self.vectors, self.words = vectors, vectors.index_to_key
        used = {bucket for word in self.words for bucket in self.get_buckets(word)}
        self.buckets = sorted(used)
        self.first_row = 1 + len(self.words)
        self.bucket_rows = {b: self.first_row + i for i, b in enumerate(self.buckets)}

    def get_buckets(self, word):
        """Return the bucket of each n-gram of a word."""
        limits = self.vectors.min_n, self.vectors.max_n, self.vectors.bucket
        return [int(bucket) for bucket in ft_ngram_hashes(word, *limits)]

    def get_rows(self, word):
        """Return the rows of a word and of its n-grams; [0] if none of them has one."""
        index = self.vectors.key_to_index.get(word)
        rows = [] if index is None else [1 + index]
        buckets = self.get_buckets(word)
        rows += [self.bucket_rows[b] for b in buckets if b in self.bucket_rows]
        return rows or [0]

    def get_table(self):
        """Return the vectors of all rows."""
        words = torch.from_numpy(self.vectors.vectors_vocab)
        buckets = torch.from_numpy(self.vectors.vectors_ngrams[self.buckets])
        table = torch.cat([torch.zeros(1, words.size(1)), words, buckets])
        # |table| = (n_rows, word_vec_size)
        return table

    def get_batch(self, words):
        """Return the rows of several words, padded."""
        rows = [torch.tensor(self.get_rows(word)) for word in words]
        x = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        # |x| = (batch_size, length)
        return x
