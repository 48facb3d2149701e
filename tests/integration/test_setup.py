"""scripts/setup says exactly what a machine lacks, and touches nothing when it may not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: What setup itself needs, and what it looks for.
TOOLS = (
    *("apt-cache", "apt-get", "bash", "cat", "cmake", "dirname", "env", "flock", "g++"),
    *("llvm-config-19", "ninja", "qemu-aarch64-static", "qemu-arm-static"),
    *("sed", "sha256sum"),
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that was never set up."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup", folder / "scripts")
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH of a machine that has all tools, whose user is not root and has no sudo."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not on this machine")
        (folder / name).symlink_to(found)
    program(folder / "id", "echo 1000")
    program(folder / "cargo", "echo cargo 1.85.0")
    program(folder / "python3", f'exec {sys.executable} "$@"')
    return folder


def program(file: Path, line: str) -> None:
    """Write a one-line program."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    file.chmod(0o755)


def set_up(
    checkout: Path, *path: Path, arguments: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the checkout's setup with nothing but these folders on PATH."""
    return subprocess.run(
        [checkout / "scripts" / "setup", *arguments],
        env={"PATH": ":".join(map(str, path)), "HOME": str(checkout)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def asks_for(done: subprocess.CompletedProcess[str]) -> str:
    """Answer the packages in the line that setup tells its user to run."""
    assert done.returncode == 2, done.stderr
    command = "apt-get update && apt-get install -y --no-install-recommends "
    line = done.stderr.splitlines()[-1]
    assert line.startswith(command)
    return line.removeprefix(command)


@pytest.mark.parametrize(
    ("tool", "package"),
    [
        ("cmake", "cmake"),
        ("ninja", "ninja-build"),
        ("g++", "g++"),
        ("llvm-config-19", "llvm-19-dev"),
        ("qemu-aarch64-static", "qemu-user-static"),
        ("qemu-arm-static", "qemu-user-static"),
        ("python3", "python3 python3-venv"),
    ],
)
def test_a_missing_tool_is_asked_for_by_its_package(
    checkout: Path, machine: Path, tool: str, package: str
) -> None:
    """Exit 2, the exact line as the last one, and nothing made."""
    (machine / tool).unlink()
    assert asks_for(set_up(checkout, machine)) == package
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("said", ["exit 1", "echo cargo 0.66.0", "echo cargo 1.84.1"])
def test_a_cargo_that_is_broken_or_old_does_not_count(
    checkout: Path, machine: Path, said: str
) -> None:
    """A rustup shim without a toolchain, and Debian 12's own cargo, lead to its newer one."""
    program(machine / "cargo", said)
    assert asks_for(set_up(checkout, machine)) in {"cargo-web", "cargo"}


def test_a_good_cargo_behind_a_broken_one_counts(
    checkout: Path, machine: Path, tmp_path: Path
) -> None:
    """Only the missing cmake is asked for, though the first cargo on PATH fails."""
    program(tmp_path / "shims" / "cargo", "exit 1")
    (machine / "cmake").unlink()
    assert asks_for(set_up(checkout, tmp_path / "shims", machine)) == "cmake"


def test_a_machine_without_apt_is_told_what_to_look_for(checkout: Path, machine: Path) -> None:
    """Root on another system reads the names of Debian's packages; exit 2."""
    program(machine / "id", "echo 0")
    for tool in ("cmake", "apt-get"):
        (machine / tool).unlink()
    done = set_up(checkout, machine)
    assert done.returncode == 2
    assert "no apt-get here; install what these Debian packages hold: cmake" in done.stderr


def test_what_only_tests_need_is_asked_for_by_them_alone(checkout: Path, machine: Path) -> None:
    """A server off the PATH counts; without one, --tests asks for it and plain setup does not."""
    setup, servers = checkout / "scripts" / "setup", checkout / "servers"
    setup.write_text(setup.read_text().replace("/usr/lib/postgresql", str(servers)))
    (machine / "cmake").unlink()
    assert asks_for(set_up(checkout, machine)) == "cmake"
    assert asks_for(set_up(checkout, machine, arguments=("--tests",))) == "cmake postgresql"
    (servers / "15" / "bin").mkdir(parents=True)
    program(servers / "15" / "bin" / "postgres", "exit 0")
    assert asks_for(set_up(checkout, machine, arguments=("--tests",))) == "cmake"


def test_an_unknown_argument_is_refused(checkout: Path, machine: Path) -> None:
    """Before anything is looked for."""
    done = set_up(checkout, machine, arguments=("--test",))
    assert (done.returncode, done.stderr) == (
        2,
        "scripts/setup: unknown argument --test; it takes --tests or nothing\n",
    )
