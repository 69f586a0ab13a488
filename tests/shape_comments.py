"""Turn the shape comments of a chapter into checks, so that none of them can lie.

A shape comment stands on a line of its own, below the statement that made the tensor or
at the top of a function for what came in, and has exactly one form:

    y = self.layers(x)
    # |y| = (batch_size, hidden_size * 2)

Here a chapter is loaded with a call in the place of each such comment. The call
compares the shape with the comment, while the files stay as they are and every line
keeps its number. A name in the parentheses means, in this order:

1. the integer that the function finds under this name;
2. the integer attribute of `self` that has this name;
3. the size that it had where this call of the function met it first.
"""

import ast
import io
import operator
import re
import tokenize
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from pathlib import Path

from chapters import ROOT, ChapterLoader, load_chapter

SHAPE_COMMENT = re.compile(r'# \|(.+)\| = (\(.*\))')
EXAMPLE = '# |x| = (batch_size, length)'

# The two names that the code of a chapter meets while its shapes are checked.
CHECK = '_check_shape'
BOUND_SIZES = '_bound_sizes'

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
TENSORS = (ast.Name, ast.Attribute, ast.Subscript)
INDICES = (
    ast.Constant,
    ast.Slice,
    ast.Tuple,
    ast.UnaryOp,
    ast.unaryop,
    ast.BinOp,
    ast.operator,
    ast.expr_context,
)
ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


@dataclass(frozen=True)
class ShapeComment:
    """One shape comment, taken apart.

    Attributes:
        place: the folder, the file and the line, such as `01_linear/model.py:9`.
        tensor: the expression between the bars.
        dimensions: the syntax tree of each dimension.
        names: the names in the dimensions, such as `length` and `self.hidden_size`.
    """

    place: str
    tensor: str
    dimensions: tuple
    names: tuple

    def __str__(self):
        shape = ast.unparse(ast.Tuple(list(self.dimensions), ast.Load()))

        return f'|{self.tensor}| = {shape}'

    def as_call(self, number):
        """Write the call that checks this comment.

        Whatever it looks up is inside a lambda: so Python's own rules say what a name
        means in that place, and the check is the one to deal with unknown names.

        Arguments:
            number: the number of this comment, for `ShapeChecks.check`.

        Returns:
            A line of Python.
        """
        lookups = ', '.join(
            f"'{name}': [lambda: {name}]"
            if name.startswith('self.')
            else f"'{name}': [lambda: {name}, lambda: self.{name}]"
            for name in self.names
        )

        return f'{CHECK}({number}, lambda: {self.tensor}, {{{lookups}}}, {BOUND_SIZES})'


def parse_comment(text, place):
    """Take a shape comment apart.

    Arguments:
        text: the comment from its `#` on.
        place: where it stands, for messages.

    Returns:
        A `ShapeComment`.

    Raises:
        SyntaxError: the comment has not exactly the form of all shape comments.
    """
    try:
        match = SHAPE_COMMENT.fullmatch(text)
        if match is None:
            raise ValueError('it has another form')

        tensor = ast.parse(match[1], mode='eval').body
        require_tensor(tensor)
        shape = ast.parse(match[2], mode='eval').body
        if not isinstance(shape, ast.Tuple):
            raise ValueError('a single dimension needs a comma, as in (batch_size,)')

        names = [name for dimension in shape.elts for name in names_in(dimension)]
        comment = ShapeComment(
            place, ast.unparse(tensor), tuple(shape.elts), tuple(dict.fromkeys(names))
        )
        if text != f'# {comment}':
            raise ValueError(f'it should be written # {comment}')
    except (SyntaxError, ValueError) as error:
        raise SyntaxError(
            f'{place}: {text!r} is no shape comment such as {EXAMPLE!r}: {error}'
        ) from None

    return comment


def require_tensor(node):
    """Raise ValueError unless a tree is a name, its attributes and its subscripts."""
    parts = ast.walk(node)
    if not isinstance(node, TENSORS) or not all(
        isinstance(part, TENSORS + INDICES) for part in parts
    ):
        raise ValueError(f'{ast.unparse(node)} is more than the name of a tensor')


