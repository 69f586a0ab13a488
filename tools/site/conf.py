"""Sphinx makes pages from the Markdown that build.py writes; it says lang and title."""

import os
import re
import sys
from gettext import NullTranslations
from pathlib import Path

from docutils import nodes
from sphinx import search
from sphinx.locale import get_translator

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from korean import SearchKorean  # noqa: E402
from texts import TEXTS  # noqa: E402

search.languages['ko'] = SearchKorean

language = os.environ['SITE_LANG']
project = html_title = os.environ['SITE_TITLE']
extensions = ['myst_parser']
myst_heading_anchors = 4
# The names of files are headings on every page.
suppress_warnings = ['misc.highlighting_failure']
templates_path = ['templates']
html_theme = 'furo'
html_static_path = ['static']
html_css_files = [file.name for file in sorted((HERE / 'static').glob('*.css'))]
html_js_files = [
    (name, {'type': 'module'})
    for name in ('shapes.js', 'flow.js')
    if os.environ['SITE_SHAPES'] and (HERE / 'static' / name).exists()
]
# Blocks without a language are commands.
highlight_language = 'text'
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_use_index = False
html_domain_indices = False
pygments_style = 'a11y-high-contrast-light'
pygments_dark_style = 'a11y-high-contrast-dark'
FONTS = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Apple SD Gothic Neo', "
    "'Noto Sans KR', 'Noto Sans CJK KR', 'Malgun Gothic', sans-serif"
)
html_theme_options = {
    'light_css_variables': {
        'font-stack': FONTS,
        'site-added': '#e3f5e6',
        'site-added-mark': '#1a6b35',
        'site-removed': '#fdeaea',
        'site-removed-mark': '#a01d2a',
        'site-line': '#8aa9b8',
        'color-brand-primary': '#0b5a7a',
        'color-brand-content': '#0b5a7a',
        'color-brand-visited': '#5b3f87',
    },
    'dark_css_variables': {
        'site-added': '#10301c',
        'site-added-mark': '#7bd88f',
        'site-removed': '#3d1a1e',
        'site-removed-mark': '#ff9aa2',
        'site-line': '#5a7f90',
        'color-brand-primary': '#7cc7e8',
        'color-brand-content': '#7cc7e8',
        'color-brand-visited': '#c3a6f0',
    },
}


CODE = re.compile(r'<span class="pre">([^<]*)</span>')
TABLE = re.compile(r'<table class="docutils.*?</table>', re.DOTALL)
HEAD = re.compile(r'<th\b[^>]*>(.*?)</th>', re.DOTALL)
# With as many columns as this, the cells of a row stand below one another on a phone.
WIDE = 4


def split_code(match):
    """Let code in text break after some signs: the style sheet keeps the rest whole."""
    parts = re.split('(?<=[_/|=:,])', match[1])
    return '<wbr>'.join(f'<span class="pre">{part}</span>' for part in parts if part)


def label_cells(match):
    """Give each cell of a wide table the heading of its column."""
    table = match[0]
    heads = [re.sub('<[^>]*>', '', head) for head in HEAD.findall(table)]
    if len(heads) < WIDE:
        return table
    first, *others = table.split('<td')
    cells = (
        f'<td data-head="{heads[i % len(heads)]}"{cell}'
        for i, cell in enumerate(others)
    )
    return first.replace('class="', 'class="wide ', 1) + ''.join(cells)


def add_context(app, page, template, context, doctree):
    """Tell templates of the other language, and let the keyboard reach code."""
    other = 'en' if language == 'ko' else 'ko'
    root = '../' * (page.count('/') + 1)
    context |= {'other': other, 'other_name': TEXTS[other]['language'], 'root': root}
    context['languages'] = list(TEXTS)
    if 'body' in context:
        body = context['body'].replace('<pre><span></span>', '<pre tabindex="0">')
        body = TABLE.sub(label_cells, CODE.sub(split_code, body))
        wrapper = 'class="table-wrapper'
        context['body'] = body.replace(wrapper, f'tabindex="0" {wrapper}')
    # The theme does not say on which level the headings of its sidebar are.
    tree = context.get('furo_navigation_tree', '')
    tree = tree.replace('role="heading"', 'role="heading" aria-level="2"')
    context['furo_navigation_tree'] = tree
    context['has_playground'] = bool(doctree) and any(
        'class="playground"' in node.astext() for node in doctree.findall(nodes.raw)
    )


class ThemeTexts(NullTranslations):
    """Translates what Sphinx has no translation of."""

    def gettext(self, message):
        """Return a text of the theme in the language of the pages."""
        return TEXTS[language]['theme'].get(message.strip(), message)


def setup(app):
    """Register what is done for each page."""
    get_translator().add_fallback(ThemeTexts())
    # After the theme, which adds its sidebar.
    app.connect('html-page-context', add_context, priority=900)
