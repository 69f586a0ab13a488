"""Holds each chapter to the chapter that it was adapted from.

Copying is the method of this course, so a copy must not drift. `lineage.toml` names
the parent of each chapter and, file by file, the definitions that are changed or new,
each with its reason. Every other definition must be the parent's, byte for byte.

    python tools/lineage.py check           is each copy exact, each change declared?
    python tools/lineage.py show CHAPTER    print a chapter as the diff of its parent
    python tools/lineage.py fix             carry the ancestors' text down to the copies

A definition is a module-level function, class or constant, or a method
(`Trainer.train`); a class stands for its body without the methods. Decorators, and
comments inside or directly above, belong to it. A class that the parent has not
brings its methods along: they need no entries of their own. Nor do the definitions of a
file that is listed under `own_files`, as one that is adapted from none. guards.py is
never listed: it is the same file in all chapters.
"""

import argparse
import ast
import copy
import difflib
import graphlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
TOML = 'lineage.toml'
# The kinds of entries, each with the number of keys on the way to its text.
FORMS = [('parent', 2), ('idea', 2), ('extra_parents', 3), ('own_files', 3)]
FORMS += [('changed', 4), ('new', 4)]
# Folders that are chapters if they hold a train.py.
CHAPTERS = ['[0-9][0-9]_*', 'appendix_*', '[0-9][0-9]_*/*', 'appendix_*/*']
READING_ORDER = ['train.py', 'model.py', 'trainer.py', 'utils.py', 'data_loader.py']
# The file that is the same in all chapters; the first chapter has the original.
SHARED = 'guards.py'
UNLISTED = 'not listed in lineage.toml'
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (*FUNCTIONS, ast.ClassDef)


class LineageError(Exception):
    """A broken rule, a fault; its arguments are the file, the line and the message."""

    def __str__(self):
        return '{}:{}: {}'.format(*self.args)


class BlockingError(LineageError):
    """A fault behind which nothing can be compared: a file that does not parse."""


class Definition(NamedTuple):
    """A definition as it stands in a file."""

    file: str
    line: int
    spans: list  # its lines, as [(start, end)]; several if methods lie between them
    pieces: list  # the text of each span
    whole: str  # the text from the first line to the last, a class's methods included
    tree: str  # the syntax tree without positions and docstrings


class Pair(NamedTuple):
    """A definition of a chapter beside its namesake in the parent's file."""

    child: Definition
    parent: Definition | None
    kind: str  # 'kept', 'changed' or 'new', as the two files tell
    reason: str  # from lineage.toml, '' if the definition is not listed


# ---- Python files


def statements(lines, body):
    """Yields (node, start, end) for each statement of a body, its comments included.

    Comments directly above a statement belong to it, and so do those that follow it
    with a deeper indentation.
    """
    floor = 0  # the last line of the statement before
    for node in body:
        heads = [node, *getattr(node, 'decorator_list', [])]
        start = min(head.lineno for head in heads) - 1
        while start > floor and lines[start - 1].lstrip().startswith('#'):
            start -= 1
        end = node.end_lineno
        for number, line in enumerate(lines[end:], end + 1):
            indentation = len(line) - len(line.lstrip())
            if line.lstrip().startswith('#') and indentation > node.col_offset:
                end = number
            elif line.strip():
                break
        yield node, start, end
        floor = end


def defined_name(node):
    """Returns the name that a statement defines, '' if it defines none.

    An assignment to several names is one definition: `width, height = 28, 28` defines
    'width, height'. An import is no definition.
    """
    if isinstance(node, DOCUMENTED):
        return node.name
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        targets = [node.target]
    else:
        return ''
    parts = [part for target in targets for part in ast.walk(target)]
    names = [part for part in parts if isinstance(part, ast.Name)]
    return ', '.join(name.id for name in names if isinstance(name.ctx, ast.Store))


def outline(lines, module):
    """Yields (name, node, start, end, its methods' lines) for each definition."""
    for node, start, end in statements(lines, module.body):
        methods = []
        if isinstance(node, ast.ClassDef):
            parts = statements(lines, node.body)
            methods = [part for part in parts if isinstance(part[0], FUNCTIONS)]
        if defined_name(node):
            yield defined_name(node), node, start, end, [part[1:] for part in methods]
        for method, first, last in methods:
            yield f'{node.name}.{method.name}', method, first, last, []


