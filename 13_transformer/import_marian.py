"""Import a translator of Marian, as the library transformers keeps it.

    python import_marian.py opus-mt-ko-en --model_fn marian.pth

The folder has config.json, model.safetensors or pytorch_model.bin, source.spm,
target.spm and vocab.json. It becomes a checkpoint for translate.py, whose logits are
those of MarianMTModel. What differs from a network of train.py:

- Post-LN, another activation and a bias of the logits are options of model.py.
- Marian's encodings of positions have all sines first, then all cosines. What a feature
  means is decided by the weights, so here the features get another order.
- The tokens get the order of our ids: padding, unknown, BOS, EOS, then all others. The
  decoder of Marian begins with its padding, so the vector of this token becomes BOS.
- Padding and BOS get a bias that makes them impossible in a translation.
- A source sentence ends with EOS: translate.py appends it.
"""

import json
from pathlib import Path

from guards import (
    InputError,
    check_model_fn,
    get_argparser,
    input_errors,
    log,
    run,
    save_checkpoint,
)
from train import languages
from utils import to_tensor

# Our parts of a block, and those of transformers.
PARTS = {
    'attention.query': ['self_attn.q_proj'],
    'attention.key_value': ['self_attn.k_proj', 'self_attn.v_proj'],
    'attention.output': ['self_attn.out_proj'],
    'attention_norm': ['self_attn_layer_norm'],
    'memory_attention.query': ['encoder_attn.q_proj'],
    'memory_attention.key_value': ['encoder_attn.k_proj', 'encoder_attn.v_proj'],
    'memory_attention.output': ['encoder_attn.out_proj'],
    'memory_norm': ['encoder_attn_layer_norm'],
    'ffn.0': ['fc1'],
    'ffn.3': ['fc2'],
    'ffn_norm': ['final_layer_norm'],
}
# What config.json has to say, or not to say at all.
EXPECTED = {
    'model_type': 'marian',
    'share_encoder_decoder_embeddings': True,
    'tie_word_embeddings': True,
    'normalize_before': False,
    'normalize_embedding': False,
    'add_final_layer_norm': False,
    'static_position_embeddings': True,
}
# The name in config.json, and that of --activation.
ACTIVATIONS = {'relu': 'relu', 'gelu': 'gelu', 'swish': 'silu', 'silu': 'silu'}
# A bias of the logits that leaves no probability, and of the logit no digit.
NEVER = -1e9


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Import a translator of Marian.', has_model=False)
    p.add_argument('folder', help='the folder of the translator')
    p.add_argument('--model_fn', default='model.pth', help='the checkpoint to write')
    lang_help = 'source and target language, the endings of files'
    p.add_argument('--lang', type=languages, default='koen', help=lang_help)
    return p


def read_config(folder):
    """Read config.json, and check that it describes a network that model.py can be.

    Returns:
        A dict of what it says.

    Raises:
        InputError: it can't be read, or the network is another one.
    """
    fn = folder / 'config.json'
    with input_errors(f'{fn}: expected the configuration of a Marian model'):
        config = json.loads(fn.read_text(encoding='utf-8'))
        for name, expected in EXPECTED.items():
            check(fn, name, config.get(name, expected), [expected])
        check(fn, 'activation_function', config['activation_function'], ACTIVATIONS)
        for name in ('layers', 'ffn_dim', 'attention_heads'):
            found = config[f'decoder_{name}']
            check(fn, f'decoder_{name}', found, [config[f'encoder_{name}']])
    return config


def check(fn, name, found, supported):
    """Fail if the value of an option is not among those that are supported."""
    if found not in supported:
        expected = ' or '.join(json.dumps(value) for value in supported)
        expected = f'{fn}: expected "{name}": {expected}'
        raise InputError(f'{expected}, found {json.dumps(found)}')


