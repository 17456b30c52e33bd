"""What an account's export holds of tasks: all of them, the deleted ones too."""

from functools import lru_cache

from accounts.models import Scope
from accounts.queries.exports import array
from tasks.models import Task
from tasks.schemas import Task as TaskDocument
from todoproject.database import statements
from todoproject.database.statements import CurrentUser
from todoproject.database.unit import Statement


@lru_cache
def tasks() -> Statement:
    """Return the statement for the bound user's tasks, oldest first. Their reader must be allowed to read tasks."""
    fields = tuple(TaskDocument.model_fields)
    rows = statements.select(Task.objects.filter(user=CurrentUser()).order_by("created_at", "id").values(*fields))
    return Statement.fenced(array(statements.as_json(rows, Task, fields)), scope=Scope.TASKS_READ, repeatable=True)
