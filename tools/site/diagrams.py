"""Draw the data flow of each chapter's network, from a pass that was really run.

    python tools/site/diagrams.py 12_seq2seq > diagram.svg

draw_diagram() returns inline SVG; static/diagrams.css has its colours. Each layer is a
box with its class and sizes, each function of torch that joins or changes tensors is a
small one. The shapes on the way are those of the recorded batch (record.py). Blocks and
time steps that are equal are drawn once, in a frame that says how many there are.
"""

import re
import sys
from html import escape
from unicodedata import east_asian_width

from graph import Frame, find_numbers, get_graph
from record import get_recording

# Sizes in CSS pixels: of the column of boxes, with the line that goes down through it,
# and of the lanes at its side for tensors that skip some boxes.
WIDTH = 264
AXIS = 106
BOX_HEIGHT = 26
OPERATION_HEIGHT = 20
CHARACTER = 6.6
MARGIN = 6
PAD = 7
TITLE_HEIGHT = 19
LANE = 9
GAP = 12
LINE_HEIGHT = 14

# How the sizes of a layer are written, from what PyTorch says about it.
SIZES = {
    'Linear': r'in_features=(\d+), out_features=(\d+)',
    'Embedding': r'(\d+), (\d+)',
    'Conv1d': r'(\d+), (\d+)',
    'Conv2d': r'(\d+), (\d+)',
    'LSTM': r'(\d+), (\d+)',
}
TEXTS = {
    'en': {
        'title': 'Data flow of {}',
        'batch': 'What happens to the first batch of {}, with the real shapes: ',
        'steps': '{} times',
        'parts': '{} parts',
    },
    'ko': {
        'title': '{}의 데이터 흐름',
        'batch': '{} 명령의 첫 배치가 지나는 단계와 실제 모양이에요: ',
        'steps': '{}번 반복',
        'parts': '{}조각',
    },
}


# ---- What the boxes say


def describe_layer(node):
    """Return the sizes of a layer in a few characters, such as 128 → 256."""
    kind, detail = node['name'], node.get('detail') or ''
    # A class of a chapter may be a linear layer, too.
    kind = 'Linear' if detail.startswith('in_features') else kind
    if kind in SIZES and (match := re.match(SIZES[kind], detail)):
        text = ' → '.join(match.groups())
        if kind == 'Embedding':
            text = ' × '.join(match.groups())
        if kind.startswith('Conv'):
            text = text.replace(' ', '')
            sizes = re.search(r'kernel_size=\(([\d, ]+)\), stride=\((\d+)', detail)
            text += f', {"×".join(re.findall("[0-9]+", sizes[1]))}'
            text += f', stride {sizes[2]}' if sizes[2] != '1' else ''
        return text + (', both ways' if 'bidirectional=True' in detail else '')
    if match := re.match(r'p=([\d.]+)|\(?(\d+)', detail):
        return f'p = {match[1]}' if match[1] else match[2]
    return ''


def write_shape(shape):
    """Return a shape as Python writes it."""
    return f'({shape[0]},)' if len(shape) == 1 else f'({", ".join(map(str, shape))})'


def write_text(x, y, text, name, anchor='start'):
    """Return a text in SVG."""
    place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
    return f'<text {place} class="{name}">{escape(text)}</text>'


def draw_box(node, box, modules):
    """Return a node as SVG.

    Arguments:
        node: of the recording.
        box: left, top, width and height.
        modules: the paths of all modules that this box stands for.
    """
    left, top, width, height = box
    kind = node['kind']
    data = f' data-modules="{escape(" ".join(modules))}"' if kind == 'layer' else ''
    round_by = height / 2 if kind == 'operation' else 5
    place = f'x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"'
    parts = [f'<g class="{kind}"{data}><rect {place} rx="{round_by:g}"/>']
    middle = top + height / 2 + 4
    if kind == 'layer':
        name = node['path'].rpartition('.')[2]
        name = '' if name.isdigit() else name
        text = f'{node["name"]} {describe_layer(node)}'.strip()
        if name:
            parts.append(write_text(left + 8, middle, name, 'name'))
            parts.append(write_text(left + width - 8, middle, text, 'size', 'end'))
        else:
            parts.append(write_text(left + width / 2, middle, text, 'size', 'middle'))
    else:
        text = get_label(node)
        parts.append(write_text(left + width / 2, middle, text, 'size', 'middle'))
    return ''.join([*parts, '</g>'])


