"""SQL from the models: a queryset, an insert or an update is compiled once and kept, with named parameters.

No column list is typed by hand: columns, tables and types come from `Model._meta`, conditions and ordering from
querysets. A compiled text holds `%(name)s` placeholders, which psycopg fills in, quoting included.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import (
    BooleanField,
    DateTimeField,
    Expression,
    Field,
    IntegerField,
    JSONField,
    Model,
    QuerySet,
    UUIDField,
)
from psycopg import sql


class Parameter(Expression):
    """A named placeholder that survives Django's compiler: `filter(id=Parameter("id"))` → `"id" = %(id)s`."""

    def __init__(self, name: str, output_field: "Field[Any, Any] | None" = None) -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[()]]:
        return f"%({self.name})s", ()


class UnplannedParameter(Parameter):
    """A parameter that no plan is made for, so that PostgreSQL keeps the one it has; `text` is it in SQL.

    Where it may look at the value of a condition like `change_no > …`, it finds each time that few rows are left, and a
    plan for just these worth its making: for a page of changes that takes nine times as long as to execute it.
    """

    def __init__(self, name: str, type_name: str) -> None:
        super().__init__(name)
        self.text = f"(SELECT %({name})s::{type_name})"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[()]]:
        return self.text, ()


class CurrentUser(Expression):
    """The user whom the request unit has bound, as SQL: the index needs to be told whose rows are meant."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[()]]:
        return "(SELECT current_user_id())", ()


class CurrentToken(Expression):
    """The token that the request unit has accepted, as SQL."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[()]]:
        return "(SELECT current_token_id())", ()


CURRENT_USER = sql.SQL("current_user_id()")


def select(queryset: "QuerySet[Any, Any]") -> str:
    """Compile a queryset; constants in it are written in as literals, named parameters stay placeholders."""
    text, constants = queryset.query.sql_with_params()
    literals = (sql.Literal(value).as_string(None).replace("%", "%%") for value in constants)
    pieces = text.split("%s")
    return pieces[0] + "".join(literal + piece for literal, piece in zip(literals, pieces[1:], strict=True))


def placeholders(names: Iterable[str]) -> dict[str, sql.Composable]:
    """Return the parameters of these names, as values for `insert` and `update`."""
    return {name: sql.Placeholder(name) for name in names}


def insert(
    model: type[Model],
    values: Mapping[str, sql.Composable],
    returning: Sequence[str],
    condition: str = "true",
) -> str:
    """Compose `INSERT … RETURNING` of one row, if `condition` holds; `values` and `returning` name fields."""
    head = sql.SQL("INSERT INTO {} ({}) SELECT {}").format(
        sql.Identifier(model._meta.db_table), _columns(model, values), sql.SQL(", ").join(values.values())
    )
    return f"{head.as_string(None)} WHERE {condition} RETURNING {columns(model, returning)}"


def update(
    queryset: "QuerySet[Any, Any]",
    values: Mapping[str, sql.Composable],
    returning: Sequence[str],
    condition: str = "true",
) -> str:
    """Compose `UPDATE … RETURNING` of the rows that the queryset's conditions, and `condition`, mean."""
    model = queryset.model
    assignments = (
        sql.SQL("{} = {}").format(sql.Identifier(column(model, name)), value) for name, value in values.items()
    )
    head = sql.SQL("UPDATE {} SET {}").format(sql.Identifier(model._meta.db_table), sql.SQL(", ").join(assignments))
    # One table: the WHERE clause of its SELECT fits an UPDATE as it stands.
    rows = select(queryset.order_by().values("pk")).split(" WHERE ", 1)[1]
    return f"{head.as_string(None)} WHERE {rows} AND {condition} RETURNING {columns(model, returning)}"


def columns(model: type[Model], names: Iterable[str]) -> str:
    """Return the columns of these fields as a list in SQL."""
    return _columns(model, names).as_string(None)


def _columns(model: type[Model], names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column(model, name)) for name in names)


def column(model: type[Model], name: str) -> str:
    """Return the column of a model's field."""
    return str(model._meta.get_field(name).column)  # type: ignore[union-attr]  # only concrete fields are asked for


def as_json(rows: str, model: type[Model], fields: Sequence[str], extra: Sequence[str] = ()) -> str:
    """Wrap a SELECT so that PostgreSQL writes each row's JSON object of `fields`, followed by its `extra` columns."""
    return as_text(rows, json_object([(name, *json_value(model, name)) for name in fields]), extra)


class Text(NamedTuple):
    """A text in SQL: a template for `format` and what comes into its places."""

    template: str
    values: tuple[str, ...]


def as_text(rows: str, text: Text, extra: Sequence[str] = ()) -> str:
    """Wrap a SELECT so that PostgreSQL writes this text of each of its `rows`, followed by its `extra` columns.

    It is a text with places in it: `row_to_json` looks up each column's type and how it is written for every row
    anew, which makes a page of fifty a fifth dearer, and `concat` hands on twice as many pieces.
    """
    keys = "".join(f", rows.{_quoted(name)}" for name in extra)
    return f"SELECT format('{text.template}', {', '.join(text.values)}){keys} FROM ({rows}) AS rows"  # noqa: S608 -- composed of our own statements


def json_object(members: Iterable[tuple[str, str, str | None]]) -> Text:
    """Return the text of a JSON object: its members' names, places and values; one that is the same in all has none."""
    kept = [*members]
    template = ",".join(f'"{name}":{place}' for name, place, _ in kept)
    return Text(f"{{{template}}}", tuple(value for *_, value in kept if value is not None))


def written_as_json(write: str, model: type[Model], fields: Sequence[str], extra: Sequence[str] = ()) -> str:
    """Wrap an `INSERT` or `UPDATE … RETURNING` in the same way."""
    return f"WITH written AS ({write}) {as_json('SELECT * FROM written', model, fields, extra)}"  # noqa: S608 -- as above


def json_value(model: type[Model], name: str) -> tuple[str, str]:
    """Return a column's place in the text of a JSON object, and the SQL of what comes into it."""
    field = model._meta.get_field(name)
    source = f"rows.{_quoted(column(model, name))}"
    if isinstance(field, UUIDField) and not field.null:
        return '"%%s"', source
    value = _not_null(field, source)
    return "%%s", f"coalesce({value}, 'null')" if field.null else value


def _not_null(field: Any, source: str) -> str:
    if isinstance(field, DateTimeField):
        # RFC 3339 in UTC, always six digits: PostgreSQL's own JSON drops trailing zeros and says +00:00.
        return f"""to_char({source} AT TIME ZONE 'UTC', '\\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\\"')"""
    if isinstance(field, IntegerField):
        cases = " ".join(f"""WHEN {value} THEN '"{label.lower()}"'""" for value, label in field.flatchoices)
        return f"CASE {source} {cases} END" if cases else f"{source}::text"
    if isinstance(field, BooleanField):
        return f"CASE WHEN {source} THEN 'true' ELSE 'false' END"
    if isinstance(field, UUIDField):
        return f"""('"' || {source} || '"')"""
    if isinstance(field, ArrayField):
        return f"CASE WHEN {source} = '{{}}' THEN '[]' ELSE to_json({source})::text END"
    return f"{source}::text" if isinstance(field, JSONField) else f"to_json({source})::text"


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
