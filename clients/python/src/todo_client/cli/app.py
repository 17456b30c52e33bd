"""The command `todo` as a whole: its options, its commands, and how it ends."""

import io
import sys
from typing import Annotated

import typer

from todo_client.cli import account, agents, tasks, viewing
from todo_client.cli.failures import EPILOG, leave
from todo_client.cli.files import DEFAULT_SERVER
from todo_client.cli.session import Run, opened
from todo_client.connection import VERSION
from todo_client.errors import TodoError

app = typer.Typer(
    help="Your tasks, from the command line.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"todo {VERSION}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(envvar="TODO_SERVER", help=f"The server's address; else the last login's, or {DEFAULT_SERVER}."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="TODO_TOKEN", help="A token, instead of a login. Better in the environment.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Open the session that the command works with."""
    run = context.find_object(Run)
    assert run is not None  # noqa: S101 -- see `run` below
    run.session = opened(server, token, json)


for module in (tasks, viewing, account, agents):
    for name, command in module.COMMANDS.items():
        app.command(name)(command)


def run() -> None:
    """Run the command; end with an exit code that means something, and never with a traceback for a user's mistake."""
    state = Run()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a title may have letters that the terminal has not
        sys.stdout.reconfigure(errors="replace")
    try:
        app(obj=state, prog_name="todo")
    except TodoError as error:
        session = state.session
        leave(error, session.server if session else "", is_json=session is not None and session.is_json)
    finally:
        if state.session is not None:
            state.session.close()
