"""Joey NMT 2.3 with the weights of chapter 13, for translation.py to compare with.

Kreutzer et al. 2019, https://github.com/joeynmt/joeynmt. It needs older packages than
the course, and so an environment of its own:

    python -m venv joey
    joey/bin/pip install joeynmt importlib_metadata transformers pytorch-ignite
    joey/bin/python benchmarks/translation.py ...
"""

from types import SimpleNamespace

import torch
from joeynmt.batch import Batch
from joeynmt.model import build_model
from joeynmt.search import search
from joeynmt.vocabulary import Vocabulary
from torch import nn, optim

# The ids of Joey's special tokens, of which the first two are swapped.
UNKNOWN_ID, PAD_ID, BOS_ID, EOS_ID = range(4)


def get_vocabulary(size):
    """Return a vocabulary of so many tokens."""
    special = SimpleNamespace(
        unk_token='<unk>',
        pad_token='<pad>',
        bos_token='<s>',
        eos_token='</s>',
        sep_token=None,
        lang_tags=[],
        unk_id=UNKNOWN_ID,
        pad_id=PAD_ID,
        bos_id=BOS_ID,
        eos_id=EOS_ID,
    )
    vocabulary = Vocabulary([], special)
    vocabulary._itos += [f'token {i}' for i in range(4, size)]
    vocabulary._stoi = {token: i for i, token in enumerate(vocabulary._itos)}
    return vocabulary


def copy_linear(layer, weight, bias):
    """Give a linear layer these weights."""
    layer.weight.data.copy_(weight)
    layer.bias.data.copy_(bias)


def copy_attention(theirs, ours):
    """Give their attention the weights of ours, which has keys and values in one."""
    copy_linear(theirs.q_layer, ours.query.weight, ours.query.bias)
    weights = ours.key_value.weight.chunk(2), ours.key_value.bias.chunk(2)
    for layer, weight, bias in zip(
        (theirs.k_layer, theirs.v_layer), *weights, strict=True
    ):
        copy_linear(layer, weight, bias)
    copy_linear(theirs.output_layer, ours.output.weight, ours.output.bias)


def copy_feed_forward(theirs, block):
    """Give their feed-forward network the weights of a block of ours."""
    theirs.layer_norm.load_state_dict(block.ffn_norm.state_dict())
    for i in (0, 3):
        theirs.pwff_layer[i].load_state_dict(block.ffn[i].state_dict())


def make_model(ours, options):
    """Return Joey's Transformer with the weights of ours, to compute the same.

    Arguments:
        ours: the Transformer of chapter 13.
        options: its options, a dict.
    """
    side = {
        'type': 'transformer',
        'embeddings': {'embedding_dim': options['hidden_size'], 'scale': True},
        'hidden_size': options['hidden_size'],
        'ff_size': options['ffn_size'],
        'num_heads': options['n_heads'],
        'num_layers': options['n_layers'],
        'dropout': options['dropout_p'],
        'layer_norm': 'pre',
    }
    config = {
        'encoder': side,
        'decoder': side,
        'tied_softmax': options['tied'],
        'tied_embeddings': options['joint'],
        'initializer': 'xavier_uniform',
        'embed_initializer': 'xavier_uniform',
    }
    sizes = ours.x_embedding.num_embeddings, ours.y_embedding.num_embeddings
    theirs = build_model(config, *map(get_vocabulary, sizes))
    theirs.loss_function = 'crossentropy', options['label_smoothing']
    theirs.src_embed.lut.load_state_dict(ours.x_embedding.state_dict())
    theirs.trg_embed.lut.load_state_dict(ours.y_embedding.state_dict())
    theirs.decoder.output_layer.load_state_dict(ours.generator.state_dict())
    for layer, block in zip(theirs.encoder.layers, ours.encoder, strict=True):
        layer.layer_norm.load_state_dict(block.attention_norm.state_dict())
        copy_attention(layer.src_src_att, block.attention)
        copy_feed_forward(layer.feed_forward, block)
    for layer, block in zip(theirs.decoder.layers, ours.decoder, strict=True):
        layer.x_layer_norm.load_state_dict(block.attention_norm.state_dict())
        layer.dec_layer_norm.load_state_dict(block.memory_norm.state_dict())
        copy_attention(layer.trg_trg_att, block.attention)
        copy_attention(layer.src_trg_att, block.memory_attention)
        copy_feed_forward(layer.feed_forward, block)
    theirs.encoder.layer_norm.load_state_dict(ours.encoder_norm.state_dict())
    theirs.decoder.layer_norm.load_state_dict(ours.decoder_norm.state_dict())
    return theirs


def make_batch(x, lengths, y=None):
    """Return a Batch of theirs.

    Arguments:
        x: the source, padded with 0.
        lengths: of the source sentences.
        y: the target, its beginning and its end included, padded with 0.
    """
    return Batch(
        src=x.masked_fill(x == 0, PAD_ID),
        src_length=lengths,
        src_prompt_mask=None,
        trg=None if y is None else y.masked_fill(y == 0, PAD_ID),
        trg_prompt_mask=None,
        indices=torch.arange(len(x)),
        device=torch.device('cpu'),
        pad_index=PAD_ID,
        eos_index=EOS_ID,
    )


class Training:
    """What Joey's TrainManager does for each batch, given tensors.

    Arguments:
        model: of make_model().
    """

    def __init__(self, model):
        self.model = model.train()
        self.optimizer = optim.Adam(model.parameters(), lr=1e-4)

    def step(self, x, lengths, y):
        """Take one step."""
        batch = make_batch(x, lengths, y)
        batch.sort_by_src_length()
        loss, _, _, n_correct = self.model(return_type='loss', **vars(batch))
        loss = batch.normalize(loss, 'tokens')
        loss.backward()
        # Its statistics want both numbers at once.
        loss.item(), n_correct.item()
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        self.model.zero_grad()


def translate(model, x, lengths, beam_size, max_length):
    """Return the ids of the translations of a batch, and whatever follows their end."""
    batch = make_batch(x, lengths)
    order = batch.sort_by_src_length()
    found, _, _ = search(
        model, batch, max_length, beam_size, beam_alpha=1.0, generate_unk=False
    )
    return found[order]
