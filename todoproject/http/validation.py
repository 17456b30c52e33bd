"""Validation errors, from pydantic's words to ours: a pointer, a code and a sentence, never the input."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args
from urllib.parse import quote

from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest
from ninja.errors import ValidationErrorContext
from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from todoproject.http import hints
from todoproject.http.problems import INVALID, MALFORMED_REQUEST, Problem

MOST_ERRORS = 20  # told; each may cost a search for the nearest name, and nobody reads more
_MOST_LOOKED_AT = 1_000  # beyond, pydantic needs a tenth of a second to list them
_SENTENCES = {
    "union_tag_not_found": "The member op is required.",
    "union_tag_invalid": "The member op must be one of {expected_tags}.",
    "missing": "This member is required.",
    "string_type": "This must be a string.",
    "string_sub_type": "This must be a string.",
    "string_too_short": "This must not be empty.",
    "string_too_long": "This may have at most {max_length} characters.",
    "string_pattern_mismatch": "This has not the form that it must have.",
    "string_unicode": "This is not valid Unicode text.",
    "bool_type": "This must be true or false.",
    "bool_parsing": "This must be true or false.",
    "int_type": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_from_float": "This must be a whole number.",
    "int_parsing_size": "This number is too large.",
    "float_type": "This must be a number.",
    "float_parsing": "This must be a number.",
    "finite_number": "This must be a number.",
    "multiple_of": "This must be a multiple of {multiple_of}.",
    "greater_than": "This must be more than {gt}.",
    "greater_than_equal": "This must not be less than {ge}.",
    "less_than": "This must be less than {lt}.",
    "less_than_equal": "This must not be more than {le}.",
    "literal_error": "This must be one of {expected}.",
    "enum": "This must be one of {expected}.",
    "none_required": "This must be null.",
    "list_type": "This must be an array.",
    "tuple_type": "This must be an array.",
    "set_type": "This must be an array.",
    "dict_type": "This must be an object.",
    "model_type": "This must be an object.",
    "model_attributes_type": "This must be an object.",
    "too_short": "This must have at least {min_length} items.",
    "too_long": "This must have at most {max_length} items.",
    "uuid_type": "This must be an id: a UUID like 01991f3e-7c00-7000-8000-0000000000a1.",
    "uuid_parsing": "This must be an id: a UUID like 01991f3e-7c00-7000-8000-0000000000a1.",
    "uuid_version": "This must be an id: a UUID of version {expected_version}.",
}
# Whatever else pydantic may find gets a sentence of ours as well: its own speak of Python.
_OTHERWISE = "This is not what may stand here."
_PYDANTICS = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error"}


def invalid(errors: Sequence[dict[str, str]], count: int = 0, **extra: Any) -> Problem:
    """Return the problem that says which members break which rules: the first ones, where there are `count` in all."""
    count = max(count, len(errors))
    detail = errors[0]["detail"] if count == 1 else f"{count} members of the input break a rule."
    if count > len(errors):
        detail += f" The first {len(errors)} are told."
    return Problem(INVALID, detail, errors=errors, **extra)


def from_pydantic(contexts: Iterable[ValidationErrorContext[Any]]) -> Problem:
    """Return the problem for what pydantic found wrong with a request's body, query and path."""
    failures = [(context.model, context.pydantic_validation_error) for context in contexts]
    count = sum(failure.error_count() for _, failure in failures)
    if count > _MOST_LOOKED_AT:
        return invalid([{"pointer": "#", "code": "too_many", "detail": "Far too many members break a rule."}], count)
    found = [
        (model, error)
        for model, failure in failures
        for error in failure.errors(include_url=False, include_input=False)
    ]
    return invalid([_field_error(model, error) for model, error in found[:MOST_ERRORS]], count)


def of_part(
    failure: ValidationError, kinds: Mapping[str, type[BaseModel]], pointer: str, most: int = MOST_ERRORS
) -> list[dict[str, str]]:
    """Return what is wrong with a part of the body that was looked at by itself, one of several kinds.

    `pointer` is where it stands; its members are told behind that.
    """
    if failure.error_count() > _MOST_LOOKED_AT:
        return [{"pointer": pointer, "code": "too_many", "detail": "Far too many members break a rule."}]
    told = []
    for error in failure.errors(include_url=False, include_input=False)[:most]:
        kind, *location = error["loc"] or ("",)
        model = kinds.get(str(kind))
        code, detail = _told(error, _members_at(model, location) if model else ())
        told.append({"pointer": pointer + _pointer(location)[1:], "code": code, "detail": detail})
    return told


