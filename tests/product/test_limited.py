"""Whatever is limited counts for good, keyed or not, whatever is answered: walked from the API's own document."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pytest_django import Settings

from accounts import throttling
from tests.support import mails
from tests.support.http.operations import Operation, operations
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect

NEW = "a new and better password"
Body = dict[str, Any] | bytes


@dataclass
class Scene:
    """What a case is made of."""

    person: Person
    client: httpx.AsyncClient
    settings: Settings
    headers: dict[str, str]

    async def scoped(self) -> None:
        self.headers = await self.person.token_for("tasks:read")

    def unknown(self) -> None:
        self.headers = {"Authorization": "Bearer none"}


Prepare = Callable[[Scene], Awaitable[Body]]


@dataclass(frozen=True)
class Case:
    """How an operation is brought to a status, and whether that is one of an attempt."""

    operation: str
    status: int
    prepare: Prepare
    counts: bool = True

    def __str__(self) -> str:
        return f"{self.operation} {self.status} {getattr(self.prepare, '__name__', '')}"


def sends(**body: Any) -> Prepare:
    """Send this; `{email}` stands for the person's address, `{new}` for one that nobody has."""

    async def given(scene: Scene) -> Body:
        names = {"email": scene.person.email, "new": f"{uuid4().hex}@example.com"}
        return {name: value.format(**names) if isinstance(value, str) else value for name, value in body.items()}

    return given


async def no_json(scene: Scene) -> Body:
    return b"{"


async def no_member(scene: Scene) -> Body:
    return {"nonsense": 1}


async def to_an_address_to_prove(scene: Scene) -> Body:
    scene.settings.EMAIL_VERIFICATION = "required"
    return {"email": f"{uuid4().hex}@example.com", "password": NEW}


def with_a_code_to_open(password: str) -> Prepare:
    async def code_to_open(scene: Scene) -> Body:
        body: Any = await to_an_address_to_prove(scene)
        await scene.client.post("/v1/auth/register", json=body)
        return {"token": await mails.code(body["email"]), "password": password}

    return code_to_open


def with_a_code_to_reset(password: str) -> Prepare:
    async def code_to_reset(scene: Scene) -> Body:
        await scene.client.post("/v1/auth/password-reset", json={"email": scene.person.email})
        return {"token": await mails.code(scene.person.email), "password": password}

    return code_to_reset


def as_somebody_else(token: Callable[[Scene], Any], **body: Any) -> Prepare:
    async def other_token(scene: Scene) -> Body:
        if (made := token(scene)) is not None:
            await made
        return body

    return other_token


async def to_prove_a_new_address(scene: Scene) -> Body:
    scene.settings.EMAIL_VERIFICATION = "required"
    return {"password": PASSWORD, "new_email": f"{uuid4().hex}@example.com"}


async def to_a_taken_address(scene: Scene) -> Body:
    other = {"email": f"{uuid4().hex}@example.com", "password": NEW}
    await scene.client.post("/v1/auth/register", json=other)
    return {"password": PASSWORD, "new_email": other["email"]}


WRONG, RIGHT = {"current_password": "wrong", "new_password": NEW}, {"current_password": PASSWORD, "new_password": NEW}
CODE = {"token": "x" * 43, "password": NEW}
CASES = [
    Case("login", 201, sends(email="{email}", password=PASSWORD)),
    Case("login", 401, sends(email="{email}", password="wrong")),
    Case("login", 401, sends(email="{new}", password="wrong")),
    Case("register", 201, sends(email="{new}", password=NEW)),
    Case("register", 202, to_an_address_to_prove),
    Case("register", 409, sends(email="{email}", password=NEW)),
    Case("register", 422, sends(email="{new}", password="password123")),
    Case("verify_email", 204, with_a_code_to_open(NEW)),
    Case("verify_email", 400, sends(**CODE)),
    Case("verify_email", 422, with_a_code_to_open("password123")),
    Case("request_password_reset", 202, sends(email="{email}")),
    Case("request_password_reset", 202, sends(email="{new}")),
    Case("confirm_password_reset", 204, with_a_code_to_reset(NEW)),
    Case("confirm_password_reset", 400, sends(**CODE)),
    Case("confirm_password_reset", 422, with_a_code_to_reset("password123")),
    Case("erase_me", 204, sends(password=PASSWORD)),
    Case("erase_me", 403, sends(password="wrong")),
    Case("erase_me", 403, as_somebody_else(Scene.scoped, password=PASSWORD), counts=False),
    Case("erase_me", 401, as_somebody_else(Scene.unknown, password=PASSWORD), counts=False),
    Case("change_password", 204, sends(**RIGHT)),
    Case("change_password", 403, sends(**WRONG)),
    Case("change_password", 422, sends(**{**RIGHT, "new_password": "password123"}), counts=False),
    Case("change_password", 403, as_somebody_else(Scene.scoped, **RIGHT), counts=False),
    Case("change_password", 401, as_somebody_else(Scene.unknown, **RIGHT), counts=False),
]
# It may mail to a stranger, so it counts before the token is looked at.
ELSE = {"password": PASSWORD, "new_email": "else@example.com"}
CASES += [
    Case("change_email", 200, sends(password=PASSWORD, new_email="{new}")),
    Case("change_email", 202, to_prove_a_new_address),
    Case("change_email", 403, sends(password="wrong", new_email="{new}")),
    Case("change_email", 403, as_somebody_else(Scene.scoped, **ELSE)),
    Case("change_email", 409, to_a_taken_address),
    Case("change_email", 401, as_somebody_else(Scene.unknown, **ELSE), counts=False),
]
LIMITED = sorted({case.operation for case in CASES})
CASES += [
    Case(name, status, bad, counts=False) for name in LIMITED for status, bad in ((400, no_json), (422, no_member))
]
# Told before an operation begins, whichever it is; and 409 of a key, which is another request's.
ELSEWHERE = {"408", "413", "415", "429", "431", "500", "503"}
OF_KEYS = {"change_password": {"409"}}