def read_weights(folder):
    """Return the state dict of a MarianMTModel, and what its configuration is.

    Raises:
        InputError: the files can't be read, contain more than weights, or lack some.
    """
    from transformers import MarianMTModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with input_errors(f'{folder}: expected the weights of a Marian model'):
        model, report = MarianMTModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True
        )
        missing = {name for name in report['missing_keys'] if 'embed_p' not in name}
        missing = sorted(missing - {'final_logits_bias'})
        if missing or report['mismatched_keys']:
            found = f'{len(missing)} are missing' if missing else 'other sizes'
            raise InputError(f'{folder}: expected all weights of config.json, {found}')
    return model.float().state_dict(), model.config


def read_tokens(folder, n_tokens):
    """Return the tokens of vocab.json, in the order of their ids."""
    fn = folder / 'vocab.json'
    with input_errors(f'{fn}: expected a dict from tokens to ids below {n_tokens}'):
        tokens = [f'<unused {i}>' for i in range(n_tokens)]
        for token, i in json.loads(fn.read_text(encoding='utf-8')).items():
            tokens[i] = token
        tokens.index('<unk>')
    return tokens


def read_subwords(fn):
    """Return the SentencePiece model of a file, a ModelProto."""
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    proto = ModelProto()
    with input_errors(f'{fn}: expected a model of SentencePiece'):
        proto.ParseFromString(fn.read_bytes())
        if not proto.pieces:
            raise InputError(f'{fn}: expected a model of SentencePiece, found no piece')
    return proto


def order_tokens(tokens, protos, config):
    """Give the tokens our order.

    Subwords that are not in vocab.json have no row in Marian, which reads them as
    unknown. They come last: without them, a sentence would be divided in another way.

    Arguments:
        tokens: in Marian's order.
        protos: the SentencePiece models of the two languages.
        config: the configuration of the network.

    Returns:
        The tokens, for each of them the number of its row, and how many are in
        vocab.json.
    """
    start, unknown = config.decoder_start_token_id, tokens.index('<unk>')
    rows = [config.pad_token_id, unknown, start, config.eos_token_id]
    rows += [i for i in range(len(tokens)) if i not in rows]
    names = ['<pad>', '<unk>', '<s>', '</s>', *(tokens[i] for i in rows[4:])]
    others = [
        piece.piece
        for proto in protos
        for piece in proto.pieces
        if piece.type not in (piece.UNKNOWN, piece.CONTROL)
    ]
    known = set(names)
    others = [name for name in dict.fromkeys(others) if name not in known]
    return names + others, rows + [unknown] * len(others), len(names)


def renumber(proto, names, is_source):
    """Give a SentencePiece model the pieces that are named, in this order.

    Arguments:
        proto: the model, which is changed.
        names: the pieces; the first four are those of padding, unknown, BOS and EOS.
        is_source: whether it divides the source, or puts translations together.

    Returns:
        The bytes of the model.
    """
    own = {piece.piece: piece for piece in proto.pieces}
    pieces, new_piece = [], type(proto.pieces[0])
    for i, name in enumerate(names):
        piece = new_piece(piece=name, score=0.0)
        if i < 4:
            piece.type = piece.UNKNOWN if i == 1 else piece.CONTROL
        elif name in own:
            piece = own[name]
        elif name.startswith('>>') and is_source:
            # The name of a language before the sentence; SentencePiece begins a word
            # with a mark.
            piece.piece, piece.type = f'▁{name}', piece.USER_DEFINED
        else:
            # Of the other language: it divides no text, but can be put together.
            piece.type = piece.CONTROL if is_source else piece.UNUSED
        pieces.append(piece)
    del proto.pieces[:]
    proto.pieces.extend(pieces)
    options = proto.trainer_spec
    options.vocab_size = len(names)
    for i, name in enumerate(('pad', 'unk', 'bos', 'eos')):
        setattr(options, f'{name}_id', i)
        setattr(options, f'{name}_piece', names[i])
    return proto.SerializeToString()


