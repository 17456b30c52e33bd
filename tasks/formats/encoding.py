"""From the bytes of a file to its lines, whatever wrote it."""

import codecs
import re

from tasks.formats.items import MOST_BYTES, FileRefused, Notice

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LINE_ENDS = re.compile(r"\r\n|\n|\r")


def lines(content: bytes) -> tuple[list[str], list[Notice]]:
    """Return the lines of a file, as `text` reads it. Raises FileRefused."""
    found, notices = text(content)
    return _LINE_ENDS.split(found), notices


def text(content: bytes) -> tuple[str, list[Notice]]:
    """Return the text of a file: UTF-8, UTF-16 with its mark, else Windows-1252. Raises FileRefused."""
    if len(content) > MOST_BYTES:
        raise FileRefused("too-large", f"A file has at most {MOST_BYTES // 2**20} MiB.")
    return _decoded(content)


def _decoded(content: bytes) -> tuple[str, list[Notice]]:
    encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8"
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode(encoding), []
    except UnicodeDecodeError as error:
        # Nearly all of it is right, and it ends within a character: that is no other encoding.
        if error.end >= len(content) and (encoding == "utf-16" or _is_cut(content[: error.start])):
            line = len(_LINE_ENDS.split(content[: error.start].decode(encoding, "ignore")))
            raise FileRefused("cut-off", "The file ends in the middle of a character.", line) from None
        if encoding == "utf-16":
            raise FileRefused("encoding", "The file says that it is UTF-16, and is not.") from None
    detail = "The file is no UTF-8, and was read as Windows-1252."
    return content.decode("cp1252", "replace"), [Notice(0, "", "", "encoding", detail)]


def _is_cut(before: bytes) -> bool:
    """Tell whether what came before is UTF-8 beyond ASCII: one odd byte at the end of ASCII may be any encoding."""
    return not before.isascii()
