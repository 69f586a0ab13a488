"""Translate sentences.

    python translate.py --model_fn model.pth < sentences.ko
    python translate.py --model_fn model.pth --beam_size 10 --n_best 3 < sentences.ko
    python translate.py --ref_fn sample/test.en < sample/test.ko

Reads a sentence a line from stdin and prints a line for each, blank ones included: its
translation, or n of them with --n_best, each as the number of the line, the score and
the text, separated by tabs. With --ref_fn, `bleu: 38.20` and `chrf: 60.10` go to
stderr, with the signatures of sacreBLEU. Several models translate together.
"""

import math
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat

from utils import (
    InputError,
    batched,
    get_argparser,
    get_device,
    load_checkpoint,
    log,
    number,
    read_lines,
    run,
    save_figure,
    use_korean_font,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Translate the lines of stdin.', takes_models=True)
    p.add_argument(
        '--beam_size',
        type=number(int, 1),
        default=5,
        help='hypotheses to follow at a time, 1: always the likeliest token',
    )
    p.add_argument(
        '--n_best', type=number(int, 1), default=1, help='translations of a sentence'
    )
    p.add_argument(
        '--length_penalty',
        type=number(float, 0.0, 10.0),
        default=1.0,
        help='larger favours longer translations',
    )
    p.add_argument(
        '--max_length',
        type=number(int, 2),
        default=150,
        help='subwords of a sentence, and of its translation, at most; of the latter, '
        'never more than twice as many as the sentence has, and 10',
    )
    p.add_argument(
        '--batch_size', type=number(int, 1), default=64, help='sentences at a time'
    )
    p.add_argument('--ref_fn', help='true translations, to score against')
    p.add_argument(
        '--lowercase', action='store_true', help='score without regard to case'
    )
    p.add_argument('--attention_fn', help='PNG of where the first translation looks')
    return p


class Translator:
    """Checkpoints at work: from sentences to translations.

    Several models of the same subwords are one network to the search: it sees the mean
    of their probabilities.

    Arguments:
        fns: the checkpoints.
        device: where to compute.

    Raises:
        InputError: the models have not the same subwords.
    """

    def __init__(self, fns, device):
        from sentencepiece import SentencePieceProcessor

        from model import get_model

        self.device = device
        checkpoints = [load_checkpoint(fn, '13_transformer') for fn in fns]
        protos = [
            [
                checkpoint[side].numpy().tobytes()
                for side in ('x_subwords', 'y_subwords')
            ]
            for checkpoint in checkpoints
        ]
        for fn, proto in zip(fns, protos, strict=True):
            if proto != protos[0]:
                raise InputError(f'{fn}: expected the same subwords as {fns[0]} has')
        self.x_subwords, self.y_subwords = (
            SentencePieceProcessor(model_proto=proto) for proto in protos[0]
        )
        self.models = []
        vocab_sizes = self.x_subwords.vocab_size(), self.y_subwords.vocab_size()
        for checkpoint in checkpoints:
            model = get_model(checkpoint['config'], *vocab_sizes)
            model.load_state_dict(checkpoint['model'])
            self.models.append(model.to(device).eval())

    def start(self, x, lengths, n_hypotheses, max_length):
        """Read sentences; return the States in which their translations begin."""
        states = [
            model.start(x, lengths, n_hypotheses, max_length) for model in self.models
        ]
        return states[0] if len(states) == 1 else Ensemble(states)

    def step(self, y, state):
        """Return the logits of what follows on y, the mean of the models'."""
        import torch

        if len(self.models) == 1:
            return self.models[0].step(y, state)
        log_p = [
            model.step(y, one).log_softmax(dim=-1)
            for model, one in zip(self.models, state.states, strict=True)
        ]
        # The logarithm of a mean of probabilities, but for a constant.
        return torch.stack(log_p).logsumexp(dim=0)

    def translate(self, ids, config):
        """Search for the translations of a batch of sentences.

        Arguments:
            ids: the ids of each sentence's subwords, as lists.
            config: the options beam_size, n_best, length_penalty and max_length.

        Returns:
            A list for each sentence: its (score, ids of the translation). With a beam
            of 1 there is one translation, and nothing to compare its score with: None.
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
        if config.beam_size == 1:
            tokens = greedy_search(*task)
            return [[(None, y[: y.index(EOS_ID)])] for y in tokens.tolist()]
        scores, tokens = beam_search(
            *task, config.beam_size, config.n_best, config.length_penalty
        )
        return [
            [
                (score, y[: y.index(EOS_ID)])
                for score, y in zip(*pair, strict=True)
                if score > -math.inf
            ]
            for pair in zip(scores.tolist(), tokens.tolist(), strict=True)
        ]

    def encode(self, lines, max_length):
        """Return the ids of the subwords of each line, and say which are cut short."""
        ids = self.x_subwords.encode([' '.join(line.split()) for line in lines])
        for line, i in zip(lines, ids, strict=True):
            if len(i) > max_length:
                log(
                    f'{line[:20]!r}...: {len(i)} subwords, only the first '
                    f'--max_length {max_length} are read'
                )
        return [i[:max_length] for i in ids]

    def decode(self, y):
        """Return the text of a translation, on one line whatever its bytes are."""
        return ' '.join(self.y_subwords.decode(y).split())

    def get_attention(self, ids, y):
        """Return where the first model looks while it writes a translation.

        Arguments:
            ids: the ids of the subwords of a sentence.
            y: the ids of its translation.

        Returns:
            The subwords that are read, those that are written, and the weights, an
            array of shape (n_layers, n_heads, y_length, x_length).
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
    """The States of several models, which go together."""

    def __init__(self, states):
        self.states = states

    def select(self, rows):
        """Keep these hypotheses, in this order, in all of them."""
        for state in self.states:
            state.select(rows)


def translate_batches(translator, batches, config):
    """Yield the translations of each batch, of which several are at work on a CPU.

    A step of a search is too small to be shared out well: so each thread that torch may
    use gets a batch of its own.

    Arguments:
        batches: the ids of each sentence's subwords, a list for each batch.
    """
    import torch

    n_threads = torch.get_num_threads()
    n_workers = n_threads if translator.device.type == 'cpu' else 1
    n_workers = max(1, min(n_workers, len(batches)))
    with ThreadPoolExecutor(
        n_workers, initializer=torch.set_num_threads, initargs=(n_threads // n_workers,)
    ) as executor:
        yield from executor.map(translator.translate, batches, repeat(config))


def translate(translator, lines, config, chunk_size):
    """Translate lines; inside a chunk, those of like length together.

    Arguments:
        lines: an iterable of strings.

    Yields:
        For each line, the ids of its subwords, and a list of its translations from the
        best one down, each (score, ids); for a blank line, two empty lists.
    """
    for chunk in batched(lines, chunk_size):
        ids = translator.encode(chunk, config.max_length)
        places = [i for i in range(len(chunk)) if ids[i]]
        # What takes longest comes first, so that no thread waits long for the last one.
        places.sort(key=lambda i: -len(ids[i]))
        translations = [[] for _ in chunk]
        batches = [
            [ids[i] for i in batch] for batch in batched(places, config.batch_size)
        ]
        found = chain.from_iterable(translate_batches(translator, batches, config))
        for i, results in zip(places, found, strict=True):
            translations[i] = results
        yield from zip(ids, translations, strict=True)


def print_scores(hypotheses, config):
    """Print how near the translations come to the true ones, by sacreBLEU (Post 2018).

    Raises:
        InputError: there are not as many true ones.
    """
    from sacrebleu.metrics import BLEU, CHRF

    references = list(read_lines(config.ref_fn))
    if len(references) != len(hypotheses):
        raise InputError(
            f'{config.ref_fn}: expected {len(hypotheses)} lines, as many as were '
            f'translated, found {len(references)}'
        )
    for name, metric in (
        ('bleu', BLEU(lowercase=config.lowercase)),
        ('chrf', CHRF(lowercase=config.lowercase)),
    ):
        score = metric.corpus_score(hypotheses, [references]).score
        log(f'{name}: {score:.2f}')
        log(f'{name}_signature: {metric.get_signature()}')


def draw_attention(figure, x_pieces, y_pieces, weights):
    """Draw where a network looks while it writes, an image for each layer and head.

    Arguments:
        figure: the matplotlib Figure to draw on.
        x_pieces, y_pieces: the subwords that are read and written.
        weights: an array of shape (n_layers, n_heads, y_length, x_length).
    """
    n_layers, n_heads, _, _ = weights.shape
    # An image is as large as its subwords need, which stand at the outer edges alone.
    width, height = 1 + 0.22 * len(x_pieces), 1 + 0.22 * len(y_pieces)
    figure.set_size_inches(1 + n_heads * width, 1 + n_layers * height)
    grid = figure.subplots(n_layers, n_heads, squeeze=False, sharex=True, sharey=True)
    for i, row in enumerate(grid):
        for j, axes in enumerate(row):
            axes.imshow(weights[i, j], cmap='Blues', vmin=0, vmax=1, aspect='auto')
            if n_layers * n_heads > 1:
                axes.set_title(f'layer {i + 1}, head {j + 1}')
    for axes in grid[-1]:
        axes.set_xticks(range(len(x_pieces)), x_pieces, rotation=90)
    for axes in grid[:, 0]:
        axes.set_yticks(range(len(y_pieces)), y_pieces)


def draw(translator, ids, y, fn):
    """Draw the attention of one translation into a PNG file."""
    from matplotlib.figure import Figure

    use_korean_font()
    figure = Figure(layout='constrained')
    draw_attention(figure, *translator.get_attention(ids, y))
    save_figure(figure, fn)
    log(f'picture: {fn}')


def main(config):
    """Translate, print, score and draw."""
    if config.n_best > config.beam_size:
        raise InputError(f'--n_best {config.n_best}: expected at most the --beam_size')
    translator = Translator(config.model_fn, get_device(config.gpu_id))
    is_typed = sys.stdin.isatty()
    if is_typed:
        log('a sentence a line, please; Ctrl-D ends it')

    # A person at the keyboard wants the answer at once.
    chunk_size = 1 if is_typed else 20 * config.batch_size
    lines = translate(translator, read_lines(), config, chunk_size)
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
