"""One line that says how far a run is, and how long each kind took: a plugin of pytest, `-p tests.support.progress`."""

import sys
import time
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

from tests.support.kinds import kind_of

# Where nobody can watch a line change, a new one is written this often.
_STEPS = 10


class Progress:
    """Counts the tests that are over, in the process that the person looks at."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter
        self._is_watched = sys.stdout.isatty()
        self._began = time.monotonic()
        self._total = self._done = self._failed = self._step = 0
        self._seconds: dict[str, float] = defaultdict(float)
        self._counts: dict[str, int] = defaultdict(int)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Learn the number of tests from the first worker; all collect the same."""
        self._total = len(ids)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = len(session.items) or self._total

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """Count what is over without a letter for each; the line below says more."""
        if report.failed and report.when in ("setup", "call", "teardown"):
            return ("failed", "", "FAILED") if report.when == "call" else ("error", "", "ERROR")
        return ("passed", "", "") if report.when == "call" and report.passed else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[kind_of(report.keywords)] += report.duration
        if report.failed:
            self._failed += 1
            self._write(f"FAILED {report.nodeid}", ends_line=True)
        if report.when == "teardown":
            self._counts[kind_of(report.keywords)] += 1
            self._done += 1
            self._show()

    def _show(self) -> None:
        step = self._done * _STEPS // max(self._total, 1)
        if not self._is_watched and step == self._step:
            return
        self._step = step
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        failed = f", {self._failed} failed" if self._failed else ""
        self._write(f"{self._done} of {self._total} tests{failed}, {minutes}:{seconds:02} min")

    def _write(self, line: str, *, ends_line: bool = False) -> None:
        start, end = ("\r\x1b[K", "\n" if ends_line else "") if self._is_watched else ("", "\n")
        self._reporter.write(f"{start}{line}{end}", flush=True)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> Generator[None, object, object]:
        """Say what has failed also where a plugin breaks the run or its end: pytest itself leaves it out then."""
        try:
            result = yield
        except BaseException:
            self._tell_failures()
            raise
        if exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            self._tell_failures()
        return result

    def _tell_failures(self) -> None:
        self._reporter.summary_errors()
        self._reporter.summary_failures()
        for kind in ("failed", "error"):
            for report in self._reporter.getreports(kind):
                self._write(f"FAILED {report.nodeid}", ends_line=True)

    def pytest_terminal_summary(self) -> None:
        self._reporter.section("time by kind, summed over all workers")
        for kind, seconds in sorted(self._seconds.items(), key=lambda item: -item[1]):
            self._reporter.line(f"{kind:<16} {self._counts[kind]:>5} tests {seconds:>7.0f} s")


@pytest.hookimpl(trylast=True)  # after the terminal's own reporter is there
def pytest_configure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(reporter), "progress")
