"""Imports as large as they may be."""

import re
import time
from itertools import chain
from pathlib import Path

import pytest

from tasks.queries.import_files import import_file
from tests.support.people import Person
from tests.tasks.test_imports import credentials

ROWS = 50_000
SECONDS = 600  # of a machine with other work to do
MEBIBYTES = 500  # more than before; other tests have made this process what it is
_STATUS = Path("/proc/self/status")


def memory(name: str) -> int:
    """Return what the system says of this process, in MiB: `VmRSS` what it has, `VmHWM` the most that it has had."""
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) // 1024


def forget_the_most() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def lines() -> str:
    """Return a file: every fifth task is completed, and they are in forty lists."""
    marks = chain.from_iterable(
        ("x 2026-11-20 2026-11-01", "2026-11-01", "(A) 2026-11-01", "", "") for _ in range(ROWS)
    )
    return "\n".join(
        f"{mark} Task {number} +List{number % 40} @label{number % 30} due:2027-01-{number % 28 + 1:02}".strip()
        for number, mark in zip(range(ROWS), marks, strict=False)
    )


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not _STATUS.exists(), reason="only Linux tells the most memory since a moment")
async def test_fifty_thousand_rows_take_minutes_and_bounded_memory(alice: Person) -> None:
    content = lines().encode()

    async def read() -> bytes:
        return content

    steps: list[str] = []
    for expected in ((ROWS, 0), (0, ROWS)):
        forget_the_most()
        before, begun, used = memory("VmRSS"), time.monotonic(), time.process_time()
        report = await import_file(credentials(alice), read, tell=steps.append)
        took = time.monotonic() - begun
        grown = memory("VmHWM") - before
        print(f"{took:.1f} s, of them {time.process_time() - used:.1f} s of this process, at most {grown} MiB more")
        assert (report.created, report.unchanged, report.left_out) == (*expected, [])
        assert took < SECONDS
        assert grown < MEBIBYTES
    with_one_more = content + b"\nOne too many"
    content = with_one_more
    with pytest.raises(ValueError, match=r"line 50001: A file has at most 50,000 tasks."):
        await import_file(credentials(alice), read)
