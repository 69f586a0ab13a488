"""Translate sentences.

    python translate.py --model_fn model.pth < sentences.ko
    python translate.py --ref_fn sample/test.en < sample/test.ko

Reads one sentence a line from stdin and prints its translation, blank lines included.
With --ref_fn, `bleu: 38.20` goes to stderr, with the signature of sacreBLEU.
"""

from itertools import accumulate, pairwise

from guards import (
    InputError,
    add_encoding,
    get_argparser,
    load_checkpoint,
    log,
    number,
    read_lines,
    run,
    save_figure,
)
from utils import get_device, use_korean_font


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Translate the lines of stdin.')
    option = p.add_argument
    max_length = 'largest number of subwords of a sentence and of its translation'
    option('--max_length', type=number(int, 2), default=100, help=max_length)
    option('--batch_size', type=number(int, 1), default=64, help='sentences a batch')
    option('--ref_fn', help='reference translations, to score against')
    option('--attention_fn', help='PNG of the attention of the first translation')
    add_encoding(p)
    return p


class Translator:
    """A trained model: from sentences to translations.

    Arguments:
        fn: the checkpoint.
        device: the device to compute on.
    """

    def __init__(self, fn, device):
        from sentencepiece import SentencePieceProcessor

        from model import get_model

        self.device = device
        checkpoint = load_checkpoint(fn, '12_seq2seq/attention')
        self.x_subwords, self.y_subwords = (
            SentencePieceProcessor(model_proto=checkpoint[side].numpy().tobytes())
            for side in ('x_subwords', 'y_subwords')
        )
        vocab_sizes = len(self.x_subwords), len(self.y_subwords)
        self.model = get_model(checkpoint['config'], *vocab_sizes)
        self.model.load_state_dict(checkpoint['model'])
        self.model.to(device).eval()

    def translate(self, ids, max_length):
        """Return the ids of the translations of a batch of sentences.

        Arguments:
            ids: the subword ids of each sentence, as lists.
            max_length: the largest number of tokens of a translation, EOS included.
        """
        import torch
        from torch.nn.utils.rnn import pad_sequence

        from data_loader import BOS_ID, EOS_ID, PAD_ID
        from search import greedy_search

        x = pad_sequence([torch.tensor(i) for i in ids], True, PAD_ID).to(self.device)
        # |x| = (batch_size, length)
        lengths = torch.tensor([len(i) for i in ids])
        # |lengths| = (batch_size,)
        tokens = greedy_search(self.model, x, lengths, BOS_ID, EOS_ID, max_length)
        return [y[: y.index(EOS_ID)] for y in tokens.tolist()]

    def encode(self, lines, max_length):
        """Return the subword ids of each line; lines that are too long are cut."""
        ids = self.x_subwords.encode([' '.join(line.split()) for line in lines])
        for line, i in zip(lines, ids, strict=True):
            if len(i) > max_length:
                cut = f'only the first --max_length {max_length} are read'
                log(f'{line[:20]!r}...: {len(i)} subwords, {cut}')
        return [i[:max_length] for i in ids]

    def decode(self, y):
        """Return the text of a translation, on one line whatever its bytes are."""
        return ' '.join(self.y_subwords.decode(y).split())

    def get_attention(self, ids, y):
        """Return the attention weights for a sentence and its translation.

        Arguments:
            ids: the subword ids of the sentence.
            y: the subword ids of its translation.

        Returns:
            The source subwords, the target subwords, and the weights, an array of shape
            (y_length, x_length).
        """
        import torch

        from data_loader import BOS_ID, EOS_ID

        with torch.inference_mode():
            weights = self.model.get_attention(
                torch.tensor([ids], device=self.device),
                torch.tensor([len(ids)]),
                torch.tensor([[BOS_ID, *y]], device=self.device),
            )
        x_pieces = [self.x_subwords.id_to_piece(i) for i in ids]
        y_pieces = [self.y_subwords.id_to_piece(i) for i in [*y, EOS_ID]]
        return x_pieces, y_pieces, weights[0].cpu().numpy()


def print_scores(hypotheses, config):
    """Print BLEU of the translations, by sacreBLEU (Post 2018).

    Raises:
        InputError: there are more or fewer references than translations.
    """
    from sacrebleu.metrics import BLEU

    references = list(read_lines(config.ref_fn, config.encoding))
    if len(references) != len(hypotheses):
        expected = f'expected {len(hypotheses)} lines, as many as were translated'
        raise InputError(f'{config.ref_fn}: {expected}, found {len(references)}')
    metric = BLEU()
    score = metric.corpus_score(hypotheses, [references]).score
    log(f'bleu: {score:.2f}')
    log(f'bleu_signature: {metric.get_signature()}')


def draw_weights(axes, x_pieces, y_pieces, weights):
    """Draw attention weights: a row for each target subword, a column for each source.

    A column is as wide as its subword, so that Korean is written horizontally. Lines
    mark where words begin.

    Arguments:
        axes: the matplotlib Axes to draw on.
        x_pieces, y_pieces: the source subwords and the target subwords.
        weights: an array of shape (y_length, x_length).
    """
    x_edges = [0, *accumulate(1 + len(piece) for piece in x_pieces)]
    y_edges = range(len(y_pieces) + 1)
    axes.pcolormesh(x_edges, y_edges, weights, cmap='Blues', vmin=0, vmax=1)
    axes.set(xlim=(0, x_edges[-1]), ylim=(len(y_pieces), 0))
    sides = (axes.xaxis, x_edges, x_pieces), (axes.yaxis, y_edges, y_pieces)
    for axis, edges, pieces in sides:
        middles = [sum(pair) / 2 for pair in pairwise(edges)]
        axis.set_ticks(middles, [piece.strip('▁') for piece in pieces])
        starts = [edges[i] for i, piece in enumerate(pieces) if piece[0] == '▁']
        axis.set_ticks(starts, minor=True)
        axis.grid(which='minor', color='gray', linewidth=0.5)


def draw_attention(figure, x_pieces, y_pieces, weights):
    """Draw the attention weights of one translation.

    Arguments:
        figure: the matplotlib Figure to draw on.
        x_pieces, y_pieces, weights: as in draw_weights().
    """
    draw_weights(figure.subplots(), x_pieces, y_pieces, weights)


def draw(translator, ids, y, fn):
    """Draw the attention of one translation into a PNG file."""
    from matplotlib.figure import Figure

    use_korean_font()
    figure = Figure(layout='constrained')
    draw_attention(figure, *translator.get_attention(ids, y))
    save_figure(figure, fn)


def main(config):
    """Translate, print, score and draw."""
    translator = Translator(config.model_fn, get_device(config.gpu_id))
    ids = translator.encode(
        list(read_lines(encoding=config.encoding)), config.max_length
    )
    indices = [i for i in range(len(ids)) if ids[i]]
    translations = [[] for _ in ids]
    for start in range(0, len(indices), config.batch_size):
        batch = indices[start : start + config.batch_size]
        found = translator.translate([ids[i] for i in batch], config.max_length)
        for i, y in zip(batch, found, strict=True):
            translations[i] = y

    hypotheses = [translator.decode(y) for y in translations]
    for hypothesis in hypotheses:
        print(hypothesis)
    if config.ref_fn:
        print_scores(hypotheses, config)
    if config.attention_fn and indices:
        i = indices[0]
        draw(translator, ids[i], translations[i], config.attention_fn)


if __name__ == '__main__':
    run(main, define_argparser())
