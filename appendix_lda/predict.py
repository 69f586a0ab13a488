"""Say which topics the documents on stdin are about, one line for each.

    cat documents.txt | python predict.py --model_fn model.pth
    cat documents.txt | python predict.py --model_fn model.pth --n_similar 3
    python predict.py --model_fn model.pth --topics --figure_fn topics.png
    python predict.py --model_fn model.pth --topics --html_fn topics.html

For each line there are the shares of the topics, with tabs between them, and then, for
each similar training document, the cosine and its beginning. A line without a known
word, such as a blank one, says nothing about itself: its shares are those of the prior,
and the fields of similar documents are empty.
"""

import base64
import sys
from itertools import islice
from pathlib import Path

from utils import (
    InputError,
    count_words,
    draw_topics,
    get_argparser,
    get_device,
    get_tokenizer,
    load_checkpoint,
    log,
    number,
    print_topics,
    read_lines,
    run,
    write_file,
)


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Say what the documents on stdin are about.')

    p.add_argument(
        '--n_similar',
        type=number(int, 0),
        default=0,
        help='how many training documents to name beside each',
    )
    p.add_argument(
        '--topics', action='store_true', help='print the topics, and read no documents'
    )
    p.add_argument(
        '--n_words', type=number(int, 1), default=10, help='of a topic, with --topics'
    )
    p.add_argument('--figure_fn', help='PNG of the topics to draw')
    p.add_argument('--html_fn', help='interactive page of the topics to write')
    return p


def load_model(checkpoint):
    """Build the model that a checkpoint describes."""
    from model import get_model

    model = get_model(checkpoint['config'], len(checkpoint['vocabulary']))
    model.load_state_dict(checkpoint['model'])
    return model


def describe(texts, tokenize, model, checkpoint, n_similar):
    """Yield a line for each text: its mixture, then similar training documents.

    Arguments:
        texts: some documents.
        tokenize: what get_tokenizer() has returned.
        n_similar: how many training documents to name, by the cosine of the mixtures.
    """
    from torch.nn.functional import normalize

    from trainer import get_mixtures

    counts = count_words(tokenize(texts), checkpoint['vocabulary'])
    mixtures = get_mixtures(model, counts)
    # |mixtures| = (batch_size, n_topics)
    cosines = normalize(mixtures) @ normalize(checkpoint['mixtures']).t()
    # |cosines| = (batch_size, n_documents)
    similar = cosines.topk(min(n_similar, cosines.shape[1]), dim=1)
    for i, n_words in enumerate(counts.sum(axis=1)):
        fields = [f'{share:.4f}' for share in mixtures[i].tolist()]
        for cosine, row in zip(*(part[i].tolist() for part in similar), strict=True):
            # Of a text without a known word, nobody can say what it resembles.
            beginning = checkpoint['beginnings'][row]
            fields += [f'{cosine:.4f}', beginning] if n_words else ['', '']
        yield '\t'.join(fields)


def get_page(model, checkpoint):
    """Return the HTML of pyLDAvis: topics as circles, and the words of each.

    pyLDAvis fetches its scripts from the internet. Here they are part of the page, so
    that it opens offline too.
    """
    import pyLDAvis

    if checkpoint['config']['engine'] == 'lsa':
        raise InputError('--html_fn shows probabilities, and LSA has none')
    prepared = pyLDAvis.prepare(
        topic_term_dists=model.get_distributions().double().numpy(),
        doc_topic_dists=checkpoint['mixtures'].double().numpy(),
        doc_lengths=checkpoint['lengths'],
        vocab=checkpoint['vocabulary'],
        term_frequency=checkpoint['word_counts'],
        # Circle 1 is topic 1.
        sort_topics=False,
        n_jobs=1,
    )
    page = pyLDAvis.prepared_data_to_html(
        prepared,
        d3_url=get_data_url(pyLDAvis.urls.D3_LOCAL, 'text/javascript'),
        ldavis_url=get_data_url(pyLDAvis.urls.LDAVIS_LOCAL, 'text/javascript'),
        ldavis_css_url=get_data_url(pyLDAvis.urls.LDAVIS_CSS_LOCAL, 'text/css'),
        template_type='simple',
    )
    return f'<!DOCTYPE html>\n<meta charset="utf-8">\n<title>Topics</title>\n{page}'


def get_data_url(fn, kind):
    """Return a file as a URL that holds all of it."""
    content = base64.b64encode(Path(fn).read_bytes()).decode('ascii')
    return f'data:{kind};base64,{content}'


def main(config):
    """Describe the documents on stdin, or print the topics; draw what is asked for."""
    device = get_device(config.gpu_id)
    checkpoint = load_checkpoint(config.model_fn, 'appendix_lda')
    model = load_model(checkpoint)

    if config.figure_fn:
        draw_topics(model, checkpoint['vocabulary'], config.figure_fn)
        log(f'picture: {config.figure_fn}')
    if config.html_fn:
        write_file(config.html_fn, get_page(model, checkpoint).encode('utf-8'))
        log(f'page: {config.html_fn}')
    if config.topics:
        print_topics(model, checkpoint['vocabulary'], config.n_words)
        return

    model = model.to(device)
    tokenize = get_tokenizer(checkpoint['config']['lang'])
    lines = read_lines()
    # At a keyboard, each line has its answer at once.
    n_lines = 1 if sys.stdin.isatty() else 256
    while texts := list(islice(lines, n_lines)):
        for line in describe(texts, tokenize, model, checkpoint, config.n_similar):
            print(line)


if __name__ == '__main__':
    run(main, define_argparser())
