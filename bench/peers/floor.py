"""The floor: a bare ASGI function with psycopg and the SQL that this project runs, without its token check and fence.

It believes that the client is who it says it is (`Authorization: Bearer <user id>`), checks nothing, logs nothing and
handles no error. The statements are this project's, with the user as a parameter; they are prepared at once.
"""

import os
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import orjson
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

_MEMBERS = """
(SELECT row_to_json(object) FROM (SELECT
    task.id AS id, task.title AS title, task.description AS description, task.is_completed AS is_completed,
    to_char(task.completed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS completed_at,
    CASE task.priority WHEN 0 THEN 'none' WHEN 1 THEN 'low' WHEN 2 THEN 'medium' WHEN 3 THEN 'high'
                       WHEN 4 THEN 'urgent' END AS priority,
    task.due_on AS due_on, to_char(task.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS due_at,
    to_char(task.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
    to_char(task.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS updated_at,
    to_char(task.deleted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS deleted_at,
    task.version AS version) AS object)
"""
_GET = f"SELECT {_MEMBERS} FROM tasks AS task WHERE user_id = %s AND id = %s AND deleted_at IS NULL"
_PAGE = "ORDER BY created_at DESC, id DESC LIMIT %s"
_LIST = f"SELECT {_MEMBERS} FROM tasks AS task WHERE user_id = %s AND deleted_at IS NULL {_PAGE}"
_FILTERED = f"""
SELECT {_MEMBERS} FROM tasks AS task
 WHERE user_id = %s AND deleted_at IS NULL AND is_completed = %s AND priority = %s {_PAGE}
"""
# search_tasks reads whose tasks it may see from this setting, so it goes along; the rest is a plain statement.
_SEARCH = f"""
WITH bound AS MATERIALIZED (SELECT set_config('app.user_id', %s, true)),
     task AS (SELECT found.* FROM bound, LATERAL search_tasks(%s) AS found)
SELECT {_MEMBERS} FROM task WHERE deleted_at IS NULL {_PAGE}
"""
_CREATE = f"""
WITH task AS (INSERT INTO tasks (key, id, user_id, title, description, is_completed, priority, due_on, due_at)
              VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING *)
SELECT {_MEMBERS} FROM task
"""
_PATCH = f"""
WITH task AS (UPDATE tasks SET title = %s WHERE user_id = %s AND id = %s AND deleted_at IS NULL RETURNING *)
SELECT {_MEMBERS} FROM task
"""
_DELETE = """
UPDATE tasks SET deleted_at = statement_timestamp() WHERE user_id = %s AND id = %s AND deleted_at IS NULL
"""
_PRIORITIES = {"none": 0, "low": 1, "medium": 2, "high": 3, "urgent": 4}
_JSON = [(b"content-type", b"application/json")]

Pool = AsyncConnectionPool[AsyncConnection[Any]]
_pool: Pool


async def _rows(query: str, *parameters: object) -> list[bytes]:
    async with _pool.connection() as connection:
        result = (await connection.execute(query, parameters, prepare=True)).pgresult
        assert result is not None
        return [result.get_value(row, 0) or b"" for row in range(result.ntuples)]


async def _list(user: str, query: str) -> bytes:
    given = {name: values[0] for name, values in parse_qs(query).items()}
    limit = int(given.get("limit", 50)) + 1
    if "q" in given:
        rows = await _rows(_SEARCH, user, given["q"], limit)
    elif "priority" in given:
        rows = await _rows(_FILTERED, user, given["is_completed"], _PRIORITIES[given["priority"]], limit)
    else:
        rows = await _rows(_LIST, user, limit)
    return b'{"items":[%b]}' % b",".join(rows[: limit - 1])


async def _create(user: str, body: dict[str, Any]) -> bytes:
    values = body.get("description", ""), body.get("is_completed", False), _PRIORITIES[body.get("priority", "none")]
    rows = await _rows(_CREATE, uuid4(), uuid4(), user, body["title"], *values, body.get("due_on"), body.get("due_at"))
    return rows[0]


async def _answer(scope: dict[str, Any], receive: Any) -> tuple[int, bytes]:
    user = dict(scope["headers"])[b"authorization"][7:].decode()
    method, task_id = scope["method"], scope["path"][len("/v1/tasks/") :]
    if method == "GET":
        if not task_id:
            return 200, await _list(user, scope["query_string"].decode())
        rows = await _rows(_GET, user, task_id)
        return (200, rows[0]) if rows else (404, b"")
    if method == "DELETE":
        async with _pool.connection() as connection:
            done = await connection.execute(_DELETE, (user, task_id), prepare=True)
        return (204, b"") if done.rowcount else (404, b"")
    body = orjson.loads((await receive())["body"])
    if method == "POST":
        return 201, await _create(user, body)
    rows = await _rows(_PATCH, body["title"], user, task_id)
    return (200, rows[0]) if rows else (404, b"")


async def _lifespan(receive: Any, send: Any) -> None:
    global _pool  # noqa: PLW0603 -- one pool a process, made where its event loop runs
    await receive()
    size = int(os.environ["DATABASE_POOL_SIZE"])
    _pool = AsyncConnectionPool(
        os.environ["DATABASE_URL"], min_size=2, max_size=size, kwargs={"autocommit": True}, open=False
    )
    await _pool.open()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await _pool.close()
    await send({"type": "lifespan.shutdown.complete"})


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one ASGI connection."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    status, body = await _answer(scope, receive)
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*_JSON, length]})
    await send({"type": "http.response.body", "body": body})
