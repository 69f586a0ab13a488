"""Speed of chapters 12 and 13: training, beside the barest loops of a textbook.

    python benchmarks/translation.py train
    python benchmarks/translation.py train --train_fn D/train --lang deen

Target tokens a second. Ours is the chapter's own Trainer with its loader, AdamW,
clipping, label smoothing, warm-up and metrics. A bare loop gets the same batches as
tensors that are padded already, and does nothing but forward, cross-entropy, backward
and Adam:

- 13: nn.Transformer(norm_first=True) with embeddings, sinusoids and a linear layer,
  causal and padding masks, and logits at all places.
- 12: the chapter's own network.

All take turns, and the median of the ratios is printed.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn, optim

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
from chapters import importable, load_chapter  # noqa: E402


class TextbookTransformer(nn.Module):
    """What one writes around nn.Transformer to translate.

    Arguments:
        config: the options of chapter 13.
        x_vocab_size, y_vocab_size: the numbers of subwords of the two languages.
    """

    def __init__(self, config, x_vocab_size, y_vocab_size):
        super().__init__()
        size, n_layers = config.hidden_size, config.n_layers
        self.x_embedding = nn.Embedding(x_vocab_size, size, padding_idx=0)
        self.y_embedding = nn.Embedding(y_vocab_size, size, padding_idx=0)
        self.transformer = nn.Transformer(
            size,
            config.n_heads,
            n_layers,
            n_layers,
            config.ffn_size,
            config.dropout_p,
            batch_first=True,
            norm_first=True,
        )
        self.generator = nn.Linear(size, y_vocab_size)
        self.dropout = nn.Dropout(config.dropout_p)
        angles = torch.arange(500).unsqueeze(1) / 10000 ** (
            torch.arange(0, size, 2) / size
        )
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        self.register_buffer('table', table)

    def embed(self, embedding, x):
        x = embedding(x) * math.sqrt(embedding.embedding_dim)
        return self.dropout(x + self.table[: x.size(1)])

    def forward(self, x, y):
        is_later = torch.ones(y.size(1), y.size(1), dtype=torch.bool).triu(1)
        z = self.transformer(
            self.embed(self.x_embedding, x),
            self.embed(self.y_embedding, y),
            tgt_mask=is_later,
            src_key_padding_mask=x == 0,
            tgt_key_padding_mask=y == 0,
            memory_key_padding_mask=x == 0,
            tgt_is_causal=True,
        )
        return self.generator(z)


class Bare:
    """The barest training loop.

    Arguments:
        network: maps the tensors of a batch to logits.
        amp: off or bf16.
    """

    def __init__(self, network, amp='off'):
        self.network, self.amp = network.train(), amp
        self.crit = nn.CrossEntropyLoss(ignore_index=0)
        self.optimizer = optim.Adam(network.parameters(), lr=1e-4)

    def run(self, batches):
        """Return the seconds of an epoch of (inputs, targets)."""
        start = time.perf_counter()
        for inputs, targets in batches:
            with torch.autocast('cpu', torch.bfloat16, enabled=self.amp == 'bf16'):
                logits = self.network(*inputs)
            loss = self.crit(logits.float().flatten(0, -2), targets.flatten())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - start


class Ours:
    """A chapter's training, its parts made as its train.main() makes them."""

    def __init__(self, chapter, config, loader, vocab_sizes):
        model = chapter.model.get_model(vars(config), *vocab_sizes)
        optimizer = chapter.train.get_optimizer(model, 1e-4, config.weight_decay)
        self.loader = loader
        self.trainer = chapter.trainer.Trainer(
            model,
            nn.CrossEntropyLoss(label_smoothing=config.label_smoothing),
            optimizer,
            chapter.train.get_scheduler(optimizer, config.n_warmup_steps),
            {},
            {'config': vars(config)},
        )

    def run(self, n_epochs):
        """Return the seconds of the next epoch, of which there are n_epochs now."""
        start = time.perf_counter()
        self.loader.batch_sampler.set_epoch(n_epochs)
        self.trainer.trainer.run(self.loader, max_epochs=n_epochs)
        return time.perf_counter() - start


