"""Where mutants are tried one after another: a copy of the project, and a PostgreSQL of its own that stays up.

A run of the tests makes a server and migrates a database first, which takes longer than most tests. Here the server
waits for them, with a migrated database that each run copies; only a break of a migration is migrated anew.
"""

import itertools
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from tests.mutation import ROOT
from tests.mutation.python import Mutant
from todoproject.database import embedded

TEMPLATE = "todo_template"
_FAST = '{"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}'
_HOLD = f"""
import sys
from pathlib import Path
from todoproject.database import embedded
embedded.start(Path(sys.argv[1]), options={_FAST})
print("ready", flush=True)
sys.stdin.read()
"""
_LEFT = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname NOT IN ('postgres', %s)"
# Files, left as they are, with tests that must pass then: one of Python, one of a migration, with tables and people.
_SOUND = {
    "accounts/addresses.py": ["tests/accounts/test_addresses.py", "tests/tasks/test_put.py"],
    "accounts/migrations/0002_fence.py": ["tests/product/test_rights_of_roles.py"],
}
_SOUND_SECONDS = 300
_CHECK_SECONDS = 120
_clock = itertools.count(1_500_000_000)  # each version of a file has a time of its own: else old bytecode would be run


class Slot:
    """A copy of the project and its server; a context manager that ends the server."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self._folder = folder / "tests"
        self._cache = folder / "bytecode"
        self._holder: subprocess.Popen[str] | None = None
        self._leader: int | None = None  # of the processes of the run under way

    def __enter__(self) -> Self:
        _copy_project(self.project)
        for path in (self._folder.parent, self._folder):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)  # the server may run as another user than root
        try:
            self._start()
        except BaseException:
            self.__exit__()  # nobody else would
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._leader is not None:  # somebody ends us in the middle of a run
            _end_group(self._leader)
        if self._holder is not None:
            self._holder.communicate("", timeout=60)
            self._holder = None

    def check(self) -> None:
        """Raise SystemExit where tests fail here without any break: each break would seem noticed."""
        for name, tests in _SOUND.items():
            code = self.try_tests(Mutant(ROOT / name, 0, "", "", "no break", 1), tests, _SOUND_SECONDS)
            if code != 0:
                raise SystemExit(f"{' '.join(tests)} must pass without any break of {name}, and ends with {code}.")
        if not self.models_match(Mutant(ROOT / "accounts/models/user.py", 0, "", "", "no break", 1)):
            raise SystemExit("The models must be what the migrations make without any break, and are not.")

    def try_tests(self, mutant: Mutant, tests: Sequence[str], seconds: float, *, long: bool = False) -> int | None:
        """Run tests of the broken copy until one fails; return the exit code, None where the time was not enough."""
        self._reset()
        template = {} if "migrations" in mutant.path.parts else {"TESTS_TEMPLATE": TEMPLATE}
        quiet = ["-q", "-x", "-p", "no:cacheprovider", "-m", "long" if long else "not long"]
        with self._broken(mutant):
            return self._run(["-m", "pytest", *quiet, *tests], seconds, template)

    def models_match(self, mutant: Mutant) -> bool:
        """Tell whether the models of the broken copy are still what its migrations make."""
        variables = _settings("postgresql://nobody@127.0.0.1:1/nowhere")
        with self._broken(mutant):
            return self._run(["manage.py", "makemigrations", "--check", "--dry-run"], _CHECK_SECONDS, variables) == 0

    @contextmanager
    def _broken(self, mutant: Mutant) -> Iterator[None]:
        path, text = self.project / mutant.path.relative_to(ROOT), mutant.path.read_text("utf-8")
        _write(path, mutant.apply(text))
        try:
            yield
        finally:
            _write(path, text)

    def _run(self, arguments: Sequence[str], seconds: float, variables: dict[str, str]) -> int | None:
        """Run Python in the copy until it ends or the time is over; return the exit code, or None."""
        command = [sys.executable, *arguments]
        environment = self._environment() | variables
        with subprocess.Popen(
            command,
            cwd=self.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            self._leader = process.pid
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
            finally:
                self._leader = None
                _end_group(process.pid)

    def _environment(self) -> dict[str, str]:
        own = {"TESTS_FOLDER": str(self._folder), "PYTHONPYCACHEPREFIX": str(self._cache), "ENV_FILE": os.devnull}
        return {**os.environ, **own}

    def _start(self) -> None:
        self._holder = subprocess.Popen(
            [sys.executable, "-c", _HOLD, str(self._folder / "postgres")],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            raise SystemExit("The server for the mutants does not start.")
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE} OWNER {embedded.OWNER}")
        host = embedded.socket_directory(self._folder / "postgres")
        url = f"postgresql://{embedded.OWNER}@/{TEMPLATE}?host={host}"
        environment = self._environment() | _settings(url)
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=self.project, env=environment, check=True)

    def _reset(self) -> None:
        """Drop what the last run has left; make the server anew where a break has brought it down."""
        try:
            with self._connect() as connection:
                for (name,) in connection.execute(_LEFT, [TEMPLATE]).fetchall():
                    connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        except psycopg.Error:
            self.__exit__()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            self._folder.chmod(0o755)
            self._start()

    def _connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        host = str(embedded.socket_directory(self._folder / "postgres"))
        return psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True)


def _settings(url: str) -> dict[str, str]:
    """Return what a command of the project needs to be told."""
    return {"DATABASE_URL": url, "ENVIRONMENT": "development", "SECRET_KEY": secrets.token_urlsafe(48)}


def _copy_project(folder: Path) -> None:
    """Copy what is under version control or new: a break never touches the files that a person works on."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    moment = next(_clock)
    os.utime(path, (moment, moment))


def _end_group(leader: int) -> None:
    """End what a run has started and left."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
