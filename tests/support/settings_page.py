"""docs/settings.md, made from .env.example: `python -m tests.support.settings_page` writes it, and a test compares."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

PAGE = ROOT / "docs" / "settings.md"
_HEAD = """# Which settings are there?

For operators. A setting is a line `NAME=value` in `.env`, or a variable of the environment, which wins. All of them are
read and checked at the start, in `todoproject/settings.py` and nowhere else (by `todoproject/environment`). A mistake
stops the start with one line that names it: [what is refused](database.md#what-does-the-start-refuse).

This page is made from [.env.example](../.env.example) by `python -m tests.support.settings_page`: change it there.
"""
_SECTION = re.compile(r"^# --- (.+?) -+$")
_NAMED = re.compile(r"(?<![\w`])([A-Z_]{3,}=\S+)")
_SETTING = re.compile(r"^(# )?([A-Z_]+)=(.*)$")


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, *_parts((ROOT / ".env.example").read_text("utf-8"))]).rstrip("\n") + "\n"


def _parts(text: str) -> Iterator[str]:
    """Yield a heading with its table's head for each section of the example, and a row for each setting."""
    words: list[str] = []
    for line in text.splitlines():
        if section := _SECTION.match(line):
            yield f"\n## {section[1]}\n\n| setting | default | |\n|---|---|---|"
        elif setting := _SETTING.match(line):
            yield _row(*setting.groups(), " ".join(filter(None, words)))
        else:
            words.append(line.removeprefix("#").strip())
            continue
        words = []


def _row(is_default: str | None, name: str, value: str, meaning: str) -> str:
    """Return a row; a line that is not commented out is no default, but what `make run` begins with."""
    begun = "a random one" if value == "generate-me" else f"`{value}`"
    shown = (f"`{value}`" if value else "none") if is_default else f"none; `make run` writes {begun}"
    quoted = _NAMED.sub(r"`\1`", meaning.replace("|", "\\|"))
    return f"| `{name}` | {shown} | {quoted} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"Wrote {PAGE}")
