"""The manual knows every command, and its examples are held to the parser they are for."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer

from orchestrator.cli import nouns
from orchestrator.cli.examples import NOTES
from orchestrator.cli.layout import columns_of
from orchestrator.cli.manual import load, pages, shown
from orchestrator.cli.root import app

PAGES = list(pages())
EXAMPLES = [(page.command, one.line) for page in PAGES for one in page.examples]


def test_every_command_has_examples_and_no_page_is_of_nothing() -> None:
    """A command that is added is explained."""
    assert [page.command for page in PAGES if not page.examples] == []
    assert sorted(set(NOTES) - {page.command for page in PAGES}) == []


@pytest.mark.parametrize("page", PAGES, ids=[page.command for page in PAGES])
def test_a_page_says_what_each_part_is_for(page: Any) -> None:
    """Every option has its help, and the codes all commands share are there."""
    assert page.summary
    assert page.synopsis.startswith(f"farm {page.command}")
    assert [one.name for one in page.options if not one.help] == []
    assert {0, 2, 3, 70} <= set(page.exits)


def parse(command: Any, arguments: list[str], words: str) -> None:
    """Hold arguments to a command's parser, down to the one they name, without running it."""
    context = command.make_context(words, list(arguments))
    members = getattr(command, "commands", None)
    if members is not None:
        name = arguments[0]
        parse(members[name], arguments[1:], f"{words} {name}")
    context.close()


@pytest.mark.parametrize(("command", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_is_real(command: str, line: str) -> None:
    """It calls the command it stands with, in words that command takes."""
    called = re.fullmatch(r'(?:eval "\$\()?(farm[^<>)]*?)(?:\)")?(?: [<>] \S+)?', line)
    assert called, line
    words = shlex.split(called[1])
    assert words.pop(0) == "farm"
    if words[:1] == ["--farm"]:
        del words[:2]
    assert " ".join(words).startswith(command)
    noun = next(noun for noun in nouns.NOUNS if noun.name == words[0])
    parse(load(noun), words[1:], noun.name)


def test_a_wrong_example_would_be_noticed() -> None:
    """The test above can fail."""
    noun = next(noun for noun in nouns.NOUNS if noun.name == "runs")
    with pytest.raises(typer.TyperException):
        parse(load(noun), ["list", "--bogus"], "runs")


@pytest.mark.parametrize("width", [30, 60, 80])
def test_a_page_fits_and_breaks_no_line_to_copy(width: int) -> None:
    """Only names and examples may be wider than the screen."""
    for page in PAGES:
        lines = ["".join(span.text for span in line) for line in shown(page, width)]
        whole = {f"  {one.line}" for one in page.examples}
        whole |= {f"  {one.name}" for one in (*page.options, *page.arguments)}
        assert {f"  {one.line}" for one in page.examples} <= set(lines)
        long = [line for line in lines if columns_of(line) > width and line not in whole]
        # A single word may be longer than a very narrow screen.
        assert [line for line in long if len(line.split()) > 1] == []


def test_every_word_stands_in_a_part_of_the_roots_help() -> None:
    """None is left out, and the parts are those that are named."""
    assert {noun.group for noun in nouns.NOUNS} == set(nouns.GROUPS)
    text = nouns.root_help()
    assert [line.split()[0] for line in text.splitlines() if re.match(r"  [a-z]", line)] == [
        noun.name for group in nouns.GROUPS for noun in nouns.NOUNS if noun.group == group
    ]
    assert max(map(len, text.splitlines())) <= 80


def test_the_roots_options_are_those_of_its_parser() -> None:
    """Its help is written by hand, so that it is quick."""
    from typer.main import get_command

    names = {name for one in get_command(app).params for name in one.opts}
    assert set(re.findall(r"(?m)^  (--[a-z]+)", nouns.root_help())) == names | {"--help"}
