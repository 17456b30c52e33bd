"""Ask the package index for known holes in what is locked: `python -m tests.support.known_holes`.

PyPI tells them with each release (its JSON API, `vulnerabilities`, from the Python Packaging Advisory Database). An
index that does not, or cannot be reached, is no reason to fail: then the reason is printed. Exit code 1: a locked
package has a hole that a newer release mends. Standard library only.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKED = ("requirements.txt", "tests/requirements.txt", "bench/requirements.txt", "installer.txt")
PYPI = "https://pypi.org/simple"
_PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)
_SECONDS = 15
_AT_A_TIME = 4

Ask = Callable[[str, str], Any]  # name, version: the release as the index tells it. Raises OSError, ValueError


class Hole(NamedTuple):
    """A known hole in a release, by its ids, and the releases that mend it."""

    package: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]


def pins() -> dict[str, str]:
    """Return the locked version of each package."""
    return dict(pin for file in LOCKED for pin in _PIN.findall((ROOT / file).read_text("utf-8")))


def holes(name: str, version: str, ask: Ask) -> list[Hole]:
    """Return the holes of a release that have not been taken back. Raises OSError, ValueError, KeyError."""
    told = ask(name, version)["vulnerabilities"]
    return [
        Hole(f"{name} {version}", (hole["id"], *hole.get("aliases", ())), tuple(hole.get("fixed_in", ())))
        for hole in told
        if not hole.get("withdrawn")
    ]


def lines(locked: dict[str, str], ask: Ask) -> Iterator[tuple[str, bool]]:
    """Yield what there is to tell, and whether it is a hole that can be mended."""
    first, *others = sorted(locked.items())
    try:
        found = holes(*first, ask)
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"Nobody has looked for known holes: the index does not tell them ({_reason(error)}).", False
        return
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        answers = [threads.submit(holes, name, version, ask) for name, version in others]
    unasked = []
    for (name, _), answer in zip(others, answers, strict=True):
        try:
            found += answer.result()
        except (OSError, ValueError, KeyError, TypeError) as error:
            unasked.append(f"{name} ({_reason(error)})")
    for hole in found:
        mended = f"mended in {', '.join(hole.fixed_in)}" if hole.fixed_in else "mended nowhere yet"
        yield f"{hole.package} has a known hole: {', '.join(hole.ids)}, {mended}", bool(hole.fixed_in)
    if unasked:
        yield f"The index told nothing of: {', '.join(unasked)}.", False
    yield f"{len(locked) - len(unasked)} locked packages were looked at; known holes: {len(found)}.", False


def _reason(error: Exception) -> str:
    return f"{type(error).__name__} {getattr(error, 'code', '')}".strip()


def ask_index(name: str, version: str) -> Any:
    """Ask the index that pip and uv are set to, else PyPI, for a release."""
    index = os.environ.get("UV_INDEX_URL") or os.environ.get("PIP_INDEX_URL") or PYPI
    address = f"{index.rstrip('/').removesuffix('/simple')}/pypi/{name}/{version}/json"
    if not address.startswith("https://"):
        raise ValueError("not over TLS")
    request = Request(address, headers={"Accept": "application/json"})  # noqa: S310 -- https only, see above
    with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 -- as above
        return json.load(answer)


def main(ask: Ask = ask_index) -> int:
    is_open = False
    for line, can_be_mended in lines(pins(), ask):
        print(line)
        is_open |= can_be_mended
    return int(is_open)


if __name__ == "__main__":
    sys.exit(main())
