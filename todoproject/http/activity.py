"""That somebody has asked this process for something: told to whoever does work that nobody waits for.

Probes and scrapers are nobody: they must not keep a database awake.
"""

from collections.abc import Callable

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

# Told whether it was a write, and by whom if that is known; in whatever thread the request was answered.
Listener = Callable[[bool, str | None], None]
listeners: list[Listener] = []


def note(method: str, owner: str | None = None, *, only_reads: bool = False) -> None:
    """Tell that a request was answered, after what it has done was committed.

    `only_reads`: whatever its method says, it has changed nothing.
    """
    _tell(False, None) if only_reads or method in _SAFE else note_change(owner)


def note_change(owner: str | None) -> None:
    """Tell that something of an owner has changed."""
    _tell(True, owner)


def _tell(wrote: bool, owner: str | None) -> None:
    for listener in listeners:
        listener(wrote, owner)
