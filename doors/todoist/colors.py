"""Todoist's colours have names, ours are #rrggbb."""

from tasks.formats.todoist.colors import PALETTE

DEFAULT = "charcoal"  # what has no colour has this one there
NAMES = tuple(PALETTE)


def name(color: str | None) -> str:
    """Return the name of a colour; of one that has none there, the nearest."""
    if color is None:
        return DEFAULT
    wanted = _parts(color)
    return min(PALETTE, key=lambda each: sum((a - b) ** 2 for a, b in zip(_parts(PALETTE[each]), wanted, strict=True)))


def value(named: str) -> str | None:
    """Return the colour of a name. Raises KeyError."""
    return None if named == DEFAULT else PALETTE[named]


def _parts(color: str) -> tuple[int, ...]:
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))
