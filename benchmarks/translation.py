"""Speed of chapters 12 and 13, in training and in translation, beside others.

    python benchmarks/translation.py train
    python benchmarks/translation.py train --train_fn D/train --lang deen

    python benchmarks/translation.py translate t13.pth t12.pth --test_fn D/test
    python benchmarks/translation.py tricks t13.pth t12.pth --test_fn D/test

train: target tokens a second. Ours is the chapter's own Trainer with its loader, AdamW,
clipping, label smoothing and metrics. A bare loop gets the same batches as
tensors that are padded already, and does nothing but forward, cross-entropy, backward
and Adam:

- 13: nn.Transformer(norm_first=True) with embeddings, sinusoids and a linear layer,
  causal and padding masks, and logits at all positions.
- 12: the chapter's own network.

Where Joey NMT is installed (see joey.py), its Transformer is trained on the same
tensors too, as its TrainManager does it. All take turns, and the median of the ratios
is printed.

translate: sentences a second, in batches of 64, beside

- uncached: the search of 13 with a network that keeps nothing from one step to the
  next, but computes all positions of all hypotheses anew.
- plain: the beam search of a textbook, without a cache, in which all hypotheses of all
  sentences go on until the best of each has ended.
- marian: MarianMTModel of transformers, of the same sizes, with generate(). It is not
  trained (it is Post-LN, so our weights don't fit), but each of its translations is
  made to end where ours of the same sentence does.
- joey: Joey NMT with our weights and its own search, if it is installed.
- int8: ours with --int8.
- ctranslate2, in float32 and in int8: our weights, as export_marian.py writes them, if
  it is installed. It has as many threads as torch, and its own penalty: length ** 1.

Ours, int8 and ctranslate2 are from text to text, by length. The others decode no text,
and take the sentences in their order, 64 at a time; marian also in our order.
All take turns, and the medians of the speeds and of the ratios are printed.

tricks: each piece of fast.py alone, and all together, beside the plain pieces: target
tokens a second in training (of the chapters of --chapters), and sentences a second of
each checkpoint. Prints tables in Markdown.
"""

import argparse
import importlib.util
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

HAS_JOEY = importlib.util.find_spec('joeynmt') is not None
HAS_CTRANSLATE2 = importlib.util.find_spec('ctranslate2') is not None
RIVALS = ['uncached', 'plain', 'marian', 'marian, by length', 'joey', 'int8']
RIVALS += ['ctranslate2', 'ctranslate2, int8']
PAD_ID, UNKNOWN_ID, BOS_ID, EOS_ID = range(4)
N_THREADS = torch.get_num_threads()


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


class SelectingLoss(nn.CrossEntropyLoss):
    """torch's loss, for logits that are computed only where there are targets."""

    def forward(self, y_hat, y):
        return super().forward(y_hat, y[y != self.ignore_index])


class Ours:
    """A chapter's training, its parts made as its train.main() makes them.

    Arguments:
        pieces: the names of the classes of fast.py to use; None: all.
    """

    def __init__(self, chapter, config, loader, vocab_sizes, pieces=None):
        model = chapter.model.get_model(vars(config), *vocab_sizes)
        crit = nn.CrossEntropyLoss(
            ignore_index=PAD_ID, label_smoothing=config.label_smoothing
        )
        if pieces is None:
            chapter.fast.speed_up(model, crit)
        else:
            use_pieces(chapter, pieces, model, crit)
        optimizer = chapter.trainer.get_optimizer(model, 1e-4, config.weight_decay)
        self.loader = loader
        self.trainer = chapter.trainer.Trainer(
            model, crit, optimizer, None, {}, {'config': vars(config)}
        )

    def run(self, n_epochs):
        """Return the seconds of the next epoch, of which there are n_epochs now."""
        start = time.perf_counter()
        self.trainer.trainer.run(self.loader, max_epochs=n_epochs)
        return time.perf_counter() - start


