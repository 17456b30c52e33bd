"""What an operator does in a terminal, in a container or under another server, and what is said about it."""

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.templatetags.static import static
from django.test import override_settings

from tests.support.processes.commands import url
from tests.support.processes.servers import ROOT, Server, free_port
from todoproject.database import embedded
from todoproject.monitoring import sampler
from todoproject.observability.metrics.store import Store

SECRET = "kW3n-Zq8vT_5mXr1LdJ9cPyB7hGfA2sE0uKiNo4"


def shell(command: str, **settings: str) -> tuple[int, str, str]:
    """Run a line of a shell; `manage` in it is ours."""
    line = f"set -o pipefail; {command.replace('manage', f'{sys.executable} manage.py')}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_reader_that_has_seen_enough_is_no_error(postgres: None) -> None:
    code, output, errors = shell("manage dbcheck | head -n 1")

    assert errors == ""
    assert (code, len(output.splitlines())) == (141, 1) or code in (0, 1)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_output_is_no_error(postgres: None, closed: str) -> None:
    code, _, errors = shell(f"manage check {closed}")

    assert (code, errors) == (0, "" if "2" in closed else errors)
    assert "Traceback" not in errors


def test_server_with_a_closed_standard_output_serves(server: Server) -> None:
    port = free_port()
    line = f"exec {sys.executable} manage.py runserver {port} >&-"
    with subprocess.Popen(["bash", "-c", line], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "started" not in (said := process.stderr.readline()):
            assert process.poll() is None, said
        process.terminate()
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()


def test_mail_that_does_not_go_out_is_told_in_one_line(postgres: None) -> None:
    code, _, errors = shell("manage sendtestemail x@example.com", EMAIL_URL=f"smtp://127.0.0.1:{free_port()}")

    assert code == 1
    assert len(errors.splitlines()) == 1
    assert "EMAIL_URL" in errors


def test_output_in_production_is_json_only(server: Server) -> None:
    own = {"ENVIRONMENT": "production", "ALLOWED_HOSTS": "api.example.com", "LOG_FORMAT": "json"}
    own |= {"DATABASE_URL": url(embedded.DATABASE), "ENV_FILE": os.devnull}
    with Server(**own) as production:
        production.stop()
        lines = production.log.splitlines()

    events = [json.loads(line)["event"] for line in lines]
    assert "serving" in events


def test_made_up_host_is_one_quiet_line(server: Server) -> None:
    with Server() as scanned:
        command = ["curl", "-s", "-o", os.devnull, "-H", "Host: scanner.example", f"{scanned.url}/admin/login/"]
        subprocess.run(command, check=True)
        time.sleep(0.5)
        lines = [json.loads(line) for line in scanned.log.splitlines() if line.startswith("{")]

    asked = [line for line in lines if "/live" not in str(line.get("route"))]
    assert [line["status"] for line in asked if line["event"] == "request"] == [400]
    assert [line for line in lines if line["level"] == "ERROR"] == []


def test_deployment_without_a_trusted_proxy_is_told(settings: Any) -> None:
    settings.PRODUCTION = True

    def found() -> list[str]:
        return [str(one.id) for one in run_checks(include_deployment_checks=True) if str(one.id) == "todo.W002"]

    assert found() == ["todo.W002"]
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    assert found() == []


def test_file_that_came_after_the_last_collecting_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "staticfiles.json").write_text(
        json.dumps(
            {"version": "1.1", "paths": {"todoproject/icon.svg": "todoproject/icon.0123456789ab.svg"}, "hash": ""}
        )
    )
    with override_settings(STATIC_ROOT=tmp_path):
        assert static("todoproject/icon.svg").endswith("icon.0123456789ab.svg")
        assert static("todoproject/brand-new.css") == "/static/todoproject/brand-new.css"


def test_lines_of_other_servers_may_name_the_process() -> None:
    record = logging.getLogger("gunicorn").makeRecord("gunicorn", logging.INFO, "x", 1, "x", (), None)

    assert logging.Formatter("[%(process)d] %(message)s").format(record) == f"[{os.getpid()}] x"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("METRICS_TOKEN", SECRET, "of this worker alone"), ("METRICS_ADDRESS", ("127.0.0.1", 1), "nobody listens")],
)
async def test_worker_of_another_server_says_what_its_metrics_lack(
    name: str,
    value: object,
    words: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sampler, "store", Store())
    setattr(settings, name, value)
    sampler.start().cancel()

    assert words in caplog.text


async def test_worker_of_ours_has_nothing_to_say_of_its_metrics(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(sampler, "store", Store())
    settings.METRICS_TOKEN, settings.METRICS_FOLDER = SECRET, tmp_path
    sampler.start().cancel()

    assert caplog.text == ""
