"""Record one real batch of each chapter: its shapes, its modules, and how they connect.

    python tools/site/record.py 05_cnn

A chapter is loaded with its shape comments as checks (tests/shape_comments.py), and its
program runs on the sample with the default sizes of its networks. The first pass of a
batch through the network is recorded as a whole: it is what the pages show. Then the
exercise of the tests runs all other code that has shape comments.

The result is kept in .venv/cache/site, under a hash of what it was made from.
"""

import ast
import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / '.venv' / 'cache' / 'site'
sys.path.insert(0, str(ROOT / 'tests'))
# Recordings run side by side, each with one thread: torch reads it when it is imported.
os.environ['OMP_NUM_THREADS'] = '1'

from chapters import all_chapters, importable, run  # noqa: E402
from shape_comments import ShapeChecks, load_checked_chapter  # noqa: E402

# The programs that run, and their options beside one epoch: the first one trains the
# network that the pages show. What is written out in the lesson is what runs: not the
# faster forms of fast.py, nor torch's fused attention.
DIGITS = ['--dataset', 'digits']
TEXT = ['--test_fn', 'sample/test.tsv', '--figure_fn', '{folder}/words.png']
TRANSLATE = [['train', '--no-fast'], ['translate']]
PLAIN = ['--no-fast', '--attention', 'plain']
LANGUAGE_MODELS = ['{folder}/lm.ko.pth', '{folder}/lm.en.pth']
PROGRAMS = {
    '01_linear_regression': [['train'], ['main'], ['predict', '--x', '4.5']],
    '02_mnist_tutorial': [['train', *DIGITS], ['predict']],
    '03_mnist_autoencoder': [['train', *DIGITS], ['predict']],
    '04_advanced_pytorch': [['train', *DIGITS], ['predict']],
    '04_advanced_pytorch/custom_dataset': [['train'], ['predict']],
    '05_cnn': [['train', *DIGITS], ['predict'], ['train', *DIGITS, '--model', 'fc']],
    '06_transfer_learning': [
        ['train', *DIGITS, '--pretrained', 'none', '--n_train', '64', '--no-fast']
    ],
    '07_rnn': [
        ['train', *DIGITS],
        ['predict'],
        ['train', *DIGITS, '--model', 'cnn'],
        ['train', *DIGITS, '--model', 'fc'],
    ],
    '08_preprocessing': [['data_loader']],
    '09_word_embedding': [['train', '--valid_ratio', '0.01']],
    '10_text_classification': [
        ['train'],
        ['predict', *TEXT],
        ['train', '--model', 'cnn'],
    ],
    '10_text_classification/lstm': [['train']],
    '12_seq2seq': TRANSLATE,
    '12_seq2seq/attention': [['train'], ['translate']],
    '12_seq2seq/minimum_risk': [
        ['train', '--pretrained_fn', '{folder}/pretrained.pth'],
        ['translate'],
    ],
    '13_transformer': [['train', *PLAIN], ['translate']],
    '13_transformer/dual_learning': [
        ['train_lm', *PLAIN, '--lang', 'ko', '--model_fn', LANGUAGE_MODELS[0]],
        ['train_lm', *PLAIN, '--lang', 'en', '--model_fn', LANGUAGE_MODELS[1]],
        ['train', *PLAIN, '--lm_fn', *LANGUAGE_MODELS],
        ['translate'],
    ],
    'appendix_lda': [['train']],
    'appendix_word2vec': [
        ['train', '--no-fast'],
        ['train', '--no-fast', '--model', 'cbow'],
    ],
}
# An epoch of these takes minutes: they end with the pass that is recorded.
SLOW = ('appendix_word2vec',)
# The programs that split text into pieces: each one reads what the one before it has
# written: the README of 08 has the same.
MODEL = ['--model_fn', '{folder}/model.pth', '--column', '1']
PIPELINE = [
    ['refine.py', 'rules.tsv', '1'],
    ['tokenizer.py', '--lang', 'ko', '--column', '1'],
    ['predict.py', *MODEL],
]
# Where there is no network to call, the call of this function is the pass of a batch.
PASSES = {
    '08_preprocessing': ('data_loader', 'main'),
    '09_word_embedding': ('trainer', 'get_loss'),
}


def hash_sources(chapter):
    """Return a hash of all that a recording is made from."""
    folder = ROOT / chapter
    files = [*folder.glob('*.py'), *folder.glob('sample*/*'), *folder.glob('*.[ct]sv')]
    tools = [ROOT / 'tests' / 'shape_comments.py', ROOT / 'tests' / 'chapters.py']
    tools += [Path(__file__), Path(__file__).with_name('dataflow.py')]
    digest = hashlib.sha256()
    for file in sorted(files) + tools:
        digest.update(file.name.encode() + b'\0' + file.read_bytes())
    return digest.hexdigest()[:16]


