"""How a resource is written and read: one statement for each write, which also settles the precondition.

`if_match` is what a client says it has seen: the row's version must be one of these, or nothing is written and Changed
tells what the row is now. None asks for no more than that the row exists.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson
from django.db.models import Model, QuerySet
from psycopg import sql

from accounts.models import Scope
from todoproject.database.client import sql as statements
from todoproject.database.client.sql import CurrentUser, Parameter
from todoproject.database.client.statement import Rows, Statement
from todoproject.http import read_only

Versions = Sequence[int]
_NEW = "new"  # what `is_done` is of a row that an upsert has made
Conditions = frozenset[str]  # names of read-only members, and `if_match`


def conditions(if_match: Versions | None, sent: Iterable[str] = ()) -> Conditions:
    """Return the names of what must hold before a write."""
    return frozenset(sent) | ({"if_match"} if if_match is not None else set())


def sql_of(names: Conditions) -> str:
    """Return these conditions in SQL; empty where there are none."""
    version = "version = ANY (%(if_match)s)" if "if_match" in names else ""
    return " AND ".join(filter(None, [version, read_only.condition(names - {"if_match"})]))


@dataclass(frozen=True, slots=True)
class Row:
    """A row as PostgreSQL wrote it: its JSON, its version for the ETag, and whether it is new.

    `affected` is how many things a write has changed, this one and what went along; `change_no` its last number.
    """

    json: bytes
    version: str
    is_new: bool = False
    affected: int = 0
    change_no: str | None = None


class NotFound(Exception):
    """There is no such row, or it is somebody else's: nobody can tell which."""


class Changed(Exception):
    """The row is not, or no longer, what the client's precondition says; `row` is what it is."""

    noun = ""

    def __init__(self, row: Row) -> None:
        super().__init__(row.version)
        self.row = row


class Deleted(Exception):
    """The id belongs to a row in the trash; `id` is that row's."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.version)
        self.id: str = orjson.loads(row.json)["id"]


class Incomplete(Exception):
    """There is nothing to be changed, and too little to make it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A write of one row, ready to be sent with somebody's credentials."""

    resource: "Resource"
    statement: Statement
    values: dict[str, object]
    creates: bool = False
    upserts: bool = False  # changes a row that is there; with `creates`, creates it where there is none
    sent: Mapping[str, object] = field(default_factory=dict)  # read-only members that must be what they are
    looks: bool = False  # whether the series that it makes has to be looked at before anything is committed

    @property
    def id(self) -> object:
        """The row that is written."""
        return self.values["id"]

    def read(self, rows: Rows) -> Row:
        """Return the row as it is after the write.

        Raises the resource's NotFound, Changed, Deleted, and ReadOnlyDiffers.
        """
        if not rows:
            self._refuse_nothing()
        done = rows.text(0, 2)
        row = Row(rows.bytes(0, 0), rows.text(0, 1), done == _NEW, rows.affected, rows.change_no)
        if done in ("t", _NEW):
            return row
        # In a member's text the quotes would be escaped.
        if (self.creates or self.upserts) and b'"deleted_at":null' not in row.json:
            raise self.resource.deleted(row)
        if (self.upserts or not self.creates) and self._meets_precondition(row):
            read_only.refuse_differing(self.sent, row.json)
        raise self.resource.changed(row)

    def _refuse_nothing(self) -> NoReturn:
        """Say why there is no row: none was found, or none could be made."""
        if self.creates and self.sent:
            raise read_only.ReadOnlyDiffers(self.sent)
        if self.creates and self.upserts:
            raise Incomplete
        raise self.resource.not_found

    def _meets_precondition(self, row: Row) -> bool:
        versions = self.values.get("if_match")
        return not isinstance(versions, list) or int(row.version) in versions


