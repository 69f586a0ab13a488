"""Speed of chapters 12 and 13, in training and in translation, beside others.

    python benchmarks/translation.py train
    python benchmarks/translation.py train --train_fn D/train --lang deen

    python benchmarks/translation.py translate t13.pth t12.pth --test_fn D/test

train: target tokens a second. Ours is the chapter's own Trainer with its loader, AdamW,
clipping, label smoothing and metrics. A bare loop gets the same batches as
tensors that are padded already, and does nothing but forward, cross-entropy, backward
and Adam:

- 13: nn.Transformer(norm_first=True) with embeddings, sinusoids and a linear layer,
  causal and padding masks, and logits at all places.
- 12: the chapter's own network.

All take turns, and the median of the ratios is printed.

translate: sentences a second, from text to text, in batches of 64, beside

- plain: the search of 13 with a network that keeps nothing from one step to the next,
  but computes all places of all hypotheses anew.
- marian: MarianMTModel of transformers, of the same sizes, with generate(). It is not
  trained (it is Post-LN, so our weights don't fit), but each of its translations is
  made to end where ours of the same sentence does. Its text is not decoded.
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
            optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0),
            {},
            {'config': vars(config)},
        )

    def run(self, n_epochs):
        """Return the seconds of the next epoch, of which there are n_epochs now."""
        start = time.perf_counter()
        self.trainer.trainer.run(self.loader, max_epochs=n_epochs)
        return time.perf_counter() - start


def get_config(chapter, arguments, folder, *options):
    """Return the options of a chapter's training."""
    options = [
        *('--batch_tokens', arguments.batch_tokens, '--batch_size', 10**6),
        *('--gpu_id', -1, '--verbose', 0, '--cache_dir', folder),
        *('--dropout_p', 0.1, '--vocab_size', 8000, '--hidden_size', 256, *options),
    ]
    if hasattr(chapter.model, 'MultiHeadAttention'):
        options += ['--n_layers', 3, '--n_heads', 8, '--ffn_size', 1024]
    return chapter.train.define_argparser().parse_args(list(map(str, options)))


def get_data(chapter, arguments, config):
    """Return a loader of some batches, and the sizes of the vocabularies."""
    home = chapter.data_loader
    pairs = home.read_pairs(arguments.train_fn, arguments.lang)
    subwords = home.make_subwords(config, *pairs)
    ids = [
        processor.encode(sentences)
        for processor, sentences in zip(subwords, pairs, strict=True)
    ]
    loader = home.get_loader(*ids, config, is_train=True)
    del loader.batch_sampler.batches[arguments.n_batches :]
    return loader, [processor.vocab_size() for processor in subwords]


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
        loader, vocab_sizes = get_data(chapter, arguments, config)
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


class Prefixes:
    """What Uncached keeps: the sentences, and what is written of their translations."""

    def __init__(self, memory, mask):
        self.memory, self.mask = memory, mask
        self.y = torch.zeros(len(memory), 0, dtype=torch.long)

    def select(self, rows):
        rows = rows.flatten()
        self.y, self.memory = self.y[rows], self.memory[rows]
        self.mask = self.mask[rows]


class Uncached:
    """The network of 13, which computes the whole translation so far at each step."""

    def __init__(self, model):
        self.model = model

    def start(self, x, lengths, n_hypotheses, max_length):
        return Prefixes(*self.model.encode(x, lengths))

    def step(self, y, state):
        state.y = torch.cat([state.y, y.view(-1, 1)], dim=1)
        z = self.model.embed(self.model.y_embedding, state.y)
        for block in self.model.decoder:
            z = block(z, state.memory, state.mask)
        logits = self.model.generator(self.model.decoder_norm(z[:, -1]))
        return logits.view(*y.shape, -1)


class Marian:
    """MarianMTModel, as large as a Transformer of chapter 13.

    Arguments:
        model: the Transformer.
        options: its options.
    """

    def __init__(self, model, options):
        from transformers import MarianConfig, MarianMTModel

        sizes = {}
        for side in ('encoder', 'decoder'):
            sizes[f'{side}_layers'] = options['n_layers']
            sizes[f'{side}_ffn_dim'] = options['ffn_size']
            sizes[f'{side}_attention_heads'] = options['n_heads']
        config = MarianConfig(
            vocab_size=model.y_embedding.num_embeddings,
            d_model=options['hidden_size'],
            activation_function='relu',
            max_position_embeddings=512,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
            forced_eos_token_id=None,
            decoder_start_token_id=2,
            **sizes,
        )
        self.model = MarianMTModel(config).eval()

    def translate(self, ids, beam_size, lengths):
        """Translate a batch of sentences into so many tokens each, the end included."""
        lengths = torch.tensor(lengths).repeat_interleave(beam_size)

        def end(y, scores):
            is_end = (y.size(1) >= lengths).unsqueeze(1)
            is_eos = torch.arange(scores.size(1)) == 3
            return scores.masked_fill(is_end != is_eos, -torch.inf)

        rows = [torch.tensor(row) % self.model.config.vocab_size for row in ids]
        x = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return self.model.generate(
            input_ids=x,
            attention_mask=(x != 0).long(),
            num_beams=beam_size,
            do_sample=False,
            max_new_tokens=max(lengths.tolist()),
            logits_processor=[end],
        )


