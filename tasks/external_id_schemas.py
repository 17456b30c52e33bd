"""External ids as the API takes them."""

from pydantic import Field

from tasks.schemas import ExternalId
from todoproject.http.field_types import Strict


class NamedTask(Strict):
    """Which task is meant, by the id that it has elsewhere."""

    external_id: ExternalId = Field(
        description="What the task is called where it comes from. As a path's segment where nothing is in the way."
    )
