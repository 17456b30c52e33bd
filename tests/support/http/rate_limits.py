"""What clients are told of their limits."""

import re

# A List of Strings with integer parameters (RFC 9651, sections 3.1 and 3.3), as far as ours go.
_ITEM = r'"[a-z-]+"(?:;[a-z]=[0-9]{1,15})+'


def parameters(value: str) -> dict[str, dict[str, int]]:
    """Parse `RateLimit` or `RateLimit-Policy`."""
    assert re.fullmatch(rf"{_ITEM}(, {_ITEM})*", value), value
    items = (item.split(";") for item in value.split(", "))
    return {name.strip('"'): {p[0]: int(p[2:]) for p in rest} for name, *rest in items}
