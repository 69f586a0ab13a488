"""The power of the counts that noise words are drawn by, as an option."""

from exercises.edits import redefine, swap
from exercises.kit import first_difference, recorded, run_program

chapter = '09_word_embedding'
kind = 'change'

option = swap(
    'train.py',
    'add_model_options',
    'size, share = ...',
    """
    power_help = 'of the counts, to draw noise words by; 0: all words alike'
    option('--noise_power', type=number(float, 0, 1), default=0.75, help=power_help)
    size, share = number(int, 1, 10_000), number(float, 0, 1)
    """,
)
build = swap(
    'model.py',
    'get_model',
    'config.sample',
    'config.sample,\n        ns_exponent=config.noise_power',
)
noise = 'noise_p, n_noise = get_noise_p({}), len(y) * config.n_negatives'
draw = swap(
    'model.py',
    'get_examples',
    noise.format('all_counts'),
    noise.format('all_counts, config.noise_power'),
)
formula = '''
def get_noise_p(counts, power):
    """Return the probability of each word to be drawn as a noise word.

    A power below 1 makes rare words more probable than they are in the text; 3/4 is
    that of Mikolov et al. (2013b, section 2.2).

    Arguments:
        counts: a tensor of shape (vocabulary_size,).
        power: from 0, all words alike, to 1, as in the text.
    """
    noise_p = {}
    return noise_p / noise_p.sum()
'''
place = ('model.py', 'get_noise_p')
power = redefine(*place, formula.format('counts.double() ** power'))
solution = [option, build, draw, power]
wrong = [
    # The model has another noise than the loss that is reported.
    [option, build],
    [option, draw, power],
    # The power divides.
    [
        *(option, build, draw),
        redefine(*place, formula.format('counts.double() ** (1 / max(power, 1e-9))')),
    ],
    # The counts are multiplied by it.
    [*(option, build, draw), redefine(*place, formula.format('counts * power'))],
]


def check(chapter):
    """Look at what gensim gets, and count the noise words of many examples."""
    import torch

    counts = {'a': 8000, 'b': 400, 'c': 20, 'd': 1}
    sentences = [['a', 'b', 'c', 'd'] * 500]
    for arguments, power in (
        ([], 0.75),
        (['--noise_power', 0], 0.0),
        (['--noise_power', 0.5], 0.5),
    ):
        with recorded(chapter.train, 'main') as calls:
            run_program(chapter.train, '--n_buckets', 10, *arguments)
        (config,) = calls[0]
        words = ' '.join(map(str, arguments)) or 'the default'
        korean = ' '.join(map(str, arguments)) or '기본값'
        exponent = chapter.model.get_model(config).ns_exponent
        if exponent != power:
            return (
                f"With {words}, gensim's ns_exponent is {exponent}, expected {power}.",
                f'{korean}일 때 gensim의 ns_exponent가 {exponent}인데 {power}이어야 '
                '해요.',
            )
        config.sample = 0
        *_, noise = chapter.model.get_examples(sentences, counts, config)
        shares = noise.flatten().bincount(minlength=4) / noise.numel()
        expected = torch.tensor([*counts.values()]).double() ** power
        difference = first_difference('shares', shares, expected / expected.sum(), 0.02)
        if difference:
            return (
                f'With {words}, for the loss that is reported, words that occur '
                f'{[*counts.values()]} times are drawn with these shares: '
                f'{difference[0]}',
                f'{korean}일 때, 보고하는 손실에서 {[*counts.values()]}번 나온 단어가 '
                f'노이즈로 뽑히는 비율: {difference[1]}',
            )
    return None
