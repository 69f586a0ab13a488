"""Write a trained translator for transformers, or for CTranslate2.

    python export_marian.py --model_fn model.pth --out_dir marian
    python export_marian.py --model_fn model.pth --out_dir ct2 --format ctranslate2

For transformers, a Post-LN network becomes a MarianMTModel, and a Pre-LN network a
PegasusForConditionalGeneration: of the networks of that library, it is the one that is
Pre-LN with sinusoids and a last normalisation. The tokenizer is Marian's for both, and
both have one embedding for all tokens. If our two languages have two vocabularies, the
tokens of the target come first, then those of the source, which get a bias that makes
them impossible in a translation.

CTranslate2 knows both kinds of networks and two vocabularies.

What has been written is read again, and the `largest difference: 3.1e-06` of its logits
(with CTranslate2, of its log-probabilities) to ours is printed. More than 1e-4 is an
error.
"""

import json
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
from import_marian import NEVER, PARTS, reorder

TOLERANCE = 1e-4
# The largest number of positions.
MAX_LENGTH = 1024


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Write a translator for other programs.', has_model=False)
    p.add_argument('--model_fn', default='model.pth', help='the checkpoint')
    p.add_argument('--out_dir', default='marian', help='the folder to write')
    formats = ['transformers', 'ctranslate2']
    p.add_argument('--format', choices=formats, default='transformers', help='of whom')
    return p


def get_pieces(subwords):
    """Return the subwords of a SentencePieceProcessor in the order of their ids."""
    return [subwords.id_to_piece(i) for i in range(len(subwords))]


def get_vocabularies(translator, is_joint):
    """Return for each language a dict from its tokens to their rows.

    Arguments:
        translator: the Translator of translate.py.
        is_joint: whether both languages have the same rows.
    """
    from data_loader import BOS_ID, EOS_ID, PAD_ID

    x_pieces, y_pieces = map(get_pieces, (translator.x_subwords, translator.y_subwords))
    # As import_marian.py has renamed them.
    x_pieces = [p[1:] if p.startswith('▁>>') else p for p in x_pieces]
    y_rows = {piece: i for i, piece in enumerate(y_pieces)}
    x_rows = {piece: i for i, piece in enumerate(x_pieces)}
    if not is_joint:
        special = {x_pieces[i]: i for i in (PAD_ID, BOS_ID, EOS_ID)}
        x_rows = {piece: i + len(y_rows) for piece, i in x_rows.items()} | special
    return x_rows, y_rows


def get_weights(model):
    """Return the state dict of our network, as that of transformers.

    Arguments:
        model: a Transformer.
    """
    import torch

    state, size = model.state_dict(), model.x_embedding.embedding_dim
    # All sines, then all cosines.
    order = torch.arange(size).view(-1, 2).T.flatten()
    # |order| = (size,)
    vectors, generator = state['y_embedding.weight'], state['generator.weight']
    bias = state.get('generator.bias', torch.zeros(len(generator)))
    if model.x_embedding is not model.y_embedding:
        x_vectors = state['x_embedding.weight']
        vectors = torch.cat([vectors, x_vectors])
        generator = torch.cat([generator, x_vectors])
        bias = torch.cat([bias, torch.full((len(x_vectors),), NEVER)])
    weights = {'final_logits_bias': bias[None], 'lm_head.weight': generator[:, order]}
    for name in ('shared', 'encoder.embed_tokens', 'decoder.embed_tokens'):
        weights[f'model.{name}.weight'] = vectors[:, order]
    for name, tensor in state.items():
        side, _, rest = name.partition('.')
        if side in ('encoder_norm', 'decoder_norm'):
            weights[f'model.{side[:7]}.layer_norm.{rest}'] = tensor[order]
        elif side in ('encoder', 'decoder'):
            i, ours = rest.split('.', maxsplit=1)
            ours, kind = ours.rsplit('.', maxsplit=1)
            theirs = PARTS[ours]
            tensors = reorder(rest, tensor, order).chunk(len(theirs))
            for part, one in zip(theirs, tensors, strict=True):
                weights[f'model.{side}.layers.{i}.{part}.{kind}'] = one
    return weights


