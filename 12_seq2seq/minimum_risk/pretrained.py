"""Checkpoints of 12 and of 13: which network is in them."""

import contextlib

from sentencepiece import SentencePieceProcessor

import model
import transformer
from guards import InputError, load_checkpoint

# The network of each chapter has a file of its own here.
NETWORKS = {'12_seq2seq': model, '13_transformer': transformer}


def load_pretrained(fn):
    """Load a checkpoint of 12 or of 13.

    Raises:
        InputError: fn can't be read, or is a checkpoint of another chapter.
    """
    for chapter in NETWORKS:
        with contextlib.suppress(InputError):
            return load_checkpoint(fn, chapter)
    # This fails, and says why.
    return load_checkpoint(fn, ' or '.join(NETWORKS))


def get_subwords(checkpoint):
    """Return the SentencePieceProcessors of the source and the target language."""
    protos = (
        checkpoint[side].numpy().tobytes() for side in ('x_subwords', 'y_subwords')
    )
    return tuple(SentencePieceProcessor(model_proto=proto) for proto in protos)


def get_network(checkpoint, config):
    """Build the network of a checkpoint, with its weights.

    Arguments:
        config: the options of the training, a dict.
    """
    vocab_sizes = (len(subwords) for subwords in get_subwords(checkpoint))
    network = NETWORKS[checkpoint['chapter']].get_model(config, *vocab_sizes)
    network.load_state_dict(checkpoint['model'])
    return network
