"""What Todo-Backend's clients send."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tasks.schemas import Title
from todoproject.http.field_types import Strict


def _no_integer(value: Any) -> Any:
    if isinstance(value, int):
        raise PydanticCustomError("integer", "A whole number is one from -2^53 to 2^53.")
    return value


# A number that a client sorts by, and that its JSON reader keeps as it is: a whole one that no float can hold would
# come back as another.
Order = (
    Annotated[int, Field(ge=-(2**53), le=2**53)]
    | Annotated[float, Field(ge=-(2.0**53), le=2.0**53, allow_inf_nan=False), BeforeValidator(_no_integer)]
)


class NewTodo(Strict):
    """A todo to be made."""

    title: Title
    order: Order | None = None
    completed: bool = False


class TodoChange(Strict):
    """What is to change of a todo; what is left out stays."""

    title: Title = ""
    order: Order | None = None
    completed: bool = False
