"""Questions about shapes, made from the shape comments of a chapter.

A question is a function of the chapter with one comment hidden: which shape is it?
Nothing here is written by hand, so the questions are always those of today's code.
"""

import ast
import functools
import re
from dataclasses import dataclass
from textwrap import dedent

from exercises.catalogue import ROOT, all_chapters
from exercises.messages import in_all_languages, say

COMMENT = re.compile(r'( *)# \|(.+)\| = (\(.*\))')
# The lesson comes first; programs that predict, guards and generators are left out.
FILES = ['model', 'loss', 'trainer', 'search', 'data_loader', 'train', 'utils']
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Statements that contain others: of these, only the head makes tensors.
HEADS = {ast.For: ('target', 'iter'), ast.While: ('test',), ast.If: ('test',)}


@dataclass(frozen=True)
class Question:
    """One hidden comment.

    Attributes:
        place: such as `model.py: Autoencoder.forward`.
        tensor: the expression between the bars.
        dimensions: the right answer, a tuple of texts.
        text: the function with a mark in the place of the comment.
        code: the line that made the tensor.
        known: shapes of the tensors in this line, as comments above it say them.
        names: the names and numbers of all dimensions in this function.
        number: counts the questions about this tensor in this function.
    """

    place: str
    tensor: str
    dimensions: tuple
    text: str
    code: str
    known: tuple
    names: tuple
    number: int

    @property
    def id(self):
        """A text that stays the same while the function does."""
        return f'{self.place} {self.tensor} {self.number}'

    @property
    def shape(self):
        """The right answer as it stands in the comment."""
        return to_text(self.dimensions)

    def explain(self, answer):
        """Say why an answer is wrong.

        Arguments:
            answer: what the learner typed.

        Returns:
            None if it is right, else a sentence in English and one in Korean.
        """
        found = parse_shape(answer)
        if found is None:
            return in_all_languages('shape_form', example='(batch_size, length)')
        if found == self.dimensions:
            return None
        if len(found) != len(self.dimensions):
            counts = {'found': len(found), 'expected': len(self.dimensions)}
            reasons = [in_all_languages('shape_n_dimensions', **counts)]
        elif sorted(found) == sorted(self.dimensions):
            reasons = [in_all_languages('shape_order')]
        else:
            pairs = zip(found, self.dimensions, strict=True)
            wrong = next(i for i, pair in enumerate(pairs) if pair[0] != pair[1])
            values = {'position': wrong + 1, 'found': found[wrong]}
            reasons = [in_all_languages('shape_dimension', **values)]
        reasons.append(in_all_languages('shape_made_by', code=self.code))
        if self.known:
            reasons.append(in_all_languages('shape_known', known=', '.join(self.known)))
        return tuple(' '.join(parts) for parts in zip(*reasons, strict=True))

    def hints(self, language):
        """Return where, why and what, as the hints of other exercises."""
        values = {'place': self.place, 'code': self.code, 'n': len(self.dimensions)}
        values['first'] = self.dimensions[0] if self.dimensions else '()'
        keys = ('where', 'why', 'what')
        return {key: say(language, f'hint_{key}', **values) for key in keys}


class ShapeExercise:
    """All questions of a chapter, as an exercise without a folder.

    Functions that an earlier chapter has, too, are asked about there.
    """

    kind = 'shape'

    def __init__(self, chapter):
        self.chapter = chapter
        parts = chapter.split('/')
        number = parts[0] if parts[0].startswith('appendix') else parts[0][:2]
        self.name = '_'.join([number, *parts[1:], 'shapes'])
        self.questions = all_questions()[chapter]

    def title(self, language):
        """Return the title in a language."""
        return say(language, 'shape_title')


def to_text(dimensions):
    """Return dimensions as a comment has them, such as `(length,)`."""
    return (
        f'({dimensions[0]},)' if len(dimensions) == 1 else f'({", ".join(dimensions)})'
    )


