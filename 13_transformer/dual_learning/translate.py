"""Translate sentences.

    python translate.py --model_fn model.pth < sentences.ko
    python translate.py --model_fn model.pth --beam_size 10 --n_best 3 < sentences.ko
    python translate.py --ref_fn sample/test.en < sample/test.ko

Reads one sentence a line from stdin and prints one line for each, blank lines included:
its translation, or n of them with --n_best, each as the number of the line, the score
and the text, separated by tabs. With --ref_fn, `bleu: 38.20` and `chrf: 60.10` go to
stderr, with the signatures of sacreBLEU. Several models form an ensemble.
"""

import argparse
import math
import sys
from itertools import accumulate, chain, pairwise

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
from utils import batched, get_device, use_korean_font


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Translate the lines of stdin.')
    # The option of get_argparser() takes only one checkpoint.
    option = p.add_argument_group(
        'translation', conflict_handler='resolve'
    ).add_argument
    models = {'nargs': '+', 'default': ['model.pth']}
    option('--model_fn', **models, help='checkpoints, whose probabilities are averaged')
    limit = number(int, 1)
    beam_help = 'hypotheses kept at each step, 1: greedy search'
    option('--beam_size', type=limit, default=5, help=beam_help)
    option('--n_best', type=limit, default=1, help='translations of a sentence')
    alpha, alpha_help = number(float, 0.0, 10.0), 'larger favours longer translations'
    option('--length_penalty', type=alpha, default=1.0, help=alpha_help)
    max_length = 'largest number of subwords of a sentence and of its translation'
    option('--max_length', type=number(int, 2), default=150, help=max_length)
    ratio = 'a translation has at most this many subwords for each one of the sentence,'
    option('--max_ratio', type=number(float, 0.0, 1e3), default=2.0, help=ratio)
    option('--max_extra', type=number(int, 2), default=10, help='and this many more')
    option('--batch_size', type=limit, default=64, help='sentences a batch')
    option('--ref_fn', help='reference translations, to score against')
    option('--lowercase', action='store_true', help='score without regard to case')
    option('--attention_fn', help='PNG of the attention of the first translation')
    is_optional = argparse.BooleanOptionalAction
    option('--fast', action=is_optional, default=True, help='the pieces of fast.py')
    int8_help = 'multiply matrices of 8-bit integers, on the CPU only'
    option('--int8', action='store_true', help=int8_help)
    add_encoding(p)
    return p


