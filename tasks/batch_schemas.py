"""Batches: operations on tasks and lists, each as its request of its own would be."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args
from uuid import UUID

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tasks.list_schemas import ListCreate, ListDeletion, ListPatch, TaskList
from tasks.moves import ListMove, TaskMove
from tasks.recurrence_schemas import Completion, Skipping
from tasks.schemas import EXAMPLE, STORED, ExternalId, Flag, NewTaskId, Task, TaskCreate, TaskPatch
from todoproject.http.field_types import Output, ProblemDocument, Storable, Strict
from todoproject.http.preconditions import is_entity_tags, strong_versions

BATCH_LIMIT = 100
BatchId = Annotated[UUID, Field(strict=False)]


class _OnOneTask(Strict):
    id: BatchId
    if_match: Annotated[str, StringConstraints(max_length=1000), Storable] | None = Field(
        None, description="As the header If-Match.", examples=['"3"']
    )

    @field_validator("if_match")
    @classmethod
    def _entity_tags(cls, value: str | None) -> str | None:
        if value is not None and not is_entity_tags(value):
            raise PydanticCustomError("entity_tags", 'Entity tags stand in quotes, such as "3"; or *.')
        return value

    @property
    def versions(self) -> list[int] | None:
        """The versions that the task may have; None for any."""
        return None if self.if_match is None else strong_versions(self.if_match)


class BatchCreate(Strict):
    """Create a task, under an id of yours if you give one."""

    op: Literal["create"]
    kind: Literal["task"] = "task"
    id: Annotated[NewTaskId, Field(strict=False)] | None = None
    data: TaskCreate


class ImportedTask(BatchCreate):
    """Create a task that was made elsewhere, as old as it was there: of imports, and nothing that a client may send.

    Its id is a new one. Without `created_at` it is made now.
    """

    created_at: datetime | None


class BatchChange(_OnOneTask):
    """Change a task."""

    op: Literal["update"]
    kind: Literal["task"] = "task"
    data: TaskPatch


class BatchStateChange(_OnOneTask):
    """Delete, reopen or restore a task."""

    op: Literal["delete", "reopen", "restore"]
    kind: Literal["task"] = "task"


class BatchCompletion(_OnOneTask):
    """Complete a task, or an occurrence of its series."""

    op: Literal["complete"]
    kind: Literal["task"] = "task"
    data: Completion = Completion()


class BatchSkipping(_OnOneTask):
    """Skip an occurrence of a series."""

    op: Literal["skip"]
    kind: Literal["task"] = "task"
    data: Skipping = Skipping()


class BatchMove(_OnOneTask):
    """Move a task, with its subtasks."""

    op: Literal["move"]
    kind: Literal["task"] = "task"
    data: TaskMove


class BatchUpsert(Strict):
    """Change the task with this external id, or create it."""

    op: Literal["upsert"]
    kind: Literal["task"] = "task"
    external_id: ExternalId
    data: TaskPatch

    @model_validator(mode="after")
    def _one_external_id(self) -> "BatchUpsert":
        if "external_id" in self.data.model_fields_set and self.data.external_id != self.external_id:
            raise PydanticCustomError("external_id", "This is not the external id that the operation is for.")
        return self


class ListBatchCreate(Strict):
    """Create a list, under an id of yours if you give one."""

    op: Literal["create"]
    kind: Literal["list"]
    id: Annotated[NewTaskId, Field(strict=False)] | None = None
    data: ListCreate


class ListBatchChange(_OnOneTask):
    """Change a list."""

    op: Literal["update"]
    kind: Literal["list"]
    data: ListPatch


class ListBatchMove(_OnOneTask):
    """Put a list somewhere else among the others."""

    op: Literal["move"]
    kind: Literal["list"]
    data: ListMove


class ListBatchDeletion(_OnOneTask):
    """Delete a list, and say what becomes of the tasks in it."""

    op: Literal["delete"]
    kind: Literal["list"]
    data: ListDeletion = ListDeletion(tasks=None)


class ListBatchRestoration(_OnOneTask):
    """Restore a list with the tasks that went with it."""

    op: Literal["restore"]
    kind: Literal["list"]


_OF_TASKS = (BatchCreate, BatchChange, BatchStateChange, BatchCompletion, BatchSkipping, BatchMove, BatchUpsert)
_OF_LISTS = (ListBatchCreate, ListBatchChange, ListBatchMove, ListBatchDeletion, ListBatchRestoration)
ListOperation = ListBatchCreate | ListBatchChange | ListBatchMove | ListBatchDeletion | ListBatchRestoration
TaskOperation = BatchCreate | BatchChange | BatchStateChange | BatchCompletion | BatchSkipping | BatchMove | BatchUpsert
BatchOperation = TaskOperation | ListOperation


def _words(operation: type[Strict]) -> tuple[str, ...]:
    return get_args(operation.model_fields["op"].annotation)


# By the values of `op` and, for lists, `kind`, as pydantic names them in an error.
OPERATIONS: dict[str, type[Strict]] = {
    **{word: operation for operation in _OF_TASKS for word in _words(operation)},
    **{f"{word} (list)": operation for operation in _OF_LISTS for word in _words(operation)},
}
_TAG_OF = {operation: word for word, operation in OPERATIONS.items()}


def _tag(value: Any) -> str | None:
    """Return which operation is meant: what `op` says, and `kind`, which is task where it is left out."""
    word = value.get("op") if isinstance(value, dict) else getattr(value, "op", None)
    kind = value.get("kind", "task") if isinstance(value, dict) else getattr(value, "kind", "task")
    if not isinstance(value, dict | Strict):
        return _TAG_OF[BatchCreate]  # whose refusal says that this is no object
    if not isinstance(word, str):
        return None
    tag = f"{word} (list)" if kind == "list" else word
    return _TAG_OF[OPERATIONS[tag]] if tag in OPERATIONS else tag


@dataclass(frozen=True)
class UnreadableOperation:
    """An operation that breaks a rule: the others may be carried out all the same."""

    failure: ValidationError


def _for_itself(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError as failure:
        return UnreadableOperation(failure)


if TYPE_CHECKING:
    AnyOperation = BatchOperation | UnreadableOperation
else:  # the union, with the word by which each is told, is made of the tables above
    AnyOperation = Annotated[
        Union[tuple(Annotated[operation, Tag(tag)] for operation, tag in _TAG_OF.items())],  # noqa: UP007 -- made of a tuple
        Discriminator(_tag),
        WrapValidator(_for_itself),
    ]


_SOME_ID = "019aaab2-4c00-7c3e-9d52-7a3f6d1b8e04"
_EXAMPLE_BATCH: list[Any] = [
    {"op": "create", "data": EXAMPLE},
    {"op": "update", "id": _SOME_ID, "if_match": '"1"', "data": {"priority": "low"}},
    {"op": "complete", "id": _SOME_ID},
]


class Batch(Strict):
    """Operations on tasks and lists, carried out in order."""

    model_config = ConfigDict(json_schema_extra={"example": {"operations": _EXAMPLE_BATCH}})

    operations: Annotated[
        list[AnyOperation],
        Field(min_length=1, max_length=BATCH_LIMIT),
    ]

    def read(self) -> list[BatchOperation | UnreadableOperation]:
        """Return the operations, those that cannot be carried out among them."""
        return [*self.operations]


class BatchQuery(Strict):
    """How a batch takes a failure."""

    atomic: Flag = Field(True, description="`true`: all or nothing. `false`: each operation by itself, answered 207.")


class BatchResult(Output):
    """What became of one operation: the status and body that it would have had as a request of its own."""

    status: int
    body: Task | TaskList | ProblemDocument | None
    affected: int = Field(ge=0, description="How many things it has changed.")
    change_no: int | None = Field(description="The last number that it took; null where nothing was changed.")


_CHANGED = STORED | {"priority": "low", "version": 2}
_DONE = _CHANGED | {"is_completed": True, "completed_at": STORED["updated_at"], "version": 3, "completed": None}
_EXAMPLE_RESULTS: list[Any] = [
    {"status": 201, "body": STORED, "affected": 1, "change_no": 1},
    {"status": 200, "body": _CHANGED, "affected": 1, "change_no": 2},
    {"status": 200, "body": _DONE, "affected": 1, "change_no": 3},
]


class BatchResults(Output):
    """One result for each operation, in order."""

    model_config = ConfigDict(json_schema_extra={"example": {"results": _EXAMPLE_RESULTS}})

    results: list[BatchResult]
