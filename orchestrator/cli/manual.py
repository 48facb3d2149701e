"""The manual: a page per command, walked from the parser itself and from ``examples.py``.

Whatever shows or writes the manual (``farm help``, ``--help``, a reference) takes ``pages()``.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from orchestrator.cli.examples import EXITS, NOTES, Example
from orchestrator.cli.layout import Line, Span
from orchestrator.cli.nouns import NOUNS, Noun

_INDENT = "  "
_DEEP = "      "


@dataclass(frozen=True, slots=True)
class Entry:
    """An option or an argument."""

    #: ``--limit INTEGER``, ``RUN``.
    name: str
    help: str


@dataclass(frozen=True, slots=True)
class Page:
    """All there is to say of one command."""

    #: The words after ``farm``.
    command: str
    #: The part of the root's help it stands in.
    group: str
    summary: str
    synopsis: str
    #: Paragraphs.
    description: tuple[str, ...]
    arguments: tuple[Entry, ...]
    options: tuple[Entry, ...]
    exits: Mapping[int, str]
    examples: tuple[Example, ...]


def pages() -> Iterator[Page]:
    """Walk all commands, in the order of the root's help."""
    for noun in NOUNS:
        yield from pages_of(noun)


def pages_of(noun: Noun) -> Iterator[Page]:
    """Walk the commands of one word; a group is its commands."""
    command = load(noun)
    if isinstance(command, TyperGroup):
        for name, own in command.commands.items():
            yield _page(f"{noun.name} {name}", noun.group, own)
    else:
        yield _page(noun.name, noun.group, command)


def load(noun: Noun) -> Any:
    """Import a word's command, with its examples below its ``--help``."""
    from importlib import import_module

    command = get_command(import_module(noun.module).app)
    members = command.commands if isinstance(command, TyperGroup) else {"": command}
    for name, own in members.items():
        own.epilog = _epilog(f"{noun.name} {name}".strip())
    return command


def _epilog(words: str) -> str | None:
    notes = NOTES.get(words)
    if notes is None:
        return None
    lines = [line for one in notes.examples for line in (f"  {one.line}", f"      {one.about}")]
    # The mark keeps the parser from filling the lines that follow it.
    return "\b\n" + "\n".join(("Examples:", *lines, "", "\b", f"More: farm help {words}"))


def _page(words: str, group: str, command: Any) -> Page:
    context = typer.Context(command, info_name=words)
    notes = NOTES.get(words)
    text = inspect.cleandoc(command.help or "")
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    parameters = command.get_params(context)
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    options = [one for one in parameters if one.param_type_name == "option"]
    pieces = command.collect_usage_pieces(context)
    exits = dict(sorted({**EXITS, **(notes.exits if notes else {})}.items()))
    return Page(
        command=words,
        group=group,
        summary=paragraphs[0].rstrip("."),
        synopsis=re.sub(r"[{}]", "", " ".join(("farm", words, *pieces))),
        description=tuple(paragraphs),
        arguments=tuple(_entries(arguments, context)),
        options=tuple(_entries(options, context)),
        exits=exits,
        examples=notes.examples if notes else (),
    )


def _entries(parameters: list[Any], context: typer.Context) -> Iterator[Entry]:
    for parameter in parameters:
        record = parameter.get_help_record(context)
        if record is not None:
            yield Entry(record[0], record[1])


def shown(page: Page, width: int) -> Iterator[Line]:
    """Write a page as a manual does."""
    yield from _part("NAME", [f"farm {page.command} - {page.summary}"], width)
    yield from _part("SYNOPSIS", [page.synopsis], width)
    yield from _part("DESCRIPTION", page.description, width)
    yield from _listed("ARGUMENTS", [(one.name, one.help) for one in page.arguments], width)
    yield from _listed("OPTIONS", [(one.name, one.help) for one in page.options], width)
    exits = [(str(code), about) for code, about in page.exits.items()]
    yield from _listed("EXIT CODES", exits, width)
    yield from _listed("EXAMPLES", [(one.line, one.about) for one in page.examples], width)


def _part(title: str, paragraphs: list[str] | tuple[str, ...], width: int) -> Iterator[Line]:
    if title != "NAME":
        yield ()
    yield (Span(title, "title"),)
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ()
        yield from _filled(paragraph, _INDENT, width)


def _listed(title: str, entries: list[tuple[str, str]], width: int) -> Iterator[Line]:
    if not entries:
        return
    yield ()
    yield (Span(title, "title"),)
    for name, about in entries:
        # A line to copy is never broken.
        yield (Span(f"{_INDENT}{name}"),)
        yield from _filled(about, _DEEP, width)


def _filled(text: str, indent: str, width: int) -> Iterator[Line]:
    filled = textwrap.wrap(
        text, max(width, 30), initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    yield from ((Span(line),) for line in filled)
