"""Imports and exports as the API takes and gives them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from tasks.list_schemas import Name
from tasks.schemas import Flag
from todoproject.http.field_types import Output, Strict

ImportFormat = Literal[
    "todo.txt", "todoist-csv", "todoist-json", "ticktick-csv", "vikunja-json", "ical", "csv", "export"
]
ExportFormat = Literal["json", "csv", "todo.txt", "ical"]


class ImportQuery(Strict):
    """What the file is, and what becomes of it."""

    format: ImportFormat | None = Field(None, description="Left out, it is told from the content.")
    list: Name | None = Field(None, description="The name of the list to put into what has none of its own.")
    dry_run: Flag = Field(False, description="`true`: only read and compare; nothing is written.")


class ImportChange(Output):
    """What could not be kept as it was, and what became of it."""

    line: int = Field(description="In the file; of JSON the number of the task; 0 is the file as a whole.")
    title: str
    member: str
    code: str
    detail: str


class ImportOmission(Output):
    """What was left out, and why."""

    line: int
    title: str
    code: str
    detail: str


_EXAMPLE: dict[str, Any] = {
    "format": "todo.txt",
    "dry_run": False,
    "created": 2,
    "updated": 0,
    "unchanged": 1,
    "lists": ["Home"],
    "changed": [
        {
            "line": 3,
            "title": "Call mum",
            "member": "due_on",
            "code": "left-in-title",
            "detail": "The value of due: was not understood. It is left in the title.",
        }
    ],
    "left_out": [],
    "actions": [42],
}


class ImportReport(Output):
    """What an import has done, or would do. The same file again changes nothing."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    format: ImportFormat
    dry_run: bool
    created: int = Field(ge=0)
    updated: int = Field(ge=0)
    unchanged: int = Field(ge=0)
    lists: list[str] = Field(description="The names of the lists that were made.")
    changed: list[ImportChange]
    left_out: list[ImportOmission]
    actions: list[int] = Field(description="A change number for each transaction; each can be undone.")


class ExportQuery(Strict):
    """What to export, and how."""

    format: ExportFormat = Field("json", description="`json` is `export` when it is imported again.")
    list_id: Annotated[UUID, Field(strict=False)] | Literal["null"] | None = Field(
        None, description="Only this list; `null`: the inbox."
    )
