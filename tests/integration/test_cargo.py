"""Which cargo fetches WAMR's crate, on machines as rustup, Debian and Ubuntu leave them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from orchestrator.build.cargo import find_cargo
from orchestrator.domain.errors import BuildError


def program(file: Path, said: str) -> str:
    """Write a program that says something, or fails where that is nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{f'echo {said}' if said else 'exit 1'}\n")
    file.chmod(0o755)
    return str(file)


def machine(*folders: Path, home: Path) -> dict[str, str]:
    """An environment with nothing but these on PATH."""
    return {"PATH": os.pathsep.join(map(str, folders)), "HOME": str(home)}


def test_a_plain_cargo_comes_first(tmp_path: Path) -> None:
    """A new one with a version in its name is there too; no compiler is chosen for it."""
    path = program(tmp_path / "cargo", "cargo 1.85.0")
    program(tmp_path / "cargo-1.91", "cargo 1.91.1")
    found = find_cargo(machine(tmp_path, home=tmp_path))
    assert (found.path, found.said, found.version) == (path, "cargo 1.85.0", (1, 85))
    assert found.environment({"A": "b"}) == {"A": "b"}


def test_a_broken_cargo_hides_no_good_one(tmp_path: Path) -> None:
    """A rustup shim without a toolchain fails; the next on PATH is asked, with its own rustc."""
    program(tmp_path / "shims" / "cargo", "")
    program(tmp_path / "shims" / "rustc", "")
    path = program(tmp_path / "bin" / "cargo", "cargo 1.96.1")
    rustc = program(tmp_path / "bin" / "rustc", "rustc 1.96.1")
    found = find_cargo(machine(tmp_path / "shims", tmp_path / "bin", home=tmp_path))
    assert (found.path, found.rustc) == (path, rustc)


def test_the_newest_numbered_cargo_takes_the_place_of_an_old_one(tmp_path: Path) -> None:
    """Ubuntu 24.04's own is 1.75; of the others beside it the newest by number, with its rustc."""
    program(tmp_path / "cargo", "cargo 1.75.0")
    for minor in ("9", "85", "89", "100"):
        program(tmp_path / f"cargo-1.{minor}", f"cargo 1.{minor}.1")
        program(tmp_path / f"rustc-1.{minor}", "rustc")
    program(tmp_path / "cargo-1.200", "")
    program(tmp_path / "cargo-deb", "cargo-deb 3.1")
    found = find_cargo(machine(tmp_path, home=tmp_path))
    assert found.path == str(tmp_path / "cargo-1.100")
    assert found.environment({}) == {"RUSTC": str(tmp_path / "rustc-1.100")}
    assert found.environment({"RUSTC": "mine"}) == {"RUSTC": "mine"}


@pytest.mark.parametrize("variable", ["HOME", "CARGO_HOME"])
def test_rustups_own_folder_is_the_last_place(tmp_path: Path, variable: str) -> None:
    """It need not be on PATH: rustup's installer adds it to new shells only."""
    home = tmp_path / ".cargo" if variable == "CARGO_HOME" else tmp_path
    environment = {"PATH": str(tmp_path / "none"), "HOME": "/nowhere", variable: str(home)}
    path = program(tmp_path / ".cargo" / "bin" / "cargo", "cargo 1.90.0")
    rustc = program(tmp_path / ".cargo" / "bin" / "rustc", "rustc 1.90.0")
    found = find_cargo(environment)
    assert (found.path, found.rustc) == (path, rustc)


@pytest.mark.parametrize(
    ("cargos", "told"),
    [
        ({}, "there is none"),
        ({"cargo": "cargo 0.66.0"}, "only 0.66 is there"),
        ({"cargo": "cargo 1.75.0", "cargo-1.84": "cargo 1.84.1"}, "only 1.75, 1.84 is there"),
        ({"cargo": ""}, "there is none"),
    ],
)
def test_no_cargo_is_told_with_what_there_is(
    tmp_path: Path, cargos: dict[str, str], told: str
) -> None:
    """One line: what is needed, what was found, who knows what brings it."""
    for name, said in cargos.items():
        program(tmp_path / name, said)
    with pytest.raises(BuildError) as caught:
        find_cargo(machine(tmp_path, home=tmp_path))
    assert str(caught.value) == (
        f"cargo cannot be used: WAMR's crate needs 1.85 or newer and {told};"
        " `farm doctor` prints what brings it"
    )


def test_this_machines_cargo_answers() -> None:
    """What is found can be started, and is as new as it says."""
    try:
        found = find_cargo()
    except BuildError as error:
        pytest.skip(f"no cargo to look at: {error}")
    assert shutil.which(found.path) == found.path
    assert found.said.startswith("cargo ")
