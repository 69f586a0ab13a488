"""Export a trained translator to ONNX, for programs without PyTorch.

    python export.py --model_fn model.pth --out_dir export

Writes five files into the folder: encoder.onnx and decoder.onnx, the two networks of
steps.py; x.model and y.model, the subwords, for SentencePiece; and model.json, which
says what goes in, what comes out and how to search. Then it translates with onnxruntime
step by step, and prints the `largest difference: 3.1e-06` of the logits to PyTorch's.
More than 1e-4 is an error.
"""

import json
import logging
import warnings
from pathlib import Path

from guards import (
    InputError,
    get_argparser,
    input_errors,
    load_checkpoint,
    log,
    run,
    write_file,
)

CHAPTER = '12_seq2seq'
TOLERANCE = 1e-4


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Export a trained network to ONNX.', has_model=False)
    p.add_argument('--model_fn', default='model.pth', help='the checkpoint')
    p.add_argument('--out_dir', default='export', help='the folder to write')
    return p


def get_inputs(start, step, bos_id):
    """Return inputs of the two networks, as examples of what they take.

    Arguments:
        start, step: the networks of steps.py.
        bos_id: the token that begins a sentence.

    Returns:
        A sentence, and the state after three steps of two hypotheses.
    """
    import torch

    x, y = torch.tensor([[4, 5, 6, 7, 8]]), torch.tensor([[bos_id, bos_id]])
    # |x| = (1, 5)
    # |y| = (1, 2)
    with torch.no_grad():
        memory, *state = start(x)
        state = [tensor.repeat_interleave(2, dim=1) for tensor in state]
        for _ in range(3):
            _, _, *state = step(y, memory, *state)
    return (x,), (y, memory, *state)


def export_network(network, inputs, fn):
    """Write a network to an ONNX file that takes inputs of any sizes.

    Arguments:
        network: Start or Step of steps.py.
        inputs: an example of its inputs.
        fn: the file.

    Returns:
        The version of ONNX's operators, and a dict with the names, types and shapes of
        the inputs and outputs.
    """
    import torch
    from onnx.helper import tensor_dtype_to_np_dtype

    # The exporter warns about its own parts.
    logging.getLogger('onnx_ir').setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            network.eval(),
            inputs,
            dynamo=True,
            verbose=False,
            input_names=list(network.inputs),
            output_names=list(network.outputs),
            dynamic_shapes=tuple(network.inputs.values()),
        )
    model = program.model_proto
    for node in model.graph.node:
        # The exporter's notes on a node contain paths of this machine.
        del node.metadata_props[:]
    description = {'file': fn.name}
    for side, values in ('inputs', model.graph.input), ('outputs', model.graph.output):
        description[side] = []
        for value in values:
            tensor = value.type.tensor_type
            # The exporter takes the output of an LSTM to be as long as in the example.
            for axis, name in getattr(network, side)[value.name].items():
                tensor.shape.dim[axis].dim_param = name
            kind = tensor_dtype_to_np_dtype(tensor.elem_type).name
            shape = [size.dim_param or size.dim_value for size in tensor.shape.dim]
            description[side].append({'name': value.name, 'type': kind, 'shape': shape})
    write_file(fn, model.SerializeToString())
    return model.opset_import[0].version, description


def describe(config):
    """Return what model.json says of the search; the networks are added to it.

    Arguments:
        config: the options of the training, a dict.
    """
    from data_loader import BOS_ID, EOS_ID, PAD_ID, UNKNOWN_ID
    from translate import define_argparser

    options = define_argparser().parse_args([])
    is_size = 'hidden_size', 'vec_size', 'ffn_size', 'n_layers', 'n_heads'
    return {
        'chapter': CHAPTER,
        'languages': [config['lang'][:2], config['lang'][2:]],
        'subwords': ['x.model', 'y.model'],
        'ids': {'pad': PAD_ID, 'unknown': UNKNOWN_ID, 'bos': BOS_ID, 'eos': EOS_ID},
        'sizes': {k: v for k, v in config.items() if k.endswith(is_size)},
        'hypotheses_axis': 1,
        'search': {
            'score': 'sum of the log-probabilities / length_penalty',
            'length_penalty': '((5 + n_tokens) / 6) ** alpha',
            'limit': 'min(int(max_ratio * x_length + max_extra), max_length)',
            'eos_counts': True,
            'alpha': options.length_penalty,
            'max_length': options.max_length,
            'max_ratio': options.max_ratio,
            'max_extra': options.max_extra,
            'beam_size': options.beam_size,
        },
    }


