"""What holds for all tests, before any of them imports torch."""

import os

from chapters import hermetic_environment

# As many threads here as in the processes that the tests start: sums that are split
# among other numbers of threads have other last bits.
os.environ['OMP_NUM_THREADS'] = hermetic_environment()['OMP_NUM_THREADS']


def pytest_collection_modifyitems(items):
    """Put what takes longest first: of several processes, none waits for it at the end.

    These are the commands of the READMEs, whole trainings among them.
    """
    items.sort(key=lambda item: item.path.name != 'test_readmes.py')
