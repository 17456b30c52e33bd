"""What is shown while it runs: a bar, what is at hand, and lines that stay. All on standard error."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

T = TypeVar("T")


class Progress:
    """A context manager that shows the bar."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        )
        self._progress = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("starting", total=None, note="")

    def __enter__(self) -> "Progress":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, line: str) -> None:
        """Print a line that stays."""
        self._progress.console.print(line, highlight=False)

    def note(self, text: str) -> None:
        """Say what is being done just now."""
        self._progress.update(self._task, note=text)

    def begin(self, description: str) -> None:
        """Say what is being done that has no steps to count."""
        self._progress.reset(self._task, total=None, description=description, note="")

    def track(self, steps: Sequence[T], description: str) -> Iterator[T]:
        """Yield the steps; the bar moves on when the next is asked for."""
        self._progress.reset(self._task, total=len(steps), description=description, note="")
        for step in steps:
            yield step
            self._progress.advance(self._task)
