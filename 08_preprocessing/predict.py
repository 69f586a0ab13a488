"""Split text into subwords: from stdin to stdout, line by line.

    cat text.txt | python predict.py --model_fn bpe.pth
    cat text.txt | python tokenizer.py | python predict.py --model_fn bpe.pth
    cat text.txt | python predict.py --model_fn bpe.pth --score

The text is raw, or is the output of tokenizer.py: a line that looks like that output is
read as tokens, unless --raw is given. detokenizer.py is the inverse. With --score, the
scores of the pieces are printed instead of the pieces.
"""

from guards import add_encoding, get_argparser, load_checkpoint, run
from tables import add_column_option, read_texts
from utils import change_column, draw_pieces, get_device

# So many lines fit into a picture.
N_DRAWN = 8


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Split text into subwords, line by line.')
    option, outputs = p.add_argument, ['pieces', 'numbers']

    add_column_option(p)
    add_encoding(p)
    option('--raw', action='store_true', help='all lines are raw text')
    option('--output', choices=outputs, default='pieces', help='numbers: token ids')
    option('--score', action='store_true', help='print scores instead')
    option('--figure_fn', help=f'PNG of the first {N_DRAWN} lines; None: none')
    return p


def main(config):
    """Print the pieces of each line, or their scores."""
    from model import get_model, get_tokens
    from trainer import evaluate

    get_device(config.gpu_id)
    checkpoint = load_checkpoint(config.model_fn, '08_preprocessing')
    model = get_model(checkpoint['config']['engine'], checkpoint['model'])
    if config.score:
        texts = read_texts(config.column, None, config.encoding)
        scores = evaluate(model, texts, config.raw)
        for name, value in scores.items():
            print(f'{name}:', f'{value:.4f}' if isinstance(value, float) else value)
        return

    drawn = []

    def segment(texts):
        for text in texts:
            pieces = model.segment(get_tokens(text, config.raw))
            if len(drawn) < N_DRAWN:
                # More pieces would be too small to read.
                drawn.append(('', pieces[:40]))
            if config.output == 'numbers':
                pieces = map(str, model.encode(pieces))
            yield ' '.join(pieces)

    try:
        for line in change_column(segment, config.column, config.encoding):
            print(line)
    finally:
        if config.figure_fn:
            draw_pieces(drawn, config.figure_fn)


if __name__ == '__main__':
    run(main, define_argparser())