def reorder(name, tensor, order):
    """Give the features that a weight reads or writes another order.

    Arguments:
        name: of the weight or bias, as model.py calls it.
        tensor: the weight or bias.
        order: the numbers of the features, a long tensor.
    """
    if name.endswith(('query.weight', 'key_value.weight', 'ffn.0.weight')):
        return tensor[:, order]
    if name.endswith(('query.bias', 'key_value.bias', 'ffn.0.bias')):
        return tensor
    return tensor[order]


def convert(weights, rows, n_possible, config):
    """Return the state dict of our Transformer.

    Arguments:
        weights: the state dict of the MarianMTModel.
        rows: for each of our tokens, the number of its row in Marian.
        n_possible: how many of them can be in a translation.
        config: the configuration of the network.
    """
    import torch

    from data_loader import BOS_ID, PAD_ID

    # Sines have even numbers here, and cosines odd ones.
    order = torch.arange(config.d_model).view(2, -1).T.flatten()
    # |order| = (d_model,)
    vectors = weights['model.shared.weight'][rows][:, order]
    # |vectors| = (n_tokens, d_model)
    bias = weights['final_logits_bias'][0, rows]
    # |bias| = (n_tokens,)
    bias[[PAD_ID, BOS_ID]] = bias[n_possible:] = NEVER
    # model.py multiplies embeddings by sqrt(d_model).
    scale = 1.0 if config.scale_embedding else config.d_model**-0.5
    embedding = vectors if scale == 1.0 else vectors * scale
    state = {
        'x_embedding.weight': embedding,
        'y_embedding.weight': embedding,
        'generator.weight': vectors,
        'generator.bias': bias,
    }
    for side in ('encoder', 'decoder'):
        for i in range(config.encoder_layers):
            for ours, theirs in PARTS.items():
                if side == 'encoder' and ours.startswith('memory'):
                    continue
                for kind in ('weight', 'bias'):
                    prefix, name = f'model.{side}.layers.{i}', f'{ours}.{kind}'
                    tensors = [weights[f'{prefix}.{each}.{kind}'] for each in theirs]
                    tensor = reorder(name, torch.cat(tensors), order)
                    state[f'{side}.{i}.{name}'] = tensor
    return state


def main(config):
    """Read, convert and save."""
    from sentencepiece import SentencePieceProcessor

    check_model_fn(config.model_fn)
    folder = Path(config.folder)
    options = read_config(folder)
    protos = [read_subwords(folder / f'{side}.spm') for side in ('source', 'target')]
    weights, marian = read_weights(folder)
    tokens = read_tokens(folder, marian.vocab_size)
    names, rows, n_possible = order_tokens(tokens, protos, marian)
    x_subwords, y_subwords = (
        renumber(proto, names, is_source)
        for proto, is_source in zip(protos, (True, False), strict=True)
    )
    with input_errors(f'{folder}: expected subwords for SentencePiece'):
        for subwords in (x_subwords, y_subwords):
            SentencePieceProcessor(model_proto=subwords)
    checkpoint = {
        'chapter': '13_transformer',
        'config': {
            'lang': config.lang,
            'hidden_size': marian.d_model,
            'n_heads': marian.encoder_attention_heads,
            'ffn_size': marian.encoder_ffn_dim,
            'n_layers': marian.encoder_layers,
            'dropout_p': marian.dropout,
            'attention': 'sdpa',
            'joint': True,
            'tied': marian.scale_embedding,
            'norm': 'post',
            'activation': ACTIVATIONS[marian.activation_function],
            'logits_bias': True,
            # Whether source sentences end with EOS; export_marian.py writes no.
            'source_eos': options.get('add_source_eos', True),
        },
        'x_subwords': to_tensor(x_subwords),
        'y_subwords': to_tensor(y_subwords),
        'model': convert(weights, rows, n_possible, marian),
    }
    save_checkpoint(checkpoint, config.model_fn)
    log(f'saved: {config.model_fn}, {n_possible} tokens')


if __name__ == '__main__':
    run(main, define_argparser())