def get_label(node):
    """Return what is written in the box of an input or of an operation."""
    detail = node.get('detail') or ''
    return f'{node["name"]} {detail}'.strip()


# ---- Where the boxes are


class Placer:
    """Places the boxes from top to bottom, and the frames around them.

    Attributes:
        boxes: left, top, width and height of each node that is drawn, by its number.
        frames, labels: SVG.
        y: where the next box begins.

    Arguments:
        nodes: of the recording.
        edges: for each node that is drawn, its edges: the number of a node, the shape
            that it gave and the shape that arrived.
        steps: how to write that steps repeat.
    """

    def __init__(self, nodes, edges, steps):
        self.nodes, self.edges, self.steps = nodes, edges, steps
        self.boxes, self.frames, self.labels = {}, [], []
        self.y, self.shape, self.order = MARGIN, None, []

    def place_all(self, children):
        """Place the whole picture."""
        self.order = list(find_numbers(children))
        self.place(children, MARGIN, MARGIN + WIDTH)

    def place(self, children, left, right, path=''):
        """Place nodes and frames one below the other, between two edges."""
        for child in children:
            if isinstance(child, Frame):
                self.place_frame(child, left, right, path)
            else:
                self.place_box(child, left, right)

    def place_frame(self, frame, left, right, path):
        """Place what is in a frame, and the frame around it."""
        top, index = self.y, len(self.frames)
        title, kind = self.get_title(frame, path)
        # A long name and a long class do not fit into one line.
        is_long = (len(title) + len(kind)) * CHARACTER > right - left - 2 * PAD
        self.y += TITLE_HEIGHT + is_long * LINE_HEIGHT
        self.place(frame.children, left + PAD, right - PAD, frame.path or path)
        height = self.y - top - GAP + PAD
        self.y = top + height + GAP
        place = f'x="{left:g}" y="{top:g}" width="{right - left:g}"'
        parts = [f'<rect {place} height="{height:g}" rx="8"/>']
        parts.append(write_text(left + PAD, top + 14, title, 'name'))
        y = top + 14 + is_long * LINE_HEIGHT
        parts.append(write_text(right - PAD, y, kind, 'size', 'end'))
        # A frame is behind the frames in it.
        self.frames.insert(index, f'<g class="frame">{"".join(parts)}</g>')

    def get_title(self, frame, path):
        """Return the name of a frame in the one around it, and its class."""
        name = frame.path.removeprefix(path).lstrip('.')
        if name.isdigit():
            name = f'{path.rpartition(".")[2]}.{name}'
        if not frame.kind:
            return '', self.steps.format(frame.times)
        if frame.times == 1:
            return name, frame.kind
        stem, _, first = name.rpartition('.')
        last = int(first) + frame.times - 1
        return f'{stem}.{first} – {last}'.lstrip('.'), f'{frame.kind} × {frame.times}'

    def place_box(self, number, left, right):
        """Place a node, and below it the shape of its result where that is new."""
        node = self.nodes[number]
        is_layer = node['kind'] in ('layer', 'program')
        width = right - left if is_layer else self.get_width(node, right - left)
        height = BOX_HEIGHT if is_layer else OPERATION_HEIGHT
        start = left if is_layer else max(left, AXIS - width / 2)
        self.boxes[number] = (start, self.y, width, height)
        self.y += height
        for text in self.get_shapes(number):
            self.y += LINE_HEIGHT
            self.labels.append(write_text(AXIS + 8, self.y - 2, text, 'shape'))
        self.y += GAP

    def get_width(self, node, largest):
        """Return how wide the box of an input or an operation is."""
        label = get_label(node)
        return min(largest, max(OPERATION_HEIGHT, len(label) * CHARACTER + 14))

    def get_shapes(self, number):
        """Return the shapes to write below a node: what it gives, and what arrives."""
        if 'lines' in self.nodes[number]:
            return self.nodes[number]['lines']
        place = self.order.index(number) + 1
        below = self.order[place] if place < len(self.order) else None
        direct = [edge for edge in self.edges.get(below, []) if edge[0] == number]
        shape = direct[0][1] if direct else self.get_given(number)
        texts = [] if direct and shape == self.shape else [write_shape(shape)]
        self.shape = shape if direct else None
        if direct and direct[0][2] != shape:
            self.shape = direct[0][2]
            texts.append(f'as {write_shape(self.shape)}')
        return texts

    def get_given(self, number):
        """Return the shape of what other nodes take from a node."""
        taken = [e[1] for edges in self.edges.values() for e in edges if e[0] == number]
        return taken[0] if taken else self.nodes[number]['shape']


