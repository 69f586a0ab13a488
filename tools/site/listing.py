"""Source files as HTML: whole, and as what changed since the parent.

A line is a `<span class="line" data-file="05_cnn/model.py" data-line="12">`, wherever
it stands, so that scripts find it.
"""

import difflib
import html
from functools import cache
from itertools import groupby

from course import get_anchor, get_link
from pygments.lexers import PythonLexer
from pygments.token import STANDARD_TYPES, Token

# These have the colour of the text: a span around each would only make pages larger.
PLAIN = {Token.Name, Token.Punctuation, Token.Text, Token.Text.Whitespace}
PLAIN |= {Token.Operator, Token.Name.Namespace}


def wrap(token, text):
    """Return a piece of code in the class that Pygments gives it."""
    text = html.escape(text, quote=False)
    if token in PLAIN or not text.strip():
        return text
    return f'<span class="{STANDARD_TYPES[token]}">{text}</span>'


@cache
def highlight(text):
    """Return the lines of Python as HTML, each without its line end."""
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    lines = ['']
    for token, piece in lexer.get_tokens(text):
        while token not in STANDARD_TYPES:
            token = token.parent
        first, *others = piece.split('\n')
        lines[-1] += wrap(token, first)
        lines += [wrap(token, other) for other in others]
    return lines[:-1] if lines[-1] == '' else lines