def get_config(chapter, arguments, folder, *options):
    """Return the options of a chapter's training."""
    options = [
        *('--batch_tokens', arguments.batch_tokens, '--batch_size', 10**6),
        *('--gpu_id', -1, '--verbose', 0, '--cache_dir', folder),
        *('--dropout_p', 0.1, *options),
    ]
    return chapter.train.define_argparser().parse_args(list(map(str, options)))


def get_data(chapter, arguments, config):
    """Return the ids of some pairs, and the sizes of the vocabularies."""
    home = chapter.data_loader
    pairs = home.read_pairs(arguments.train_fn, arguments.lang)
    subwords = home.make_subwords(config, *pairs)
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(pairs[0]), generator=generator)[: arguments.n_pairs]
    ids = [
        processor.encode([sentences[i] for i in chosen])
        for processor, sentences in zip(subwords, pairs, strict=True)
    ]
    return ids, [processor.vocab_size() for processor in subwords]


def pad_targets(batch):
    """Return a batch of the chapters as a textbook has it: all is padded."""
    x, _, y, places, targets = batch
    padded = torch.zeros_like(y).flatten()
    padded[places] = targets
    return (x, y), padded.view_as(y)


def describe(loader):
    """Return a line on the batches of a loader."""
    batches = list(loader)
    n_targets = sum(len(batch[4]) for batch in batches)
    shares = [
        1 - n / sum(batch[i].numel() for batch in batches)
        for i, n in ((0, sum(b[1].sum().item() for b in batches)), (2, n_targets))
    ]
    return (
        f'{len(batches)} batches of {n_targets / len(batches):.0f} target tokens; '
        f'padding: source {shares[0]:.1%}, target {shares[1]:.1%}'
    )


def measure_training(name, arguments, folder):
    """Print the target tokens a second of a chapter and of its bare loop."""
    chapter = load_chapter(name)
    with importable(chapter):
        config = get_config(chapter, arguments, folder)
        (x_ids, y_ids), vocab_sizes = get_data(chapter, arguments, config)
        loader = chapter.data_loader.get_loader(x_ids, y_ids, config, is_train=True)
        print(f'{name}: {describe(loader)}', flush=True)
        n_targets = sum(len(batch[4]) for batch in loader)
        ours = {
            amp: Ours(
                chapter,
                get_config(chapter, arguments, folder, '--amp', amp),
                loader,
                vocab_sizes,
            )
            for amp in arguments.amp
        }
        if name == '13_transformer':
            batches = [pad_targets(batch) for batch in loader]
            network = TextbookTransformer(config, *vocab_sizes)
        else:
            batches = [(batch[:4], batch[4]) for batch in loader]
            network = chapter.model.get_model(vars(config), *vocab_sizes)
        bare = Bare(network)

        # The first batches are for the caches.
        rows = []
        bare.run(batches[:3])
        for n_epochs in range(1, arguments.n_repeats + 1):
            row = {'bare': bare.run(batches)}
            for amp, one in ours.items():
                row[amp] = one.run(n_epochs)
            rows.append(row)
        for way in rows[0]:
            speed = statistics.median(n_targets / row[way] for row in rows)
            ratio = statistics.median(row['bare'] / row[way] for row in rows)
            label = 'bare loop' if way == 'bare' else f'ours, amp {way}'
            print(f'{label:16} {speed:8.0f} target tokens/s  {ratio:5.2f}', flush=True)


def main():
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('what', choices=['train'])
    parser.add_argument('--train_fn', default=ROOT / '13_transformer/sample/train')
    parser.add_argument('--lang', default='koen')
    parser.add_argument(
        '--chapters', nargs='+', default=['13_transformer', '12_seq2seq']
    )
    parser.add_argument('--amp', nargs='+', default=['off', 'bf16'])
    parser.add_argument('--batch_tokens', type=int, default=1000)
    parser.add_argument('--n_pairs', type=int, default=2000)
    parser.add_argument('--n_repeats', type=int, default=3)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    print(f'torch {torch.__version__}, {torch.get_num_threads()} threads')
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.chapters:
            measure_training(name, arguments, folder)


if __name__ == '__main__':
    main()