def spans_between(lines, start, end, holes):
    """Returns the spans of lines[start:end] outside the holes, without blank edges."""
    edges = [start, *(edge for hole in holes for edge in hole), end]
    spans = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        while first < last and not lines[first].strip():
            first += 1
        while first < last and not lines[last - 1].strip():
            last -= 1
        if first < last:
            spans.append((first, last))
    return spans


def bare_tree(node):
    """Returns a syntax tree as text, without docstrings and the methods of a class.

    The parameters of __init__ stay: they are what the docstring of the class tells.
    """
    node = copy.deepcopy(node)
    if isinstance(node, ast.ClassDef):
        node.body = [
            part.args if getattr(part, 'name', '') == '__init__' else part
            for part in node.body
            if not isinstance(part, FUNCTIONS) or part.name == '__init__'
        ]
    for part in ast.walk(node):
        if isinstance(part, DOCUMENTED) and ast.get_docstring(part) is not None:
            del part.body[0]
    return ast.dump(node)


def read_lines(path):
    """Returns the lines of a text file, line ends as they are in the file."""
    with open(path, encoding='utf-8', newline='') as stream:
        return stream.readlines()


def read_definitions(root, file):
    """Returns {name: Definition} for a Python file, in the order of the file.

    A name that is defined again, as by a property's setter, becomes `name#2`.
    Raises BlockingError if the file cannot be read or does not parse.
    """
    try:
        lines = read_lines(root / file)
        module = ast.parse(''.join(lines))
    except SyntaxError as error:
        message = f'does not parse: {error.msg}'
        raise BlockingError(file, error.lineno or 1, message) from error
    except (OSError, ValueError) as error:
        raise BlockingError(file, 1, f'cannot be read: {error}') from error
    if lines and not lines[-1].endswith('\n'):
        lines[-1] += '\n'  # the end of the file makes no other definition
    definitions = {}
    for name, node, start, end, holes in outline(lines, module):
        times = 1 + sum(known.split('#')[0] == name for known in definitions)
        spans = spans_between(lines, start, end, holes)
        pieces = [''.join(lines[first:last]) for first, last in spans]
        whole = ''.join(lines[start:end])
        tree = bare_tree(node)
        definition = Definition(file, node.lineno, spans, pieces, whole, tree)
        definitions[name if times == 1 else f'{name}#{times}'] = definition
    return definitions


# ---- lineage.toml


def leaves(value, path=()):
    """Yields (path of keys, value) for each value at the ends of nested tables."""
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for key, inner in value.items():
        yield from leaves(inner, (*path, key))


def key_lines(text):
    """Returns {path of keys: line number} for the tables and values of a TOML text."""
    numbers, table = {(): 1}, ()
    for number, line in enumerate(text.split('\n'), 1):
        try:
            found = [path for path, _ in leaves(tomllib.loads(line))]
        except tomllib.TOMLDecodeError:
            continue  # a part of a value that goes over several lines
        if line.lstrip().startswith('['):
            table, found = found[0], [()]
        for path in found:
            path = table + path
            for length in range(1, len(path) + 1):
                numbers.setdefault(path[:length], number)
    return numbers


def is_list_of_texts(value):
    """Returns whether a value is a list of texts that are not empty."""
    return isinstance(value, list) and all(value) and {*map(type, value)} == {str}