# ---- The arrows


def find_nets(edges, order):
    """Return the tensors that do not go straight down, each with all its targets.

    Arguments:
        edges: for each node that is drawn, its edges.
        order: the numbers of the nodes from top to bottom.

    Returns:
        Pairs of a node and the nodes that take its result, the shortest way first.
    """
    above = dict(zip(order[1:], order[:-1], strict=True))
    nets = {}
    for target, inputs in edges.items():
        for source, *_ in inputs:
            if above.get(target) != source:
                is_back = source >= target
                nets.setdefault((source, is_back), []).append(target)
    return sorted(nets.items(), key=lambda net: abs(max(net[1]) - net[0][0]))


def overlaps(start, end, intervals):
    """Tell whether an interval has a part in common with one of some intervals."""
    return any(end > first and start < last for first, last in intervals)


def choose_lanes(nets, boxes):
    """Return a lane for each net, so that no two nets share a part of a lane."""
    taken, lanes = [], []
    for (source, _), targets in nets:
        heights = [boxes[number][1] for number in (source, *targets)]
        start, end = min(heights) - 4, max(heights) + BOX_HEIGHT + 4
        lane = 0
        while any(
            end > a and start < b for a, b in dict(enumerate(taken)).get(lane, [])
        ):
            lane += 1
        if lane == len(taken):
            taken.append([])
        taken[lane].append((start, end))
        lanes.append(lane)
    return lanes


def draw_net(net, x, boxes, nodes):
    """Return a tensor that skips boxes: out at the right, along a lane, and in.

    What goes from an encoder to a decoder, the memory, has a colour of its own.
    """
    (source, is_back), targets = net
    left, top, width, height = boxes[source]
    y = top + height * 0.7
    name = 'back' if is_back else ''
    is_memory = any(nodes[n]['path'].startswith('decoder') for n in targets)
    if is_memory and nodes[source]['path'].startswith('encoder'):
        name = 'memory'
    paths = [f'<path class="net" d="M{left + width:g} {y:g}H{x:g}"/>']
    for target in targets:
        left, top, width, height = boxes[target]
        end = top + height * 0.35
        line = f'M{x:g} {y:g}V{end:g}H{left + width + 5:g}'
        paths.append(f'<path class="net" d="{line}"/>')
        tip = f'M{left + width:g} {end:g}l6 -3.5v7z'
        paths.append(f'<path class="tip" d="{tip}"/>')
    return f'<g class="{name}">{"".join(paths)}</g>'


def draw_straight(edges, order, boxes):
    """Return the arrows from a box to the one below it."""
    arrows = []
    for above, below in zip(order[:-1], order[1:], strict=True):
        if above not in [source for source, *_ in edges[below]]:
            continue
        _, top, _, height = boxes[above]
        start, end = top + height, boxes[below][1]
        arrows.append(f'<path class="net" d="M{AXIS} {start:g}V{end - 5:g}"/>')
        arrows.append(f'<path class="tip" d="M{AXIS} {end:g}l-3.5 -6h7z"/>')
    return arrows


# ---- The diagrams


