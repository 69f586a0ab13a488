"""What of a recorded pass is drawn: nodes, edges, and the frames around them.

Blocks of a stack that are equal, and the steps of a loop, become one Frame.
"""

from dataclasses import dataclass

from repeats import Repeat, flatten, fold, without_numbers

# Modules that only hold others.
CONTAINERS = ('Sequential', 'ModuleList')


@dataclass
class Frame:
    """A module with its parts, or what repeats.

    Attributes:
        path: of the module; empty for steps that repeat.
        kind: the class of the module.
        times: how many of them there are.
        children: the Frames inside, and the numbers of the nodes.
    """

    path: str
    kind: str
    children: list
    times: int = 1


def drop_unused(nodes):
    """Return the nodes without inputs and operations whose result nothing takes."""
    kept = list(range(len(nodes)))
    while True:
        used = {edge[0] for number in kept for edge in nodes[number]['inputs']}
        used |= {n for n in kept if nodes[n]['kind'] == 'layer'} | {len(nodes) - 1}
        if used.issuperset(kept):
            break
        kept = [number for number in kept if number in used]
    places = {number: place for place, number in enumerate(kept)}
    return [
        nodes[number]
        | {'inputs': [[places[edge[0]], *edge[1:]] for edge in nodes[number]['inputs']]}
        for number in kept
    ]


def place_inputs(inputs, children, edges):
    """Put each input, in place, before the frame or the node that takes it first."""
    for number in reversed(inputs):
        takers = {n for n in edges if number in [edge[0] for edge in edges[n]]}
        place = next(
            i
            for i, child in enumerate(children)
            if takers.intersection(find_numbers([child]))
        )
        children.insert(place, number)


def find_numbers(children):
    """Yield the numbers of the nodes in frames, from top to bottom."""
    for child in children:
        if isinstance(child, Frame):
            yield from find_numbers(child.children)
        else:
            yield child


def get_key(node):
    """Return what two nodes have in common that are drawn as one."""
    # Rows of a batch that are done leave it: the first dimension may change.
    shape = tuple(node['shape'][1:])
    detail = node.get('detail')
    return node['kind'], node['name'], without_numbers(node['path']), detail, shape


def pair(item, copy, drawn):
    """Let all nodes of a copy be drawn as the nodes of an item."""
    if isinstance(item, Repeat):
        for items in (copy.items, *copy.copies):
            for one, other in zip(item.items, items, strict=True):
                pair(one, other, drawn)
    else:
        drawn[copy] = item


def find_drawn(items, drawn):
    """Fill a dict from the number of each node to that of the node that is drawn."""
    for item in items:
        pair(item, item, drawn)
        if isinstance(item, Repeat):
            find_drawn(item.items, drawn)
            for copy in item.copies:
                for one, other in zip(item.items, copy, strict=True):
                    pair(one, other, drawn)


def get_container(item, nodes):
    """Return the path of the module that a node, or all nodes of a repeat, are in."""
    if not isinstance(item, Repeat):
        path = nodes[item]['path']
        is_layer = nodes[item]['kind'] == 'layer'
        return path.rpartition('.')[0] if is_layer else path
    paths = [get_container(part, nodes).split('.') for part in item.items]
    common = []
    for names in zip(*paths, strict=False):
        if len(set(names)) > 1:
            break
        common.append(names[0])
    return '.'.join(common)


def build_frames(items, prefix, nodes, classes):
    """Put items into the frames of the modules that they are in.

    Arguments:
        items: numbers of nodes, and Repeats.
        prefix: the path of the module around all of them.
        nodes: of the recording.
        classes: the class of each module, by its path.

    Returns:
        A list of numbers and of Frames.
    """
    children, rest = [], list(items)
    while rest:
        container = get_container(rest[0], nodes)
        inside = container.removeprefix(prefix).lstrip('.')
        if not inside:
            item = rest.pop(0)
            if isinstance(item, Repeat):
                parts = build_frames(item.items, prefix, nodes, classes)
                item = Frame(
                    prefix if is_stack(item, nodes) else '', '', parts, item.times
                )
            children.append(item)
            continue
        path = f'{prefix}.{inside.split(".")[0]}'.lstrip('.')
        run = []
        while rest and f'{get_container(rest[0], nodes)}.'.startswith(f'{path}.'):
            run.append(rest.pop(0))
        parts = build_frames(run, path, nodes, classes)
        children.append(simplify(Frame(path, classes[path], parts)))
    return children


def is_stack(repeat, nodes):
    """Tell whether a repeat is of different modules, and not of steps of the same."""
    first = next(flatten(repeat.items))[0]
    second = next(flatten(repeat.copies[0]))[0]
    return nodes[first]['path'] != nodes[second]['path']


def simplify(frame):
    """Return a frame without another one that says no more."""
    if len(frame.children) != 1 or not isinstance(frame.children[0], Frame):
        return frame
    child = frame.children[0]
    if child.times > 1 and child.path == frame.path:
        frame.children, frame.times = child.children, child.times
        return simplify(frame)
    if frame.kind in CONTAINERS:
        return child
    if child.kind in CONTAINERS and child.times == 1:
        frame.children = child.children
    return frame


def shift(item, count):
    """Return an item whose numbers are larger by a count."""
    if not isinstance(item, Repeat):
        return item + count
    items = tuple(shift(part, count) for part in item.items)
    copies = tuple(tuple(shift(p, count) for p in copy) for copy in item.copies)
    return Repeat(items, copies)


def get_graph(recording):
    """Return what of a recording is drawn.

    Returns:
        nodes; the children of the whole picture, nodes by their numbers and Frames; the
        edges of each drawn node; and for each of them the nodes that it stands for.
    """
    nodes = drop_unused(recording['nodes'])
    inputs = [n for n, node in enumerate(nodes) if node['kind'] == 'input']
    # The inputs are the first nodes: an input between two blocks would hide that they
    # are equal.
    rest = nodes[len(inputs) :]

    def is_next(first, second):
        # Two sums of different tensors look the same, but are no steps of a loop.
        first = {number + len(inputs) for number in first}
        edges = [edge for number in second for edge in rest[number]['inputs']]
        return any(source in first for source, *_ in edges)

    items = fold([get_key(node) for node in rest], is_next)
    items = [shift(item, len(inputs)) for item in items]
    drawn = {number: number for number in inputs}
    find_drawn(items, drawn)
    edges, copies = {number: [] for number in drawn.values()}, {}
    for number, node in enumerate(nodes):
        here = drawn[number]
        copies.setdefault(here, []).append(number)
        for source, *shapes in node['inputs']:
            if drawn[source] not in [edge[0] for edge in edges[here]]:
                edges[here].append([drawn[source], *shapes])
    classes = {module['path']: module['class'] for module in recording['modules']}
    children = build_frames(items, '', nodes, classes)
    place_inputs(inputs, children, edges)
    drop_loops(edges, nodes, copies)
    return nodes, children, edges, copies


def drop_loops(edges, nodes, copies):
    """Drop, in place, the edges from a block to the next one: × N says it."""
    for target, inputs in edges.items():
        paths = {nodes[number]['path'] for number in copies[target]}
        is_stack = len(paths) > 1
        edges[target] = [e for e in inputs if e[0] < target or not is_stack]