def make_network(model, options):
    """Return our network as one of transformers.

    Arguments:
        model: a Transformer.
        options: those of its training, a dict.
    """
    from transformers import (
        MarianConfig,
        MarianMTModel,
        PegasusConfig,
        PegasusForConditionalGeneration,
    )

    from data_loader import BOS_ID, EOS_ID, PAD_ID

    weights = get_weights(model)
    sizes = {}
    for side in ('encoder', 'decoder'):
        sizes[f'{side}_layers'] = options['n_layers']
        sizes[f'{side}_ffn_dim'] = options['ffn_size']
        sizes[f'{side}_attention_heads'] = options['n_heads']
    is_post = options.get('norm', 'pre') == 'post'
    config = (MarianConfig if is_post else PegasusConfig)(
        vocab_size=len(weights['lm_head.weight']),
        d_model=options['hidden_size'],
        activation_function=options.get('activation', 'relu'),
        dropout=options['dropout_p'],
        max_position_embeddings=MAX_LENGTH,
        scale_embedding=True,
        tie_word_embeddings=options['tied'],
        pad_token_id=PAD_ID,
        bos_token_id=BOS_ID,
        eos_token_id=EOS_ID,
        decoder_start_token_id=BOS_ID,
        forced_eos_token_id=EOS_ID,
        # For import_marian.py: whether source sentences end with EOS.
        add_source_eos=options.get('source_eos', False),
        **sizes,
    )
    network = (MarianMTModel if is_post else PegasusForConditionalGeneration)(config)
    network.load_state_dict(weights, strict=False)
    network.generation_config.update(num_beams=5, max_length=150)
    return network.eval()


def get_own_subwords(subwords):
    """Return the bytes of a SentencePiece model, without pieces of the other language.

    import_marian.py has added them, so that ids are numbers of pieces. In transformers,
    ids are those of vocab.json.
    """
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    from data_loader import EOS_ID

    proto = ModelProto.FromString(subwords.serialized_model_proto())
    own = [
        piece
        for i, piece in enumerate(proto.pieces)
        if i <= EOS_ID or piece.type not in (piece.CONTROL, piece.UNUSED)
    ]
    del proto.pieces[:]
    proto.pieces.extend(own)
    proto.trainer_spec.vocab_size = len(own)
    return proto.SerializeToString()


def write_transformers(translator, options, out_dir):
    """Write a folder for transformers.

    Arguments:
        translator: the Translator of translate.py.
        options: those of its training, a dict.
        out_dir: the folder.
    """
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    make_network(translator.models[0], options).save_pretrained(out_dir)
    x_rows, y_rows = get_vocabularies(translator, options['joint'])
    for name, rows in (('vocab', x_rows), ('target_vocab', y_rows)):
        write_json(out_dir / f'{name}.json', rows)
    sides = {'source': translator.x_subwords, 'target': translator.y_subwords}
    for side, subwords in sides.items():
        write_file(out_dir / f'{side}.spm', get_own_subwords(subwords))
    tokenizer = {
        'tokenizer_class': 'MarianTokenizer',
        'separate_vocabs': not options['joint'],
        'source_lang': options['lang'][:2],
        'target_lang': options['lang'][2:],
        'model_max_length': MAX_LENGTH,
    }
    write_json(out_dir / 'tokenizer_config.json', tokenizer)


def write_json(fn, content):
    """Write a dict as a JSON file."""
    text = json.dumps(content, ensure_ascii=False, indent=2)
    write_file(fn, f'{text}\n'.encode())


class Filler:
    """Puts our weights into the parts of a specification of CTranslate2.

    Arguments:
        state: the state dict of a Transformer.
    """

    def __init__(self, state):
        self.state = {name: tensor.numpy() for name, tensor in state.items()}

    def fill(self, part, *names):
        """Fill a linear layer with the rows of some of ours, or a normalisation."""
        import numpy as np

        weight, bias = (
            np.concatenate([self.state[f'{name}.{kind}'] for name in names])
            for kind in ('weight', 'bias')
        )
        if hasattr(part, 'gamma'):
            part.gamma, part.beta = weight, bias
        else:
            part.weight, part.bias = weight, bias

    def fill_block(self, layer, name):
        """Fill an encoder block, or a decoder block, which has one attention more."""
        attention, memory = layer.self_attention, getattr(layer, 'attention', None)
        self.fill(attention.layer_norm, f'{name}.attention_norm')
        inputs = f'{name}.attention.query', f'{name}.attention.key_value'
        self.fill(attention.linear[0], *inputs)
        self.fill(attention.linear[1], f'{name}.attention.output')
        if memory:
            self.fill(memory.layer_norm, f'{name}.memory_norm')
            self.fill(memory.linear[0], f'{name}.memory_attention.query')
            self.fill(memory.linear[1], f'{name}.memory_attention.key_value')
            self.fill(memory.linear[2], f'{name}.memory_attention.output')
        self.fill(layer.ffn.layer_norm, f'{name}.ffn_norm')
        self.fill(layer.ffn.linear_0, f'{name}.ffn.0')
        self.fill(layer.ffn.linear_1, f'{name}.ffn.3')


