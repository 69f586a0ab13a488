"""The data: labelled texts, as batches of token ids with padding."""

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from labels import (
    drop_duplicates,
    drop_known,
    get_class_names,
    get_labels,
    hash_texts,
    read_table,
)
from tokenizer import Tokenizer, Vocabulary, get_vocabulary


def split_table(table, valid_ratio, seed):
    """Split a table at random, but by seed, into training and validation rows."""
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randperm(len(table), generator=generator).numpy()
    n_valid = min(max(1, round(len(table) * valid_ratio)), len(table) - 1)
    return table.iloc[indices[n_valid:]], table.iloc[indices[:n_valid]]


class TextDataset(Dataset):
    """Texts as token ids, and their classes.

    Arguments:
        id_lists: the token ids of each text, none of them empty.
        y: the class of each text, a list of numbers.
        pad_id: the id of the padding.
    """

    def __init__(self, id_lists, y, pad_id):
        self.texts = [torch.tensor(ids) for ids in id_lists]
        self.y, self.pad_id = y, pad_id

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        return self.texts[index], self.y[index]

    def collate(self, samples):
        """Make a batch of samples: shorter texts are padded to the longest one.

        Returns:
            x: a long tensor of shape (batch_size, length), the token ids.
            lengths: a long tensor of shape (batch_size,), the numbers of tokens.
            y: a long tensor of shape (batch_size,).
        """
        texts, y = zip(*samples, strict=True)
        lengths = torch.tensor([len(text) for text in texts])
        # |lengths| = (batch_size,)
        x = pad_sequence(texts, batch_first=True, padding_value=self.pad_id)
        # |x| = (batch_size, length)
        return x, lengths, torch.tensor(y)


def get_loader(id_lists, y, pad_id, batch_size, is_train):
    """Return a DataLoader of batches of x, lengths and y, shuffled for training."""
    dataset = TextDataset(id_lists, y, pad_id)
    return DataLoader(dataset, batch_size, shuffle=is_train, collate_fn=dataset.collate)


def get_loaders(config):
    """Return the DataLoaders for training and validation.

    Returns:
        The two loaders, the class names, the vocabulary and the hashes of the training
        texts.
    """
    fn, tokenizer = config.train_fn, Tokenizer(config.tokenizer)
    drop, merge = config.drop_duplicates, config.merge_labels
    table = read_table(fn, config.label_column, config.text_column, config.encoding)
    table = drop_duplicates(table, fn, drop)
    class_names = get_class_names(table, fn, merge)
    tables = split_table(table, config.valid_ratio, config.seed)
    hashes = hash_texts(tables[0]['text'])
    tables = tables[0], drop_known(tables[1], hashes, f'{fn}, validation', drop)
    tokens = [list(tokenizer.tokenize(part['text'])) for part in tables]
    words = [word for text in tokens[0] for word in text]
    specials = ['<pad>', '<unk>']
    vocabulary = Vocabulary(get_vocabulary(words, config.min_vocab_freq, specials))
    loaders = []
    for part, texts in zip(tables, tokens, strict=True):
        id_lists = [vocabulary.encode(text) for text in texts]
        y, is_train = get_labels(part, class_names, fn, merge), part is tables[0]
        options = vocabulary.pad_id, config.batch_size, is_train
        loaders.append(get_loader(id_lists, y, *options))
    return *loaders, class_names, vocabulary, hashes
