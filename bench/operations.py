"""What is measured: for each operation the requests that many users send."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from bench.dataset import NOUNS
from bench.load import http_request
from bench.peers import Credentials, Peer
from bench.postgres import Postgres

# Enough that neither the processor's caches nor ours know them all; a token check that caches must earn it.
USERS = 2000
REQUESTS = 20_000


@dataclass(frozen=True)
class Target:
    """A live task, and its owner."""

    task_id: str
    owner: Credentials


@dataclass(frozen=True)
class Targets:
    """The users and tasks that the load is about."""

    users: Sequence[Credentials]
    tasks: Sequence[Target]
    spare: Sequence[Target]  # to be deleted
    first: Sequence[Target] = ()  # of the group of 25 that it is in, and above the others where there are parents


def targets(server: Postgres, database: str) -> Targets:
    """Pick users and their tasks, the same at every call."""
    chance = random.Random(2)
    with server.connect(database) as connection:
        rows = connection.execute(
            "SELECT number, id::text, token, key, is_spare FROM bench.users ORDER BY number"
        ).fetchall()
        people = {number: Credentials(user_id, token, key) for number, user_id, token, key, _ in rows}
        readers = [number for number, *_, is_spare in rows if not is_spare]
        chosen = sorted(chance.sample(readers, min(USERS, len(readers))))
        tasks = connection.execute(
            "SELECT id::text, user_number, is_first FROM bench.live"
            " WHERE is_spare OR user_number = ANY (%s) ORDER BY id",
            [chosen],
        ).fetchall()
    pairs = [(Target(task_id, people[number]), number % 10 == 9) for task_id, number, _ in tasks]
    own = [target for target, is_spare in pairs if not is_spare]
    spare = [target for target, is_spare in pairs if is_spare]
    first = [
        target for (target, is_spare), (*_, is_first) in zip(pairs, tasks, strict=True) if is_first and not is_spare
    ]
    chance.shuffle(spare)
    chance.shuffle(first)
    chosen_tasks = chance.sample(own, min(REQUESTS, len(own)))
    return Targets([people[number] for number in chosen], chosen_tasks, spare, first[:REQUESTS])


@dataclass(frozen=True)
class Operation:
    """A kind of request. `once`: each of them works only once. `items`: how many tasks one of them is about."""

    name: str
    title: str
    requests: Callable[[Peer, Targets], Iterator[bytes]]
    writes: bool = False
    once: bool = False
    items: int = 1


def _title(chance: random.Random) -> str:
    return f"Buy the {chance.choice(NOUNS)} number {chance.randint(1, 9999)}"


def _new_task(chance: random.Random) -> dict[str, object]:
    return {
        "title": _title(chance),
        "description": "From the shop around the corner, before the weekend",
        "priority": chance.choice(("none", "low", "medium", "high")),
        "due_on": f"2026-{chance.randint(7, 12):02}-{chance.randint(1, 28):02}",
    }


def _body(document: object) -> bytes:
    return json.dumps(document).encode()


def _get(peer: Peer, target: Target, chance: random.Random) -> bytes:
    return http_request("GET", f"/v1/tasks/{target.task_id}", peer.bearer(target.owner))


def _list(query: str) -> Callable[[Peer, Target, random.Random], bytes]:
    def request(peer: Peer, target: Target, chance: random.Random) -> bytes:
        path = f"/v1/tasks?{query.format(noun=chance.choice(NOUNS))}"
        return http_request("GET", path, peer.bearer(target.owner))

    return request


def _create(peer: Peer, target: Target, chance: random.Random) -> bytes:
    return http_request("POST", "/v1/tasks", peer.bearer(target.owner), _body(_new_task(chance)))


def _patch(peer: Peer, target: Target, chance: random.Random) -> bytes:
    body = _body({"title": _title(chance)})
    return http_request("PATCH", f"/v1/tasks/{target.task_id}", peer.bearer(target.owner), body)


def _delete(peer: Peer, target: Target, chance: random.Random) -> bytes:
    return http_request("DELETE", f"/v1/tasks/{target.task_id}", peer.bearer(target.owner))


def _batch(peer: Peer, target: Target, chance: random.Random) -> bytes:
    operations = [{"op": "create", "data": _new_task(chance)} for _ in range(100)]
    return http_request("POST", "/v1/tasks/batch", peer.bearer(target.owner), _body({"operations": operations}))


_LIST_50 = _list("limit=50")


def _mixed(peer: Peer, target: Target, chance: random.Random) -> bytes:
    kind = chance.choices((_get, _LIST_50, _create, _patch), (60, 20, 10, 10))[0]
    return kind(peer, target, chance)


# --- Of our own tasks only: what no peer has ------------------------------------------------------

LABELS = ["home", "for later", "phone", "Käse", "with Sam"]
REMINDERS = [{"minutes_before": 30}, {"at": "2030-01-01T08:00:00.000000Z"}]


def _create_full(peer: Peer, target: Target, chance: random.Random) -> bytes:
    task = {key: value for key, value in _new_task(chance).items() if key != "due_on"}
    due = f"2029-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T09:00:00Z"
    body = _body({**task, "due_at": due, "labels": LABELS, "reminders": REMINDERS})
    return http_request("POST", "/v1/tasks", peer.bearer(target.owner), body)


def list_id(owner: Credentials, number: int) -> UUID:
    """Return the id of one of an owner's four lists, as ours.sql makes it."""
    return UUID(hashlib.md5(f"{owner.user_id} {number}".encode(), usedforsecurity=False).hexdigest())


