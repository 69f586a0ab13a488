"""The models: the Transformer of 13, a pair of them, and a language model.

A pair translates in both directions. Its loss, that of dual supervised learning (Xia et
al. 2017), stands at the end of this file, below the networks.
"""

import math

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from utils import batched


def get_attention_weights(q, k, mask=None, is_causal=False):
    """Return softmax(Q K^T / sqrt(head_size)), of which each row sums to 1.

    Arguments:
        q, k: the queries and keys of each head.
        mask: True where a query may attend to a key; None: everywhere.
        is_causal: whether a query may attend only to its own and earlier positions.
    """
    # |q| = (batch_size, n_heads, q_length, head_size)
    # |k| = (batch_size, n_heads, k_length, head_size)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
    # |scores| = (batch_size, n_heads, q_length, k_length)
    if is_causal:
        mask = torch.ones_like(scores, dtype=torch.bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=-1)


def scaled_dot_product_attention(q, k, v, mask=None, is_causal=False):
    """Return softmax(Q K^T / sqrt(head_size)) V (Vaswani et al. 2017, equation 1).

    Arguments:
        q, k, v: the queries, keys and values of each head.
        mask, is_causal: as in get_attention_weights().
    """
    # |v| = (batch_size, n_heads, k_length, head_size)
    context = get_attention_weights(q, k, mask, is_causal) @ v
    # |context| = (batch_size, n_heads, q_length, head_size)
    return context


class MultiHeadAttention(nn.Module):
    """Several attentions in parallel, each in a subspace of its own (section 3.2.2).

    One matrix product computes the keys and values of all heads. There is no dropout on
    the attention weights, as in the paper (section 5.4).

    Arguments:
        hidden_size: the size of a token's features, divided among the heads.
        n_heads: the number of attentions.
        kind: 'plain' for the formula as written above, 'sdpa' for torch's fused
            function, which computes the same.
    """

    def __init__(self, hidden_size, n_heads, kind):
        super().__init__()
        self.n_heads = n_heads
        self.attend = {
            'plain': scaled_dot_product_attention,
            'sdpa': functional.scaled_dot_product_attention,
        }[kind]
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key_value = nn.Linear(hidden_size, 2 * hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)

    def split_heads(self, x):
        """Divide the features among the heads."""
        # |x| = (batch_size, length, hidden_size)
        x = x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        # |x| = (batch_size, n_heads, length, head_size)
        return x

    def get_heads(self, x, keys_values):
        """Return the queries, keys and values of each head."""
        # |x| = (batch_size, length, hidden_size)
        # |keys_values| = (batch_size, k_length, hidden_size * 2)
        k, v = keys_values.chunk(2, dim=-1)
        return tuple(map(self.split_heads, (self.query(x), k, v)))

    def forward(self, x, keys_values, mask=None, is_causal=False):
        """Return a context vector for each position of x.

        Arguments:
            x: the features from which the queries are computed.
            keys_values: the output of key_value() for the positions to attend to.
            mask: True where a key may be attended to, (batch_size, 1, 1, k_length).
            is_causal: whether a position may attend only to itself and earlier ones.
        """
        # |x| = (batch_size, length, hidden_size)
        # |keys_values| = (batch_size, k_length, hidden_size * 2)
        q, k, v = self.get_heads(x, keys_values)
        # |q| = (batch_size, n_heads, length, head_size)
        context = self.attend(q, k, v, mask, is_causal=is_causal)
        context = context.transpose(1, 2).flatten(2)
        # |context| = (batch_size, length, hidden_size)
        return self.output(context)


class FeedForward(nn.Sequential):
    """Two linear layers, applied to each position separately (section 3.3).

    Arguments:
        hidden_size: the size of a token's features.
        ffn_size: the size of the layer in between.
        dropout_p: the dropout probability.
        activation: 'relu' as in the paper, 'gelu' or 'silu' (also called swish).
    """

    def __init__(self, hidden_size, ffn_size, dropout_p, activation='relu'):
        super().__init__(
            nn.Linear(hidden_size, ffn_size),
            {'relu': nn.ReLU, 'gelu': nn.GELU, 'silu': nn.SiLU}[activation](),
            nn.Dropout(dropout_p),
            nn.Linear(ffn_size, hidden_size),
        )


