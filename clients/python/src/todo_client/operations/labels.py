"""Labels: there is one as long as a task has it."""

from todo_client.models import Label
from todo_client.operations import Operation, get, nothing, reading, write


def all_of_them() -> Operation[list[Label]]:
    """Get all labels."""
    return get("/v1/labels", lambda document: [Label.read(one) for one in document["items"]])


# By parameter and not by path: a label may have a slash in it, which some proxies cannot leave alone.
def rename(name: str, new_name: str) -> Operation[str]:
    """Rename a label on all tasks; onto another one that there is, it merges them. Returns the new name."""
    read = reading(lambda document: str(document["name"]))
    return write("PATCH", "/v1/labels", read, body={"name": new_name}, params={"name": name})


def delete(name: str) -> Operation[None]:
    """Take a label off all tasks."""
    return write("DELETE", "/v1/labels", nothing, params={"name": name})
