"""Export word vectors to ONNX, for programs without PyTorch and gensim.

    python export.py --model_fn model.pth --out_dir export

Writes three files into the folder: model.onnx, which computes the vectors of words from
the rows of their parts; model.json, which says how to find these rows; and
examples.json, words with their rows, to test a program with. Then it runs the network
with onnxruntime, and prints the `largest difference: 3.1e-06` to gensim's vectors, all
at length 1. More than 1e-4 is an error.
"""

import json
import warnings
from pathlib import Path

from guards import InputError, get_argparser, input_errors, log, run, write_file

CHAPTER = '09_word_embedding'
TOLERANCE = 1e-4


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Export word vectors to ONNX.', has_model=False)
    p.add_argument('--model_fn', default='model.pth', help='the checkpoint')
    p.add_argument('--out_dir', default='export', help='the folder to write')
    return p


def export_network(network, x, fn):
    """Write a network to an ONNX file that takes batches of any size and length.

    Arguments:
        network: the WordVectors of onnx_parts.py.
        x: a batch, as an example.
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
            (x,),
            dynamo=True,
            verbose=False,
            input_names=['x'],
            output_names=['vectors'],
            dynamic_shapes=({0: 'batch_size', 1: 'length'},),
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


def compare(rows, fn):
    """Return the largest difference between the vectors of gensim and onnxruntime.

    Arguments:
        rows: the Rows of onnx_parts.py.
        fn: the ONNX file.
    """
    from onnxruntime import InferenceSession

    session = InferenceSession(fn)
    differences = []
    for batch_size in (1, 7, 64):
        # The rarest words, which have the fewest steps of training, and the longest.
        for words in (
            rows.words[-batch_size:],
            sorted(rows.words, key=len)[-batch_size:],
        ):
            (found,) = session.run(None, {'x': rows.get_batch(words).numpy()})
            for word, vector in zip(words, found, strict=True):
                expected = rows.vectors.get_vector(word, norm=True)
                differences.append(abs(expected - vector).max().item())
    return max(differences)


def describe(rows):
    """Return what model.json says about the words; the network is added to it."""
    vectors = rows.vectors
    return {
        'chapter': CHAPTER,
        'n_grams': {
            'text': '<word>, in lower case; < or > alone is none',
            'min_n': vectors.min_n,
            'max_n': vectors.max_n,
            'bucket': 'the hash of the n-gram modulo n_buckets',
            'hash': 'FNV-1a of 32 bits over the bytes in UTF-8, which have a sign',
            'n_buckets': vectors.bucket,
        },
        'rows': {
            'pad': 0,
            'words': 'from 1 on, in the order of words',
            'buckets': f'from {rows.first_row} on, in the order of buckets',
        },
        'words': rows.words,
        'buckets': rows.buckets,
    }


def get_examples(rows):
    """Return the content of examples.json: words and their rows."""
    words = [rows.words[0], rows.words[-1], f'{rows.words[0]}é{rows.words[-1]}']
    return {'words': words, 'rows': [rows.get_rows(word) for word in words]}


def main(config):
    """Export, compare and describe."""
    from model import load_vectors
    from onnx_parts import Rows, WordVectors

    rows = Rows(load_vectors(config.model_fn))
    out_dir = Path(config.out_dir)
    with input_errors(f'{out_dir}: cannot be written', OSError):
        out_dir.mkdir(parents=True, exist_ok=True)

    fn, content = out_dir / 'model.onnx', describe(rows)
    network, x = WordVectors(rows.get_table()), rows.get_batch(rows.words[:2])
    content['opset'], content['model'] = export_network(network, x, fn)
    difference = compare(rows, fn)
    log(f'{fn}: {fn.stat().st_size:,} bytes')
    text = json.dumps(content, ensure_ascii=False)
    write_file(out_dir / 'model.json', f'{text}\n'.encode())
    text = json.dumps(get_examples(rows), ensure_ascii=False)
    write_file(out_dir / 'examples.json', f'{text}\n'.encode())

    print(f'largest difference: {difference:.1e}')
    if not difference <= TOLERANCE:
        raise InputError(f'{out_dir}: expected a difference of at most {TOLERANCE}')


if __name__ == '__main__':
    run(main, define_argparser())
