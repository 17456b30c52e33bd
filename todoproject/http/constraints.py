"""Rules that only the database can check, because they are about rows as they will be, or about other rows.

An app has a module of the same name with its own, by their names in PostgreSQL: what is answered where one is broken.
"""

from collections.abc import Callable
from typing import Any

from todoproject.database.errors import ConstraintViolated, NotUnique
from todoproject.http import problems, validation
from todoproject.http.problems import Problem, ProblemType

Constraints = dict[str, Callable[[ConstraintViolated], Problem]]


def rule(pointer: str, code: str, detail: str) -> Callable[[ConstraintViolated], Problem]:
    """Return what says which member of the input breaks a rule, as the schema would."""
    return lambda error: validation.invalid([{"pointer": pointer, "code": code, "detail": detail}])


def state(type: ProblemType, detail: str) -> Callable[[ConstraintViolated], Problem]:
    """Return what says that something stands in the way, which may change, and its id where that is known."""

    def problem(error: ConstraintViolated) -> Problem:
        named: dict[str, Any] = {"id": error.subject} if error.subject else {}
        return Problem(type, detail, **named)

    return problem


def problem(error: ConstraintViolated, known: Constraints) -> Problem:
    """Return the problem of a constraint that was broken."""
    if error.constraint in known:
        return known[error.constraint](error)
    if isinstance(error, NotUnique):
        return Problem(problems.CONFLICT, "Something with this identity exists already.")
    return rule("#", error.constraint, "The input breaks a rule of the database.")(error)