class Listing:
    """The listings of one page."""

    def __init__(self, course, page, texts):
        """Keep what links and words depend on: the page, and its language's texts."""
        self.course = course
        self.page = page
        self.texts = texts

    def lines(self, file):
        """Return the lines of a file as HTML."""
        return highlight(self.course.read(file))

    def line(self, file, number, names=()):
        """Return the HTML of a line of a file, counted from 0.

        The definitions that begin on it are named, for links and for the tests.
        """
        attributes = ''.join(
            f' id="{get_anchor(file, name)}" data-definition="{name}"'
            for name in names[:1]
        )
        return (
            f'<span class="line" data-file="{file}" data-line="{number + 1}"'
            f'{attributes}>{self.lines(file)[number]}\n</span>'
        )

    def block(self, lines, label):
        """Return lines of HTML as a block of code that the keyboard can scroll."""
        code = ''.join(lines)
        return (
            f'<div class="highlight"><pre class="code" tabindex="0" role="group" '
            f'aria-label="{html.escape(label)}"><code>{code}</code></pre></div>'
        )

    def excerpt(self, file, start, end, names=None):
        """Return lines of a file as HTML; `names` are the definitions to be named."""
        names = names or {}
        return [self.line(file, i, names.get(i, [])) for i in range(start, end)]

    def whole(self, file, names=None):
        """Return a whole file."""
        return self.block(self.excerpt(file, 0, len(self.lines(file)), names), file)

    def difference(self, pair):
        """Return the lines of a changed definition beside those of its parent."""
        old, new = list_lines(pair.parent), list_lines(pair.child)
        old_texts = ''.join(pair.parent.pieces).split('\n')[:-1]
        new_texts = ''.join(pair.child.pieces).split('\n')[:-1]
        return self.compare(
            (pair.parent.file, old, old_texts), (pair.child.file, new, new_texts)
        )

    def compare(self, parent, child):
        """Return two pieces of code as a diff; each is (file, line numbers, texts)."""
        (old_file, old, old_texts), (new_file, new, new_texts) = parent, child
        rows = []
        matcher = difflib.SequenceMatcher(None, old_texts, new_texts, autojunk=False)
        for kind, i, j, k, m in matcher.get_opcodes():
            if kind == 'equal':
                rows += [self.line(new_file, number) for number in new[k:m]]
                continue
            removed = ''.join(self.line(old_file, number) for number in old[i:j])
            added = ''.join(self.line(new_file, number) for number in new[k:m])
            rows += [f'<del>{removed}</del>'] * bool(removed)
            rows += [f'<ins>{added}</ins>'] * bool(added)
        return rows

    def head(self, kind, name, reason):
        """Return the line above a definition: what happened to it, and why."""
        reason = f' <span class="reason" lang="en">{html.escape(reason)}</span>'
        return (
            f'<p class="definition-head"><span class="mark">{self.texts[kind]}</span> '
            f'<code>{name}</code>{reason}</p>'
        )

    def changed(self, file, name, pair):
        """Return a changed definition as a diff under its reason."""
        return self.definition(file, name, pair, self.difference(pair))

    def new(self, file, name, pairs, inside):
        """Return a new definition in full; a new class has its methods inside."""
        pair = pairs[name]
        start, end = pair.child.spans[0][0], pair.child.spans[-1][1]
        methods = [pairs[method].child for method in inside]
        end = max([end, *(span[1] for child in methods for span in child.spans)])
        names = {pairs[method].child.line - 1: [method] for method in inside}
        lines = self.excerpt(pair.child.file, start, end, names)
        return self.definition(file, name, pair, lines)

    def definition(self, file, name, pair, lines):
        """Return a definition with its head, as one element."""
        return (
            f'<div class="definition {pair.kind}" id="{get_anchor(file, name)}" '
            f'data-definition="{name}">{self.head(pair.kind, name, pair.reason)}'
            f'{self.block(lines, f"{name}, {self.texts[pair.kind]}")}</div>'
        )

    def kept(self, chapter, file, names):
        """Return kept definitions as one line of links to where they were written."""
        parts = []
        for place, group in groupby(
            names, lambda name: self.course.origin(chapter, file, name)
        ):
            origin, origin_file = place
            page = get_link(self.page, origin)
            links = ', '.join(
                f'<a id="{get_anchor(file, name)}" data-definition="{name}" '
                f'href="{page}#{get_anchor(origin_file, name)}"><code>{name}</code></a>'
                for name in group
            )
            source = self.texts['kept_from'].format(
                chapter=self.course.short_name(origin)
            )
            parts.append(f'{links} <span class="source">{source}</span>')
        mark = f'<span class="mark">{self.texts["kept"]}</span>'
        return f'<p class="definition kept">{mark} {"; ".join(parts)}</p>'

    def rest(self, chapter, file, part):
        """Return what stands before or after all definitions, unless it is kept.

        `part` is 'preamble' or 'postamble'.
        """
        target = f'{chapter}/{file}'
        child = self.outside(target, part)
        origins = self.course.lineage.origins(chapter, file)
        parents = [name for name in origins if self.course.lineage.has(name)]
        parent = self.outside(parents[0], part) if parents else (target, [], [])
        if child[2] == parent[2]:
            return ''
        is_new = not parents
        lines = self.excerpt(target, child[1][0], child[1][-1] + 1) if is_new else []
        block = self.block(lines or self.compare(parent, child), f'{file}, {part}')
        if part == 'postamble':
            return block
        is_open = ' open' * is_new
        summary = f'<summary>{self.texts[part]}</summary>'
        return f'<details class="rest"{is_open}>{summary}{block}</details>'

    def outside(self, file, part):
        """Return (file, line numbers, texts) of what is before or after definitions."""
        texts = self.course.read(file).split('\n')[:-1]
        spans = [s for d in self.course.definitions(file).values() for s in d.spans]
        first = min((start for start, _ in spans), default=len(texts))
        last = max((end for _, end in spans), default=len(texts))
        numbers = range(first) if part == 'preamble' else range(last, len(texts))
        while numbers and not texts[numbers[0]].strip():
            numbers = numbers[1:]
        while numbers and not texts[numbers[-1]].strip():
            numbers = numbers[:-1]
        return file, numbers, [texts[number] for number in numbers]

    def changes(self, chapter, file):
        """Return a file as what changed: definitions in the order of the file."""
        pairs = self.course.pairs(chapter, file)
        parts = [self.rest(chapter, file, 'preamble')]
        items = list(list_items(pairs))
        for is_kept, group in groupby(
            items, lambda item: pairs[item[0]].kind == 'kept'
        ):
            if is_kept:
                parts.append(self.kept(chapter, file, [name for name, _ in group]))
                continue
            for name, inside in group:
                if pairs[name].kind == 'changed':
                    parts.append(self.changed(file, name, pairs[name]))
                else:
                    parts.append(self.new(file, name, pairs, inside))
        parts.append(self.rest(chapter, file, 'postamble'))
        return ''.join(parts)

    def file(self, chapter, file):
        """Return a file with a switch between what changed and the whole of it."""
        target = f'{chapter}/{file}'
        if not self.course.pairs(chapter, file):
            names = {}
            for name, definition in self.course.definitions(target).items():
                names.setdefault(definition.line - 1, []).append(name)
            return self.whole(target, names)
        legend = self.texts['view'].format(file=file)
        radios = ''.join(
            f'<label><input type="radio" name="view-{file}" value="{value}"{checked}>'
            f'<span>{self.texts[value]}</span></label>'
            for value, checked in (('changes', ' checked'), ('whole', ''))
        )
        return (
            f'<div class="file"><fieldset><legend>{legend}</legend>{radios}</fieldset>'
            f'<div class="changes">{self.changes(chapter, file)}</div>'
            f'<div class="whole">{self.whole(target)}</div></div>'
        )


def list_lines(definition):
    """Return the numbers of a definition's lines, from 0."""
    return [number for span in definition.spans for number in range(*span)]


def list_items(pairs):
    """Yield (name, names of the methods inside) for what is shown as one piece.

    The methods of a new class are shown inside it, all others on their own.
    """
    for name in pairs:
        owner = name.split('.')[0]
        if owner != name and pairs[owner].kind == 'new':
            continue
        is_new = pairs[name].kind == 'new'
        yield (
            name,
            [other for other in pairs if is_new and other.startswith(f'{name}.')],
        )
