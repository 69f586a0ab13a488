"""A pretrained model that has read nothing: for tests without a network."""

from pathlib import Path

import torch


def make_bert(folder, characters):
    """Make a tiny BERT of random weights, and its tokenizer, as the hub would hold it.

    Arguments:
        folder: where to put it.
        characters: a string of all that the tokenizer knows.

    Returns:
        The name of the folder.
    """
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        BertTokenizerFast,
    )

    folder = Path(folder)
    folder.mkdir(parents=True)
    characters = sorted(set(characters) - {' '})
    tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *characters]
    tokens += [f'##{character}' for character in characters]
    (folder / 'vocab.txt').write_text('\n'.join(tokens), encoding='utf-8')
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        # With weights as small as usual, a token hardly moves what comes out.
        initializer_range=0.2,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)
