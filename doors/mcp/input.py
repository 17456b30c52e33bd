"""Input as a schema of ours reads it, whoever it comes from."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from todoproject.http import validation

M = TypeVar("M", bound=BaseModel)


def read(model: type[M], values: Any, *, source: str = "body") -> M:
    """Return input as its schema reads it. Raises Problem."""
    try:
        return model.model_validate(values)
    except ValidationError as failure:
        raise validation.of_input(failure, model, source) from None
