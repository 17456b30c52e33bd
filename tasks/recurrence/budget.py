"""How long computing series may take: one occurrence, and all that one request asks for. Then the rule is refused."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tasks.recurrence.rules import RuleRefused

# How long one occurrence is looked for, and all that one request looks for: of this thread's own time, so that a busy
# machine refuses nobody. Meanwhile the worker does nothing else.
_RULE_SECONDS, _REQUEST_SECONDS = 0.02, 0.2
_DAYS_A_LOOK = 500  # at the clock: a fraction of a millisecond


@dataclass(slots=True)
class _Budget:
    """What is left of a request's time for computing series."""

    seconds: float = _REQUEST_SECONDS


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def bounded() -> Iterator[None]:
    """Bound what all series inside take together: one request's."""
    token = _budget.set(_Budget(_REQUEST_SECONDS))
    try:
        yield
    finally:
        _budget.reset(token)


class Meter:
    """Looks at the clock while a rule is followed; raises RuleRefused once its time, or the request's, is over."""

    def __init__(self) -> None:
        self._budget, self._days = _budget.get(), 0
        self._begun = time.thread_time()
        self._left = _RULE_SECONDS if self._budget is None else min(_RULE_SECONDS, self._budget.seconds)
        self._look()

    def __call__(self, days: int) -> None:
        self._days += days
        if self._days >= _DAYS_A_LOOK:
            self._days = 0
            self._look()

    def stop(self) -> None:
        """Take what it has cost from the request's."""
        if self._budget is not None:
            self._budget.seconds -= time.thread_time() - self._begun

    def _look(self) -> None:
        if time.thread_time() - self._begun < self._left:
            return
        if self._budget is not None and self._left < _RULE_SECONDS:
            raise RuleRefused("The series of this request take too long to compute: send fewer of them at a time.")
        raise RuleRefused("The rule's next day takes too long to find: write it more simply.")
