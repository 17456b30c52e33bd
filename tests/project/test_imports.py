"""Imports point down only: from a room to rooms on lower floors, never up, never across.

The checker reads the source, so that it also sees imports inside functions, under `TYPE_CHECKING` and by
literal name. It does not see a name put together at run time, nor `apps.get_model`.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT_FOLDER = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("todoproject", "tasks", "accounts", "doors")

# From the ground up. A module lives in the room with the longest name that its own begins with; inside a room modules
# import each other as they like. Rooms on one floor do not know each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "todoproject",
        "todoproject.version",
        "todoproject.environment",
        "todoproject.dotenv",
        "todoproject.files",
        "todoproject.text",
    ),
    ("todoproject.observability",),
    ("todoproject.database.embedded",),
    ("todoproject.database", "todoproject.mail"),
    ("todoproject.database.client",),
    ("accounts.addresses",),  # text and a rule: models are held to it
    ("todoproject.database.engine", "todoproject.http", "accounts.models"),
    ("accounts", "tasks.models"),  # what an app is about: tokens, passwords, schemas; no SQL of a request, no HTTP
    ("tasks",),
    ("todoproject.openapi",),
    ("todoproject.pages",),
    ("accounts.queries", "todoproject.monitoring", "todoproject.admin.exports", "todoproject.background"),
    ("todoproject.admin", "tasks.queries", "accounts.staff"),
    ("accounts.api", "accounts.admin", "accounts.management", "tasks.live", "tasks.webhooks"),
    ("tasks.api", "tasks.admin", "tasks.background", "tasks.management"),
    ("todoproject.checks", "todoproject.serving"),
    ("todoproject.settings",),
    ("todoproject.management",),
    ("todoproject.apps", "todoproject.api", "accounts.apps", "tasks.apps"),
    ("todoproject.urls", "todoproject.templatetags", "todoproject.formats"),
    # Nothing but the composition root knows a door; a door knows the operations that it leads to.
    ("doors.addresses",),
    ("doors.todoist", "doors.mcp", "doors.calendar", "doors.todobackend"),
    ("doors",),
    ("todoproject.asgi",),
    ("manage",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Ninja and Pydantic are known where requests are read and answered, and by the documents' schemas.
SPEAKS_HTTP = {
    "todoproject.http",
    "todoproject.openapi",
    "todoproject.monitoring",
    "todoproject.api",
    "todoproject.pages",
    "doors.addresses",
    "doors.todoist",
    "doors.mcp",
    "doors.calendar",
    "doors.todobackend",
}
SPEAKS_HTTP |= {f"{app}{room}" for app in ("accounts", "tasks") for room in ("", ".api", ".queries")}
# What all other rooms may import besides the standard library and Django's admin.
LIBRARIES = {
    "argon2",
    "asgiref",  # Django's own ASGI half
    "certifi",
    "cryptography",
    "dj_database_url",
    "django",
    "environ",
    "httptools",
    "opentelemetry",  # an extra, for its setting
    "orjson",
    "prometheus_client",
    "psycopg",
    "psycopg_pool",
    "segno",
    "sentry_sdk",  # an extra, for its setting
    "servestatic",  # Django's static files, under ASGI
    "unfold",  # the look of the admin
    "uuid_utils",
    "uvicorn",
    "uvloop",
}
IMPORT_BY_NAME = {"__import__", "import_module", "import_string"}


def room_of(module: str) -> str | None:
    """Return the room of one of our modules; None where nobody has given it one."""
    parts = module.split(".")
    names = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    found = next((name for name in names if name in FLOOR_OF), None)
    if "migrations" in parts:
        return f"{parts[0]}.models"
    return None if found == "todoproject" != module else found


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported_names(tree: ast.Module, path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the possible names of each import: `from a import b` may mean `a.b` or `a`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, [alias.name]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(node, path)
            yield from ((node.lineno, [f"{origin}.{alias.name}", origin]) for alias in node.names)
        elif isinstance(node, ast.Call) and (name := literal_import(node)):
            parents = name.split(".")
            yield node.lineno, [".".join(parents[:end]) for end in range(len(parents), 0, -1)]


def absolute(node: ast.ImportFrom, path: str) -> str:
    """Return the module that a `from` names, with its leading dots resolved against the importing file."""
    if not node.level:
        return node.module or ""
    folder = path.split("/")[: -node.level]
    return ".".join([*folder, *filter(None, [node.module])])


def literal_import(call: ast.Call) -> str | None:
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    if called in IMPORT_BY_NAME and call.args and isinstance(call.args[0], ast.Constant):
        return str(call.args[0].value)
    return None


def objection(importer: str, target: str) -> str | None:
    """Say why `importer` may not import `target`; None where it may."""
    ours, theirs = room_of(importer), room_of(target)
    if ours is None:
        return f"{importer} has no room: move it into one, or name it in FLOORS"
    if target.split(".")[0] not in {*PACKAGES, "manage"}:
        library = target.split(".")[0]
        allowed = LIBRARIES | sys.stdlib_module_names
        return None if ours in SPEAKS_HTTP or library in allowed else "its libraries are listed in LIBRARIES"
    if (importer.split(".")[0], target.split(".")[0]) == ("accounts", "tasks"):
        return "accounts never imports tasks"
    if theirs is None or ours == theirs or FLOOR_OF[theirs] < FLOOR_OF[ours]:
        return None
    return f"{ours} never imports {theirs}"


def violations(sources: dict[str, str]) -> list[str]:
    """Return one line for each import in `sources` (text by path) that breaks the rule."""
    modules = {module_name(path) for path in sources}
    found = []
    for path, text in sources.items():
        importer = module_name(path)
        for line, names in imported_names(ast.parse(text, path), path):
            target = next((name for name in names if name in modules), names[-1])
            if why := objection(importer, target):
                found.append(f"{path}:{line} {importer} imports {target}: {why}")
    return found


def project_sources() -> dict[str, str]:
    paths = [path for package in PACKAGES for path in sorted((PROJECT_FOLDER / package).rglob("*.py"))]
    return {path.relative_to(PROJECT_FOLDER).as_posix(): path.read_text() for path in paths}


def test_the_project_imports_down_only() -> None:
    sources = project_sources()
    assert {path.split("/")[0] for path in sources} == set(PACKAGES)
    assert violations(sources) == []


def test_every_room_says_what_belongs_in_it() -> None:
    silent = [
        room
        for room in FLOOR_OF
        if (file := PROJECT_FOLDER / room.replace(".", "/") / "__init__.py").is_file()
        and room.count(".")
        and not room.endswith(".management")
        and not ast.get_docstring(ast.parse(file.read_text()))
    ]
    assert silent == []


# --- The checker itself ---

MADE_UP = {
    "todoproject/__init__.py": "",
    "todoproject/api.py": "from tasks.api.tasks import router\nimport todoproject.monitoring.health",
    "todoproject/asgi.py": "from todoproject.api import api",
    "todoproject/monitoring/health.py": "from ninja import Router\nfrom todoproject.database.client import pool",
    "todoproject/database/errors.py": "import psycopg\nfrom todoproject.observability import logs",
    "todoproject/database/client/pool.py": "import asyncio\nimport psycopg_pool\nfrom .connection import Connection",
    "todoproject/database/client/connection.py": "from todoproject.database.errors import ConnectionLost",
    "todoproject/observability/logs.py": "import logging\nfrom todoproject.version import VERSION",
    "todoproject/version.py": "",
    "todoproject/settings.py": "import environ\nfrom django.conf import settings\nfrom todoproject import dotenv",
    "todoproject/dotenv.py": "import os",
    "accounts/__init__.py": "",
    "accounts/models.py": "from django.db import models",
    "accounts/tokens.py": "from accounts.models import User",
    "accounts/admin/__init__.py": "from unfold.admin import ModelAdmin\nfrom accounts.models import User",
    "tasks/__init__.py": "",
    "tasks/models.py": "from accounts.models import User",
    "tasks/queries/__init__.py": "from tasks.queries.pages import page",
    "tasks/queries/pages.py": "from ..models import Task\nfrom accounts import tokens",
    "tasks/api/tasks.py": "from tasks import queries\nfrom todoproject.http.problems import Problem",
    "tasks/apps.py": "def ready():\n    from tasks import checks",
    "tasks/management/commands/purge.py": "from tasks.queries import purge",
}


def test_imports_that_point_down_or_stay_in_the_room_pass() -> None:
    assert violations(MADE_UP) == []


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("tasks/models.py", "from tasks.queries import pages", "tasks.models never imports tasks.queries"),
        ("tasks/models.py", "from tasks import queries", "tasks.models never imports tasks.queries"),
        ("tasks/models.py", "from .api import tasks", "tasks.models never imports tasks.api"),
        ("tasks/queries/pages.py", "from ..api.tasks import router", "tasks.queries never imports tasks.api"),
        ("tasks/queries/__init__.py", "from ..admin import x", "tasks.queries never imports tasks.admin"),
        ("tasks/schemas.py", "import tasks.api.tasks", "tasks never imports tasks.api"),
        ("tasks/api/tasks.py", "from todoproject.api import api", "tasks.api never imports todoproject.api"),
        ("tasks/api/tasks.py", "from todoproject import api", "tasks.api never imports todoproject.api"),
        ("tasks/api/tasks.py", "import tasks.admin.tasks", "tasks.api never imports tasks.admin"),
        ("todoproject/monitoring/health.py", "import todoproject.asgi", "never imports todoproject.asgi"),
        (
            "todoproject/database/errors.py",
            "from todoproject.database.client import pool",
            "todoproject.database never",
        ),
        ("todoproject/database/client/pool.py", "from accounts.models import User", "never imports accounts.models"),
        ("todoproject/database/client/pool.py", "import tasks", "todoproject.database.client never imports tasks"),
        ("todoproject/http/problems.py", "from accounts import tokens", "todoproject.http never imports accounts"),
        ("todoproject/observability/logs.py", "from todoproject.http import body", "never imports todoproject.http"),
        ("todoproject/settings.py", "from ninja import Router", "listed in LIBRARIES"),
        ("todoproject/observability/logs.py", "import pydantic.json", "listed in LIBRARIES"),
        ("accounts/admin/__init__.py", "from tasks.models import Task", "accounts never imports tasks"),
        ("accounts/management/commands/x.py", "import tasks", "accounts never imports tasks"),
        ("todoproject/corridor.py", "import os", "todoproject.corridor has no room"),
    ],
)
def test_an_import_that_points_up_is_found(path: str, text: str, why: str) -> None:
    (found,) = violations(MADE_UP | {path: text})
    assert found.startswith(f"{path}:1 ")
    assert why in found


@pytest.mark.parametrize(
    "text",
    [
        "def late():\n    from tasks.api import tasks",
        "class A:\n    async def late(self):\n        import tasks.api.tasks",
        "if TYPE_CHECKING:\n    from tasks.api.tasks import router",
        "try:\n    from tasks.api.tasks import *\nexcept ImportError:\n    pass",
        "import importlib\nimportlib.import_module('tasks.api.tasks')",
        "from importlib import import_module\nimport_module('tasks.api.tasks')",
        "x = 1\n__import__('tasks.api.tasks')",
        "from django.utils.module_loading import import_string\nimport_string('tasks.api.tasks.router')",
    ],
)
def test_no_hiding_place_helps(text: str) -> None:
    (found,) = violations(MADE_UP | {"tasks/models.py": text})
    assert "tasks.models imports tasks.api.tasks: tasks.models never imports tasks.api" in found
