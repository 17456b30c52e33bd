"""Imports point down only: entry → http → domain → models → floor.

The checker reads the source, so that it also sees imports inside functions, under `TYPE_CHECKING` and by
literal name. It does not see a name put together at run time, nor `apps.get_model`.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT_FOLDER = Path(__file__).resolve().parent.parent
PACKAGES = ("todoproject", "tasks", "accounts")

LAYERS = ("floor", "models", "domain", "http", "entry")  # from the ground up
ENTRY = {"admin", "apps", "asgi", "management", "server", "supervisor", "urls"}
DOMAIN = {"schemas", "queries", "auth"}
# What of todoproject speaks HTTP, and may know Ninja; the rest of it is the floor.
HTTP = {
    "access",
    "body",
    "docs",
    "handler",
    "health",
    "middleware",
    "openapi",
    "page_headers",
    "protocol",
    "validation",
}

# What the floor may import besides the standard library; Ninja and Pydantic belong above it.
FLOOR_LIBRARIES = {
    "asgiref",  # Django's own ASGI half
    "certifi",
    "dj_database_url",
    "django",
    "environ",
    "opentelemetry",  # an extra, for its setting
    "orjson",
    "prometheus_client",
    "psycopg",
    "psycopg_pool",
    "sentry_sdk",  # an extra, for its setting
    "servestatic",  # Django's static files, under ASGI
    "unfold",  # the look of the admin
}
IMPORT_BY_NAME = {"__import__", "import_module", "import_string"}


def layer_of(module: str) -> str:
    """Return the layer of one of our modules; `queries` and `queries.pages` are in the same one."""
    package, *rest = module.split(".")
    part = rest[0] if rest else ""
    if package == "manage" or part in ENTRY or module.split(".")[:2] == ["todoproject", "api"]:
        return "entry"
    if part == "api" or (package == "todoproject" and part in HTTP):
        return "http"
    if package == "todoproject" and part not in DOMAIN | {"models", "migrations"}:
        return "floor"
    # A module with a name of its own in an app is domain; the bare package holds nothing but its models.
    return "models" if part in {"", "models", "migrations"} else "domain"


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
    ours, theirs = importer.split(".")[0], target.split(".")[0]
    if theirs in {*PACKAGES, "manage"}:
        if (ours, theirs) == ("accounts", "tasks"):
            return "accounts never imports tasks"
        if LAYERS.index(layer_of(target)) > LAYERS.index(layer_of(importer)):
            return f"{layer_of(importer)} never imports {layer_of(target)}"
        return None
    if layer_of(importer) == "floor" and theirs not in FLOOR_LIBRARIES | sys.stdlib_module_names:
        return "the floor's libraries are listed in FLOOR_LIBRARIES"
    return None


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


# --- The checker itself ---

MADE_UP = {
    "todoproject/__init__.py": "",
    "todoproject/api.py": "from tasks.api import router\nimport todoproject.health",
    "todoproject/asgi.py": "from todoproject.api import api",
    "todoproject/health.py": "from ninja import Router\nfrom todoproject.database import pool",
    "todoproject/database/__init__.py": "from todoproject.database.pool import Pool\nfrom .pool import Pool",
    "todoproject/database/pool.py": "import asyncio\nimport psycopg_pool\nfrom todoproject import settings",
    "todoproject/settings.py": "import environ\nfrom django.conf import settings",
    "accounts/__init__.py": "",
    "accounts/models.py": "from django.db import models",
    "accounts/admin.py": "from unfold.admin import ModelAdmin\nfrom accounts.models import User",
    "tasks/__init__.py": "",
    "tasks/models.py": "from accounts.models import User",
    "tasks/queries/__init__.py": "from tasks.queries.pages import page",
    "tasks/queries/pages.py": "from ..models import Task\nfrom accounts import auth",
    "tasks/api.py": "from tasks import queries\nfrom todoproject.problems import Problem",
    "tasks/apps.py": "def ready():\n    from tasks import checks",
    "tasks/management/commands/purge.py": "from tasks.queries import purge",
}


def test_imports_that_point_down_or_sideways_pass() -> None:
    assert violations(MADE_UP) == []


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("tasks/models.py", "from tasks.queries import pages", "models never imports domain"),
        ("tasks/models.py", "from tasks import queries", "models never imports domain"),
        ("tasks/models.py", "from . import api", "models never imports http"),
        ("tasks/queries/pages.py", "from ..api import router", "domain never imports http"),
        ("tasks/queries/__init__.py", "from ..admin import x", "domain never imports entry"),
        ("tasks/schemas.py", "import tasks.api", "domain never imports http"),
        ("tasks/api.py", "from todoproject.api import api", "http never imports entry"),
        ("tasks/api.py", "from todoproject import api", "http never imports entry"),
        ("todoproject/health.py", "import todoproject.asgi", "http never imports entry"),
        ("todoproject/database/pool.py", "from accounts.models import User", "floor never imports models"),
        ("todoproject/database/pool.py", "import tasks", "floor never imports models"),
        ("todoproject/settings.py", "from todoproject import health", "floor never imports http"),
        ("todoproject/problems.py", "from todoproject.body import read", "floor never imports http"),
        ("todoproject/settings.py", "from ninja import Router", "listed in FLOOR_LIBRARIES"),
        ("todoproject/logs.py", "import pydantic.json", "listed in FLOOR_LIBRARIES"),
        ("accounts/admin.py", "from tasks.models import Task", "accounts never imports tasks"),
        ("accounts/management/commands/x.py", "import tasks", "accounts never imports tasks"),
    ],
)
def test_an_import_that_points_up_is_found(path: str, text: str, why: str) -> None:
    (found,) = violations(MADE_UP | {path: text})
    assert found.startswith(f"{path}:1 ")
    assert why in found


@pytest.mark.parametrize(
    "text",
    [
        "def late():\n    from tasks import api",
        "class A:\n    async def late(self):\n        import tasks.api",
        "if TYPE_CHECKING:\n    from tasks.api import router",
        "try:\n    from tasks.api import *\nexcept ImportError:\n    pass",
        "import importlib\nimportlib.import_module('tasks.api')",
        "from importlib import import_module\nimport_module('tasks.api')",
        "x = 1\n__import__('tasks.api')",
        "from django.utils.module_loading import import_string\nimport_string('tasks.api.router')",
    ],
)
def test_no_hiding_place_helps(text: str) -> None:
    (found,) = violations(MADE_UP | {"tasks/models.py": text})
    assert "tasks.models imports tasks.api: models never imports http" in found
