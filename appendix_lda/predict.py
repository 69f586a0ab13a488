"""Print the topics of each document on stdin, a line for each line.

    cat documents.txt | python predict.py --model_fn model.pth
    cat documents.txt | python predict.py --model_fn model.pth --n_similar 3
    python predict.py --model_fn model.pth --topics --figure_fn topics.png
    python predict.py --model_fn model.pth --topics --html_fn topics.html

A line has the shares of the topics, with tabs between them, and then, for each similar
training document, the cosine and the beginning of the document. A line without a known
word, such as a blank one, has the shares of the prior, and the fields of the similar
documents are empty.
"""

import base64
import sys
from itertools import islice
from pathlib import Path

from guards import (
    InputError,
    add_encoding,
    get_argparser,
    load_checkpoint,
    log,
    number,
    read_lines,
    run,
    write_file,
)
from utils import draw_topics, get_device, print_topics


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Print the topics of each document on stdin.')
    option = p.add_argument
    similar_help = 'similar training documents to print with each'
    option('--n_similar', type=number(int, 0), default=0, help=similar_help)
    topics_help = 'print the topics, and read no documents'
    option('--topics', action='store_true', help=topics_help)
    words_help = 'words of each topic, with --topics'
    option('--n_words', type=number(int, 1), default=10, help=words_help)
    option('--figure_fn', help='PNG of the topics to draw')
    option('--html_fn', help='interactive page of the topics to write')
    add_encoding(p)
    return p


def describe(texts, tokenize, model, checkpoint, n_similar):
    """Yield a line for each text: its mixture, then similar training documents.

    Arguments:
        texts: some documents.
        tokenize: the result of get_tokenizer().
        n_similar: how many training documents, by the cosine of the mixtures.
    """
    from torch.nn.functional import normalize

    from data_loader import count_words
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
            # A text without a known word is not similar to any document.
            beginning = checkpoint['beginnings'][row]
            fields += [f'{cosine:.4f}', beginning] if n_words else ['', '']
        yield '\t'.join(fields)


def get_page(model, checkpoint):
    """Return the HTML of pyLDAvis: topics as circles, and the words of each.

    pyLDAvis would load its scripts from the internet. Here they are part of the page,
    so that it opens offline too.
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
    """Return the content of a file as a URL."""
    content = base64.b64encode(Path(fn).read_bytes()).decode('ascii')
    return f'data:{kind};base64,{content}'


def main(config):
    """Describe the documents on stdin, or print the topics; draw what is asked for."""
    from data_loader import get_tokenizer
    from model import get_model

    device = get_device(config.gpu_id)
    checkpoint = load_checkpoint(config.model_fn, 'appendix_lda')
    vocabulary = checkpoint['vocabulary']
    model = get_model(checkpoint['config'], len(vocabulary))
    model.load_state_dict(checkpoint['model'])

    if config.figure_fn:
        draw_topics(model, vocabulary, config.figure_fn)
    if config.html_fn:
        write_file(config.html_fn, get_page(model, checkpoint).encode('utf-8'))
        log(f'page: {config.html_fn}')
    if config.topics:
        print_topics(model, vocabulary, config.n_words)
        return

    model = model.to(device)
    tokenize = get_tokenizer(checkpoint['config']['lang'])
    lines = read_lines(encoding=config.encoding)
    # At a terminal, each line is answered at once.
    n_lines = 1 if sys.stdin.isatty() else 256
    while texts := list(islice(lines, n_lines)):
        for line in describe(texts, tokenize, model, checkpoint, config.n_similar):
            print(line)


if __name__ == '__main__':
    run(main, define_argparser())
