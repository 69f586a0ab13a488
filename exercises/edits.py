"""Edits of a chapter: in a function that is named, some code is replaced by other code.

An exercise is never a copy of a chapter. It says which code of which function differs,
and that code is searched for in the syntax tree of today's chapter. The layout, the
comments and all other code of the chapter may change without harm. If the code itself
is gone, an EditError says so in one line.
"""

import ast
import re
from textwrap import dedent, indent
from typing import NamedTuple

SHAPE_COMMENT = re.compile(r'^ *(# \|.+\| = \(.*\))$')
# What makes no difference to the meaning of code.
IGNORED_FIELDS = {'ctx', 'kind', 'type_comment'}


class EditError(Exception):
    """An edit does not fit the chapter of today; the text is one line."""


class Edit(NamedTuple):
    """Code of one function that is replaced, as the functions below say."""

    file: str
    function: str
    old: str | None  # None: the body below the docstring; '': the whole function
    new: str | None  # None: the shape comments of the body, and an exception


def swap(file, function, old, new):
    """Return the edit that replaces code inside a function or a method.

    Arguments:
        file: such as 'trainer.py'.
        function: such as 'Trainer._train'; '' is the module itself.
        old: statements that follow one another, or one expression. Layout and comments
            do not count, and `...` stands for any expression, any arguments without
            a name or, on a line of its own, any statements. This code must occur
            exactly once.
        new: the code in its place; '' removes statements.
    """
    return Edit(file, function, dedent(old).strip(), dedent(new).strip('\n'))


def rewrite(file, function, new):
    """Return the edit that replaces the body of a function below its docstring."""
    return Edit(file, function, None, dedent(new).strip('\n'))


def blank(file, function):
    """Return the edit that empties a function; docstring and shape comments stay."""
    return Edit(file, function, None, None)


def redefine(file, function, new):
    """Return the edit that replaces a whole function, its head and docstring too."""
    return Edit(file, function, '', dedent(new).strip('\n'))


def apply_edits(sources, edits):
    """Return the sources of a chapter with some edits.

    Arguments:
        sources: a dict from the name of a file to its text.
        edits: a list of Edit.

    Raises:
        EditError: the file, the function or the code is not there, or is there twice.
    """
    sources = dict(sources)
    for edit in edits:
        if edit.file not in sources:
            raise EditError(f'{edit.file}: the chapter has no such file')
        source = apply_edit(sources[edit.file], edit)
        try:
            ast.parse(source)
        except SyntaxError as error:
            message = f'the new code is not Python: {error.msg}, line {error.lineno}'
            raise EditError(f'{edit.file}: {edit.function}: {message}') from error
        sources[edit.file] = source
    return sources


def apply_edit(source, edit):
    """Return the text of a file with one edit."""
    function = find_function(ast.parse(source), edit)
    if edit.old is None:
        return replace_body(source, function, edit)

    nodes = find_code(function, edit) if edit.old else [function]
    if isinstance(nodes[0], ast.stmt):
        first = min(part.lineno for part in [nodes[0], *decorators(nodes[0])])
        return replace_lines(source, first - 1, nodes[-1].end_lineno, edit.new)
    return replace_expression(source, nodes[0], edit.new)


def find_function(tree, edit):
    """Return the syntax tree of the function that an edit names."""
    node = tree
    for name in edit.function.split('.') if edit.function else []:
        found = [part for part in node.body if getattr(part, 'name', None) == name]
        if not found:
            raise EditError(f'{edit.file}: there is no {edit.function}')
        node = found[0]
    return node


def decorators(node):
    """Return the decorators of a statement, a list."""
    return getattr(node, 'decorator_list', [])


def find_code(function, edit):
    """Return the nodes that an edit replaces: statements, or one expression."""
    pattern = ast.parse(edit.old).body
    found = [
        block[start:end]
        for block in blocks(function)
        for start in range(len(block))
        for end in match_start(pattern, block[start:], start)
    ]
    if not found and len(pattern) == 1 and isinstance(pattern[0], ast.Expr):
        expression = pattern[0].value
        found = [[node] for node in ast.walk(function) if is_match(expression, node)]
    if len(found) != 1:
        code = ' '.join(edit.old.split())
        how_often = 'is not there' if not found else f'is there {len(found)} times'
        raise EditError(f'{edit.file}: in {edit.function}, `{code}` {how_often}')
    return found[0]


def blocks(function):
    """Yield each list of statements inside a function."""
    for node in ast.walk(function):
        for _, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield value


def match_start(pattern, statements, start):
    """Yield the end of the shortest match that begins with the first statement."""
    for length in range(1, len(statements) + 1):
        if is_match(pattern, statements[:length]):
            yield start + length
            return


def is_match(pattern, node):
    """Return whether a syntax tree, or a list of them, matches that of a pattern."""
    if isinstance(pattern, list):
        if not isinstance(node, list):
            return False
        if not pattern:
            return not node
        if is_wildcard(pattern[0]):
            rests = (node[start:] for start in range(len(node) + 1))
            return any(is_match(pattern[1:], rest) for rest in rests)
        is_first = bool(node) and is_match(pattern[0], node[0])
        return is_first and is_match(pattern[1:], node[1:])
    if is_wildcard(pattern):
        return isinstance(node, ast.expr)
    if not isinstance(pattern, ast.AST):
        return pattern == node
    return type(pattern) is type(node) and all(
        is_match(value, getattr(node, name, None))
        for name, value in ast.iter_fields(pattern)
        if name not in IGNORED_FIELDS
    )


def is_wildcard(node):
    """Return whether a node is `...`."""
    value = node.value if isinstance(node, ast.Expr) else node
    return isinstance(value, ast.Constant) and value.value is ...


def replace_body(source, function, edit):
    """Return the text of a file with another body of a function."""
    first, end = function.body[0], function.end_lineno
    has_docstring = ast.get_docstring(function) is not None
    start = first.end_lineno if has_docstring else first.lineno - 1
    new = edit.new
    if new is None:
        found = map(SHAPE_COMMENT.match, source.split('\n')[start:end])
        shapes = [match[1] for match in found if match]
        new = '\n'.join([*shapes, f"raise NotImplementedError('{edit.function}')"])
    return replace_lines(source, start, end, new, first.col_offset)


def replace_lines(source, start, end, new, column=None):
    """Return the text of a file with new code, indented, in the place of lines."""
    lines = source.split('\n')
    if column is None:
        column = len(lines[start]) - len(lines[start].lstrip())
    lines[start:end] = [indent(new, ' ' * column)] if new else []
    return '\n'.join(lines)


def replace_expression(source, node, new):
    """Return the text of a file with new code in the place of an expression."""
    # The columns of a syntax tree count bytes, not characters.
    lines = source.encode('utf-8').split(b'\n')
    start = sum(len(line) + 1 for line in lines[: node.lineno - 1]) + node.col_offset
    end = sum(len(line) + 1 for line in lines[: node.end_lineno - 1])
    text = b'\n'.join(lines)
    return b''.join(
        [text[:start], new.encode('utf-8'), text[end + node.end_col_offset :]]
    ).decode('utf-8')
