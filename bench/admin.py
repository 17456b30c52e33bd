"""The admin on a full database: server time and queries of each of its pages."""

import json
import os
import subprocess
from typing import Any

from bench import fill
from bench.errors import BenchError
from bench.peers import OURS, ROOT, python
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Ask for every page as a superuser; the pages come from the admin's own registry, so new ones are among them."""
    progress.begin("preparing the admin")
    fill.prepare(postgres, OURS, plan.sizes, progress.tell)
    progress.begin("asking for each page of the admin")
    environment = {**os.environ, **OURS.family.environment(postgres.url(OURS.name))}
    code = f"from bench.admin_pages import main; main({plan.rounds})"
    command = python("manage.py", "shell", "--verbosity=0", "--no-imports", "--command", code)
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BenchError(f"the admin's pages cannot be measured: {result.stderr.strip()[-1500:]}")
    return {"pages": json.loads(result.stdout)}
