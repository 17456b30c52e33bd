"""README and docs/: links lead somewhere, what is named exists, and no command is on a page that nobody follows."""

import re

import pytest
from django.core.management import get_commands

from tests.servers import ROOT
from todoproject import settings

PATHS = [
    "README.md",
    "CONTRIBUTING.md",
    "bench/README.md",
    *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
]
PAGES = {path: (ROOT / path).read_text("utf-8") for path in PATHS}
LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
REFERENCE = re.compile(r"\]\[([^\]]+)\]")
# Whose `sh` blocks run: tests/test_readme.py and tests/test_pages.py.
FOLLOWED = {"README.md", "docs/api.md", "docs/production.md", "docs/incidents.md"}


def _links(text: str) -> list[str]:
    without_code = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    return [inline or defined for inline, defined in LINK.findall(without_code)]


def _anchors(text: str) -> set[str]:
    """Return what GitHub makes of the headings."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES)
def test_links_lead_somewhere(path: str) -> None:
    page = ROOT / path
    for link in _links(PAGES[path]):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target.read_text("utf-8")), link


def test_every_reference_of_the_readme_is_defined_and_used() -> None:
    defined = re.findall(r"^\[([^\]]+)\]: ", PAGES["README.md"], re.MULTILINE)

    assert set(REFERENCE.findall(PAGES["README.md"])) == set(defined)


def test_a_broken_link_would_be_found() -> None:
    assert _links("a [b](c.md#d) `[no](link)`\n\n[e]: f.md\n") == ["c.md#d", "f.md"]
    assert _anchors("## What's new, in 2.0?\n```\n# no heading\n```\n") == {"whats-new-in-20"}


@pytest.mark.parametrize("path", PAGES)
def test_commands_exist(path: str) -> None:
    assert set(re.findall(r"manage\.py (\w+)", PAGES[path])) <= get_commands().keys()


@pytest.mark.parametrize("path", [path for path in PAGES if path.startswith("docs/")])
def test_settings_exist(path: str) -> None:
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)[`=]", PAGES[path]))

    assert {name for name in named if name not in settings.ENVIRONMENT_VARIABLES} <= NO_SETTINGS


NO_SETTINGS = {"BYPASSRLS", "LISTEN_FDS", "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_TRACES_SAMPLER"}


def test_every_command_of_a_page_is_followed() -> None:
    with_commands = {path for path, text in PAGES.items() if re.search(r"^```sh", text, re.MULTILINE)}

    assert with_commands == FOLLOWED


def test_every_page_is_found_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in _links(PAGES["README.md"])}

    assert {path for path in PAGES if path.startswith("docs/")} <= linked


def test_the_readme_stays_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 200
