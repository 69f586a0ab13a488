"""Export a classifier to ONNX, for programs in other languages.

    python export.py --model_fn model.pth --out_dir export

Writes two files into the folder: model.onnx, the network, and model.json, all else that
a program needs, from the tokens to the names of the classes. Then it runs the network
in onnxruntime, and prints its largest difference to PyTorch.
"""

import base64
import json
import warnings
from pathlib import Path

import torch
from torch import nn

from guards import InputError, get_argparser, input_errors, log, run, write_file

TOLERANCE = 1e-4


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Export a classifier to ONNX.')
    p.add_argument('--out_dir', default='export', help='folder of the files to write')
    return p


def search_sorted(known, keys, **options):
    """Return what torch.searchsorted() returns, computed with operators of ONNX.

    ONNX has no such operator. This is a binary search: the steps are halved until each
    index is that of the largest known key that is not larger than its own key.

    Arguments:
        known: a sorted tensor whose first entry is smaller than all keys.
        keys: a tensor of any shape.
        options: of torch.searchsorted(); not used here.
    """
    from onnxscript import opset18 as op

    last = known.shape[0] - 1
    index = op.Sub(keys, keys)
    for step in (2**i for i in reversed(range(last.bit_length()))):
        further = op.Min(op.Add(index, op.Constant(value_int=step)), last)
        index = op.Where(op.LessOrEqual(op.Gather(known, further), keys), further, index)
    return index


class OnnxSequenceClassifier(nn.Module):
    """A SequenceClassifier in evaluation mode, with the LSTM operator of ONNX.

    PyTorch has to pack the sequences; the operator of ONNX takes their lengths.

    Arguments:
        model: the SequenceClassifier.
    """

    def __init__(self, model):
        super().__init__()
        self.embedding, self.linear = model.embedding, model.linear
        self.hidden_size, self.n_layers = model.rnn.hidden_size, model.rnn.num_layers
        for i in range(self.n_layers):
            for kind, values in self.get_weights(model.rnn, i).items():
                self.register_buffer(f'{kind}_{i}', values)

    @staticmethod
    def get_weights(rnn, layer):
        """Return the weights of a layer in the layout of ONNX.

        Both directions are in one tensor. The gates are in another order: input,
        output, forget and cell; PyTorch has input, forget, cell and output.
        """

        def get_gates(name):
            directions = []
            for suffix in ('', '_reverse'):
                gates = getattr(rnn, f'{name}_l{layer}{suffix}').detach().chunk(4)
                directions.append(torch.cat([gates[i] for i in (0, 3, 1, 2)]))
            return torch.stack(directions)

        bias = torch.cat([get_gates('bias_ih'), get_gates('bias_hh')], dim=1)
        return {'w': get_gates('weight_ih'), 'r': get_gates('weight_hh'), 'b': bias}

    def forward(self, x, lengths):
        """Return the logits of a batch of texts."""
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        x = self.embedding(x).transpose(0, 1)
        # |x| = (length, batch_size, vec_size)
        (length, batch_size), size = x.shape[:2], self.hidden_size
        for i in range(self.n_layers):
            weights = [self.get_buffer(f'{kind}_{i}') for kind in 'wrb']
            y, h_n = torch.onnx.ops.symbolic_multi_out(
                'LSTM',
                (x, *weights, lengths.int()),
                {'direction': 'bidirectional', 'hidden_size': size},
                dtypes=(x.dtype, x.dtype),
                shapes=((length, 2, batch_size, size), (2, batch_size, size)),
            )
            # |y| = (length, 2, batch_size, hidden_size)
            # |h_n| = (2, batch_size, hidden_size)
            x = y.transpose(1, 2).flatten(2)
            # |x| = (length, batch_size, hidden_size * 2)
        y_hat = self.linear(torch.cat([h_n[0], h_n[1]], dim=-1))
        # |y_hat| = (batch_size, output_size)
        return y_hat


