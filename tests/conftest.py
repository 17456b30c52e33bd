"""The tests' own PostgreSQL, the application in this process, a real server beside it, and three people.

Everything runs on a real PostgreSQL of its own, in a folder that goes away with the run. Alice and Bob own things;
Charlie is the outsider. Each test gets new people, so nothing has to be cleaned up between tests.
"""

import io
import json
import logging
import os
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
import pytest_asyncio
from django.db import connections
from django.test import Client
from django.test.utils import setup_databases
from pytest_django import DjangoDbBlocker

from tests.environment import FOLDER
from tests.support import held
from tests.support.counting import counts_processes, mark_uncounted, processes_uncounted
from tests.support.kinds import LONG, LONG_KINDS, SLOW_FILES, kind_of
from tests.support.people import Person, register
from tests.support.processes.servers import Server
from tests.support.static_files import found_once
from todoproject.database import embedded
from todoproject.observability import logs


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what plays long, so that `make test` can leave it to `make test-all`."""
    for item in items:
        if item.path.name in SLOW_FILES:
            item.add_marker("slow")
        if kind_of({mark.name for mark in item.iter_markers()}) in LONG_KINDS:
            item.add_marker(LONG)
    mark_uncounted(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Start no counting process for a test that plays long."""
    with nullcontext() if counts_processes(item) else processes_uncounted():
        return (yield)


# A busy machine is slow and not broken: httpx would give up after five seconds.
_PATIENCE = httpx.Client.__init__.__kwdefaults__["timeout"]
_PATIENCE.connect = _PATIENCE.read = _PATIENCE.write = _PATIENCE.pool = 60.0

# Nothing here has to survive a power cut.
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@pytest.fixture(scope="session", autouse=True)
def _held() -> Iterator[list[str]]:
    with held.guarded() as seen:
        yield seen


@pytest.fixture(autouse=True)
def _nothing_slow_with_a_connection_in_hand(_held: list[str]) -> Iterator[None]:
    """See tests/support/held.py."""
    _held.clear()
    yield
    assert _held == []


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_found_once() -> Iterator[None]:
    with found_once():
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[None]:
    """The tests' own server."""
    embedded.start(FOLDER / "postgres", options=_FAST)
    yield
    embedded.stop()


@pytest.fixture(scope="session")
def django_db_setup(postgres: None, django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Create and migrate the test database, or copy one that is migrated; it goes away with its server."""
    if template := os.environ.get("TESTS_TEMPLATE"):
        connections["default"].settings_dict["TEST"].update(TEMPLATE=template, MIGRATE=False)
    with django_db_blocker.unblock():
        setup_databases(verbosity=0, interactive=False, serialized_aliases=())


@pytest.fixture(scope="session")
def database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A migrated test database; what a test writes stays, under people of its own."""
    with django_db_blocker.unblock():
        yield


@pytest_asyncio.fixture(scope="session")
async def app(database: None) -> AsyncIterator[httpx.ASGITransport]:
    """The application with its pool open, in this process: requests need no socket."""
    from todoproject.asgi import application
    from todoproject.database.client.pool import pool

    await pool.open()
    yield httpx.ASGITransport(application)
    await pool.close()


@pytest_asyncio.fixture
async def client(app: httpx.ASGITransport) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a token."""
    async with httpx.AsyncClient(transport=app, base_url="http://testserver") as client:
        yield client


@pytest_asyncio.fixture
async def alice(app: httpx.ASGITransport) -> AsyncIterator[Person]:
    async with register(app, "alice") as person:
        yield person


@pytest_asyncio.fixture
async def bob(app: httpx.ASGITransport) -> AsyncIterator[Person]:
    async with register(app, "bob") as person:
        yield person


@pytest_asyncio.fixture
async def charlie(app: httpx.ASGITransport) -> AsyncIterator[Person]:
    """The outsider, who owns nothing."""
    async with register(app, "charlie") as person:
        yield person


@pytest.fixture(scope="session")
def server(postgres: None) -> Iterator[Server]:
    """`manage.py runserver` in a process of its own, on its first start, with its own database."""
    with processes_uncounted():
        server = Server(FIRST_STAFF_EMAIL="staff@example.com")
    with server:
        yield server


@pytest.fixture(scope="module")
def thread() -> Iterator[ThreadPoolExecutor]:
    """Playwright's blocking API refuses a thread with a running loop, and keeps to the thread it was started in."""
    with ThreadPoolExecutor(1) as thread:
        yield thread


@pytest.fixture
def orm(database: None) -> Iterator[None]:
    """The synchronous ORM in this thread, whose connection is closed afterwards."""
    from django.db import connection

    yield
    connection.close()


@pytest.fixture
def staff(orm: None) -> Client:
    """A superuser, logged in to the admin."""
    from tests.support.staff import root_client

    return root_client()


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Every line that is logged while the test runs, as the JSON formatter writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JSONFormatter())
    root = logging.getLogger()
    root.addHandler(handler)

    class Lines(list[dict[str, Any]]):
        def read(self) -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in stream.getvalue().splitlines()]
            return [line for line in lines if line["logger"] != "httpx"]

    yield Lines()
    root.removeHandler(handler)
