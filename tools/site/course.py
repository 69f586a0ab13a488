"""What the pages are made from: the chapters, their READMEs and their lineage."""

import posixpath
import re
import sys
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))
import lineage  # noqa: E402
from lineage import SHARED, Lineage  # noqa: E402

# A file is compared with those of several chapters, and read for each language.
lineage.read_definitions = cache(lineage.read_definitions)

READMES = {'en': 'README.md', 'ko': 'README.ko.md'}
# Pages beside the chapters: the file of the repository that each one is made from.
DOCUMENTS = {'exercises': 'exercises/README.md', 'contributing': 'CONTRIBUTING.md'}
HEADING = re.compile(r'^# (.+)$', re.MULTILINE)
FILE_NAME = re.compile(r'`(\w+\.py)`')
FENCE = re.compile(r'^(```.*?^```$)', re.MULTILINE | re.DOTALL)


def get_link(page, target, suffix='.html'):
    """Return the link from one page to another, both without their ending."""
    return posixpath.relpath(target + suffix, posixpath.dirname(page) or '.')


def get_anchor(file, name):
    """Return the anchor of a definition on the page of its chapter."""
    stem = posixpath.basename(file).removesuffix('.py')
    return f'{stem}.{name}'.replace(', ', '-').replace('#', '-')


class Course:
    """The chapters of the repository in the order in which they are read."""

    def __init__(self, root=ROOT):
        """Read lineage.toml; everything else is read when it is needed."""
        self.root = root
        self.lineage = Lineage(root)
        self.pairs = cache(self.lineage.pairs)
        self.definitions = cache(lambda file: lineage.read_definitions(root, file))

    @cached_property
    def chapters(self):
        """The chapters, each followed by those adapted from it.

        A family with another root comes before the first chapter with a higher number.
        """
        order = []
        for root in sorted(
            name for name in self.lineage.chapters if not self.parent(name)
        ):
            family = self.list_family(root)
            later = (i for i, name in enumerate(order) if name > root)
            place = next(later, len(order))
            order[place:place] = family
        return order

    def list_family(self, chapter):
        """Return a chapter and all that come from it, depth first.

        A child that has files from another child comes after it.
        """
        names = set(self.children(chapter))
        children = sorted(
            names, key=lambda name: (not names.isdisjoint(self.others(name)), name)
        )
        return [
            chapter,
            *(name for child in children for name in self.list_family(child)),
        ]

    def others(self, chapter):
        """Return the chapters that a chapter has single files from."""
        return {name for name, _ in self.extra_parents(chapter)}

    def parent(self, chapter):
        """Return the chapter that a chapter is adapted from, None for a root."""
        parent = self.lineage.entries.get((chapter, 'parent'))
        return None if parent is None or parent.endswith('.py') else parent

    def extra_parents(self, chapter):
        """Return [(chapter, file)] for files that come from other chapters."""
        known, extra = {chapter, self.parent(chapter)}, []
        for path, parent in self.lineage.parents(chapter):
            folder = posixpath.dirname(parent) if parent.endswith('.py') else parent
            if len(path) == 3 and folder not in known:
                extra.append((folder, path[2]))
        return extra

    def parents(self, chapter):
        """Return the chapters that a chapter is adapted from, the main one first."""
        parent = self.parent(chapter)
        extra = [name for name, _ in self.extra_parents(chapter)]
        return list(dict.fromkeys([parent, *extra] if parent else extra))

    def children(self, chapter):
        """Return the chapters that are adapted from a chapter."""
        return [name for name in self.lineage.chapters if self.parent(name) == chapter]

    def extra_children(self, chapter):
        """Return the chapters that have single files from a chapter."""
        return [
            name
            for name in self.lineage.chapters
            if chapter in dict(self.extra_parents(name))
        ]

    def short_name(self, chapter):
        """Return the name of a chapter for small places: 05, 04 custom_dataset, LDA."""
        number, _, name = chapter.partition('/')
        return f'{number[:2]} {name}'.strip() if number[0].isdigit() else number

    @cache  # noqa: B019  one course a process
    def read(self, file):
        """Return the text of a file of the repository."""
        return (self.root / file).read_text(encoding='utf-8')

    def readme(self, folder, lang):
        """Return the README of a folder, and whether it is in that language."""
        file = posixpath.join(folder, READMES[lang])
        if (self.root / file).exists():
            return self.read(file), True
        return self.read(posixpath.join(folder, READMES['en'])), False

    def title(self, chapter, lang):
        """Return the heading of a chapter's README."""
        return HEADING.search(self.readme(chapter, lang)[0])[1]

    @cache  # noqa: B019  one course a process
    def table(self, lang):
        """Return the rows of the root README's table by chapter: idea, data, result."""
        rows = {}
        for line in self.readme('', lang)[0].split('\n'):
            cells = [cell.strip() for cell in line.strip('|').split('|')]
            link = re.fullmatch(r'\[.+\]\((\S+)/README(?:\.ko)?\.md\)', cells[0])
            if line.startswith('|') and link:
                rows[link[1]] = cells[1:4]
        return rows

    def idea(self, chapter, lang):
        """Return the one idea of a chapter: from the table, else from its heading."""
        if chapter in self.table(lang):
            return self.table(lang)[chapter][0]
        return self.title(chapter, lang).partition(': ')[2]

    def files(self, chapter):
        """Return a chapter's files, first those of "How to read it" in its order."""
        readme = self.readme(chapter, 'en')[0]
        section = readme.partition('\n## How to read it\n')[2].partition('\n## ')[0]
        names = list(dict.fromkeys(FILE_NAME.findall(section)))
        own = self.lineage.files(chapter)
        if (self.root / chapter / 'main.py').exists() and 'main.py' not in own:
            own.insert(0, 'main.py')
        rank = {name: i for i, name in enumerate(names)}
        return sorted(own, key=lambda name: rank.get(name, len(rank)))

    def origin(self, chapter, file, name):
        """Return the chapter and file where the text of a definition was written."""
        pair = self.pairs(chapter, file).get(name)
        while pair is not None and pair.kind == 'kept':
            chapter, file = pair.parent.file.rsplit('/', 1)
            is_compared = file in self.lineage.files(chapter)
            pair = self.pairs(chapter, file).get(name) if is_compared else None
        return chapter, file

    def guards(self):
        """Return the name of the shared file, and the chapter that explains it."""
        return SHARED, self.chapters[0]