def time_text(chapter, translator, lines, config):
    """Return the seconds from text to text, and the translations."""
    start = time.perf_counter()
    pairs = chapter.translate.translate(
        translator, lines, config, chunk_size=len(lines)
    )
    ids = [results[0][1] if results else [] for _, results in pairs]
    texts = translator.y_subwords.decode(ids)
    return time.perf_counter() - start, texts


def time_marian(translator, options, lines, texts, config):
    """Return the seconds that Marian takes for translations of the length of texts."""
    marian = Marian(translator.models[0], options)
    lengths = [len(ids) + 1 for ids in translator.y_subwords.encode(texts)]
    start = time.perf_counter()
    ids = translator.x_subwords.encode(lines)
    places = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for begin in range(0, len(places), config.batch_size):
        batch = places[begin : begin + config.batch_size]
        marian.translate(
            [ids[i] for i in batch], config.beam_size, [lengths[i] for i in batch]
        )
    return time.perf_counter() - start


def measure_translation(model_fn, arguments):
    """Print the sentences a second of a checkpoint, and of its rivals."""
    checkpoint = torch.load(model_fn, weights_only=True)
    name, options = checkpoint['chapter'], checkpoint['config']
    chapter = load_chapter(name)
    with importable(chapter):
        languages = options['lang'][:2], options['lang'][2:]
        lines, references = (
            Path(f'{arguments.test_fn}.{lang}')
            .read_text(encoding='utf-8')
            .splitlines()[: arguments.n_sentences]
            for lang in languages
        )
        translator = chapter.translate.Translator([model_fn], torch.device('cpu'))
        models = translator.models
        for beam_size in arguments.beam_sizes:
            config = chapter.translate.define_argparser().parse_args(
                ['--beam_size', str(beam_size)]
            )
            time_text(chapter, translator, lines[:8], config)
            seconds = {}
            seconds['ours'], texts = time_text(chapter, translator, lines, config)
            if name == '13_transformer':
                translator.models = [Uncached(models[0])]
                seconds['plain'], plain_texts = time_text(
                    chapter, translator, lines, config
                )
                translator.models = models
                n_same = sum(a == b for a, b in zip(texts, plain_texts, strict=True))
                seconds['marian'] = time_marian(
                    translator, options, lines, texts, config
                )
                print(f'plain: {n_same} of {len(lines)} translations are the same')
            found, expected = (
                sum(map(len, translator.y_subwords.encode(each)))
                for each in (texts, references)
            )
            print(
                f'{name}, beam {beam_size}: '
                f'{found / expected:.2f} tokens for each of the reference'
            )
            for way, value in seconds.items():
                print(
                    f'{way:16} {len(lines) / value:8.1f} sentences/s  '
                    f'{value / seconds["ours"]:5.2f} of the time of ours',
                    flush=True,
                )


def main():
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('what', choices=['train', 'translate'])
    parser.add_argument('model_fns', nargs='*', help='checkpoints to translate with')
    parser.add_argument('--train_fn', default=ROOT / '13_transformer/sample/train')
    parser.add_argument('--lang', default='koen')
    parser.add_argument(
        '--chapters', nargs='+', default=['13_transformer', '12_seq2seq']
    )
    parser.add_argument('--amp', nargs='+', default=['off', 'bf16'])
    parser.add_argument('--batch_tokens', type=int, default=1000)
    parser.add_argument('--n_batches', type=int, default=20)
    parser.add_argument('--n_repeats', type=int, default=3)
    parser.add_argument('--test_fn', default=ROOT / '13_transformer/sample/test')
    parser.add_argument('--n_sentences', type=int, default=1000)
    parser.add_argument('--beam_sizes', type=int, nargs='+', default=[5, 1])
    arguments = parser.parse_args()

    torch.manual_seed(0)
    print(f'torch {torch.__version__}, {torch.get_num_threads()} threads')
    if arguments.what == 'translate':
        for model_fn in arguments.model_fns:
            measure_translation(model_fn, arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.chapters:
            measure_training(name, arguments, folder)


if __name__ == '__main__':
    main()
