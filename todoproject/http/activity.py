"""That somebody has asked this process for something: told to whoever does work that nobody waits for.

Probes and scrapers are nobody: they must not keep a database awake.
"""

from collections.abc import Callable

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Listener = Callable[[bool], None]  # told whether it was a write; in whatever thread the request was answered
listeners: list[Listener] = []


def note(method: str) -> None:
    """Tell that a request was answered, after what it has done was committed."""
    for listener in listeners:
        listener(method not in _SAFE)