def use_pieces(chapter, names, model, crit=None):
    """Use some pieces of fast.py, and leave the others plain."""
    if 'Transformer' in names:
        # Its BlockCache keeps the memory as this attention reads it.
        names = [*names, 'MultiHeadAttention']
    for part in model.modules():
        name = type(part).__name__
        if name in names:
            part.__class__ = getattr(chapter.fast, name)
    if 'CrossEntropyLoss' in names:
        chapter.fast.speed_up(crit)
    elif crit and type(model).__name__ in names:
        crit.__class__ = SelectingLoss


class Joey:
    """The training of Joey NMT.

    Arguments:
        model: the Transformer of chapter 13, as large.
        config: its options.
    """

    def __init__(self, model, config):
        import joey

        self.training = joey.Training(joey.make_model(model, vars(config)))

    def run(self, batches):
        """Return the seconds of an epoch of (x, lengths, y)."""
        start = time.perf_counter()
        for batch in batches:
            self.training.step(*batch)
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
    return loader, [len(processor) for processor in subwords]


def split_target(batch):
    """Return the inputs of a textbook's network, and its targets."""
    x, _, y = batch
    return (x, y[:, :-1].contiguous()), y[:, 1:].contiguous()


def count_targets(batches):
    """Return the number of target tokens of some batches."""
    return sum((batch[2][:, 1:] != PAD_ID).sum().item() for batch in batches)


def describe(loader):
    """Return a line on the batches of a loader."""
    batches = list(loader)
    n_targets = count_targets(batches)
    n_sources = sum(lengths.sum().item() for _, lengths, _ in batches)
    x_size = sum(x.numel() for x, _, _ in batches)
    y_size = sum(y[:, 1:].numel() for _, _, y in batches)
    shares = 1 - n_sources / x_size, 1 - n_targets / y_size
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
        n_targets = count_targets(loader)
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
            batches = [split_target(batch) for batch in loader]
            network = TextbookTransformer(config, *vocab_sizes)
        else:
            batches = [
                ((x, lengths, y[:, :-1]), y[:, 1:].contiguous())
                for x, lengths, y in loader
            ]
            network = chapter.model.get_model(vars(config), *vocab_sizes)
        bare = Bare(network)
        joey = None
        if HAS_JOEY and name == '13_transformer':
            joey = Joey(chapter.model.get_model(vars(config), *vocab_sizes), config)
            joey_batches = list(loader)

        # The first batches are for the caches.
        rows = []
        bare.run(batches[:3])
        for n_epochs in range(1, arguments.n_repeats + 1):
            row = {'bare loop': bare.run(batches)}
            for amp, one in ours.items():
                row[f'ours, amp {amp}'] = one.run(n_epochs)
            if joey:
                row['joey'] = joey.run(joey_batches)
            rows.append(row)
        for way in rows[0]:
            speed = statistics.median(n_targets / row[way] for row in rows)
            ratio = statistics.median(row['bare loop'] / row[way] for row in rows)
            print(f'{way:16} {speed:8.0f} target tokens/s  {ratio:5.2f}', flush=True)


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

    def start(self, x, lengths):
        return Prefixes(*self.model.encode(x, lengths))

    def step(self, y, state):
        state.y = torch.cat([state.y, y.view(-1, 1)], dim=1)
        logits = decode_all(self.model, state.y, state.memory, state.mask)
        return logits.view(*y.shape, -1)


def decode_all(model, y, memory, mask):
    """Return the logits of what follows on y, all of whose positions are computed."""
    return model.generator(model.decode(y, memory, mask)[:, -1])


