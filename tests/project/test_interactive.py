"""What the pages show is pasted into an interactive shell, bash or zsh, where `#`, `?` and `!` mean something else."""

import os
import pty
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes.servers import ROOT, Server

SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i", "+Z"]}  # without its line editor
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {"README and API guide": ["README.md", "docs/api.md"], "reference": ["todoproject/openapi/guide.md"]}
# How a shell, or curl that was given a stray word, complains.
COMPLAINTS = re.compile(
    r"no matches found|command not found|parse error|event not found|bad pattern|unmatched|syntax error"
    r"|Could not resolve host|Bad hostname|^(bash|zsh): ",
    re.IGNORECASE | re.MULTILINE,
)
END = "\x1e"


class Terminal:
    """A shell that believes it is talked to by a person."""

    def __init__(self, side: int) -> None:
        self._side = side

    def paste(self, text: str) -> str:
        """Paste a block and return what came of it, with what the terminal echoes."""
        for line in [*text.splitlines(), "printf '\\036\\n'"]:
            os.write(self._side, f"{line}\n".encode())
        said = ""
        while END not in said:
            said += os.read(self._side, 65_536).decode(errors="replace")
        return said


@contextmanager
def terminal(shell: str, folder: Path) -> Iterator[Terminal]:
    program = shutil.which(shell)
    if program is None:
        message = f"NO {shell.upper()}: it is not installed, so the examples are not pasted into it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    ours, theirs = pty.openpty()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "LANG": "C.UTF-8", "TERM": "dumb", "HOME": str(folder), "HISTFILE": ""}
    command = [program, *SHELLS[shell][1:]]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=folder, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(ours)
        finally:
            process.kill()
            os.close(ours)


@pytest.mark.slow
@pytest.mark.parametrize("pages", PAGES.values(), ids=list(PAGES))
@pytest.mark.parametrize("shell", SHELLS)
def test_examples_can_be_pasted(server: Server, tmp_path: Path, shell: str, pages: list[str]) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    person = uuid.uuid4().hex
    with terminal(shell, tmp_path) as opened:
        for page in pages:
            for block in BLOCK.findall((ROOT / page).read_text("utf-8")):
                text = block.replace("http://127.0.0.1:8000", server.url)
                said = opened.paste(text.replace("@example.com", f"-{person}@example.com"))
                assert COMPLAINTS.search(said) is None, said


def test_a_comment_is_found_in_zsh(tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    with terminal("zsh", tmp_path) as opened:
        assert COMPLAINTS.search(opened.paste("true # is it?"))


def test_no_example_ends_in_a_comment_or_takes_a_name_of_the_shell() -> None:
    for page in [*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "todoproject/openapi/guide.md"]:
        for block in BLOCK.findall(page.read_text("utf-8")):
            shell = re.sub(r"<<.*?(\w+)\W*\n.*?^\1$", "", block, flags=re.MULTILINE | re.DOTALL)  # a program in it
            for line in shell.splitlines():
                assert not re.search(r"\s#\s", line), (page.name, line)
                assert not re.match(r"(HOST|PATH|path|status|USER)=", line), (page.name, line)
