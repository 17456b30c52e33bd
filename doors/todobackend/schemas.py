"""What Todo-Backend's clients send."""

from typing import Annotated

from pydantic import Field

from tasks.schemas import Title
from todoproject.http.field_types import Strict

# A number that a client sorts by, and that its JSON reader keeps as it is.
Order = (
    Annotated[int, Field(ge=-(2**53), le=2**53)]
    | Annotated[float, Field(ge=-(2.0**53), le=2.0**53, allow_inf_nan=False)]
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
