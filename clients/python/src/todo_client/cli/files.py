"""What is kept between two commands: who is logged in where, and what was listed and changed last.

Both files are readable by their owner only: one has tokens in it, the other titles.
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import typer

DEFAULT_SERVER = "http://127.0.0.1:8000"
# How many changes `todo undo` can go back by.
MOST_CHANGES = 50


def folder() -> Path:
    """Return the folder of the user's configuration."""
    return Path(typer.get_app_dir("todo-client"))


def _read(name: str) -> dict[str, Any]:
    try:
        content = json.loads((folder() / name).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise _unreadable(name, error) from error
    return content if isinstance(content, dict) else {}


def _unreadable(name: str, error: Exception) -> typer.BadParameter:
    return typer.BadParameter(f"{folder() / name} cannot be read ({error!r}). Mend it or remove it.")


def _write(name: str, content: dict[str, Any]) -> None:
    """Replace a file at once: whoever reads it meanwhile sees the one before."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, path = tempfile.mkstemp(dir=folder(), prefix=f".{name}-")  # mode 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
    Path(path).replace(folder() / name)


@dataclass(slots=True)
class Login:
    """A token at one server, and what is known of its owner."""

    token: str
    email: str
    timezone: str | None = None


@dataclass(slots=True)
class Logins:
    """The server that is meant if none is named, and the logins: a token goes to its own server only."""

    server: str = DEFAULT_SERVER
    logins: dict[str, Login] = field(default_factory=dict)

    @classmethod
    def load(cls) -> "Logins":
        content = _read("config.json")
        try:
            logins = {
                server: Login(login["token"], login["email"], login.get("timezone"))
                for server, login in content.get("logins", {}).items()
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise _unreadable("config.json", error) from error
        return cls(content.get("server", DEFAULT_SERVER), logins)

    def save(self) -> None:
        _write("config.json", asdict(self))


@dataclass(slots=True)
class Memory:
    """What the numbers of the last list mean (id and title), and the changes that can be undone, newest last."""

    server: str
    listed: list[tuple[str, str]] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)

    @classmethod
    def load(cls, server: str) -> "Memory":
        content = _read("state.json").get(server, {})
        return cls(server, [(known, title) for known, title in content.get("listed", [])], content.get("changes", []))

    def save(self) -> None:
        content = {"listed": self.listed, "changes": self.changes[-MOST_CHANGES:]}
        _write("state.json", {**_read("state.json"), self.server: content})

    def number_of(self, id: str, title: str) -> int:
        """Return the number that a task goes by: the one that it was listed with, else the next one."""
        for number, (known, _) in enumerate(self.listed, 1):
            if known == id:
                return number
        self.listed.append((id, title))
        return len(self.listed)
