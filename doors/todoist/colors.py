"""Todoist's colours have names, ours are #rrggbb."""

_HEX = {
    "berry_red": "#b8255f",
    "red": "#dc4c3e",
    "orange": "#c77100",
    "yellow": "#b29104",
    "olive_green": "#949c31",
    "lime_green": "#65a33a",
    "green": "#369307",
    "mint_green": "#42a393",
    "teal": "#148fad",
    "sky_blue": "#319dc0",
    "light_blue": "#6988a4",
    "blue": "#4180ff",
    "grape": "#692ec2",
    "violet": "#ca3fee",
    "lavender": "#a4698c",
    "magenta": "#e05095",
    "salmon": "#c9766f",
    "charcoal": "#808080",
    "grey": "#999999",
    "taupe": "#8f7a69",
}
DEFAULT = "charcoal"  # what has no colour has this one there
NAMES = tuple(_HEX)


def name(color: str | None) -> str:
    """Return the name of a colour; of one that has none there, the nearest."""
    if color is None:
        return DEFAULT
    wanted = _parts(color)
    return min(_HEX, key=lambda each: sum((a - b) ** 2 for a, b in zip(_parts(_HEX[each]), wanted, strict=True)))


def value(named: str) -> str | None:
    """Return the colour of a name. Raises KeyError."""
    return None if named == DEFAULT else _HEX[named]


def _parts(color: str) -> tuple[int, ...]:
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))
