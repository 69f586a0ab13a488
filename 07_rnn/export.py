"""Export a trained network to ONNX, for programs without PyTorch.

    python export.py --model_fn model.pth --out_dir export

Writes three files into the folder: model.onnx, the network; model.json, which says what
goes in and what comes out; and examples.json, real digits and what the network answers,
to test a program with. Then it runs the network with onnxruntime, and prints the
`largest difference: 3.1e-06` to PyTorch's outputs. More than 1e-4 is an error.
"""

import json
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

CHAPTER = '07_rnn'
TOLERANCE = 1e-4


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Export a trained network to ONNX.', has_model=False)
    p.add_argument('--model_fn', default='model.pth', help='the checkpoint')
    p.add_argument('--out_dir', default='export', help='the folder to write')
    return p


def load_images():
    """Load images to compare with: scikit-learn's test digits, which are always there.

    Returns:
        x: a float tensor of shape (n_images, 784), whole numbers divided by 255.
        y: the labels, a long tensor of shape (n_images,).
    """
    from data_loader import load_digits

    x, y = load_digits(is_train=False)
    return (x * 255).round() / 255, y


def add_output(network, layer):
    """Make a network return also what one of its layers computes.

    Arguments:
        network: any network.
        layer: a part of it, whose first or only output is returned.
    """
    kept = []

    def keep(layer, inputs, output):
        kept.append(output[0] if isinstance(output, tuple) else output)

    layer.register_forward_hook(keep)
    network.register_forward_hook(lambda network, inputs, y_hat: (y_hat, kept.pop()))


def get_networks(checkpoint, x):
    """Build the networks to export.

    Arguments:
        checkpoint: what train.py has saved.
        x: images, a float tensor of shape (n_images, 784).

    Returns:
        A dict from the name of a network to a tuple: the network, the name of its
        input, inputs to compare on, and the names of its outputs.
    """
    from predict import load_model

    model, output_names = load_model(checkpoint), ['logits']
    if checkpoint['config']['model'] == 'rnn':
        # The hidden states of both directions, a row of each image after the other.
        add_output(model, model[-1].rnn)
        output_names.append('states')
    return {'model': (model, 'x', x, output_names)}


def export_network(network, name, inputs, output_names, fn):
    """Write a network to an ONNX file that takes batches of any size.

    Arguments:
        network, name, inputs, output_names: see get_networks().
        fn: the file.

    Returns:
        The version of ONNX's operators, and a dict with the names, types and shapes of
        the inputs and outputs.
    """
    import torch
    from onnx.helper import tensor_dtype_to_np_dtype

    with warnings.catch_warnings():
        # The exporter warns about its own parts.
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            network,
            (inputs[:2],),
            dynamo=True,
            verbose=False,
            input_names=[name],
            output_names=output_names,
            dynamic_shapes=({0: 'batch_size'},),
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
            kind = tensor_dtype_to_np_dtype(tensor.elem_type).name
            shape = [size.dim_param or size.dim_value for size in tensor.shape.dim]
            description[side].append({'name': value.name, 'type': kind, 'shape': shape})
    write_file(fn, model.SerializeToString())
    return model.opset_import[0].version, description


def compare(network, name, inputs, output_names, fn):
    """Return the largest difference between the outputs of PyTorch and onnxruntime.

    Arguments:
        network, name, inputs, output_names: see get_networks().
        fn: the ONNX file.
    """
    import torch
    from onnxruntime import InferenceSession

    session = InferenceSession(fn)
    differences = []
    for x in (inputs[:1], inputs[:7], inputs[:64]):
        with torch.no_grad():
            expected = network(x)
        expected = [expected] if len(output_names) == 1 else expected
        found = session.run(output_names, {name: x.numpy()})
        for ours, theirs in zip(expected, found, strict=True):
            differences.append((ours - torch.from_numpy(theirs)).abs().max())
    return torch.stack(differences).max().item()


def describe(checkpoint):
    """Return what model.json says about the data; the networks are added to it."""
    return {
        'chapter': CHAPTER,
        'dataset': checkpoint['config']['dataset'],
        'class_names': checkpoint['class_names'],
        'picture': {
            'shape': [28, 28],
            'order': 'row by row, from the top left corner',
            'paper': 0.0,
            'ink': 1.0,
            'digit_size': 20,
            'centre_of_mass': [14, 14],
            'normalisation': 'none: where one is needed, the network does it',
        },
        'probabilities': 'softmax of the logits',
    }


def get_examples(networks, x, y):
    """Return the content of examples.json: an image of each class, and its logits.

    Arguments:
        networks: what get_networks() returns.
        x, y: what load_images() returns.
    """
    import torch

    chosen = [y.tolist().index(label) for label in range(10)]
    network, _, _, output_names = networks['model']
    with torch.no_grad():
        outputs = network(x[chosen])
    logits = outputs if len(output_names) == 1 else outputs[0]
    pixels = (x[chosen] * 255).round().int()
    return {
        'labels': list(range(10)),
        'pixels': pixels.tolist(),
        'logits': logits.tolist(),
    }


def main(config):
    """Export, compare and describe."""
    checkpoint = load_checkpoint(config.model_fn, CHAPTER)
    out_dir = Path(config.out_dir)
    with input_errors(f'{out_dir}: cannot be written', OSError):
        out_dir.mkdir(parents=True, exist_ok=True)

    x, y = load_images()
    networks = get_networks(checkpoint, x)
    content, differences = describe(checkpoint), []
    for name, network in networks.items():
        fn = out_dir / f'{name}.onnx'
        content['opset'], content[name] = export_network(*network, fn)
        differences.append(compare(*network, fn))
        log(f'{fn}: {fn.stat().st_size:,} bytes')
    text = json.dumps(content, indent=2)
    write_file(out_dir / 'model.json', f'{text}\n'.encode())
    text = json.dumps(get_examples(networks, x, y))
    write_file(out_dir / 'examples.json', f'{text}\n'.encode())

    print(f'largest difference: {max(differences):.1e}')
    if not all(difference <= TOLERANCE for difference in differences):
        raise InputError(f'{out_dir}: expected a difference of at most {TOLERANCE}')


if __name__ == '__main__':
    run(main, define_argparser())
