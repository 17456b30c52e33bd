"""What went wrong, in a sentence, and the exit code that says the same to a program."""

import json
from typing import NoReturn

import typer

from todo_client.cli.references import NoSuchThing
from todo_client.cli.session import NotLoggedIn
from todo_client.errors import (
    Changed,
    Conflict,
    ConnectionFailed,
    FieldError,
    Invalid,
    NotFound,
    ProblemError,
    RateLimited,
    ScopeMissing,
    StreamEnded,
    TodoError,
    Unauthenticated,
    Unavailable,
)

REFUSED, USAGE, NOT_ALLOWED, NOT_THERE, CONFLICT, UNREACHABLE = range(1, 7)
# The first that fits.
CODES: tuple[tuple[type[TodoError], int], ...] = (
    (NotLoggedIn, NOT_ALLOWED),
    (Unauthenticated, NOT_ALLOWED),
    (ScopeMissing, NOT_ALLOWED),
    (NoSuchThing, NOT_THERE),
    (NotFound, NOT_THERE),
    (Changed, CONFLICT),
    (Conflict, CONFLICT),
    (StreamEnded, CONFLICT),
    (ConnectionFailed, UNREACHABLE),
    (Unavailable, UNREACHABLE),
    (RateLimited, UNREACHABLE),
)
EPILOG = (
    "Exit codes: 0 done; 1 refused; 2 wrong usage; 3 not logged in, or the token may not; 4 no such task or list;"
    " 5 changed or in the way; 6 server not reached, or too busy."
)


def exit_code(error: TodoError) -> int:
    return next((code for kind, code in CODES if isinstance(error, kind)), REFUSED)


def sentence(error: TodoError, server: str) -> str:
    """Say what went wrong, and what can be done about it."""
    if isinstance(error, ConnectionFailed):
        return f"{server} cannot be reached ({error}). Is the address right, and the server running?"
    if isinstance(error, Unauthenticated) and error.code == "unauthenticated":
        return "The token is unknown, has expired or was revoked. Run: todo login"
    if isinstance(error, ScopeMissing):
        return f"The token may not do that: it lacks {', '.join(error.document.get('required', []))}."
    if isinstance(error, RateLimited) and error.retry_after:
        return f"{error.detail.split('.')[0]}. Try again in {error.retry_after:.0f} seconds."
    if isinstance(error, Invalid) and error.errors:
        return " ".join(dict.fromkeys(_pointed(one) for one in error.errors))
    if isinstance(error, NotFound) and error.code == "not-found":
        return "There is no such thing, or not any more. Run: todo ls"
    if isinstance(error, ProblemError):
        return error.detail or str(error)
    return str(error)


def _pointed(error: FieldError) -> str:
    """Name the member that a rule is about, as the option is called."""
    member = error.pointer.rpartition("/")[2]
    return f"{member}: {error.detail}" if member.isidentifier() else error.detail


def leave(error: TodoError, server: str, *, is_json: bool) -> NoReturn:
    """End the command: a sentence, or the problem document, on the error output."""
    if is_json:
        document = error.document if isinstance(error, ProblemError) else {"detail": sentence(error, server)}
        typer.echo(json.dumps(document, ensure_ascii=False), err=True)
    else:
        typer.echo(f"todo: {sentence(error, server)}", err=True)
    raise SystemExit(exit_code(error))
