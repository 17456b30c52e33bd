"""Whoever only ever applies `/v1/changes` holds what the server holds, whatever happens meanwhile.

Two clients write and undo, rows are purged from the trash and out of the middle, a backup comes back, and the one who
follows reads small pages in between. Which order things happen in is drawn from a seed, so that a failure can be played
again.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.people import Person
from tests.support.postgres.databases import connect

STEPS = 60
# What reset_sync does for everybody.
RESET = """
WITH reached AS (SELECT greatest(change_no + 1000000, extract(epoch FROM clock_timestamp()) * 1000)::bigint AS number
                   FROM users WHERE id = %s)
UPDATE users SET change_no = number, purged_no = number FROM reached WHERE id = %s
"""
Rows = dict[str, list[Any]]


class Follower:
    """A copy that is kept by the rules of the contract, and by nothing else."""

    def __init__(self, person: Person) -> None:
        self._http = person.http
        self._cursor: str | None = None
        self._named: set[tuple[str, str]] | None = None  # in a run from the beginning
        self.copy: dict[tuple[str, str], Any] = {}
        self.restarts = 0

    async def read(self, limit: int) -> bool:
        """Apply a page; tell whether there is more."""
        if self._cursor is None:
            self._named = set()
        given = {} if self._cursor is None else {"cursor": self._cursor}
        answer = await self._http.get("/v1/changes", params={"limit": limit, **given})
        if answer.status_code == 410:
            self._cursor, self.restarts = None, self.restarts + 1
            return True
        assert answer.status_code == 200, answer.text
        page = answer.json()
        for item in page["items"]:
            self._apply(item)
        self._cursor = page["next_cursor"]
        if not page["has_more"] and self._named is not None:
            self.copy = {thing: document for thing, document in self.copy.items() if thing in self._named}
            self._named = None
        return bool(page["has_more"])

    def _apply(self, item: dict[str, Any]) -> None:
        thing = (item["kind"], item["id"])
        if self._named is not None:
            self._named.add(thing)
        if item["deleted"]:
            self.copy.pop(thing, None)
        else:
            self.copy[thing] = item[item["kind"]]


async def held(person: Person) -> dict[tuple[str, str], Any]:
    """Return what the server holds."""
    found = {}
    for kind, path in (("task", "/v1/tasks"), ("list", "/v1/lists")):
        page = (await person.http.get(path, params={"limit": 200})).json()
        assert page["next_cursor"] is None
        found |= {(kind, row["id"]): row for row in page["items"]}
    return found


class Server:
    """What can happen to the things of one person."""

    def __init__(
        self,
        person: Person,
        clients: list[httpx.AsyncClient],
        chance: random.Random,
        direct: "psycopg.Connection[Any]",
    ) -> None:
        self._clients, self._owner = clients, person.id
        self._chance = chance
        self._direct = direct
        self._backup: Rows = {}
        self.asked = dict.fromkeys(range(len(clients)), 0)
        self._ids: dict[str, list[str]] = {"tasks": [], "lists": []}

    @property
    def _http(self) -> httpx.AsyncClient:
        """One of the clients, each with a token of its own; it is counted how often each was asked."""
        chosen = self._chance.randrange(len(self._clients))
        self.asked[chosen] += 1
        return self._clients[chosen]

    async def step(self) -> None:
        """Let something happen; what is refused is as good."""
        kinds: list[tuple[Callable[[], Awaitable[None]], int]] = [
            *((self.create, 6), (self.change, 6), (self.delete, 4), (self.restore, 2), (self.move, 3)),
            *((self.delete_list, 1), (self.purge, 2), (self.remove, 1), (self.back_up, 1), (self.bring_back, 1)),
            (self.undo, 3),
        ]
        [act] = self._chance.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
        await act()

    def _any(self, table: str) -> str:
        return self._chance.choice(self._ids[table] or ["019aaab2-4c00-7c3e-9d52-7a3f6d1b8e04"])

    async def create(self) -> None:
        if self._chance.random() < 0.2:
            answer = await self._http.post("/v1/lists", json={"name": "List"})
            assert answer.status_code == 201, answer.text
            self._ids["lists"].append(answer.json()["id"])
            return
        under = {"parent_id": self._any("tasks")} if self._chance.random() < 0.3 else {}
        answer = await self._http.post("/v1/tasks", json={"title": "Task", **under})
        if answer.status_code == 201:
            self._ids["tasks"].append(answer.json()["id"])

    async def change(self) -> None:
        title = f"Title {self._chance.randrange(100)}"
        if self._chance.random() < 0.3:
            await self._http.post(f"/v1/tasks/{self._any('tasks')}/{self._chance.choice(['complete', 'reopen'])}")
        else:
            await self._http.patch(f"/v1/tasks/{self._any('tasks')}", json={"title": title})

    async def move(self) -> None:
        to = {"list_id": self._chance.choice([None, self._any("lists")])}
        await self._http.post(f"/v1/tasks/{self._any('tasks')}/move", json=to)

    async def delete(self) -> None:
        await self._http.delete(f"/v1/tasks/{self._any('tasks')}")

    async def restore(self) -> None:
        table = self._chance.choice(["tasks", "lists"])
        await self._http.post(f"/v1/{table}/{self._any(table)}/restore")

    async def delete_list(self) -> None:
        tasks = self._chance.choice(["move", "delete"])
        await self._http.delete(f"/v1/lists/{self._any('lists')}", params={"tasks": tasks})

    async def undo(self) -> None:
        page = (await self._http.get("/v1/history?limit=20")).json()["items"]
        if page:
            await self._http.post(f"/v1/changes/{self._chance.choice(page)['change_no']}/undo")

    async def purge(self) -> None:
        """Remove some of what is in the trash, as `purge` does: never what something refers to."""
        self._delete_rows("deleted_at IS NOT NULL AND random() < 0.7")

    async def remove(self) -> None:
        """Remove what is not in the trash, as somebody with SQL might."""
        self._delete_rows("random() < 0.1")

    def _delete_rows(self, condition: str) -> None:
        self._direct.execute(
            f"DELETE FROM tasks WHERE user_id = %s AND {condition} AND id NOT IN"
            " (SELECT parent_id FROM tasks WHERE user_id = %s AND parent_id IS NOT NULL)",
            [self._owner] * 2,
        )
        self._direct.execute(
            f"DELETE FROM lists WHERE user_id = %s AND {condition} AND id NOT IN"
            " (SELECT list_id FROM tasks WHERE user_id = %s AND list_id IS NOT NULL)",
            [self._owner] * 2,
        )

    async def back_up(self) -> None:
        self._backup = {
            table: [
                row
                for (row,) in self._direct.execute(
                    f"SELECT to_jsonb({table}.*)::text FROM {table} WHERE {owner} = %s", [self._owner]
                )
            ]
            for table, owner in (("users", "id"), ("lists", "user_id"), ("tasks", "user_id"))
        }

    async def bring_back(self) -> None:
        """Put rows and numbers back as they were, without a trace, and then do what ends every restore."""
        if not self._backup:
            return
        with self._direct.transaction():
            for table in ("tasks", "lists", "users"):
                self._direct.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for table in ("tasks", "lists"):
                self._direct.execute(f"DELETE FROM {table} WHERE user_id = %s", [self._owner])
            self._direct.execute(
                "UPDATE users SET change_no = (%(was)s::jsonb->>'change_no')::bigint,"
                " purged_no = (%(was)s::jsonb->>'purged_no')::bigint WHERE id = %(owner)s",
                {"was": self._backup["users"][0], "owner": self._owner},
            )
            for table in ("lists", "tasks"):
                for row in self._backup[table]:
                    self._direct.execute(
                        f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s)", [row]
                    )
            self._direct.execute("SET CONSTRAINTS ALL IMMEDIATE")
            self._direct.execute(
                "DELETE FROM changes USING users WHERE user_id = %s AND users.id = user_id"
                " AND changes.change_no > users.change_no",
                [self._owner],
            )
            self._direct.execute(RESET, [self._owner] * 2)
            for table in ("tasks", "lists", "users"):
                self._direct.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.mark.parametrize("seed", range(8))
async def test_a_copy_equals_the_server_whatever_happens(alice: Person, client: httpx.AsyncClient, seed: int) -> None:
    chance = random.Random(seed)
    client.headers.update(await alice.token_for("tasks:read", "tasks:write"))
    follower = Follower(alice)
    with connect(autocommit=True) as direct:
        direct.execute("SELECT setseed(%s)", [seed / 10])
        server = Server(alice, [alice.http, client], chance, direct)
        for _ in range(STEPS):
            await server.step()
            if chance.random() < 0.4:
                await follower.read(chance.randint(1, 4))
            if chance.random() < 0.1:
                while await follower.read(chance.randint(1, 50)):
                    pass
                assert follower.copy == await held(alice)
        assert all(number > 10 for number in server.asked.values())
        task = await alice.task("Seen")
        while await follower.read(50):
            pass
        direct.execute("DELETE FROM tasks WHERE user_id = %s AND id = %s", [alice.id, task["id"]])
    while await follower.read(3):
        pass
    assert follower.copy == await held(alice)
    assert follower.restarts  # the last one at least