class Translator:
    """One trained model or several: from sentences to translations.

    Several models with the same subwords form an ensemble: the search sees the mean of
    their probabilities.

    Arguments:
        fns: the checkpoints.
        device: the device to compute on.
        is_fast: whether to use the faster pieces of fast.py.
        is_int8: whether linear layers multiply integers of 8 bits.

    Raises:
        InputError: the models have different subwords.
    """

    def __init__(self, fns, device, is_fast=True, is_int8=False):
        import torch
        from sentencepiece import SentencePieceProcessor

        import fast
        from model import get_model

        self.device = device
        checkpoints = [load_checkpoint(fn, '13_transformer') for fn in fns]
        sides = 'x_subwords', 'y_subwords'
        protos = [[c[side].numpy().tobytes() for side in sides] for c in checkpoints]
        for fn, proto in zip(fns, protos, strict=True):
            if proto != protos[0]:
                raise InputError(f'{fn}: expected the same subwords as {fns[0]} has')
        self.x_subwords, self.y_subwords = (
            SentencePieceProcessor(model_proto=proto) for proto in protos[0]
        )
        # The networks that import_marian.py imports read EOS after each sentence.
        has_eos = checkpoints[0]['config'].get('source_eos', False)
        self.x_end = [self.x_subwords.eos_id()] if has_eos else []
        self.models = []
        for checkpoint in checkpoints:
            vocab_sizes = len(self.x_subwords), len(self.y_subwords)
            model = get_model(checkpoint['config'], *vocab_sizes)
            model.load_state_dict(checkpoint['model'])
            self.models.append(model.to(device).eval())

        self.topk, self.translate_batches = torch.topk, translate_batches
        if is_fast:
            fast.speed_up(*self.models)
            self.topk, self.translate_batches = fast.topk, fast.translate_batches
        if is_int8:
            fast.quantize(*self.models)

    def start(self, x, lengths):
        """Encode source sentences; return the States of the models before a step."""
        states = [model.start(x, lengths) for model in self.models]
        return states[0] if len(states) == 1 else Ensemble(states)

    def step(self, y, state):
        """Return the logits of the next token, averaged if there are several models."""
        import torch

        if len(self.models) == 1:
            return self.models[0].step(y, state)
        log_p = [
            model.step(y, one).log_softmax(dim=-1)
            for model, one in zip(self.models, state.states, strict=True)
        ]
        # The logarithm of the mean probability, up to a constant.
        return torch.stack(log_p).logsumexp(dim=0)

    def translate(self, ids, config):
        """Search for the translations of a batch of sentences.

        Arguments:
            ids: the subword ids of each sentence, as lists.
            config: the options of the search, from beam_size to max_extra.

        Returns:
            A list for each sentence: (score, ids) of each translation. Greedy search
            finds one translation, without a score: None.
        """
        import torch
        from torch.nn.utils.rnn import pad_sequence

        from data_loader import BOS_ID, EOS_ID, PAD_ID
        from search import beam_search, greedy_search

        x = pad_sequence([torch.tensor(i) for i in ids], True, PAD_ID).to(self.device)
        # |x| = (batch_size, length)
        lengths = torch.tensor([len(i) for i in ids])
        # |lengths| = (batch_size,)
        task = self, x, lengths, BOS_ID, EOS_ID, config.max_length
        limits = {'max_ratio': config.max_ratio, 'max_extra': config.max_extra}
        if config.beam_size == 1:
            tokens = greedy_search(*task, **limits)
            return [[(None, y[: y.index(EOS_ID)])] for y in tokens.tolist()]
        options = config.beam_size, config.n_best, config.length_penalty, self.topk
        scores, tokens = beam_search(*task, *options, **limits)
        return [
            [
                (score, y[: y.index(EOS_ID)])
                for score, y in zip(*pair, strict=True)
                if score > -math.inf
            ]
            for pair in zip(scores.tolist(), tokens.tolist(), strict=True)
        ]

    def encode(self, lines, max_length):
        """Return the subword ids of each line; lines that are too long are cut."""
        ids = self.x_subwords.encode([' '.join(line.split()) for line in lines])
        for line, i in zip(lines, ids, strict=True):
            if len(i) > max_length:
                cut = f'only the first --max_length {max_length} are read'
                log(f'{line[:20]!r}...: {len(i)} subwords, {cut}')
        return [i and i[:max_length] + self.x_end for i in ids]

    def decode(self, y):
        """Return the text of a translation, on one line whatever its bytes are."""
        return ' '.join(self.y_subwords.decode(y).split())

    def get_attention(self, ids, y):
        """Return the attention of the first model for a sentence and its translation.

        Arguments:
            ids: the subword ids of the sentence.
            y: the subword ids of its translation.

        Returns:
            The source subwords, the target subwords, and the weights, an array of shape
            (n_layers, n_heads, y_length, x_length).
        """
        import torch

        from data_loader import BOS_ID, EOS_ID

        with torch.inference_mode():
            weights = self.models[0].get_attention(
                torch.tensor([ids], device=self.device),
                torch.tensor([len(ids)]),
                torch.tensor([[BOS_ID, *y]], device=self.device),
            )
        x_pieces = [self.x_subwords.id_to_piece(i) for i in ids]
        y_pieces = [self.y_subwords.id_to_piece(i) for i in [*y, EOS_ID]]
        return x_pieces, y_pieces, weights[0].cpu().numpy()


class Ensemble:
    """The States of several models."""

    def __init__(self, states):
        self.states = states

    def select(self, rows):
        """Keep the given hypotheses, in this order, in all States."""
        for state in self.states:
            state.select(rows)


def translate_batches(translator, batches, config):
    """Yield the translations of each batch, one batch after the other.

    Arguments:
        translator: has translate().
        batches: a list of batches, each the ids of its sentences.
        config: the options of the search.
    """
    for ids in batches:
        yield translator.translate(ids, config)