def names_in(dimension):
    """List the names in the tree of a dimension; raise ValueError if it is none."""
    match dimension:
        case ast.Constant(value=size) if type(size) is int:
            return []
        case ast.Name() | ast.Attribute(value=ast.Name(id='self')):
            return [ast.unparse(dimension)]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            return names_in(left) + names_in(right)

    raise ValueError(f'{ast.unparse(dimension)} is no dimension')


def size_of(dimension, sizes):
    """Compute a dimension from the sizes of its names; raise KeyError if one lacks."""
    match dimension:
        case ast.Constant(value=size):
            return size
        case ast.BinOp(left=left, op=op, right=right):
            return ARITHMETIC[type(op)](size_of(left, sizes), size_of(right, sizes))

    return sizes[ast.unparse(dimension)]


def find_comments(source):
    """Yield line, column and text of each comment that begins with a bar."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.string.lstrip('# ').startswith('|'):
            yield *token.start, token.string


def functions_with_checks(tree):
    """Yield each function of a module that holds checks, with their numbers."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            numbers = set(checks_in(node))
            if numbers:
                yield node, numbers


def checks_in(node):
    """Yield the numbers of the checks that are statements in a function's blocks."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Expr(value=ast.Call(func=ast.Name(id=name))) if name == CHECK:
                yield child.value.args[0].value
            case ast.ClassDef():
                continue
            case _:
                yield from checks_in(child)


def are_statements(numbers, lines):
    """Tell whether all checks of some numbers are statements in functions.

    One is not where its comment was inside another statement, behind one, where no
    statement can be, or outside of all functions.

    Arguments:
        numbers: of the checks.
        lines: of the module, with the checks.
    """
    try:
        tree = ast.parse('\n'.join(lines))
    except SyntaxError:
        return False
    found = [found for _, found in functions_with_checks(tree)]
    return set(numbers) <= set().union(*found)


def bind_per_call(tree):
    """Let each function with checks begin with an empty dict of sizes."""
    for function, _ in list(functions_with_checks(tree)):
        statement = ast.parse(f'{BOUND_SIZES} = {{}}').body[0]
        ast.increment_lineno(statement, function.lineno - 1)
        is_documented = ast.get_docstring(function) is not None
        function.body.insert(1 if is_documented else 0, statement)


def shape_of(comment, read_tensor):
    """Return the shape of the tensor of a comment, as a tuple of integers.

    Arguments:
        comment: a `ShapeComment`.
        read_tensor: a function without arguments that returns the tensor.

    Raises:
        AssertionError: the tensor can't be read in that place, or is none: neither a
            tuple of tensors nor a PackedSequence has a shape.
    """
    try:
        tensor = read_tensor()
    except Exception as error:
        raise AssertionError(
            f'{comment.place}: {comment} but {type(error).__name__}: {error}'
        ) from error

    shape = getattr(tensor, 'shape', None)
    if not isinstance(shape, tuple):
        raise AssertionError(
            f'{comment.place}: {comment} but {comment.tensor} is of '
            f'type {type(tensor).__name__}, which has no shape'
        )

    return tuple(shape)


def first_integer(lookups):
    """Return the first integer that one of some functions looks up, or None."""
    for look_up in lookups:
        try:
            value = look_up()
        except (NameError, AttributeError):
            continue
        if isinstance(value, Integral) and not isinstance(value, bool):
            return value

    return None


def compare(comment, shape, sizes):
    """Compare a shape with its comment.

    Arguments:
        comment: a `ShapeComment`.
        shape: the shape that the tensor has.
        sizes: what is known of the names in the comment.

    Raises:
        AssertionError: the shape is another one, or nothing says what a name means.
    """
    message = f'{comment.place}: {comment} but {comment.tensor} has {shape}'
    known = [f'{name} is {sizes[name]}' for name in comment.names if name in sizes]
    if len(shape) != len(comment.dimensions):
        raise AssertionError('; '.join([message, *known]))

    try:
        expected = [size_of(dimension, sizes) for dimension in comment.dimensions]
    except KeyError as error:
        raise AssertionError(
            f'{comment.place}: {comment} but nothing says what {error.args[0]} is'
        ) from None

    wrong = [
        f'dimension {position} is {size}, not {expected_size}'
        for position, (size, expected_size) in enumerate(
            zip(shape, expected, strict=True)
        )
        if size != expected_size
    ]
    if wrong:
        raise AssertionError('; '.join([message, *wrong, *known]))


class ShapeChecks:
    """The shape comments of one chapter, and which of them were executed.

    Attributes:
        comments: each `ShapeComment` of the chapter.
        executed: the numbers of those that were found right at least once.
    """

    def __init__(self):
        self.comments = []
        self.executed = set()

    def unexecuted(self):
        """List place and text of the comments that nothing has executed so far."""
        return [
            f'{comment.place}: {comment}'
            for number, comment in enumerate(self.comments)
            if number not in self.executed
        ]

    def instrument(self, source, path):
        """Put a call in the place of each shape comment of a module.

        Arguments:
            source: the text of the module.
            path: its file, for messages and tracebacks.

        Returns:
            The syntax tree of the module with its checks.

        Raises:
            SyntaxError: a shape comment has another form or place than it should have.
        """
        # A module that is wrong without its checks fails here, as it would in Python.
        ast.parse(source, path)
        file = Path(path)
        lines = source.split('\n')

        found = list(find_comments(source))
        first = len(self.comments)
        for line, _, text in found:
            place = f'{file.parent.name}/{file.name}:{line}'
            self.comments.append(parse_comment(text, place))
        whole = lines.copy()
        for number, (line, column, _) in enumerate(found, first):
            call = self.comments[number].as_call(number)
            whole[line - 1] = lines[line - 1][:column] + call
        if not are_statements(range(first, len(self.comments)), whole):
            # Which one is not shows only with one after the other.
            for number, (line, _, _) in enumerate(found, first):
                lines[line - 1] = whole[line - 1]
                if not are_statements([number], lines):
                    comment = self.comments[number]
                    raise SyntaxError(
                        f'{comment.place}: {comment} should have a line of its own in '
                        'a function, below the statement that made the tensor'
                    )

        tree = ast.parse('\n'.join(whole), path)
        bind_per_call(tree)
        return tree

    def check(self, number, read_tensor, lookups, bound_sizes):
        """Check a shape comment: this is what the calls call.

        Arguments:
            number: which of the comments it is.
            read_tensor: a function without arguments that returns the tensor.
            lookups: for each name in the comment, functions without arguments that
                return what it may mean, or raise NameError or AttributeError.
            bound_sizes: the sizes that this call of the function has met so far; this
                comment adds its own.

        Raises:
            AssertionError: the comment is wrong, or can't be checked.
        """
        comment = self.comments[number]
        shape = shape_of(comment, read_tensor)

        integers = {name: first_integer(lookups[name]) for name in comment.names}
        sizes = bound_sizes | {
            name: size for name, size in integers.items() if size is not None
        }
        for dimension, size in zip(comment.dimensions, shape, strict=False):
            if isinstance(dimension, ast.Name) and dimension.id not in sizes:
                sizes[dimension.id] = bound_sizes[dimension.id] = size

        compare(comment, shape, sizes)
        self.record(number, shape, sizes)

    def record(self, number, shape, sizes):
        """Note that a comment was right: a subclass may keep what it was right about.

        Arguments:
            number: which of the comments it is.
            shape: the shape that the tensor has, a tuple.
            sizes: the sizes of the names that are known in this call, a dict.
        """
        self.executed.add(number)


class CheckedLoader(ChapterLoader):
    """Loads a module of a chapter with a check in the place of each shape comment."""

    def __init__(self, fullname, path, checks):
        super().__init__(fullname, path)
        self.checks = checks

    def get_code(self, fullname):
        tree = self.checks.instrument(self.get_source(fullname), self.path)
        return compile(tree, self.path, 'exec', dont_inherit=True)

    def exec_module(self, module):
        setattr(module, CHECK, self.checks.check)
        super().exec_module(module)


def load_checked_chapter(chapter, root=ROOT, checks=None):
    """Load a chapter whose shape comments check themselves whenever its code runs.

    Arguments:
        chapter: its name, as `all_chapters` gives it.
        root: the folder of the repository.
        checks: a `ShapeChecks` that is still empty; None: a new one.

    Returns:
        The namespace of its modules, as from `load_chapter`, and its `ShapeChecks`.

    Raises:
        SyntaxError: a shape comment has another form or place than it should have.
    """
    checks = ShapeChecks() if checks is None else checks
    modules = load_chapter(chapter, root, partial(CheckedLoader, checks=checks))

    return modules, checks
