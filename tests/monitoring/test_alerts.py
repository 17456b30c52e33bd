"""Each alert is tried once, by Prometheus' own tool: what makes it fire, and what must not."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.processes.servers import ROOT

RULES, TRIED = ROOT / "todoproject/monitoring/alerts.yml", Path(__file__).with_name("alerts_test.yml")


def test_every_alert_is_tried() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text("utf-8"))
    fired = re.findall(r"alertname: (\w+)\n +exp_alerts:", TRIED.read_text("utf-8"))

    assert alerts
    assert {*alerts} == {*fired}


@pytest.fixture
def promtool() -> str:
    path = shutil.which("promtool")
    if path is None:
        message = "NO PROMTOOL: Prometheus is not installed, so the alerts are not tried"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


def run(promtool: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_alerts_fire_when_they_should_and_only_then(promtool: str, tmp_path: Path) -> None:
    for file in (RULES, TRIED):
        shutil.copy(file, tmp_path)

    checked = run(promtool, tmp_path, "check", "rules", RULES.name)
    tried = run(promtool, tmp_path, "test", "rules", TRIED.name)

    assert checked.returncode == 0, checked.stderr
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_an_alert_that_never_fires_is_noticed(promtool: str, tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    shutil.copy(TRIED, tmp_path)
    (tmp_path / RULES.name).write_text(
        RULES.read_text("utf-8").replace("todo_schema_behind > 0", "todo_schema_behind > 9")
    )

    assert run(promtool, tmp_path, "test", "rules", TRIED.name).returncode != 0
