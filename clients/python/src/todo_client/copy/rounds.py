"""Bringing a copy up to date, step by step: what has changed comes in, what was edited goes out."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from todo_client.copy.edits import MOST_OPERATIONS, Edit, Edits
from todo_client.copy.store import Store
from todo_client.errors import ProblemError, SyncExpired
from todo_client.models import Result
from todo_client.operations import Operation, changes, tasks

# As many as the API gives at once.
_PAGE = 500


@dataclass(slots=True)
class SyncReport:
    """What came of a sync. `held` wait for a decision: `LocalCopy.send_again` or `discard`; `dropped` are gone.

    An edit is dropped where there is nothing any more that it could be made on.
    """

    received: int = 0
    sent: int = 0
    held: list[Edit] = field(default_factory=list)
    dropped: list[Edit] = field(default_factory=list)
    began_anew: bool = False


Steps = Generator[Operation[Any], Any, None]


class Rounds:
    """One sync of a store: what comes in, what goes out, and what came of that."""

    def __init__(self, store: Store, edits: Edits) -> None:
        self._store, self._edits = store, edits
        self._report = SyncReport()

    def run(self) -> Generator[Operation[Any], Any, SyncReport]:
        """Ask for the operations of a sync. It may stop anywhere, and goes on the next time."""
        yield from self._pull()
        yield from self._push()
        if self._report.sent:
            yield from self._pull()
        self._report.held = self._edits.all("conflict", "refused")
        return self._report

    def _pull(self) -> Steps:
        if self._store.cursor is None:
            self._store.begin_anew()
        while True:
            try:
                page = yield changes.page(self._store.cursor, page_size=_PAGE)
            except SyncExpired:
                if self._store.cursor is None:
                    raise
                self._store.begin_anew()
                self._report.began_anew = True
                continue
            self._store.take(page)
            self._report.received += len(page.items)
            if not page.has_more:
                return

    def _push(self) -> Steps:
        most = MOST_OPERATIONS
        while batch := self._edits.next_batch(most):
            try:
                results = yield tasks.batch([edit.operation for edit in batch], is_atomic=False, key=batch[0].batch)
            except ProblemError as refused:
                if refused.status not in {409, 413, 422} or refused.code == "in-flight":
                    raise  # in flight: another program is sending the same batch, and its answer will be there
                most = 1  # something in it is too much for one request: find out what
                self._refuse(batch, refused)
                continue
            if not self._take(batch, results):
                return

    def _refuse(self, batch: Sequence[Edit], refused: ProblemError) -> None:
        with self._store.transaction():
            if len(batch) == 1:
                self._edits.hold(batch[0], "refused", refused.document)
            else:
                self._edits.release(list(batch))

    def _take(self, batch: Sequence[Edit], results: Sequence[Result]) -> bool:
        """Note what became of each edit; tell whether to go on: not where the server could not carry out one."""
        waiting = [edit for edit, result in zip(batch, results, strict=True) if result.status >= 500]
        with self._store.transaction():
            for edit, result in zip(batch, results, strict=True):
                if result.status < 500:
                    self._settle(edit, result)
            self._edits.release(waiting)
        return not waiting

    def _settle(self, edit: Edit, result: Result) -> None:
        if result.is_done or (result.status == 404 and edit.op == "delete"):
            self._done(edit, result.body)
        elif result.status == 404:
            self._drop(edit)
        else:
            told = result.body or {}
            if present := told.get(edit.kind):
                self._store.keep(edit.kind, present)
            self._edits.hold(edit, "conflict" if result.status == 412 else "refused", told)

    def _done(self, edit: Edit, body: Mapping[str, Any] | None) -> None:
        self._report.sent += 1
        if body is None:
            self._store.drop(edit.kind, edit.id)
        elif "version" in body:
            # `completed` is of the answer, and no member of the task.
            self._store.keep(edit.kind, {name: value for name, value in body.items() if name != "completed"})
        self._edits.done(edit, body.get("version") if body else None)

    def _drop(self, edit: Edit) -> None:
        """Drop what cannot be made on anything, with all that was to follow: purged, or in the trash."""
        for lost in self._edits.of_thing(edit.kind, edit.id):
            self._edits.forget(lost)
            self._report.dropped.append(lost)