def parse_shape(text):
    """Return the dimensions in a text such as `(batch_size, 10)`; None: it has none."""
    try:
        node = ast.parse(text.strip(), mode='eval').body
    except (SyntaxError, ValueError):
        return None
    nodes = node.elts if isinstance(node, ast.Tuple) else [node]
    # A product is the same in both orders.
    return tuple(sort_product(ast.unparse(dimension)) for dimension in nodes)


def sort_product(dimension):
    """Return `a * b` with its factors in the order of the alphabet."""
    if re.fullmatch(r'[\w.]+( \* [\w.]+)+', dimension):
        return ' * '.join(sorted(dimension.split(' * ')))
    return dimension


@functools.cache
def all_questions():
    """Return a dict from each chapter to its questions, in reading order."""
    found, known_functions = {}, set()
    for chapter in all_chapters():
        found[chapter] = []
        for file in FILES:
            path = ROOT / chapter / f'{file}.py'
            source = path.read_text(encoding='utf-8') if path.exists() else ''
            if '# |' not in source:
                continue
            lines = source.split('\n')
            for name, node in functions(ast.parse(source)):
                text = '\n'.join(lines[node.lineno - 1 : node.end_lineno])
                if text not in known_functions:
                    known_functions.add(text)
                    found[chapter] += ask(f'{path.name}: {name}', dedent(text))
    return found


def functions(tree, prefix=''):
    """Yield the name and the tree of each function and each method of a module."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f'{prefix}{node.name}.')
        elif isinstance(node, FUNCTIONS):
            yield prefix + node.name, node


def ask(place, source):
    """Return the questions about one function.

    What comes in is not asked: the shapes at the top are the ones to begin with.
    """
    function = ast.parse(source).body[0]
    lines = source.split('\n')
    matches = {i: COMMENT.fullmatch(line) for i, line in enumerate(lines, 1)}
    comments = {i: match.groups()[1:] for i, match in matches.items() if match}
    shapes = {i: parse_shape(shape) for i, (_, shape) in comments.items()}
    names = tuple(sorted({name for shape in shapes.values() for name in shape}))

    statements = list(made_in(function, source))
    questions, counts = [], {}
    for line, (tensor, _) in comments.items():
        made = [item for item in statements if item[0] < line]
        if not made:
            continue
        code = max(made)[1]
        words = re.findall(r'\w+', code.split('=', 1)[-1])
        before = [i for i in comments if i < line and comments[i][0] in words]
        known = dict(comments[i] for i in before)
        counts[tensor] = number = counts.get(tensor, 0) + 1
        hidden = list(lines)
        hidden[line - 1] = f'{matches[line][1]}# |{tensor}| = ?  <---'
        text = without_docstring(hidden, function)
        known = tuple(f'|{name}| = {shape}' for name, shape in known.items())
        answer = shapes[line]
        questions.append(
            Question(place, tensor, answer, text, code, known, names, number)
        )
    return questions


def made_in(function, source):
    """Yield the last line and the text of each statement below the docstring."""
    start = ast.get_docstring(function) is not None
    for statement in function.body[start:]:
        for node in ast.walk(statement):
            heads = HEADS.get(type(node))
            if heads:
                parts = [getattr(node, name) for name in heads]
                text = ' in '.join(map(ast.unparse, parts))
                yield parts[-1].end_lineno, f'{type(node).__name__.lower()} {text}'
            elif isinstance(node, ast.stmt) and not hasattr(node, 'body'):
                text = ast.get_source_segment(source, node)
                yield node.end_lineno, ' '.join(text.split())


def without_docstring(lines, function):
    """Return the text of a function without its docstring."""
    if ast.get_docstring(function) is None:
        return '\n'.join(lines)
    first = function.body[0]
    return '\n'.join(lines[: first.lineno - 1] + lines[first.end_lineno :])
