"""The small helpers of a chapter: what a person types, the device, files, pictures.

Later chapters copy them unchanged. Libraries that take seconds to import are
imported inside the functions that use them, so that `--help` answers at once.
"""

import argparse
import contextlib
import io
import math
import os
import re
import sys
import tempfile
import warnings
from collections import Counter
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

# What is no language: links, e-mail addresses, markup, and all after an apostrophe.
NOISE = re.compile(
    r"(?:https?://|www\.)\S+|\S{1,64}@\S+|</?[a-z][^<>]{0,1000}>|['\u2019]\w*",
    re.IGNORECASE,
)
# Letters of any script, but no digits.
WORD = re.compile(r'[^\W\d_]{3,}')


class InputError(Exception):
    """What the person at the keyboard can mend; its text is one line."""


def log(message):
    """Say something to the person: on stderr, since stdout is kept for results."""
    tqdm.write(message, file=sys.stderr)


def run(main, parser):
    """Run main(config) with the options of the command line.

    An InputError ends in one line and exit status 2, Ctrl-C in exit status 130.
    Any other exception is a bug, and keeps its traceback.
    """
    # Text is UTF-8 on every machine, also into a pipe on Windows.
    sys.stdout.reconfigure(encoding='utf-8', newline='\n')
    try:
        main(parser.parse_args())
        sys.stdout.flush()
    except InputError as error:
        log(f'error: {error}')
        sys.exit(2)
    except KeyboardInterrupt:
        log('interrupted')
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone, as in `python predict.py | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def get_argparser(description):
    """Return a parser with the two options that every program of the course has.

    Its help shows every default, its errors are one line.
    """
    p = argparse.ArgumentParser(
        description=description,
        usage=argparse.SUPPRESS,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    p.add_argument('--model_fn', default='model.pth', help='the checkpoint')
    p.add_argument(
        '--gpu_id',
        type=number(int, -1),
        help='accelerator, -1 for the CPU; None takes 0 if there is one',
    )
    return p


def number(kind, minimum, maximum=2**31 - 1):
    """Return an argparse type: an int or a float from minimum to maximum."""

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not minimum <= value <= maximum:
            name = 'a whole number' if kind is int else 'a number'
            raise argparse.ArgumentTypeError(
                f'expected {name} from {minimum} to {maximum}, got {text!r}'
            )
        return value

    return parse


def set_seed(seed):
    """Make the run repeatable: one seed, one machine, one result."""
    import torch

    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True


def get_device(gpu_id=None):
    """Return the torch.device to compute on.

    Arguments:
        gpu_id: -1 for the CPU, else the number of an accelerator (CUDA, or Apple's
            MPS). None takes accelerator 0 if there is one, else the CPU.

    Raises:
        InputError: there is no accelerator of that number.
    """
    import torch

    n_accelerators = torch.accelerator.device_count()
    if gpu_id is None:
        gpu_id = 0 if n_accelerators > 0 else -1
    if gpu_id < 0:
        return torch.device('cpu')
    if gpu_id >= n_accelerators:
        raise InputError(
            f'--gpu_id {gpu_id}: this machine has {n_accelerators} accelerators, '
            'numbered from 0; -1 is the CPU'
        )
    return torch.device(torch.accelerator.current_accelerator().type, gpu_id)


def check_model_fn(fn):
    """Fail before the training, not after it, if fn can't become a checkpoint.

    Makes the folder of fn if there is none.

    Raises:
        InputError: fn is a folder or a device, ends in .png, as the picture beside
            the checkpoint will, or stands in a folder that takes no new file.
    """
    fn = Path(fn)
    if fn.suffix == '.png':
        raise InputError(f'{fn}: expected a name such as model.pth; .png is a picture')
    try:
        if fn.exists() and not fn.is_file():
            raise InputError(f'{fn}: expected a file, found something else')
        fn.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=fn.parent, prefix=fn.name):
            return
    except OSError as error:
        raise InputError(f'{fn}: can not be written: {error.strerror}') from error


def write_file(fn, content):
    """Write bytes so that at any instant fn is the whole old file or the whole new one.

    Raises:
        InputError: the file can't be written; what was there before still is.
    """
    target = os.path.realpath(fn)
    if os.path.exists(target) and not os.path.isfile(target):
        # A device, such as /dev/null, would be gone.
        raise InputError(f'{fn}: expected a file, found something else')
    temporary = f'{target}.{os.getpid()}.tmp'
    try:
        with open(temporary, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f'{fn}: can not be written: {error.strerror}') from error
    finally:
        with contextlib.suppress(OSError):
            os.remove(temporary)


def save_checkpoint(checkpoint, fn):
    """Save a dict of plain data (tensors, numbers, strings, lists, dicts)."""
    import torch

    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_file(fn, buffer.getvalue())


def load_checkpoint(fn, chapter):
    """Load what save_checkpoint() has saved, tensors on the CPU.

    Raises:
        InputError: fn can't be read, holds more than plain data (a pickle may run
            any code when it is loaded), or is not a checkpoint of this chapter.
    """
    import torch

    expected = f'expected a checkpoint of {chapter}'
    try:
        with open(fn, 'rb') as file, warnings.catch_warnings():
            # Of a strange file, torch says in many lines what we say in one.
            warnings.simplefilter('ignore')
            checkpoint = torch.load(file, map_location='cpu', weights_only=True)
            found = str(checkpoint['chapter'])
    except OSError as error:
        raise InputError(f'{fn}: {expected}: {error.strerror}') from error
    except Exception as error:
        # Damaged bytes raise whatever they happen to hit inside the reader.
        raise InputError(f'{fn}: {expected}, this is damaged or no such') from error

    if found != chapter:
        raise InputError(f'{fn}: {expected}, found one of {found!r}')
    return checkpoint


def save_figure(figure, fn):
    """Save a matplotlib Figure as a PNG; no window is opened."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=150)
    write_file(fn, buffer.getvalue())


def use_korean_font():
    """Let matplotlib draw Korean with NanumGothic, which koreanize-matplotlib ships.

    The package itself can't be imported where Python has no distutils any more, so its
    fonts are taken as files.
    """
    import matplotlib
    from matplotlib import font_manager

    package = find_spec('koreanize_matplotlib')
    fonts_dir = Path(package.origin).with_name('fonts')
    font_manager.fontManager.addfont(fonts_dir / 'NanumGothic.ttf')
    matplotlib.rcParams['font.family'] = ['DejaVu Sans', 'NanumGothic']


def read_lines(fn=None):
    """Yield the lines of a text file, or of stdin, one by one, without their ends.

    An end is a line feed, or a carriage return and a line feed. A byte-order mark at
    the beginning of the file is no part of the text.

    Arguments:
        fn: the file; None: stdin.

    Raises:
        InputError: the file can't be read, or a line is not UTF-8.
    """
    name = fn or 'stdin'
    try:
        with open(fn or sys.stdin.fileno(), 'rb', closefd=bool(fn)) as file:
            for n_lines, line in enumerate(file, 1):
                text = line.decode('utf-8').removesuffix('\n').removesuffix('\r')
                yield text.removeprefix('\ufeff') if n_lines == 1 else text
    except OSError as error:
        raise InputError(f'{name}: can not be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        place = f'byte {error.start + 1}'
        raise InputError(
            f'{name}, line {n_lines}: expected UTF-8, {place} is not'
        ) from error


def clean(text):
    """Put a space for links, e-mail addresses, markup, and all after an apostrophe."""
    return NOISE.sub(' ', text)


def get_tokenizer(lang):
    """Return a function that maps texts to their words, a list for each text.

    Arguments:
        lang: 'en': lower-case words of three letters or more that are no stop words;
            'ko': nouns of two letters or more, found by Kiwi.
    """
    if lang == 'ko':
        from kiwipiepy import Kiwi

        kiwi = Kiwi(num_workers=1)
        return lambda texts: [
            [token.form for token in tokens if is_noun(token)]
            for tokens in kiwi.tokenize(map(clean, texts))
        ]

    from gensim.parsing.preprocessing import STOPWORDS

    return lambda texts: [
        [word for word in WORD.findall(clean(text).lower()) if word not in STOPWORDS]
        for text in texts
    ]


def is_noun(token):
    """Say whether a token of Kiwi is a noun that can tell what a text is about."""
    return token.tag in ('NNG', 'NNP') and len(token.form) > 1 and token.form.isalpha()


def get_default_fn():
    """Return the file of 300 Australian news of 2001 that comes with gensim."""
    from gensim.test.utils import datapath

    return datapath('lee_background.cor')


def load_documents(fn, lang):
    """Read documents, one a line.

    Arguments:
        fn: the file, None for the default; its blank lines are no documents.
        lang: for get_tokenizer().

    Returns:
        The texts, and a list of words for each.
    """
    texts = [line for line in read_lines(fn or get_default_fn()) if line.strip()]
    return texts, get_tokenizer(lang)(texts)


def split(items, valid_ratio, seed):
    """Split a list at random, and by seed, into training and held-out items."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(items), generator=generator).tolist()
    n_valid = max(1, round(len(items) * valid_ratio))
    return [items[i] for i in order[n_valid:]], [items[i] for i in order[:n_valid]]


def get_data(config):
    """Return all that is learned from.

    Arguments:
        config: the data options and the seed.

    Returns:
        Of the training documents, the texts, the lists of words and the counts; of the
        held-out ones, the counts of two halves: every other word, from the first and
        from the second on; and the vocabulary, which the training documents decide.

    Raises:
        InputError: there is nothing to learn from, or nothing to hold out.
    """
    texts, words = load_documents(config.train_fn, config.lang)
    documents = [pair for pair in zip(texts, words, strict=True) if pair[1]]
    train, valid = split(documents, config.valid_ratio, config.seed)
    if not train:
        raise InputError(
            f'{config.train_fn}: expected two documents with words or more, one a '
            f'line, found {len(documents)} in {len(texts)} lines'
        )

    stop_lines = read_lines(config.stop_fn) if config.stop_fn else ()
    vocabulary = get_vocabulary(
        [words for _, words in train],
        config.min_document_freq,
        config.max_document_ratio,
        stop_words={word for line in stop_lines for word in line.lower().split()},
    )
    known = set(vocabulary)
    train = [(text, words) for text, words in train if not known.isdisjoint(words)]
    texts, words = zip(*train, strict=True)
    valid = [[word for word in words if word in known] for _, words in valid]
    seen = count_words([words[::2] for words in valid], vocabulary)
    unseen = count_words([words[1::2] for words in valid], vocabulary)
    return texts, words, count_words(words, vocabulary), seen, unseen, vocabulary


def get_vocabulary(documents, min_document_freq, max_document_ratio, stop_words=()):
    """Return the words that stand in enough documents and not in too many, sorted.

    Arguments:
        documents: lists of words.
        min_document_freq: in how many documents a word has to stand.
        max_document_ratio: in what share of the documents it may stand.
        stop_words: never among them.

    Raises:
        InputError: there is no such word.
    """
    frequencies = Counter(word for words in documents for word in set(words))
    maximum = max_document_ratio * len(documents)
    vocabulary = sorted(
        word
        for word, frequency in frequencies.items()
        if min_document_freq <= frequency <= maximum and word not in stop_words
    )
    if not vocabulary:
        raise InputError(
            f'of {len(frequencies)} words, none is left after the cuts: '
            'lower --min_document_freq or raise --max_document_ratio'
        )
    return vocabulary


def count_words(documents, vocabulary):
    """Count the words of each document; those not in the vocabulary are left out.

    Arguments:
        documents: lists of words.
        vocabulary: a list of words.

    Returns:
        A sparse scipy matrix of whole numbers, (n_documents, vocabulary_size).
    """
    from scipy.sparse import csr_array

    index = {word: i for i, word in enumerate(vocabulary)}
    columns = [
        sorted(index[word] for word in words if word in index) for words in documents
    ]
    ends = np.cumsum([0, *map(len, columns)])
    flat = np.fromiter(chain.from_iterable(columns), np.int64, ends[-1])
    shape = (len(columns), len(vocabulary))
    counts = csr_array((np.ones(len(flat), np.int64), flat, ends), shape)
    counts.sum_duplicates()
    return counts


def get_block(counts):
    """Return documents as two arrays without holes, the shorter ones filled up.

    Arguments:
        counts: a sparse scipy matrix, (batch_size, vocabulary_size).

    Returns:
        Words, a long tensor, and their counts, a float tensor, both of shape
        (batch_size, length). What fills up is word 0 with a count of 0.
    """
    import torch

    lengths = np.diff(counts.indptr)
    is_word = np.arange(max(1, lengths.max())) < lengths[:, np.newaxis]
    # |is_word| = (batch_size, length)
    words = np.zeros(is_word.shape, np.int64)
    words[is_word] = counts.indices
    values = np.zeros(is_word.shape, np.float32)
    values[is_word] = counts.data
    return torch.from_numpy(words), torch.from_numpy(values)


def get_blocks(counts, device, block_size=2**15):
    """Yield documents in blocks for the model: as many at once as fit into a cache.

    Documents of about the same length share a block, so that little is filled up.

    Arguments:
        counts: a sparse scipy matrix, (n_documents, vocabulary_size).
        device: where the tensors go.
        block_size: the limit of batch_size x length, for more than one document.

    Yields:
        The numbers of the documents, a long tensor of shape (batch_size,), and their
        words and counts, as of get_block().
    """
    import torch

    lengths = np.diff(counts.indptr)
    order = np.argsort(-lengths, kind='stable')
    begin = 0
    while begin < len(order):
        batch_size = max(1, block_size // max(1, lengths[order[begin]]))
        rows = order[begin : begin + batch_size]
        words, values = get_block(counts[rows])
        yield torch.from_numpy(rows).to(device), words.to(device), values.to(device)
        begin += batch_size


def get_beginning(text, length=60):
    """Return the beginning of a text, in one line and without tabs."""
    beginning = ' '.join(text[: 4 * length].split())
    if len(beginning) <= length:
        return beginning
    return beginning[: length - 1] + '\u2026'


def get_top_words(model, n_words):
    """Return the weightiest words of each topic, the weightiest first.

    Returns:
        Their weights, a list for each topic, and their numbers in the vocabulary.
    """
    weights = model.get_distributions().cpu()
    # LSA has negative weights, which weigh as much.
    top = weights.abs().topk(min(n_words, weights.shape[1]), dim=1).indices
    return weights.gather(1, top).tolist(), top.tolist()


def print_topics(model, vocabulary, n_words):
    """Print the weightiest words of each topic, a line for each."""
    _, top = get_top_words(model, n_words)
    for number_of_topic, row in enumerate(top, 1):
        print(f'topic {number_of_topic}: {" ".join(vocabulary[i] for i in row)}')


def get_coherence(model, vocabulary, documents, n_words=10):
    """Return c_v: do the words of a topic stand near one another? 0 is no, 1 is yes.

    Roeder et al. (2015), as in gensim, and as there, in the training documents.

    Arguments:
        documents: lists of words.
        n_words: how many of each topic.
    """
    from gensim.corpora import Dictionary
    from gensim.models import CoherenceModel

    _, top = get_top_words(model, n_words)
    coherence = CoherenceModel(
        topics=[[vocabulary[i] for i in row] for row in top],
        texts=documents,
        dictionary=Dictionary(documents),
        coherence='c_v',
        processes=1,
    )
    return coherence.get_coherence()


def draw_topics(model, vocabulary, fn, history=(), n_words=8):
    """Draw each topic as bars of its words, and how the perplexity has fallen.

    Arguments:
        model: its get_distributions() are drawn.
        vocabulary: the words.
        fn: the PNG file to write.
        history: the held-out perplexity after each epoch; empty: no such panel.
        n_words: how many words of each topic.
    """
    from matplotlib.figure import Figure

    use_korean_font()
    weights, top = get_top_words(model, n_words)
    n_panels = len(top) + bool(history)
    n_columns = min(4, n_panels)
    n_rows = -(-n_panels // n_columns)
    figure = Figure(figsize=(2.6 * n_columns, 2 * n_rows), layout='constrained')
    panels = figure.subplots(n_rows, n_columns, squeeze=False).flatten()

    for i, (values, row) in enumerate(zip(weights, top, strict=True)):
        panels[i].barh(range(len(row)), values)
        panels[i].set_yticks(range(len(row)), [vocabulary[j] for j in row])
        panels[i].invert_yaxis()
        panels[i].set_title(f'topic {i + 1}', fontsize='medium')
    if history:
        panels[n_panels - 1].plot(range(1, len(history) + 1), history, color='C1')
        panels[n_panels - 1].set_title('held-out perplexity', fontsize='medium')
        panels[n_panels - 1].set_xlabel('epoch', fontsize='small')
    for i, axes in enumerate(panels):
        axes.tick_params(labelsize='small')
        axes.set_visible(i < n_panels)

    save_figure(figure, fn)
