"""The helpers of this chapter: the seed, the device, and how topics are shown."""

from importlib.util import find_spec
from pathlib import Path

from guards import InputError, save_figure


def set_seed(seed):
    """Make a run repeatable: one seed on one machine gives one result."""
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
        found = f'this machine has {n_accelerators} accelerators, numbered from 0'
        raise InputError(f'--gpu_id {gpu_id}: {found}; -1 is the CPU')
    return torch.device(torch.accelerator.current_accelerator().type, gpu_id)


def use_korean_font():
    """Let matplotlib draw Korean with NanumGothic from koreanize-matplotlib.

    The package itself can't be imported without distutils, which new versions of Python
    do not have. So only its font file is used.
    """
    import matplotlib
    from matplotlib import font_manager

    package = find_spec('koreanize_matplotlib')
    fonts_dir = Path(package.origin).with_name('fonts')
    font_manager.fontManager.addfont(fonts_dir / 'NanumGothic.ttf')
    matplotlib.rcParams['font.family'] = ['DejaVu Sans', 'NanumGothic']


def get_beginning(text, length=60):
    """Return the beginning of a text, in one line and without tabs."""
    beginning = ' '.join(text[: 4 * length].split())
    if len(beginning) <= length:
        return beginning
    return beginning[: length - 1] + '\u2026'


def get_top_words(model, n_words):
    """Return the words with the largest weights of each topic, in descending order.

    Returns:
        Their weights, a list for each topic, and their indices in the vocabulary.
    """
    weights = model.get_distributions().cpu()
    # LSA has negative weights, too, which count as much.
    top = weights.abs().topk(min(n_words, weights.shape[1]), dim=1).indices
    return weights.gather(1, top).tolist(), top.tolist()


def print_topics(model, vocabulary, n_words):
    """Print the top words of each topic, a line for each topic."""
    _, top = get_top_words(model, n_words)
    for topic, row in enumerate(top, 1):
        print(f'topic {topic}: {" ".join(vocabulary[i] for i in row)}')


def get_coherence(model, vocabulary, documents, n_words=10):
    """Return c_v, from 0 to 1: how often the top words of a topic occur together.

    Roeder et al. (2015), by gensim, in the training documents.

    Arguments:
        documents: lists of words.
        n_words: how many words of each topic.
    """
    from gensim.corpora import Dictionary
    from gensim.models import CoherenceModel

    _, top = get_top_words(model, n_words)
    topics = [[vocabulary[i] for i in row] for row in top]
    coherence = CoherenceModel(
        topics=topics,
        texts=documents,
        dictionary=Dictionary(documents),
        coherence='c_v',
        processes=1,
    )
    return coherence.get_coherence()


def draw_topics(model, vocabulary, fn, history=(), n_words=8):
    """Draw each topic as bars of its top words, and the perplexity of each epoch.

    Arguments:
        model: its get_distributions() are drawn.
        vocabulary: the words.
        fn: the PNG file to write.
        history: the held-out perplexity after each epoch; empty: it is not drawn.
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
        panels[i].barh([vocabulary[j] for j in row], values)
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
