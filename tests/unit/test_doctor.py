"""What the doctor knows of versions and systems; no lack is left without a remedy."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.care.conditions import disk, examine_machine, let_programs_run
from orchestrator.care.doctor import Finding, examine, program
from orchestrator.care.packages import bring, parse_release
from orchestrator.cli.details import findings_table

UBUNTU = """\
# of a machine in the field
PRETTY_NAME="Ubuntu 24.04.1 LTS"
ID=ubuntu
ID_LIKE=debian
VERSION_ID='24.04'
"""


def test_every_need_has_a_remedy(tmp_path: Path) -> None:
    """A line that says what to do; each need is named once."""
    found = [*examine(), *examine_machine(tmp_path / "cache" / "not" / "yet")]
    assert all(finding.remedy for finding in found)
    assert len({(one.feature, one.needs) for one in found}) == len(found)


def test_a_lack_shows_the_command_that_brings_it() -> None:
    """In place of a version."""
    table = findings_table((Finding("AOT compiler", "LLVM 19", "", "apt-get install x"),))
    assert table.sections[0].rows == (("AOT compiler", "LLVM 19", "missing", "apt-get install x"),)


def test_a_package_is_brought_as_its_system_does() -> None:
    """Debian's kin by apt-get; another is told what to look for."""
    ubuntu = parse_release(UBUNTU)
    assert ubuntu["VERSION_ID"] == "24.04"
    for release in (ubuntu, {"ID": "raspbian", "ID_LIKE": "debian"}, {"ID": "debian"}):
        assert bring("cmake", release).endswith("apt-get install -y --no-install-recommends cmake")
    assert bring("g++", {"ID": "fedora", "PRETTY_NAME": "Fedora Linux 43"}) == (
        "install what Debian calls g++, with the package manager of Fedora Linux 43"
    )
    assert "package manager of this system" in bring("g++", {})


@pytest.mark.parametrize(
    "script", ["exit 1", "kill -9 $$", None], ids=["fails", "dies", "of another machine"]
)
def test_a_broken_program_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    """It is run, not only found."""
    broken = tmp_path / "gizmo"
    broken.write_bytes(b"\x7fELF" if script is None else f"#!/bin/sh\n{script}\n".encode())
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program("gizmo")() == ""
    broken.write_text("#!/bin/sh\necho gizmo 1.2\n")
    assert program("gizmo")() == "gizmo 1.2"


def other_machine(root: Path, **files: str) -> dict[str, Finding]:
    """Look at a machine of some files of /sys and /proc."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {one.needs: one for one in examine_machine(root, root)}


def test_another_machine_is_judged_by_its_own_files(tmp_path: Path) -> None:
    """A board with little memory and a governor that saves power, then one made ready."""
    found = other_machine(tmp_path / "empty")
    assert not found["governor performance"].present
    assert "no frequency control" in found["governor performance"].remedy
    governor = "sys__devices__system__cpu__cpu0__cpufreq__scaling_governor"
    board = {"proc__meminfo": "MemTotal: 1 kB\nMemAvailable: 900000 kB\n", governor: "ondemand\n"}
    found = other_machine(tmp_path / "board", **board)
    assert not found["2 GiB of memory"].present
    assert "it is ondemand" in found["governor performance"].remedy
    ready = {
        "proc__meminfo": "MemAvailable: 4194304 kB\n",
        governor: "performance\n",
        "proc__self__cgroup": "0::/user.slice/x.scope\n",
        "sys__fs__cgroup__user.slice__x.scope__cgroup.procs": "",
        "sys__fs__cgroup__user.slice__x.scope__cgroup.controllers": "cpu memory pids\n",
    }
    found = other_machine(tmp_path / "ready", **ready)
    assert found["2 GiB of memory"].found == "4.0 GiB available"
    assert found["governor performance"].found == "performance"
    assert found["cgroups v2, delegated"].found == "/user.slice/x.scope"


def test_a_disk_without_room_is_told(tmp_path: Path) -> None:
    """Bytes and inodes each; a folder that is not there yet counts by the one it will be in."""
    room, inodes = disk(tmp_path / "a" / "b", "cache", 1)
    assert room.present
    assert inodes.present
    room, _ = disk(tmp_path, "cache", 1 << 62)
    assert replace(room, needs="") == Finding(
        "cache", "", "", f"make room in {tmp_path}, or: farm gc --cache"
    )


def test_a_folder_that_takes_no_programs_is_told_why() -> None:
    """One of somebody else's is no matter of mounting."""
    other = Path("/srv/cache")
    assert let_programs_run(other, writable=False) == (
        f"make it yours: chown {os.geteuid()} /srv/cache; or choose another folder"
    )
    assert let_programs_run(other, writable=True).startswith("mount it without noexec: mount -o")
