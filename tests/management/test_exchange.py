"""`importtasks` and `exporttasks`: what operators see of them."""

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import AccessToken, AuditEvent
from tasks.models import NAME_MAX_LENGTH, Change, Task, TaskList
from tests.support.processes.commands import run
from tests.support.staff import make_user

pytestmark = pytest.mark.usefixtures("orm")


def command(*arguments: str | Path) -> tuple[int, str, str]:
    return run(*arguments, database=connection.settings_dict["NAME"])


def test_file_goes_in_and_comes_out_again(tmp_path: Path) -> None:
    user, file, copy = make_user(), tmp_path / "todo.txt", tmp_path / "copy.txt"
    file.write_bytes("\ufeff(A) Müller anrufen +Büro due:2027-01-02\r\nPay due:soon\r\n".encode())

    code, output, errors = command("importtasks", user.email.upper(), file, "--format", "todo.txt", "--json")

    assert (code, errors) == (0, "")
    report: dict[str, Any] = json.loads(output)
    assert (report["created"], report["lists"], report["dry_run"]) == (2, ["Büro"], False)
    assert [(told["line"], told["code"]) for told in report["changed"]] == [(2, "left-in-title")]
    assert set(Task.objects.filter(user=user).values_list("title", flat=True)) == {"Müller anrufen", "Pay due:soon"}

    code, output, errors = command("exporttasks", user.email, "--format", "todo.txt", "--output", copy, "--json")
    assert (code, errors) == (0, "")
    assert json.loads(output) == {"file": str(copy), "format": "todo.txt", "tasks": 2, "not_kept": []}
    assert os.stat(copy).st_mode & 0o777 == 0o600
    assert "Müller anrufen +Büro due:2027-01-02 uuid:" in copy.read_text("utf-8")

    # As their owner: a token that is over now, named in the history; numbers and no words in the audit.
    made = AccessToken.objects.filter(user=user)
    assert sorted((token.name, token.revoked_at is not None) for token in made) == [
        ("exporttasks", True),
        ("importtasks", True),
    ]
    assert set(Change.objects.filter(user=user).values_list("actor_id", flat=True)) == {made.get(name="importtasks").pk}
    events = AuditEvent.objects.filter(object_id=str(user.pk), door="command").order_by("id")
    assert [(event.action, event.facts) for event in events] == [
        ("import tasks", {"format": "todo.txt", "created": 2, "updated": 0, "left_out": 0}),
        ("export tasks", {"format": "todo.txt", "tasks": 2}),
    ]


def test_dry_run_tells_what_would_be_done_and_writes_nothing(tmp_path: Path) -> None:
    user, file = make_user(), tmp_path / "todo.txt"
    file.write_text("Call +Office\nPay due:soon\n")
    arguments = ("importtasks", user.email, file, "--format", "todo.txt", "--dry-run")

    code, output, errors = command(*arguments)

    assert (code, errors) == (0, "")
    assert "Would be 2 created, 0 updated, 0 unchanged, 0 left out; 1 new lists." in output
    assert "  changed, line 2: " in output
    report = json.loads(command(*arguments, "--json")[1])
    assert (report["created"], report["lists"], report["dry_run"]) == (2, ["Office"], True)
    assert [model.objects.filter(user=user).count() for model in (Task, TaskList, Change)] == [0, 0, 0]
    assert not AuditEvent.objects.filter(object_id=str(user.pk)).exists()
    assert "Done: 2 created" in command(*arguments[:-1])[1]


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "cannot read"), ("Zoë\nMüller\nZoë".encode()[:-1], "line 3: The file ends in the middle of a character.")],
    ids=["no file", "cut off"],
)
def test_file_that_is_refused_is_told_in_a_line_and_nothing_is_done(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    user, file = make_user(), tmp_path / "todo.txt"
    if content is not None:
        file.write_bytes(content)
    code, _, errors = command("importtasks", user.email, file, "--format", "todo.txt")
    assert (code, why in errors, errors.count("\n")) == (1, True, 1), errors
    for name in (" ", "Home ", "x" * (NAME_MAX_LENGTH + 1)):
        with pytest.raises(CommandError, match="--list"):
            call_command("importtasks", user.email, str(file), "--format", "todo.txt", "--list", name)
    assert not AccessToken.objects.filter(user=user, revoked_at=None).exists()
    assert not Task.objects.filter(user=user).exists()


def test_what_a_file_has_no_place_for_is_told(tmp_path: Path) -> None:
    user, home = make_user(), uuid.uuid4()
    for number, (name, color) in enumerate([("Home", "#3366cc"), ("Home", None), ("Empty", None)]):
        TaskList.objects.create(user=user, id=home if number == 0 else uuid.uuid4(), name=name, color=color)
    Task.objects.create(user=user, title="x", list_id=home)
    TaskList.objects.filter(user=user, name="Empty").update(is_archived=True)

    code, output, _ = command("exporttasks", user.email, "--format", "todo.txt", "--output", tmp_path / "todo.txt")

    assert code == 0
    told = [line.strip() for line in output.splitlines() if "not in the file" in line]
    assert told == [
        "not in the file: 1 colors of lists",
        "not in the file: 1 archived lists, which are lists like others there",
        "not in the file: 1 lists without tasks",
        "not in the file: 1 lists that have another's name, which are one there",
    ]


def test_nobody_and_the_deactivated_have_no_tasks_and_no_file_is_overwritten(tmp_path: Path) -> None:
    user, file = make_user(is_active=False), tmp_path / "there"
    file.touch()
    for name, arguments in {"importtasks": [str(file)], "exporttasks": []}.items():
        for email, why in (("nobody@example.com", "no user"), (user.email, "deactivated")):
            with pytest.raises(CommandError, match=why):
                call_command(name, email, *arguments, "--format", "todo.txt")
    with pytest.raises(CommandError, match="cannot write"):
        call_command("exporttasks", make_user().email, "--format", "todo.txt", "--output", str(file))