class EncoderBlock(nn.Module):
    """Self-attention, then a feed-forward network.

    Pre-LN: the layer normalisation is applied to the input of each sublayer, so the
    residual connections form an identity path through all blocks (Xiong et al. 2020).

    Arguments:
        hidden_size, n_heads, ffn_size, dropout_p, attention, activation: as in
            Transformer.
    """

    def __init__(
        self, hidden_size, n_heads, ffn_size, dropout_p, attention, activation='relu'
    ):
        super().__init__()
        self.attention_norm = nn.LayerNorm(hidden_size)
        self.attention = MultiHeadAttention(hidden_size, n_heads, attention)
        self.ffn_norm = nn.LayerNorm(hidden_size)
        self.ffn = FeedForward(hidden_size, ffn_size, dropout_p, activation)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x, mask):
        """Return the features of the source sentences after this block."""
        # |x| = (batch_size, length, hidden_size)
        # |mask| = (batch_size, 1, 1, length)
        z = self.attention_norm(x)
        x = x + self.dropout(self.attention(z, self.attention.key_value(z), mask))
        x = x + self.dropout(self.ffn(self.ffn_norm(x)))
        # |x| = (batch_size, length, hidden_size)
        return x


class DecoderBlock(nn.Module):
    """Causal self-attention, attention to the memory, then a feed-forward network.

    Arguments:
        hidden_size, n_heads, ffn_size, dropout_p, attention, activation: as in
            Transformer.
    """

    def __init__(
        self, hidden_size, n_heads, ffn_size, dropout_p, attention, activation='relu'
    ):
        super().__init__()
        self.attention_norm = nn.LayerNorm(hidden_size)
        self.attention = MultiHeadAttention(hidden_size, n_heads, attention)
        self.memory_norm = nn.LayerNorm(hidden_size)
        self.memory_attention = MultiHeadAttention(hidden_size, n_heads, attention)
        self.ffn_norm = nn.LayerNorm(hidden_size)
        self.ffn = FeedForward(hidden_size, ffn_size, dropout_p, activation)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x, memory, mask):
        """Return the features of the target sentences after this block.

        The causal mask also hides the padding of the target, which follows all tokens.
        """
        # |x| = (batch_size, length, hidden_size)
        # |memory| = (batch_size, memory_length, hidden_size)
        # |mask| = (batch_size, 1, 1, memory_length)
        z = self.attention_norm(x)
        context = self.attention(z, self.attention.key_value(z), is_causal=True)
        x = x + self.dropout(context)
        keys_values = self.memory_attention.key_value(memory)
        context = self.memory_attention(self.memory_norm(x), keys_values, mask)
        x = x + self.dropout(context)
        x = x + self.dropout(self.ffn(self.ffn_norm(x)))
        # |x| = (batch_size, length, hidden_size)
        return x

    def step(self, x, cache, mask):
        """Compute what forward() computes, for the next position only.

        Arguments:
            x: the features of this position.
            cache: the BlockCache of the positions before; it gets this one too.
            mask: of the memory.
        """
        # |x| = (n_sentences, n_hypotheses, hidden_size)
        # |mask| = (n_sentences, 1, 1, memory_length)
        z = self.attention_norm(x).flatten(0, 1).unsqueeze(1)
        # |z| = (n_sentences * n_hypotheses, 1, hidden_size)
        keys_values = cache.add(self.attention.key_value(z))
        x = x + self.attention(z, keys_values).view(x.shape)
        # The hypotheses of a sentence share its memory: they are several queries to it.
        x = x + self.memory_attention(self.memory_norm(x), cache.memory, mask)
        x = x + self.ffn(self.ffn_norm(x))
        # |x| = (n_sentences, n_hypotheses, hidden_size)
        return x


