"""Fast forms of SkipGram, CBOW and Trainer: the default, unless there is --no-fast.

The plain forms look up the vectors of each example, seven for a pair of words and its
noise, and autograd keeps a copy of all of them. Here a block of neighbouring words
shares its noise words (Ji et al. 2016), so that all scores of a block are one matrix
product, and so are the gradients, which are written out. Pairs are not listed: which
words of a block belong together is a matrix.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.nn import functional

import model as plain
import trainer

# How many steps are prepared at once.
N_STEPS_AHEAD = 8


class BlockDataset:
    """A text as blocks of words with noise, drawn anew for each epoch.

    Saves the loop over the words in Python, and the list of pairs: it compares whole
    tensors instead.

    Arguments:
        sentences: lists of words; those that are not in counts are left out.
        counts: a dict from words to their counts.
        config: the options window, block_size, n_noise and sample.
        device: where all of it is computed.
    """

    def __init__(self, sentences, counts, config, device):
        indices = {word: index for index, word in enumerate(counts)}
        all_words = itertools.chain.from_iterable(sentences)
        words = np.fromiter(map(indices.get, all_words, itertools.repeat(-1)), np.int64)
        lengths = torch.tensor([len(sentence) for sentence in sentences])
        sentence_numbers = torch.arange(len(sentences), dtype=torch.int32)
        sentence_numbers = sentence_numbers.repeat_interleave(lengths)
        is_known = torch.from_numpy(words >= 0)
        self.words = torch.from_numpy(words)[is_known].to(device)
        # |self.words| = (n_words,)
        self.sentence_numbers = sentence_numbers[is_known].to(device)
        # |self.sentence_numbers| = (n_words,)

        all_counts = torch.tensor(list(counts.values()))
        self.keep_p = plain.get_keep_p(all_counts, config.sample).to(device)
        self.noise_p = plain.get_noise_p(all_counts).to(device)
        self.window = config.window
        self.block_size = config.block_size
        self.n_noise = config.n_noise

        # How far the words of a block with margins are from those of one without. A
        # word is not in its own context.
        positions = torch.arange(-self.window, self.block_size + self.window)
        distances = (positions - torch.arange(self.block_size).unsqueeze(1)).abs()
        distances[distances == 0] = 2 * len(positions)
        self.distances = distances.int().to(device)
        # |self.distances| = (block_size, block_size + window * 2)

    def draw(self):
        """Draw, before each epoch: the words to keep, their windows, and the noise.

        Words are left out before the windows are drawn, so that these reach farther.
        """
        device = self.words.device
        is_kept = torch.rand(len(self.words), device=device) < self.keep_p[self.words]
        words, sentence_numbers = self.words[is_kept], self.sentence_numbers[is_kept]
        n_blocks = max(1, -(-len(words) // self.block_size))
        n_missing = n_blocks * self.block_size - len(words)

        # The padding of the last block is in no sentence, and has no window.
        margins = (self.window, self.window + n_missing)
        size = self.block_size + 2 * self.window
        padded_words = functional.pad(words, margins)
        self.block_words = padded_words.unfold(0, size, self.block_size)
        # |self.block_words| = (n_blocks, block_size + window * 2)
        sentence_numbers = functional.pad(sentence_numbers, margins, value=-1)
        self.block_sentences = sentence_numbers.unfold(0, size, self.block_size)
        # |self.block_sentences| = (n_blocks, block_size + window * 2)
        sizes = torch.randint(1, self.window + 1, (len(words),), device=device)
        sizes = functional.pad(sizes, (0, n_missing)).int()
        self.sizes = sizes.view(n_blocks, self.block_size)
        # |self.sizes| = (n_blocks, block_size)

        # A draw by probabilities is slow, so that at most a million are made; what a
        # block needs is drawn from among these.
        n_draws = min(n_blocks * self.n_noise, 2**20)
        self.noise = self.noise_p.multinomial(n_draws, replacement=True)
        # |self.noise| = (n_draws,)

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, blocks):
        """Return some blocks.

        Arguments:
            blocks: a slice.

        Returns:
            Three tensors: the words with margins; 1.0 for a word and one of its
            context, else 0.0; and the noise.
        """
        words = self.block_words[blocks]
        # |words| = (n_blocks, block_size + window * 2)
        n_blocks = len(words)
        sentences = self.block_sentences[blocks]
        middle = sentences[:, self.window : self.window + self.block_size]
        is_near = self.distances <= self.sizes[blocks].unsqueeze(2)
        is_together = middle.unsqueeze(2) == sentences.unsqueeze(1)
        is_pair = (is_near & is_together).float()
        # |is_pair| = (n_blocks, block_size, block_size + window * 2)

        shape = (n_blocks, self.n_noise)
        draws = torch.randint(len(self.noise), shape, device=words.device)
        noise = self.noise[draws]
        # |noise| = (n_blocks, n_noise)
        return words, is_pair, noise


def get_middle(words, is_pair):
    """Return the words of blocks without the margins on both sides."""
    window = (words.size(1) - is_pair.size(1)) // 2
    return words[:, window : words.size(1) - window].contiguous()


def add_rows(matrix, rows, values):
    """Add a value to each of these rows of a matrix; a row may occur several times."""
    word_vec_size = matrix.size(1)
    index = rows.reshape(-1, 1).expand(-1, word_vec_size)
    matrix.scatter_add_(0, index, values.reshape(-1, word_vec_size))


class SkipGram(plain.SkipGram):
    """The plain SkipGram, with a loss and a step for blocks of words.

    Saves the look-up of the vectors for each pair, and autograd: a step is three matrix
    products. The words of a block share n_noise noise words, each with the weight
    n_negatives / n_noise; the expectation of the loss is that of n_negatives noise
    words for each pair.
    """

    def prepare(self, words, is_pair, noise, n_negatives):
        """Return what a step needs beside the vectors.

        Arguments:
            words: the words of each block, with a margin of a window on both sides.
            is_pair: 1.0 for a word and one of its context, else 0.0.
            noise: the noise words of each block.
            n_negatives: how many noise words a pair would have.

        Returns:
            The words to predict from; those to predict, and the noise; is_pair; and the
            weights of the noise.
        """
        # |words| = (n_blocks, block_size_with_margins)
        # |is_pair| = (n_blocks, block_size, block_size_with_margins)
        # |noise| = (n_blocks, n_noise)
        # A noise word that is the target word itself does not count for this pair.
        is_noise = words.unsqueeze(2) != noise.unsqueeze(1)
        # |is_noise| = (n_blocks, block_size_with_margins, n_noise)
        noise_weight = is_pair @ is_noise.to(is_pair.dtype)
        noise_weight *= n_negatives / noise.size(1)
        # |noise_weight| = (n_blocks, block_size, n_noise)
        targets = torch.cat([words, noise], dim=1)
        # |targets| = (n_blocks, n_targets)
        return get_middle(words, is_pair), targets, is_pair, noise_weight

    def get_loss(self, middle, targets, is_pair, noise_weight):
        """Return the sum of the losses of all pairs, and the number of pairs."""
        v = functional.embedding(middle, self.in_vectors)
        # |v| = (n_blocks, block_size, word_vec_size)
        u = functional.embedding(targets, self.out_vectors)
        # |u| = (n_blocks, n_targets, word_vec_size)
        scores = v @ u.transpose(1, 2)
        # |scores| = (n_blocks, block_size, n_targets)
        true, false = scores.split([is_pair.size(2), noise_weight.size(2)], dim=2)
        loss = -(is_pair * functional.logsigmoid(true)).sum()
        loss = loss - (noise_weight * functional.logsigmoid(-false)).sum()
        return loss, is_pair.sum()

    @torch.no_grad()
    def step(self, middle, targets, is_pair, noise_weight, lr):
        """Take a gradient step of get_loss().

        The derivative of the loss by a score v . u is sigmoid(score) - 1 for a true
        word and sigmoid(score) for noise. The gradient of v is the sum of these times
        u, and that of u the sum of these times v: matrix products again.
        """
        v = functional.embedding(middle, self.in_vectors)
        u = functional.embedding(targets, self.out_vectors)
        gradient = (v @ u.transpose(1, 2)).sigmoid_()
        # |gradient| = (n_blocks, block_size, n_targets)
        true, false = gradient.split([is_pair.size(2), noise_weight.size(2)], dim=2)
        true.sub_(1).mul_(is_pair)
        false.mul_(noise_weight)
        gradient *= -lr
        add_rows(self.in_vectors, middle, gradient @ u)
        add_rows(self.out_vectors, targets, gradient.transpose(1, 2) @ v)


class CBOW(plain.CBOW):
    """The plain CBOW, with a loss and a step for blocks of words.

    Saves the same as SkipGram here. The means of all contexts of a block are a matrix
    product too.
    """

    def prepare(self, words, is_pair, noise, n_negatives):
        """Return what a step needs beside the vectors.

        Arguments:
            words, is_pair, noise, n_negatives: as for SkipGram.

        Returns:
            The words of the contexts; those to predict; the noise; is_pair; the same as
            weights of a mean; 1.0 for each word with a context, else 0.0; and the
            weights of the noise.
        """
        # |words| = (n_blocks, block_size_with_margins)
        # |is_pair| = (n_blocks, block_size, block_size_with_margins)
        # |noise| = (n_blocks, n_noise)
        lengths = is_pair.sum(dim=2, keepdim=True)
        # |lengths| = (n_blocks, block_size, 1)
        is_true = lengths.clamp(max=1)
        # |is_true| = (n_blocks, block_size, 1)
        mean_weight = is_pair / lengths.clamp(min=1)
        # |mean_weight| = (n_blocks, block_size, block_size_with_margins)
        middle = get_middle(words, is_pair)
        # |middle| = (n_blocks, block_size)
        is_noise = middle.unsqueeze(2) != noise.unsqueeze(1)
        # |is_noise| = (n_blocks, block_size, n_noise)
        noise_weight = is_noise * (is_true * (n_negatives / noise.size(1)))
        # |noise_weight| = (n_blocks, block_size, n_noise)
        return words, middle, noise, is_pair, mean_weight, is_true, noise_weight

    def get_vectors(self, words, middle, noise, mean_weight):
        """Return the means of the contexts; output vectors of words and of noise."""
        h = mean_weight @ functional.embedding(words, self.in_vectors)
        # |h| = (n_blocks, block_size, word_vec_size)
        u_true = functional.embedding(middle, self.out_vectors)
        # |u_true| = (n_blocks, block_size, word_vec_size)
        u_noise = functional.embedding(noise, self.out_vectors)
        # |u_noise| = (n_blocks, n_noise, word_vec_size)
        return h, u_true, u_noise

    def get_loss(
        self, words, middle, noise, is_pair, mean_weight, is_true, noise_weight
    ):
        """Return the sum of the losses of all words, and the number of words."""
        h, u_true, u_noise = self.get_vectors(words, middle, noise, mean_weight)
        true = (h * u_true).sum(dim=2, keepdim=True)
        # |true| = (n_blocks, block_size, 1)
        false = h @ u_noise.transpose(1, 2)
        # |false| = (n_blocks, block_size, n_noise)
        loss = -(is_true * functional.logsigmoid(true)).sum()
        loss = loss - (noise_weight * functional.logsigmoid(-false)).sum()
        return loss, is_true.sum()

    @torch.no_grad()
    def step(
        self, words, middle, noise, is_pair, mean_weight, is_true, noise_weight, lr
    ):
        """Take a gradient step; each word of a context gets the whole gradient of h."""
        h, u_true, u_noise = self.get_vectors(words, middle, noise, mean_weight)
        true = (h * u_true).sum(dim=2, keepdim=True).sigmoid_()
        true.sub_(1).mul_(is_true).mul_(-lr)
        # |true| = (n_blocks, block_size, 1)
        false = (h @ u_noise.transpose(1, 2)).sigmoid_()
        false.mul_(noise_weight).mul_(-lr)
        # |false| = (n_blocks, block_size, n_noise)
        h_gradient = (false @ u_noise).addcmul_(true, u_true)
        # |h_gradient| = (n_blocks, block_size, word_vec_size)
        add_rows(self.in_vectors, words, is_pair.transpose(1, 2) @ h_gradient)
        add_rows(self.out_vectors, middle, true * h)
        add_rows(self.out_vectors, noise, false.transpose(1, 2) @ h)


def get_model(config, vocabulary_size):
    """Build the fast form of the model that config.model names."""
    kind = SkipGram if config.model == 'skipgram' else CBOW
    return kind(vocabulary_size, config.word_vec_size)


class Trainer(trainer.Trainer):
    """The plain Trainer, on blocks of words.

    Saves the loss of each step: it is measured at every hundredth, since a step needs
    the gradient alone. And a second thread prepares the next steps, several at once.
    """

    def _get_batches(self, sentences, epoch):
        """Yield the batches of an epoch, each with the share of the text before it."""
        if epoch == 1:
            # The matrices are small: threads within a product would only wait.
            torch.set_num_threads(1)
            data = sentences, self.counts, self.config, self.device
            self.dataset = BlockDataset(*data)
        self.dataset.draw()
        self.n_steps = 0
        n_blocks = self.n_blocks
        starts = range(0, len(self.dataset), n_blocks * N_STEPS_AHEAD)

        def prepare(start):
            blocks = self.dataset[start : start + n_blocks * N_STEPS_AHEAD]
            return self.model.prepare(*blocks, self.config.n_negatives)

        with ThreadPoolExecutor(max_workers=1) as executor:
            next_parts = executor.submit(prepare, 0)
            for start in starts:
                parts = next_parts.result()
                next_parts = executor.submit(prepare, start + len(parts[0]))
                batches = zip(*(part.split(n_blocks) for part in parts), strict=True)
                for i, batch in enumerate(batches):
                    yield (start + i * n_blocks) / len(self.dataset), batch

    @torch.no_grad()
    def _train_step(self, *batch):
        """Learn from a batch; return a loss and its number at every hundredth step."""
        loss, n = self.model.get_loss(*batch) if self.n_steps % 100 == 0 else (0.0, 0)
        self.n_steps += 1
        self.model.step(*batch, self.optimizer.param_groups[0]['lr'])
        return float(loss), int(n)
