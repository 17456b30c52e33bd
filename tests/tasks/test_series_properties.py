"""Any order of completing, skipping, postponing and undoing that, by two clients: as a model in plain Python says."""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.people import Person

BEGUN = date(2027, 1, 4)


@dataclass
class Model:
    """A task every third day, eight times: which occurrence it is at, and what became of those before."""

    number: int = 0
    ended: bool = False
    copies: set[int] = field(default_factory=set)  # of which there is one that is not deleted

    def move(self, verb: str, number: int) -> int:
        """Return the status of completing or skipping an occurrence."""
        if number == self.number:
            if not self.ended and self.number < 7:
                self.copies |= {number} if verb == "complete" else set()
                self.number += 1
            else:
                self.ended = True
            return 200
        if number > self.number:
            return 409
        return 200 if (number in self.copies) == (verb == "complete") else 409


def day(number: int) -> str:
    return (BEGUN + timedelta(3 * number)).isoformat()


async def step(person: Person, task: str, model: Model, chance: random.Random) -> None:
    path, verb = f"/v1/tasks/{task}", chance.choice(["complete", "complete", "skip", "reopen", "postpone", "delete"])
    if verb in ("complete", "skip"):
        number = max(0, model.number + chance.choice([0, 0, 0, -1, -1, -2, 1]))
        answer = await person.http.post(f"{path}/{verb}", json={"occurrence": day(number)})
        assert answer.status_code == model.move(verb, number), (verb, number, model, answer.text)
        copy = answer.json().get("completed")
        assert copy is None or (copy["occurrence"], copy["is_completed"]) == (day(number), True)
    elif verb == "reopen":
        await person.http.post(f"{path}/reopen")
        model.ended = False
    elif verb == "postpone":
        await person.http.patch(
            path, json={"due_on": (date(2027, 6, 1) + timedelta(chance.randint(0, 30))).isoformat()}
        )
    elif model.copies:
        number = chance.choice(sorted(model.copies))
        found = [
            each for each in await everything(person) if each["occurrence"] == day(number) and each["recurrence_of"]
        ]
        assert (await person.http.delete(f"/v1/tasks/{found[0]['id']}")).status_code == 204
        if chance.random() < 0.5:
            assert (await person.http.post(f"/v1/tasks/{found[0]['id']}/restore")).status_code == 200
        else:
            model.copies.remove(number)


async def everything(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await person.http.get("/v1/tasks?limit=200&sort=position")).json()["items"]
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_of_moves_is_as_the_model_says(alice: Person, seed: int) -> None:
    chance, model = random.Random(seed), Model()
    how = {"rule": "FREQ=DAILY;INTERVAL=3;COUNT=8", "missed": "keep"}
    task = (await alice.task(due_on=BEGUN.isoformat(), recurrence=how))["id"]

    for _ in range(25):
        await step(alice, task, model, chance)
        rows = await everything(alice)
        series = next(row for row in rows if row["id"] == task)
        assert (series["occurrence"], series["is_completed"]) == (day(model.number), model.ended)
        assert sorted(row["occurrence"] for row in rows if row["recurrence_of"] == task) == [
            *map(day, sorted(model.copies))
        ]
        assert len({row["position"] for row in rows}) == len(rows)
