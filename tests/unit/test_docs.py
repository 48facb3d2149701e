"""The pages for people name what exists, and what exists is named there."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

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


def anchors(page: Path) -> set[str]:
    """List what a link may point at in a page, as GitHub names its headings."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    heads = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_to_headings_find_them(page: Path) -> None:
    """A link with an anchor leads to a heading that is there."""
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    within = [(link, anchor) for link, anchor in links if "://" not in link]
    missing = [
        (link, anchor)
        for link, anchor in within
        if anchor not in anchors(page.parent / link if link else page)
    ]
    assert missing == []


def test_the_index_leads_to_every_page() -> None:
    """No page is left to be found by chance."""
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / link).resolve()
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", read("docs/README.md"))
    }
    pages = set((ROOT / "docs").rglob("*.md")) - {index}
    assert sorted(page.name for page in pages - linked) == []


def test_the_architecture_names_every_room() -> None:
    """Its table has a row for each package, and each path in it is there."""
    cells = re.findall(r"(?m)^\| (`.+?) \|", read("docs/architecture.md"))
    named = {name.rstrip("/") for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    packages = {file.parent.name for file in (ROOT / "orchestrator").glob("*/__init__.py")}
    assert sorted({f"orchestrator/{name}" for name in packages} - named) == []
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_drawing_is_readable_in_light_and_dark() -> None:
    """It is well-formed, tells what it shows, and every colour has its dark one."""
    text = read("docs/architecture.svg")
    assert [child.tag.rpartition("}")[2] for child in ElementTree.fromstring(text)][:2] == [  # noqa: S314  # our own file
        "title",
        "desc",
    ]
    light, _, dark = text.partition("@media (prefers-color-scheme: dark)")
    coloured = re.compile(r"(?m)^ +(\.?[a-z-]+) \{[^}]*(?:fill|stroke): #")
    assert sorted(set(coloured.findall(light)) - set(coloured.findall(dark))) == []


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
