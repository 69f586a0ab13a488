"""The model: LSTMs that read a sentence and write its translation, with attention."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Encoder(nn.Module):
    """A bidirectional LSTM that reads the source sentence.

    Arguments:
        vocab_size: the number of tokens in the vocabulary.
        word_vec_size: the size of the vector of a token.
        hidden_size: the size of a state, half of it for each direction.
        n_layers: the number of LSTM layers.
        dropout_p: the probability of a feature to be blanked out in training.
        pad_id: the id of the padding, whose vector stays zero.
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
        """Read sentences.

        Arguments:
            x: the ids of the tokens.
            lengths: how many of them each sentence has, on the CPU.

        Returns:
            memory: a state for each token, of both directions.
            state: the final states h and c of each layer, both directions side by side,
                each of shape (n_layers, batch_size, hidden_size).
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
    """Looks up what a query needs in the memory of the source sentence.

    The general form of Luong et al. 2015, equations 7 and 8: the score of a place is
    h^T W m, and the context is the mean of the memory, weighted by their softmax.

    Arguments:
        hidden_size: the size of a query, and of what the memory keeps of a token.
    """

    def __init__(self, hidden_size):
        super().__init__()
        self.linear = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, query, memory, is_padding):
        """Return the contexts of some queries to each sentence, and their weights.

        Arguments:
            query: what is looked for.
            memory: what the encoder has made of each token.
            is_padding: True where there is no token.
        """
        # |query| = (batch_size, n_queries, hidden_size)
        # |memory| = (batch_size, length, hidden_size)
        # |is_padding| = (batch_size, length)
        scores = self.linear(query) @ memory.transpose(1, 2)
        # |scores| = (batch_size, n_queries, length)
        weights = scores.masked_fill(is_padding.unsqueeze(1), -torch.inf).softmax(
            dim=-1
        )
        context = weights @ memory
        # |context| = (batch_size, n_queries, hidden_size)
        return context, weights


class Decoder(nn.Module):
    """An LSTM that writes the target sentence, one token after the other.

    Each step sees the token before and, by input feeding, what the step before has
    found (Luong et al. 2015, section 3.3): so it knows where it has looked already.

    Arguments:
        vocab_size: the number of tokens in the vocabulary.
        word_vec_size: the size of the vector of a token.
        hidden_size: the size of a state.
        n_layers: the number of LSTM layers.
        dropout_p: the probability of a feature to be blanked out in training.
        pad_id: the id of the padding, whose vector stays zero.
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
        self.dropout = nn.Dropout(dropout_p)

    def step(self, word_vec, found, state, memory, is_padding):
        """Take one step, for some hypotheses of each sentence.

        Arguments:
            word_vec: the vector of the token before.
            found: what the step before has returned, zeros for the first.
            state: h and c, each of shape
                (n_layers, batch_size * n_hypotheses, hidden_size).
            memory, is_padding: of each sentence.

        Returns:
            What this step has found, the new state, and the weights of the attention.
        """
        # |word_vec| = (batch_size, n_hypotheses, word_vec_size)
        # |found| = (batch_size, n_hypotheses, hidden_size)
        x = torch.cat([word_vec, found], dim=-1).flatten(0, 1).unsqueeze(1)
        # |x| = (batch_size * n_hypotheses, 1, word_vec_size + hidden_size)
        h, state = self.rnn(x, state)
        # |h| = (batch_size * n_hypotheses, 1, hidden_size)
        h = h.view(found.shape)
        # |h| = (batch_size, n_hypotheses, hidden_size)
        context, weights = self.attention(h, memory, is_padding)
        found = self.linear(torch.cat([context, h], dim=-1)).tanh()
        # |found| = (batch_size, n_hypotheses, hidden_size)
        return found, state, weights


