"""A calendar's address: who knows it reads the tasks, and no more."""

import asyncio
from collections.abc import Iterable

import orjson
from django.http import HttpResponse

from doors import addresses
from doors.calendar import components, rendered
from doors.calendar.components import Part
from doors.calendar.rendered import Rendered
from tasks.queries import calendars
from tasks.queries.calendars import Feed
from todoproject.http import preconditions, validation
from todoproject.http.problems import MALFORMED_REQUEST, Problem
from todoproject.http.request import ApiRequest
from todoproject.http.responses import not_modified

KINDS = ("todos", "events")
# A search engine that has found the address must not tell others.
_HEADERS = {"X-Robots-Tag": "noindex", "Content-Disposition": 'inline; filename="tasks.ics"'}
# Tasks that are written anew before other requests have their turn: about three milliseconds.
_A_TURN = 500

_kept = Rendered()


async def show(request: ApiRequest, secret: str) -> HttpResponse:
    """Answer with the calendar, or 304 where the client has it as it is."""
    try:
        return await _show(request, secret)
    except Exception as error:  # noqa: BLE001 -- handed to the same mapping as any other of the API
        return await addresses.refuse(request, error)


async def _show(request: ApiRequest, secret: str) -> HttpResponse:
    credentials = addresses.admit(request, secret, KINDS)
    validation.refuse_odd_parameters(request, request.known_parameters)
    if request.body:
        raise Problem(MALFORMED_REQUEST, "This takes no body.")
    sent = request.META.get("HTTP_IF_NONE_MATCH")
    feed = await calendars.feed(credentials, _tags(sent), components.EDITION)
    etag = f'"{feed.tag}"'
    if feed.tasks is None or (sent is not None and sent.strip() == "*"):
        return not_modified(etag)
    content = components.calendar(feed.name, await _parts(feed, feed.tasks))
    return HttpResponse(content, content_type="text/calendar; charset=utf-8", headers={"ETag": etag, **_HEADERS})


async def _parts(feed: Feed, tasks: Iterable[bytes]) -> list[Part]:
    parts = []
    anew = 0
    for task in tasks:
        key = rendered.key(feed, task)
        part = _kept.get(key)
        if part is None:
            part = components.written(orjson.loads(task), feed.kind, feed.timezone)
            _kept.keep(key, part)
            anew += 1
            if anew % _A_TURN == 0:
                await asyncio.sleep(0)
        parts.append(part)
    return parts


def _tags(sent: str | None) -> list[str]:
    """Return the entity tags that the client has, without what compression adds. Raises Problem."""
    if sent is None or sent.strip() == "*":
        return []
    if not preconditions.is_entity_tags(sent):
        raise Problem(MALFORMED_REQUEST, 'If-None-Match holds entity tags in quotes, such as "3", or *.')
    return [tag.strip(' \t"').removeprefix("W/").strip('"').removesuffix("-gzip") for tag in sent.split(",")]