class PostEncoderBlock(EncoderBlock):
    """An EncoderBlock as in the paper of 2017.

    Post-LN: the layer normalisation is applied to each sum, so no path through the
    blocks is without one.
    """

    def forward(self, x, mask):
        """Return the features of the source sentences after this block."""
        # |x| = (batch_size, length, hidden_size)
        # |mask| = (batch_size, 1, 1, length)
        context = self.attention(x, self.attention.key_value(x), mask)
        x = self.attention_norm(x + self.dropout(context))
        x = self.ffn_norm(x + self.dropout(self.ffn(x)))
        # |x| = (batch_size, length, hidden_size)
        return x


class PostDecoderBlock(DecoderBlock):
    """A DecoderBlock with Post-LN."""

    def forward(self, x, memory, mask):
        """Return the features of the target sentences after this block."""
        # |x| = (batch_size, length, hidden_size)
        # |memory| = (batch_size, memory_length, hidden_size)
        # |mask| = (batch_size, 1, 1, memory_length)
        context = self.attention(x, self.attention.key_value(x), is_causal=True)
        x = self.attention_norm(x + self.dropout(context))
        keys_values = self.memory_attention.key_value(memory)
        context = self.memory_attention(x, keys_values, mask)
        x = self.memory_norm(x + self.dropout(context))
        x = self.ffn_norm(x + self.dropout(self.ffn(x)))
        # |x| = (batch_size, length, hidden_size)
        return x

    def step(self, x, cache, mask):
        """Compute what forward() computes, for the next position only.

        Arguments:
            x, cache, mask: as in DecoderBlock.step().
        """
        # |x| = (n_sentences, n_hypotheses, hidden_size)
        # |mask| = (n_sentences, 1, 1, memory_length)
        z = x.flatten(0, 1).unsqueeze(1)
        # |z| = (n_sentences * n_hypotheses, 1, hidden_size)
        keys_values = cache.add(self.attention.key_value(z))
        x = self.attention_norm(x + self.attention(z, keys_values).view(x.shape))
        x = self.memory_norm(x + self.memory_attention(x, cache.memory, mask))
        x = self.ffn_norm(x + self.ffn(x))
        # |x| = (n_sentences, n_hypotheses, hidden_size)
        return x


class BlockCache:
    """The keys and values of a decoder block, each computed once.

    Arguments:
        memory: the keys and values of the source sentences.
    """

    def __init__(self, memory):
        # |memory| = (n_sentences, memory_length, kv_size)
        self.memory = memory
        self.keys_values = memory[:, :0]

    def add(self, keys_values):
        """Append a position; return the keys and values of all positions so far."""
        # |keys_values| = (n_rows, 1, kv_size)
        self.keys_values = torch.cat([self.keys_values, keys_values], dim=1)
        # |self.keys_values| = (n_rows, n_positions, kv_size)
        return self.keys_values

    def select(self, rows, sentences):
        """Keep the given hypotheses, in this order, and the given sentences."""
        self.keys_values = self.keys_values[rows]
        if len(sentences) < len(self.memory):
            self.memory = self.memory[sentences]


