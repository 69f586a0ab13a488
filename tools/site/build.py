"""Build the course as pages, in each language.

    python tools/site/build.py --out_dir site

Pages are made from the READMEs, the sources, lineage.toml and the pictures, so there is
no second copy of any text. The result can be put on any host as it is.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module, util
from pathlib import Path

from course import DOCUMENTS, ROOT, Course
from front import make_course, make_front, split_readme
from pages import make_chapter, make_document
from PIL import Image
from texts import TEXTS

HERE = Path(__file__).resolve().parent
RUNTIME = HERE / 'node_modules' / 'onnxruntime-web' / 'dist'
RUNTIME_FILES = [
    'ort.wasm.min.mjs',
    'ort-wasm-simd-threaded.mjs',
    'ort-wasm-simd-threaded.wasm',
]
# Of the small pictures, in pixels: twice what is shown, for sharp screens.
THUMBNAIL = (400, 300)
# What Sphinx writes for programs, not for readers.
LEAVINGS = ('.buildinfo', '_sources', 'objects.inv', 'genindex.html')


def write(path, text):
    """Write a text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')


def copy_figures(course, out_dir):
    """Copy the pictures of the chapters, and make a small one of each.

    Returns:
        The width and height of the small pictures, by chapter.
    """
    sizes = {}
    for figure in [Path('figure.png'), *map(Path, course.chapters)]:
        file = figure if figure.suffix else figure / 'figure.png'
        if not (course.root / file).exists():
            continue
        target = out_dir / 'figures' / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(course.root / file, target)
        small = out_dir / 'thumbnails' / f'{file.parent}.webp'
        small.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(target) as image:
            image = image.convert('RGB')
            image.thumbnail(THUMBNAIL)
            image.save(small, quality=70, method=6)
        sizes[file.parent.as_posix()] = image.size
    return sizes


def call(module, function, *arguments):
    """Return what a function of an optional module returns, '' if there is none."""
    if util.find_spec(module) is None:
        return ''
    return getattr(import_module(module), function)(*arguments)


def write_sources(course, lang, folder, thumbnails, models, has_runs):
    """Write the Markdown of all pages of a language."""
    texts = TEXTS[lang]
    write(folder / 'index.md', make_front(course, lang, texts, thumbnails))
    write(folder / 'course.md', make_course(course, lang, texts))
    for document in DOCUMENTS:
        text = make_document(course, document, lang, texts)
        write(folder / f'{document}.md', text)
    for chapter in course.chapters:
        diagram = ''
        if has_runs:
            diagram = call('diagrams', 'draw_diagram', chapter, lang)
        page = make_chapter(course, chapter, lang, texts, models, diagram)
        write(folder / f'{chapter}.md', page)


def start_sphinx(course, lang, folder, out_dir):
    """Start Sphinx for one language; returns the process."""
    title, _, _ = split_readme(course, lang)
    command = [sys.executable, '-m', 'sphinx', '-q', '-E', '-W', '--keep-going']
    command += [
        '-c',
        HERE,
        '-d',
        folder.with_suffix('.doctrees'),
        folder,
        out_dir / lang,
    ]
    shapes = '1' if (out_dir / '_shapes').is_dir() else ''
    env = {'SITE_LANG': lang, 'SITE_TITLE': title, 'SITE_SHAPES': shapes}
    return subprocess.Popen([str(part) for part in command], env=os.environ | env)


def write_pages(course, languages, folder, out_dir, models, has_runs):
    """Write the pages of all languages; raises SystemExit if Sphinx has a warning."""
    thumbnails = copy_figures(course, out_dir)
    processes = []
    for lang in languages:
        write_sources(course, lang, folder / lang, thumbnails, models, has_runs)
        processes.append(start_sphinx(course, lang, folder / lang, out_dir))
    codes = [process.wait() for process in processes]
    if any(codes):
        sys.exit('the pages are not complete')
    for lang in languages:
        for name in LEAVINGS:
            path = out_dir / lang / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def copy_files(course, out_dir):
    """Copy what the pages use as it is: playgrounds, the runtime and the license."""
    shutil.copytree(HERE / 'play', out_dir / 'play')
    (out_dir / 'ort').mkdir()
    for name in RUNTIME_FILES:
        if (RUNTIME / name).exists():
            shutil.copyfile(RUNTIME / name, out_dir / 'ort' / name)
    (out_dir / 'files').mkdir()
    shutil.copyfile(course.root / 'LICENSE', out_dir / 'files' / 'LICENSE')
    shutil.copyfile(HERE / 'index.html', out_dir / 'index.html')


def build(out_dir, languages, with_models=True):
    """Build the site into a folder, which is replaced.

    Arguments:
        out_dir: the folder.
        languages: the languages of the pages.
        with_models: whether to run the chapters: for the networks of the playgrounds,
            the shapes of a batch and the diagrams.
    """
    course = Course()
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir(parents=True)
    copy_files(course, out_dir)
    models = {}
    if with_models:
        cache = ROOT / '.venv' / 'cache' / 'site'
        models = call('models', 'make_models', ROOT, cache, out_dir / 'models')
        models['ort'] = sum(f.stat().st_size for f in (out_dir / 'ort').iterdir())
        call('shapes', 'write_shapes', out_dir / '_shapes')
    with tempfile.TemporaryDirectory() as folder:
        write_pages(course, languages, Path(folder), out_dir, models, with_models)


def main():
    """Read the options and build."""
    p = argparse.ArgumentParser(description='Build the course as pages.')
    p.add_argument('--out_dir', type=Path, default=ROOT / 'site', help='the site')
    p.add_argument('--lang', nargs='+', default=list(TEXTS), choices=list(TEXTS))
    text = 'run the chapters, for playgrounds, shapes and diagrams'
    p.add_argument(
        '--models', action=argparse.BooleanOptionalAction, help=text, default=True
    )
    config = p.parse_args()
    build(config.out_dir, config.lang, config.models)


if __name__ == '__main__':
    main()
