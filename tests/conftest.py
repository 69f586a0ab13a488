"""What holds for all tests, before any of them imports torch."""

import os

from chapters import hermetic_environment

# As many threads here as in the processes that the tests start: sums that are split
# among other numbers of threads have other last bits. The server of programs reads
# both when it imports the libraries.
for name in ('OMP_NUM_THREADS', 'HF_HUB_OFFLINE'):
    os.environ[name] = hermetic_environment()[name]


# The files that take longest, by far.
LONGEST = ['readmes', 'exercises', 'attacks', 'resume', 'site', 'play_translation']


def pytest_collection_modifyitems(items):
    """Put what takes longest first, so that no process works on it alone at the end."""
    places = {f'test_{name}.py': i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))
