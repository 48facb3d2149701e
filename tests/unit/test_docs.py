"""The pages for people name what exists, and what exists is named there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.cli.nouns import NOUNS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
COMMANDS = {noun.name for noun in NOUNS}


def read(name: str) -> str:
    """Read a page of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link and picture of a page is a file of the checkout."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    relative = [link for link in links if "://" not in link]
    assert [link for link in relative if not (page.parent / link).exists()] == []


def test_the_readme_shows_every_command() -> None:
    """No command is left to be found by chance."""
    shown = set(re.findall(r"\bfarm ([a-z]+)\b", read("README.md")))
    assert sorted(COMMANDS - shown) == []


def test_commands_in_code_of_the_readme_exist() -> None:
    """A reader never copies a command that is not there."""
    blocks = re.findall(r"```sh\n(.*?)```", read("README.md"), flags=re.DOTALL)
    called = {word for block in blocks for word in re.findall(r"(?m)^farm ([a-z]+)", block)}
    assert called
    assert sorted(called - COMMANDS) == []


def test_every_benchmark_is_in_its_table() -> None:
    """Each program under benchmarks/ has its row, and each row its program."""
    programs = {
        file.name
        for file in (ROOT / "benchmarks").glob("*.py")
        if "__main__" in file.read_text(encoding="utf-8")
    }
    rows = set(re.findall(r"(?m)^\| `([a-z_]+\.py)`", read("benchmarks/README.md")))
    assert rows == programs


def test_no_lock_line_names_an_address() -> None:
    """The lock fixes versions and bytes; where they come from is each machine's own affair."""
    lock = read("requirements.lock")
    assert re.findall(r"(?m)^.*(?:://|--index-url|--find-links|--trusted-host).*$", lock) == []
    pins = re.findall(r"(?m)^[a-z0-9-]+==\S+ \\$", lock)
    assert len(pins) == len(re.findall(r"(?m)^[a-z0-9].*$", lock))
    assert lock.count("--hash=sha256:") >= len(pins)