def of_input(failure: ValidationError, model: type[BaseModel], source: str) -> Problem:
    """Return the problem for what is wrong with a `body` or a `query` that was read by itself."""
    if failure.error_count() > _MOST_LOOKED_AT:
        return invalid([{"pointer": "#", "code": "too_many", "detail": "Far too many members break a rule."}])
    errors = []
    for error in failure.errors(include_url=False, include_input=False)[:MOST_ERRORS]:
        code, detail = _told(error, _members_at(model, error["loc"]))
        pointer = _pointer(error["loc"])
        where = {"pointer": pointer} if source == "body" else {"parameter": pointer.removeprefix("#/")}
        errors.append({**where, "code": code, "detail": detail})
    return invalid(errors, failure.error_count())


def refuse_odd_parameters(request: HttpRequest, known: Mapping[str, bool]) -> None:
    """Raise Problem where the query has a parameter that the operation does not, or one twice that it takes once."""
    if not request.META["QUERY_STRING"]:
        return
    try:
        query = request.GET
    except TooManyFieldsSent:
        raise Problem(MALFORMED_REQUEST, "The query string has too many parameters.") from None
    unknown = [name for name in query if name not in known]
    repeated = [name for name, values in query.lists() if len(values) > 1 and not known.get(name)]
    errors = [
        *((name, "unknown", hints.unknown("parameter", name, known)) for name in unknown[:MOST_ERRORS]),
        *((name, "repeated", "This may be given once.") for name in repeated[:MOST_ERRORS]),
    ]
    if errors:
        told = [{"parameter": quote(name[:100]), "code": code, "detail": why} for name, code, why in errors]
        raise invalid(told[:MOST_ERRORS], len(unknown) + len(repeated))


def refuse_body(body: Any) -> None:
    """Raise Problem for the body of an operation that takes none, unless it is an object without members."""
    if body == {}:
        return
    if not isinstance(body, dict):
        raise invalid([{"pointer": "#", "code": "unexpected_body", "detail": "This operation takes no body."}])
    detail = "Unknown member: this operation takes none."
    names = [*body][:MOST_ERRORS]
    raise invalid([{"pointer": _pointer([name]), "code": "unknown", "detail": detail} for name in names], len(body))


def _field_error(model: Any, error: Any) -> dict[str, str]:
    source, location = model.__ninja_param_source__, error["loc"]
    code, detail = _told(error, _members_at(model, location))
    if source != "body":
        name = next(part for part in reversed(location) if isinstance(part, str))  # an item of a list has a number
        return {"parameter": name, "code": code, "detail": detail}
    return {"pointer": _pointer(location[1:]), "code": code, "detail": detail}


def _told(error: Any, known: Collection[str]) -> tuple[str, str]:
    """Return the code and the sentence for an error; `known` are the members of the object that it is in."""
    code, context = error["type"], error.get("ctx", {})
    if code == "extra_forbidden":
        return "unknown", hints.unknown("member", str(error["loc"][-1]), known)
    if code in ("too_short", "too_long") and 1 in (context.get("min_length"), context.get("max_length")):
        return code, "This must not be empty." if code == "too_short" else "This must have one item at most."
    if code in _SENTENCES:
        return code, _SENTENCES[code].format(**context)
    return code, _OTHERWISE if code in _PYDANTICS else error["msg"]


def _pointer(location: Sequence[str | int]) -> str:
    """Return a JSON pointer as a URI fragment (RFC 6901, section 6)."""
    parts = (str(part)[:100].replace("~", "~0").replace("/", "~1") for part in location)
    return "#" + "".join("/" + quote(part, errors="replace") for part in parts)


def _members_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Return the members of the object in which an error was found."""
    fields = model.model_fields
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        if part not in fields:
            return []
        fields = getattr(next(_models(fields[part].annotation), None), "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
