"""Translate sentences.

    python translate.py --model_fn model.pth < sentences.ko
    python translate.py --model_fn model.pth --beam_size 10 --n_best 3 < sentences.ko
    python translate.py --ref_fn sample/test.en < sample/test.ko

Reads a sentence a line from stdin and prints a line for each, blank ones included: its
translation, or n of them with --n_best, each as the number of the line, the score and
the text, separated by tabs. With --ref_fn, `bleu: 38.20` and `chrf: 60.10` go to
stderr, with the signatures of sacreBLEU.
"""

import math
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor

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
        help='subwords of a translation at most',
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
            A list for each sentence: its (score, ids of the translation).
        """
        import torch
        from torch.nn.utils.rnn import pad_sequence

        from data_loader import BOS_ID, EOS_ID, PAD_ID
        from search import beam_search

        x = pad_sequence([torch.tensor(i) for i in ids], True, PAD_ID).to(self.device)
        # |x| = (batch_size, length)
        lengths = torch.tensor([len(i) for i in ids])
        # |lengths| = (batch_size,)
        scores, tokens = beam_search(
            self,
            x,
            lengths,
            BOS_ID,
            EOS_ID,
            config.max_length,
            config.beam_size,
            config.n_best,
            config.length_penalty,
        )
        return [
            [
                (score, y[: y.index(EOS_ID)])
                for score, y in zip(*pair, strict=True)
                if score > -math.inf
            ]
            for pair in zip(scores.tolist(), tokens.tolist(), strict=True)
        ]


class Ensemble:
    """The States of several models, which go together."""

    def __init__(self, states):
        self.states = states

    def select(self, rows):
        """Keep these hypotheses, in this order, in all of them."""
        for state in self.states:
            state.select(rows)


def run_ahead(values, n_ahead=2):
    """Yield values, while another thread is making the next ones already."""
    values, end = iter(values), object()
    with ThreadPoolExecutor(max_workers=1) as executor:
        ahead = deque(executor.submit(next, values, end) for _ in range(n_ahead))
        while (value := ahead.popleft().result()) is not end:
            ahead.append(executor.submit(next, values, end))
            yield value


def translate(translator, lines, config, chunk_size):
    """Yield for each line a list of its translations, (score, text); none for a blank.

    Inside a chunk, sentences of like length are translated together.

    Arguments:
        lines: an iterable of strings.
    """
    for chunk in batched(lines, chunk_size):
        texts = [' '.join(line.split()) for line in chunk]
        ids = translator.x_subwords.encode(texts)
        places = [i for i in range(len(chunk)) if ids[i]]
        places.sort(key=lambda i: len(ids[i]))
        translations = [[] for _ in chunk]
        for batch in batched(places, config.batch_size):
            found = translator.translate([ids[i] for i in batch], config)
            for i, results in zip(batch, found, strict=True):
                translations[i] = [
                    (score, translator.y_subwords.decode(y)) for score, y in results
                ]
        yield from zip(chunk, translations, strict=True)


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


def main(config):
    """Translate, print, score and draw."""
    if config.n_best > config.beam_size:
        raise InputError(f'--n_best {config.n_best}: expected at most the --beam_size')
    device = get_device(config.gpu_id)
    translator = Translator(config.model_fn, device)
    is_typed = sys.stdin.isatty()
    if is_typed:
        log('a sentence a line, please; Ctrl-D ends it')

    hypotheses, first = [], None
    # A person at the keyboard wants the answer at once.
    chunk_size = 1 if is_typed else 20 * config.batch_size
    lines = translate(translator, read_lines(), config, chunk_size)
    for number_, (line, results) in enumerate(lines, 1):
        best = results[0][1] if results else ''
        if config.n_best == 1:
            print(best, flush=is_typed)
        else:
            for score, text in results:
                print(number_, f'{score:.4f}', text, sep='\t', flush=is_typed)
        first = first or (results and (line, best))
        if config.ref_fn:
            hypotheses.append(best)
    if config.ref_fn:
        print_scores(hypotheses, config)


if __name__ == '__main__':
    run(main, define_argparser())
