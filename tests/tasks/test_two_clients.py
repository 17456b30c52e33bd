"""Two clients move, complete, skip, delete, restore and undo, in turn and at once: as a model in plain Python says.

The model knows the contract's sentences and none of the database's. Which things happen is drawn from a seed, so that a
failure can be played again.
"""

import asyncio
import random
import uuid
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.tree_model import COUNT, DAYS, LEVELS, RULE, Model, Parent, Row

STEPS = 45
_ROWS = """
SELECT id::text, parent_id::text, is_completed, completed_with::text, deleted_at IS NOT NULL, deleted_with::text,
       occurrence, recurrence_of::text, version, position
  FROM tasks WHERE user_id = %s ORDER BY position, id
"""


@dataclass(frozen=True)
class Act:
    """A request, and what it is in the model: a verb with its arguments."""

    method: str
    path: str
    verb: str
    arguments: tuple[Any, ...]
    body: dict[str, Any] | None = None

    def play(self, model: Model, answer: httpx.Response) -> int:
        copy = (answer.json().get("completed") or {}).get("id") if answer.is_success and answer.content else None
        extra = (copy,) if self.verb == "advance" else ()
        status: int = getattr(model, self.verb)(*self.arguments, *extra)
        return status


class Play:
    """One person's tasks in the hands of two clients."""

    def __init__(self, person: Person, session: "psycopg.Connection[Any]", second: dict[str, str], seed: int) -> None:
        self.person, self.session, self.chance = person, session, random.Random(seed)
        self.clients: list[dict[str, str]] = [{}, second]
        self.seen: list[dict[str, int]] = [{}, {}]  # what each client believes the versions to be
        self.model, self.versions = Model(), dict[str, int]()
        self.undoable: tuple[str, Model] | None = None  # the last action, and what was before it
        self.numbers: list[str] = []
        self.met = dict.fromkeys(["at once", "undone", "stale", "refused", "complete", "skip"], 0)

    def read(self) -> Model:
        """Return what the database holds; no two live ones are at one place."""
        found, places = Model(), set()
        for (
            task,
            parent,
            done,
            done_with,
            gone,
            gone_with,
            occurrence,
            copy_of,
            version,
            position,
        ) in self.session.execute(_ROWS, [self.person.id]).fetchall():
            found.rows[task] = Row(parent, done, done_with, gone, gone_with, occurrence, copy_of)
            self.versions[task] = version
            if not gone:
                found.order.setdefault(parent, []).append(task)
                assert (parent, position) not in places
                places.add((parent, position))
        return found

    def check(self) -> None:
        """Hold the database to the model, and both to what a tree is."""
        found = self.read()
        assert differences(found.shown(), self.model.shown()) == []
        for task, row in found.rows.items():
            if not row.is_deleted:
                above = [*found.above(task)]  # ends: there is no circle
                assert len(above) < LEVELS
                assert all(found.live(each) for each in above)
                assert row.is_completed or not any(found.rows[each].is_completed for each in above)

    def any(self) -> str:
        return self.chance.choice([*self.model.rows] or [self.new()])

    def new(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def act(self) -> Act:
        verbs = ["create", "move", "move", "move", "complete", "complete", "reopen", "delete", "restore"]
        verb, task = self.chance.choice(verbs), self.any()
        path, row = f"/v1/tasks/{task}", self.model.rows.get(task)
        if (series := self.series()) and self.chance.random() < 0.3:
            return self.advance(self.chance.choice(series), self.chance.choice(["complete", "skip"]))
        if verb == "create":
            new, parent = self.new(), self.chance.choice([None, self.any()]) if self.model.rows else None
            return Act("PUT", f"/v1/tasks/{new}", verb, (new, parent), {"title": "x", "parent_id": parent})
        if verb == "move":
            to = self.chance.choice(
                [{"parent_id": None}, {"parent_id": self.any()}, {"parent_id": self.any(), "first": True}]
                + [{side: other} for side in ("before", "after") if (other := self.any()) != task]
            )
            return Act("POST", f"{path}/move", verb, (task, to), to)
        if verb in ("complete", "restore") and row is not None and row.occurrence is not None and row.copy_of is None:
            kind = "skip" if verb == "restore" and not row.is_deleted else "complete"
            if verb == "complete" or not row.is_deleted:
                return self.advance(task, kind)
        if verb == "delete":
            return Act("DELETE", path, verb, (task,))
        return Act("POST", f"{path}/{verb}", verb, (task,))

    def series(self) -> list[str]:
        """Return the series that can be moved on."""
        return [
            task
            for task, row in self.model.rows.items()
            if row.occurrence is not None and row.copy_of is None and not (row.is_deleted or row.is_completed)
        ]

    def advance(self, task: str, kind: str) -> Act:
        """Complete or skip the occurrence of a series that a client believes to be the present one."""
        present = DAYS.index(str(self.model.rows[task].occurrence))
        day = DAYS[max(0, min(COUNT - 1, present + self.chance.choice([0, 0, 0, -1, 1])))]
        return Act("POST", f"/v1/tasks/{task}/{kind}", "advance", (task, kind, day), {"occurrence": day})

    async def send(self, act: Act, client: int, **headers: str) -> httpx.Response:
        headers = self.clients[client] | headers | ({"If-None-Match": "*"} if act.method == "PUT" else {})
        content = {} if act.body is None else {"json": act.body}
        answer = await self.person.http.request(act.method, act.path, headers=headers, **content)
        if number := answer.headers.get("Change-No"):
            self.numbers.append(number)
        return answer

    def note(self, before: Model, answer: httpx.Response) -> None:
        if number := answer.headers.get("Change-No"):
            self.undoable = (number, before)
        self.met["refused"] += not answer.is_success

    def adopt_order(self) -> None:
        """Take the places of what has come back from the server: the others stand as they stood."""
        found = self.read()
        for parent, tasks in found.order.items():
            known = self.model.order.get(parent, [])
            assert [task for task in tasks if task in known] == known
        self.model.order = found.order

    async def one(self) -> None:
        """Let one client do something, perhaps by an older state than there is."""
        act, client, before = self.act(), self.chance.randrange(2), deepcopy(self.model)
        task, seen = act.arguments[0], self.seen[client]
        headers = {}
        if act.verb not in ("create", "advance", "restore") and task in seen and self.chance.random() < 0.7:
            headers = {"If-Match": f'"{seen[task]}"'}
        answer = await self.send(act, client, **headers)
        if headers and self.model.live(task) and seen[task] != self.versions[task]:
            assert answer.status_code == 412, answer.text
            self.met["stale"] += 1
            seen[task] = self.versions[task]
            return
        assert answer.status_code == act.play(self.model, answer), (act, answer.text)
        if act.verb == "advance" and "Change-No" in answer.headers:
            self.met[act.arguments[1]] += 1
        if act.verb == "restore":
            self.adopt_order()
        self.note(before, answer)
        if self.chance.random() < 0.25:
            self.read()
            seen |= self.versions

    async def at_once(self) -> None:
        """Let both do something at the same moment: it is as if one had come after the other."""
        acts = [act for act in (self.act() for _ in range(20)) if act.verb != "restore"][:2]
        answers = await asyncio.gather(*(self.send(act, client) for client, act in enumerate(acts)))
        found, possible = self.read(), []
        for turn in ((0, 1), (1, 0)):
            model = deepcopy(self.model)
            statuses = {client: acts[client].play(model, answers[client]) for client in turn}
            if [statuses[0], statuses[1]] == [answer.status_code for answer in answers]:
                possible.append(model)
        fitting = [model for model in possible if model.shown() == found.shown()]
        assert fitting, (acts, [answer.text for answer in answers])
        self.model, self.undoable = fitting[0], None
        self.met["at once"] += 1

    async def undo(self) -> None:
        """Undo the last action: all is as before, and what it made is in the trash. Or an older one, if that goes."""
        if self.undoable is None or self.chance.random() < 0.3:
            number = self.chance.choice(self.numbers[-8:] or ["1"])
            answer = await self.undo_number(number)
            assert answer.status_code in (200, 409, 404), answer.text
            if answer.status_code == 200:
                self.model = self.read()
            self.undoable = None
            return
        number, before = self.undoable
        now, answer = deepcopy(self.model), await self.undo_number(number)
        assert answer.status_code == 200, answer.text
        found = self.read()
        for task in found.rows.keys() - before.rows.keys():
            before.rows[task] = replace(found.rows[task], is_deleted=True)
        assert differences(without_marks(found), without_marks(before)) == []
        self.model = found
        self.note(now, answer)
        self.met["undone"] += 1

    async def undo_number(self, number: str) -> httpx.Response:
        headers = self.chance.choice(self.clients)
        answer = await self.person.http.post(f"/v1/changes/{number}/undo", headers=headers)
        if made := answer.headers.get("Change-No"):
            self.numbers.append(made)
        return answer


Shown = tuple[dict[str, Row], dict[Parent, list[str]]]


def differences(found: Shown, wanted: Shown) -> list[Any]:
    """Return only what differs: a failure has to be read."""
    return [
        (key, there.get(key), here.get(key))
        for there, here in zip(found, wanted, strict=True)
        for key in there.keys() | here.keys()
        if there.get(key) != here.get(key)
    ]


def without_marks(model: Model) -> Shown:
    rows, order = model.shown()
    return {task: replace(row, completed_with=None, deleted_with=None) for task, row in rows.items()}, order


@pytest.mark.parametrize("seed", range(6))
async def test_two_clients_leave_what_the_model_says(alice: Person, seed: int) -> None:
    with connect(autocommit=True) as session:
        play = Play(alice, session, await alice.token_for("tasks:read", "tasks:write"), seed)
        for number in range(6):
            recurs = {"due_on": DAYS[0], "recurrence": RULE} if number < 2 else {}
            await alice.task("x", **recurs)
        play.model = play.read()

        for _ in range(STEPS):
            await play.chance.choices([play.one, play.at_once, play.undo], [7, 2, 3])[0]()
            play.check()

    assert play.met["at once"] > 0
    assert play.met["refused"] > 0
    assert play.met["undone"] + play.met["complete"] + play.met["skip"] > 0