def translate(translator, lines, config, chunk_size):
    """Translate lines; within a chunk, sentences of similar length share a batch.

    Arguments:
        lines: an iterable of strings.

    Yields:
        For each line, its subword ids, and a list of its translations in descending
        order of their scores, each (score, ids); for a blank line, two empty lists.
    """
    for chunk in batched(lines, chunk_size):
        ids = translator.encode(chunk, config.max_length)
        # The longest first, so that threads that share the batches end together.
        indices = sorted(
            (i for i in range(len(ids)) if ids[i]), key=lambda i: -len(ids[i])
        )
        groups = batched(indices, config.batch_size)
        batches = [[ids[i] for i in group] for group in groups]
        results = chain.from_iterable(
            translator.translate_batches(translator, batches, config)
        )
        translations = dict(zip(indices, results, strict=True))
        for i in range(len(chunk)):
            yield ids[i], translations.get(i, [])


def print_scores(hypotheses, config):
    """Print BLEU and chrF of the translations, by sacreBLEU (Post 2018).

    Raises:
        InputError: there are more or fewer references than translations.
    """
    from sacrebleu.metrics import BLEU, CHRF

    references = list(read_lines(config.ref_fn, config.encoding))
    if len(references) != len(hypotheses):
        expected = f'expected {len(hypotheses)} lines, as many as were translated'
        raise InputError(f'{config.ref_fn}: {expected}, found {len(references)}')
    for name, metric_class in (('bleu', BLEU), ('chrf', CHRF)):
        metric = metric_class(lowercase=config.lowercase)
        score = metric.corpus_score(hypotheses, [references]).score
        log(f'{name}: {score:.2f}')
        log(f'{name}_signature: {metric.get_signature()}')


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
    """Draw attention weights, an image for each layer and head.

    Arguments:
        figure: the matplotlib Figure to draw on.
        x_pieces, y_pieces: the source subwords and the target subwords.
        weights: an array of shape (n_layers, n_heads, y_length, x_length).
    """
    n_layers, n_heads, _, _ = weights.shape
    # The size of an image depends on its subwords, which label the outer edges only.
    width = 1 + 0.11 * sum(1 + len(piece) for piece in x_pieces)
    height = 1 + 0.22 * len(y_pieces)
    figure.set_size_inches(1 + n_heads * width, 1 + n_layers * height)
    grid = figure.subplots(n_layers, n_heads, squeeze=False, sharex=True, sharey=True)
    for i, row in enumerate(grid):
        for j, axes in enumerate(row):
            draw_weights(axes, x_pieces, y_pieces, weights[i, j])
            if n_layers * n_heads > 1:
                axes.set_title(f'layer {i + 1}, head {j + 1}')


def draw(translator, ids, y, fn):
    """Draw the attention of one translation into a PNG file."""
    from matplotlib.figure import Figure

    use_korean_font()
    figure = Figure(layout='constrained')
    draw_attention(figure, *translator.get_attention(ids, y))
    save_figure(figure, fn)


def main(config):
    """Translate, print, score and draw."""
    if config.n_best > config.beam_size:
        raise InputError(f'--n_best {config.n_best}: expected at most the --beam_size')
    device = get_device(config.gpu_id)
    if config.int8 and device.type != 'cpu':
        raise InputError('--int8: works on the CPU only, with --gpu_id -1')
    translator = Translator(config.model_fn, device, config.fast, config.int8)
    is_typed = sys.stdin.isatty()
    if is_typed:
        log('type one sentence a line; Ctrl-D ends the input')

    # At the keyboard, each line is answered at once.
    chunk_size = 1 if is_typed else 20 * config.batch_size
    lines = translate(
        translator, read_lines(encoding=config.encoding), config, chunk_size
    )
    hypotheses, to_draw = [], None
    for i, (ids, results) in enumerate(lines, 1):
        texts = [translator.decode(y) for _, y in results] or ['']
        if config.n_best == 1:
            print(texts[0], flush=is_typed)
        else:
            scores = [f'{score:.4f}' for score, _ in results] or ['']
            for score, text in zip(scores, texts, strict=True):
                print(i, score, text, sep='\t', flush=is_typed)
        if config.ref_fn:
            hypotheses.append(texts[0])
        if results and not to_draw:
            to_draw = ids, results[0][1]

    if config.ref_fn:
        print_scores(hypotheses, config)
    if config.attention_fn and to_draw:
        draw(translator, *to_draw, config.attention_fn)


if __name__ == '__main__':
    run(main, define_argparser())