def get_pipeline(recording, texts):
    """Return nodes, children, edges and copies of programs that make text of text.

    Each program is a box, with what it has made of the first line below it; the last
    one makes a batch of another file, with the shapes that its comments have.
    """
    nodes, edges = [], {}

    def add(kind, name, lines, inputs=()):
        edges[len(nodes)] = [[source, lines, lines] for source in inputs]
        node = {'kind': kind, 'name': name, 'path': '', 'inputs': [], 'lines': lines}
        nodes.append(node | {'shape': []})

    first, *programs = recording['pipeline']
    add('input', first['program'], split_lines(first['text']))
    for step in programs:
        n_parts = len(step['text'].split())
        lines = [*split_lines(step['text']), texts['parts'].format(n_parts)]
        add('program', step['program'], lines, [len(nodes) - 1])
    # The last two programs read the same text.
    edges[len(nodes) - 1] = [[len(nodes) - 3, [], []]]
    add('input', 'sample.train.tsv', [])
    comments = [recording['comments'][step['comment']] for step in recording['trace']]
    lines = [f'{c["tensor"]} {write_shape(c["shape"])}' for c in comments]
    add('program', recording['command'].split()[1], lines, [len(nodes) - 1])
    numbers = range(len(nodes))
    return nodes, list(numbers), edges, {number: [number] for number in numbers}


def count_columns(text):
    """Return how wide a text is: a Korean character is as wide as two letters."""
    return sum(1 + (east_asian_width(character) == 'W') for character in text)


def split_lines(text, largest=22):
    """Return the words of a text in lines of so many columns at most."""
    lines = ['']
    for word in text.split():
        if lines[-1] and count_columns(f'{lines[-1]} {word}') > largest:
            lines.append('')
        lines[-1] = f'{lines[-1]} {word}'.strip()
    return lines


def draw_diagram(chapter, language='en'):
    """Return the diagram of a chapter as inline SVG.

    Arguments:
        chapter: its name, as all_chapters() gives it.
        language: en or ko, of the title and of what is not code.
    """
    recording = get_recording(chapter)
    texts = TEXTS[language]
    if recording['pipeline']:
        nodes, children, edges, copies = get_pipeline(recording, texts)
    else:
        nodes, children, edges, copies = get_graph(recording)
    placer = Placer(nodes, edges, texts['steps'])
    placer.place_all(children)
    nets = find_nets(edges, placer.order)
    lanes = choose_lanes(nets, placer.boxes)
    first = MARGIN + WIDTH + LANE
    arrows = draw_straight(edges, placer.order, placer.boxes)
    for net, lane in zip(nets, lanes, strict=True):
        arrows.append(draw_net(net, first + lane * LANE, placer.boxes, nodes))
    boxes = [
        draw_box(nodes[n], placer.boxes[n], [nodes[c]['path'] for c in copies[n]])
        for n in placer.order
    ]
    parts = [*placer.frames, *arrows, *boxes, *placer.labels]
    size = first + (max(lanes, default=-1) + 1) * LANE + MARGIN, placer.y
    lead = texts['batch'].format(recording['command'])
    text = describe(nodes, placer.order, copies)
    return wrap(chapter, language, size, parts, lead + text)


def describe(nodes, order, copies):
    """Return in words what the diagram shows: each box and the shape of its result."""
    steps = []
    for number in order:
        node, times = nodes[number], len(copies[number])
        name = get_label(node) if node['kind'] != 'layer' else node['name']
        result = ' '.join(node.get('lines', [])) or write_shape(node['shape'])
        steps.append(f'{name} {result}' + f' × {times}' * (times > 1))
    return ', '.join(steps) + '.'


def wrap(chapter, language, size, parts, description):
    """Return SVG with a title and a description that screen readers find."""
    name = f'diagram-{chapter.replace("/", "_")}'
    width, height = size
    title = TEXTS[language]['title'].format(chapter)
    return (
        f'<svg class="diagram" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-labelledby="{name}-title {name}-text" '
        f'xmlns="http://www.w3.org/2000/svg"><title id="{name}-title">{escape(title)}'
        f'</title><desc id="{name}-text">{escape(description)}</desc>'
        f'{"".join(parts)}</svg>'
    )


if __name__ == '__main__':
    print(draw_diagram(sys.argv[1]))
