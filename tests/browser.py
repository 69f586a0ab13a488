"""Show a folder in headless Chromium, and see what it does.

Debian's Chromium is used, through Playwright for Python. Where one of them is missing,
`open_page` skips the test and says so.
"""

import functools
import http.server
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from chapters import ROOT

SITE = ROOT / 'tools' / 'site'
RUNTIME = SITE / 'node_modules' / 'onnxruntime-web' / 'dist'
RUNTIME_FILES = [
    'ort.wasm.min.mjs',
    'ort-wasm-simd-threaded.mjs',
    'ort-wasm-simd-threaded.wasm',
]
PAGE = """\
<!doctype html>
<html lang="{lang}">
<meta charset="utf-8">
<title>A playground alone</title>
<link rel="icon" href="data:,">
<div class="playground" data-script="{script}" data-chapter="{chapter}"></div>
<script type="module" src="play/start.js"></script>
</html>
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        '.mjs': 'text/javascript',
        '.wasm': 'application/wasm',
    }

    def log_message(self, *arguments):
        """Print nothing."""


@contextmanager
def serve(folder):
    """Serve a folder on this machine for a block; yields its address."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


def find_chromium():
    """Return the path of Chromium, or skip the test."""
    pytest.importorskip('playwright', reason='needs: pip install playwright')
    path = shutil.which('chromium') or shutil.which('chromium-browser')
    if path is None:
        pytest.skip('needs Chromium: apt-get install chromium')
    return path


@contextmanager
def open_browser():
    """Start headless Chromium for a block; yields Playwright's browser."""
    path = find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=['--no-sandbox']
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser, url, width=1280, height=900, **options):
    """Open a page for a block, and hold it to good behaviour when the block ends.

    Arguments:
        browser: what open_browser() yields.
        url: the address of the page.
        width, height: the size of the window in CSS pixels.
        options: for Playwright's new_page(), such as color_scheme='dark'.

    Yields:
        Playwright's page.

    Raises:
        AssertionError: an error on the console, a file that is missing, or a request to
            another host.
    """
    viewport = {'width': width, 'height': height}
    page = browser.new_page(viewport=viewport, **options)
    faults = []
    host = '/'.join(url.split('/')[:3])
    page.on(
        'console',
        lambda message: message.type == 'error' and faults.append(message.text),
    )
    page.on('pageerror', lambda error: faults.append(str(error)))
    page.on(
        'request',
        lambda request: (
            request.url.startswith(('data:', 'blob:', host))
            or faults.append(f'foreign request: {request.url}')
        ),
    )
    try:
        page.goto(url)
        yield page
        assert not faults, '\n'.join(faults)
    finally:
        page.close()


def make_playground(folder, script, chapter, models, lang='en'):
    """Write a page with one playground and all that it needs.

    Arguments:
        folder: an empty folder, to be served.
        script: a file of tools/site/play.
        chapter: the chapter whose page it is on.
        models: the folder that export.py has written, for each chapter that is needed.
        lang: the language of the page.
    """
    if not RUNTIME.is_dir():
        pytest.skip('needs onnxruntime-web: npm ci --prefix tools/site')
    folder = Path(folder)
    shutil.copytree(SITE / 'play', folder / 'play')
    (folder / 'ort').mkdir()
    for name in RUNTIME_FILES:
        (folder / 'ort' / name).symlink_to(RUNTIME / name)
    for name, export in models.items():
        shutil.copytree(export, folder / 'models' / name)
    page = PAGE.format(lang=lang, script=script, chapter=chapter)
    (folder / 'index.html').write_text(page, encoding='utf-8')
