"""The front page: the opening, the map of the lineage, the results and the pictures."""

import html
import re

from course import DOCUMENTS, HEADING, get_link
from pages import IMAGE, embed, rewrite

TABLE = re.compile(r'^\| .*(?:\n\|.*)+', re.MULTILINE)
# Sizes of the map: a row, the distance of two lanes, and a dot.
ROW, LANE, DOT = 64, 22, 6


def get_lanes(course):
    """Return the lane of each chapter: a chapter takes the lane of its parent.

    That is only possible for one child. The others branch off to the right, and a lane
    is free again after the last chapter in it.
    """
    order, lanes, taken = course.chapters, {}, {}
    for row, chapter in enumerate(order):
        parent = course.parent(chapter)
        heirs = [c for c in order if parent and course.parent(c) == parent]
        # The last of the children goes straight down, so that no line crosses it.
        if heirs and chapter == heirs[-1]:
            lane = lanes[parent]
        else:
            lane = next(i for i in range(len(order)) if taken.get(i, -1) < row)
        lanes[chapter] = lane
        ends = [order.index(c) for c in order if course.parent(c) == chapter]
        taken[lane] = max([row, taken.get(lane, -1), *ends[-1:]])
    return lanes


def draw_edge(start, end, name):
    """Return a line from one dot down to another: first to its lane, then straight."""
    (x, y), (u, v) = start, end
    turn = y + ROW * 0.75
    path = f'M{x} {y}V{v}'
    if x != u:
        middle = (y + turn) / 2
        path = f'M{x} {y}C{x} {middle} {u} {middle} {u} {turn}V{v}'
    return f'<path class="{name}" d="{path}"/>'


def draw_map(course, lang, texts):
    """Return the map: an SVG of lines and dots beside a list of links."""
    lanes = get_lanes(course)
    places = {
        chapter: (LANE * lanes[chapter] + LANE // 2, ROW * row + ROW // 2)
        for row, chapter in enumerate(course.chapters)
    }
    edges, dots, rows = [], [], []
    for chapter, place in places.items():
        for parent, _ in course.extra_parents(chapter):
            edges.append(draw_edge(places[parent], place, 'extra'))
        parent = course.parent(chapter)
        if parent:
            edges.append(draw_edge(places[parent], place, 'edge'))
        url = get_link('index', chapter)
        dots.append(
            f'<a href="{url}" tabindex="-1"><circle cx="{place[0]}" cy="{place[1]}" '
            f'r="{DOT}"/></a>'
        )
        rows.append(show_row(course, chapter, lang, texts))
    width, height = LANE * (max(lanes.values()) + 1), ROW * len(places)
    return (
        f'<div class="map"><svg viewBox="0 0 {width} {height}" aria-hidden="true" '
        f'style="width:{width / 16}rem;height:{height / 16}rem">'
        f'{"".join(edges)}{"".join(dots)}</svg>'
        f'<ol aria-label="{texts["map_label"]}">{"".join(rows)}</ol></div>'
    )


def show_row(course, chapter, lang, texts):
    """Return a chapter as a row of the map: its title, its parents and its idea."""
    title = course.title(chapter, lang).partition(': ')[0]
    parents = [course.parent(chapter), *(c for c, _ in course.extra_parents(chapter))]
    names = ', '.join(
        course.short_name(name) for name in dict.fromkeys(filter(None, parents))
    )
    source = f' <small>{texts["from"]} {names}</small>' if names else ''
    return (
        f'<li><a href="{get_link("index", chapter)}">{html.escape(title)}</a>{source}'
        f'<span>{html.escape(course.idea(chapter, lang))}</span></li>'
    )


def show_results(course, lang, texts):
    """Return the results of all chapters as a table."""
    rows = ''
    for chapter, (_, data, result) in course.table(lang).items():
        title = html.escape(course.title(chapter, lang).partition(': ')[0])
        url = get_link('index', chapter)
        rows += (
            f'<tr><th scope="row"><a href="{url}">{title}</a></th>'
            f'<td>{html.escape(data)}</td><td>{html.escape(result)}</td></tr>'
        )
    heads = ''.join(
        f'<th scope="col">{texts[name]}</th>' for name in ('chapter', 'data', 'result')
    )
    return (
        f'<div class="table-wrapper results"><table><thead><tr>{heads}</tr>'
        f'</thead><tbody>{rows}</tbody></table></div>'
    )


def show_sheet(course, lang, sizes):
    """Return the pictures of all chapters, small; `sizes` are their sizes in pixels."""
    items = ''
    for chapter in course.chapters:
        width, height = sizes[chapter]
        title = html.escape(course.title(chapter, lang).partition(': ')[0])
        items += (
            f'<li><a href="{get_link("index", chapter)}"><img loading="lazy" '
            f'src="../thumbnails/{chapter}.webp" alt="" width="{width}" '
            f'height="{height}"><span>{title}</span></a></li>'
        )
    return f'<ul class="sheet">{items}</ul>'


def split_readme(course, lang):
    """Return the root README's heading, its opening and its other sections.

    The table of chapters and the mermaid graph are left out: the front page has them.
    """
    text = re.sub(
        r'```mermaid\n.*?^```\n', '', course.readme('', lang)[0], flags=re.S | re.M
    )
    title = HEADING.search(text)[1]
    first, *sections = re.split(r'(?m)^(?=## )', HEADING.sub('', text, count=1))
    opening = IMAGE.sub('', first).strip() + '\n\n' + sections[0].split('\n```')[0]
    return title, opening, ''.join(sections)


def show_toctree(names, caption, indent=''):
    """Return a table of contents that only the sidebar shows."""
    listed = '\n'.join(names)
    return f'```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```'


def make_front(course, lang, texts, sizes):
    """Return the front page as Markdown."""
    title, opening, _ = split_readme(course, lang)
    return '\n\n'.join([
        f'# {title}',
        rewrite(course, 'index', '', opening, texts).strip(),
        f'## {texts["map"]}\n\n{texts["map_intro"]}',
        embed(draw_map(course, lang, texts)),
        f'## {texts["results"]}\n\n{texts["results_intro"]}',
        embed(show_results(course, lang, texts)),
        f'## {texts["figures"]}\n\n{texts["figures_intro"]}',
        embed(show_sheet(course, lang, sizes)),
        show_toctree(course.chapters, texts['toc_chapters']),
        show_toctree(['course', *DOCUMENTS], texts['toc_more']),
    ])  # fmt: skip


def make_course(course, lang, texts):
    """Return the rest of the root README as Markdown."""
    _, _, rest = split_readme(course, lang)
    return f'# {texts["course"]}\n\n{rewrite(course, "course", "", rest, texts)}'
