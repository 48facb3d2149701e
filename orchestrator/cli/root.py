"""The parser's root: the options before a command, and commands that load when they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from orchestrator.cli import session, view
from orchestrator.cli.nouns import NOUNS, root_help
from orchestrator.domain.errors import UsageError


class LazyGroup(TyperGroup):
    """Knows every command by name and line of help; imports one when it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {noun.name: TyperCommand(noun.name, help=noun.help) for noun in NOUNS}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the command."""
        from orchestrator.cli.manual import load

        noun = next((noun for noun in NOUNS if noun.name == cmd_name), None)
        return None if noun is None else load(noun)

    def get_help(self, ctx: Any) -> str:
        """Answer the root's help, which needs no command."""
        return root_help()


app = typer.Typer(cls=LazyGroup, add_completion=False, rich_markup_mode=None)


def _show_version(wanted: bool) -> None:
    if wanted:
        from orchestrator.version import farm_version

        view.say(f"farm {farm_version()}")
        raise typer.Exit


@app.callback()
def _root(
    farm: Annotated[Path | None, typer.Option(metavar="DIR")] = None,
    color: Annotated[view.Colour, typer.Option(metavar="WHEN")] = view.Colour.AUTO,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    session.choose_farm(farm)
    view.choose_colour(color)


def _refuse_undecodable(argument: str) -> None:
    """Python keeps bytes that are no UTF-8 as lone surrogates, which no database or wire takes."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        shown = argument.encode(errors="backslashreplace").decode()
        raise UsageError(f"'{shown}' is not UTF-8 text: rename it, or write it so") from None


def run(arguments: list[str]) -> int:
    """Run one command.

    Raises:
        Exception: whatever ended it; ``main`` tells it.

    Returns:
        Its exit code.
    """
    for argument in arguments:
        _refuse_undecodable(argument)
    command = get_command(app)
    try:
        # Not by its ``main``, which ends the process itself where a reader has left.
        with command.make_context("farm", arguments) as context:
            code = command.invoke(context)
    except typer.Exit as end:
        code = end.exit_code
    return code if isinstance(code, int) else 0
