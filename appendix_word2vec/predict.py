"""Ask word vectors: neighbours, analogies, similarities, and a map of the words.

    echo 'goverment' | python predict.py --model_fn model.pth
    python predict.py --model_fn model.pth < questions.txt > answers.txt
    python predict.py --model_fn model.pth --evaluate

Each line of stdin is a question, and gives one line on stdout: the question, a tab and
the answer. A word gives its nearest neighbours, `king - man + woman` those of a sum,
and two words give their similarity, from -1 to 1. A blank line stays blank. --evaluate
prints the scores of two tests that come with gensim.
"""

from pathlib import Path

from guards import InputError, get_argparser, number, read_lines, run, save_figure
from utils import get_device, use_korean_font


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Ask word vectors for neighbours and analogies.')

    p.add_argument(
        '--evaluate', action='store_true', help='two tests instead of questions'
    )
    p.add_argument(
        '--n_best', type=number(int, 1, 1000), default=5, help='neighbours to print'
    )
    p.add_argument('--figure_fn', help='PNG to draw; None: beside the checkpoint')
    p.add_argument(
        '--map', choices=['pca', 'tsne'], default='tsne', help='how to draw the words'
    )
    p.add_argument(
        '--n_map_words', type=number(int, 2, 1000), default=100, help='words to draw'
    )
    return p


def find_word(vectors, word):
    """Say how far a word is known.

    Returns:
        '' for a known one, '?' for one whose vector comes from its n-grams alone, as it
        does for a typing error, and None for one without a vector.
    """
    if word in vectors.key_to_index:
        return ''
    return '?' if word in vectors and vectors.get_vector(word).any() else None


def answer(vectors, question, n_best):
    """Answer a question.

    Arguments:
        vectors: gensim's KeyedVectors.
        question: a word, two words, or words with + and - between them, by spaces.

    Returns:
        The answer, a string; and the words that a map should show, a list.
    """
    parts = question.lower().split()
    is_sum = len(parts) % 2 == 1 and set(parts[1::2]) <= {'+', '-'}
    if not is_sum and len(parts) != 2:
        return 'expected a word, two words, or a sum: king - man + woman', []
    words = parts[::2] if is_sum else parts
    unknown = [word for word in words if find_word(vectors, word) is None]
    if unknown:
        return f'unknown: {", ".join(unknown)}', []

    notes = [f'{word} by its n-grams' for word in words if find_word(vectors, word)]
    if is_sum:
        weights = [1.0] + [1.0 if sign == '+' else -1.0 for sign in parts[1::2]]
        terms = list(zip(words, weights, strict=True))
        neighbours = vectors.most_similar(positive=terms, topn=n_best)
        answers = [f'{word} {similarity:.4f}' for word, similarity in neighbours]
        words = words + [word for word, _ in neighbours]
    else:
        answers = [f'{vectors.similarity(*words):.4f}']
    return '\t'.join(answers + [f'({note})' for note in notes]), words


def answer_questions(vectors, config):
    """Answer each line of stdin with one line.

    Returns:
        The first words that came up, for a map.
    """
    map_words = {}
    for line in read_lines():
        question = ' '.join(line.split())
        if not question:
            print()
            continue
        text, words = answer(vectors, question, config.n_best)
        print(question, text, sep='\t')
        if len(map_words) < config.n_map_words:
            map_words |= dict.fromkeys(words)
    return list(map_words)[: config.n_map_words]


def evaluate(vectors):
    """Print how well the vectors do in two tests, by the words that they know.

    Raises:
        InputError: they know none of the pairs of the first test.
    """
    from data_loader import find_gensim_file

    # Pairs of words that people judged: the similarities should have their order.
    pairs_fn = find_gensim_file('wordsim353.tsv')
    try:
        _, (spearman, _), unknown = vectors.evaluate_word_pairs(pairs_fn)
    except ValueError as error:
        raise InputError(f'{pairs_fn}: expected words that the model knows') from error
    n_pairs = round(353 * (1 - unknown / 100))
    print(f'wordsim353_n_pairs: {n_pairs}\nwordsim353_spearman: {spearman:.4f}')

    # Questions such as: what is to Greece as Bern is to Switzerland?
    questions_fn = find_gensim_file('questions-words.txt')
    accuracy, sections = vectors.evaluate_word_analogies(questions_fn)
    n_questions = len(sections[-1]['correct']) + len(sections[-1]['incorrect'])
    print(f'questions_words_n_questions: {n_questions}')
    print(f'questions_words_accuracy: {accuracy:.4f}')


def get_map(vectors, words, kind):
    """Return two numbers for each word, so that similar words lie side by side.

    Arguments:
        words: two words or more that have vectors.
        kind: 'pca', the two directions in which the words differ most, or 'tsne', which
            keeps neighbours together (van der Maaten and Hinton 2008).

    Returns:
        An array of shape (n_words, 2).
    """
    import numpy as np
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    x = np.stack([vectors.get_vector(word, norm=True) for word in words])
    if kind == 'pca' or len(words) < 5:
        return PCA(n_components=2, svd_solver='full').fit_transform(x)
    perplexity = min(15, (len(words) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init='pca', metric='cosine', random_state=0)
    return tsne.fit_transform(x)


def draw_map(vectors, words, config):
    """Draw a map of words, or of frequent ones where there are none to draw."""
    from matplotlib.figure import Figure

    use_korean_font()
    if len(words) < 2:
        # The most frequent words are those of grammar, such as the and of.
        n_skipped = min(100, max(0, len(vectors.index_to_key) - config.n_map_words))
        words = vectors.index_to_key[n_skipped : n_skipped + config.n_map_words]

    figure = Figure(figsize=(9, 9), layout='constrained')
    axes = figure.subplots()
    points = get_map(vectors, words, config.map)
    axes.scatter(*points.T, s=6)
    for word, point in zip(words, points, strict=True):
        # Written as it is: a dollar sign would begin a formula.
        axes.annotate(word, point, fontsize=8, parse_math=False)
    axes.set(title='Words that are used alike', xticks=[], yticks=[])

    figure_fn = config.figure_fn or Path(config.model_fn).with_suffix('.predict.png')
    save_figure(figure, figure_fn)


def main(config):
    """Answer or evaluate, and draw."""
    from model import load_vectors

    get_device(config.gpu_id)
    vectors = load_vectors(config.model_fn)
    words = []
    if config.evaluate:
        evaluate(vectors)
    else:
        words = answer_questions(vectors, config)
    draw_map(vectors, words, config)


if __name__ == '__main__':
    run(main, define_argparser())
