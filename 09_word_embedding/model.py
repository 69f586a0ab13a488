"""The model: gensim's FastText, its files, and the loss that its training lowers."""

import io
import mmap
import struct

from torch.nn import functional

from utils import InputError, write_file


def get_model(config):
    """Return a FastText model that knows no words yet.

    Arguments:
        config: the options of the training.
    """
    from gensim.models import FastText

    return FastText(
        vector_size=config.word_vec_size,
        sg=int(config.model == 'skipgram'),
        window=config.window,
        negative=config.n_negatives,
        sample=config.sample,
        min_count=config.min_count,
        min_n=config.min_n,
        max_n=config.max_n,
        bucket=config.n_buckets,
        alpha=config.lr,
        # The learning rate falls in a line, from --lr to almost nothing.
        min_alpha=config.lr * 1e-4,
        batch_words=config.batch_size,
        epochs=config.n_epochs,
        workers=config.n_workers,
        seed=config.seed,
    )


def build_vocabulary(model, sentences):
    """Let a model count the words of sentences, and make a vector for each.

    Raises:
        InputError: there are not two words that occur often enough.
    """
    model.build_vocab(sentences)
    if len(model.wv) < 2:
        raise InputError(
            f'expected two words or more that occur --min_count {model.min_count} '
            f'times, found {len(model.wv)}'
        )


def get_counts(model):
    """Return a dict from each word of a FastText model to its count, in its order."""
    return {word: model.wv.get_vecattr(word, 'count') for word in model.wv.key_to_index}


def get_loss(in_vectors, out_vectors, x, y, noise):
    """Return the mean loss of negative sampling (Mikolov et al. 2013b, equation 4).

    For each example it is -log p(the word belongs here) - sum log p(the noise does
    not), where p is the sigmoid of a product of two vectors: the mean of the input
    vectors of x, and the output vector of y or of the noise.

    Arguments:
        in_vectors, out_vectors: tensors of shape (vocabulary_size, word_vec_size).
        x, y, noise: what get_examples() of data_loader.py returns.
    """
    total = 0.0
    for x_i, y_i, noise_i in zip(
        x.split(4096), y.split(4096), noise.split(4096), strict=True
    ):
        # |x_i| = (batch_size, n_inputs)
        # |y_i| = (batch_size,)
        # |noise_i| = (batch_size, n_negatives)
        is_input = (x_i >= 0).unsqueeze(-1)
        h = (in_vectors[x_i.clamp(min=0)] * is_input).sum(dim=1) / is_input.sum(dim=1)
        # |h| = (batch_size, word_vec_size)
        y_score = (out_vectors[y_i] * h).sum(dim=-1)
        # |y_score| = (batch_size,)
        noise_score = (out_vectors[noise_i] @ h.unsqueeze(-1)).squeeze(-1)
        # |noise_score| = (batch_size, n_negatives)

        # Noise that happens to be the true word is no noise.
        is_noise = noise_i != y_i.unsqueeze(-1)
        # |is_noise| = (batch_size, n_negatives)
        total -= functional.logsigmoid(y_score).sum()
        total -= (functional.logsigmoid(-noise_score) * is_noise).sum()
    return (total / len(y)).item()


def save_model(model, fn):
    """Save a FastText model as fastText's own program does: in its .bin format."""
    from gensim.models.fasttext import save_facebook_model

    buffer = io.BytesIO()
    save_facebook_model(model, buffer)
    write_file(fn, buffer.getvalue())


def check_format(content):
    """Check that bytes are a whole .bin file of fastText: all its sizes must agree.

    gensim's reader does not: cut files let it run for ever, or ask for any amount of
    memory.

    Arguments:
        content: bytes, or a file mapped into memory.

    Raises:
        ValueError, struct.error: they are not.
    """
    magic, version, word_vec_size, *numbers = struct.unpack_from('<14i', content)
    *_, n_buckets, min_n, max_n, _ = numbers
    if magic != 793712314 or version != 12:
        raise ValueError('another format')
    if word_vec_size < 1 or n_buckets < 0 or not 0 <= min_n <= 100 >= max_n >= 0:
        raise ValueError('sizes that can not be')

    # A word is text, a NUL, its count in 8 bytes and its kind in one.
    place = struct.calcsize('<14id')
    n_words, _, n_labels, _, n_pruned = struct.unpack_from('<3i2q', content, place)
    place += struct.calcsize('<3i2q')
    if n_words < 1 or n_labels != 0 or n_pruned > 0:
        raise ValueError('labels instead of words')
    for _ in range(n_words):
        end = content.find(b'\0', place)
        if end < 0:
            raise ValueError('cut within the words')
        place = end + 10

    # A matrix is a byte, 0 for one that is not compressed, its sizes and its numbers.
    for n_rows in (n_words + n_buckets, n_words):
        expected = (0, n_rows, word_vec_size)
        if struct.unpack_from('<b2q', content, place) != expected:
            raise ValueError('a matrix of another size')
        place += struct.calcsize('<b2q') + 4 * n_rows * word_vec_size
    if place != len(content):
        raise ValueError('another length')


def load_vectors(fn):
    """Load the word vectors of a .bin file, as a FastTextKeyedVectors of gensim.

    Raises:
        InputError: it can't be read, or is damaged.
    """
    from gensim.models.fasttext import load_facebook_vectors

    expected = 'expected a checkpoint of 09_word_embedding, a .bin of fastText'
    try:
        with (
            open(fn, 'rb') as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            check_format(content)
        return load_facebook_vectors(str(fn))
    except OSError as error:
        raise InputError(f'{fn}: {expected}: {error.strerror}') from error
    except Exception as error:
        # Damaged bytes raise whatever they happen to hit inside the reader.
        raise InputError(f'{fn}: {expected}, this is damaged or no such') from error
