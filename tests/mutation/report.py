"""What has become of each mutant: a file that is whole after every one, so that an ended run can go on."""

import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from tests.mutation import ROOT
from tests.mutation.python import Mutant

NOT_TRIED = "not tried"


class Report:
    """The outcomes of a sample, kept as JSON; with `goes_on`, what the file says of its mutants already counts."""

    def __init__(self, path: Path, chosen: list[Mutant], *, goes_on: bool = False) -> None:
        self._path, self._chosen = path, chosen
        self._outcomes = _read(path, chosen) if goes_on and path.exists() else {}
        self._lock = threading.Lock()

    @property
    def outcomes(self) -> set[str]:
        return set(self._outcomes.values())

    def waiting(self) -> list[Mutant]:
        """Return what has not been tried yet."""
        return [mutant for mutant in self._chosen if self._outcomes.get(mutant, NOT_TRIED) == NOT_TRIED]

    def add(self, mutant: Mutant, outcome: str, seconds: float) -> None:
        """Keep and tell what has become of one."""
        with self._lock:
            self._outcomes[mutant] = outcome
            self._write()
            where = f"{mutant.path.relative_to(ROOT)}:{mutant.line}"
            number = f"{len(self._outcomes)} of {len(self._chosen)}"
            print(f"{number}: {outcome}, {seconds:.0f} s, {where}: {mutant.rule}", flush=True)

    def show(self) -> None:
        """Print whatever was not noticed, and how many there are of each outcome."""
        for mutant, outcome in self._in_order():
            if outcome != "noticed":
                print(f"\n{outcome}: {mutant.path.relative_to(ROOT)}:{mutant.line}: {mutant.rule}")
                print(f"  - {mutant.old}\n  + {mutant.new}")
        counts = Counter(self._outcomes.values())
        print("\n" + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))

    def _in_order(self) -> list[tuple[Mutant, str]]:
        return sorted(self._outcomes.items(), key=lambda tried: (tried[0].path, tried[0].start))

    def _write(self) -> None:
        lines = [{**_facts(mutant), "outcome": outcome} for mutant, outcome in self._in_order()]
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n", "utf-8")
        os.replace(beside, self._path)


def _facts(mutant: Mutant) -> dict[str, Any]:
    return {
        "file": str(mutant.path.relative_to(ROOT)),
        "line": mutant.line,
        "start": mutant.start,
        "rule": mutant.rule,
        "old": mutant.old,
        "new": mutant.new,
    }


def _read(path: Path, chosen: list[Mutant]) -> dict[Mutant, str]:
    """Return the outcomes of those of the sample that the file knows; of a file that was edited since, none fit."""
    kept = json.loads(path.read_text("utf-8"))
    outcomes = {json.dumps({**it, "outcome": ""}, sort_keys=True): it["outcome"] for it in kept}
    keys = {mutant: json.dumps({**_facts(mutant), "outcome": ""}, sort_keys=True) for mutant in chosen}
    return {mutant: outcomes[key] for mutant, key in keys.items() if key in outcomes}
