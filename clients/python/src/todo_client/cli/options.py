"""Options that more than one command has."""

from enum import StrEnum
from typing import Annotated

import typer

from todo_client.cli.dues import WAYS


class PriorityName(StrEnum):
    """What a priority is called."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Reference = Annotated[str, typer.Argument(metavar="TASK", help="Its number in the last list, its id, or its words.")]
References = Annotated[
    list[str], typer.Argument(metavar="TASK...", help="Numbers in the last list, ids, or words of a title.")
]
DueText = Annotated[str | None, typer.Option("--due", "-d", metavar="DAY", help=f"{WAYS}.")]
ListName = Annotated[str | None, typer.Option("--list", "-l", metavar="NAME", help="A list's name, or inbox.")]
PriorityOption = Annotated[PriorityName | None, typer.Option("--priority", "-p", help="How important it is.")]
