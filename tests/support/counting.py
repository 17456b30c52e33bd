"""Which tests coverage counts lines for. Counting takes as long again as the tests, and the same lines count once.

Not counted: all but the first cases of a table; tests that only ask real servers much or often (a browser, a fuzzer,
other people's clients, the fault suite), whose code the tests of each part run, too; and the processes that any test
starts that plays long, but for the files whose code runs nowhere else: each of the hundreds takes half as long again.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.kinds import OTHERS, kind_of

# The cases of a parametrized test that are counted: one that goes well and one that does not, usually.
COUNTED_CASES = 2
UNCOUNTED_KINDS = frozenset({"browser", "clients", "fuzz"})
UNCOUNTED_FILES = frozenset({"test_behind_proxies.py", "test_faults.py", "test_rolling.py"})
# They play long, and are the only ones to run the commands that they are about to the end.
COUNTED_FILES = frozenset({"test_backup.py", "test_restore.py", "test_process.py", "test_pages.py"})

# Where it is set, coverage starts itself in each new Python process.
_INHERITED = "COVERAGE_PROCESS_CONFIG"


def mark_uncounted(items: list[pytest.Item]) -> None:
    """Add pytest-cov's own mark to the tests that it shall not count."""
    cases: Counter[str] = Counter()
    for item in items:
        function = item.nodeid.partition("[")[0]
        cases[function] += 1
        if cases[function] > COUNTED_CASES or item.path.name in UNCOUNTED_FILES or _kind(item) in UNCOUNTED_KINDS:
            item.add_marker("no_cover")


def counts_processes(item: pytest.Item) -> bool:
    """Tell whether coverage counts in the processes that a test starts."""
    if item.path.name in UNCOUNTED_FILES or item.get_closest_marker("no_cover"):
        return False
    return _kind(item) == OTHERS or item.path.name in COUNTED_FILES


def _kind(item: pytest.Item) -> str:
    return kind_of({mark.name for mark in item.iter_markers()})


@contextmanager
def processes_uncounted() -> Iterator[None]:
    """Start processes that coverage does not count in."""
    configuration = os.environ.pop(_INHERITED, None)
    try:
        yield
    finally:
        if configuration is not None:
            os.environ[_INHERITED] = configuration
