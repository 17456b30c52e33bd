"""Markdown as our own pages write it, as HTML: headings, paragraphs, lists, code, bold, links.

For texts of ours only; whatever they hold is escaped all the same. It knows no HTML and no nesting.
"""

import re
from collections.abc import Iterator

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_FENCED = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ALONE = re.compile(r"^(#.*)$", re.MULTILINE)
_HEADING = re.compile(r"(#{1,4}) (.+)")
_ITEM = re.compile(r"^- ", re.MULTILINE)
_INLINE = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|\[(?P<words>[^\]]+)\]\((?P<link>[^)\s]+)\)", re.DOTALL)


def html(text: str) -> SafeString:
    """Return the HTML of a text in Markdown."""
    return mark_safe("\n".join(_blocks(text)))  # noqa: S308 -- all that is not a tag of ours has passed `escape`


def line(text: str) -> SafeString:
    """Return the HTML of a line: code, bold and links, and no block around it."""
    return mark_safe(_inline(text))  # noqa: S308 -- as above


def anchor(heading: str) -> str:
    """Return the id of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")


def _blocks(text: str) -> Iterator[str]:
    for number, piece in enumerate(_FENCED.split(text)):
        if number % 2:  # what the pattern's group has caught
            yield f'<pre tabindex="0"><code>{escape(piece)}</code></pre>'
        else:
            parts = re.split(r"\n\s*\n", _ALONE.sub(r"\n\1\n", piece))
            yield from (_block(part.strip()) for part in parts if part.strip())


def _block(text: str) -> str:
    if heading := _HEADING.fullmatch(text):
        level = len(heading[1])
        return f'<h{level} id="{escape(anchor(heading[2]))}">{_inline(heading[2])}</h{level}>'
    if text.startswith("- "):
        items = (f"<li>{_inline(item)}</li>" for item in _ITEM.split(text)[1:])
        return f"<ul>{''.join(items)}</ul>"
    return f"<p>{_inline(text)}</p>"


def _inline(text: str) -> str:
    """Return a line's HTML: what stands between the marks is escaped, piece by piece."""
    parts: list[str] = []
    position = 0
    for found in _INLINE.finditer(text):
        parts.append(escape(text[position : found.start()]))
        parts.append(_marked(found))
        position = found.end()
    return "".join([*parts, escape(text[position:])])


def _marked(found: re.Match[str]) -> str:
    if code := found["code"]:
        return f"<code>{escape(code)}</code>"
    if bold := found["bold"]:
        return f"<strong>{_inline(bold)}</strong>"
    return f'<a href="{escape(found["link"])}">{_inline(found["words"])}</a>'
