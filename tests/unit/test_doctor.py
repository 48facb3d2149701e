"""What the doctor knows of versions, and that it never leaves a lack without its remedy."""

from __future__ import annotations

import pytest

from orchestrator.cli.details import findings_table
from orchestrator.doctor import OLDEST_CARGO, Finding, cargo_version, examine


@pytest.mark.parametrize(
    ("said", "version"),
    [("cargo 0.66.0 (d65d197ad 2022)", (0, 66)), ("cargo 1.96.1", (1, 96)), ("", (0, 0))],
)
def test_cargos_version_is_read(said: str, version: tuple[int, int]) -> None:
    """Debian 12's own is too old, its cargo-web is not."""
    assert cargo_version(said) == version
    assert (version >= OLDEST_CARGO) is (version == (1, 96))


def test_every_need_has_a_remedy() -> None:
    """A command that can be pasted."""
    for finding in examine():
        assert finding.remedy.startswith(("apt-get install ", "scripts/setup"))


def test_a_lack_shows_the_command_that_brings_it() -> None:
    """In place of a version."""
    table = findings_table((Finding("AOT compiler", "LLVM 19", "", "apt-get install x"),))
    assert table.sections[0].rows == (("AOT compiler", "LLVM 19", "missing", "apt-get install x"),)
