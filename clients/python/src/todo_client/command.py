"""The command `todo`: where it begins."""

import sys


def main() -> None:
    """Run the command, if what it needs is installed."""
    try:
        from todo_client.cli.app import run
    except ModuleNotFoundError as missing:
        if missing.name not in {"typer", "rich"}:
            raise
        sys.exit(f"todo: {missing.name} is missing; install it with: pip install 'todo-client[cli]'")
    run()
