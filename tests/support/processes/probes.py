"""Apps that are made for one test: migrations of ours to break things with, beside the project's own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.environment import FOLDER
from tests.support.processes.servers import ROOT
from todoproject.database import embedded


def probe_app(folder: Path, label: str, models: str, *migrations: str) -> dict[str, str]:
    """Write an app; return the environment in which it is installed.

    Each migration is the body of its class, without dependencies; they follow each other.
    """
    package = folder / label
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "migrations" / "__init__.py").touch()
    (package / "models.py").write_text(f"from django.db import models\n{models}")
    for number, body in enumerate(migrations, 1):
        before = f'("{label}", "{number - 1:04}_step")' if number > 1 else '("tasks", "0003_search")'
        (package / "migrations" / f"{number:04}_step.py").write_text(
            "from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently\n"
            "from django.db import migrations, models\n"
            f"class Migration(migrations.Migration):\n    dependencies = [{before}]\n{body}\n"
        )
    (folder / f"{label}_settings.py").write_text(
        f"from todoproject.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, '{label}']\n"
    )
    return {"PYTHONPATH": f"{folder}", "DJANGO_SETTINGS_MODULE": f"{label}_settings"}


def manage(*arguments: str, database: str, **settings: str) -> "subprocess.Popen[str]":
    """Start a command on a database of the tests' server."""
    socket = embedded.socket_directory(FOLDER / "postgres")
    environment = {**os.environ, "DATABASE_URL": f"postgresql://{embedded.OWNER}@/{database}?host={socket}"}
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