class RecordedError(Exception):
    """The pass of a batch is recorded, and nothing else is needed."""


class Recorder(ShapeChecks):
    """Checks shape comments, and keeps the shapes that it has met.

    Attributes:
        first: for each comment, by its number: the shape and the sizes of its names,
            where it was met first; those of the recorded pass, if it was met there.
        trace: the comments of the recorded pass, in order.
        flow: the DataFlow of the recorded pass.
        modules: path, class and number of parts of each module of the network.
    """

    def __init__(self):
        super().__init__()
        self.first, self.trace, self.modules = {}, [], []
        self.flow = None
        self.root, self.is_recording, self.stack = None, False, []

    def record(self, number, shape, sizes):
        """Keep the shape of a comment that is right."""
        super().record(number, shape, sizes)
        names = self.comments[number].names
        entry = {'shape': shape, 'sizes': {name: int(sizes[name]) for name in names}}
        self.first.setdefault(number, entry)
        if self.is_recording:
            # The frames below this one are check() and the function of the chapter.
            owner = sys._getframe(2).f_locals.get('self')
            self.trace.append({'comment': number, **entry, **self.find_module(owner)})

    def find_module(self, owner):
        """Return path and class of the module that a comment belongs to.

        Arguments:
            owner: self of the function; a function that is no method of a module
                belongs to the module that runs.
        """
        paths = self.flow.paths
        if id(owner) not in paths:
            owner = self.stack[-1] if self.stack else None
        name = type(owner).__name__ if owner is not None else ''
        return {'module': paths.get(id(owner), ''), 'class': name}

    def start(self, root, function, arguments):
        """Begin the pass that is recorded."""
        from dataflow import DataFlow

        self.root, self.is_recording = root, True
        self.flow = DataFlow(root)
        self.flow.add_inputs(function, arguments)
        if root is not None:
            self.modules = [
                {
                    'path': path,
                    'class': type(module).__name__,
                    'n_parts': len(list(module.children())),
                }
                for path, module in root.named_modules()
            ]
        self.flow.__enter__()

    def stop(self):
        """End the pass that is recorded: its shapes are those that are shown."""
        self.flow.__exit__(None, None, None)
        self.is_recording = False
        for step in reversed(self.trace):
            self.first[step['comment']] = {key: step[key] for key in ('shape', 'sizes')}

    def as_pass(self, function):
        """Return a function that is recorded as a pass when it is called first."""

        def call(*arguments):
            if self.flow is not None:
                return function(*arguments)
            self.start(None, function, arguments)
            try:
                return function(*arguments)
            finally:
                self.stop()

        return call

    @contextlib.contextmanager
    def watch(self, names, is_slow):
        """Record, in a block, the first pass through a network in training mode.

        Arguments:
            names: those of the chapter's modules; a network is a class in one of them.
            is_slow: whether to leave the block when the pass is recorded.
        """
        from torch.nn.modules import module as hooks

        def before(module, arguments):
            is_ours = type(module).__module__ in names
            if self.flow is None and is_ours and module.training:
                self.start(module, module.forward, arguments)
            if self.is_recording:
                self.stack.append(module)
                self.flow.start_layer(module)

        def after(module, arguments, result):
            if self.is_recording and self.stack:
                self.stack.pop()
                self.flow.end_layer(module, arguments, result)
                if module is self.root:
                    self.stop()
                    if is_slow:
                        raise RecordedError

        handles = [
            hooks.register_module_forward_pre_hook(before),
            hooks.register_module_forward_hook(after),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def run_program(module, folder, *arguments):
    """Run a program of a chapter for one epoch, with its files in a folder."""
    parser = module.define_argparser()
    known = parser.format_help()
    ours = {
        '--gpu_id': '-1',
        '--model_fn': str(folder / 'model.pth'),
        '--cache_dir': str(folder),
        '--n_epochs': '1',
    }
    names = [name for name in ours if f'\n  {name} ' in known]
    options = [part for name in names for part in (name, ours[name])]
    options += [argument.format(folder=folder) for argument in arguments]
    with contextlib.suppress(RecordedError):
        module.main(parser.parse_args(options))


@contextlib.contextmanager
def few_batches(n_batches=2):
    """Let Ignite's engines take so many batches of an epoch, in a block."""
    from ignite.engine import Engine

    run_all = Engine.run

    def run_few(self, data, max_epochs=None):
        n_steps = min(n_batches, len(data))
        return run_all(self, data, max_epochs=max_epochs, epoch_length=n_steps)

    with mock.patch.object(Engine, 'run', run_few):
        yield


@contextlib.contextmanager
def working_folder(folder):
    """Make a folder the current one for a block: data files have relative paths."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def run_programs(name, chapter, recorder, folder):
    """Run the programs of a chapter, and then what the tests run of it.

    Returns:
        The command of the first program.
    """
    from test_shape_comments import EXERCISES
    from translators import FINE_TUNED, make_translator

    if name in FINE_TUNED:
        make_translator(folder / 'pretrained.pth', FINE_TUNED[name])
    sample = ROOT / name / 'sample' / 'test.ko'
    lines = sample.read_bytes().splitlines(True)[:8] if sample.exists() else []
    silence = open(os.devnull, 'w', encoding='utf-8')  # noqa: SIM115
    with contextlib.ExitStack() as stack:
        stack.enter_context(silence)
        stack.enter_context(contextlib.redirect_stdout(silence))
        stack.enter_context(contextlib.redirect_stderr(silence))
        stack.enter_context(importable(chapter))
        if name in PASSES:
            module, function = PASSES[name]
            module = getattr(chapter, module)
            call = recorder.as_pass(getattr(module, function))
            stack.enter_context(mock.patch.object(module, function, call))
        commands = []
        watched = recorder.watch(vars(chapter), name in SLOW)
        with watched, few_batches(), working_folder(ROOT / name):
            for program, *arguments in PROGRAMS[name]:
                module = getattr(chapter, program)
                stdin = io.TextIOWrapper(io.BytesIO(b''.join(lines)), encoding='utf-8')
                commands.append(' '.join(['python', f'{program}.py', *arguments]))
                with mock.patch('sys.stdin', stdin):
                    run_program(module, folder, *arguments)
        if recorder.unexecuted():
            EXERCISES[name](chapter, folder / 'rest')
    return commands[0]


def run_pipeline(name, folder):
    """Run the programs that split text, on the sample of their chapter.

    Returns:
        A list of dicts: the program, and what it makes of the first line. The last one
        prints the pieces, and then the same pieces as numbers.
    """
    train = ['train.py', '--model_fn', folder / 'model.pth', '--gpu_id', '-1']
    run(ROOT / name, *train, check=True)
    text = (ROOT / name / 'sample.test.tsv').read_text(encoding='utf-8')
    steps = []

    def keep(program, output):
        steps.append({'program': program, 'text': output.split('\n')[0].split('\t')[1]})

    keep('sample.test.tsv', text)
    for program, *arguments in PIPELINE:
        arguments = [argument.format(folder=folder) for argument in arguments]
        command, before = [program, *arguments], text
        text = run(ROOT / name, *command, stdin=before, check=True).stdout
        keep(program, text)
    command += ['--output', 'numbers']
    keep('predict.py --output numbers', run(ROOT / name, *command, stdin=before).stdout)
    return steps


def make_recording(name):
    """Run a chapter, and return all that its pages show of it as plain data."""
    recorder = Recorder()
    chapter, _ = load_checked_chapter(name, checks=recorder)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / 'rest').mkdir()
        command = run_programs(name, chapter, recorder, Path(folder))
        is_text = name == '08_preprocessing'
        steps = run_pipeline(name, Path(folder)) if is_text else []
    if recorder.unexecuted():
        raise AssertionError('\n'.join(['not executed:', *recorder.unexecuted()]))

    comments = []
    for number, comment in enumerate(recorder.comments):
        file, line = comment.place.split('/')[-1].split(':')
        shape = str(comment).split('| = ')[1]
        comments.append(
            {
                'file': f'{name}/{file}',
                'line': int(line),
                'tensor': comment.tensor,
                'dimensions': split_dimensions(shape),
                **recorder.first[number],
            }
        )
    return {
        'chapter': name,
        'command': command,
        'comments': comments,
        'trace': recorder.trace,
        'modules': recorder.modules,
        'pipeline': steps,
        'nodes': recorder.flow.nodes if recorder.flow else [],
    }


def split_dimensions(shape):
    """Return the dimensions of a shape that is written in a comment, as strings."""
    return [ast.unparse(part) for part in ast.parse(shape, mode='eval').body.elts]


def get_cached_file(chapter):
    """Return the file that keeps the recording of a chapter; it may not exist yet."""
    return CACHE / f'{chapter.replace("/", "_")}-{hash_sources(chapter)}.json'


def get_recording(chapter):
    """Return the recording of a chapter, from the cache if its files are the same."""
    cached = get_cached_file(chapter)
    if not cached.exists():
        # In a process of its own: what one chapter does to a library ends with it.
        run(ROOT, __file__, chapter, '--to', cached, timeout=1800, check=True)
    return json.loads(cached.read_text(encoding='utf-8'))


def main():
    """Record the chapters that the command line names, or all of them."""
    names = [name for name in sys.argv[1:] if name in all_chapters()] or all_chapters()
    if '--to' not in sys.argv:
        for name in names:
            get_recording(name)
            print(name)
        return
    target = Path(sys.argv[-1])
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(make_recording(names[0]), ensure_ascii=False)
    part = target.with_suffix(f'.{os.getpid()}')
    part.write_text(text, encoding='utf-8')
    part.replace(target)


if __name__ == '__main__':
    main()
