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
    *("bash", "cat", "cmake", "dirname", "env", "flock", "g++"),
    *("llvm-config-19", "ninja", "qemu-aarch64-static", "qemu-arm-static"),
    *("sed", "sha256sum"),
)
#: Further ones that are asked for.
PACKAGES = (
    *("python3-venv", "cmake", "ninja-build", "g++", "llvm-19-dev", "libsimde-dev"),
    *("qemu-user-static", "ca-certificates", "postgresql", "zsh", "fish"),
)
#: What the systems' own packages are, as far as setup asks.
DEBIAN = {"cargo": "0.66.0+ds1-1", "cargo-web": "1.85.0+dfsg3-1~deb12u3"}
SYSTEMS = {
    "Debian 12": DEBIAN,
    "Debian 13": {"cargo": "1.85.0+dfsg3-1", "cargo-web": "1.96.0+dfsg1-1~deb13u2"},
    "Ubuntu 24.04": {
        "cargo": "1.75.0+dfsg0ubuntu1-0ubuntu7.4",
        "cargo-1.9": "1.9.0-1",
        "cargo-1.84": "1.84.0+dfsg0ubuntu1-0ubuntu0.24.04.1",
        "cargo-1.91": "1.91.1+dfsg0ubuntu1-0ubuntu0.24.04.3",
        "cargo-1.89": "1.89.0+dfsg0ubuntu1-0ubuntu0.24.04.1",
        "cargo-1.95": "(none)",
        "rustc-1.91": "1.91.1+dfsg0ubuntu1-0ubuntu0.24.04.3",
    },
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that was never set up."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup", folder / "scripts")
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    lists = folder / "lists"
    lists.mkdir()
    (lists / "archive_Packages.lz4").touch()
    change(folder, "/var/lib/apt/lists", lists)
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
    for name in ("zsh", "fish"):
        program(folder / name, "exit 0")
    program(folder / "python3", f'exec {sys.executable} "$@"')
    program(folder / "apt-get", "exit 70")
    knows(folder, {**dict.fromkeys(PACKAGES, "1"), **DEBIAN, "python3": "3.11.2-1+b1"})
    return folder


def change(checkout: Path, place: str, other: Path) -> None:
    """Have a checkout's setup look elsewhere."""
    setup = checkout / "scripts" / "setup"
    text = setup.read_text()
    assert place in text
    setup.write_text(text.replace(place, str(other)))


def program(file: Path, line: str) -> None:
    """Write a one-line program."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    file.chmod(0o755)


def knows(machine: Path, packages: dict[str, str]) -> None:
    """Give a machine an apt that knows these packages, each with the version it would install."""
    policy = [f"{name}:\n  Installed: (none)\n  Candidate: {packages[name]}" for name in packages]
    numbered = [name for name in packages if name.startswith("cargo-1.")]
    program(
        machine / "apt-cache",
        f"""[ "$1" = policy ] && cat <<'END' || cat <<'ELSE'
{chr(10).join(policy)}
END
{chr(10).join(numbered)}
ELSE""",
    )


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


@pytest.mark.parametrize(
    ("system", "packages"),
    [
        ("Debian 12", "cargo-web"),
        ("Debian 13", "cargo"),
        ("Ubuntu 24.04", "cargo-1.91 rustc-1.91"),
    ],
)
@pytest.mark.parametrize("said", ["exit 1", "echo cargo 0.66.0", "echo cargo 1.84.1"])
def test_a_cargo_that_is_broken_or_old_does_not_count(
    checkout: Path, machine: Path, system: str, packages: str, said: str
) -> None:
    """A rustup shim without a toolchain, and a system's old one, lead to its newest."""
    program(machine / "cargo", said)
    knows(machine, SYSTEMS[system])
    assert asks_for(set_up(checkout, machine)) == packages


def test_numbered_cargos_and_rustups_own_count(checkout: Path, machine: Path) -> None:
    """As the build itself looks for one; an old numbered one does not."""
    (machine / "cargo").unlink()
    (machine / "cmake").unlink()
    knows(machine, {**SYSTEMS["Debian 13"], "cmake": "3.31.6-2"})
    program(machine / "cargo-1.84", "echo cargo 1.84.0")
    assert asks_for(set_up(checkout, machine)) == "cmake cargo"
    program(machine / "cargo-1.91", "echo cargo 1.91.1")
    assert asks_for(set_up(checkout, machine)) == "cmake"
    (machine / "cargo-1.91").unlink()
    (checkout / ".cargo").mkdir()
    program(checkout / ".cargo" / "bin" / "cargo", "echo cargo 1.90.0")
    assert asks_for(set_up(checkout, machine)) == "cmake"


