"""Export a model to ONNX, for programs without PyTorch.

    python export.py --model_fn model.pth --out_dir export

Writes into the folder two networks, encoder.onnx and decoder.onnx, the subword models
x.model and y.model, and model.json, which says what goes in and what comes out. Then it
translates with onnxruntime, and compares the logits of each step with PyTorch's.
"""

import json
import warnings
from pathlib import Path

from guards import InputError, get_argparser, input_errors, log, run, write_file

CHAPTER = '13_transformer'
TOLERANCE = 1e-4


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Export a model to ONNX.')
    p.add_argument('--out_dir', default='export', help='the folder to write')
    return p


def get_examples(start, step, bos_id):
    """Return an input of each network: a sentence, and three steps of two hypotheses.

    Arguments:
        start, step: the networks of steps.py.
        bos_id: the token that begins a sentence.
    """
    import torch

    x, y = torch.tensor([[4, 5, 6, 7, 8]]), torch.tensor([[bos_id, bos_id]])
    # |x| = (1, 5)
    # |y| = (1, 2)
    with torch.inference_mode():
        memory, *state = start(x)
        state = [tensor.repeat_interleave(2, dim=1) for tensor in state]
        for _ in range(3):
            _, _, *state = step(y, memory, *state)
    return (x,), (y, memory, *state)


def export_network(network, example, fn):
    """Write a network to an ONNX file.

    Arguments:
        network: Start or Step of steps.py.
        example: its inputs, of any lengths.
        fn: the file.

    Returns:
        The names, types and shapes of the inputs and outputs. A name in a shape is a
        size that may differ from call to call.
    """
    import torch
    from onnx.helper import tensor_dtype_to_np_dtype

    with warnings.catch_warnings():
        # The exporter warns about its own parts.
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            network.eval(),
            example,
            dynamo=True,
            verbose=False,
            input_names=list(network.inputs),
            output_names=list(network.outputs),
            dynamic_shapes=tuple(network.inputs.values()),
        )
    model = program.model_proto
    description = {'file': fn.name}
    for side in ('inputs', 'outputs'):
        description[side] = []
        for value in getattr(model.graph, side.removesuffix('s')):
            tensor = value.type.tensor_type
            # The exporter takes the output of an LSTM to be as long as in the example.
            for axis, name in getattr(network, side)[value.name].items():
                tensor.shape.dim[axis].dim_param = name
            shape = [size.dim_param or size.dim_value for size in tensor.shape.dim]
            kind = tensor_dtype_to_np_dtype(tensor.elem_type).name
            description[side].append({'name': value.name, 'type': kind, 'shape': shape})
    write_file(fn, model.SerializeToString())
    return description


def describe(checkpoint, networks):
    """Return the content of model.json.

    Arguments:
        checkpoint: what train.py has saved.
        networks: the descriptions of the networks, a dict.
    """
    from data_loader import BOS_ID, EOS_ID, PAD_ID, UNKNOWN_ID
    from translate import define_argparser

    options, config = define_argparser().parse_args([]), checkpoint['config']
    is_size = 'size', 'n_layers', 'n_heads'
    return {
        'chapter': checkpoint['chapter'],
        'languages': [config['lang'][:2], config['lang'][2:]],
        'subwords': ['x.model', 'y.model'],
        'ids': {'pad': PAD_ID, 'unknown': UNKNOWN_ID, 'bos': BOS_ID, 'eos': EOS_ID},
        'sizes': {k: v for k, v in config.items() if k.endswith(is_size)},
        **networks,
        # Of each tensor of the state.
        'hypotheses_axis': 1,
        'search': {
            'score': 'sum of the log-probabilities / length_penalty',
            'length_penalty': '((5 + n_tokens) / 6) ** alpha',
            'limit': 'min(2 * x_length + 10, max_length)',
            'alpha': options.length_penalty,
            'max_length': options.max_length,
            'beam_size': options.beam_size,
        },
    }


class Pair:
    """The network in PyTorch and in onnxruntime, side by side, for any search.

    Arguments:
        model: the network in PyTorch.
        out_dir: the folder that was written.
    """

    def __init__(self, model, out_dir):
        from onnxruntime import InferenceSession

        self.model, self.difference = model, 0.0
        self.encoder = InferenceSession(Path(out_dir, 'encoder.onnx'))
        self.decoder = InferenceSession(Path(out_dir, 'decoder.onnx'))
        self.names = [value.name for value in self.decoder.get_inputs()]

    def start(self, x, lengths):
        """Encode a source sentence."""
        self.state = self.model.start(x, lengths)
        self.memory, *self.tensors = self.encoder.run(None, {'x': x.numpy()})
        return self

    def step(self, y, state):
        """Return the logits of PyTorch; keep the largest difference to onnxruntime."""
        values = y.numpy(), self.memory, *self.tensors
        inputs = dict(zip(self.names, values, strict=True))
        found, _, *self.tensors = self.decoder.run(None, inputs)
        logits = self.model.step(y, self.state)
        # |logits| = (1, n_hypotheses, y_vocab_size)
        difference = abs(logits.numpy() - found).max().item()
        self.difference = max(self.difference, difference)
        return logits

    def select(self, rows):
        """Keep the given hypotheses, in this order."""
        self.state.select(rows)
        self.tensors = [tensor[:, rows[0].numpy()] for tensor in self.tensors]


def compare(translator, out_dir):
    """Return the largest difference of the logits in a few translations.

    Arguments:
        translator: the Translator of translate.py.
        out_dir: the folder that was written.
    """
    import torch

    from data_loader import BOS_ID, EOS_ID
    from search import beam_search

    pair = Pair(translator.models[0], out_dir)
    generator = torch.Generator().manual_seed(0)
    for length in (1, 2, 5, 20):
        # Random subwords are sentences of any language.
        vocab_size = len(translator.x_subwords)
        x = torch.randint(EOS_ID + 1, vocab_size, (1, length), generator=generator)
        beam_search(pair, x, torch.tensor([length]), BOS_ID, EOS_ID, 50)
    return pair.difference


def main(config):
    """Export, and compare."""
    from torch import device

    from data_loader import BOS_ID
    from guards import load_checkpoint
    from steps import Start, Step
    from translate import Translator

    checkpoint = load_checkpoint(config.model_fn, CHAPTER)
    translator = Translator([config.model_fn], device('cpu'), is_fast=False)
    out_dir = Path(config.out_dir)
    with input_errors(f'{out_dir}: can not be written', OSError):
        out_dir.mkdir(parents=True, exist_ok=True)

    start, step = (kind(translator.models[0]) for kind in (Start, Step))
    examples = get_examples(start, step, BOS_ID)
    networks = {
        name: export_network(network, example, out_dir / f'{name}.onnx')
        for name, network, example in zip(
            ('encoder', 'decoder'), (start, step), examples, strict=True
        )
    }
    for side in ('x', 'y'):
        content = checkpoint[f'{side}_subwords'].numpy().tobytes()
        write_file(out_dir / f'{side}.model', content)
    text = json.dumps(describe(checkpoint, networks), indent=2)
    write_file(out_dir / 'model.json', f'{text}\n'.encode())
    for fn in sorted(out_dir.iterdir()):
        log(f'{fn}: {fn.stat().st_size:,} bytes')

    difference = compare(translator, out_dir)
    print(f'largest difference: {difference:.1e}')
    if difference > TOLERANCE:
        raise InputError(f'{out_dir}: expected at most {TOLERANCE}')


if __name__ == '__main__':
    run(main, define_argparser())
