"""The model: the Transformer, Pre-LN, which reads and writes by attention alone."""

import math

import torch
from torch import nn
from torch.nn import functional


def attend(q, k, v, mask=None, is_causal=False):
    """Look up what the queries need among the keys: the formula.

    softmax(Q K^T / sqrt(head_size)) V (Vaswani et al. 2017, equation 1).

    Arguments:
        q, k, v: queries, keys and values of each head.
        mask: True where a query may look at a key; None: everywhere.
        is_causal: whether each query may look at its own place and at those before.

    Returns:
        What was found, of the shape of q, and the weights.
    """
    # |q| = (batch_size, n_heads, q_length, head_size)
    # |k| = (batch_size, n_heads, k_length, head_size)
    # |v| = (batch_size, n_heads, k_length, head_size)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
    # |scores| = (batch_size, n_heads, q_length, k_length)
    if is_causal:
        mask = torch.ones_like(scores, dtype=torch.bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(dim=-1)
    found = weights @ v
    # |found| = (batch_size, n_heads, q_length, head_size)
    return found, weights


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each in a subspace of its own.

    Vaswani et al. 2017, section 3.2.2. The keys and values of all heads come out of one
    matrix product. No weight is blanked out: the paper does without (section 5.4), and
    so torch can use its fused form in training too.

    Arguments:
        hidden_size: the size of a token's features, divided among the heads.
        n_heads: the number of attentions.
        kind: 'plain' for the formula as written above, 'sdpa' for torch's fused form.
    """

    def __init__(self, hidden_size, n_heads, kind):
        super().__init__()
        self.n_heads, self.kind = n_heads, kind
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key_value = nn.Linear(hidden_size, 2 * hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)

    def split_heads(self, x):
        """Give each head its part of the features."""
        # |x| = (batch_size, length, hidden_size)
        x = x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        # |x| = (batch_size, n_heads, length, head_size)
        return x

    def get_heads(self, x, keys_values):
        """Return the queries, the keys and the values of each head."""
        # |x| = (batch_size, length, hidden_size)
        # |keys_values| = (batch_size, k_length, hidden_size * 2)
        k, v = keys_values.chunk(2, dim=-1)
        return tuple(map(self.split_heads, (self.query(x), k, v)))

    def forward(self, x, keys_values, mask=None, is_causal=False):
        """Return what each place of x finds.

        Arguments:
            x: the features that ask.
            keys_values: what key_value() has made of the features that are asked.
            mask: True where a place may look, of shape (batch_size, 1, 1, k_length).
            is_causal: whether no place may look at a later one.
        """
        # |x| = (batch_size, length, hidden_size)
        # |keys_values| = (batch_size, k_length, hidden_size * 2)
        q, k, v = self.get_heads(x, keys_values)
        # |q| = (batch_size, n_heads, length, head_size)
        if self.kind == 'sdpa':
            found = functional.scaled_dot_product_attention(
                q, k, v, mask, is_causal=is_causal
            )
        else:
            found, _ = attend(q, k, v, mask, is_causal)
        found = found.transpose(1, 2).flatten(2)
        # |found| = (batch_size, length, hidden_size)
        return self.output(found)


class Dropout(nn.Module):
    """Blanks out features at random, and scales the others up to make good for it.

    The same as nn.Dropout, which spends a sixth of a training on random numbers when it
    runs on the CPU. Here eight features share one, of which each gets 8 bits. So p
    is rounded to a 256th.

    Arguments:
        p: the probability of a feature to be blanked out.
    """

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        """Return x in evaluation; in training, x with blanks."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != 'cpu':
            return functional.dropout(x, self.p)
        numbers = torch.empty(math.ceil(x.numel() / 8), dtype=torch.int64)
        noise = numbers.random_(-(2**63), None).view(torch.uint8)[: x.numel()]
        n_blank = round(256 * self.p)
        # In place, and in the type of x: comparisons that give bools are slow.
        is_kept = noise.view(x.shape).to(x.dtype).ge_(n_blank)
        return x * is_kept.mul_(256 / (256 - n_blank))


class FeedForward(nn.Sequential):
    """Two linear layers that work on each place alone (section 3.3).

    Arguments:
        hidden_size: the size of a token's features.
        ffn_size: the size of the layer in between.
        dropout_p: the probability of a feature to be blanked out in training.
    """

    def __init__(self, hidden_size, ffn_size, dropout_p):
        super().__init__(
            nn.Linear(hidden_size, ffn_size),
            nn.ReLU(),
            Dropout(dropout_p),
            nn.Linear(ffn_size, hidden_size),
        )


class EncoderBlock(nn.Module):
    """Attention to the whole sentence, then a feed-forward network.

    Pre-LN: what is normalised is what goes into a layer, so the residual path from the
    first block to the last is clear (Xiong et al. 2020).

    Arguments:
        hidden_size, n_heads, ffn_size, dropout_p, attention: as Transformer's.
    """

    def __init__(self, hidden_size, n_heads, ffn_size, dropout_p, attention):
        super().__init__()
        self.attention_norm = nn.LayerNorm(hidden_size)
        self.attention = MultiHeadAttention(hidden_size, n_heads, attention)
        self.ffn_norm = nn.LayerNorm(hidden_size)
        self.ffn = FeedForward(hidden_size, ffn_size, dropout_p)
        self.dropout = Dropout(dropout_p)

    def forward(self, x, mask):
        """Return the features of a batch of sentences, one block further."""
        # |x| = (batch_size, length, hidden_size)
        # |mask| = (batch_size, 1, 1, length)
        z = self.attention_norm(x)
        x = x + self.dropout(self.attention(z, self.attention.key_value(z), mask))
        x = x + self.dropout(self.ffn(self.ffn_norm(x)))
        # |x| = (batch_size, length, hidden_size)
        return x


class DecoderBlock(nn.Module):
    """Attention to what is written, to what is read, then a feed-forward network.

    Arguments:
        hidden_size, n_heads, ffn_size, dropout_p, attention: as Transformer's.
    """

    def __init__(self, hidden_size, n_heads, ffn_size, dropout_p, attention):
        super().__init__()
        sizes = (hidden_size, n_heads, attention)
        self.attention_norm = nn.LayerNorm(hidden_size)
        self.attention = MultiHeadAttention(*sizes)
        self.memory_norm = nn.LayerNorm(hidden_size)
        self.memory_attention = MultiHeadAttention(*sizes)
        self.ffn_norm = nn.LayerNorm(hidden_size)
        self.ffn = FeedForward(hidden_size, ffn_size, dropout_p)
        self.dropout = Dropout(dropout_p)

    def forward(self, x, memory, mask):
        """Return the features of a batch of target sentences, one block further.

        No place looks at a later one. So it does not see the padding either, which is
        always later.
        """
        # |x| = (batch_size, length, hidden_size)
        # |memory| = (batch_size, memory_length, hidden_size)
        # |mask| = (batch_size, 1, 1, memory_length)
        z = self.attention_norm(x)
        found = self.attention(z, self.attention.key_value(z), is_causal=True)
        x = x + self.dropout(found)
        z = self.memory_norm(x)
        found = self.memory_attention(z, self.memory_attention.key_value(memory), mask)
        x = x + self.dropout(found)
        x = x + self.dropout(self.ffn(self.ffn_norm(x)))
        # |x| = (batch_size, length, hidden_size)
        return x

    def step(self, x, t, cache, mask):
        """Do what forward() does, for the place t alone.

        Arguments:
            x: the features of this place.
            t: how many places there are before it.
            cache: a BlockCache of the places before, which gets this one too.
            mask: of the memory.
        """
        # |x| = (n_sentences, n_hypotheses, hidden_size)
        # |mask| = (n_sentences, 1, 1, memory_length)
        z = self.attention_norm(x).flatten(0, 1).unsqueeze(1)
        # |z| = (n_sentences * n_hypotheses, 1, hidden_size)
        known = cache.add(t, self.attention.key_value(z))
        x = x + self.attention(z, known).view(x.shape)
        # The hypotheses of a sentence are to its memory what places are: queries.
        x = x + self.memory_attention(self.memory_norm(x), cache.memory, mask)
        x = x + self.ffn(self.ffn_norm(x))
        # |x| = (n_sentences, n_hypotheses, hidden_size)
        return x


class BlockCache:
    """The keys and values that a block has computed already.

    Arguments:
        memory: those of the source sentences.
        n_rows: the largest number of hypotheses.
        max_length: how many places there will be, for which room is made at once.
    """

    def __init__(self, memory, n_rows, max_length):
        # |memory| = (n_sentences, memory_length, kv_size)
        self.memory = memory
        self.room = memory.new_empty(n_rows, max_length, memory.size(-1))
        # Where select() puts what it moves, before the two change places.
        self.spare = torch.empty_like(self.room)
        self.known = self.room[: len(memory)]

    def add(self, t, keys_values):
        """Put in the place t; return the keys and values of all places up to it."""
        # |keys_values| = (n_rows, 1, kv_size)
        self.known[:, t] = keys_values.squeeze(1)
        known = self.known[:, : t + 1]
        # |known| = (n_rows, n_places, kv_size)
        return known

    def select(self, rows, sentences, t):
        """Keep some hypotheses, in a new order, of which t places are known."""
        self.room, self.spare = self.spare, self.room
        moved = self.room[: len(rows)]
        torch.index_select(self.known[:, :t], 0, rows, out=moved[:, :t])
        self.known = moved
        if len(sentences) < len(self.memory):
            self.memory = self.memory[sentences]


class PositionalEncoding(nn.Module):
    """Tells the places of a sentence apart by waves of different lengths.

    sin(t / 10000^(2i / hidden_size)) and cos of the same, for i from 0 to half the
    hidden_size (Vaswani et al. 2017, section 3.5). The table grows when a
    longer sentence comes.

    Arguments:
        hidden_size: the size of a token's features.
    """

    def __init__(self, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.register_buffer('table', self.make_table(256), persistent=False)

    def make_table(self, length):
        """Return the waves at the first places."""
        places = torch.arange(length).unsqueeze(1)
        exponents = torch.arange(0, self.hidden_size, 2) / self.hidden_size
        angles = places / 10000**exponents
        # |angles| = (length, half_size)
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        # |table| = (length, hidden_size)
        return table

    def forward(self, start, length):
        """Return the waves at `length` places, of which the first is `start`."""
        table = self.table
        if start + length > len(table):
            table = self.make_table(2 * (start + length)).to(table)
            self.table = table
        return table[start : start + length]


class Transformer(nn.Module):
    """Encoder and decoder of Pre-LN blocks, each with a final normalisation.

    Arguments:
        x_vocab_size, y_vocab_size: the numbers of tokens of the two languages.
        hidden_size: the size of a token's features.
        n_heads: the number of attentions of a layer.
        ffn_size: the size of the layer inside a feed-forward network.
        n_layers: the number of blocks of the encoder, and of the decoder.
        dropout_p: the probability of a feature to be blanked out in training.
        attention: 'plain' or 'sdpa', which compute the same.
        pad_id: the id of the padding, whose vector stays zero.
        is_joint: whether both languages have one vocabulary, and so one embedding.
        is_tied: whether the generator scores a token by the very vector that the
            decoder reads it by (Press and Wolf 2017).
    """

    def __init__(
        self,
        x_vocab_size,
        y_vocab_size,
        hidden_size,
        n_heads,
        ffn_size,
        n_layers,
        dropout_p,
        attention,
        pad_id,
        is_joint,
        is_tied,
    ):
        super().__init__()
        sizes = (hidden_size, n_heads, ffn_size, dropout_p, attention)
        self.x_embedding = nn.Embedding(x_vocab_size, hidden_size, padding_idx=pad_id)
        self.y_embedding = self.x_embedding
        if not is_joint:
            self.y_embedding = nn.Embedding(y_vocab_size, hidden_size, pad_id)
        self.positions = PositionalEncoding(hidden_size)
        self.dropout = Dropout(dropout_p)
        self.encoder = nn.ModuleList(EncoderBlock(*sizes) for _ in range(n_layers))
        self.encoder_norm = nn.LayerNorm(hidden_size)
        self.decoder = nn.ModuleList(DecoderBlock(*sizes) for _ in range(n_layers))
        self.decoder_norm = nn.LayerNorm(hidden_size)
        self.generator = nn.Linear(hidden_size, y_vocab_size, bias=False)
        self._initialize(is_tied)

    def _initialize(self, is_tied):
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for embedding in (self.x_embedding, self.y_embedding):
            # Times sqrt(hidden_size), the vectors come to be as large as the waves.
            nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)
            nn.init.zeros_(embedding.weight[embedding.padding_idx])
        if is_tied:
            self.generator.weight = self.y_embedding.weight

    def embed(self, embedding, x, start=0):
        """Return the vectors of tokens, with the waves of their places."""
        # |x| = (batch_size, length)
        x = embedding(x) * math.sqrt(embedding.embedding_dim)
        x = self.dropout(x + self.positions(start, x.size(1)))
        # |x| = (batch_size, length, hidden_size)
        return x

    def encode(self, x, lengths):
        """Read sentences; return their memory, and the mask of its places."""
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        places = torch.arange(x.size(1), device=x.device)
        mask = (places < lengths.to(x.device).unsqueeze(1))[:, None, None]
        # |mask| = (batch_size, 1, 1, length)
        memory = self.embed(self.x_embedding, x)
        for block in self.encoder:
            memory = block(memory, mask)
        memory = self.encoder_norm(memory)
        # |memory| = (batch_size, length, hidden_size)
        return memory, mask

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
        memory, mask = self.encode(x, lengths)
        z = self.embed(self.y_embedding, y)
        for block in self.decoder:
            z = block(z, memory, mask)
        z = self.decoder_norm(z.flatten(0, 1)[places])
        # |z| = (n_targets, hidden_size)
        y_hat = self.generator(z)
        # |y_hat| = (n_targets, y_vocab_size)
        return y_hat

    def get_attention(self, x, lengths, y):
        """Return where each place of y looks in x: the weights of all layers and heads.

        Arguments:
            x, lengths, y: as forward's.
        """
        weights = []

        def look(attention, inputs):
            z, keys_values, mask = inputs
            weights.append(attend(*attention.get_heads(z, keys_values), mask)[1])

        hooks = [
            block.memory_attention.register_forward_pre_hook(look)
            for block in self.decoder
        ]
        self(x, lengths, y, torch.arange(y.numel(), device=y.device))
        for hook in hooks:
            hook.remove()
        weights = torch.stack(weights, dim=1)
        # |weights| = (batch_size, n_layers, n_heads, y_length, x_length)
        return weights

    def start(self, x, lengths, n_hypotheses, max_length):
        """Read sentences; return the State in which their translations begin."""
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        memory, mask = self.encode(x, lengths)
        caches = [
            BlockCache(
                block.memory_attention.key_value(memory),
                len(x) * n_hypotheses,
                max_length,
            )
            for block in self.decoder
        ]
        return State(caches, mask)

    def step(self, y, state):
        """Return the logits of what follows on y, and take the state one step further.

        Arguments:
            y: the last token of each hypothesis.
            state: what start() has returned.
        """
        # |y| = (batch_size, n_hypotheses)
        z = self.y_embedding(y) * math.sqrt(self.y_embedding.embedding_dim)
        z = z + self.positions(state.t, 1)
        # |z| = (batch_size, n_hypotheses, hidden_size)
        for block, cache in zip(self.decoder, state.caches, strict=True):
            z = block.step(z, state.t, cache, state.mask)
        state.t += 1
        logits = self.generator(self.decoder_norm(z))
        # |logits| = (batch_size, n_hypotheses, y_vocab_size)
        return logits


class State:
    """What the decoder knows of the hypotheses between two steps.

    Arguments:
        caches: a BlockCache for each block of the decoder.
        mask: of the memory of each sentence.
    """

    def __init__(self, caches, mask):
        self.caches, self.mask = caches, mask
        self.n_hypotheses, self.t = 1, 0

    def select(self, rows):
        """Keep these hypotheses, in this order, and the sentences that they are of."""
        # |rows| = (n_open, n_hypotheses_now)
        sentences = rows[:, 0] // self.n_hypotheses
        for cache in self.caches:
            cache.select(rows.flatten(), sentences, self.t)
        if len(sentences) < len(self.mask):
            self.mask = self.mask[sentences]
        self.n_hypotheses = rows.size(1)


def get_model(config, x_vocab_size, y_vocab_size):
    """Build the network that the options of a training describe.

    Arguments:
        config: the options, a dict.
        x_vocab_size, y_vocab_size: the numbers of subwords of the two languages.
    """
    return Transformer(
        x_vocab_size=x_vocab_size,
        y_vocab_size=y_vocab_size,
        hidden_size=config['hidden_size'],
        n_heads=config['n_heads'],
        ffn_size=config['ffn_size'],
        n_layers=config['n_layers'],
        dropout_p=config['dropout_p'],
        attention=config['attention'],
        pad_id=0,
        is_joint=config['joint'],
        is_tied=config['tied'],
    )
