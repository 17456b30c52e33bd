"""Meaningful breaks of SQL in the project's Python files and migrations, by a catalogue of patterns."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.mutation.python import Mutant

# What is looked for, what it becomes, and what that means. `\\g<0>` and the like as in re.sub.
CATALOGUE = [
    (r"\bUSING \((?!true)[^;\n]*?\)(?= WITH CHECK|;|\s*$)", "USING (true)", "policy lets everybody read"),
    (r"\bWITH CHECK \((?!true)[^;\n]*\)(?=;|\s*$)", "WITH CHECK (true)", "policy lets everybody write"),
    (r"^ALTER TABLE \S+ ENABLE ROW LEVEL SECURITY;", "", "row-level security left out"),
    (r"\bGRANT (SELECT|INSERT|UPDATE) \([^)]*\)", r"GRANT \1", "grant widened to all columns"),
    (r"(?<=, )\s*(INSERT|UPDATE) \([^)]*\)(?= ON)", r" \1", "grant widened to all columns"),
    (r"\bGRANT (SELECT|INSERT|UPDATE|DELETE)(?= ON)", "GRANT ALL", "grant widened to all rights"),
    (r"^ *REVOKE [^;\n]*;", "", "revoke left out"),
    (r" FOR (NO KEY )?(UPDATE|SHARE)\b", "", "lock left out"),
    (r"\bSECURITY DEFINER\b", "SECURITY INVOKER", "function without its owner's rights"),
    (r"^CREATE (UNIQUE )?INDEX [^;]*;", "", "index left out"),
    (r"\bCREATE UNIQUE INDEX\b", "CREATE INDEX", "index no longer unique"),
    (r"^CREATE TRIGGER [^;]*;", "", "trigger left out"),
    (r"\n[ \t]+AND (?!NOT EXISTS)[^\n;'\"]*(?=\n|;)", "", "condition left out"),
    (r"\bWHERE ([^\n;()]+?) AND ", "WHERE ", "condition left out"),
    (r"^ +models\.(Unique|Check)Constraint\((?:[^()]|\([^()]*\))*\),?$", "", "constraint left out"),
    (r"^ +models\.Index\((?:[^()]|\([^()]*\))*\),?$", "", "index left out"),
    (r"\bfillfactor ?= ?\d+", "fillfactor = 100", "no room beside the rows"),
]  # fmt: skip
_PATTERNS = [(re.compile(pattern, re.MULTILINE), new, rule) for pattern, new, rule in CATALOGUE]


def mutants(path: Path) -> list[Mutant]:
    """Return every break of the catalogue that fits the file."""
    return list(_mutants(path, path.read_text("utf-8")))


def _mutants(path: Path, text: str) -> Iterator[Mutant]:
    for pattern, new, rule in _PATTERNS:
        for match in pattern.finditer(text):
            yield Mutant(path, match.start(), match[0], match.expand(new), rule, text.count("\n", 0, match.start()) + 1)