class Pair:
    """The network in PyTorch and in onnxruntime, side by side, for search.py.

    Arguments:
        model: the network in PyTorch.
        out_dir: the folder that was written.
    """

    def __init__(self, model, out_dir):
        from onnxruntime import InferenceSession

        self.model, self.differences = model, []
        self.encoder = InferenceSession(out_dir / 'encoder.onnx')
        self.decoder = InferenceSession(out_dir / 'decoder.onnx')
        self.names = [value.name for value in self.decoder.get_inputs()]

    def start(self, x, lengths):
        """Encode a source sentence; return the state before the first step."""
        self.state = self.model.start(x, lengths)
        self.memory, *self.tensors = self.encoder.run(None, {'x': x.numpy()})
        return self

    def step(self, y, state):
        """Return the logits of onnxruntime; note the largest difference to PyTorch's.

        Arguments:
            y: the last token of each hypothesis.
            state: what start() has returned.
        """
        import torch

        values = y.numpy(), self.memory, *self.tensors
        inputs = dict(zip(self.names, values, strict=True))
        logits, _, *self.tensors = self.decoder.run(None, inputs)
        logits = torch.from_numpy(logits)
        difference = (logits - self.model.step(y, self.state)).abs().max()
        self.differences.append(difference)
        return logits

    def select(self, rows):
        """Keep the given hypotheses, in this order.

        Arguments:
            rows: their numbers, a tensor of shape (1, n_hypotheses).
        """
        self.state.select(rows)
        self.tensors = [tensor[:, rows[0].numpy()] for tensor in self.tensors]


def compare(translator, out_dir):
    """Return the largest difference of the logits of onnxruntime to those of PyTorch.

    Arguments:
        translator: the Translator of translate.py.
        out_dir: the folder that was written.
    """
    import torch

    from data_loader import BOS_ID, EOS_ID
    from search import beam_search

    pair = Pair(translator.models[0], out_dir)
    generator = torch.Generator().manual_seed(0)
    vocab_size = len(translator.x_subwords)
    for length in (1, 2, 5, 20):
        # Random subwords are a sentence of any language.
        x = torch.randint(EOS_ID + 1, vocab_size, (1, length), generator=generator)
        beam_search(pair, x, torch.tensor([length]), BOS_ID, EOS_ID, max_length=40)
    return torch.stack(pair.differences).max().item()


def main(config):
    """Export, compare and describe."""
    import torch

    from data_loader import BOS_ID
    from steps import Start, Step
    from translate import Translator

    checkpoint = load_checkpoint(config.model_fn, CHAPTER)
    translator = Translator([config.model_fn], torch.device('cpu'), is_fast=False)
    out_dir = Path(config.out_dir)
    with input_errors(f'{out_dir}: cannot be written', OSError):
        out_dir.mkdir(parents=True, exist_ok=True)

    start, step = Start(translator.models[0]), Step(translator.models[0])
    x_inputs, y_inputs = get_inputs(start, step, BOS_ID)
    content = describe(checkpoint['config'])
    for name, network, inputs in (
        ('encoder', start, x_inputs),
        ('decoder', step, y_inputs),
    ):
        fn = out_dir / f'{name}.onnx'
        content['opset'], content[name] = export_network(network, inputs, fn)
        log(f'{fn}: {fn.stat().st_size:,} bytes')
    for side, name in zip(
        ('x_subwords', 'y_subwords'), content['subwords'], strict=True
    ):
        write_file(out_dir / name, checkpoint[side].numpy().tobytes())
    text = json.dumps(content, indent=2)
    write_file(out_dir / 'model.json', f'{text}\n'.encode())

    difference = compare(translator, out_dir)
    print(f'largest difference: {difference:.1e}')
    if not difference <= TOLERANCE:
        raise InputError(f'{out_dir}: expected a difference of at most {TOLERANCE}')


if __name__ == '__main__':
    run(main, define_argparser())
