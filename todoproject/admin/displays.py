"""Read-only fields whose content has to be looked up."""

from collections.abc import Callable
from functools import wraps
from typing import Any


def looked_up_once(shown: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """Keep what a field shows with its row: the templates ask for it five times a page."""
    name = f"_shown_{shown.__name__}"

    @wraps(shown)
    def kept(model_admin: Any, row: Any) -> str:
        if name not in vars(row):
            setattr(row, name, shown(model_admin, row))
        content: str = vars(row)[name]
        return content

    return kept
