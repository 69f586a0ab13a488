"""Checkpoints of tiny translators that nobody has trained, to fine-tune."""

from argparse import Namespace

import torch
from chapters import ROOT, load_chapter

SIZES = {
    '12_seq2seq': {'word_vec_size': 4, 'hidden_size': 4, 'n_layers': 1},
    '13_transformer': {'hidden_size': 4, 'n_heads': 2, 'ffn_size': 4, 'n_layers': 1},
}
SAMPLE = ROOT / '12_seq2seq' / 'sample' / 'test'
# The programs that begin with a checkpoint of another chapter, ../model.pth.
FINE_TUNED = {'12_seq2seq/minimum_risk': '12_seq2seq'}


def add_pretrained(folder, name):
    """Save what the copy of a chapter begins with, if it needs a checkpoint."""
    if name in FINE_TUNED:
        make_translator(folder.parent / 'model.pth', FINE_TUNED[name])


def make_translator(fn, chapter='12_seq2seq', prefix=SAMPLE, vocab_size=700, **options):
    """Save a translator with random weights; returns its checkpoint.

    Arguments:
        fn: the file to write.
        chapter: whose network it is.
        prefix: of the names of the two files from which the subwords are learned.
        vocab_size: the largest number of subwords.
        options: of the network, others than SIZES.
    """
    loaded = load_chapter(chapter)
    config = vars(loaded.train.define_argparser().parse_args([]))
    config |= SIZES[chapter] | {'vocab_size': vocab_size, 'dropout_p': 0.0} | options
    pairs = loaded.data_loader.read_pairs(str(prefix), config['lang'])
    subwords = loaded.data_loader.make_subwords(Namespace(**config), *pairs)
    torch.manual_seed(0)
    network = loaded.model.get_model(config, *map(len, subwords))
    protos = [side.serialized_model_proto() for side in subwords]
    checkpoint = {
        'chapter': chapter,
        'config': config,
        'x_subwords': loaded.utils.to_tensor(protos[0]),
        'y_subwords': loaded.utils.to_tensor(protos[1]),
        'model': network.state_dict(),
    }
    torch.save(checkpoint, fn)
    return checkpoint