class Lineage:
    """The chapters of a repository and their parents, as lineage.toml tells them.

    `entries` is that file flattened: {('02_x', 'changed', 'train.py', 'main'): why}.
    """

    def __init__(self, root):
        """Reads the lineage.toml of a folder; raises LineageError if it is broken."""
        self.root = root
        text = ''
        try:
            text = (root / TOML).read_text(encoding='utf-8')
            tables = tomllib.loads(text)
        except OSError as error:
            raise LineageError(TOML, 1, f'cannot be read: {error}') from error
        except ValueError as error:
            place = re.search(r'line (\d+)', str(error))
            line = int(place[1]) if place else text.count('\n') + 1
            raise LineageError(TOML, line, f'is not TOML: {error}') from error
        self.key_lines = key_lines(text)
        self.chapters = list(tables)
        self.entries = {path: value for path, value in leaves(tables) if path}
        for path, value in self.entries.items():
            self.validate(path, value)

    def validate(self, path, value):
        """Raises LineageError unless an entry has one of the FORMS and a text."""
        if len(path) == 1 and value == {}:
            return  # a chapter that has no parent
        name = '.'.join(path)
        if (*path[1:2], len(path)) not in FORMS:
            message = f"'{name}' is unknown; a name with a dot needs quotes"
        elif path[1] == 'extra_parents' and is_list_of_texts(value):
            return
        elif not isinstance(value, str) or not value:
            message = f"'{name}' needs a text"
        elif path[1] == 'parent' and (path[0], 'idea') not in self.entries:
            message = f"'{name}' needs an idea beside it"
        else:
            return
        raise self.fault(message, path)

    def fault(self, message, path, kind=LineageError):
        """Returns a fault at the line of a key, or of the table where it would be."""
        while path not in self.key_lines:
            path = path[:-1]
        return kind(TOML, self.key_lines[path], message)

    def select(self, chapter, *keys):
        """Returns a chapter's entries under some keys, such as 'changed' and 'new'."""
        paths = [path for path in self.entries if path[0] == chapter]
        return {path: self.entries[path] for path in paths if {*path[1:2]} & {*keys}}

    def parents(self, chapter):
        """Returns [(path of keys, parent)] for a chapter, extra parents included."""
        found = self.select(chapter, 'parent', 'extra_parents')
        lists = {path: [v] if isinstance(v, str) else v for path, v in found.items()}
        return [(path, parent) for path, names in lists.items() for parent in names]

    def files(self, chapter):
        """Returns the names of a chapter's own Python files, in reading order."""
        parents = [parent for _, parent in self.parents(chapter)]
        names = {path.name for path in (self.root / chapter).glob('*.py')} - {SHARED}
        own = [name for name in names if f'{chapter}/{name}' not in parents]
        rank = {name: number for number, name in enumerate(READING_ORDER)}
        return sorted(own, key=lambda name: (rank.get(name, len(rank)), name))

    def origins(self, chapter, file):
        """Returns the files that a chapter's file is compared with.

        A definition is compared with that of the first file that has it.
        """
        if (chapter, 'own_files', file) in self.entries:
            return []
        parent = self.entries.get((chapter, 'parent'), [])
        parents = self.entries.get((chapter, 'extra_parents', file), parent)
        parents = [parents] if isinstance(parents, str) else parents
        return [name if name.endswith('.py') else f'{name}/{file}' for name in parents]

    def has(self, file):
        """Returns whether a file or folder exists in the repository."""
        return file is not None and (self.root / file).exists()

    def pairs(self, chapter, file):
        """Returns {name: Pair} for a chapter's file, {} if it is compared with none.

        Raises BlockingError if one of the two files does not parse.
        """
        children = read_definitions(self.root, f'{chapter}/{file}')
        origins = self.origins(chapter, file)
        if not origins:
            return {}
        ancestors = {}
        for origin in reversed(origins):
            if self.has(origin):
                ancestors |= read_definitions(self.root, origin)
        listed = self.select(chapter, 'changed', 'new')
        reasons = {path[3]: why for path, why in listed.items() if path[2] == file}
        pairs = {}
        for name, child in children.items():
            parent, kind = ancestors.get(name), 'new'
            if parent is not None:
                kind = 'kept' if child.pieces == parent.pieces else 'changed'
            pairs[name] = Pair(child, parent, kind, reasons.get(name, ''))
        return pairs

    def order(self):
        """Returns the chapters, parents first; raises BlockingError on a cycle."""
        graph = {chapter: set() for chapter in self.chapters}
        for chapter in self.chapters:
            for _, parent in self.parents(chapter):
                is_file = parent.endswith('.py')
                folder = parent.rpartition('/')[0] if is_file else parent
                # A single file in the chapter's own folder is no other chapter.
                if not is_file or folder != chapter:
                    graph[chapter].add(folder)
        try:
            order = list(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError as error:
            cycle = error.args[1]
            message = f"a cycle of parents: '{' -> '.join(cycle)}'"
            raise self.fault(message, (cycle[0],), BlockingError) from error
        return [chapter for chapter in order if chapter in self.chapters]


# ---- check


def undeclared_chapters(lineage):
    """Yields a fault for each chapter folder that lineage.toml does not name."""
    for folder in [path for glob in CHAPTERS for path in lineage.root.glob(glob)]:
        chapter = folder.relative_to(lineage.root).as_posix()
        if lineage.has(f'{chapter}/train.py') and chapter not in lineage.chapters:
            message = f"chapter '{chapter}' has no entry in {TOML}"
            yield LineageError(f'{chapter}/train.py', 1, message)


def missing_paths(lineage, chapter):
    """Yields a fault for a chapter, and for each of its parents, that is missing."""
    if not lineage.has(chapter):
        message = f"chapter '{chapter}' does not exist"
        yield lineage.fault(message, (chapter,), BlockingError)
    for path, parent in lineage.parents(chapter):
        is_folder = len(path) == 2 or parent.endswith('.py')
        source = parent if is_folder else f'{parent}/{path[2]}'
        if not lineage.has(source):
            message = f"parent '{source}' of '{chapter}' does not exist"
            yield lineage.fault(message, path, BlockingError)


def is_inside_new_class(name, pairs):
    """Returns whether a definition is a method of a class that the parent has not."""
    owner = name.split('.')[0]
    return owner != name and pairs[owner].kind == 'new'


def judge(pair, key, origins):
    """Returns what is wrong with a definition, '' if nothing is.

    `key` tells how lineage.toml lists it: as 'changed', as 'new', or '' for not at all.
    """
    place = ' or '.join(origins)
    if pair.parent:
        place = f'{pair.parent.file}:{pair.parent.line}'
    if pair.kind == key == 'changed' and pair.child.tree == pair.parent.tree:
        return (
            f'is listed, but differs from {place} in comments, docstring or spacing '
            'alone: mend it there, unlist it and run fix'
        )
    if pair.kind == (key or 'kept'):
        return ''
    facts = {'kept': 'is identical to', 'changed': 'differs from', 'new': 'is not in'}
    listing = f', but is listed as {key}' if key else ' and is not listed'
    return facts[pair.kind] + f' {place}{listing}'


def file_faults(lineage, chapter, file):
    """Yields the faults of a chapter's file and of its entries.

    Raises BlockingError if the file or its parent's does not parse.
    """
    target, origins = f'{chapter}/{file}', lineage.origins(chapter, file)
    pairs = lineage.pairs(chapter, file)
    for name, pair in pairs.items():
        if not pair.reason and not is_inside_new_class(name, pairs):
            message = judge(pair, '', origins)
            if message:
                yield LineageError(target, pair.child.line, f"'{name}' {message}")
    for path in lineage.select(chapter, 'changed', 'new'):
        _, key, listed_file, name = path
        if listed_file != file:
            continue
        place = target
        message = 'does not exist' if origins else 'has no parent'
        if name in pairs:
            place = f'{target}:{pairs[name].child.line}'
            message = judge(pairs[name], key, origins)
        if message:
            yield lineage.fault(f"'{name}' of {place} {message}", path)


def chapter_faults(lineage, chapter):
    """Yields the faults of a chapter's files, and of entries for files it has not."""
    files = lineage.files(chapter)
    for file in files:
        try:
            yield from file_faults(lineage, chapter, file)
        except BlockingError as error:
            yield error
    for path in lineage.select(chapter, 'own_files', 'changed', 'new', 'extra_parents'):
        if path[2] not in files:
            message = f"'{path[-1]}' is listed, but {chapter} has no {path[2]}"
            yield lineage.fault(message, path)


def shared_copies(lineage):
    """Returns the text of the shared file by path, the original first."""
    paths = [lineage.root / chapter / SHARED for chapter in lineage.chapters]
    return {path: path.read_bytes() for path in paths if path.exists()}


def shared_faults(lineage):
    """Yields a fault for each chapter whose shared file is not the original."""
    copies = shared_copies(lineage)
    original = next(iter(copies), None)
    for chapter in lineage.chapters if copies else ():
        path = lineage.root / chapter / SHARED
        if copies.get(path) != copies[original]:
            message = f'is not the same as {original.relative_to(lineage.root)}'
            yield LineageError(f'{chapter}/{SHARED}', 1, message)


def find_faults(lineage):
    """Returns all faults of a repository, each one once, sorted by file and line."""
    faults = [*undeclared_chapters(lineage), *shared_faults(lineage)]
    try:
        lineage.order()
    except BlockingError as error:
        faults.append(error)
    for chapter in lineage.chapters:
        missing = list(missing_paths(lineage, chapter))
        # Beside a parent that is missing, every definition would seem to be new.
        faults += missing or chapter_faults(lineage, chapter)
    unique = {fault.args: fault for fault in faults}
    return [unique[place] for place in sorted(unique)]


def check(lineage):
    """Tells whether every copy is exact and every change is declared.

    Prints each fault, or one line if there is none; returns the exit status.
    """
    faults = find_faults(lineage)
    for fault in faults:
        print(fault)
    if not faults:
        n_chapters = len(lineage.chapters)
        print(f'{n_chapters} chapters: every copy is exact, every change is declared')
    return 1 if faults else 0


# ---- show


def fence(language, text):
    """Returns a Markdown code block, fenced longer than any backticks in the text."""
    longest = max(map(len, re.findall('`+', text)), default=0)
    ticks = '`' * max(3, longest + 1)
    return f'{ticks}{language}\n{text}{ticks}'


def difference(pair):
    """Returns the unified diff of a pair, without the two lines that name files."""
    old = ''.join(pair.parent.pieces).splitlines(keepends=True)
    new = ''.join(pair.child.pieces).splitlines(keepends=True)
    return ''.join(list(difflib.unified_diff(old, new))[2:])


def code_list(names):
    """Returns names as Markdown code, with commas between."""
    return ', '.join(f'`{name}`' for name in names)


def show_file(lineage, chapter, file):
    """Yields the Markdown blocks of a file: what is kept, what changed, what is new."""
    pairs = lineage.pairs(chapter, file)
    origins = [name for name in lineage.origins(chapter, file) if lineage.has(name)]
    yield f'## {file}'
    reason = lineage.entries.get((chapter, 'own_files', file))
    own = f'A file of its own: {reason}.' if reason else 'A file of its own.'
    yield f'Adapted from {code_list(origins)}.' if origins else own
    kept = [name for name, pair in pairs.items() if pair.kind == 'kept']
    if kept:
        yield f'**Kept**, byte for byte ({len(kept)}): {code_list(kept)}'
    for name, pair in pairs.items():
        if pair.kind == 'changed':
            yield f'**Changed** `{name}`: {pair.reason or UNLISTED}'
            yield fence('diff', difference(pair))
    for name, pair in pairs.items():
        is_inside = is_inside_new_class(name, pairs)  # then the class shows the code
        if pair.kind == 'new' and (pair.reason or not is_inside):
            yield f'**New** `{name}`: {pair.reason or UNLISTED}'
        if pair.kind == 'new' and not is_inside:
            yield fence('python', pair.child.whole)


def show_dropped(lineage, chapter):
    """Yields the Markdown blocks of what the parents have and the chapter has not."""
    taken = {}
    for file in lineage.files(chapter):
        for origin in lineage.origins(chapter, file):
            names = taken.setdefault(origin, set())
            names.update(lineage.pairs(chapter, file))
    origins = set(taken)
    if (chapter, 'parent') in lineage.entries:
        parent = lineage.entries[chapter, 'parent']
        origins |= {f'{parent}/{file}' for file in lineage.files(parent)}
    items = []
    for origin in sorted(filter(lineage.has, origins)):
        names = read_definitions(lineage.root, origin)
        dropped = [name for name in names if name not in taken.get(origin, ())]
        if origin not in taken:
            items.append(f'- `{origin}`, the whole file')
        elif dropped:
            items.append(f'- `{origin}`: {code_list(dropped)}')
    if items:
        yield '## Dropped'
        yield '\n'.join(items)


def show(lineage, chapter):
    """Prints a chapter as the diff of its parent, in Markdown.

    Raises BlockingError if a file does not parse; returns the exit status.
    """
    parents = code_list(dict.fromkeys(parent for _, parent in lineage.parents(chapter)))
    origin = f'Adapted from {parents}' if parents else 'A root, adapted from none'
    idea = lineage.entries.get((chapter, 'idea'))
    blocks = [f'# {chapter}', f'{origin}: {idea}' if idea else f'{origin}.']
    if parents:
        for file in lineage.files(chapter):
            blocks += show_file(lineage, chapter, file)
        blocks += show_dropped(lineage, chapter)
    if (lineage.root / chapter / SHARED).exists():
        blocks.append(f'## {SHARED}\n\nThe same file in all chapters.')
    print('\n\n'.join(blocks), flush=True)
    return 0


# ---- fix


def write_atomically(path, lines):
    """Replaces a file, so that at any moment it is the old one or the new one."""
    temporary = path.with_name(f'{path.name}.tmp')
    with open(temporary, 'w', encoding='utf-8', newline='') as stream:
        stream.writelines(lines)
    shutil.copymode(path, temporary)
    os.replace(temporary, path)


def carry(lineage, chapter, file):
    """Replaces each drifted copy in a chapter's file by the parent's text; says so.

    A class that its methods divide otherwise than the parent's is left to a person.
    """
    target = f'{chapter}/{file}'
    lines = read_lines(lineage.root / target)
    replacements = {}
    for name, pair in lineage.pairs(chapter, file).items():
        child, parent = pair.child, pair.parent
        is_drifted = pair.kind == 'changed' and not pair.reason
        if is_drifted and len(child.spans) == len(parent.spans):
            replacements.update(zip(child.spans, parent.pieces, strict=True))
            place = f'{parent.file}:{parent.line}'
            print(f"{target}:{child.line}: '{name}' is now that of {place}")
    for (start, end), piece in sorted(replacements.items(), reverse=True):
        lines[start:end] = [piece]
    if replacements:
        write_atomically(lineage.root / target, lines)


def fix(lineage):
    """Carries the parents' text down to every drifted copy, first ancestors first.

    Nothing is written if a file does not parse, or a chapter or parent is missing.
    Prints what was replaced, then what check still finds; returns the exit status.
    """
    faults = find_faults(lineage)
    blocking = [fault for fault in faults if isinstance(fault, BlockingError)]
    if blocking:
        print('\n'.join(map(str, blocking)))
        return 1
    copies = list(shared_copies(lineage).items())
    for path, text in copies:
        if text != copies[0][1]:
            path.write_bytes(copies[0][1])
            print(f'{path.relative_to(lineage.root)}: is now the original')
    for chapter in lineage.order():
        for file in lineage.files(chapter):
            carry(lineage, chapter, file)
    return check(lineage)


# ---- Command line


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line, without the usage."""

    def error(self, message):
        """Prints a message on stderr and exits with status 2."""
        self.exit(2, f'{self.prog}: {message}\n')


def define_argparser():
    """Returns the parser of the command line, where --root may stand anywhere."""
    anywhere = OneLineParser(add_help=False, argument_default=argparse.SUPPRESS)
    text = 'the folder of lineage.toml; default: the repository of this tool'
    anywhere.add_argument('--root', type=Path, help=text)
    parser = OneLineParser(prog='lineage.py', parents=[anywhere])
    commands = parser.add_subparsers(dest='command', required=True)
    for run, text in (
        (check, 'tell whether every copy is exact and every change declared'),
        (show, 'print a chapter as the diff of its parent, in Markdown'),
        (fix, "carry the ancestors' text down to the copies that drifted"),
    ):
        command = commands.add_parser(run.__name__, help=text, parents=[anywhere])
        command.set_defaults(run=run)
        if run is show:
            command.add_argument('chapter', help='a folder, such as 07_rnn')
    return parser


def main(arguments=None):
    """Runs one command; returns the exit status."""
    sys.stdout.reconfigure(encoding='utf-8')  # also into a pipe on Windows
    parser = define_argparser()
    config = parser.parse_args(arguments)
    try:
        lineage = Lineage(getattr(config, 'root', ROOT))
        if config.run is not show:
            return config.run(lineage)
        chapter = config.chapter.rstrip('/')
        if chapter not in lineage.chapters:
            parser.error(f"no chapter '{chapter}' in {TOML}")
        return show(lineage, chapter)
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except LineageError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
