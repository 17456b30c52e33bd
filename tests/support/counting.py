"""Which tests coverage counts lines for. Counting takes as long again as the tests, and the same lines count once.

Not counted: all but the first cases of a table; tests that only ask real servers much or often (a browser, a fuzzer,
other people's clients, the fault suite), whose code the tests of each part run, too; and the processes that any test
starts that plays long: each of the hundreds takes half as long again to begin.
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
    return item.path.name not in UNCOUNTED_FILES and _kind(item) == OTHERS


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
