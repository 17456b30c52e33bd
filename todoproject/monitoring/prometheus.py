"""Where Prometheus reads: `GET /metrics` with METRICS_TOKEN, and METRICS_ADDRESS, a port of its own without one."""

import asyncio
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from todoproject.http import problems
from todoproject.http.problems import UNAUTHENTICATED, Problem
from todoproject.observability.metrics import files, store


async def scrape(request: HttpRequest) -> HttpResponse:
    """Answer with the numbers of all workers, to whoever sends METRICS_TOKEN. Without that setting there is nothing."""
    if not settings.METRICS_TOKEN:
        raise problems.not_found()
    sent = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode()):
        raise Problem(UNAUTHENTICATED, "Send METRICS_TOKEN as a bearer token.")
    from todoproject.monitoring.exposition import render  # here: its library is needed where somebody scrapes

    # In a thread, because writing some thousand lines takes as long as ten requests.
    content, media_type = await asyncio.to_thread(render, store.total, request.headers.get("Accept", ""))
    return HttpResponse(content, content_type=media_type)


@contextmanager
def counting(*, is_alone: bool) -> Iterator[None]:
    """Let the workers of this server count together, and serve their sums on METRICS_ADDRESS, if there is one.

    `is_alone` says that this process is the only worker; otherwise its children are. Raises OSError for an address that
    cannot be used.
    """
    with _folder(is_alone) as folder:
        if settings.METRICS_ADDRESS is None:
            yield
            return
        from prometheus_client import start_http_server

        from todoproject.monitoring.exposition import Exposition

        host, port = settings.METRICS_ADDRESS
        server, thread = start_http_server(port, host, Exposition(partial(store.total_of, folder)))
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def _folder(is_alone: bool) -> Iterator[Path]:
    if settings.METRICS_FOLDER is not None:
        yield settings.METRICS_FOLDER
        return
    with files.made() as folder:
        os.environ["METRICS_FOLDER"] = str(folder)  # for the settings of the workers
        if is_alone:
            store.share(folder)
        yield folder
