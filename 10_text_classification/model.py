"""The models: a recurrent, a convolutional and a pretrained classifier of texts."""

import json

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


def get_embedding(n_vectors, vec_size, pad_id):
    """Return an embedding with small vectors, and a zero vector for the padding.

    The vectors of rare words hardly change in training. With the large initial values
    of PyTorch, they would add noise.
    """
    embedding = nn.Embedding(n_vectors, vec_size, padding_idx=pad_id)
    nn.init.normal_(embedding.weight, std=0.1)
    nn.init.zeros_(embedding.weight[pad_id])
    return embedding


class SequenceClassifier(nn.Module):
    """A bidirectional LSTM that reads a text token by token, and one linear layer.

    The input of the linear layer is the final hidden state of both directions: the
    forward direction ends at the last token, the backward direction at the first one.
    The sequences are packed, so that neither direction reads any padding.

    Arguments:
        embedding: maps token ids to vectors of size embedding.embedding_dim.
        output_size: the number of classes.
        hidden_size: the size of the hidden state of each direction.
        n_layers: the number of LSTM layers.
        dropout_p: the probability to set a feature to zero in training.
    """

    def __init__(self, embedding, output_size, hidden_size, n_layers, dropout_p):
        super().__init__()
        self.embedding = embedding
        self.rnn = nn.LSTM(
            embedding.embedding_dim,
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
            x: the token ids.
            lengths: the number of tokens of each text, on the CPU.
        """
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        x = self.dropout(self.embedding(x))
        # |x| = (batch_size, length, vec_size)
        x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)

        _, (h_n, _) = self.rnn(x)
        # |h_n| = (n_states, batch_size, hidden_size)
        # A state for each layer and direction; the two of the last layer come last.
        features = torch.cat([h_n[-2], h_n[-1]], dim=-1)
        # |features| = (batch_size, hidden_size * 2)
        y_hat = self.linear(self.dropout(features))
        # |y_hat| = (batch_size, output_size)
        return y_hat


class ConvolutionalClassifier(nn.Module):
    """Convolutions over windows of tokens, and the maximum of each filter over a text.

    Each filter detects one pattern of a few tokens, at any position; its feature is the
    maximum over all positions (Kim 2014). A maximum can't count, so the sum of all
    vectors is another feature; Joulin et al. (2017) classify by this sum alone.

    Arguments:
        embedding: maps token ids to vectors of size embedding.embedding_dim.
        output_size: the number of classes.
        window_sizes: the numbers of tokens in a window.
        n_filters: the number of filters for each window size.
        dropout_p: the probability to set a feature to zero in training.
    """

    def __init__(self, embedding, output_size, window_sizes, n_filters, dropout_p):
        super().__init__()
        self.embedding = embedding
        vec_size = embedding.embedding_dim
        # Padded by a window minus one, so that short texts have windows too.
        self.convolutions = nn.ModuleList(
            nn.Conv1d(vec_size, n_filters, size, padding=size - 1)
            for size in window_sizes
        )
        self.dropout = nn.Dropout(dropout_p)
        self.linear = nn.Linear(len(window_sizes) * n_filters + vec_size, output_size)

    def forward(self, x, lengths):
        """Return the logits of a batch of texts.

        Arguments:
            x: the token ids.
            lengths: the number of tokens of each text.
        """
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        lengths = lengths.to(x.device)
        x = self.dropout(self.embedding(x))
        # |x| = (batch_size, length, vec_size)
        # Divided by the root of the length, so that long texts do not have larger sums.
        total = x.sum(dim=1) / lengths.sqrt().unsqueeze(1)
        # |total| = (batch_size, vec_size)
        x = x.transpose(1, 2)
        # |x| = (batch_size, vec_size, length)

        maxima = [self.get_maxima(x, lengths, layer) for layer in self.convolutions]
        features = torch.cat([*maxima, total], dim=-1)
        # |features| = (batch_size, n_features)
        y_hat = self.linear(self.dropout(features))
        # |y_hat| = (batch_size, output_size)
        return y_hat

    def get_maxima(self, x, lengths, convolution):
        """Return the maximum of each filter over all windows of a text (Kim 2014)."""
        # |x| = (batch_size, vec_size, length)
        # |lengths| = (batch_size,)
        z = convolution(x).relu()
        # |z| = (batch_size, n_filters, n_windows)
        # Windows behind the last token contain nothing but padding.
        pad_mask = get_pad_mask(lengths + convolution.padding[0], z.size(2))
        # |pad_mask| = (batch_size, n_windows)
        maxima = z.masked_fill(pad_mask.unsqueeze(1), 0.0).amax(dim=2)
        # |maxima| = (batch_size, n_filters)
        return maxima


def get_pad_mask(lengths, max_length):
    """Return a mask that is True at the positions behind the end of each sequence."""
    # |lengths| = (batch_size,)
    positions = torch.arange(max_length, device=lengths.device)
    pad_mask = positions >= lengths.unsqueeze(1)
    # |pad_mask| = (batch_size, max_length)
    return pad_mask


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
            x: the token ids.
            lengths: the number of tokens of each text.
        """
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        pad_mask = get_pad_mask(lengths.to(x.device), x.size(1))
        # |pad_mask| = (batch_size, length)
        y_hat = self.encoder(input_ids=x, attention_mask=(~pad_mask).long()).logits
        # |y_hat| = (batch_size, output_size)
        return y_hat


def get_contributions(model, x):
    """Return the logits of a text, and how much each token contributes to the largest.

    The contribution is the vector of the token times the gradient of the logit with
    respect to it: to first order, the logit falls by this value if the vector becomes 0
    (Simonyan et al. 2014).

    Arguments:
        model: one of the classifiers.
        x: the token ids.
    """
    # |x| = (1, length)
    vectors = model.embedding(x).detach().requires_grad_()
    # |vectors| = (1, length, vec_size)
    hook = model.embedding.register_forward_hook(lambda *_: vectors)
    # cuDNN has no backward pass for a recurrent network in evaluation mode.
    with torch.backends.cudnn.flags(enabled=False):
        y_hat = model(x, torch.tensor([x.size(1)]))
        # |y_hat| = (1, output_size)
    hook.remove()
    (gradient,) = torch.autograd.grad(y_hat.max(), vectors)
    contributions = (vectors * gradient).sum(dim=-1)
    # |contributions| = (1, length)
    return y_hat.detach(), contributions.detach()


def get_encoder(config, output_size, encoder_config=None):
    """Load a pretrained encoder, whose head for output_size classes is not trained yet.

    Arguments:
        config: the options of the training, a dict.
        output_size: the number of classes.
        encoder_config: what get_encoder_config() returned, to build an encoder whose
            weights are in a checkpoint; None: load the pretrained weights.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification, logging

    if encoder_config:
        encoder_config = AutoConfig.for_model(**json.loads(encoder_config))
        return AutoModelForSequenceClassification.from_config(encoder_config)
    # The library warns in many lines that the head is not trained.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    encoder = AutoModelForSequenceClassification.from_pretrained(
        config['pretrained_model_name'],
        num_labels=output_size,
        ignore_mismatched_sizes=True,
    )
    if config['gradient_checkpointing']:
        # Activations are computed twice instead of stored (Chen et al. 2016).
        encoder.gradient_checkpointing_enable()
    return encoder


def get_encoder_config(model):
    """Return how a pretrained encoder is built, as JSON; None for other networks."""
    if isinstance(model, PretrainedClassifier):
        return model.encoder.config.to_json_string(use_diff=False)
    return None


def get_model(config, output_size, vocabulary, encoder_config=None):
    """Build the network that config['model'] names.

    Arguments:
        config: the options of the training, a dict.
        output_size: the number of classes.
        vocabulary: its tokens and n-grams have the vectors.
        encoder_config: see get_encoder().
    """
    from n_grams import NGramEmbedding

    if config['model'] == 'bert':
        return PretrainedClassifier(get_encoder(config, output_size, encoder_config))
    sizes = config['word_vec_size'], config['n_gram_vec_size']
    embedding = NGramEmbedding(vocabulary, *sizes)
    if config['model'] == 'cnn':
        return ConvolutionalClassifier(
            embedding=embedding,
            output_size=output_size,
            window_sizes=config['window_sizes'],
            n_filters=config['n_filters'],
            dropout_p=config['dropout_p'],
        )
    return SequenceClassifier(
        embedding=embedding,
        output_size=output_size,
        hidden_size=config['hidden_size'],
        n_layers=config['n_layers'],
        dropout_p=config['dropout_p'],
    )