@torch.inference_mode()
def search_plainly(model, x, lengths, beam_size):
    """Return the translations of a batch by a textbook's beam search."""
    memory, mask = (
        each.repeat_interleave(beam_size, dim=0) for each in model.encode(x, lengths)
    )
    rows = torch.arange(len(x)).unsqueeze(1) * beam_size
    y = torch.full((len(memory), 1), BOS_ID)
    scores = torch.full((len(x), beam_size), -torch.inf)
    scores[:, 0] = 0.0
    for _ in range(2 * x.size(1) + 10):
        log_p = decode_all(model, y, memory, mask).log_softmax(dim=-1)
        # What has ended goes on with its end, which costs nothing.
        has_ended = y[:, -1] == EOS_ID
        log_p[has_ended] = -torch.inf
        log_p[has_ended, EOS_ID] = 0.0
        n_tokens = (y != EOS_ID).sum(dim=1) + 1
        penalties = ((5 + n_tokens) / 6).view(len(x), beam_size, 1)
        sums = scores.unsqueeze(-1) + log_p.view(len(x), beam_size, -1)
        _, indices = (sums / penalties).flatten(1).topk(beam_size)
        scores = sums.flatten(1).gather(1, indices)
        parents = (rows + indices // log_p.size(-1)).flatten()
        y = torch.cat([y[parents], indices.view(-1, 1) % log_p.size(-1)], dim=1)
        if (y[::beam_size, -1] == EOS_ID).all():
            break
    return y[::beam_size, 1:]


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
            pad_token_id=PAD_ID,
            bos_token_id=BOS_ID,
            eos_token_id=EOS_ID,
            forced_eos_token_id=None,
            decoder_start_token_id=BOS_ID,
            **sizes,
        )
        self.model = MarianMTModel(config).eval()

    def translate(self, x, beam_size, lengths):
        """Translate a batch of sentences into so many tokens each, the end included."""
        lengths = lengths.repeat_interleave(beam_size)

        def end(y, scores):
            is_end = (y.size(1) >= lengths).unsqueeze(1)
            is_eos = torch.arange(scores.size(1)) == EOS_ID
            return scores.masked_fill(is_end != is_eos, -torch.inf)

        return self.model.generate(
            input_ids=x % self.model.config.vocab_size,
            attention_mask=(x != 0).long(),
            num_beams=beam_size,
            do_sample=False,
            max_new_tokens=max(lengths.tolist()),
            logits_processor=[end],
        )


class CTranslate2:
    """Our weights in CTranslate2.

    Arguments:
        chapter: the loaded chapter.
        translator: the Translator of chapter 13, with our weights.
        options: the options of their training.
        kind: float32 or int8.
    """

    def __init__(self, chapter, translator, options, kind):
        import ctranslate2

        self.subwords = translator.x_subwords, translator.y_subwords
        with tempfile.TemporaryDirectory() as folder:
            write = chapter.export_marian.write_ctranslate2
            write(translator, options, Path(folder))
            self.translator = ctranslate2.Translator(
                folder, compute_type=kind, intra_threads=1, inter_threads=N_THREADS
            )

    def time(self, lines, config):
        """Return the seconds from text to text, and the translations."""
        start = time.perf_counter()
        x_subwords, y_subwords = self.subwords
        results = self.translator.translate_batch(
            x_subwords.encode(lines, out_type=str),
            beam_size=config.beam_size,
            length_penalty=config.length_penalty,
            max_batch_size=config.batch_size,
            max_decoding_length=config.max_length,
        )
        ids = [y_subwords.piece_to_id(result.hypotheses[0]) for result in results]
        texts = y_subwords.decode(ids)
        return time.perf_counter() - start, texts


def make_text_rivals(chapter, model_fn, translator, options, names):
    """Return the rivals that go from text to text, a dict of functions."""
    rivals = {}
    if 'int8' in names:
        device = torch.device('cpu')
        ours = chapter.translate.Translator([model_fn], device, is_int8=True)
        rivals['int8'] = lambda lines, config: time_text(chapter, ours, lines, config)
    for name, kind in (('ctranslate2', 'float32'), ('ctranslate2, int8', 'int8')):
        if HAS_CTRANSLATE2 and name in names:
            rivals[name] = CTranslate2(chapter, translator, options, kind).time
    return rivals


def time_text(chapter, translator, lines, config):
    """Return the seconds from text to text, and the translations."""
    start = time.perf_counter()
    pairs = chapter.translate.translate(
        translator, lines, config, chunk_size=len(lines)
    )
    ids = [results[0][1] if results else [] for _, results in pairs]
    texts = translator.y_subwords.decode(ids)
    return time.perf_counter() - start, texts