def operation(name: str) -> Operation:
    return next(one for one in operations() if one.id == name)


def forget() -> None:
    with connect() as connection:
        connection.execute("DELETE FROM attempt_buckets")


def counted() -> bool:
    """Whether an attempt was counted, and committed: another connection looks."""
    with connect() as connection:
        return connection.execute("SELECT EXISTS (SELECT FROM attempt_buckets)").fetchone() == (True,)


@pytest.fixture(autouse=True)
def _nobody_has_tried(database: None) -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def scene(alice: Person, client: httpx.AsyncClient, settings: Settings) -> Scene:
    return Scene(alice, client, settings, {"Authorization": alice.http.headers["Authorization"]})


async def send(scene: Scene, name: str, body: Body, is_keyed: bool) -> httpx.Response:
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    headers = {**scene.headers, "Content-Type": "application/json"}
    headers |= {"Idempotency-Key": uuid4().hex} if is_keyed else {}
    one = operation(name)
    return await scene.client.request(one.method, one.path, headers=headers, **content)  # type: ignore[arg-type]


@pytest.mark.parametrize("is_keyed", [False, True], ids=["bare", "keyed"])
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_every_attempt_counts_whatever_becomes_of_it(scene: Scene, case: Case, is_keyed: bool) -> None:
    body = await case.prepare(scene)
    forget()

    answer = await send(scene, case.operation, body, is_keyed)

    assert (answer.status_code, counted()) == (case.status, case.counts), answer.text


@pytest.mark.parametrize("is_keyed", [False, True], ids=["bare", "keyed"])
@pytest.mark.parametrize("name", LIMITED)
async def test_every_limited_operation_ends_at_its_limit(scene: Scene, name: str, is_keyed: bool) -> None:
    settings = scene.settings
    settings.LOGIN_LIMIT = settings.REGISTER_LIMIT = settings.PASSWORD_RESET_LIMIT = (1, 900)
    refused = [case for case in CASES if case.operation == name and case.counts and case.status not in (200, 201, 204)]
    body = await refused[0].prepare(scene)
    forget()

    statuses = [(await send(scene, name, body, is_keyed)).status_code for _ in range(21)]

    assert statuses[0] == refused[0].status
    assert statuses[-1] == 429


@pytest.mark.parametrize("name", LIMITED)
def test_every_status_that_the_document_declares_is_walked(name: str) -> None:
    walked = {str(case.status) for case in CASES if case.operation == name}

    assert operation(name).responses.keys() - ELSEWHERE - OF_KEYS.get(name, set()) == walked


async def test_what_counts_is_what_is_walked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that is added and counts attempts has to be among the cases."""
    taken: set[str] = set()
    last = ["erase_me", "logout_everywhere"]  # the token is none afterwards
    for one in sorted(operations(), key=lambda one: last.index(one.id) + 1 if one.id in last else 0):
        if one.body is None:  # an attempt brings something that is tried
            continue

        async def note(*_: object, name: str = one.id) -> None:
            taken.add(name)

        monkeypatch.setattr(throttling, "take", note)
        path = one.path.replace("{task_id}", str(uuid4())).replace("{token_id}", str(uuid4()))
        await scene.client.request(one.method, path, headers=scene.headers, json=one.body)

    assert sorted(taken) == LIMITED
