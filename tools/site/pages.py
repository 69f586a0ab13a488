"""A page for each chapter: its README, its place in the lineage, and its code."""

import html
import posixpath
import re

from course import DOCUMENTS, FENCE, HEADING, READMES, get_link
from docutils.nodes import make_id
from listing import Listing
from PIL import Image

SWITCH = re.compile(r'^\[(?:English|한국어)\]\(\S+\)\n+', re.MULTILINE)
IMAGE = re.compile(r'!\[([^\]]*)\]\(([^)\s]+)\)')
LINK = re.compile(r'(?<!!)\[([^\[\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)')
CODE = re.compile(r'`([^`]+)`')
# The chapters with a playground, and the script of tools/site/play that fills it.
PLAYGROUNDS = {
    '02_mnist_tutorial': 'digits.js',
    '03_mnist_autoencoder': 'latent.js',
    '05_cnn': 'digits.js',
    '07_rnn': 'digits.js',
    '09_word_embedding': 'words.js',
    '10_text_classification': 'reviews.js',
    '12_seq2seq': 'translate.js',
    '13_transformer': 'translate.js',
}
DIGITS = [name for name, script in PLAYGROUNDS.items() if script == 'digits.js']


def link_chapter(course, page, chapter, lang):
    """Return a link to the page of a chapter, as HTML."""
    title = html.escape(course.title(chapter, lang))
    return f'<a href="{get_link(page, chapter)}">{title}</a>'


def show_figure(course, page, file, text, texts):
    """Return a figure that opens in full size, as HTML."""
    with Image.open(course.root / file) as image:
        width, height = image.size
    url = get_link(page, f'../figures/{file}', '')
    return (
        f'<a class="figure" href="{url}" title="{texts["enlarge"]}"><img src="{url}" '
        f'alt="{html.escape(text)}" width="{width}" height="{height}"></a>'
    )


def rewrite_link(course, page, folder, match):
    """Return a link of a README as one to a page, or to a part of this one."""
    text, target, anchor = match[1], match[2], match[3] or ''
    if not target or ':' in target:
        return match[0]
    path = posixpath.normpath(posixpath.join(folder, target))
    place, name = posixpath.split(path)
    documents = {file: document for document, file in DOCUMENTS.items()}
    documents |= {f'{chapter}/README.md': chapter for chapter in course.chapters}
    documents['README.md'] = 'course' if anchor else 'index'
    document = documents.get(path.replace('.ko.md', '.md'))
    if document:
        return f'[{text}]({get_link(page, document, ".md")}{anchor})'
    if place == folder and name in course.files(folder):
        return f'[{text}](#{make_id(name)})'
    url = get_link(page, f'../files/{path}', '')
    text = CODE.sub(r'<code>\1</code>', text)
    return f'<a href="{url}">{text}</a>'


def rewrite(course, page, folder, text, texts):
    """Return Markdown of a folder with its links and pictures as those of the page."""
    parts = FENCE.split(text)
    for i in range(0, len(parts), 2):
        part = SWITCH.sub('', parts[i])
        part = IMAGE.sub(
            lambda match: show_figure(
                course, page, posixpath.join(folder, match[2]), match[1], texts
            ),
            part,
        )
        parts[i] = LINK.sub(
            lambda match: rewrite_link(course, page, folder, match), part
        )
    return ''.join(parts)


def show_lineage(course, chapter, lang, texts):
    """Return the idea of a chapter, its parents and its children, as HTML."""
    parent = course.parent(chapter)
    parents = [link_chapter(course, chapter, parent, lang)] if parent else []
    extra = {}
    for other, file in course.extra_parents(chapter):
        extra.setdefault(other, []).append(f'<code>{file}</code>')
    for other, files in extra.items():
        link = link_chapter(course, chapter, other, lang)
        parents.append(f'{link} ({", ".join(files)})')
    up = f'{texts["adapted_from"]} {", ".join(parents)}' if parents else texts['root']
    downs = []
    for label, names in (
        ('children', course.children(chapter)),
        ('file_children', course.extra_children(chapter)),
    ):
        links = [link_chapter(course, chapter, name, lang) for name in names]
        downs += [f'{texts[label]} {", ".join(links)}'] * bool(links)
    down = '. '.join(downs) or texts['no_children']
    return (
        f'<nav class="lineage" aria-label="{texts["lineage"]}">'
        f'<p class="idea">{html.escape(course.idea(chapter, lang))}</p>'
        f'<p><span aria-hidden="true">↑</span> {up}</p>'
        f'<p><span aria-hidden="true">↓</span> {down}</p></nav>'
    )


