"""`dbcheck`: everything about the database that an operator has to know, and what to do where it is not well."""

import json
import shutil
import sys
from argparse import ArgumentParser
from collections import Counter
from textwrap import TextWrapper
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connections

from todoproject.database import direct_connection
from todoproject.database.embedded import EmbeddedServerError
from todoproject.management.diagnosis import findings, health, link, schema, server
from todoproject.management.diagnosis.findings import Check, Finding, Session
from todoproject.management.diagnosis.link import Unreachable

CHECKS: dict[str, list[Check]] = {
    "Server": [server.versions, server.recovery, server.encoding],
    "Settings": [server.durability, server.timeouts, server.connections, server.habits],
    "Role": [server.role, server.session_settings],
    "Schema": [schema.migrations, schema.fence, health.broken_objects],
    "Growth": [health.size, health.dead_rows, health.statistics, health.wraparound, health.purge],
    "Activity": [health.long_transactions, health.leftovers, health.reminders, health.webhooks],
}
OK, PROBLEM, UNREACHABLE = 0, 1, 2


class Command(BaseCommand):
    help = (
        "Look at the database, and at the ways to it, without changing anything: connection, latency, TLS, pooler,"
        " clock, versions, settings, role, fence, migrations, growth, locks. What is not well comes with what to do."
        " Exit code 0: no problem (there may be warnings); 1: a problem; 2: the database cannot be reached."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        links = link.links(connections["default"], direct_connection.wrapper())
        try:
            found, code = _look(links)
        finally:
            for one in links:
                one.connection.close()
        if options["json"]:
            self.stdout.write(json.dumps(_document(links, found, code)))
        else:
            self._print(links, found)
        if code:
            sys.exit(code)

    def _print(self, links: list[link.Link], found: list[Finding]) -> None:
        addresses = {one.name: one.address for one in links}
        styles = {"ok": self.style.SUCCESS, "note": self.style.NOTICE, "warning": self.style.WARNING}
        styles["problem"] = self.style.ERROR
        width = max(len(one.name) for one in found)
        columns = shutil.get_terminal_size((120, 24)).columns if self.stdout.isatty() else 10_000
        subject = ""
        indent = " " * (width + 13)
        # Commands and paths are there to be copied: they break at spaces only.
        wrap = TextWrapper(columns, break_on_hyphens=False, break_long_words=False, subsequent_indent=indent)
        for one in found:
            if one.subject != subject:
                subject = one.subject
                self.stdout.write(f"\n{self.style.MIGRATE_HEADING(subject)}  {addresses.get(subject, '')}".rstrip())
            text = wrap.fill(f"{indent}{one.text}").lstrip()
            self.stdout.write(f"  {styles[one.level](f'{one.level:7}')}  {one.name:{width}}  {text}")
            if one.advice:
                self.stdout.write(wrap.fill(f"{indent}→ {one.advice}"))
        self.stdout.write(f"\n{_summary(found)}")


def _look(links: list[link.Link]) -> tuple[list[Finding], int]:
    """Return what was found, and the exit code."""
    found: list[Finding] = []
    sessions: list[Session] = []
    for one in links:
        try:
            session, way = link.open_session(one)
            found += way
            sessions.append(session)
        except Unreachable as unreachable:
            found.append(unreachable.finding)
        except EmbeddedServerError as error:
            found.append(Finding(one.name, "connection", "problem", " ".join(str(error).split())))
    try:
        if len(sessions) == 2:
            found += [Finding(links[1].name, *one) for one in link.same_database(*sessions)]
        if sessions:
            found += findings.run(sessions[-1], CHECKS)
    except (psycopg.Error, DatabaseError) as error:
        advice = "Run dbcheck again; if it goes on, look at the server's log."
        found.append(Finding("Server", "connection", "problem", f"lost: {' '.join(str(error).split())}", advice))
        return found, UNREACHABLE
    if len(sessions) < len(links):
        return found, UNREACHABLE
    return found, PROBLEM if any(one.level == "problem" for one in found) else OK


def _document(links: list[link.Link], found: list[Finding], code: int) -> dict[str, Any]:
    levels = Counter(one.level for one in found)
    return {
        "ok": code == OK,
        "exit_code": code,
        "urls": {one.name: one.address for one in links},
        "counts": {level: levels[level] for level in ("problem", "warning", "note", "ok")},
        "findings": [vars(one) for one in found],
    }


def _summary(found: list[Finding]) -> str:
    levels = Counter(one.level for one in found)
    words = [f"{levels[level]} {level}{'s' if levels[level] != 1 else ''}" for level in ("problem", "warning", "note")]
    return f"{', '.join(words)}; {levels['ok']} ok."
