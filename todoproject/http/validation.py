"""Validation errors, from pydantic's words to ours: a pointer, a code and a sentence, never the input."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest
from ninja.errors import ValidationErrorContext
from pydantic import BaseModel

from todoproject.http.problems import INVALID, MALFORMED_REQUEST, Problem

_MOST_ERRORS = 20  # told; each may cost a search for the nearest name, and nobody reads more
_MOST_LOOKED_AT = 1_000  # beyond, pydantic needs a tenth of a second to list them
_KINDS = frozenset({"create", "update", "delete", "complete", "reopen", "restore"})
_SENTENCES = {
    "union_tag_not_found": "The member op is required.",
    "union_tag_invalid": "The member op must be one of {expected_tags}.",
    "missing": "This member is required.",
    "string_type": "This must be a string.",
    "string_too_short": "This must not be empty.",
    "string_too_long": "This may have at most {max_length} characters.",
    "string_unicode": "This is not valid Unicode text.",
    "bool_type": "This must be true or false.",
    "bool_parsing": "This must be true or false.",
    "int_type": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_parsing_size": "This number is too large.",
    "greater_than_equal": "This must not be less than {ge}.",
    "less_than_equal": "This must not be more than {le}.",
    "literal_error": "This must be one of {expected}.",
    "enum": "This must be one of {expected}.",
    "list_type": "This must be an array.",
    "too_short": "This must have at least {min_length} items.",
    "too_long": "This must have at most {max_length} items.",
    "model_type": "This must be an object.",
    "model_attributes_type": "This must be an object.",
}


def invalid(errors: Sequence[dict[str, str]], count: int = 0) -> Problem:
    """Return the problem that says which members break which rules: the first ones, where there are `count` in all."""
    count = max(count, len(errors))
    detail = errors[0]["detail"] if count == 1 else f"{count} members of the input break a rule."
    if count > len(errors):
        detail += f" The first {len(errors)} are told."
    return Problem(INVALID, detail, errors=errors)


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
    return invalid([_field_error(model, error) for model, error in found[:_MOST_ERRORS]], count)


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
        *((name, "unknown", _unknown("parameter", name, known)) for name in unknown[:_MOST_ERRORS]),
        *((name, "repeated", "This may be given once.") for name in repeated[:_MOST_ERRORS]),
    ]
    if errors:
        told = [{"parameter": quote(name[:100]), "code": code, "detail": why} for name, code, why in errors]
        raise invalid(told[:_MOST_ERRORS], len(unknown) + len(repeated))


def _field_error(model: Any, error: Any) -> dict[str, str]:
    source, location = model.__ninja_param_source__, error["loc"]
    code, sentence = error["type"], _SENTENCES.get(error["type"], error["msg"])
    if code == "extra_forbidden":
        code, detail = "unknown", _unknown("member", str(location[-1]), _known_members(model, location))
    else:
        detail = sentence.format(**error.get("ctx", {})) if code in _SENTENCES else sentence
    if source != "body":
        name = next(part for part in reversed(location) if isinstance(part, str))  # an item of a list has a number
        return {"parameter": name, "code": code, "detail": detail}
    return {"pointer": _pointer(location[1:]), "code": code, "detail": detail}


def _pointer(location: Sequence[str | int]) -> str:
    """Return a JSON pointer as a URI fragment (RFC 6901, section 6)."""
    parts = (str(part)[:100].replace("~", "~0").replace("/", "~1") for part in _without_kinds(location))
    return "#" + "".join("/" + quote(part, errors="replace") for part in parts)


def _without_kinds(location: Sequence[str | int]) -> list[str | int]:
    """Leave out what is not in the input: where an array holds several kinds, pydantic names the kind of each."""
    before = [None, *location]
    return [
        part
        for part, previous in zip(location, before, strict=False)
        if not (isinstance(previous, int) and part in _KINDS)
    ]


def _unknown(noun: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:100], list(known), n=1)
    return f"Unknown {noun}; did you mean {near[0]}?" if near else f"Unknown {noun}."


def _known_members(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Return the members of the object in which an unknown one was found."""
    fields = model.model_fields
    for part in location[:-1]:
        if str(part) not in fields:
            return []
        fields = getattr(fields[str(part)].annotation, "model_fields", {})
    return list(fields)
