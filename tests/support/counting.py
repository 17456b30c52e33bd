"""Which tests coverage counts lines for. Counting takes as long again as the tests, and the same lines count once.

Not counted: all but the first cases of a table, and tests that only ask real servers much or often (a browser, a
fuzzer, other people's clients, the fault suite), whose code the tests of each part run, too.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.kinds import kind_of

# The cases of a parametrized test that are counted: one that goes well and one that does not, usually.
COUNTED_CASES = 2
UNCOUNTED_KINDS = frozenset({"browser", "clients", "fuzz"})
UNCOUNTED_FILES = frozenset({"test_behind_proxies.py", "test_faults.py", "test_rolling.py"})

# Where it is set, coverage starts itself in each new Python process.
_INHERITED = "COVERAGE_PROCESS_CONFIG"


def mark_uncounted(items: list[pytest.Item]) -> None:
    """Add pytest-cov's own mark to the tests that it shall not count."""
    cases: Counter[str] = Counter()
    for item in items:
        function = item.nodeid.partition("[")[0]
        cases[function] += 1
        if cases[function] > COUNTED_CASES or asks_real_servers(item):
            item.add_marker("no_cover")


def asks_real_servers(item: pytest.Item) -> bool:
    return item.path.name in UNCOUNTED_FILES or kind_of({mark.name for mark in item.iter_markers()}) in UNCOUNTED_KINDS


@contextmanager
def processes_uncounted() -> Iterator[None]:
    """Start processes that coverage does not count in."""
    configuration = os.environ.pop(_INHERITED, None)
    try:
        yield
    finally:
        if configuration is not None:
            os.environ[_INHERITED] = configuration
