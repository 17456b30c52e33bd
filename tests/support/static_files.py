"""Static files are looked for once, not by the middleware of each client: that took 40 ms a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from servestatic.middleware import ServeStaticMiddleware


@contextmanager
def found_once() -> Iterator[None]:
    """Give every middleware that is set up alike what the first of them has found."""
    find = ServeStaticMiddleware.add_files_from_finders
    found: dict[tuple[Any, ...], tuple[dict[str, Any], list[tuple[str, str]]]] = {}

    def add(middleware: ServeStaticMiddleware) -> None:
        setup = (middleware.static_prefix, middleware.max_age, middleware.autorefresh, *middleware.directories)
        if middleware.files:  # from elsewhere, too
            find(middleware)
            return
        if setup not in found:
            find(middleware)
            found[setup] = (dict(middleware.files), list(middleware.directories))
        files, middleware.directories = found[setup][0], list(found[setup][1])
        middleware.files.update(files)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServeStaticMiddleware, "add_files_from_finders", add)
        yield
