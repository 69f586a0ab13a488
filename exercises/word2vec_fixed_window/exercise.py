"""All windows have the same size, as an option."""

from exercises.edits import swap
from exercises.kit import get_config, recorded, run_program

chapter = 'appendix_word2vec'
kind = 'change'

option = swap(
    'train.py',
    'add_model_options',
    'option = ...',
    """
    option = parser.add_argument_group('model').add_argument
    fixed_help = 'all windows have --window words on each side; --no-fast alone'
    option('--fixed_window', action='store_true', help=fixed_help)
    """,
)
place = ('model.py', 'get_examples', 'sizes = ...')
draw = 'torch.randint(config.window, (len(words),), generator=generator) + 1'
solution = [
    option,
    swap(
        *place,
        f"""
        sizes = {draw}
        if config.fixed_window:
            sizes = torch.full_like(sizes, config.window)
        """,
    ),
]
wrong = [
    # The option has no effect.
    option,
    # It is the only way.
    [option, swap(*place, 'sizes = torch.full((len(words),), config.window)')],
    # A word less on each side.
    [
        option,
        swap(
            *place,
            f"""
            sizes = {draw}
            if config.fixed_window:
                sizes = torch.full_like(sizes, config.window - 1)
            """,
        ),
    ],
]


def check(chapter):
    """Count how often the two words of a pair are 1, 2 and 3 words apart."""
    for arguments, is_fixed in ((['--fixed_window'], True), ([], False)):
        with recorded(chapter.train, 'main') as calls:
            run_program(chapter.train, '--window', 3, '--sample', 0, *arguments)
        config = get_config(**{**vars(calls[0][0]), 'model': 'skipgram'})
        n_words = 200
        words = [*map(str, range(n_words))]
        x, y, _ = chapter.model.get_examples([words], dict.fromkeys(words, 5), config)
        distances = (x[:, 0] - y).abs().bincount(minlength=5).tolist()
        most = [2 * (n_words - distance) for distance in range(1, 4)]
        # Of the windows of sizes 1 to 3, all have the neighbour, a third distance 3.
        if is_fixed and distances != [0, *most, 0]:
            return (
                f'With --fixed_window --window 3, of {n_words} words there are '
                f'{distances[1:]} pairs at the distances 1, 2, 3 and 4; '
                f'expected {[*most, 0]}.',
                f'--fixed_window --window 3일 때 단어 {n_words}개에서 거리 1, 2, 3, '
                f'4인 쌍이 {distances[1:]}개예요. {[*most, 0]}개여야 해요.',
            )
        if not is_fixed and not 0.2 < distances[3] / most[2] < 0.5:
            return (
                'Without --fixed_window the sizes should be drawn from 1 to --window '
                f'as before, but {distances[3]} of {most[2]} pairs at distance 3 are '
                'there.',
                '--fixed_window가 없으면 전과 같이 1부터 --window까지에서 크기를 '
                f'뽑아야 해요. 그런데 거리 3인 쌍 {most[2]}개 중 {distances[3]}개가 '
                '있어요.',
            )
    return None
