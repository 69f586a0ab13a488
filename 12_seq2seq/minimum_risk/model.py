"""The model: an encoder and a decoder of LSTMs with attention between them."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Encoder(nn.Module):
    """A bidirectional LSTM that reads the source sentence.

    Arguments:
        vocab_size: the number of tokens in the vocabulary.
        word_vec_size: the size of a token's embedding vector.
        hidden_size: the size of a hidden state, half of it for each direction.
        n_layers: the number of LSTM layers.
        dropout_p: the dropout probability.
        pad_id: the id of the padding token, whose vector stays zero.
    """

    def __init__(
        self, vocab_size, word_vec_size, hidden_size, n_layers, dropout_p, pad_id
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, word_vec_size, padding_idx=pad_id)
        self.rnn = nn.LSTM(
            word_vec_size,
            hidden_size // 2,
            n_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout_p if n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x, lengths):
        """Encode a batch of source sentences.

        Arguments:
            x: the token ids.
            lengths: the number of tokens of each sentence, on the CPU.

        Returns:
            memory: the hidden states of both directions at each token.
            state: the final hidden states h and cell states c of each layer, the two
                directions concatenated, each (n_layers, batch_size, hidden_size).
        """
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        x = self.dropout(self.embedding(x))
        # |x| = (batch_size, length, word_vec_size)
        x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        memory, state = self.rnn(x)
        memory, _ = pad_packed_sequence(memory, batch_first=True)
        # |memory| = (batch_size, length, hidden_size)
        return memory, tuple(self._join_directions(s) for s in state)

    def _join_directions(self, state):
        # |state| = (n_states, batch_size, half_size)
        forward, backward = state[0::2], state[1::2]
        # |forward| = (n_layers, batch_size, half_size)
        return torch.cat([forward, backward], dim=-1)


class Attention(nn.Module):
    """Computes, for each query, a weighted mean of the encoder's hidden states.

    The general form of Luong et al. 2015, equations 7 and 8: the score of a query q and
    a hidden state m is q^T W m, and the context vector is the mean of the hidden
    states, weighted by the softmax of the scores.

    Arguments:
        hidden_size: the size of a query and of a hidden state.
    """

    def __init__(self, hidden_size):
        super().__init__()
        self.linear = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, query, memory, pad_mask):
        """Return a context vector for each query, and the attention weights.

        Arguments:
            query: the hidden states of the decoder.
            memory: the hidden states of the encoder.
            pad_mask: True where the source has padding.
        """
        # |query| = (batch_size, n_queries, hidden_size)
        # |memory| = (batch_size, length, hidden_size)
        # |pad_mask| = (batch_size, length)
        scores = self.linear(query) @ memory.transpose(1, 2)
        # |scores| = (batch_size, n_queries, length)
        scores = scores.masked_fill(pad_mask.unsqueeze(1), -torch.inf)
        weights = scores.softmax(dim=-1)
        context = weights @ memory
        # |context| = (batch_size, n_queries, hidden_size)
        return context, weights


class Decoder(nn.Module):
    """An LSTM that generates the target sentence token by token.

    The input of a step is the previous token and the previous attentional hidden state
    h_tilde (input feeding; Luong et al. 2015, section 3.3), which tells the decoder
    where it has attended so far.

    Arguments:
        vocab_size: the number of tokens in the vocabulary.
        word_vec_size: the size of a token's embedding vector.
        hidden_size: the size of a hidden state.
        n_layers: the number of LSTM layers.
        dropout_p: the dropout probability.
        pad_id: the id of the padding token, whose vector stays zero.
    """

    def __init__(
        self, vocab_size, word_vec_size, hidden_size, n_layers, dropout_p, pad_id
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, word_vec_size, padding_idx=pad_id)
        self.rnn = nn.LSTM(
            word_vec_size + hidden_size,
            hidden_size,
            n_layers,
            batch_first=True,
            dropout=dropout_p if n_layers > 1 else 0.0,
        )
        self.attention = Attention(hidden_size)
        self.linear = nn.Linear(2 * hidden_size, hidden_size)

    def step(self, word_vec, state):
        """Take one step for all hypotheses of each sentence, and update the state.

        The hypotheses of a sentence share its memory: they are several queries to it.

        Arguments:
            word_vec: the embedding vectors of the previous tokens.
            state: the State after the previous step.

        Returns:
            h_tilde: the attentional hidden state (Luong et al. 2015, equation 5).
            weights: the attention weights.
        """
        # |word_vec| = (n_sentences, n_hypotheses, word_vec_size)
        # |state.h_tilde| = (n_sentences, n_hypotheses, hidden_size)
        x = torch.cat([word_vec, state.h_tilde], dim=-1).flatten(0, 1).unsqueeze(1)
        # |x| = (n_sentences * n_hypotheses, 1, word_vec_size + hidden_size)
        h, (state.h, state.c) = self.rnn(x, (state.h, state.c))
        h = h.view_as(state.h_tilde)
        # |h| = (n_sentences, n_hypotheses, hidden_size)
        context, weights = self.attention(h, state.memory, state.pad_mask)
        state.h_tilde = self.linear(torch.cat([context, h], dim=-1)).tanh()
        return state.h_tilde, weights


class Seq2Seq(nn.Module):
    """Encoder, decoder, and a generator that turns hidden states into logits.

    Arguments:
        x_vocab_size, y_vocab_size: the vocabulary sizes of source and target language.
        word_vec_size, hidden_size, n_layers, dropout_p, pad_id: of both networks.
        is_tied: whether the generator shares its weights with the decoder's embedding
            (Press and Wolf 2017).
    """

    def __init__(
        self,
        x_vocab_size,
        y_vocab_size,
        word_vec_size,
        hidden_size,
        n_layers,
        dropout_p,
        pad_id,
        is_tied,
    ):
        super().__init__()
        sizes = (word_vec_size, hidden_size, n_layers, dropout_p, pad_id)
        self.encoder = Encoder(x_vocab_size, *sizes)
        self.decoder = Decoder(y_vocab_size, *sizes)
        self.dropout = nn.Dropout(dropout_p)
        self.linear = nn.Linear(hidden_size, word_vec_size)
        self.generator = nn.Linear(word_vec_size, y_vocab_size)
        if is_tied:
            self.generator.weight = self.decoder.embedding.weight

    def generate(self, h_tilde):
        """Return the logits of the next token."""
        return self.generator(self.dropout(self.linear(h_tilde)))

    def decode(self, x, lengths, y):
        """Return h_tilde and the attention weights at each position of y."""
        state = self.start(x, lengths)
        word_vecs = self.dropout(self.decoder.embedding(y))
        # |word_vecs| = (batch_size, y_length, word_vec_size)
        steps = [self.decoder.step(w, state) for w in word_vecs.split(1, dim=1)]
        h_tilde, weights = (torch.cat(each, dim=1) for each in zip(*steps, strict=True))
        # |h_tilde| = (batch_size, y_length, hidden_size)
        # |weights| = (batch_size, y_length, x_length)
        return h_tilde, weights

    def forward(self, x, lengths, y):
        """Return the logits of the token that follows each position of y.

        Teacher forcing: the decoder reads the true target sentence, not its own output.

        Arguments:
            x: the token ids of the source sentences.
            lengths: the number of tokens of each source sentence, on the CPU.
            y: the token ids of the target sentences, which begin with BOS.
        """
        # |x| = (batch_size, x_length)
        # |lengths| = (batch_size,)
        # |y| = (batch_size, y_length)
        h_tilde, _ = self.decode(x, lengths, y)
        y_hat = self.generate(h_tilde)
        # |y_hat| = (batch_size, y_length, y_vocab_size)
        return y_hat

    def get_attention(self, x, lengths, y):
        """Return the attention weights; there is one layer with one head."""
        _, weights = self.decode(x, lengths, y)
        weights = weights.unsqueeze(1).unsqueeze(1)
        # |weights| = (batch_size, n_layers, n_heads, y_length, x_length)
        return weights

    def start(self, x, lengths):
        """Encode source sentences; return the State before the first step."""
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        memory, (h, c) = self.encoder(x, lengths)
        # |h| = (n_layers, batch_size, hidden_size)
        h_tilde = memory.new_zeros(len(x), 1, memory.size(-1))
        return State(memory, get_pad_mask(x, lengths), h, c, h_tilde)

    def step(self, y, state):
        """Return the logits of the next token, and update the state.

        Arguments:
            y: the last token of each hypothesis.
            state: what start() has returned.
        """
        # |y| = (n_sentences, n_hypotheses)
        h_tilde, _ = self.decoder.step(self.decoder.embedding(y), state)
        logits = self.generate(h_tilde)
        # |logits| = (n_sentences, n_hypotheses, y_vocab_size)
        return logits


class State:
    """The state of the decoder between two steps.

    Arguments:
        memory, pad_mask: of each source sentence.
        h, c, h_tilde: of each translation so far.
    """

    def __init__(self, memory, pad_mask, h, c, h_tilde):
        self.memory, self.pad_mask = memory, pad_mask
        self.h, self.c, self.h_tilde = h, c, h_tilde

    def select(self, rows):
        """Keep the given hypotheses, in this order, and their sentences.

        Arguments:
            rows: a row for each sentence that is kept, with the numbers of its
                hypotheses, counted through the whole batch.
        """
        # |rows| = (n_kept, n_hypotheses_kept)
        sentences = rows[:, 0] // self.h_tilde.size(1)
        self.h_tilde = self.h_tilde.flatten(0, 1)[rows]
        # |self.h_tilde| = (n_kept, n_hypotheses_kept, hidden_size)
        self.h, self.c = self.h[:, rows.flatten()], self.c[:, rows.flatten()]
        if len(sentences) < len(self.memory):
            self.memory = self.memory[sentences]
            self.pad_mask = self.pad_mask[sentences]


def get_pad_mask(x, lengths):
    """Return a bool tensor of the shape of x, True where there is padding."""
    # |x| = (batch_size, length)
    # |lengths| = (batch_size,)
    positions = torch.arange(x.size(1), device=x.device)
    return positions >= lengths.to(x.device).unsqueeze(1)


def get_model(config, x_vocab_size, y_vocab_size):
    """Build the network that the options of a training describe.

    Arguments:
        config: the options, a dict.
        x_vocab_size, y_vocab_size: the vocabulary sizes of source and target language.
    """
    return Seq2Seq(
        x_vocab_size=x_vocab_size,
        y_vocab_size=y_vocab_size,
        word_vec_size=config['word_vec_size'],
        hidden_size=config['hidden_size'],
        n_layers=config['n_layers'],
        dropout_p=config['dropout_p'],
        pad_id=0,
        is_tied=config['tied'],
    )


def get_criteria(label_smoothing, pad_id=0):
    """Return the loss of the training, and the one of the perplexity: not smoothed."""
    smooth = nn.CrossEntropyLoss(ignore_index=pad_id, label_smoothing=label_smoothing)
    return smooth, nn.CrossEntropyLoss(ignore_index=pad_id)
