"""Every link inside the repository leads to a file that is there, and to a heading that it has."""

import re
from pathlib import Path

import pytest

from tests.support.processes.servers import ROOT

PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "bench/**/*.md", "clients/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|\b(?:href|src|srcset)=\"([^\"]+)\"")
CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$|``.+?``|`[^`\n]*`", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def links(page: str) -> list[str]:
    """Return where a page's links lead, save for those that code only quotes."""
    found = LINK.findall(CODE.sub("", page))
    return [markdown or html for markdown, html in found if not ELSEWHERE.match(markdown or html)]


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings as GitHub makes them, a number behind each that is there already."""
    text = re.sub(r"^(`{3,}).*?^\1", "", page, flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", text, re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = sum(1 for other in found if re.fullmatch(rf"{re.escape(name)}(-\d+)?", other))
        found.add(f"{name}-{number}" if name in found else name)
    return found


def broken(path: Path, page: str) -> list[str]:
    """Return the links of the page at `path` that lead nowhere."""
    wrong = []
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        text = page if not file else target.read_text("utf-8") if target.is_file() and target.suffix == ".md" else None
        if not target.exists() or (anchor and text is not None and anchor not in anchors(text)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(ROOT / page, (ROOT / page).read_text("utf-8")) == []


@pytest.mark.parametrize(
    "link",
    ["[a](missing.md)", "[a](#missing)", "[a](CHANGELOG.md#missing)", '<img src="missing.png">', '[a](missing.md "b")'],
)
def test_broken_link_is_found(link: str) -> None:
    assert broken(ROOT / "README.md", f"# Here\n\n{link}\n") != []


@pytest.mark.parametrize(
    "link",
    [
        "[a](#what-is-it-for)",
        "[a](#twice-1)",
        "[a](docs/)",
        "[a](https://example.com/x)",
        "`[a](missing.md)`",
        "[a](LICENSE#L3)",
    ],
)
def test_good_link_is_left_alone(link: str) -> None:
    assert broken(ROOT / "README.md", f"# What is `it` for?\n\n## Twice\n\n## Twice\n\n{link}\n") == []
