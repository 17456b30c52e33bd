"""The operators' pages do what they say: their commands and their SQL run, in order, as a person would follow them."""

import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.environment import FOLDER
from tests.support.processes.servers import ROOT, Server
from todoproject.database import embedded

pytestmark = pytest.mark.faults

PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("production", "incidents")}
BLOCK = re.compile(r"^```(sh server|sh|sql)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
URL = "postgresql://todo_app:choose-a-long-one@ep-name-pooler.region.aws.neon.tech/todo?sslmode=verify-full"


@dataclass
class Operator:
    """Somebody who follows the pages, on a machine where everything has a place in a folder of its own."""

    folder: Path
    server: Server | None = None

    def follow(self, page: str) -> None:
        for kind, text in BLOCK.findall(PAGES[page]):
            if kind == "sql":
                self.sql(text)
                continue
            if kind == "sh server":
                self.server = Server(**self.settings()).start()
            self.shell(text)

    def settings(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in (self.folder / "env").read_text().splitlines())

    def connect(self, **where: Any) -> "psycopg.Connection[Any]":
        socket = str(embedded.socket_directory(FOLDER / "production"))
        return psycopg.connect(host=socket, autocommit=True, **where)

    def sql(self, text: str) -> None:
        is_first = "CREATE ROLE" in text
        where = {"user": "console", "dbname": "postgres"} if is_first else {"user": "todo_app", "dbname": "todo"}
        with self.connect(**where) as connection:
            for statement in text.split(";\n"):
                connection.execute(statement)

    def shell(self, text: str) -> None:
        """Run a block, after what the page has set up before it; every command in it must succeed."""
        setup = 'export ENV_FILE=/etc/todo/env\npython() { .venv/bin/python "$@"; }\n'
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        command = ["bash", "-euo", "pipefail", "-c", self.adapt(setup + text)]
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{text}\n{result.stdout}\n{result.stderr}"

    def adapt(self, text: str) -> str:
        """Put this machine's places for those of the page."""
        places = {
            "/etc/todo/env": str(self.folder / "env"),
            "/var/backups/todo": str(self.folder / "backups"),
            "/srv/todo/app": str(ROOT),
            ".venv/bin/python": sys.executable,
        }
        if self.server:
            places["http://127.0.0.1:8000"] = self.server.url
        for place, ours in places.items():
            text = text.replace(place, ours)
        return text


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """The pages, followed from beginning to end."""
    embedded.start(FOLDER / "production")  # durable, as production is: dbcheck looks at that
    operator = Operator(FOLDER / "operator")
    operator.folder.mkdir()
    with operator.connect(user="postgres", dbname="postgres") as superuser:
        # What Neon's console gives: a role that may make roles and databases, and is no superuser.
        superuser.execute("CREATE ROLE console LOGIN CREATEROLE CREATEDB")
        superuser.execute("DROP DATABASE todo")
    (operator.folder / "env").write_text(_settings())
    try:
        operator.follow("production")
        operator.follow("incidents")
        yield operator
    finally:
        if operator.server:
            operator.server.__exit__()
        shutil.rmtree(operator.folder)


def _settings() -> str:
    """Return the settings of the page, with this machine's database and a secret."""
    text = re.search(r"^```ini\n(ENVIRONMENT=production\n.*?)^```$", PAGES["production"], re.MULTILINE | re.DOTALL)
    assert text is not None
    ours = f"postgresql://todo_app:choose-a-long-one@/todo?host={embedded.socket_directory(FOLDER / 'production')}"
    assert URL in text[1]
    lines = re.sub(r"^SECRET_KEY=.*$", f"SECRET_KEY={secrets.token_urlsafe(48)}", text[1], flags=re.MULTILINE)
    return re.sub(r"^PORT=.*\n", "", lines.replace(URL, ours), flags=re.MULTILINE)


@pytest.mark.slow
def test_operator_gets_from_an_empty_server_to_a_restored_backup(operator: Operator) -> None:
    """Every block has succeeded by now, `dbcheck` among them, on the restored database too."""
    assert operator.settings()["DATABASE_URL"].split("?")[0].endswith("/todo_restored")
    with operator.connect(user="todo_app", dbname="todo_restored") as connection:
        assert connection.execute("SELECT count(*) FROM django_migrations").fetchone() != (0,)
    with operator.connect(user="postgres", dbname="postgres") as superuser:
        rights = superuser.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'todo_app'").fetchone()
        names = {name for (name,) in superuser.execute("SELECT datname FROM pg_database")}
    assert rights == (False, False)
    assert names == {"postgres", "template0", "template1", "todo", "todo_restored"}
