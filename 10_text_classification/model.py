"""The models: a recurrent, a convolutional and a pretrained classifier of texts."""

import json

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from tokenizer import get_n_gram_keys


def get_embedding(n_vectors, vec_size, pad_id):
    """Return an embedding whose vectors are small, and that of the padding zero.

    Rare words are hardly moved from where they begin. With vectors as large as PyTorch
    makes them, they would drown the others in noise.
    """
    embedding = nn.Embedding(n_vectors, vec_size, padding_idx=pad_id)
    nn.init.normal_(embedding.weight, std=0.1)
    nn.init.zeros_(embedding.weight[pad_id])
    return embedding


class NGramEmbedding(nn.Module):
    """Looks up the vector of each token, and those of the n-grams that it ends.

    안 + 좋다 says what neither of the two says. An n-gram that was too rare in training
    has no vector of its own, but zeros.

    Arguments:
        vocab_size: the number of tokens in the vocabulary.
        word_vec_size: the size of the vector of a token.
        n_gram_vec_size: the size of the vector of an n-gram.
        n_grams: what the vocabulary has learned, see get_n_gram_keys().
        pad_id: the id of the padding, whose vector is zero.
    """

    def __init__(self, vocab_size, word_vec_size, n_gram_vec_size, n_grams, pad_id):
        super().__init__()
        self.words = get_embedding(vocab_size, word_vec_size, pad_id)
        self.n_grams = nn.ModuleList(
            get_embedding(len(known), n_gram_vec_size, pad_id=0) for known in n_grams
        )
        self.vec_size = word_vec_size + len(n_grams) * n_gram_vec_size
        self.pad_id = pad_id
        for i, known in enumerate(n_grams):
            self.register_buffer(f'known_{i}', known, persistent=False)

    def forward(self, x):
        """Return all vectors of each token, one behind the other."""
        # |x| = (batch_size, length)
        vectors = [self.words(x)]
        sizes = self.words.num_embeddings, len(self.n_grams)
        for i, keys in enumerate(get_n_gram_keys(x, self.pad_id, *sizes)):
            # |keys| = (batch_size, length)
            known = self.get_buffer(f'known_{i}')
            places = torch.searchsorted(known, keys).clamp(max=len(known) - 1)
            # The first vector is that of all n-grams that are not known.
            places = places.masked_fill(known[places] != keys, 0)
            # |places| = (batch_size, length)
            vectors.append(self.n_grams[i](places))
        vectors = torch.cat(vectors, dim=-1)
        # |vectors| = (batch_size, length, vec_size)
        return vectors


class SequenceClassifier(nn.Module):
    """A bidirectional LSTM that reads a text token by token, and one linear layer.

    What is classified is the final state of both directions: the forward one ends at
    the last token, the backward one at the first. Packed, the padding behind the last
    token does not exist for either.

    Arguments:
        embedding: gives each token its vector, and the padding zeros.
        output_size: the number of classes.
        hidden_size: the size of the state of each direction.
        n_layers: the number of LSTM layers.
        dropout_p: the probability of a feature to be blanked out in training.
    """

    def __init__(
        self,
        embedding,
        output_size,
        hidden_size,
        n_layers,
        dropout_p,
    ):
        super().__init__()
        self.embedding = embedding
        self.rnn = nn.LSTM(
            embedding.vec_size,
            hidden_size,
            n_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout_p if n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout_p)
        self.linear = nn.Linear(2 * hidden_size, output_size)

    def forward(self, x, lengths):
        """Return the logits of a batch of texts.

        Arguments:
            x: the ids of the tokens.
            lengths: how many of them each text has, on the CPU.
        """
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        x = self.dropout(self.embedding(x))
        # |x| = (batch_size, length, vec_size)
        x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)

        _, (h_n, _) = self.rnn(x)
        # |h_n| = (n_states, batch_size, hidden_size)
        # A state for each layer and direction: the last layer's two come last.
        features = torch.cat([h_n[-2], h_n[-1]], dim=-1)
        # |features| = (batch_size, hidden_size * 2)
        y_hat = self.linear(self.dropout(features))
        # |y_hat| = (batch_size, output_size)
        return y_hat