class PositionalEncoding(nn.Module):
    """Encodes positions by sine waves of different wavelengths (section 3.5).

    sin(t / 10000^(2i / hidden_size)) and cos of the same, for i from 0 to half the
    hidden_size. The table grows when a longer sentence comes.

    Arguments:
        hidden_size: the size of a token's features.
    """

    def __init__(self, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.register_buffer('table', self.make_table(256), persistent=False)

    def make_table(self, length):
        """Return the encodings of the positions from 0 to length - 1."""
        positions = torch.arange(length).unsqueeze(1)
        exponents = torch.arange(0, self.hidden_size, 2) / self.hidden_size
        angles = positions / 10000**exponents
        # |angles| = (length, half_size)
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        # |table| = (length, hidden_size)
        return table

    def forward(self, start, length):
        """Return the encodings of `length` positions, of which the first is `start`."""
        if start + length > len(self.table):
            self.table = self.make_table(2 * (start + length)).to(self.table)
        return self.table[start : start + length]


class Transformer(nn.Module):
    """Encoder and decoder of Pre-LN blocks, each with a final layer normalisation.

    Or of Post-LN blocks, whose last step is a layer normalisation already.

    Arguments:
        x_vocab_size, y_vocab_size: the vocabulary sizes of source and target language.
        hidden_size: the size of a token's features.
        n_heads: the number of heads of each attention.
        ffn_size: the size of the layer inside a feed-forward network.
        n_layers: the number of blocks of the encoder, and of the decoder.
        dropout_p: the dropout probability.
        attention: 'plain' or 'sdpa', as in MultiHeadAttention.
        pad_id: the id of the padding token, whose vector stays zero.
        is_joint: whether both languages have one vocabulary, and so one embedding.
        is_tied: whether the generator shares its weights with the decoder's embedding
            (Press and Wolf 2017).
        norm: 'pre' for Pre-LN blocks, 'post' for Post-LN blocks.
        activation: as in FeedForward.
        has_bias: whether the logits of the generator have a bias.
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
        norm='pre',
        activation='relu',
        has_bias=False,
    ):
        super().__init__()
        sizes = (hidden_size, n_heads, ffn_size, dropout_p, attention, activation)
        encoder_block, decoder_block, last_norm = {
            'pre': (EncoderBlock, DecoderBlock, nn.LayerNorm),
            'post': (PostEncoderBlock, PostDecoderBlock, nn.Identity),
        }[norm]
        self.x_embedding = nn.Embedding(x_vocab_size, hidden_size, padding_idx=pad_id)
        self.y_embedding = self.x_embedding
        if not is_joint:
            self.y_embedding = nn.Embedding(y_vocab_size, hidden_size, pad_id)
        self.positions = PositionalEncoding(hidden_size)
        self.dropout = nn.Dropout(dropout_p)
        self.encoder = nn.ModuleList(encoder_block(*sizes) for _ in range(n_layers))
        self.encoder_norm = last_norm(hidden_size)
        self.decoder = nn.ModuleList(decoder_block(*sizes) for _ in range(n_layers))
        self.decoder_norm = last_norm(hidden_size)
        self.generator = nn.Linear(hidden_size, y_vocab_size, bias=has_bias)
        self._initialize(is_tied)

    def _initialize(self, is_tied):
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for embedding in (self.x_embedding, self.y_embedding):
            # Times sqrt(hidden_size), the vectors are about as large as the encodings.
            nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)
            nn.init.zeros_(embedding.weight[embedding.padding_idx])
        if is_tied:
            self.generator.weight = self.y_embedding.weight

    def embed(self, embedding, x, start=0):
        """Return the embedding vectors of tokens, plus the encoding of their positions.

        Arguments:
            embedding: of the language.
            x: the token ids.
            start: the position of the first of them.
        """
        # |x| = (batch_size, length)
        x = embedding(x) * math.sqrt(embedding.embedding_dim)
        x = self.dropout(x + self.positions(start, x.size(1)))
        # |x| = (batch_size, length, hidden_size)
        return x

    def encode(self, x, lengths):
        """Return the memory of source sentences, and a mask: True where a token is."""
        # |x| = (batch_size, length)
        # |lengths| = (batch_size,)
        mask = ~get_pad_mask(x, lengths)[:, None, None]
        # |mask| = (batch_size, 1, 1, length)
        memory = self.embed(self.x_embedding, x)
        for block in self.encoder:
            memory = block(memory, mask)
        memory = self.encoder_norm(memory)
        # |memory| = (batch_size, length, hidden_size)
        return memory, mask

    def decode(self, y, memory, mask):
        """Return the features of target sentences, given the memory of the source."""
        # |y| = (batch_size, length)
        z = self.embed(self.y_embedding, y)
        for block in self.decoder:
            z = block(z, memory, mask)
        z = self.decoder_norm(z)
        # |z| = (batch_size, length, hidden_size)
        return z

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
        y_hat = self.generator(self.decode(y, *self.encode(x, lengths)))
        # |y_hat| = (batch_size, y_length, y_vocab_size)
        return y_hat

    def get_attention(self, x, lengths, y):
        """Return the weights of the attention to the memory, of all layers and heads.

        Arguments:
            x, lengths, y: as in forward().
        """
        weights = []

        def keep_weights(attention, inputs):
            z, keys_values, mask = inputs
            q, k, _ = attention.get_heads(z, keys_values)
            weights.append(get_attention_weights(q, k, mask))

        hooks = [
            block.memory_attention.register_forward_pre_hook(keep_weights)
            for block in self.decoder
        ]
        self.decode(y, *self.encode(x, lengths))
        for hook in hooks:
            hook.remove()
        weights = torch.stack(weights, dim=1)
        # |weights| = (batch_size, n_layers, n_heads, y_length, x_length)
        return weights

    def start(self, x, lengths):
        """Encode source sentences; return the State before the first step."""
        memory, mask = self.encode(x, lengths)
        keys_values = [
            block.memory_attention.key_value(memory) for block in self.decoder
        ]
        return State([BlockCache(memory) for memory in keys_values], mask)

    def step(self, y, state):
        """Return the logits of the next token, and update the state.

        Arguments:
            y: the last token of each hypothesis.
            state: what start() has returned.
        """
        # |y| = (n_sentences, n_hypotheses)
        z = self.embed(self.y_embedding, y.view(-1, 1), state.t).view(*y.shape, -1)
        # |z| = (n_sentences, n_hypotheses, hidden_size)
        for block, cache in zip(self.decoder, state.caches, strict=True):
            z = block.step(z, cache, state.mask)
        state.t += 1
        logits = self.generator(self.decoder_norm(z))
        # |logits| = (n_sentences, n_hypotheses, y_vocab_size)
        return logits


class State:
    """The state of the decoder between two steps.

    Arguments:
        caches: a BlockCache for each block of the decoder.
        mask: of the memory of each source sentence.
    """

    def __init__(self, caches, mask):
        self.caches, self.mask = caches, mask
        self.n_hypotheses, self.t = 1, 0

    def select(self, rows):
        """Keep the given hypotheses, in this order, and their sentences.

        Arguments:
            rows: a row for each sentence that is kept, with the numbers of its
                hypotheses, counted through the whole batch.
        """
        # |rows| = (n_kept, n_hypotheses_kept)
        sentences = rows[:, 0] // self.n_hypotheses
        for cache in self.caches:
            cache.select(rows.flatten(), sentences)
        if len(sentences) < len(self.mask):
            self.mask = self.mask[sentences]
        self.n_hypotheses = rows.size(1)


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
        # What older checkpoints do not have.
        norm=config.get('norm', 'pre'),
        activation=config.get('activation', 'relu'),
        has_bias=config.get('logits_bias', False),
    )


class Pair(nn.Module):
    """Two translators of opposite directions, which share no parameter.

    Arguments:
        forth: the Transformer from the source language to the target language.
        back: the one from the target language to the source language.
        pad_id: the id of the padding token.
    """

    def __init__(self, forth, back, pad_id=0):
        super().__init__()
        self.forth, self.back, self.pad_id = forth, back, pad_id

    def forward(self, x, y):
        """Return the logits of both directions, by teacher forcing.

        Arguments:
            x, y: the token ids of both sentences, each from BOS to EOS.

        Returns:
            The logits of the tokens of x, given y, and of those of y, given x.
        """
        # |x| = (batch_size, x_length)
        # |y| = (batch_size, y_length)
        # A source sentence has no BOS and no EOS: beyond its length, nothing is read.
        x_lengths, y_lengths = ((side != self.pad_id).sum(dim=1) - 2 for side in (x, y))
        # |x_lengths| = (batch_size,)
        x_hat = self.back(y[:, 1:-1], y_lengths, x[:, :-1])
        y_hat = self.forth(x[:, 1:-1], x_lengths, y[:, :-1])
        return x_hat, y_hat


class CausalBlock(EncoderBlock):
    """Self-attention to earlier positions only, then a feed-forward network."""

    def forward(self, x):
        """Return the features of the sentences after this block."""
        # |x| = (batch_size, length, hidden_size)
        z = self.attention_norm(x)
        context = self.attention(z, self.attention.key_value(z), is_causal=True)
        x = x + self.dropout(context)
        x = x + self.dropout(self.ffn(self.ffn_norm(x)))
        # |x| = (batch_size, length, hidden_size)
        return x


class LanguageModel(nn.Module):
    """A decoder without a source: how probable is a sentence, and each of its tokens?

    Arguments:
        vocab_size: the vocabulary size of the language.
        hidden_size, n_heads, ffn_size, n_layers, dropout_p, attention, pad_id: as in
            Transformer.
    """

    def __init__(
        self,
        vocab_size,
        hidden_size,
        n_heads,
        ffn_size,
        n_layers,
        dropout_p,
        attention,
        pad_id,
    ):
        super().__init__()
        sizes = (hidden_size, n_heads, ffn_size, dropout_p, attention)
        self.embedding = nn.Embedding(vocab_size, hidden_size, padding_idx=pad_id)
        self.positions = PositionalEncoding(hidden_size)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(CausalBlock(*sizes) for _ in range(n_layers))
        self.norm = nn.LayerNorm(hidden_size)
        self.generator = nn.Linear(hidden_size, vocab_size, bias=False)
        for parameter in self.blocks.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.normal_(self.embedding.weight, std=hidden_size**-0.5)
        nn.init.zeros_(self.embedding.weight[pad_id])
        self.generator.weight = self.embedding.weight

    def forward(self, y):
        """Return the logits of the token that follows each position of y."""
        # |y| = (batch_size, length)
        z = self.embedding(y) * math.sqrt(self.embedding.embedding_dim)
        z = self.dropout(z + self.positions(0, y.size(1)))
        for block in self.blocks:
            z = block(z)
        y_hat = self.generator(self.norm(z))
        # |y_hat| = (batch_size, length, vocab_size)
        return y_hat


def get_language_model(config, vocab_size):
    """Build the language model that the options of a training describe."""
    return LanguageModel(
        vocab_size=vocab_size,
        hidden_size=config['hidden_size'],
        n_heads=config['n_heads'],
        ffn_size=config['ffn_size'],
        n_layers=config['n_layers'],
        dropout_p=config['dropout_p'],
        attention=config['attention'],
        pad_id=0,
    )


def get_pair(config, x_vocab_size, y_vocab_size):
    """Build the two translators that the options of a training describe."""
    forth = get_model(config, x_vocab_size, y_vocab_size)
    return Pair(forth, get_model(config, y_vocab_size, x_vocab_size))


def get_criteria(label_smoothing, pad_id=0):
    """Return the loss of the training, and the one of the perplexity: not smoothed."""
    smooth = nn.CrossEntropyLoss(ignore_index=pad_id, label_smoothing=label_smoothing)
    return smooth, nn.CrossEntropyLoss(ignore_index=pad_id)


def get_log_p(y_hat, y, pad_id=0):
    """Return the log-probability of each sentence: a sum over its tokens and EOS.

    Arguments:
        y_hat: the logits at all positions, or only at those that have a target.
        y: the target ids, padded.
    """
    # |y| = (batch_size, length)
    y_hat, targets = y_hat.flatten(0, -2).float(), y.flatten()
    options = {'ignore_index': pad_id, 'reduction': 'none'}
    if len(y_hat) == len(targets):
        losses = functional.cross_entropy(y_hat, targets, **options)
    else:
        is_target = targets != pad_id
        losses = torch.zeros_like(targets, dtype=y_hat.dtype)
        losses[is_target] = functional.cross_entropy(
            y_hat, targets[is_target], **options
        )
    log_p = -losses.view(y.shape).sum(dim=1)
    # |log_p| = (batch_size,)
    return log_p


@torch.inference_mode()
def get_text_log_p(language_model, sentences, batch_size=64):
    """Return the log-probability of each sentence of a text, on the CPU.

    Arguments:
        language_model: the LanguageModel.
        sentences: arrays of token ids, each from BOS to EOS.
        batch_size: sentences a batch, of similar length.
    """
    device = language_model.embedding.weight.device
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    parts = []
    for indices in batched(order, batch_size):
        ids = [torch.from_numpy(sentences[i]) for i in indices]
        y = pad_sequence(ids, batch_first=True).long().to(device)
        parts.append(get_log_p(language_model(y[:, :-1]), y[:, 1:]))
    log_p = torch.empty(len(sentences))
    log_p[torch.tensor(order)] = torch.cat(parts).cpu()
    # |log_p| = (n_sentences,)
    return log_p


def get_duality_gap(x_log_p, y_given_x, y_log_p, x_given_y):
    """Return log p(x) + log p(y|x) - log p(y) - log p(x|y) of each pair.

    Both halves are log p(x, y), so the gap of two models that are right is 0.

    Arguments:
        x_log_p, y_log_p: log-probabilities by the language models.
        y_given_x, x_given_y: log-probabilities by the translators.
    """
    # |x_log_p| = (batch_size,)
    # |y_given_x| = (batch_size,)
    return x_log_p + y_given_x - y_log_p - x_given_y


def get_dual_loss(nll, gap, n_targets, dual_weight):
    """Return the loss of dual supervised learning (Xia et al. 2017).

    All three terms are sums over sentences, divided by one and the same number. A gap
    can't be a mean over tokens: x and y have different numbers of them, and only sums
    are log-probabilities of sentences.

    Arguments:
        nll: -log p(y|x) - log p(x|y), summed over the pairs of a batch.
        gap: the duality gap of each pair.
        n_targets: the number of tokens of both sides of the batch.
        dual_weight: of the squared gaps, lambda in the paper.
    """
    # |gap| = (batch_size,)
    return (nll + dual_weight * gap.square().sum()) / n_targets


class DualLoss:
    """The loss of a Pair of translators for a batch.

    Arguments:
        crit: the mean loss over the targets of one direction.
        dual_weight: as in get_dual_loss().
        pad_id: the id of the padding token.
    """

    def __init__(self, crit, dual_weight, pad_id=0):
        self.crit, self.dual_weight, self.pad_id = crit, dual_weight, pad_id

    def get_targets(self, batch):
        """Return the target ids of both directions."""
        x, y, *_ = batch
        return torch.cat([x[:, 1:].flatten(), y[:, 1:].flatten()])

    def __call__(self, network, batch):
        """Return the loss, and what the metrics need, as a dict.

        Arguments:
            network: a Pair.
            batch: as collate() makes it.
        """
        x, y, x_log_p, y_log_p = batch
        # |x| = (batch_size, x_length)
        # |y| = (batch_size, y_length)
        # |x_log_p| = (batch_size,)
        x_hat, y_hat = network(x, y)
        sides = (x_hat, x[:, 1:]), (y_hat, y[:, 1:])
        x_given_y, y_given_x = (get_log_p(*side) for side in sides)
        # |x_given_y| = (batch_size,)
        gap = get_duality_gap(x_log_p, y_given_x, y_log_p, x_given_y)
        # |gap| = (batch_size,)
        numbers = [(targets != self.pad_id).sum() for _, targets in sides]
        means = [
            self.crit(logits.flatten(0, -2).float(), targets.flatten())
            for logits, targets in sides
        ]
        nll = sum(n * mean for n, mean in zip(numbers, means, strict=True))
        return {
            'loss': get_dual_loss(nll, gap, sum(numbers), self.dual_weight),
            'gap': gap,
            'forth': (y_given_x, y[:, 1:]),
            'back': (x_given_y, x[:, 1:]),
        }


class LanguageLoss:
    """The loss of a LanguageModel for a batch.

    Arguments:
        crit: the mean loss over the targets.
    """

    def __init__(self, crit):
        self.crit = crit

    def get_targets(self, batch):
        """Return the target ids."""
        _, y, *_ = batch
        return y[:, 1:].flatten()

    def __call__(self, network, batch):
        """Return the loss, and what the metrics need, as a dict."""
        _, y, *_ = batch
        y_hat = network(y[:, :-1])
        # |y_hat| = (batch_size, length, vocab_size)
        targets = y[:, 1:]
        # |targets| = (batch_size, length)
        loss = self.crit(y_hat.flatten(0, 1).float(), targets.flatten())
        return {'loss': loss, 'language': (get_log_p(y_hat, targets), targets)}
