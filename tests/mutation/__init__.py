"""Break the code on purpose, one small thing at a time, and see whether a test notices: `make mutants`."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