def test_a_system_that_is_too_old_is_told_in_one_line(checkout: Path, machine: Path) -> None:
    """Ubuntu 22.04: nothing is installed, also by root, and the line names all it lacks."""
    release = checkout / "os-release"
    release.write_text('NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\nVERSION_ID="22.04"\n')
    change(checkout, "/etc/os-release", release)
    for tool in ("python3", "llvm-config-19", "cargo", "cmake"):
        (machine / tool).unlink()
    known = {"python3": "3.10.6-1~22.04.1", "python3-venv": "3.10.6-1~22.04.1", "cmake": "3.22.1"}
    knows(machine, {**known, "cargo": "1.75.0+dfsg0ubuntu1~bpo0-0ubuntu0.22.04"})
    told = (
        "scripts/setup: the packages of Ubuntu 22.04.5 LTS have no Python 3.11, llvm-19-dev, cargo"
        " 1.85; take Debian 12, Ubuntu 24.04 or newer, or bring these otherwise\n"
    )
    done = set_up(checkout, machine)
    assert (done.returncode, done.stderr) == (2, told)
    program(machine / "id", "echo 0")
    program(machine / "apt-get", '[ "$1" = update ] || exit 70')
    done = set_up(checkout, machine)
    assert (done.returncode, done.stderr) == (2, told)


def test_an_apt_that_never_had_lists_is_brought_up_to_date_first(
    checkout: Path, machine: Path
) -> None:
    """As in a fresh image: without root the line to run; as root the end if that failed too."""
    (checkout / "lists" / "archive_Packages.lz4").unlink()
    (machine / "cmake").unlink()
    done = set_up(checkout, machine)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "apt-get update"
    program(machine / "id", "echo 0")
    program(machine / "apt-get", "exit 100")
    done = set_up(checkout, machine)
    assert done.returncode == 2
    assert "apt has no lists" in done.stderr


def test_a_good_cargo_behind_a_broken_one_counts(
    checkout: Path, machine: Path, tmp_path: Path
) -> None:
    """Only the missing cmake is asked for, though the first cargo on PATH fails."""
    program(tmp_path / "shims" / "cargo", "exit 1")
    (machine / "cmake").unlink()
    assert asks_for(set_up(checkout, tmp_path / "shims", machine)) == "cmake"


def test_a_machine_without_apt_is_told_what_to_look_for(checkout: Path, machine: Path) -> None:
    """Anybody on another system reads the names of Debian's packages; exit 2."""
    for tool in ("cmake", "cargo", "apt-get"):
        (machine / tool).unlink()
    for user in ("1000", "0"):
        program(machine / "id", f"echo {user}")
        done = set_up(checkout, machine)
        assert (done.returncode, done.stderr) == (
            2,
            "scripts/setup: no apt-get here; install what these Debian packages hold: cmake cargo"
            " (Python 3.11, cargo 1.85 or newer, LLVM 19)\n",
        )


def test_what_only_tests_need_is_asked_for_by_them_alone(checkout: Path, machine: Path) -> None:
    """A server off the PATH counts; plain setup asks neither for it nor for further shells."""
    servers = checkout / "servers"
    change(checkout, "/usr/lib/postgresql", servers)
    (machine / "cmake").unlink()
    assert asks_for(set_up(checkout, machine)) == "cmake"
    assert asks_for(set_up(checkout, machine, arguments=("--tests",))) == "cmake postgresql"
    for shell in ("zsh", "fish"):
        (machine / shell).unlink()
    assert asks_for(set_up(checkout, machine)) == "cmake"
    wanted = "cmake postgresql zsh fish"
    assert asks_for(set_up(checkout, machine, arguments=("--tests",))) == wanted
    (servers / "15" / "bin").mkdir(parents=True)
    program(servers / "15" / "bin" / "postgres", "exit 0")
    wanted = "cmake zsh fish"
    assert asks_for(set_up(checkout, machine, arguments=("--tests",))) == wanted


def test_an_unknown_argument_is_refused(checkout: Path, machine: Path) -> None:
    """Before anything is looked for."""
    done = set_up(checkout, machine, arguments=("--test",))
    assert (done.returncode, done.stderr) == (
        2,
        "scripts/setup: unknown argument --test; it takes --tests or nothing\n",
    )
