"""What a process and its children have used: processor time and memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Memory:
    """Bytes of a process tree: resident, proportional (shared pages divided), and its own alone."""

    rss: int
    pss: int
    uss: int


def cpu_seconds(pid: int) -> float:
    """Return the processor time, user and system, that the process and its children have used, ended ones included.

    A child that ends between its reading and its parent's would be counted in neither: the parent is read last.
    """
    total = 0.0
    for child in psutil.Process(pid).children(recursive=True):
        try:
            total += _own_and_ended(child)
        except psutil.NoSuchProcess:
            continue
    return total + _own_and_ended(psutil.Process(pid))


def _own_and_ended(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def memory(pid: int) -> Memory:
    """Return the memory of the whole tree."""
    used = [info for process in _tree(pid) if (info := _memory(process))]
    return Memory(*(sum(getattr(info, name, 0) for info in used) for name in ("rss", "pss", "uss")))


def _memory(process: psutil.Process) -> object:
    try:
        return process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return None


def _tree(pid: int) -> Iterator[psutil.Process]:
    root = psutil.Process(pid)
    yield root
    yield from root.children(recursive=True)
