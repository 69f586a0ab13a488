"""The front page: the opening, the map of the lineage, the results and the pictures."""

import html
import re

from course import DOCUMENTS, HEADING, get_link
from pages import IMAGE, embed, rewrite

TABLE = re.compile(r'^\| .*(?:\n\|.*)+', re.MULTILINE)
# Sizes of the map: a row, the distance of two lanes, and a dot.
ROW, LANE, DOT = 64, 22, 6


def get_lanes(course):
    """Return the lane of each chapter, and until which row each lane is taken.

    A chapter is in the lane of its parent if it is the last of the children: so no line
    crosses it. The others branch off to the first free lane.
    """
    order, lanes, taken = course.chapters, {}, {}
    for row, chapter in enumerate(order):
        parent = course.parent(chapter)
        siblings = course.children(parent) if parent else []
        if siblings and chapter == max(siblings, key=order.index):
            lane = lanes[parent]
        else:
            lane = next(i for i in range(len(order)) if taken.get(i, -1) < row)
        lanes[chapter] = lane
        ends = [order.index(child) for child in course.children(chapter)]
        taken[lane] = max([row, taken.get(lane, -1), *ends])
    return lanes


def draw_edge(start, end):
    """Return a solid line from a dot to one below: first to its lane, then straight."""
    (x, y), (u, v) = start, end
    turn, middle = y + ROW * 0.75, y + ROW * 0.375
    return (
        f'<path d="M{x} {y}V{v}"/>'
        if x == u
        else f'<path d="M{x} {y}C{x} {middle} {u} {middle} {u} {turn}V{v}"/>'
    )


def draw_extra_edge(start, end, lane):
    """Return a dashed line, which goes down in a lane of its own."""
    (x, y), (u, v), bend = start, end, ROW * 0.75
    if v - y <= ROW:
        middle = (y + v) / 2
        path = f'M{x} {y}C{x} {middle} {u} {middle} {u} {v}'
    else:
        path = f'M{x} {y}C{lane} {y} {lane} {y} {lane} {y + bend}V{v - bend}'
        path += f'C{lane} {v} {lane} {v} {u} {v}'
    return f'<path class="extra" d="{path}"/>'


def draw_lines(course, places):
    """Return all lines of the map, and the right edge of the last lane."""
    solid = [
        draw_edge(places[course.parent(chapter)], place)
        for chapter, place in places.items()
        if course.parent(chapter)
    ]
    dashed, lane = [], max(x for x, _ in places.values())
    for parent, chapter in list_extra_edges(course):
        is_long = places[chapter][1] - places[parent][1] > ROW
        lane += LANE * is_long
        dashed.append(draw_extra_edge(places[parent], places[chapter], lane))
    return ''.join(dashed + solid), lane + LANE // 2


def list_extra_edges(course):
    """Return (chapter, chapter) for single files, unless longer ways say the same."""
    ancestors, edges = {}, []
    for chapter in course.chapters:
        parent = course.parent(chapter)
        known = {parent} | ancestors.get(parent, set())
        extra = {name for name, _ in course.extra_parents(chapter)}
        for other in sorted(extra, key=course.chapters.index, reverse=True):
            if other not in known:
                edges.append((other, chapter))
            known |= {other} | ancestors[other]
        ancestors[chapter] = known
    return edges


def draw_map(course, lang, texts):
    """Return the map: an SVG of lines and dots beside a list of links."""
    lanes = get_lanes(course)
    places = {
        chapter: (LANE * lanes[chapter] + LANE // 2, ROW * row + ROW // 2)
        for row, chapter in enumerate(course.chapters)
    }
    lines, width = draw_lines(course, places)
    # The list has the same links: the keyboard and screen readers need them once.
    dots = ''.join(
        f'<a href="{get_link("index", chapter)}" tabindex="-1">'
        f'<circle cx="{x}" cy="{y}" r="{DOT}"/></a>'
        for chapter, (x, y) in places.items()
    )
    rows = ''.join(show_row(course, chapter, lang, texts) for chapter in places)
    height = ROW * len(places)
    return (
        f'<div class="map"><svg viewBox="0 0 {width} {height}" aria-hidden="true" '
        f'style="width:{width / 16}rem;height:{height / 16}rem">{lines}{dots}</svg>'
        f'<ol aria-label="{texts["map_label"]}">{rows}</ol></div>'
    )


def show_row(course, chapter, lang, texts):
    """Return a chapter as a row of the map: its title, its parents and its idea."""
    title = html.escape(course.title(chapter, lang))
    names = ', '.join(map(course.short_name, course.parents(chapter)))
    source = f' <small>{texts["from"]} {names}</small>' if names else ''
    return (
        f'<li><div><a href="{get_link("index", chapter)}">{title}</a>{source}</div>'
        f'<span>{html.escape(course.idea(chapter, lang))}</span></li>'
    )


def show_results(course, lang, texts):
    """Return the results of all chapters as a table."""
    rows = ''
    for chapter, (_, data, result) in course.table(lang).items():
        title = html.escape(course.title(chapter, lang))
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
        title = html.escape(course.title(chapter, lang))
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
    blocks = sections[0].split('\n\n')
    n_blocks = 1 + next(i for i, block in enumerate(blocks) if block.startswith('    '))
    opening = '\n\n'.join([IMAGE.sub('', first).strip(), *blocks[:n_blocks]])
    return title, opening, ''.join(sections)


def show_toctree(names, caption):
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
