"""Cut text into subwords: from stdin to stdout, line by line.

    cat text.txt | python predict.py --model_fn bpe.pth
    cat text.txt | python tokenizer.py | python predict.py --model_fn bpe.pth
    cat text.txt | python predict.py --model_fn bpe.pth --score

The text is raw, or has been cut into tokens by tokenizer.py: a line that looks like
such tokens is taken for them, unless there is --raw. detokenizer.py is the way back.
With --score, the pieces are counted instead of printed.
"""

from filters import add_column_option, change_column, read_column
from marks import get_tokens, join_tokens
from utils import get_argparser, get_device, load_checkpoint, log, read_lines, run

# As many fit into a picture.
N_DRAWN = 8


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Cut text into subwords, line by line.')

    add_column_option(p)
    p.add_argument(
        '--raw',
        action='store_true',
        help="take the text for raw, even if it looks like tokenizer.py's tokens",
    )
    p.add_argument(
        '--output',
        choices=['pieces', 'numbers'],
        default='pieces',
        help='pieces, or their numbers in the vocabulary',
    )
    p.add_argument('--score', action='store_true', help='count instead')
    p.add_argument('--figure_fn', help=f'PNG of the first {N_DRAWN} lines; None: none')
    return p


def get_scores(model, texts, is_raw):
    """Count the pieces of texts, and see whether they lead back to the texts.

    Returns:
        A dict from the name of a score to its value.
    """
    n_lines = n_equal = n_words = n_pieces = n_unknown = n_characters = 0
    for text in texts:
        tokens = get_tokens(text, is_raw)
        pieces = model.segment(tokens)
        original = join_tokens(tokens)
        n_lines += 1
        n_equal += join_tokens(pieces) == original
        n_words += len(original.split())
        n_characters += len(original.replace(' ', ''))
        n_pieces += len(pieces)
        n_unknown += sum(piece not in model.numbers for piece in pieces)
    return {
        'n_lines': n_lines,
        'tokens_per_word': n_pieces / max(1, n_words),
        'characters_per_token': n_characters / max(1, n_pieces),
        'unknown': n_unknown / max(1, n_pieces),
        'round_trip': n_equal / max(1, n_lines),
    }


def main(config):
    """Write the pieces of each line."""
    from model import get_model

    get_device(config.gpu_id)
    checkpoint = load_checkpoint(config.model_fn, '08_preprocessing')
    model = get_model(checkpoint['config']['engine'], checkpoint['model'])
    if config.score:
        texts = read_column(read_lines(), config.column)
        for name, value in get_scores(model, texts, config.raw).items():
            print(f'{name}:', f'{value:.4f}' if isinstance(value, float) else value)
        return

    drawn = []

    def segment(texts):
        for text in texts:
            pieces = model.segment(get_tokens(text, config.raw))
            if len(drawn) < N_DRAWN:
                drawn.append(pieces)
            if config.output == 'numbers':
                pieces = map(str, model.encode(pieces))
            yield ' '.join(pieces)

    for line in change_column(segment, read_lines(), config.column):
        print(line)
    if config.figure_fn:
        from drawing import draw_lines

        draw_lines(drawn, config.figure_fn)
        log(f'picture: {config.figure_fn}')


if __name__ == '__main__':
    run(main, define_argparser())
