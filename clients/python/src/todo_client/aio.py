"""The asynchronous client."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

import httpx

from todo_client import connection
from todo_client.copy import LocalCopy, SyncReport
from todo_client.errors import ConnectionFailed, ProblemError, TodoError, refusal
from todo_client.exchange import Request, Retries, Wait, exchange
from todo_client.models import Page, Session
from todo_client.operations import Operation, account, as_method, changes, following, labels, lists, tasks
from todo_client.stream import PATH, SILENCE_SECONDS, Event, Following

P = ParamSpec("P")
T = TypeVar("T")


class Runs(Protocol):
    """Whatever carries out operations."""

    async def run(self, operation: Operation[T], /) -> T: ...


def method(make: Callable[P, Operation[T]]) -> Callable[Concatenate[Runs, P], Coroutine[Any, Any, T]]:
    """Make the method that carries out an operation."""

    async def call(self: Runs, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(make(*args, **kwargs))

    return as_method(call, make)


def listing(make: Callable[P, Operation[Page[T]]]) -> Callable[Concatenate[Runs, P], AsyncIterator[T]]:
    """Make the method that yields what is on all pages, each asked for when it is reached."""

    async def call(self: Runs, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        operation = make(*args, **kwargs)
        page = await self.run(operation)
        while True:
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            page = await self.run(following(operation, page.next_cursor))

    return as_method(call, make, AsyncIterator)


class _Resource:
    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    async def run(self, operation: Operation[T], /) -> T:
        return await self._client.run(operation)


class Tasks(_Resource):
    """Tasks; see `todo_client.operations.tasks`."""

    list = listing(tasks.page)
    page = method(tasks.page)
    get = method(tasks.find)
    create = method(tasks.create)
    update = method(tasks.update)
    upsert = method(tasks.upsert)
    delete = method(tasks.delete)
    restore = method(tasks.restore)
    complete = method(tasks.complete)
    skip = method(tasks.skip)
    reopen = method(tasks.reopen)
    move = method(tasks.move)
    label = method(tasks.label)
    batch = method(tasks.batch)
    occurrences = method(tasks.occurrences)


class Lists(_Resource):
    """Lists of tasks; see `todo_client.operations.lists`."""

    list = listing(lists.page)
    page = method(lists.page)
    get = method(lists.find)
    create = method(lists.create)
    update = method(lists.update)
    delete = method(lists.delete)
    restore = method(lists.restore)
    move = method(lists.move)


class Labels(_Resource):
    """Labels; see `todo_client.operations.labels`."""

    list = method(labels.all_of_them)
    rename = method(labels.rename)
    delete = method(labels.delete)


class Changes(_Resource):
    """What has changed; see `todo_client.operations.changes`."""

    page = method(changes.page)
    history = listing(changes.history)
    undo = method(changes.undo)

    def stream(self, cursor: str | None = None) -> AsyncIterator[Event]:
        """Yield what happens, as it happens, for ever: from the cursor on, or from now.

        Connections that end are made anew, and nothing is missed. Raises StreamEnded where the cursor is too old.
        """
        return self._client.follow(Following(self._client.retries, cursor))


class AsyncClient:
    """An asynchronous client of the task API; close it, or use it as a asynchronous context manager.

    `server` is its address, without `/v1`. `change_no` is the number of the last change that was made with it, 0 before
    the first: what `changes.undo` takes.
    """

    def __init__(
        self,
        server: str,
        token: str | None = None,
        *,
        timeout: float = connection.TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(**connection.options(server, timeout), transport=transport)
        self.token = token
        self.retries = retries or Retries()
        self.change_no = 0
        self.tasks, self.lists, self.labels = Tasks(self), Lists(self), Labels(self)
        self.changes = Changes(self)

    me = method(account.me)
    update_me = method(account.update_me)
    statistics = method(account.statistics)
    export = method(account.export)
    tokens = method(account.tokens)
    current_token = method(account.current_token)
    create_token = method(account.create_token)
    revoke_token = method(account.revoke_token)
    logout = method(account.logout)

    async def login(self, email: str, password: str) -> Session:
        """Log in, and send the token from now on. Raises Unauthenticated."""
        session = await self.run(account.login(email, password))
        self.token = session.token
        return session

    async def register(self, email: str, password: str) -> Session | None:
        """Make an account and log it in. None where the address is to be proved first: a mail is on its way."""
        session = await self.run(account.register(email, password))
        self.token = session.token if session else None
        return session

    async def sync(self, copy: LocalCopy) -> SyncReport:
        """Bring a local copy up to date: send what was edited in it, and get what has changed elsewhere.

        The file is read and written in the loop's own thread: milliseconds for a page.
        """
        return await self._drive(copy.rounds())

    async def run(self, operation: Operation[T], /) -> T:
        """Carry out an operation. Raises TodoError."""
        steps = exchange(operation.request, self.retries)
        outcome: httpx.Response | httpx.TransportError | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                self.change_no = connection.change_no(done.value, self.change_no)
                return operation.result(done.value)
            outcome = await self._take(step)

    async def _take(self, step: Request | Wait) -> httpx.Response | httpx.TransportError | None:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._http.request(**connection.arguments(step, self.token))
        except httpx.TransportError as error:
            return error

    async def _drive(self, rounds: Generator[Operation[Any], Any, T]) -> T:
        """Carry out the operations that a generator asks for, and tell it of each what came of it."""
        try:
            operation = next(rounds)
            while True:
                try:
                    result = await self.run(operation)
                except TodoError as error:
                    operation = rounds.throw(error)
                else:
                    operation = rounds.send(result)
        except StopIteration as done:
            finished: T = done.value
            return finished

    async def follow(self, following: Following) -> AsyncIterator[Event]:
        """Yield the events of a stream, over all its connections."""
        while True:
            failure: ProblemError | ConnectionFailed | None = None
            try:
                async for event in self._events(following):
                    yield event
            except ProblemError as error:
                failure = error
            except httpx.TransportError as error:
                failure = ConnectionFailed(str(error) or type(error).__name__)
            await asyncio.sleep(following.comes_back_after(failure))

    async def _events(self, following: Following) -> AsyncIterator[Event]:
        request = Request("GET", PATH, following.params)
        async with self._http.stream(**connection.arguments(request, self.token, silence=SILENCE_SECONDS)) as response:
            if not response.is_success:
                await response.aread()
                raise refusal(response)
            async for received in response.aiter_bytes():
                for event in following.feed(received):
                    yield event

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()
