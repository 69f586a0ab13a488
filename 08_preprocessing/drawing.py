"""Pictures of subwords."""

import warnings

from marks import join_tokens
from model import BytePairModel
from utils import save_figure, use_korean_font

# Light enough for black letters on them.
COLOURS = ['#a6cee3', '#fdd49e', '#b2df8a', '#fbb4ae', '#cab2d6', '#ffff99']


def draw_rows(axes, rows):
    """Draw rows of pieces, each piece a box whose length is that of its letters.

    Arguments:
        rows: a list of pairs: a label, and marked pieces.
    """
    right = 1
    for y, (_, pieces) in enumerate(rows):
        x = 0
        for number, piece in enumerate(pieces):
            letters = join_tokens([piece]) or ' '
            text = ''.join(a if a.isprintable() else '\ufffd' for a in letters)
            # Korean letters are about twice as wide as Latin ones.
            width = 0.5 + sum(1.0 if letter > '\u1100' else 0.6 for letter in text)
            x += 0.5 * piece.startswith('▁') if number else 0
            colour = COLOURS[number % len(COLOURS)]
            axes.barh(y, width - 0.1, left=x, height=0.7, color=colour)
            place = x + (width - 0.1) / 2, y
            axes.text(*place, text, ha='center', va='center', parse_math=False)
            x += width
        right = max(right, x)
    axes.set(xlim=(0, right), ylim=(len(rows) - 0.4, -0.6), xticks=[])
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def get_examples(words, n_examples=3, min_length=6):
    """Return the most frequent of the longer words that consist of letters."""
    tokens = sorted(words, key=lambda token: (-words[token], token))
    letters = (token for token in tokens if join_tokens([token]).isalpha())
    long = [token for token in letters if len(token) > min_length]
    return (long or tokens)[:n_examples]


def draw_subwords(model, words, history, fn):
    """Draw how words come together while merges are learned.

    Arguments:
        model: a BytePairModel, or another, of which only the end is known.
        words: a dict from a marked token to its count.
        history: the tokens per word after each merge, empty for another model.
        fn: the PNG file to write.
    """
    from matplotlib.figure import Figure

    use_korean_font()
    stages = {'': model}
    if isinstance(model, BytePairModel):
        n_merges = len(model.merges)
        numbers = sorted(
            {0, n_merges} | {10**i for i in range(2, 7) if 10**i < n_merges}
        )
        stages = {
            f'{number} merges': BytePairModel(model.merges[:number], model.characters)
            for number in numbers
        }
    rows = [
        (name, stage.cut(token))
        for token in get_examples(words)
        for name, stage in stages.items()
    ]

    figure = Figure(figsize=(10, max(3, 0.32 * len(rows))), layout='constrained')
    left, right = figure.subplots(1, 2)
    left.plot(range(1, len(history) + 1), history)
    left.set(title='Tokens per word', xlabel='merges', xscale='log')
    left.grid(alpha=0.3)
    draw_rows(right, rows)
    right.set_title('Frequent long words')
    if not history:
        left.remove()
    save(figure, fn)


def draw_lines(rows, fn):
    """Draw lines as the pieces that they were cut into.

    Arguments:
        rows: a list of lists of marked pieces.
        fn: the PNG file to write.
    """
    from matplotlib.figure import Figure

    use_korean_font()
    figure = Figure(figsize=(10, max(1, 0.4 * len(rows))), layout='constrained')
    # More than that would be too small to read.
    draw_rows(figure.subplots(), [('', pieces[:40]) for pieces in rows])
    save(figure, fn)


def save(figure, fn):
    """Save a Figure; what the font has no letters for, such as emoji, becomes boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Glyph')
        save_figure(figure, fn)
