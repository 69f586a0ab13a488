"""The words of a topic are chosen by relevance, which lowers common words."""

from exercises.edits import redefine, swap
from exercises.kit import recorded, run_program

chapter = 'appendix_lda'
kind = 'change'

option = swap(
    'train.py',
    'add_model_options',
    'option = ...',
    """
    option = parser.add_argument_group('model').add_argument
    relevance_help = 'below 1, words that are common in all topics come later'
    share = number(float, 0, 1)
    option('--relevance', type=share, default=1.0, help=relevance_help)
    """,
)
use = swap(
    'train.py',
    'main',
    'print_topics(model, vocabulary, config.n_words)',
    'print_topics(model, vocabulary, config.n_words, config.relevance)',
)
show = redefine(
    'utils.py',
    'print_topics',
    """
    def print_topics(model, vocabulary, n_words, relevance=1.0):
        _, top = get_top_words(model, n_words, relevance)
        for topic, row in enumerate(top, 1):
            print(f'topic {topic}: {" ".join(vocabulary[i] for i in row)}')
    """,
)


def choose(score):
    """Return the edit that chooses the words with the largest score."""
    return redefine(
        'utils.py',
        'get_top_words',
        f"""
        def get_top_words(model, n_words, relevance=1.0):
            weights = model.get_distributions().cpu()
            scores = weights.abs()
            if relevance < 1:
                p = model.topics.cpu().sum(dim=0) / model.topics.cpu().sum()
                scores = {score}
            top = scores.topk(min(n_words, weights.shape[1]), dim=1).indices
            return weights.gather(1, top).tolist(), top.tolist()
        """,
    )


solution = [option, use, show, choose('weights.log() - (1 - relevance) * p.log()')]
wrong = [
    # The option has no effect.
    [option],
    # The two terms are exchanged.
    [option, use, show, choose('weights.log() - relevance * p.log()')],
    # The logarithms are missing.
    [
        *(option, use, show),
        choose('relevance * weights + (1 - relevance) * weights / p'),
    ],
    # The topics are compared, and not the words.
    [
        *(option, use, show),
        choose('weights.log() - (1 - relevance) * weights.log().logsumexp(dim=0)'),
    ],
]

# Two subjects; the word news is in all documents of one, and in two of the other.
TEXT = """\
news ball goal news ball team news goal
goal news team ball team news news
team goal ball ball news match news
news rain wind rain cloud
wind rain cloud wind news sun
cloud sun rain wind rain
"""


def check(chapter):
    """Compare the printed words with the topics that train.py saves."""
    from pathlib import Path

    Path('x.txt').write_text(TEXT * 3, encoding='utf-8')
    for relevance in (1, 0.6, 0.2, 0):
        output, topics, vocabulary = learn(chapter, relevance)
        for k, topic in enumerate(topics):
            scores = get_scores(topic, topics, vocabulary, relevance)
            best = sorted(vocabulary, key=scores.get, reverse=True)[:5]
            expected = f'topic {k + 1}: {" ".join(best)}'
            line = output.splitlines()[k]
            words = line.split()[2:]
            # Words of the same score can be in any order.
            is_whole = len(words) == len({*words}) == 5
            if not is_whole or any(
                abs(scores.get(word, 9) - scores[other]) > 1e-4
                for word, other in zip(words, best, strict=True)
            ):
                name = f'--relevance {relevance}'
                return (
                    f'With {name}, it prints "{line}", expected "{expected}".',
                    f'{name}일 때 "{line}"라고 출력하는데 "{expected}"이어야 해요.',
                )
    return None


def learn(chapter, relevance):
    """Return what train.py prints, and the topics and the vocabulary that it saves."""
    train = chapter.train
    options = '--train_fn x.txt --min_document_freq 1 --max_document_ratio 1 --seed 1'
    options += ' --n_topics 2 --n_words 5 --verbose 0 --gpu_id -1 --model_fn x.pth'
    arguments = [*options.split(), '--relevance', relevance]
    with (
        recorded(train, 'draw_topics'),
        recorded(train, 'get_coherence', 0.0),
        recorded(train, 'save_checkpoint') as calls,
    ):
        output = run_program(train, *arguments)
    checkpoint = calls[0][0]
    return output, checkpoint['model']['topics'], checkpoint['vocabulary']


def get_scores(topic, topics, vocabulary, relevance):
    """Return the relevance of each word for a topic, by the formula of the paper."""
    p = topics.sum(dim=0) / topics.sum()
    p_of_topic = topic / topic.sum()
    lift = (p_of_topic / p).log()
    scores = relevance * p_of_topic.log() + (1 - relevance) * lift
    return dict(zip(vocabulary, scores.tolist(), strict=True))
