"""The fault suite in its short form, and proof that its eyes are open: the ledger finds what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults import pooler, report
from tests.faults.ledger import Entry, Ledger, Row, Write
from tests.faults.runner import find_scenarios, name_of
from tests.faults.scenarios.soak_stays_flat import rise
from tests.support.processes.servers import ROOT

SCENARIOS = [name_of(scenario) for scenario in find_scenarios()]
# Played with the others, but docs/reliability.md does not tell of them until they were played in full.
NOT_PUBLISHED_YET: set[str] = set()


@pytest.fixture(scope="module")
def short_form(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run it as `make faults` does, and return its report, by scenario."""
    if not pooler.is_installed():
        assert not os.environ.get("CI"), "PgBouncer is needed; .ci/run installs it on Debian"
        pytest.skip("PgBouncer is not installed: THE FAULT SUITE HAS NOT RUN")
    path: Path = tmp_path_factory.mktemp("faults") / "faults.json"
    command = [sys.executable, "-m", "tests.faults", "--short", "--json", str(path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert path.exists(), finished.stdout + finished.stderr
    return {result["name"]: result for result in json.loads(path.read_text())["results"]}


@pytest.mark.faults
@pytest.mark.timeout(960)  # the first of them plays all
@pytest.mark.parametrize("name", SCENARIOS)
def test_claim_holds(short_form: dict[str, Any], name: str) -> None:
    assert short_form[name]["failures"] == []


# --- The ledger's eyes ------------------------------------------------------------------------------


def play() -> tuple[Ledger, list[Row]]:
    """Return a ledger in which everything has been tried, and the rows of a database that has lost nothing."""
    ledger = Ledger()
    for title in ("kept", "changed", "deleted", "one", "two"):
        ledger.tasks[title] = Entry("alice", id=title.upper())
        ledger.acknowledge(ledger.tasks[title].creation)
    ledger.tasks["unanswered"] = Entry("alice")
    ledger.tasks["changed"].changes = [Write(text="first"), Write(text="second"), Write(text="unanswered")]
    for change in ledger.tasks["changed"].changes[:2]:
        ledger.acknowledge(change)
    ledger.tasks["deleted"].deletion = deletion = Write()
    ledger.acknowledge(deletion)
    ledger.batches = [["one", "two"]]
    rows = [Row("alice", title.upper(), title, "", 1, is_deleted=False) for title in ("kept", "one", "two")]
    rows.append(Row("alice", "CHANGED", "changed", "second", 3, is_deleted=False))
    rows.append(Row("alice", "DELETED", "deleted", "", 2, is_deleted=True))
    return ledger, rows


def tampered(wanted: str, **changes: Any) -> list[str]:
    """Return what the ledger says when one row is not what it should be."""
    ledger, rows = play()
    return ledger.audit([row._replace(**changes) if row.title == wanted else row for row in rows])


def test_nothing_is_wrong_where_nothing_is_lost() -> None:
    ledger, rows = play()

    assert ledger.audit(rows) == []
    assert (ledger.acknowledged, ledger.unknown) == (8, 2)


def test_write_without_an_answer_may_have_been_done() -> None:
    ledger, rows = play()
    rows.append(Row("alice", "9", "unanswered", "", 1, is_deleted=False))

    assert ledger.audit(rows) == []
    assert tampered("changed", description="unanswered", version=4) == []


@pytest.mark.parametrize("title", ["kept", "changed", "deleted"])
def test_lost_task_is_found(title: str) -> None:
    ledger, rows = play()

    assert ledger.audit([row for row in rows if row.title != title]) == [f"'{title}' was acknowledged, and is lost"]


def test_half_done_batch_is_found() -> None:
    ledger, rows = play()
    ledger.tasks["two"].creation = Write()  # nobody was told, so only the batch is wrong

    wrong = ledger.audit([row for row in rows if row.title != "two"])

    assert wrong == ["a batch is half done: 1 of 2 tasks from 'one' on"]


def test_doubled_task_is_found() -> None:
    ledger, rows = play()

    assert "is there 2 times" in ledger.audit([*rows, rows[0]])[0]


@pytest.mark.parametrize(
    ("title", "changes", "words"),
    [
        ("changed", {"description": "first", "version": 2}, "overwritten"),
        ("changed", {"version": 5}, "changed 4 times"),
        ("changed", {"version": 2}, "changed 1 times"),
        ("deleted", {"is_deleted": False}, "deleted, which was acknowledged and is lost"),
        ("kept", {"is_deleted": True}, "nobody asked"),
        ("kept", {"owner": "bob"}, "somebody else"),
        ("kept", {"id": "OTHER"}, "another id"),
        ("kept", {"title": "stranger"}, "nobody asked for it"),
    ],
)
def test_tampered_row_is_found(title: str, changes: dict[str, Any], words: str) -> None:
    assert any(words in sentence for sentence in tampered(title, **changes))


def test_unexcused_answer_is_found() -> None:
    ledger, rows = play()
    ledger.refusals.append("POST /v1/tasks was answered 500")

    assert ledger.audit(rows) == ["POST /v1/tasks was answered 500"]


def test_trend_is_that_of_the_line_not_of_the_noise() -> None:
    times = [float(second) for second in range(100)]

    assert rise(times, [1000 + 50 * (second % 2) for second in range(100)]) == pytest.approx(0, abs=2)
    assert rise(times, [1000 + second for second in range(100)]) == pytest.approx(99)


# --- The report ------------------------------------------------------------------------------------


def test_page_shows_the_last_full_run() -> None:
    document = json.loads(report.PUBLISHED.read_text())
    page = report.PAGE.read_text()

    assert {result["form"] for result in document["results"]} == {"full"}
    assert {result["name"] for result in document["results"]} == set(SCENARIOS) - NOT_PUBLISHED_YET
    assert document["passed"]
    assert page.partition(report.START)[2].partition(report.END)[0].strip() == report.table(document)


def test_report_keeps_what_was_not_played_anew(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    first, second = (
        report.Result(letter, letter * 2, "Claim", "short", "now", 1.0, {}, {"faults": 1000}, failures)
        for letter, failures in (("b", []), ("a", ["wrong"]))
    )
    report.write(path, [first], keep_others=False)

    document = report.write(path, [second], keep_others=True)

    assert document == json.loads(path.read_text())
    assert [result["name"] for result in document["results"]] == ["aa", "bb"]
    assert not document["passed"]
    assert "| (b) | Claim | faults: 1,000 | ✓ |" in report.table(document)
    assert "| (a) | Claim | faults: 1,000 | ✗ |" in report.table(document)
