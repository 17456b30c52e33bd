"""Imports as large as they may be."""

import resource
import time
from itertools import chain

import pytest

from tasks.queries.import_files import import_file
from tests.support.people import Person
from tests.tasks.test_imports import credentials

ROWS = 50_000
SECONDS, MEBIBYTES = 600, 700  # of a machine with other work to do


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
async def test_fifty_thousand_rows_take_minutes_and_bounded_memory(alice: Person) -> None:
    content = lines().encode()

    async def read() -> bytes:
        return content

    steps: list[str] = []
    for expected in ((ROWS, 0), (0, ROWS)):
        begun, used = time.monotonic(), time.process_time()
        report = await import_file(credentials(alice), read, tell=steps.append)
        took = time.monotonic() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{took:.1f} s, of them {time.process_time() - used:.1f} s of this process, at most {peak} MiB")
        assert (report.created, report.unchanged, report.left_out) == (*expected, [])
        assert took < SECONDS
        assert peak < MEBIBYTES
    with_one_more = content + b"\nOne too many"
    content = with_one_more
    with pytest.raises(ValueError, match=r"line 50001: A file has at most 50,000 tasks."):
        await import_file(credentials(alice), read)
