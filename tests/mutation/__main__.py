"""Take a sample of breaks, run the tests that cover each, and report what nobody noticed: `make mutants`."""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.mutation import ROOT, python, sql
from tests.mutation.coverage import Coverage
from tests.mutation.python import Mutant

PACKAGES = ("todoproject", "accounts", "tasks")
_NOT_OURS_TO_BREAK = ("__pycache__", "static", "templates")
_SECONDS = 300  # a mutant that hangs the tests has been noticed


def main() -> int:
    """Return 0 where every break was noticed, 1 where one was not."""
    options = _parse()
    chosen = sample(find(options.paths or list(PACKAGES)), options.count, options.seed)
    with tempfile.TemporaryDirectory(prefix="todo-mutants-") as folder:
        copy = copy_project(Path(folder) / "project")
        coverage = Coverage.measure(copy, sorted({str(mutant.path.relative_to(ROOT)) for mutant in chosen}))
        outcomes = [
            (mutant, _try(copy, mutant, coverage, f"{n} of {len(chosen)}")) for n, mutant in enumerate(chosen, 1)
        ]
    _report(outcomes, options.json)
    return 1 if any(outcome == "survived" for _, outcome in outcomes) else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("paths", nargs="*", help="files or folders to break (todoproject accounts tasks)")
    parser.add_argument("--count", type=int, default=100, help="the size of the sample (100)")
    parser.add_argument("--seed", type=int, default=1, help="another sample (1)")
    parser.add_argument("--json", type=Path, default=Path("mutants.json"), help="where the report goes (mutants.json)")
    return parser.parse_args()


def find(paths: list[str]) -> list[Mutant]:
    """Return every break of these files; of migrations only those of their SQL."""
    files = [file for path in paths for file in _files(ROOT / path)]
    found = [mutant for file in files if "migrations" not in file.parts for mutant in python.mutants(file)]
    texts = [mutant for file in files for mutant in sql.mutants(file)]
    return found + [mutant for mutant in texts if _is_python(mutant.apply(mutant.path.read_text("utf-8")))]


def _is_python(text: str) -> bool:
    """Tell whether a break can be run at all; what cannot would count as noticed by every test."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(path.rglob("*.py")) or [path.with_suffix(".py")]
    return [file for file in files if not set(file.parts) & set(_NOT_OURS_TO_BREAK)]


def sample(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """Choose by chance, with as many of each rule as there is room for: most breaks of Python are of two rules."""
    chance = random.Random(seed)
    by_rule: dict[str, list[Mutant]] = {}
    for mutant in chance.sample(mutants, len(mutants)):
        by_rule.setdefault(mutant.rule, []).append(mutant)
    rounds = max(map(len, by_rule.values()), default=0)
    in_turn = [group[number] for number in range(rounds) for group in by_rule.values() if number < len(group)]
    return sorted(in_turn[:count], key=lambda mutant: (mutant.path, mutant.start))


def copy_project(folder: Path) -> Path:
    """Copy what is under version control or new: a break never touches the files that a person works on."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def _try(copy: Path, mutant: Mutant, coverage: Coverage, number: str) -> str:
    """Return "noticed", "survived" or, where no test reaches the line, "not covered"."""
    name = mutant.path.relative_to(ROOT)
    tests = coverage.tests_of(str(name), mutant.line)
    began, text = time.monotonic(), mutant.path.read_text("utf-8")
    (copy / name).write_text(mutant.apply(text))
    outcome = run(copy, tests) if tests else "not covered"
    (copy / name).write_text(text)
    print(f"{number}: {outcome}, {time.monotonic() - began:.0f} s, {name}:{mutant.line}: {mutant.rule}", flush=True)
    return outcome


def run(copy: Path, tests: list[str]) -> str:
    """Run tests of the broken copy until one fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        finished = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "noticed"
    return "survived" if finished.returncode == 0 else "noticed"


def _report(outcomes: list[tuple[Mutant, str]], path: Path) -> None:
    lines = [
        {"file": str(mutant.path.relative_to(ROOT)), "line": mutant.line, "rule": mutant.rule,
         "old": mutant.old, "new": mutant.new, "outcome": outcome}
        for mutant, outcome in outcomes
    ]  # fmt: skip
    path.write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n")
    for line in lines:
        if line["outcome"] != "noticed":
            print(f"\n{line['outcome']}: {line['file']}:{line['line']}: {line['rule']}")
            print(f"  - {line['old']}\n  + {line['new']}")
    print("\n" + ", ".join(f"{count} {outcome}" for outcome, count in Counter(o for _, o in outcomes).items()))


if __name__ == "__main__":
    sys.exit(main())