def write_ctranslate2(translator, options, out_dir):
    """Write a folder for CTranslate2.

    Arguments:
        translator, options, out_dir: as in write_transformers().
    """
    from ctranslate2.specs import TransformerSpec
    from ctranslate2.specs.common_spec import Activation

    from data_loader import BOS_ID, EOS_ID, UNKNOWN_ID

    model, is_pre = translator.models[0], options.get('norm', 'pre') == 'pre'
    activation = {
        'relu': Activation.RELU,
        'gelu': Activation.GELU,
        'silu': Activation.SWISH,
    }[options.get('activation', 'relu')]
    spec = TransformerSpec.from_config(
        options['n_layers'], options['n_heads'], pre_norm=is_pre, activation=activation
    )
    filler = Filler(model.state_dict())
    table = model.positions.make_table(MAX_LENGTH).numpy()
    for side, part in (('encoder', spec.encoder), ('decoder', spec.decoder)):
        part.position_encodings.encodings = table
        if is_pre:
            filler.fill(part.layer_norm, f'{side}_norm')
        for i, layer in enumerate(part.layer):
            filler.fill_block(layer, f'{side}.{i}')
    spec.encoder.embeddings[0].weight = filler.state['x_embedding.weight']
    spec.decoder.embeddings.weight = filler.state['y_embedding.weight']
    spec.decoder.projection.weight = filler.state['generator.weight']
    if 'generator.bias' in filler.state:
        spec.decoder.projection.bias = filler.state['generator.bias']

    y_pieces = get_pieces(translator.y_subwords)
    spec.register_source_vocabulary(get_pieces(translator.x_subwords))
    spec.register_target_vocabulary(y_pieces)
    spec.config.unk_token = y_pieces[UNKNOWN_ID]
    spec.config.bos_token = spec.config.decoder_start_token = y_pieces[BOS_ID]
    spec.config.eos_token = y_pieces[EOS_ID]
    spec.config.add_source_eos = options.get('source_eos', False)
    spec.validate()
    spec.optimize()
    spec.save(str(out_dir))


def make_examples(translator):
    """Return random sentences and translations, two tensors of ids; BOS comes first."""
    import torch

    from data_loader import BOS_ID, EOS_ID

    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.randint(EOS_ID + 1, len(subwords), (4, 20), generator=generator)
        for subwords in (translator.x_subwords, translator.y_subwords)
    )
    # |x| = (4, 20)
    # |y| = (4, 20)
    y[:, 0] = BOS_ID
    return x, y


def compare_transformers(translator, options, out_dir):
    """Return the largest difference of the logits to ours."""
    import torch
    from transformers import AutoModelForSeq2SeqLM

    x, y = make_examples(translator)
    network = AutoModelForSeq2SeqLM.from_pretrained(out_dir).eval()
    model, n_tokens = translator.models[0], len(translator.y_subwords)
    first = 0 if options['joint'] else n_tokens
    with torch.inference_mode():
        ours = model(x, torch.full((len(x),), x.size(1)), y)
        theirs = network(input_ids=x + first, decoder_input_ids=y).logits
    return (theirs[:, :, :n_tokens] - ours).abs().max().item()


def compare_ctranslate2(translator, options, out_dir):
    """Return the largest difference of the log-probabilities to ours."""
    import ctranslate2
    import torch

    x, y = make_examples(translator)
    end = torch.full((len(x), 1), translator.y_subwords.eos_id())
    x_ids = torch.cat([x, end], dim=1) if options.get('source_eos') else x
    model = translator.models[0]
    with torch.inference_mode():
        logits = model(x_ids, torch.full((len(x),), x_ids.size(1)), y)
    targets = torch.cat([y[:, 1:], end], dim=1)
    ours = logits.log_softmax(dim=-1).gather(2, targets.unsqueeze(2)).squeeze(2)
    x_tokens = [
        [translator.x_subwords.id_to_piece(i) for i in row] for row in x.tolist()
    ]
    y_tokens = [
        [translator.y_subwords.id_to_piece(i) for i in row] for row in y[:, 1:].tolist()
    ]
    results = ctranslate2.Translator(str(out_dir)).score_batch(x_tokens, y_tokens)
    theirs = torch.tensor([result.log_probs for result in results])
    return (theirs - ours).abs().max().item()


def main(config):
    """Write, read again and compare."""
    import torch

    from translate import Translator

    options = load_checkpoint(config.model_fn, '13_transformer')['config']
    translator = Translator([config.model_fn], torch.device('cpu'), is_fast=False)
    out_dir = Path(config.out_dir)
    write, compare = {
        'transformers': (write_transformers, compare_transformers),
        'ctranslate2': (write_ctranslate2, compare_ctranslate2),
    }[config.format]
    with input_errors(f'{out_dir}: cannot be written', OSError):
        out_dir.mkdir(parents=True, exist_ok=True)
    with input_errors('--format ctranslate2', ModuleNotFoundError):
        write(translator, options, out_dir)
    for fn in sorted(out_dir.iterdir()):
        log(f'{fn}: {fn.stat().st_size:,} bytes')

    difference = compare(translator, options, out_dir)
    print(f'largest difference: {difference:.1e}')
    if not difference <= TOLERANCE:
        raise InputError(f'{out_dir}: expected a difference of at most {TOLERANCE}')


if __name__ == '__main__':
    run(main, define_argparser())