def format_size(n_bytes):
    """Return a size in megabytes."""
    return f'{n_bytes / 1e6:.1f} MB'


def show_playground(chapter, sizes, texts):
    """Return the playground of a chapter as Markdown, '' if there is none.

    `sizes` are the bytes of the models that were made, by chapter, and under 'ort' the
    bytes of what runs them.
    """
    if chapter not in sizes or chapter not in PLAYGROUNDS:
        return ''
    script = PLAYGROUNDS[chapter]
    # A page with digits shows the answers of all networks that read digits.
    chapters = DIGITS if chapter in DIGITS else [chapter]
    size = format_size(sum(sizes.get(name, 0) for name in chapters))
    runtime = format_size(sizes['ort'])
    return (
        f'## {texts["try"]}\n\n{texts["try_intro"]} '
        f'{texts["try_size"].format(size=size, runtime=runtime)}\n\n'
        f'<div class="playground" data-script="{script}" '
        f'data-chapter="{chapter}" data-size="{size}"></div>\n'
        f'<noscript><p>{texts["try_noscript"]}</p></noscript>\n\n'
    )


def describe_origin(course, listing, chapter, file):
    """Return the sentence on where a file comes from, as HTML."""
    texts = listing.texts
    reason = course.lineage.entries.get((chapter, 'own_files', file))
    if reason:
        reason = f'<span lang="en">{html.escape(reason)}</span>'
        return texts['file_own'].format(reason=reason)
    links = []
    for origin in course.lineage.origins(chapter, file):
        folder, name = posixpath.split(origin)
        if not course.lineage.has(origin) or file not in course.lineage.files(chapter):
            continue
        anchor = make_id(name)
        url = get_link(listing.page, folder)
        links.append(f'<a href="{url}#{anchor}"><code>{origin}</code></a>')
    if links:
        return texts['file_adapted'].format(origins=', '.join(links))
    return texts['file_new']


def show_code(course, chapter, lang, texts):
    """Return the files of a chapter as Markdown, with HTML for the code."""
    listing = Listing(course, chapter, texts)
    parts = [f'## {texts["code"]}\n\n<p>{texts["code_intro"]}</p>']
    for file in course.files(chapter):
        origin = describe_origin(course, listing, chapter, file)
        code = listing.file(chapter, file)
        parts.append(f'### `{file}`\n\n<p class="origin">{origin}</p>\n\n{embed(code)}')
    guards, first = course.guards()
    if chapter == first:
        parts.append(f'### `{guards}`\n\n{embed(listing.whole(f"{chapter}/{guards}"))}')
    else:
        url = get_link(chapter, first)
        link = f'<a href="{url}#guards-py">{course.title(first, lang)}</a>'
        parts.append(f'`{guards}`{texts["guards"].format(chapter=link)}')
    return '\n\n'.join(parts)


def embed(text):
    """Return HTML as a block of Markdown, which blank lines do not end."""
    return f'`````{{raw}} html\n{text}\n`````'


def make_chapter(course, chapter, lang, texts, sizes, diagram=''):
    """Return the page of a chapter as Markdown."""
    text, is_translated = course.readme(chapter, lang)
    text = rewrite(course, chapter, chapter, text, texts)
    title = HEADING.search(text)[0]
    opening, *sections = re.split(r'(?m)^(?=## )', HEADING.sub('', text, count=1))
    parts = [title, show_lineage(course, chapter, lang, texts)]
    if not is_translated:
        parts.append(f'<p class="note">{texts["untranslated"]}</p>')
    parts += [opening.strip(), *(section.strip() for section in sections[:1])]
    parts.append(show_playground(chapter, sizes, texts))
    parts += [section.strip() for section in sections[1:]]
    if diagram:
        parts.append(f'## {texts["diagram"]}\n\n{embed(diagram)}')
    parts.append(show_code(course, chapter, lang, texts))
    return '\n\n'.join(part for part in parts if part) + '\n'


def make_document(course, document, lang, texts):
    """Return a page beside the chapters as Markdown."""
    file = DOCUMENTS[document]
    folder = posixpath.dirname(file)
    translated = posixpath.join(folder, READMES[lang])
    is_translated = lang == 'en'
    if file.endswith('README.md') and (course.root / translated).exists():
        file, is_translated = translated, True
    text = rewrite(course, document, folder, course.read(file), texts)
    if is_translated:
        return text
    note = f'\n\n<p class="note">{texts["untranslated"]}</p>'
    return HEADING.sub(lambda match: match[0] + note, text, count=1)
