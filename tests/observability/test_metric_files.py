"""The files that workers count in: summed over all of them, and nothing is lost or left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from todoproject.observability.metrics import files
from todoproject.observability.metrics.store import Store

WORKER = """
import os, signal, sys
from pathlib import Path
from todoproject.observability.metrics.store import Store
store = Store()
store.share(Path(sys.argv[1]))
store.put("workers", 1)
for line in sys.stdin:
    store.add(("problem", line.strip()), 1)
    print("counted", flush=True)
"""


class Worker:
    """A process that counts in a folder, a line on its standard input at a time."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", WORKER, str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def count(self, code: str, times: int = 1) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for _ in range(times):
            self.process.stdin.write(f"{code}\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == "counted\n"

    def end(self, signal_number: int = signal.SIGKILL) -> None:
        with self.process:
            self.process.send_signal(signal_number)


def counted(folder: Path) -> tuple[float, float]:
    """Return the count of one code, and how many workers live."""
    sums = Store().total_of(folder)
    return sum(sums.get(("problem", "x"), [0])), sum(sums.get(("gauge", "workers"), [0]))


def test_workers_are_summed_and_a_killed_one_loses_nothing(tmp_path: Path) -> None:
    first, second = Worker(tmp_path), Worker(tmp_path)
    first.count("x", 3)
    second.count("x", 4)
    assert counted(tmp_path) == (7, 2)

    first.end()
    assert counted(tmp_path) == (7, 1)

    third = Worker(tmp_path)
    third.count("x")
    assert counted(tmp_path) == (8, 2)
    for worker in (second, third):
        worker.end()
    assert counted(tmp_path) == (8, 0)


def test_replaced_workers_leave_no_files_behind(tmp_path: Path) -> None:
    for number in range(5):
        worker = Worker(tmp_path)
        worker.count("x")
        worker.end()
        assert counted(tmp_path) == (number + 1, 0)

    assert [path.name.rpartition("-")[2] for path in tmp_path.iterdir()] == ["1"]


def test_reading_while_others_count_never_goes_backwards(tmp_path: Path) -> None:
    workers = [Worker(tmp_path) for _ in range(2)]
    for worker in workers:
        assert worker.process.stdin is not None
        worker.process.stdin.write("x\n" * 3000)
        worker.process.stdin.flush()
    seen = [0.0]
    deadline = time.monotonic() + 60
    while seen[-1] < 6000 and time.monotonic() < deadline:
        seen.append(counted(tmp_path)[0])
    for worker in workers:
        worker.end()

    assert seen[-1] == 6000
    assert seen == sorted(seen)


def test_full_file_counts_on_without_an_error() -> None:
    store = Store()
    for number in range(30_000):
        store.add(("problem", f"code-{number:05}"), 1)

    assert 10_000 < len(store.total()) < 30_000
    assert set(map(tuple, store.total().values())) == {(1.0,)}


FILLS = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
from todoproject.observability.metrics.store import Store
store = Store()
store.share(Path(sys.argv[1]))
for number in range(2000):
    store.add(("problem", f"code-{number:05}"), 1)
print(len(store.total()))
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system in memory that is smaller than a worker's file; without the right to, a folder."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path], capture_output=True, check=False
    )
    yield tmp_path
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_without_room_for_its_file_a_worker_counts_in_memory_and_says_so(small: Path) -> None:
    # The limit does the same to whom a full disk is refused: a file that cannot grow.
    command = [sys.executable, "-c", FILLS, str(small), "65536"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip()) == (0, "2000"), done.stderr  # SIGBUS would be -7
    assert "no room to count together" in done.stderr
    assert [path.stat().st_size for path in small.iterdir()] == [0]
    assert Store().total_of(small) == {}


def test_a_file_is_allocated_when_it_is_made(tmp_path: Path) -> None:
    store = Store()
    store.share(tmp_path)

    [path] = tmp_path.iterdir()
    assert path.stat().st_blocks * 512 >= path.stat().st_size >= 1024 * 1024


def test_workers_of_another_layout_leave_each_other_s_files_alone(tmp_path: Path) -> None:
    (tmp_path / "worker-1").write_bytes(b"\xff" * 4096)  # as an older release names and fills them
    old, new = Store(("five", "buckets")), Store(("six", "buckets"))
    old.share(tmp_path)
    old.add(("problem", "x"), 1)
    old.row(("request", "GET", "/v1/tasks", "200"), 5)
    new.share(tmp_path)
    new.row(("request", "GET", "/v1/tasks", "200"), 6)
    new.add(("problem", "x"), 2)

    assert old.total()[("problem", "x")] == [1]
    assert new.total()[("problem", "x")] == [2]
    assert len(new.total()[("request", "GET", "/v1/tasks", "200")]) == 6
    assert Store(("six", "buckets")).total_of(tmp_path) == new.total()


def test_folder_goes_with_its_server_and_a_killed_one_s_is_swept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(files, "_place", lambda: str(tmp_path))
    left_behind = tmp_path / "todoproject-metrics-killed"
    left_behind.mkdir()
    (left_behind / "lock").touch()
    with files.made() as living:
        os.utime(living, (0, 0))
        os.utime(left_behind, (0, 0))
        with files.made() as other:
            assert sorted(path for path in tmp_path.iterdir()) == sorted([living, other])
            assert living.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []
