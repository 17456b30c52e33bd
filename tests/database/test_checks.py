"""System checks of our own, by id, on the real database."""

from collections.abc import Iterator

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connection

from tests.support.postgres.databases import connect
from todoproject.monitoring import readiness


def found() -> list[CheckMessage]:
    return [message for message in run_checks(databases=["default"]) if str(message.id).startswith("todo.")]


@pytest.fixture(autouse=True)
def _close(orm: None) -> Iterator[None]:
    yield
    connection.close()


def test_migrated_database_is_in_order() -> None:
    assert found() == []


def test_open_fence_is_w001() -> None:
    with connect(autocommit=True) as direct:
        direct.execute("ALTER TABLE tasks DISABLE ROW LEVEL SECURITY")
        try:
            messages = found()
        finally:
            direct.execute("ALTER TABLE tasks ENABLE ROW LEVEL SECURITY")

    assert [message.id for message in messages] == ["todo.W001"]
    assert "table tasks has no row-level security" in messages[0].msg


def test_old_server_is_e001(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "MINIMUM_VERSION", 990_000)

    assert [message.id for message in found()] == ["todo.E001"]


def test_nothing_is_asked_of_a_database_that_is_not_named() -> None:
    assert [message for message in run_checks() if str(message.id).startswith("todo.")] == []