class Seq2Seq(nn.Module):
    """Encoder, decoder, and a generator that turns what is found into logits.

    Arguments:
        x_vocab_size, y_vocab_size: the numbers of tokens of the two languages.
        word_vec_size, hidden_size, n_layers, dropout_p, pad_id: of both networks.
        is_tied: whether the generator scores a token by the very vector that the
            decoder reads it by (Press and Wolf 2017).
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

    def generate(self, found):
        """Return the logits of the next token."""
        return self.generator(self.dropout(self.linear(found)))

    def decode(self, x, lengths, y):
        """Return what the decoder finds at each place of y, and where it looks in x."""
        memory, state = self.encoder(x, lengths)
        is_padding = get_padding(lengths, x)
        word_vecs = self.dropout(self.decoder.embedding(y))
        # |word_vecs| = (batch_size, y_length, word_vec_size)
        found = memory.new_zeros(len(x), 1, memory.size(-1))
        steps = []
        for word_vec in word_vecs.split(1, dim=1):
            found, state, weights = self.decoder.step(
                word_vec, found, state, memory, is_padding
            )
            steps.append((found, weights))
        found, weights = (
            torch.cat(pieces, dim=1) for pieces in zip(*steps, strict=True)
        )
        # |found| = (batch_size, y_length, hidden_size)
        # |weights| = (batch_size, y_length, x_length)
        return found, weights

    def forward(self, x, lengths, y, places):
        """Return the logits of every target token: teacher forcing.

        The decoder reads the true sentence, whatever it would have said itself.

        Arguments:
            x: the ids of the source tokens.
            lengths: how many of them each sentence has, on the CPU.
            y: the ids of the target tokens, a beginning of the sentence before them.
            places: where in y, flattened, there is a token and no padding.
        """
        # |x| = (batch_size, x_length)
        # |lengths| = (batch_size,)
        # |y| = (batch_size, y_length)
        # |places| = (n_targets,)
        found, _ = self.decode(x, lengths, y)
        y_hat = self.generate(found.flatten(0, 1)[places])
        # |y_hat| = (n_targets, y_vocab_size)
        return y_hat

    def get_attention(self, x, lengths, y):
        """Return where each place of y looks in x: here, one layer and one head."""
        _, weights = self.decode(x, lengths, y)
        weights = weights.unsqueeze(1).unsqueeze(1)
        # |weights| = (batch_size, n_layers, n_heads, y_length, x_length)
        return weights

    def start(self, x, lengths, n_hypotheses, max_length):
        """Read sentences; return the State in which their translations begin."""
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        memory, (h, c) = self.encoder(x, lengths)
        # |h| = (n_layers, batch_size, hidden_size)
        found = memory.new_zeros(len(x), memory.size(-1))
        return State(memory, get_padding(lengths, x), h, c, found)

    def step(self, y, state):
        """Return the logits of what follows on y, and take the state one step further.

        Arguments:
            y: the last token of each hypothesis.
            state: what start() has returned.
        """
        # |y| = (batch_size, n_hypotheses)
        found, (state.h, state.c), _ = self.decoder.step(
            self.decoder.embedding(y),
            state.found.view(*y.shape, -1),
            (state.h, state.c),
            state.memory,
            state.is_padding,
        )
        state.found = found.flatten(0, 1)
        logits = self.generate(found)
        # |logits| = (batch_size, n_hypotheses, y_vocab_size)
        return logits


class State:
    """What the decoder knows of the hypotheses between two steps.

    Arguments:
        memory, is_padding: of each sentence; its hypotheses share them.
        h, c, found: of each hypothesis.
    """

    def __init__(self, memory, is_padding, h, c, found):
        self.memory, self.is_padding = memory, is_padding
        self.h, self.c, self.found = h, c, found

    def select(self, rows):
        """Keep these hypotheses, in this order, and the sentences that they are of."""
        # |rows| = (n_open, n_hypotheses_now)
        n_hypotheses_before = len(self.found) // len(self.memory)
        sentences, rows = rows[:, 0] // n_hypotheses_before, rows.flatten()
        if len(sentences) < len(self.memory):
            self.memory = self.memory[sentences]
            self.is_padding = self.is_padding[sentences]
        self.h, self.c = self.h[:, rows], self.c[:, rows]
        self.found = self.found[rows]


def get_padding(lengths, x):
    """Return where there is no token.

    Returns:
        A bool tensor of shape (batch_size, length).
    """
    places = torch.arange(x.size(1), device=x.device)
    return places >= lengths.to(x.device).unsqueeze(1)


def get_model(config, x_vocab_size, y_vocab_size):
    """Build the network that the options of a training describe.

    Arguments:
        config: the options, a dict.
        x_vocab_size, y_vocab_size: the numbers of subwords of the two languages.
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
