"""The workloads that ship: the same output in every mode and on every architecture."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from orchestrator.domain.device import Arch
from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.domain.workload import Workload
from orchestrator.files.workloads import read_workload
from tests.support import native, references
from tests.support.references import expected

#: A cold cache builds WAMR and a C library for each architecture first.
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(1200)]

NAMES = [*references.TEXTS, "nbody"]
MODES = {mode.label: mode for mode in map(Mode, (Runtime.FAST, Runtime.AOT, Runtime.NATIVE))}
#: A warning ends the build, of the module and of the native program.
_STRICT = ("-Wall", "-Wextra", "-Werror")


def workload(name: str) -> Workload:
    """One that ships, to be compiled without a warning."""
    found = read_workload(native.ROOT / "workloads" / name)
    return dataclasses.replace(found, flags=(*found.flags, *_STRICT))


def outcome(name: str, mode: Mode, arch: Arch, folder: Path) -> str:
    """What the small size prints; fails the test unless it ends well and marks its region."""
    found = workload(name)
    work = folder / "work"
    work.mkdir()
    for grant in found.grants:
        shutil.copytree(grant.host, work / grant.guest)
    limits = found.limits
    attempt = native.measure(
        native.build(found, mode, arch),
        folder,
        "small",
        cwd=work,
        memory_bytes=limits.memory_bytes,
        output_bytes=limits.output_bytes,
    )
    ended = attempt.one("end")
    assert (ended["stage"], ended["exit_code"]) == ("done", 0), (ended, attempt.stderr)
    assert attempt.one("repeat")["region_ns"] > 0
    return attempt.stdout()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_every_mode_prints_the_same(name: str, mode: str, tmp_path: Path) -> None:
    """The sources compile without a warning, and what they print is right byte for byte."""
    assert outcome(name, MODES[mode], Arch.X86_64, tmp_path) == expected(name, "small")


@pytest.mark.emulator
@pytest.mark.parametrize("arch", [each for each in native.TYPES if each is not Arch.X86_64])
@pytest.mark.parametrize("mode", ["wamr-aot", "native"])
@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_prints_the_same(
    name: str, mode: str, arch: Arch, tmp_path: Path
) -> None:
    """Neither other registers nor another width of pointers changes a byte."""
    assert outcome(name, MODES[mode], arch, tmp_path) == expected(name, "small")


def test_records_leaves_its_summary(tmp_path: Path) -> None:
    """The file that is collected is the one whose digest was printed."""
    outcome("records", MODES["native"], Arch.X86_64, tmp_path)
    summary = (tmp_path / "work" / "out" / "summary.txt").read_text(encoding="ascii")
    assert summary == references.records_summary("small")


@pytest.mark.slow
@pytest.mark.parametrize("name", references.TEXTS)
def test_real_output_is_right(name: str) -> None:
    """The large sizes' expected outputs, worked out another way too."""
    assert expected(name, "real") == references.TEXTS[name]("real")
