"""Export a trained network to ONNX, for programs without PyTorch.

    python export.py --model_fn model.pth --out_dir export

Writes three files into the folder: model.onnx, the network; model.json, all else that a
program needs, from the characters of a text to the name of its class; and
examples.json, texts with their token ids and logits, to test a program with. Then it
runs the network with onnxruntime, and prints the `largest difference: 3.1e-06` to
PyTorch's logits. More than 1e-4 is an error.
"""

import base64
import json
import warnings
from pathlib import Path

from guards import InputError, get_argparser, input_errors, log, run, write_file

CHAPTER = '10_text_classification'
TOLERANCE = 1e-4

# An empty one, and one with all that refine() changes.
EXAMPLES = ['정말 좋았다', ' 재미\u3000없다\t!!!! ㅋㅋㅋㅋㅋ 😀😀😀 ', '재미없다', '']


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Export a trained network to ONNX.', has_model=False)
    p.add_argument('--model_fn', default='model.pth', help='the checkpoint')
    p.add_argument('--out_dir', default='export', help='the folder to write')
    return p


def get_network(model):
    """Return a network that can be exported, and computes the same as a classifier.

    Raises:
        InputError: this version of torch can't export an LSTM.
    """
    import torch

    from model import SequenceClassifier
    from onnx_parts import OnnxSequenceClassifier

    if not isinstance(model, SequenceClassifier):
        return model
    if not hasattr(torch.onnx, 'ops'):
        raise InputError(f'torch {torch.__version__}: to export an LSTM needs 2.8')
    return OnnxSequenceClassifier(model)


def export_network(network, x, lengths, fn):
    """Write a network to an ONNX file that takes batches of any size and length.

    Arguments:
        network: what get_network() returned.
        x, lengths: a batch, as an example.
        fn: the file.

    Returns:
        The version of ONNX's operators, and a dict with the names, types and shapes of
        the inputs and outputs.
    """
    import torch
    from onnx.helper import tensor_dtype_to_np_dtype

    from onnx_parts import search_sorted

    with warnings.catch_warnings():
        # The exporter warns about its own parts.
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            network.eval(),
            (x, lengths),
            dynamo=True,
            verbose=False,
            input_names=['x', 'lengths'],
            output_names=['logits'],
            dynamic_shapes=({0: 'batch_size', 1: 'length'}, {0: 'batch_size'}),
            custom_translation_table={
                torch.ops.aten.searchsorted.Tensor: search_sorted
            },
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


def get_batch(sizes, classifier):
    """Return a batch of random tokens of random lengths, the first text the longest.

    Arguments:
        sizes: the number of texts, and that of the tokens of the longest one.
        classifier: the Classifier of predict.py.

    Returns:
        x: a long tensor of shape (batch_size, length).
        lengths: a long tensor of shape (batch_size,).
    """
    import torch

    generator, vocabulary = torch.Generator().manual_seed(0), classifier.vocabulary
    batch_size, length = sizes[0], min(sizes[1], classifier.config['max_length'])
    x = torch.randint(len(vocabulary), (batch_size, length), generator=generator)
    # |x| = (batch_size, length)
    lengths = torch.randint(1, length + 1, (batch_size,), generator=generator)
    # |lengths| = (batch_size,)
    lengths[0] = length
    x[torch.arange(length) >= lengths.unsqueeze(1)] = vocabulary.pad_id
    return x, lengths


def compare(classifier, fn):
    """Return the largest difference between the logits of PyTorch and onnxruntime.

    Arguments:
        classifier: the Classifier of predict.py.
        fn: the ONNX file.
    """
    import torch
    from onnxruntime import InferenceSession

    session = InferenceSession(fn)
    differences = []
    for sizes in [(1, 1), (2, 5), (7, 40), (16, 9)]:
        x, lengths = get_batch(sizes, classifier)
        with torch.no_grad():
            logits = classifier.model(x, lengths)
        (found,) = session.run(None, {'x': x.numpy(), 'lengths': lengths.numpy()})
        differences.append((logits - torch.from_numpy(found)).abs().max())
    return torch.stack(differences).max().item()


def to_text(value):
    """Return plain data for JSON: bytes, which are tensors, as text in base64."""
    if isinstance(value, dict):
        return {name: to_text(part) for name, part in value.items()}
    has_text = isinstance(value, str | int)
    return value if has_text else base64.b64encode(value.numpy()).decode('ascii')


def describe(classifier):
    """Return what model.json says about the texts; the network is added to it.

    Arguments:
        classifier: the Classifier of predict.py.
    """
    from n_grams import split_characters
    from tokenizer import refine

    vocabulary = classifier.vocabulary
    # No character beyond these is white space.
    characters = map(chr, range(0x3001))
    return {
        'chapter': CHAPTER,
        'class_names': classifier.class_names,
        'refine': {
            'normalization': 'NFC',
            'white_space': ''.join(c for c in characters if refine(f'a{c}a') == 'a a'),
            'max_repeats': len(refine('a' * 9)),
        },
        'tokenizer': to_text(classifier.tokenizer.state_dict()),
        'tokens': vocabulary.tokens,
        'character_prefix': split_characters('a')[0].removesuffix('a'),
        'ids': {'pad': vocabulary.pad_id, 'unknown': vocabulary.unknown_id},
        'max_length': classifier.config['max_length'],
        'probabilities': 'softmax of the logits',
    }


def get_examples(classifier):
    """Return the content of examples.json: texts, their token ids and their logits."""
    import torch

    id_lists, logits = classifier.encode(EXAMPLES), []
    for ids in id_lists:
        with torch.no_grad():
            y_hat = classifier.model(torch.tensor([ids]), torch.tensor([len(ids)]))
        # |y_hat| = (1, output_size)
        logits += y_hat.tolist()
    return {'texts': EXAMPLES, 'ids': id_lists, 'logits': logits}


def main(config):
    """Export, compare and describe."""
    from predict import Classifier
    from torch import device

    classifier = Classifier(config.model_fn, device('cpu'))
    out_dir = Path(config.out_dir)
    with input_errors(f'{out_dir}: cannot be written', OSError):
        out_dir.mkdir(parents=True, exist_ok=True)

    fn, content = out_dir / 'model.onnx', describe(classifier)
    network = get_network(classifier.model)
    content['opset'], content['model'] = export_network(
        network, *get_batch((2, 3), classifier), fn
    )
    difference = compare(classifier, fn)
    log(f'{fn}: {fn.stat().st_size:,} bytes')
    text = json.dumps(content, ensure_ascii=False, indent=2)
    write_file(out_dir / 'model.json', f'{text}\n'.encode())
    text = json.dumps(get_examples(classifier), ensure_ascii=False)
    write_file(out_dir / 'examples.json', f'{text}\n'.encode())

    print(f'largest difference: {difference:.1e}')
    if not difference <= TOLERANCE:
        raise InputError(f'{out_dir}: expected a difference of at most {TOLERANCE}')


if __name__ == '__main__':
    run(main, define_argparser())
