"""`.env` is written once, whole, for its owner only, and never again."""

import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from todoproject import dotenv

EXAMPLE = """# SECRET_KEY=generate-me is replaced
SECRET_KEY=generate-me
OTHER_KEY=generate-me
DATABASE_URL=embedded
NOTE=generate-me-not
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".env.example").write_text(EXAMPLE)
    return tmp_path


def test_each_placeholder_gets_a_secret_of_its_own(folder: Path) -> None:
    assert dotenv.write(folder)
    values = dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines()[1:])
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", values["SECRET_KEY"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", values["OTHER_KEY"])
    assert values["SECRET_KEY"] != values["OTHER_KEY"]


def test_every_other_line_stays_as_it_was(folder: Path) -> None:
    dotenv.write(folder)
    lines = (folder / ".env").read_text().splitlines()
    assert [lines[0], *lines[3:]] == [
        "# SECRET_KEY=generate-me is replaced",
        "DATABASE_URL=embedded",
        "NOTE=generate-me-not",
    ]


def test_only_the_owner_can_read_it(folder: Path) -> None:
    dotenv.write(folder)
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_an_existing_file_is_left_alone_without_a_word(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".env").write_text("MINE=1\n")
    dotenv.main(folder)
    assert (folder / ".env").read_text() == "MINE=1\n"
    assert capsys.readouterr().out == ""


def test_a_dangling_link_counts_as_existing(folder: Path) -> None:
    (folder / ".env").symlink_to(folder / "elsewhere")
    assert not dotenv.write(folder)
    assert not (folder / "elsewhere").exists()


def test_of_many_at_once_one_writes_and_nothing_is_left_over(folder: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        written = list(threads.map(dotenv.write, [folder] * 32))
    assert written.count(True) == 1
    assert sorted(os.listdir(folder)) == [".env", ".env.example"]


def test_a_file_that_appears_meanwhile_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def filled_late(example: str) -> str:
        (folder / ".env").write_text("MINE=1\n")
        return example

    monkeypatch.setattr(dotenv, "filled", filled_late)
    assert not dotenv.write(folder)
    assert (folder / ".env").read_text() == "MINE=1\n"
    assert sorted(os.listdir(folder)) == [".env", ".env.example"]


def test_it_says_in_one_line_what_it_did_and_no_secret(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dotenv.main(folder)
    assert capsys.readouterr().out == "Wrote .env from .env.example, with fresh secrets.\n"


def test_a_missing_example_ends_with_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"cannot write \.env from \.env\.example"):
        dotenv.main(tmp_path)


def test_it_runs_without_django_or_any_setting(folder: Path) -> None:
    program = (
        "import sys; sys.modules['django'] = None\n"
        "from pathlib import Path; from todoproject import dotenv; dotenv.main(Path(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-S", "-c", program, str(folder)],
        cwd=dotenv.PROJECT_FOLDER,
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
    )
    assert (folder / ".env").exists()
