"""Writes the pages of docs/reference, or says which of them are not what the code says."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.reference_pages.commands import commands_page
from scripts.reference_pages.database import database_page
from scripts.reference_pages.files import files_page
from scripts.reference_pages.outcomes import outcomes_page

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES = {
    "commands.md": commands_page,
    "files.md": files_page,
    "database.md": database_page,
    "outcomes.md": outcomes_page,
}
USAGE = "usage: scripts/reference [--check]"


def main(arguments: list[str]) -> int:
    """Write the pages or, with ``--check``, compare them; answers the exit code."""
    if arguments not in ([], ["--check"]):
        print(USAGE, file=sys.stderr)
        return 2
    if arguments:
        return _check(old_pages(FOLDER))
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
    return 0


def old_pages(folder: Path) -> list[str]:
    """List the pages of a folder that are not what the code says now, missing ones too."""
    return [name for name, make in PAGES.items() if _written(folder / name) != make()]


def _written(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _check(old: list[str]) -> int:
    for name in old:
        print(
            f"reference: docs/reference/{name} is old; run scripts/reference and commit it",
            file=sys.stderr,
        )
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
