"""README and docs/: what is named exists, and no command is on a page that nobody follows; links: test_links.py."""

import re

import pytest
from django.core.management import get_commands

from tests.project.test_links import broken, links
from tests.support.processes.servers import ROOT
from todoproject import settings

PATHS = [
    "README.md",
    "CONTRIBUTING.md",
    "bench/README.md",
    *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
]
PAGES = {path: (ROOT / path).read_text("utf-8") for path in PATHS}
DEFINITION = re.compile(r"^\[([^\]]+)\]: (\S+)$", re.MULTILINE)
REFERENCE = re.compile(r"\]\[([^\]]+)\]")
# Whose `sh` blocks run: tests/project/test_readme.py and tests/project/test_pages.py.
FOLLOWED = {"README.md", "docs/api.md", "docs/production.md", "docs/incidents.md"}


def test_every_reference_of_the_readme_is_defined_used_and_leads_somewhere() -> None:
    defined = dict(DEFINITION.findall(PAGES["README.md"]))

    assert set(REFERENCE.findall(PAGES["README.md"])) == set(defined)
    assert broken(ROOT / "README.md", " ".join(f"[{name}]({link})" for name, link in defined.items())) == []


@pytest.mark.parametrize("path", PAGES)
def test_commands_exist(path: str) -> None:
    assert set(re.findall(r"manage\.py (\w+)", PAGES[path])) <= get_commands().keys()


@pytest.mark.parametrize("path", [path for path in PAGES if path.startswith("docs/")])
def test_settings_exist(path: str) -> None:
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)[`=]", PAGES[path]))

    assert {name for name in named if name not in settings.env.examples} <= NO_SETTINGS


@pytest.mark.parametrize("path", [path for path in PAGES if path.startswith("docs/")])
def test_tests_that_are_named_exist(path: str) -> None:
    there = {file.name for file in (ROOT / "tests").rglob("test_*.py")}

    assert set(re.findall(r"`(test_\w+\.py)`", PAGES[path])) <= there


NO_SETTINGS = {"BYPASSRLS", "LISTEN_FDS", "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_TRACES_SAMPLER"}


def test_every_command_of_a_page_is_followed() -> None:
    with_commands = {path for path, text in PAGES.items() if re.search(r"^```sh", text, re.MULTILINE)}

    assert with_commands == FOLLOWED


def test_every_page_is_found_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in links(PAGES["README.md"])}

    assert {path for path in PAGES if path.startswith("docs/")} <= linked


def test_the_readme_stays_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 200