def time_batches(translate, ids, lengths, batch_size, is_sorted):
    """Return the seconds that a rival takes, and the ids that it gives.

    Arguments:
        translate: maps x, the lengths of its rows, and how long the translations are
            to be, to a list of rows of ids.
        ids: of the subwords of each sentence.
        lengths: of the translations.
        is_sorted: whether sentences of like length go together.
    """
    indices = list(range(len(ids)))
    if is_sorted:
        indices.sort(key=lambda i: len(ids[i]))
    found = {}
    start = time.perf_counter()
    for begin in range(0, len(indices), batch_size):
        batch = indices[begin : begin + batch_size]
        x = nn.utils.rnn.pad_sequence([torch.tensor(ids[i]) for i in batch], True)
        x_lengths, y_lengths = (
            torch.tensor([row[i] for i in batch])
            for row in (list(map(len, ids)), lengths)
        )
        found |= zip(batch, translate(x, x_lengths, y_lengths), strict=True)
    return time.perf_counter() - start, [list(found[i]) for i in range(len(ids))]


def make_rivals(model, options, beam_size):
    """Return the rivals, a dict of functions for time_batches()."""
    marian = Marian(model, options)
    rivals = {
        'plain': lambda x, lengths, _: search_plainly(model, x, lengths, beam_size),
        'marian': lambda x, _, lengths: marian.translate(x, beam_size, lengths),
    }
    rivals['marian, by length'] = rivals['marian']
    if HAS_JOEY:
        import joey

        theirs = joey.make_model(model, options).eval()
        rivals['joey'] = lambda x, lengths, _: joey.translate(
            theirs, x, lengths, beam_size, 2 * x.size(1) + 10
        )
    return rivals


def time_rivals(translator, rivals, lines, texts, batch_size):
    """Return the seconds of each rival, and say how many say what we say."""
    ids = translator.x_subwords.encode(lines)
    lengths = [len(row) + 1 for row in translator.y_subwords.encode(texts)]
    seconds = {}
    for name, translate in rivals.items():
        seconds[name], rows = time_batches(
            translate, ids, lengths, batch_size, name.endswith('by length')
        )
        if not name.startswith('marian'):
            rows = [[int(i) for i in row] for row in rows]
            rows = [row[: [*row, EOS_ID].index(EOS_ID)] for row in rows]
            say_how_many_agree(name, translator.y_subwords.decode(rows), texts)
    return seconds


def say_how_many_agree(name, theirs, ours):
    """Print how many translations are the same."""
    n_same = sum(a == b for a, b in zip(theirs, ours, strict=True))
    print(f'{name}: {n_same} of {len(ours)} translations are ours')


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
            rivals, text_rivals, rows = {}, {}, []
            if name == '13_transformer':
                text_rivals = make_text_rivals(
                    chapter, model_fn, translator, options, arguments.rivals
                )
                rivals = make_rivals(models[0], options, beam_size)
                rivals = {key: rivals[key] for key in rivals if key in arguments.rivals}
            for _ in range(arguments.n_repeats):
                row = {}
                row['ours'], texts = time_text(chapter, translator, lines, config)
                if name == '13_transformer' and 'uncached' in arguments.rivals:
                    translator.models = [Uncached(models[0])]
                    row['uncached'], same_texts = time_text(
                        chapter, translator, lines, config
                    )
                    say_how_many_agree('uncached', same_texts, texts)
                    translator.models = models
                row |= time_rivals(translator, rivals, lines, texts, config.batch_size)
                for key, rival in text_rivals.items():
                    row[key], same_texts = rival(lines, config)
                    say_how_many_agree(key, same_texts, texts)
                rows.append(row)
            found, expected = (
                sum(map(len, translator.y_subwords.encode(each)))
                for each in (texts, references)
            )
            print(
                f'{name}, beam {beam_size}: '
                f'{found / expected:.2f} tokens for each of the reference'
            )
            for way in rows[0]:
                speed = statistics.median(len(lines) / row[way] for row in rows)
                ratio = statistics.median(row[way] / row['ours'] for row in rows)
                print(
                    f'{way:17} {speed:8.1f} sentences/s  '
                    f'{ratio:5.2f} of the time of ours',
                    flush=True,
                )


