"""Export word vectors to ONNX, for programs in other languages.

    python export.py --model_fn model.pth --out_dir export

Writes two files into the folder: model.onnx, which computes the vector of a word from
its parts, and model.json: the words, and how to find the parts of a word. Then it runs
the network in onnxruntime, and prints its largest difference to gensim.
"""

import json
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from guards import InputError, get_argparser, input_errors, log, run, write_file

CHAPTER = '09_word_embedding'
TOLERANCE = 1e-4


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Export word vectors to ONNX.')
    p.add_argument('--out_dir', default='export', help='the folder to write')
    return p


class WordVectors(nn.Module):
    """The vectors of words, each the sum of the rows of its parts, at length 1.

    The numbers of a row are rounded to 16 bits: multiples of its largest one / 32767.

    Arguments:
        rows: a float tensor of shape (n_rows, word_vec_size); row 0 is the padding.
    """

    def __init__(self, rows):
        super().__init__()
        # |rows| = (n_rows, word_vec_size)
        scales = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-30) / 32767
        # |scales| = (n_rows, 1)
        self.register_buffer('rows', (rows / scales).round().short())
        self.register_buffer('scales', scales)

    def forward(self, x):
        """Return the vectors of words.

        Arguments:
            x: the rows of the parts of each word, and 0 after the last one.
        """
        # |x| = (batch_size, length)
        parts = self.rows[x].float() * self.scales[x]
        # |parts| = (batch_size, length, word_vec_size)
        y = functional.normalize(parts.sum(dim=1))
        # |y| = (batch_size, word_vec_size)
        return y


class Parts:
    """Finds the rows of words: row 0 is the padding, then come words, then buckets.

    A bucket has a row if it is that of an n-gram of a known word. The vectors of all
    others are the small random ones from before the training.

    Arguments:
        vectors: gensim's FastTextKeyedVectors.
    """

    def __init__(self, vectors):
        self.vectors = vectors
        self.words = vectors.index_to_key
        self.buckets = sorted({i for word in self.words for i in self.hash(word)})
        first_row = len(self.words) + 1
        self.bucket_rows = {b: i for i, b in enumerate(self.buckets, first_row)}

    def hash(self, word):
        """Return the buckets of the n-grams of a word."""
        from gensim.models.fasttext import ft_ngram_hashes

        vectors = self.vectors
        sizes = vectors.min_n, vectors.max_n, vectors.bucket
        return [int(bucket) for bucket in ft_ngram_hashes(word, *sizes)]

    def get_table(self):
        """Return the vectors of all rows, a float tensor."""
        padding = torch.zeros(1, self.vectors.vector_size)
        words = torch.from_numpy(self.vectors.vectors_vocab)
        buckets = torch.from_numpy(self.vectors.vectors_ngrams[self.buckets])
        table = torch.cat([padding, words, buckets])
        # |table| = (n_rows, word_vec_size)
        return table

    def get_batch(self, words):
        """Return the rows of words as a long tensor, padded."""
        rows = []
        for word in words:
            index = self.vectors.key_to_index.get(word)
            own = [] if index is None else [index + 1]
            n_grams = [self.bucket_rows.get(bucket, 0) for bucket in self.hash(word)]
            rows.append(torch.tensor(own + n_grams))
        x = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        # |x| = (batch_size, length)
        return x


def export_network(network, example, fn):
    """Write a network to an ONNX file that takes batches of any size and length.

    Arguments:
        network: WordVectors.
        example: a batch of rows.
        fn: the file.
    """
    with warnings.catch_warnings():
        # The exporter warns about its own parts.
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            verbose=False,
            input_names=['x'],
            output_names=['vectors'],
            dynamic_shapes=({0: 'batch_size', 1: 'length'},),
        )
    write_file(fn, program.model_proto.SerializeToString())


def describe(parts):
    """Return the content of model.json."""
    vectors = parts.vectors
    return {
        'chapter': CHAPTER,
        'inputs': {'x': ['batch_size', 'length']},
        'outputs': {'vectors': ['batch_size', vectors.vector_size]},
        'rows': ['padding', 'words', 'buckets'],
        'hash': 'FNV-1a, 32 bits, of the bytes of UTF-8, each with its sign',
        'min_n': vectors.min_n,
        'max_n': vectors.max_n,
        'n_buckets': vectors.bucket,
        'words': parts.words,
        'buckets': parts.buckets,
    }


def compare(parts, session):
    """Return the largest difference to the vectors of gensim, at length 1.

    Arguments:
        parts: the rows of words.
        session: onnxruntime's InferenceSession.
    """
    differences, start = [0.0], 0
    for batch_size in (1, 7, 64, 256):
        words = parts.words[start : start + batch_size]
        if words:
            (found,) = session.run(None, {'x': parts.get_batch(words).numpy()})
            expected = parts.vectors.vectors_for_all(words)
            differences.append(abs(found - expected.get_normed_vectors()).max().item())
        start += batch_size
    return max(differences)


def main(config):
    """Export, and compare."""
    from onnxruntime import InferenceSession

    from model import load_vectors

    parts = Parts(load_vectors(config.model_fn))
    out_dir = Path(config.out_dir)
    with input_errors(f'{out_dir}: can not be written', OSError):
        out_dir.mkdir(parents=True, exist_ok=True)

    example = parts.get_batch(parts.words[:2])
    export_network(WordVectors(parts.get_table()), example, out_dir / 'model.onnx')
    text = json.dumps(describe(parts), ensure_ascii=False)
    write_file(out_dir / 'model.json', f'{text}\n'.encode())
    for fn in (out_dir / 'model.json', out_dir / 'model.onnx'):
        log(f'{fn}: {fn.stat().st_size:,} bytes')

    difference = compare(parts, InferenceSession(out_dir / 'model.onnx'))
    print(f'largest difference: {difference:.1e}')
    if not difference <= TOLERANCE:
        raise InputError(f'{out_dir}: expected at most {TOLERANCE}')


if __name__ == '__main__':
    run(main, define_argparser())
