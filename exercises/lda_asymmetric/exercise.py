"""A prior of the mixtures that prefers the first topics, as an option."""

from exercises.edits import swap
from exercises.kit import first_difference, recorded, run_program

chapter = 'appendix_lda'
kind = 'change'

option = swap(
    'train.py',
    'add_model_options',
    'prior = ...',
    """
    prior_help = 'the prior prefers the first topics; --engine torch alone'
    option('--asymmetric', action='store_true', help=prior_help)
    prior = number(float, 1e-6, 1e6)
    """,
)
buffer = swap(
    'model.py',
    'LatentDirichletAllocation.__init__',
    'self.alpha = alpha',
    """
    if torch.is_tensor(alpha):
        self.register_buffer('alpha', alpha)
    else:
        self.alpha = alpha
    """,
)
build = ('model.py', 'get_model', 'return LatentDirichletAllocation(...)')
prior = """
n_topics, alpha = config['n_topics'], config['alpha']
if config['asymmetric']:
    alpha = 1 / (torch.arange(n_topics) + n_topics**0.5)
    {}
return LatentDirichletAllocation(
    n_topics, vocabulary_size, alpha, config['eta']
)
"""
scaled = "alpha *= n_topics * config['alpha'] / alpha.sum()"
solution = [option, buffer, swap(*build, prior.format(scaled))]
wrong = [
    # The option has no effect.
    [option, buffer],
    # The sum of the prior is another one.
    [option, buffer, swap(*build, prior.format('alpha /= alpha.max()'))],
    # It prefers the last topics.
    [
        option,
        buffer,
        swap(*build, prior.format(f'{scaled}\n    alpha = alpha.flip(0)')),
    ],
]


def check(chapter):
    """Look at gamma of documents without words: it is the prior."""
    import torch

    for arguments in ([], ['--asymmetric']):
        with recorded(chapter.train, 'main') as calls:
            run_program(chapter.train, '--n_topics', 4, *arguments)
        config = {**vars(calls[0][0]), 'alpha': 0.5, 'eta': 0.25}
        model = chapter.model.get_model(config, 6)
        model.topics.copy_(torch.rand(4, 6) + 0.1)
        blank = torch.zeros(2, 3)
        gamma = model(blank.long(), blank)
        expected = torch.full((2, 4), 0.5)
        if arguments:
            shares = torch.tensor([1 / (k + 2) for k in range(4)])
            expected = (4 * 0.5 * shares / shares.sum()).expand(2, 4)
        difference = first_difference('alpha', gamma, expected)
        if difference:
            words = ' '.join(arguments) or 'without --asymmetric'
            korean = ' '.join(arguments) or '--asymmetric가 없을 때'
            return (
                f'4 topics, --alpha 0.5, {words}: {difference[0]}',
                f'토픽 4개, --alpha 0.5, {korean}: {difference[1]}',
            )
        # A document with words: the prior is added to its responsibilities.
        words, counts = torch.tensor([[0, 1, 5]]), torch.tensor([[2.0, 1, 1]])
        total = model(words, counts).sum().item()
        if abs(total - 6) > 1e-3:
            return (
                'For a document of 4 words, gamma should add up to 4 * 0.5 + 4 = 6, '
                f'but its sum is {total:.4g}.',
                '단어 4개인 문서에서 gamma를 더하면 4 * 0.5 + 4 = 6이어야 하는데 '
                f'{total:.4g}이에요.',
            )
    return None
