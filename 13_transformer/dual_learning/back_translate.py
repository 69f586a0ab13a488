"""Make pairs of sentences from text of one language, by translating it.

    python back_translate.py --model_fn model.enko.pth --out_fn back < sample/mono.en
    python back_translate.py --model_fn model.enko.pth --method sample < sample/mono.en

Reads one sentence a line and writes two files, here back.ko and back.en: the
translations, each after a tag, and the sentences. They are pairs to train a translator
to English on. The lines of all three files correspond: what can't be used is a blank
line, and the data loaders leave such pairs out.

The files grow by chunks. A program that was killed goes on if the same command is given
again, and the files become those of a program that was not.
"""

import argparse
import hashlib
import os
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from guards import (
    InputError,
    add_encoding,
    check_model_fn,
    get_argparser,
    input_errors,
    load_checkpoint,
    log,
    number,
    read_lines,
    run,
    save_checkpoint,
)
from translate import Translator, translate, translate_batches
from utils import batched, get_device


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Translate text into pairs to train on.')
    option = p.add_argument_group('back-translation').add_argument
    option('--mono_fn', help='text to translate; None: stdin')
    option('--out_fn', default='back', help='prefix of the two files to write')
    methods = ['beam', 'sample']
    option('--method', choices=methods, default='beam', help='of the search')
    tag_help = "before each translation, '': none"
    option('--tag', default='<BT>', help=tag_help)
    option('--seed', type=number(int, 0), default=0, help='of the samples')
    limit = number(int, 1)
    option('--beam_size', type=limit, default=5, help='hypotheses of a beam')
    alpha, alpha_help = number(float, 0.0, 10.0), 'larger favours longer translations'
    option('--length_penalty', type=alpha, default=1.0, help=alpha_help)
    length_help = 'lines with more subwords are not translated'
    option('--max_length', type=number(int, 3), default=100, help=length_help)
    ratio = 'a translation has at most this many subwords for each one of the sentence,'
    option('--max_ratio', type=number(float, 0.0, 1e3), default=2.0, help=ratio)
    option('--max_extra', type=number(int, 2), default=10, help='and this many more')
    option('--batch_size', type=limit, default=64, help='sentences a batch')
    chunk_help = 'lines that are translated and written at once'
    option('--chunk_size', type=limit, default=1000, help=chunk_help)
    is_optional = argparse.BooleanOptionalAction
    option('--fast', action=is_optional, default=True, help='the pieces of fast.py')
    add_encoding(p)
    return p


class Sampler(Translator):
    """A Translator whose translations are samples, not the most probable ones.

    Its beam_size has to be 1: then it takes the largest logit at each step.
    """

    def __init__(self, fns, device, is_fast=True):
        import torch

        super().__init__(fns, device, is_fast)
        self.generator = torch.Generator(device)
        # One batch after the other, since threads would share the random numbers.
        self.translate_batches = translate_batches

    def step(self, y, state):
        """Return the logits of the next token, with noise."""
        from search import add_gumbel_noise

        return add_gumbel_noise(super().step(y, state), self.generator)


def get_translator(config):
    """Return the Translator or Sampler of the options, and its two languages."""
    lang = load_checkpoint(config.model_fn, '13_transformer')['config']['lang']
    kind = Sampler if config.method == 'sample' else Translator
    translator = kind([config.model_fn], get_device(config.gpu_id), config.fast)
    return translator, lang


def check_options(config, fns):
    """Remember what the files are made with, or fail if that is another command.

    Raises:
        InputError: the files exist, and were made with another model or option, or not
            by this program.
    """
    names = 'method', 'tag', 'seed', 'beam_size', 'length_penalty', 'max_length'
    names += 'max_ratio', 'max_extra', 'batch_size', 'chunk_size'
    options = {name: getattr(config, name) for name in names}
    options['model_fn'] = hashlib.sha256(Path(config.model_fn).read_bytes()).hexdigest()
    fn = Path(f'{config.out_fn}.pth')
    chapter = '13_transformer/dual_learning/back_translate'
    if not fn.exists():
        for other_fn in filter(Path.exists, fns):
            raise InputError(f'{other_fn}: expected no file, or {fn} beside it')
        save_checkpoint({'chapter': chapter, 'options': options}, fn)
        return
    before = load_checkpoint(fn, chapter)['options']
    for name, value in options.items():
        if value != before[name]:
            other = 'or another --out_fn'
            raise InputError(f'{fn}: expected the same --{name} as before, {other}')


def count_lines(fn):
    """Return the number of whole lines of a file, 0 if there is none."""
    if not fn.exists():
        return 0
    with input_errors(f'{fn}: cannot be read', OSError), open(fn, 'rb') as file:
        return sum(line.endswith(b'\n') for line in file)


def cut(fn, n_lines):
    """Cut a file after some lines, which it has; make it if there is none."""
    with input_errors(f'{fn}: cannot be written', OSError), open(fn, 'ab+') as file:
        file.seek(0)
        n_bytes = sum(len(line) for line in islice(file, n_lines))
        file.truncate(n_bytes)


def append(fn, lines):
    """Append lines to a file; they are on the disk when this returns."""
    content = ''.join(f'{line}\n' for line in lines).encode()
    with input_errors(f'{fn}: cannot be written', OSError), open(fn, 'ab') as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def translate_chunk(translator, chunk, i, config):
    """Return a tagged translation of each line, '' where there is none.

    Arguments:
        chunk: the lines.
        i: the number of the chunk, from which its random numbers follow.
        config: the options.
    """
    if config.method == 'sample':
        translator.generator.manual_seed(config.seed + 1_000_003 * i)
    texts = []
    for ids, results in translate(translator, chunk, config, len(chunk)):
        is_whole = results and len(ids) < config.max_length
        text = translator.decode(results[0][1]) if is_whole else ''
        texts.append(f'{config.tag} {text}'.strip() if text else '')
    return texts


def main(config):
    """Translate chunk by chunk, after those that are there already."""
    config.n_best = 1
    if config.method == 'sample':
        config.beam_size = 1
    check_model_fn(f'{config.out_fn}.pth')
    translator, lang = get_translator(config)
    x_fn = Path(f'{config.out_fn}.{lang[2:]}')
    y_fn = Path(f'{config.out_fn}.{lang[:2]}')
    check_options(config, (x_fn, y_fn))

    # A line is done if it is in both files; a chunk, if all its lines are.
    n_done, n_lines = min(count_lines(x_fn), count_lines(y_fn)), 0
    if n_done > 0:
        log(f'{n_done} lines are there already')
    done = read_lines(y_fn) if n_done > 0 else iter(())
    lines = tqdm(read_lines(config.mono_fn, config.encoding), unit='line', disable=None)
    for i, chunk in enumerate(batched(lines, config.chunk_size)):
        chunk = [' '.join(line.split()) for line in chunk]
        start, n_lines = n_lines, n_lines + len(chunk)
        if n_lines <= n_done:
            if list(islice(done, len(chunk))) != chunk:
                expected = f'{y_fn}, line {start + 1}: expected the input of before'
                raise InputError(f'{expected}, found other text')
            continue
        if n_done >= 0:
            # What is left of a chunk that was not done, before the first new one.
            cut(x_fn, start)
            cut(y_fn, start)
            n_done = -1
        append(x_fn, translate_chunk(translator, chunk, i, config))
        append(y_fn, chunk)
    if n_lines < n_done:
        raise InputError(
            f'{y_fn}: expected an input of {n_done} lines, found {n_lines}'
        )
    log(f'{n_lines} pairs: {x_fn} {y_fn}')


if __name__ == '__main__':
    run(main, define_argparser())