def _in_list(peer: Peer, target: Target, chance: random.Random) -> bytes:
    path = f"/v1/tasks?limit=50&sort=position&list_id={list_id(target.owner, chance.randrange(4))}"
    return http_request("GET", path, peer.bearer(target.owner))


def _below(peer: Peer, target: Target, chance: random.Random) -> bytes:
    path = f"/v1/tasks?limit=50&sort=position&parent_id={target.task_id}"
    return http_request("GET", path, peer.bearer(target.owner))


def _labelled(peer: Peer, target: Target, chance: random.Random) -> bytes:
    path = f"/v1/tasks?limit=50&label=label%20{chance.randrange(12)}"
    return http_request("GET", path, peer.bearer(target.owner))


def _statistics(peer: Peer, target: Target, chance: random.Random) -> bytes:
    return http_request("GET", "/v1/me/statistics", peer.bearer(target.owner))


def _each(
    request: Callable[[Peer, Target, random.Random], bytes], count: int = REQUESTS
) -> Callable[[Peer, Targets], Iterator[bytes]]:
    """Make requests about tasks in a random order, the same for every peer."""

    def requests(peer: Peer, targets: Targets) -> Iterator[bytes]:
        chance = random.Random(3)
        return (request(peer, target, chance) for target in targets.tasks[:count])

    return requests


def _each_first(peer: Peer, targets: Targets) -> Iterator[bytes]:
    chance = random.Random(3)
    return (_below(peer, target, chance) for target in targets.first)


def _delete_each(peer: Peer, targets: Targets) -> Iterator[bytes]:
    return (_delete(peer, target, random.Random()) for target in targets.spare)


ALL: Mapping[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("get", "get", _each(_get)),
        Operation("list", "list of 50", _each(_LIST_50)),
        Operation("filter", "filtered list", _each(_list("limit=50&is_completed=false&priority=medium"))),
        Operation("search", "search", _each(_list("limit=50&q={noun}"))),
        Operation("create", "create", _each(_create), writes=True),
        Operation("patch", "patch", _each(_patch), writes=True),
        Operation("delete", "delete", _delete_each, writes=True, once=True),
        Operation("mix", "mix 60/20/10/10", _each(_mixed), writes=True),
        Operation("batch", "batch of 100", _each(_batch, 500), writes=True, items=100),
    )
}

# On each task: the same four operations with what tasks may have, compared with those that have nothing of it.
FULL: Mapping[str, Operation] = {
    "get": ALL["get"],
    "list": ALL["list"],
    "create": Operation("create", "create", _each(_create_full), writes=True),
    "patch": ALL["patch"],
}
# For tasks in lists, with labels and subtasks, on a small and on a large table.
LISTS: Mapping[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("position", "list by position", _each(_list("limit=50&sort=position"))),
        Operation("in list", "tasks of a list", _each(_in_list)),
        Operation("below", "subtasks", _each_first),
        Operation("label", "tasks of a label", _each(_labelled)),
    )
}
# For an owner with 10,000 tasks.
MANY: Mapping[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("priority,-due,title", "three keys", _each(_list("limit=50&sort=priority,-due,title"))),
        Operation("-title,updated_at,due", "three keys", _each(_list("limit=50&sort=-title,updated_at,due"))),
        Operation("position,-priority,due", "three keys", _each(_list("limit=50&sort=position,-priority,due"))),
        Operation("statistics", "statistics", _each(_statistics)),
    )
}