class ConvolutionalClassifier(nn.Module):
    """Convolutions over windows of tokens, and the maximum of each over the text.

    Each filter looks for one pattern of so many tokens, wherever it stands; what counts
    is where it fits best (Kim 2014). A maximum does not count, so the sum of all
    vectors stands beside these maxima; Joulin et al. (2017) classify by it alone.

    Arguments:
        embedding: gives each token its vector, and the padding zeros.
        output_size: the number of classes.
        window_sizes: the numbers of tokens that a filter sees at once.
        n_filters: the number of filters for each window size.
        dropout_p: the probability of a feature to be blanked out in training.
    """

    def __init__(
        self,
        embedding,
        output_size,
        window_sizes,
        n_filters,
        dropout_p,
    ):
        super().__init__()
        self.embedding = embedding
        # Padded by a window less one: short texts have windows too.
        self.convolutions = nn.ModuleList(
            nn.Conv1d(embedding.vec_size, n_filters, size, padding=size - 1)
            for size in window_sizes
        )
        self.dropout = nn.Dropout(dropout_p)
        n_features = len(window_sizes) * n_filters + embedding.vec_size
        self.linear = nn.Linear(n_features, output_size)

    def forward(self, x, lengths):
        """Return the logits of a batch of texts.

        Arguments:
            x: the ids of the tokens.
            lengths: how many of them each text has.
        """
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        x = self.dropout(self.embedding(x))
        # |x| = (batch_size, length, vec_size)
        # By the root of the length: long texts have no larger sums than short ones.
        total = x.sum(dim=1) / lengths.to(x.device).sqrt().unsqueeze(1)
        # |total| = (batch_size, vec_size)
        x = x.transpose(1, 2)
        # |x| = (batch_size, vec_size, length)

        found = [self.find(x, lengths, layer) for layer in self.convolutions]
        features = torch.cat([*found, total], dim=-1)
        # |features| = (batch_size, n_features)
        y_hat = self.linear(self.dropout(features))
        # |y_hat| = (batch_size, output_size)
        return y_hat

    def find(self, x, lengths, convolution):
        """Return how well each filter fits where it fits best (Kim 2014)."""
        # |x| = (batch_size, vec_size, length)
        # |lengths| = (batch_size,)
        z = convolution(x).relu()
        # |z| = (batch_size, n_filters, n_windows)
        # Windows behind the last token see padding alone, which is not the text.
        ends = lengths.to(x.device) + convolution.padding[0]
        is_behind = torch.arange(z.size(2), device=x.device) >= ends.unsqueeze(1)
        # |is_behind| = (batch_size, n_windows)
        found = z.masked_fill(is_behind.unsqueeze(1), 0.0).amax(dim=2)
        # |found| = (batch_size, n_filters)
        return found


class PretrainedClassifier(nn.Module):
    """A pretrained Transformer encoder, such as BERT, with a head for our classes.

    Arguments:
        encoder: a model for sequence classification of the library transformers.
    """

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    @property
    def embedding(self):
        """The layer that looks up the vectors of the tokens."""
        return self.encoder.get_input_embeddings()

    def forward(self, x, lengths):
        """Return the logits of a batch of texts.

        Arguments:
            x: the ids of the tokens.
            lengths: how many of them each text has.
        """
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        places = torch.arange(x.size(1), device=x.device)
        is_token = places < lengths.to(x.device).unsqueeze(1)
        # |is_token| = (batch_size, length)
        y_hat = self.encoder(input_ids=x, attention_mask=is_token.long()).logits
        # |y_hat| = (batch_size, output_size)
        return y_hat


def load_encoder(name, output_size, gradient_checkpointing):
    """Load a pretrained encoder, its head for output_size classes still untrained.

    Arguments:
        name: of a model on the hub, or a folder.
        output_size: the number of classes.
        gradient_checkpointing: whether to compute activations twice instead of keeping
            them: slower, but it fits into less memory (Chen et al. 2016).
    """
    from transformers import AutoModelForSequenceClassification, logging

    # Of a head that has to be trained, the library says in many lines what we know.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    encoder = AutoModelForSequenceClassification.from_pretrained(
        name, num_labels=output_size, ignore_mismatched_sizes=True
    )
    if gradient_checkpointing:
        encoder.gradient_checkpointing_enable()
    return encoder


def make_encoder(config_json):
    """Return an untrained encoder of the form that its own config describes."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = json.loads(config_json)
    config = AutoConfig.for_model(config.pop('model_type'), **config)
    return AutoModelForSequenceClassification.from_config(config)


def get_model(config, output_size, vocabulary, encoder_config=None):
    """Build the network that config['model'] names.

    Arguments:
        config: the options of the training, a dict.
        output_size: the number of classes.
        vocabulary: its length, its n_grams and its pad_id are what counts.
        encoder_config: of a pretrained encoder whose weights a checkpoint holds, as
            JSON; None: load the pretrained weights.
    """
    if config['model'] != 'bert':
        embedding = NGramEmbedding(
            vocab_size=len(vocabulary),
            word_vec_size=config['word_vec_size'],
            n_gram_vec_size=config['n_gram_vec_size'],
            n_grams=vocabulary.n_grams,
            pad_id=vocabulary.pad_id,
        )
    if config['model'] == 'rnn':
        return SequenceClassifier(
            embedding=embedding,
            output_size=output_size,
            hidden_size=config['hidden_size'],
            n_layers=config['n_layers'],
            dropout_p=config['dropout_p'],
        )
    if config['model'] == 'cnn':
        return ConvolutionalClassifier(
            embedding=embedding,
            output_size=output_size,
            window_sizes=config['window_sizes'],
            n_filters=config['n_filters'],
            dropout_p=config['dropout_p'],
        )
    if encoder_config is None:
        encoder = load_encoder(
            config['pretrained_model_name'],
            output_size,
            config['gradient_checkpointing'],
        )
    else:
        encoder = make_encoder(encoder_config)
    return PretrainedClassifier(encoder)


def get_encoder_config(model):
    """Return how a pretrained encoder is built, as JSON; None for other networks."""
    if isinstance(model, PretrainedClassifier):
        return model.encoder.config.to_json_string(use_diff=False)
    return None
