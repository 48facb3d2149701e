"""docs/reference/commands.md: every command, as ``farm help`` knows it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.cli.examples import EXITS
from orchestrator.cli.manual import Entry, Page, pages
from scripts.reference_pages.markdown import code, opening, table

_WORDS = """
`farm help COMMAND` shows the same in a terminal, `COMMAND --help` in short. `--farm DIR` picks the
farm, else `FARM_DIR` does, else the nearest parent folder with a farm.toml. `--json` prints one
document on stdout with nothing else there; prose goes to stderr.
"""


def commands_page() -> str:
    """Write the page."""
    known = list(pages())
    parts = [
        opening(
            "Commands", "`orchestrator/cli/*` and the examples in `orchestrator/cli/examples.py`"
        ),
        _WORDS,
        "\n".join(_contents(known)) + "\n",
        _exits(),
        *(part for page in known for part in _page(page)),
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _contents(known: list[Page]) -> Iterator[str]:
    for group in dict.fromkeys(page.group for page in known):
        links = (
            f"[{page.command}](#farm-{page.command.replace(' ', '-')})"
            for page in known
            if page.group == group
        )
        yield f"- {group}: {', '.join(links)}"


def _exits() -> str:
    rows = ((str(code_), about) for code_, about in EXITS.items())
    return "## Exit codes\n\nOf every command; what a command adds stands with it.\n\n" + table(
        ("code", "meaning"), rows
    )


def _page(page: Page) -> Iterator[str]:
    yield f"## farm {page.command}"
    yield f"```text\n{page.synopsis}\n```"
    yield from page.description
    for head, entries in (("argument", page.arguments), ("option", page.options)):
        if entries:
            yield table((head, "meaning"), map(_entry, entries))
    yield from _own_exits(page)
    yield table(("example", "what it does"), ((code(e.line), e.about) for e in page.examples))


def _own_exits(page: Page) -> Iterator[str]:
    described = " ".join(page.description)
    for number, about in page.exits.items():
        told = re.search(rf"Exits with [^.]*\b{number} if", described)
        if EXITS.get(number) != about and not told:
            yield f"Exit code {number}: {about}."


def _entry(entry: Entry) -> tuple[str, str]:
    return code(" ".join(entry.name.split())), entry.help