@dataclass(frozen=True)
class Resource:
    """A table of people's own rows, each with an id that is its owner's, a version and a trash."""

    model: type[Model]
    fields: tuple[str, ...]  # what an answer has, as model and document name it
    not_found: type[NotFound]
    changed: type[Changed]
    deleted: type[Deleted]
    # Members whose value is more than a parameter: in SQL, in a new row and in one that is there.
    as_new: Mapping[str, sql.Composable] = field(default_factory=dict)
    as_changed: Mapping[str, sql.Composable] = field(default_factory=dict)
    # Members that are set to something else where all of these are named.
    as_named: Mapping[frozenset[str], Mapping[str, sql.Composable]] = field(default_factory=dict)

    def own(self) -> "QuerySet[Any, Any]":
        """Return the rows of the user whom the request binds."""
        return self.model._default_manager.filter(user=CurrentUser())

    def live_or_deleted(self) -> "QuerySet[Any, Any]":
        """Return the row that the parameter `id` names."""
        return self.own().filter(id=Parameter("id"))

    def live(self) -> "QuerySet[Any, Any]":
        """Return the row that the parameter `id` names, unless it is deleted."""
        return self.live_or_deleted().filter(deleted_at=None)

    def plan(
        self,
        statement: Statement,
        row_id: object,
        if_match: Versions | None,
        sent: Mapping[str, object] | None = None,
        **values: object,
    ) -> Plan:
        """Return the plan of a write with its values; `sent` are read-only members to be compared."""
        condition = {} if if_match is None else {"if_match": list(if_match)}
        sent = sent or {}
        return Plan(self, statement, {"id": row_id, **condition, **read_only.parameters(sent), **values}, sent=sent)

    def update(
        self,
        target: "QuerySet[Any, Any]",
        values: Mapping[str, sql.Composable],
        conditions: Conditions,
        *,
        repeatable: bool = False,
    ) -> Statement:
        """Write the rows that `target` means; with conditions, only those that meet them."""
        if conditions:  # never repeatable: a second try would meet the version that the first one has made
            return self.write(self._update_if(target, values, sql_of(conditions)), done="is_done")
        text = f"WITH result AS ({statements.update(target, values, self.fields)})"
        return self.write(text, repeatable=repeatable)

    def _update_if(self, target: "QuerySet[Any, Any]", values: Mapping[str, sql.Composable], condition: str) -> str:
        """Write the row if it is what the client expects, and give it as it is now, written or not.

        Who writes has locked the owner before: nobody else changes the row between the comparison and the write.
        """
        members = statements.columns(self.model, self.fields)
        write = statements.update(target, values, self.fields, condition="EXISTS (SELECT FROM matching)")
        return f"""
            WITH current AS MATERIALIZED ({statements.select(target.values(*self.fields))}),
                 matching AS MATERIALIZED (SELECT FROM current WHERE {condition}),
                 written AS ({write}),
                 result AS (SELECT {members}, true AS is_done FROM written
                            UNION ALL
                            SELECT {members}, false FROM current WHERE NOT EXISTS (SELECT FROM matching))
        """  # noqa: S608 -- composed of our own statements

    def write(self, result: str, *, done: str = "true", repeatable: bool = False, writes: bool = True) -> Statement:
        """Return what `result` holds; `done` tells whether it is this statement that made the row what it is."""
        members = statements.columns(self.model, self.fields)
        rows = f"SELECT {members}, {done} AS is_done FROM result"  # noqa: S608 -- composed of our own statements
        text = f"{result} {statements.as_json(rows, self.model, self.fields, ['version', 'is_done'])}"
        return Statement.fenced(text, scope=Scope.TASKS_WRITE, repeatable=repeatable, writes=writes, counts=writes)

    def insert(self, members: Sequence[str]) -> Statement:
        """Store a new row with these members."""
        return self.write(f"WITH result AS ({statements.insert(self.model, self._new(members), self.fields)})")

    def insert_as(self, members: Sequence[str]) -> Statement:
        """Store a new row unless the owner has the id already; give what is there, created or not.

        Nobody else can create it meanwhile: whoever inserts a row has its owner locked, as we have before we look.
        """
        names = statements.columns(self.model, self.fields)
        condition = "NOT EXISTS (SELECT FROM existing)"
        write = statements.insert(self.model, self._new(members), self.fields, condition=condition)
        result = f"""
            WITH existing AS MATERIALIZED ({statements.select(self.live_or_deleted().values(*self.fields))}),
                 written AS ({write}),
                 result AS (SELECT {names}, true AS is_done FROM written
                            UNION ALL
                            SELECT {names}, false FROM existing)
        """  # noqa: S608 -- composed of our own statements
        return self.write(result, done="is_done")

    def upsert(
        self,
        target: "QuerySet[Any, Any]",
        changed: Collection[str],
        new: Sequence[str] | None,
        conditions: Conditions,
    ) -> Statement:
        """Change the row that `target` means, or store one with the members `new` where there is none, also deleted.

        Where the members do not make a row, `new` is None.
        """
        names = statements.columns(self.model, self.fields)
        parts = {
            "current": f"MATERIALIZED ({statements.select(target.values(*self.fields))})",
            "matching": "MATERIALIZED (SELECT FROM current WHERE deleted_at IS NULL AND"
            f" {sql_of(conditions) or 'true'})",
            "written": f"(SELECT {names} FROM current WHERE EXISTS (SELECT FROM matching))",  # noqa: S608 -- as above
        }
        if changed:
            values = self.changes(changed)
            write = statements.update(target, values, self.fields, condition="EXISTS (SELECT FROM matching)")
            parts["written"] = f"({write})"
        found = {"written": "'t'"}
        if new is not None:
            condition = "NOT EXISTS (SELECT FROM current)"
            parts["created"] = f"({statements.insert(self.model, self._new(new), self.fields, condition=condition)})"
            found["created"] = f"'{_NEW}'"
        rows = [f"SELECT {names}, {done} AS is_done FROM {part}" for part, done in found.items()]  # noqa: S608 -- as above
        rows.append(f"SELECT {names}, 'f' FROM current WHERE NOT EXISTS (SELECT FROM matching)")  # noqa: S608 -- as above
        parts["result"] = f"({' UNION ALL '.join(rows)})"
        return self.write(f"WITH {', '.join(f'{name} AS {part}' for name, part in parts.items())}", done="is_done")

    def _new(self, members: Sequence[str]) -> dict[str, sql.Composable]:
        special = {name: value for name, value in self.as_new.items() if name in members}
        return statements.placeholders(("key", "id", *members)) | special | {"user": statements.CURRENT_USER}

    def changes(self, members: Iterable[str]) -> dict[str, sql.Composable]:
        """Return, by member, what an update of it sets."""
        names = sorted(members)
        special = {name: value for name, value in self.as_changed.items() if name in names}
        return statements.placeholders(names) | special | self.beside(names)

    def beside(self, members: Iterable[str]) -> dict[str, sql.Composable]:
        """Return, by member, what an update of all of these sets because they are named together."""
        named = {*members}
        return {
            name: value for names, values in self.as_named.items() if names <= named for name, value in values.items()
        }

    def leave(self, conditions: Conditions) -> Statement:
        """Change nothing, and give the row as it is."""
        row = statements.select(self.live().values(*self.fields))
        done = sql_of(conditions) or "true"
        return self.write(f"WITH result AS ({row})", done=done, repeatable=True, writes=False)

    def look(self) -> Statement:
        """Give what has the id already, for a creation that is refused in any case: the precondition is told first."""
        rows = statements.select(self.live_or_deleted().values(*self.fields))
        return self.write(f"WITH result AS ({rows})", done="false", repeatable=True, writes=False)
