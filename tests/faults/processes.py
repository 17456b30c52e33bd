"""Processes that are not our children, as Linux tells of them in /proc."""

import asyncio
from pathlib import Path

_PROC = Path("/proc")


async def ended(process: int, within_seconds: float = 30) -> None:
    """Wait until a process has ended."""
    for _ in range(round(within_seconds * 100)):
        status = _read(process, "status")
        if not status or "\nState:\tZ" in status:  # a zombie holds nothing; who should bury it may be slow
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"process {process} does not end")


def children(process: int) -> list[int]:
    return list(map(int, _read(process, "task", str(process), "children").split()))


def descendants(process: int) -> list[int]:
    return [found for child in children(process) for found in (child, *descendants(child))]


def command(process: int) -> str:
    return _read(process, "cmdline")


def resident_kib(process: int) -> int:
    """Return how much memory it holds."""
    lines = [line for line in _read(process, "status").splitlines() if line.startswith("VmRSS:")]
    return int(lines[0].split()[1]) if lines else 0


def descriptors(process: int) -> int:
    """Return how many files and sockets it has open."""
    return len(list((_PROC / str(process) / "fd").iterdir()))


def _read(process: int, *path: str) -> str:
    """Return what /proc says; nothing where the process has ended meanwhile."""
    try:
        return Path(_PROC, str(process), *path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
