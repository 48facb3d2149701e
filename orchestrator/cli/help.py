"""``farm help``: the manual."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated

import typer

from orchestrator.cli import view
from orchestrator.cli.nouns import NOUNS, root_help
from orchestrator.cli.options import new_app
from orchestrator.domain.errors import NotFound

app = new_app()

#: A page of a manual is easier to read narrow.
_WIDEST = 80


@app.command("help")
def help_(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="One word or two.")
    ] = None,
) -> None:
    """Explain a command in full: what it does, its options, exit codes and examples."""
    if not command:
        view.say(root_help().rstrip("\n"))
        return
    from orchestrator.cli.manual import pages_of, shown

    noun = next((noun for noun in NOUNS if noun.name == command[0]), None)
    if noun is None:
        raise NotFound(_unknown(command[0], [noun.name for noun in NOUNS]))
    words = " ".join(command)
    found = list(pages_of(noun))
    chosen = [page for page in found if f"{page.command} ".startswith(f"{words} ")]
    if not chosen:
        raise NotFound(_unknown(words, [page.command for page in found]))
    width = min(_WIDEST, shutil.get_terminal_size().columns if _is_terminal() else _WIDEST)
    for number, page in enumerate(chosen):
        if number:
            view.say("\n")
        view.lines(shown(page, width))


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _unknown(words: str, known: list[str]) -> str:
    from orchestrator.files.spelling import next_step

    return f"there is no command '{words}': {next_step(words, known)}"
