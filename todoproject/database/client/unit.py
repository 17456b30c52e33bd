"""One message to PostgreSQL: a statement with what goes before it (who asks, under which role) and after it."""

import time
from collections.abc import Sequence

from psycopg.pq.abc import PGresult

from todoproject.database.client.command import Command
from todoproject.database.client.connection import Bound, Connection
from todoproject.database.client.statement import NOTHING, Credentials, Parameters, Rows, Statement
from todoproject.database.errors import NotCommitted
from todoproject.observability import logs, slow_queries


def control(text: str) -> Bound:
    """Return a command without a result, such as SAVEPOINT."""
    return Command.parse(text, is_kept=False), {}


# Kept, unlike the rest here: they go with every write.
COUNT: Bound = Command.parse("SELECT affected, change_no FROM changes_made()"), {}
# Owners' rows are locked before they are read, which is right at this level only; a role's default may be another.
BEGIN: Bound = Command.parse("BEGIN ISOLATION LEVEL READ COMMITTED"), {}
COMMIT: Bound = Command.parse("COMMIT"), {}
ROLLBACK = control("ROLLBACK")
# What a commit would check is checked before all is undone.
END_OF_TRIAL = [control("SET CONSTRAINTS ALL IMMEDIATE"), ROLLBACK]


async def send_alone(
    connection: Connection,
    statement: Statement,
    parameters: Parameters,
    credentials: Credentials | None,
    *,
    edition: bytes | None,
) -> Rows:
    """Send a statement as a transaction of its own; return its rows once it is committed, or undone if it is tried."""
    end = END_OF_TRIAL if statement.is_trial else [COMMIT]
    around = ([BEGIN], end) if statement.writes else ([], [])
    return await send_unit(
        connection, statement, parameters, credentials, before=around[0], after=around[1], edition=edition
    )


async def send_unit(
    connection: Connection,
    statement: Statement,
    parameters: Parameters,
    credentials: Credentials | None,
    *,
    before: Sequence[Bound] = (),
    after: Sequence[Bound] = (),
    edition: bytes | None,
) -> Rows:
    """Send `before`, the statement's preamble, its query and `after`; return the rows of the query."""
    count = [COUNT] if statement.counts else []
    commands = [*before, *preamble(statement, credentials), (statement.query, parameters), *count, *after]
    started, rows = time.perf_counter(), None
    try:
        results, error = await connection.send(commands, edition=edition)
        if error is not None:
            raise error
        if after == [COMMIT]:
            check_commit(connection, results[-1])
        last = len(results) - len(after) - len(count) - 1
        opened = results[last - 1]
        counted = results[last + 1] if count else None
        rows = Rows(results[last], accepted(connection, credentials, opened), opened, counted)
    finally:
        slow_queries.note("api", statement.query.text, started, None if rows is None else len(rows))
    return rows


def preamble(statement: Statement, credentials: Credentials | None) -> list[Bound]:
    """Return what a statement behind the fence begins with: the check of the token, which binds its user."""
    if statement.is_fenced is (credentials is None):
        raise TypeError("a statement behind the fence needs credentials, and no other takes any")
    if statement.preamble is None:
        return []
    if credentials is None:
        return [(statement.preamble, NOTHING)]
    text = statement.preamble_for(credentials, statement.preamble)
    return [(text, {"token_digest": credentials.digest, "request_id": credentials.request_id})]


def accepted(connection: Connection, credentials: Credentials | None, preamble: PGresult) -> str | None:
    """Return the user whom a preamble has bound; the credentials are told, and the logs."""
    if credentials is None:
        return None
    if preamble.ntuples != 1:
        raise connection.misunderstood("no row for the token")
    credentials.user_id = user_id = Rows(preamble, None).text(0, 0)
    logs.name_user(user_id)
    return user_id


def check_commit(connection: Connection, result: PGresult) -> None:
    """Believe COMMIT only if it says so: in a transaction that has failed it rolls back, and is no error."""
    if result.command_status == b"COMMIT":
        return
    if result.command_status == b"ROLLBACK":
        raise NotCommitted("COMMIT was answered with ROLLBACK")
    raise connection.misunderstood("COMMIT was answered with something else")
