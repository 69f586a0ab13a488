"""Write, for each chapter, what its shape comments say about one real batch.

    python tools/site/shapes.py site/_static/shapes

CHAPTER.json (the slash of a chapter inside another becomes an underscore) holds:

- chapter; command: the program whose first batch is shown.
- comments: for each shape comment file, line, function, tensor, dimensions (as they are
  written), shape (the numbers), sizes (of each name), and names: where the tensor has
  this shape, each place as a line, a first and a last column, counted from 0.
- trace: the comments that one batch meets on its way through the network, in order:
  the number of the comment, shape, sizes, path and class of the module, and times: how
  often it is met with the same shape in equal blocks or steps, which are listed once.
"""

import ast
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from record import ROOT, all_chapters, get_recording
from repeats import flatten, fold, without_numbers

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
OTHERS = (*FUNCTIONS, ast.ClassDef)


def find_functions(node, prefix=''):
    """Yield each function of a module, and its name with the classes around it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, OTHERS):
            name = f'{prefix}{child.name}'
            if isinstance(child, FUNCTIONS):
                yield child, name
            yield from find_functions(child, f'{name}.')
        else:
            yield from find_functions(child, prefix)


def find_statements(body):
    """Yield the statements of a function in the order of their lines.

    A block such as `for` is yielded without its body, whose statements follow; what a
    function inside it does is left out.
    """
    for statement in body:
        if isinstance(statement, OTHERS):
            continue
        yield statement
        for field in ('body', 'handlers', 'orelse', 'finalbody', 'cases'):
            for part in getattr(statement, field, []):
                is_part = isinstance(part, (ast.ExceptHandler, ast.match_case))
                yield from find_statements(part.body if is_part else [part])


def find_expressions(statement):
    """Yield the names, attributes and subscripts of a statement without its body."""
    for field, value in ast.iter_fields(statement):
        if field in ('body', 'handlers', 'orelse', 'finalbody', 'cases'):
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                yield from (
                    node
                    for node in ast.walk(part)
                    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript))
                )


def get_columns(node, lines):
    """Return line, first and last column of a node, as JavaScript counts them."""
    line = lines[node.lineno - 1].encode()

    def count(column):
        return len(line[:column].decode().encode('utf-16-le')) // 2

    return [node.lineno, count(node.col_offset), count(node.end_col_offset)]


def find_names(function, comments, lines):
    """Find where in a function a tensor has the shape that a comment gives it.

    A tensor has it from the statement above the comment on, up to the statement that
    makes another tensor of its name.

    Arguments:
        function: its syntax tree.
        comments: those in it, from their lines to their tensors.
        lines: of the file.

    Returns:
        For each line of a comment, a list of places.
    """
    names = {line: [] for line in comments}
    is_documented = ast.get_docstring(function) is not None
    statements = list(find_statements(function.body[is_documented:]))
    arguments = function.args
    made = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    made = [(argument.arg, argument) for argument in made]
    shapes, rest = {}, sorted(comments)

    def read_comments(limit):
        # The comments above a statement are about what the last one has made.
        while rest and rest[0] < limit:
            line = rest.pop(0)
            shapes[comments[line]] = line
            places = [node for text, node in made if text == comments[line]]
            names[line] += [get_columns(node, lines) for node in places]

    for statement in statements:
        read_comments(statement.lineno)
        nodes = [(ast.unparse(node), node) for node in find_expressions(statement)]
        for text, node in nodes:
            if isinstance(node.ctx, ast.Load) and text in shapes:
                names[shapes[text]].append(get_columns(node, lines))
        made = [(text, n) for text, n in nodes if isinstance(n.ctx, ast.Store)]
        for text, _ in made:
            parts = (f'{text}.', f'{text}[')
            for tensor in [t for t in shapes if t == text or t.startswith(parts)]:
                del shapes[tensor]
    read_comments(len(lines) + 1)
    return names


def find_owner(functions, line, lines):
    """Return the index of the function that a comment is in.

    A syntax tree does not say where comments are: the function is the last one that
    begins above the comment and is less indented.
    """
    indentation = len(lines[line - 1]) - len(lines[line - 1].lstrip())
    return max(
        index
        for index, (function, _) in enumerate(functions)
        if function.lineno < line and function.col_offset < indentation
    )


def add_names(comments):
    """Add to comments, in place, their function and where their tensors stand."""
    for file in {comment['file'] for comment in comments}:
        source = (ROOT / file).read_text(encoding='utf-8')
        lines = source.split('\n')
        functions = list(find_functions(ast.parse(source)))
        inside = {}
        for comment in comments:
            if comment['file'] == file:
                owner = find_owner(functions, comment['line'], lines)
                inside.setdefault(owner, []).append(comment)
        for index, here in inside.items():
            function, name = functions[index]
            tensors = {comment['line']: comment['tensor'] for comment in here}
            names = find_names(function, tensors, lines)
            for comment in here:
                comment |= {'function': name, 'names': names[comment['line']]}


def fold_trace(trace):
    """Return a trace in which equal blocks and steps are listed once."""
    keys = [
        (step['comment'], tuple(step['shape']), without_numbers(step['module']))
        for step in trace
    ]
    return [{**trace[i], 'times': times} for i, times in flatten(fold(keys))]


def get_shapes(chapter):
    """Return what CHAPTER.json holds."""
    recording = get_recording(chapter)
    comments = recording['comments']
    add_names(comments)
    trace = fold_trace(recording['trace'])
    command = recording['command']
    return {
        'chapter': chapter,
        'command': command,
        'comments': comments,
        'trace': trace,
    }


def write_shapes(out_dir):
    """Write CHAPTER.json for each chapter into a folder.

    Chapters that are not in the cache run first, a few at a time: it takes minutes.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as executor:
        list(executor.map(get_recording, all_chapters()))
    for chapter in all_chapters():
        text = json.dumps(
            get_shapes(chapter), ensure_ascii=False, separators=(',', ':')
        )
        file = out_dir / f'{chapter.replace("/", "_")}.json'
        file.write_text(text + '\n', encoding='utf-8')


if __name__ == '__main__':
    write_shapes(sys.argv[1])