def get_batch(sizes, vocabulary_size, pad_id):
    """Return a batch of random token ids, the first of them without padding.

    Arguments:
        sizes: the number of texts, and that of the tokens of the longest one.
        vocabulary_size: the number of different tokens.
        pad_id: the id of the padding.

    Returns:
        x: a long tensor of shape (batch_size, length).
        lengths: a long tensor of shape (batch_size,).
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(vocabulary_size, sizes, generator=generator)
    # |x| = (batch_size, length)
    lengths = torch.randint(1, sizes[1] + 1, sizes[:1], generator=generator)
    # |lengths| = (batch_size,)
    lengths[0] = sizes[1]
    x[torch.arange(sizes[1]) >= lengths.unsqueeze(1)] = pad_id
    return x, lengths


def export_network(model, example, fn):
    """Write a network to an ONNX file; batch size and length may be any.

    Arguments:
        model: one of the classifiers.
        example: a batch, x and lengths.
        fn: the file to write.
    """
    from model import SequenceClassifier

    if isinstance(model, SequenceClassifier):
        if not hasattr(torch.onnx, 'ops'):
            raise InputError('an LSTM needs torch 2.8 or later to be exported')
        model = OnnxSequenceClassifier(model).eval()
    batch_size, length = map(torch.export.Dim, ('batch_size', 'length'))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            model,
            example,
            dynamo=True,
            verbose=False,
            input_names=['x', 'lengths'],
            output_names=['y_hat'],
            dynamic_shapes=({0: batch_size, 1: length}, {0: batch_size}),
            custom_translation_table={torch.ops.aten.searchsorted.Tensor: search_sorted},
        )
    write_file(fn, program.model_proto.SerializeToString())


def describe(classifier):
    """Return all that a program needs beside the network, for JSON.

    Arguments:
        classifier: the Classifier of predict.py.
    """
    from n_grams import split_characters
    from tokenizer import refine

    def to_text(value):
        """Return bytes as text: the model of a tokenizer, in base64."""
        if isinstance(value, dict):
            return {name: to_text(part) for name, part in value.items()}
        is_bytes = isinstance(value, torch.Tensor)
        return base64.b64encode(value.numpy()).decode() if is_bytes else value

    vocabulary = classifier.vocabulary
    characters = map(chr, range(0x3001))
    return {
        'chapter': '10_text_classification',
        'model': classifier.config['model'],
        'inputs': {'x': ['batch_size', 'length'], 'lengths': ['batch_size']},
        'outputs': {'y_hat': ['batch_size', len(classifier.class_names)]},
        'class_names': classifier.class_names,
        'refine': {
            'normalization': 'NFC',
            'white_space': ''.join(c for c in characters if refine(f'a{c}a') == 'a a'),
            'max_repeats': len(refine('a' * 9)),
        },
        'tokenizer': to_text(classifier.tokenizer.state_dict()),
        'tokens': vocabulary.tokens,
        'character_prefix': split_characters('a')[0].removesuffix('a'),
        'pad_id': vocabulary.pad_id,
        'unknown_id': vocabulary.unknown_id,
        'max_length': classifier.config['max_length'],
    }


def compare(classifier, fn):
    """Return the largest difference of the logits of onnxruntime to those of PyTorch.

    Arguments:
        classifier: the Classifier of predict.py.
        fn: the ONNX file.
    """
    from onnxruntime import InferenceSession

    session, differences = InferenceSession(fn), []
    vocabulary, max_length = classifier.vocabulary, classifier.config['max_length']
    for sizes in [(1, 1), (2, 5), (7, 40), (16, 9)]:
        sizes = sizes[0], min(sizes[1], max_length)
        x, lengths = get_batch(sizes, len(vocabulary), vocabulary.pad_id)
        with torch.inference_mode():
            y_hat = classifier.model(x, lengths)
            # |y_hat| = (batch_size, output_size)
        (found,) = session.run(None, {'x': x.numpy(), 'lengths': lengths.numpy()})
        differences.append((y_hat - torch.from_numpy(found)).abs().max().item())
    return max(differences)


def main(config):
    """Export and compare."""
    from predict import Classifier

    classifier = Classifier(config.model_fn, torch.device('cpu'))
    out_dir = Path(config.out_dir)
    with input_errors(f'{out_dir}: can not be written', OSError):
        out_dir.mkdir(parents=True, exist_ok=True)
    network_fn, description_fn = out_dir / 'model.onnx', out_dir / 'model.json'

    vocabulary = classifier.vocabulary
    example = get_batch((2, 3), len(vocabulary), vocabulary.pad_id)
    export_network(classifier.model, example, network_fn)
    text = json.dumps(describe(classifier), ensure_ascii=False, indent=1)
    write_file(description_fn, text.encode())
    for fn in (network_fn, description_fn):
        log(f'{fn}: {fn.stat().st_size / 1e6:.1f} MB')

    difference = compare(classifier, network_fn)
    print(f'largest difference: {difference:.1e}')
    if not difference <= TOLERANCE:
        raise InputError(f'{network_fn}: expected at most {TOLERANCE:.0e}')


if __name__ == '__main__':
    run(main, define_argparser())
