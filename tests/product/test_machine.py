"""Any order of writes, against a model in plain Python, on a real server."""

import uuid
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.support.people import header_at
from tests.support.processes.servers import Server

Task = dict[str, Any]
DEFAULTS: Task = {"description": "", "is_completed": False, "priority": "none", "due_on": None, "due_at": None}
DUE = st.sampled_from(
    [
        {},
        {"due_on": "2026-12-01"},
        {"due_at": "2026-12-01T08:00:00.000000Z"},
        {"due_on": None, "due_at": "9999-12-30T23:59:59.999999Z"},
        {"due_on": "0001-01-02", "due_at": None},
        {"due_on": None, "due_at": None},
    ]
)
TITLE = st.sampled_from(["Buy milk", "Straße", "東京", "'\"%s\\", "x" * 255])
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "description": st.sampled_from(["", "two litres\n", "\t"]),
        "is_completed": st.booleans(),
        "priority": st.sampled_from(["none", "low", "urgent"]),
    },
)
CLEARED = st.sets(st.sampled_from(["description", "is_completed", "priority"])).map(dict.fromkeys)
# Which version a client says it has seen: none, any, the current one, or one that is over.
SEEN = st.sampled_from([None, "*", "current", "stale"])


class Tasks(RuleBasedStateMachine):
    """One owner's tasks, and a stranger who has made none. The model holds what each task must look like."""

    url = ""
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.http, self.stranger = self._register(), self._register()
        self.tasks: dict[str, Task] = {}

    def _register(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=header_at(self.url))

    def teardown(self) -> None:
        self.http.close()
        self.stranger.close()

    # --- The model ---

    def _condition(self, task_id: str, seen: str | None) -> dict[str, str]:
        version = self.tasks[task_id]["version"]
        tags = {"*": "*", "current": f'"{version}"', "stale": f'"{version + 1}"'}
        return {} if seen is None else {"If-Match": tags[seen]}

    def _send(self, method: str, path: str, seen: str | None, is_visible: bool, change: Task, **options: Any) -> None:
        """Ask for a change and check the answer against what the model says of it."""
        task_id = path.split("/")[3]
        task = self.tasks[task_id]
        response = self.http.request(method, path, headers=self._condition(task_id, seen), **options)
        if not is_visible:
            assert response.status_code == 404, response.text
        elif seen == "stale":
            assert (response.status_code, response.json()["task"]) == (412, task)
        else:
            after = task | change
            after["version"] += after != task
            if response.status_code == 200:
                self._learn(after, response.json())
                assert response.headers["ETag"] == f'"{after["version"]}"'
            else:
                assert (method, response.status_code) == ("DELETE", 204)
            self.tasks[task_id] = after

    def _learn(self, after: Task, answer: Task) -> None:
        """Take over the times that only the server knows, where they must have changed, and hold it to the rest."""
        is_new_version = answer["updated_at"] != after["updated_at"]
        assert is_new_version == (after["version"] != self.tasks.get(after["id"], {"version": 0})["version"])
        after["updated_at"] = answer["updated_at"]
        after["position"] = answer["position"]  # where another stands by now, a restored task is the last
        if after["is_completed"] and after["completed_at"] is None:
            after["completed_at"] = answer["completed_at"]
            assert after["completed_at"] == after["updated_at"]
        if not after["is_completed"]:
            after["completed_at"] = None
        assert answer.pop("completed", None) is None  # only what recurs leaves a copy
        assert answer == after

    # --- What clients do ---

    @rule(target=ids, title=TITLE, members=MEMBERS, due=DUE)
    def create(self, title: str, members: Task, due: Task) -> str:
        response = self.http.post("/v1/tasks", json={"title": title} | members | due)
        return self._created(response, {"title": title} | members | due)

    @rule(target=ids, title=TITLE, members=MEMBERS, due=DUE)
    def create_under_own_id(self, title: str, members: Task, due: Task) -> str:
        path = f"/v1/tasks/{uuid.uuid4()}"
        response = self.http.put(path, json={"title": title} | members | due, headers={"If-None-Match": "*"})
        assert response.json()["id"] == path.split("/")[3]
        return self._created(response, {"title": title} | members | due)

    def _created(self, response: httpx.Response, fields: Task) -> str:
        assert response.status_code == 201, response.text
        task: Task = response.json()
        assert task | DEFAULTS | fields | {"version": 1, "deleted_at": None, "updated_at": task["created_at"]} == task
        self.tasks[task["id"]] = task
        return str(task["id"])

    @rule(task_id=ids)
    def create_again(self, task_id: str) -> None:
        task = self.tasks[task_id]
        response = self.http.put(f"/v1/tasks/{task_id}", json={"title": "Again"}, headers={"If-None-Match": "*"})
        assert response.status_code == (412 if task["deleted_at"] is None else 409)

    @rule(task_id=ids, title=TITLE, members=MEMBERS, due=DUE, seen=SEEN.filter(bool))
    def replace(self, task_id: str, title: str, members: Task, due: Task, seen: str) -> None:
        body = {"title": title} | members | due
        self._send("PUT", f"/v1/tasks/{task_id}", seen, self._is_live(task_id), DEFAULTS | body, json=body)

    @rule(task_id=ids, members=MEMBERS, cleared=CLEARED, due=DUE.filter(lambda due: len(due) != 1), seen=SEEN)
    def patch(self, task_id: str, members: Task, cleared: Task, due: Task, seen: str | None) -> None:
        change = members | {name: DEFAULTS[name] for name in cleared} | due
        body = members | cleared | due
        self._send("PATCH", f"/v1/tasks/{task_id}", seen, self._is_live(task_id), change, json=body)

    @rule(task_id=ids, seen=SEEN, is_completed=st.booleans())
    def complete_or_reopen(self, task_id: str, seen: str | None, is_completed: bool) -> None:
        path = f"/v1/tasks/{task_id}/{'complete' if is_completed else 'reopen'}"
        self._send("POST", path, seen, self._is_live(task_id), {"is_completed": is_completed})

    @rule(task_id=ids, seen=SEEN)
    def delete(self, task_id: str, seen: str | None) -> None:
        was_live = self._is_live(task_id)
        self._send("DELETE", f"/v1/tasks/{task_id}", seen, was_live, {"deleted_at": "some time"})
        if was_live and not self._is_live(task_id):
            trash = {task["id"]: task for task in self._list(deleted="true")}
            times = {name: trash[task_id][name] for name in ("deleted_at", "updated_at")}
            self.tasks[task_id] |= times

    @rule(task_id=ids, seen=SEEN)
    def restore(self, task_id: str, seen: str | None) -> None:
        self._send("POST", f"/v1/tasks/{task_id}/restore", seen, True, {"deleted_at": None})

    @rule(task_id=ids, suffix=st.sampled_from(["", "/complete", "/restore"]))
    def stranger_asks(self, task_id: str, suffix: str) -> None:
        method = "POST" if suffix else "GET"
        assert self.stranger.request(method, f"/v1/tasks/{task_id}{suffix}").status_code == 404

    # --- What must hold after each of them ---

    def _is_live(self, task_id: str) -> bool:
        return self.tasks[task_id]["deleted_at"] is None

    def _list(self, **query: str) -> list[Task]:
        page = self.http.get("/v1/tasks", params={"sort": "created_at", "limit": "200", **query}).json()
        assert page["next_cursor"] is None
        items: list[Task] = page["items"]
        return items

    @invariant()
    def lists_hold_what_the_model_holds(self) -> None:
        in_order = sorted(self.tasks.values(), key=lambda task: (task["created_at"], task["id"]))
        assert self._list() == [task for task in in_order if task["deleted_at"] is None]
        assert self._list(deleted="true") == [task for task in in_order if task["deleted_at"] is not None]


@pytest.mark.fuzz  # generated sequences, a lot of them
def test_any_order_of_writes_leaves_what_the_model_says(server: Server) -> None:
    machine = type("TasksOfServer", (Tasks,), {"url": server.url})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # Hypothesis does not annotate it
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
