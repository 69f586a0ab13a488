"""Ask word vectors: neighbours, analogies, similarities, and a map of the words.

    echo 'goverment' | python predict.py --model_fn model.pth
    python predict.py --model_fn model.pth < questions.txt > answers.txt
    python predict.py --model_fn model.pth --evaluate

Each line of stdin is a question, and gives one line on stdout: the question, a tab and
the answer. A word gives its nearest neighbours, `king - man + woman` the neighbours of
a sum, and two words give their similarity, from -1 to 1. A blank line stays blank.
--evaluate prints the scores of two tests that gensim contains.
"""

from pathlib import Path

from guards import add_encoding, get_argparser, number, read_lines, run, save_figure
from utils import get_device, use_korean_font


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Ask word vectors for neighbours and analogies.')
    option, count = p.add_argument, number(int, 2, 1000)

    option('--evaluate', action='store_true', help='print the scores of two tests')
    option('--n_best', type=number(int, 1, 1000), default=5, help='neighbours to print')
    option('--figure_fn', help='PNG to draw; None: beside the checkpoint')
    option(
        '--map', choices=['pca', 'tsne'], default='tsne', help='how to draw the words'
    )
    option('--n_map_words', type=count, default=100, help='words to draw')
    add_encoding(p)
    return p


def answer_questions(vectors, config):
    """Answer each line of stdin with one line.

    Returns:
        The first words of the questions and answers, for a map.
    """
    from model import answer

    map_words = {}
    for line in read_lines(encoding=config.encoding):
        question, text, words = ' '.join(line.split()), '', []
        if question:
            text, words = answer(vectors, question, config.n_best)
        print(f'{question}\t{text}' if question else '')
        map_words |= dict.fromkeys(words[: config.n_map_words - len(map_words)])
    return list(map_words)


def get_map(vectors, words, kind):
    """Return a point for each word; the points of similar words are close together.

    Arguments:
        words: two words or more that have vectors.
        kind: 'pca', the two directions of the largest variance, or 'tsne', which keeps
            neighbours together (van der Maaten and Hinton 2008).

    Returns:
        An array of shape (n_words, 2).
    """
    import numpy as np
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    x = np.stack([vectors.get_vector(word, norm=True) for word in words])
    if kind == 'pca' or len(words) < 5:
        return PCA(n_components=2, svd_solver='full').fit_transform(x)
    options = {'perplexity': min(15, (len(words) - 1) / 3), 'metric': 'cosine'}
    return TSNE(**options, init='pca', random_state=0).fit_transform(x)


def draw_map(vectors, words, config):
    """Draw a map of words; of frequent words if fewer than two are given."""
    from matplotlib.figure import Figure

    use_korean_font()
    if len(words) < 2:
        # The 100 most frequent words are mostly those of grammar, such as the and of.
        n_words = config.n_map_words
        words = vectors.index_to_key[: 100 + n_words][-n_words:]

    figure = Figure(figsize=(9, 9), layout='constrained')
    axes = figure.subplots()
    points = get_map(vectors, words, config.map)
    axes.scatter(*points.T, s=6)
    # A word stands beside its point; a dollar sign does not begin a formula.
    style = {'textcoords': 'offset points', 'va': 'center', 'parse_math': False}
    for word, point in zip(words, points, strict=True):
        axes.annotate(word, point, (3, 0), fontsize=8, **style)
    axes.set(title='Words that are used alike', xticks=[], yticks=[], xmargin=0.1)
    figure_fn = config.figure_fn or Path(config.model_fn).with_suffix('.predict.png')
    save_figure(figure, figure_fn)


def main(config):
    """Answer or evaluate, and draw."""
    from model import evaluate, load_vectors

    get_device(config.gpu_id)
    vectors = load_vectors(config.model_fn)
    if config.evaluate:
        evaluate(vectors)
    words = [] if config.evaluate else answer_questions(vectors, config)
    draw_map(vectors, words, config)


if __name__ == '__main__':
    run(main, define_argparser())