TRAINING_PIECES = ['Transformer', 'Seq2Seq', 'CrossEntropyLoss', 'Dropout']
SEARCH_PIECES = ['Transformer', 'MultiHeadAttention', 'topk', 'translate_batches']


def get_rows(chapter, names):
    """Return the rows of a table: no piece, each piece that there is, and all."""
    names = [name for name in names if hasattr(chapter.fast, name)]
    rows = {'plain': []} | {name: [name] for name in names}
    return rows | {'all': names}


def print_rows(unit, rows):
    """Print a table of speeds: the medians, and their ratio to that of the first."""
    print(f'| pieces of fast.py | {unit} | ratio |\n| --- | --: | --: |')
    speeds = {name: statistics.median(values) for name, values in rows.items()}
    for name, speed in speeds.items():
        print(f'| {name} | {speed:.1f} | {speed / speeds["plain"]:.2f} |', flush=True)


def measure_training_pieces(name, arguments, folder):
    """Print the speed of a training with each piece of fast.py."""
    chapter = load_chapter(name)
    with importable(chapter):
        config = get_config(chapter, arguments, folder)
        loader, vocab_sizes = get_data(chapter, arguments, config)
        print(f'{name}: {describe(loader)}', flush=True)
        n_targets = count_targets(loader)
        ways = {
            row: Ours(chapter, config, loader, vocab_sizes, pieces)
            for row, pieces in get_rows(chapter, TRAINING_PIECES).items()
        }
        speeds = {row: [] for row in ways}
        # The first epoch of each is not counted.
        for n_epochs in range(1, arguments.n_repeats + 2):
            for row, way in ways.items():
                seconds = way.run(n_epochs)
                if n_epochs > 1:
                    speeds[row].append(n_targets / seconds)
        print_rows('target tokens/s', speeds)


def measure_search_pieces(model_fn, arguments):
    """Print the speed of a checkpoint's translation with each piece of fast.py."""
    checkpoint = torch.load(model_fn, weights_only=True)
    name, lang = checkpoint['chapter'], checkpoint['config']['lang'][:2]
    text = Path(f'{arguments.test_fn}.{lang}').read_text(encoding='utf-8')
    lines = text.splitlines()[: arguments.n_sentences]
    chapter, device = load_chapter(name), torch.device('cpu')
    with importable(chapter):
        translators = {}
        for row, pieces in get_rows(chapter, SEARCH_PIECES).items():
            translator = chapter.translate.Translator([model_fn], device, False)
            use_pieces(chapter, pieces, *translator.models)
            for piece in {'topk', 'translate_batches'} & {*pieces}:
                setattr(translator, piece, getattr(chapter.fast, piece))
            translators[row] = translator
        for beam_size in arguments.beam_sizes:
            options = ['--beam_size', str(beam_size)]
            config = chapter.translate.define_argparser().parse_args(options)
            speeds = {row: [] for row in translators}
            for _ in range(arguments.n_repeats):
                for row, translator in translators.items():
                    seconds, _ = time_text(chapter, translator, lines, config)
                    speeds[row].append(len(lines) / seconds)
            print(f'{name}, beam {beam_size}, {len(lines)} sentences')
            print_rows('sentences/s', speeds)


def main():
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('what', choices=['train', 'translate', 'tricks'])
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
    parser.add_argument('--rivals', nargs='+', choices=RIVALS, default=RIVALS)
    parser.add_argument('--beam_sizes', type=int, nargs='+', default=[5, 1])
    arguments = parser.parse_args()

    torch.manual_seed(0)
    print(f'torch {torch.__version__}, {torch.get_num_threads()} threads')
    if arguments.what == 'translate':
        for model_fn in arguments.model_fns:
            measure_translation(model_fn, arguments)
        return
    if arguments.what == 'tricks':
        with tempfile.TemporaryDirectory() as folder:
            for name in arguments.chapters:
                measure_training_pieces(name, arguments, folder)
        for model_fn in arguments.model_fns:
            measure_search_pieces(model_fn, arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.chapters:
            measure_training(name, arguments, folder)


if __name__ == '__main__':
    main()
