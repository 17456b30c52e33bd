"""Write `.env` from `.env.example`, with fresh secrets: `python -m todoproject.dotenv`.

Standard library only: `make run` calls it before any setting exists.
"""

import contextlib
import os
import re
import secrets
import sys
import tempfile
from pathlib import Path

PROJECT_FOLDER = Path(__file__).resolve().parent.parent
_PLACEHOLDER = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*=)generate-me[ \t]*$", re.MULTILINE)


def filled(example: str) -> str:
    """Return the example's text with a fresh secret of 64 characters for every `NAME=generate-me`."""
    return _PLACEHOLDER.sub(lambda line: line[1] + secrets.token_urlsafe(48), example)


def write(folder: Path) -> bool:
    """Make `folder/.env`, readable by its owner only; return whether this call was the one that made it.

    The finished file is linked into place: a reader never sees half of it, of two calls at once one wins, and
    a file that exists is never overwritten.
    """
    target = folder / ".env"
    if os.path.lexists(target):
        return False
    text = filled((folder / ".env.example").read_text(encoding="utf-8"))
    descriptor, draft = tempfile.mkstemp(prefix=".env.", dir=folder)  # mkstemp makes it with mode 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(draft, target)
            return True
        return False
    finally:
        os.unlink(draft)


def main(folder: Path = PROJECT_FOLDER) -> None:
    try:
        written = write(folder)
    except OSError as error:
        sys.exit(f"todoproject: cannot write .env from .env.example: {error}")
    if written:
        print("Wrote .env from .env.example, with fresh secrets.")


if __name__ == "__main__":
    main()
