"""The graph of one forward pass: modules and operations, and the tensors between them.

It is recorded while the pass runs. PyTorch calls a hook before and after each module,
and a TorchFunctionMode sees each function of torch that is called outside of layers.
What comes out of one node and goes into another is an edge.
"""

import inspect
import sys

import torch
from torch.overrides import TorchFunctionMode

# What is written in the boxes of functions. Those of JOINS are a box only where they
# join two tensors that come from different nodes, or look up rows of a parameter. All
# others that are not listed only give a tensor another shape, or compute a mask.
JOINS = {
    'add': '+',
    'sub': '−',
    'mul': '×',
    'truediv': '÷',
    'div': '÷',
    'where': 'select',
    'getitem': 'look up',
}
ALWAYS = {
    'cat': 'concatenate',
    'matmul': 'matrix product',
    'bmm': 'matrix product',
    'mean': 'mean',
    'amax': 'maximum',
    'sum': 'sum',
    'relu': 'ReLU',
    'tanh': 'tanh',
    'softmax': 'softmax',
    'digamma': 'digamma',
    'exp': 'exp',
    'log_sigmoid': 'log sigmoid',
    'log': 'log',
    'masked_fill': 'mask',
    'flatten': 'flatten',
    'embedding': 'look up',
    'pack_padded_sequence': 'pack',
    'pad_packed_sequence': 'pad',
    'scaled_dot_product_attention': 'attention',
}


def find_tensors(value):
    """Yield the tensors among arguments or results, in their order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from find_tensors(part)
    elif isinstance(value, dict):
        yield from find_tensors(list(value.values()))


def is_layer(module, is_root):
    """Tell whether a module is one box: nothing of what is inside is drawn."""
    if not is_root:
        return not any(module.children())
    kinds = (kind.__module__ for kind in type(module).__mro__[1:])
    return not any(module.children()) and any(
        name.startswith('torch.nn.') and name != 'torch.nn.modules.module'
        for name in kinds
    )


def get_operation(function):
    """Return the plain name of a function of torch: add for __iadd__ and add_."""
    name = getattr(function, '__name__', '').strip('_')
    if name.startswith(('radd', 'rsub', 'rmul', 'rtruediv', 'iadd', 'isub', 'imul')):
        name = name[1:]
    return name


class DataFlow(TorchFunctionMode):
    """Records the nodes of one pass, in the order in which they are computed.

    Attributes:
        nodes: a list of dicts. kind is input, layer or operation; name is what the box
            says; path is where a layer is, or the module that an operation is in;
            inputs are the edges: the number of a node, the shape that it gave, and the
            shape that arrived here, which a view in between may have changed; shape is
            that of the result.

    Arguments:
        root: the network, or None where a function is the pass.
    """

    def __init__(self, root=None):
        super().__init__()
        self.nodes = []
        self.paths, self.parameters = {}, {}
        if root is not None:
            self.paths = {id(part): name for name, part in root.named_modules()}
            named = [*root.named_parameters(), *root.named_buffers()]
            self.parameters = {id(tensor): name for name, tensor in named}
        # From the id of a tensor: the tensor, which is kept so that no other gets its
        # id; the node that it comes from; and the shape that the node gave.
        self.sources = {}
        # The layers that are running now: no function inside of them is a node.
        self.running = []

    def add(self, kind, name, given, result, **more):
        """Add a node with its edges, and note that the result comes from it."""
        inputs = []
        for tensor in find_tensors(given):
            if id(tensor) in self.sources:
                _, node, shape = self.sources[id(tensor)]
                # Hidden and cell state come from the same node: one edge is enough.
                if node not in [edge[0] for edge in inputs]:
                    inputs.append([node, shape, list(tensor.shape)])
        results = list(find_tensors(result))
        shape = list(results[0].shape) if results else []
        node = {'kind': kind, 'name': name, 'path': '', 'inputs': inputs}
        self.nodes.append(node | {'shape': shape} | more)
        for tensor in results:
            place = tensor, len(self.nodes) - 1, list(tensor.shape)
            self.sources[id(tensor)] = place

    def add_inputs(self, function, arguments):
        """Add a node for each tensor that a pass gets, with the name it has there."""
        names = inspect.signature(function).parameters
        for name, value in zip(names, arguments, strict=False):
            if isinstance(value, torch.Tensor) and value.dim() > 0:
                self.add('input', name, (), value)

    def start_layer(self, module):
        """Note that a layer runs: called before each module."""
        if self.running or is_layer(module, self.paths.get(id(module)) == ''):
            self.running.append(module)

    def end_layer(self, module, arguments, result):
        """Add a layer when it has run: called after each module."""
        if not self.running:
            return
        self.running.pop()
        if not self.running:
            detail = module.extra_repr()
            path = self.paths.get(id(module), '')
            more = {'path': path, 'detail': detail}
            self.add('layer', type(module).__name__, arguments, result, **more)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Call a function of torch, and follow the tensors through it."""
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        if not self.running:
            self.follow(get_operation(function), (args, kwargs), result)
        return result

    def find_owner(self):
        """Return the path of the module whose method calls a function of torch now."""
        frame = sys._getframe(1)
        while frame is not None:
            owner = frame.f_locals.get('self')
            if id(owner) in self.paths:
                return self.paths[id(owner)]
            frame = frame.f_back
        return ''

    def follow(self, operation, given, result):
        """Add a node for a function, or let its result come from where its input does.

        A result that is no floating-point number, such as a mask, is no node.
        """
        known = [t for t in find_tensors(given) if id(t) in self.sources]
        used = [self.parameters.get(id(t)) for t in find_tensors(given)]
        used = [name for name in used if name]
        results = list(find_tensors(result))
        # new_zeros() and ones_like() take no numbers from a tensor, only its kind.
        is_new = operation.startswith('new_') or operation.endswith('s_like')
        if is_new or not results or not (known or used):
            return
        # A mask only leaves out rows: it is no table that a row is looked up in.
        masks = [t for t in find_tensors(given) if t.dtype == torch.bool]
        if operation == 'getitem' and masks:
            known = known[:1]
        nodes = {self.sources[id(tensor)][1] for tensor in known}
        is_join = operation in JOINS and (len(nodes) > 1 or used)
        if (operation in ALWAYS or is_join) and results[0].is_floating_point():
            name = ALWAYS.get(operation) or JOINS[operation]
            more = {'path': self.find_owner(), 'detail': ', '.join(used)}
            self.add('operation', name, given, result, **more)
        elif known:
            _, node, shape = self.sources[id(known[0])]
            for tensor in results:
                self.sources[id(tensor)] = tensor, node, shape
