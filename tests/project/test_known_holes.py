"""What is locked is looked up in the index's list of known holes; a fault of the index or the network fails nothing."""

from email.message import Message
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from tests.project.test_requirements import pins
from tests.support import known_holes

HOLE = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fixed_in": ["9.9"], "withdrawn": None}


def run(capsys: pytest.CaptureFixture[str], of_django: Any) -> tuple[int, str]:
    """Run against an index that tells this of Django, and no hole of any other package."""

    def ask(name: str, version: str) -> Any:
        if name == "django" and isinstance(of_django, Exception):
            raise of_django
        return {"vulnerabilities": of_django if name == "django" else []}

    return known_holes.main(ask), capsys.readouterr().out


def test_everything_that_is_locked_is_looked_up() -> None:
    assert pins("requirements.txt").items() <= known_holes.pins().items()


@pytest.mark.parametrize(
    ("told", "code", "text"),
    [
        ([HOLE], 1, "django"),
        ([HOLE], 1, "PYSEC-2026-1, CVE-2026-1, mended in 9.9"),
        ([{**HOLE, "fixed_in": []}], 0, "mended nowhere yet"),
        ([{**HOLE, "withdrawn": "2026-01-01"}], 0, "known holes: 0"),
        ([], 0, "known holes: 0"),
        (URLError("away"), 0, "told nothing of: django (URLError)"),
        (TimeoutError(), 0, "told nothing of: django (TimeoutError)"),
        (ValueError(), 0, "told nothing of: django (ValueError)"),
    ],
)
def test_a_hole_that_can_be_mended_fails_and_nothing_else(
    capsys: pytest.CaptureFixture[str], told: Any, code: int, text: str
) -> None:
    outcome, out = run(capsys, told)
    assert outcome == code
    assert text in out


@pytest.mark.parametrize(
    "fault", [HTTPError("https://index", 404, "no such page", Message(), None), URLError("away"), KeyError("x")]
)
def test_an_index_that_does_not_tell_is_a_line_and_no_failure(
    capsys: pytest.CaptureFixture[str], fault: Exception
) -> None:
    asked = []

    def ask(name: str, version: str) -> Any:
        asked.append(name)
        raise fault

    assert known_holes.main(ask) == 0
    assert len(asked) == 1
    assert "Nobody has looked for known holes" in capsys.readouterr().out


def test_no_index_is_asked_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX_URL", "http://index.example/simple")
    with pytest.raises(ValueError, match="TLS"):
        known_holes.ask_index("django", "5.2")
