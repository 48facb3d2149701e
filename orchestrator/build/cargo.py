"""Owns which cargo of this machine fetches WAMR's crate; ``scripts/setup`` looks as it does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import BuildError

#: The first with Rust's edition 2024, which the crate is written in.
OLDEST_CARGO = (1, 85)
#: Seconds a cargo may take to say its version; a shim may try a download first.
_VERSION_S = 10
#: Ubuntu's further Rusts: ``cargo-1.89`` comes with ``rustc-1.89``, neither with a plain name.
_NUMBERED = re.compile(r"cargo-(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Cargo:
    """A cargo, with the compiler that it asks about the machine."""

    path: str
    version: tuple[int, int]
    #: All it says of itself.
    said: str
    #: Empty: the ``rustc`` that cargo finds itself.
    rustc: str = ""

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """What it is started with; a compiler that the user names stays."""
        return {"RUSTC": self.rustc, **base} if self.rustc else dict(base)


def find_cargo(environment: Mapping[str, str] | None = None) -> Cargo:
    """A cargo that is new enough for the crate.

    Every plain one on PATH is asked, since a shim without a toolchain may hide one that works;
    then those whose names carry a version, newest first; then the user's own from rustup.

    Args:
        environment: with PATH and CARGO_HOME or HOME; None: this process's.

    Raises:
        BuildError: there is none.
    """
    old = []
    for cargo in _cargos(os.environ if environment is None else environment):
        if cargo.version >= OLDEST_CARGO:
            return cargo
        old.append(".".join(map(str, cargo.version)))
    wanted = ".".join(map(str, OLDEST_CARGO))
    have = f"only {', '.join(dict.fromkeys(old))} is there" if old else "there is none"
    raise BuildError(
        f"cargo cannot be used: WAMR's crate needs {wanted} or newer and {have};"
        " `farm doctor` prints what brings it"
    )


def _cargos(environment: Mapping[str, str]) -> Iterator[Cargo]:
    folders = os.get_exec_path(environment)
    for folder in folders:
        # Its own neighbour: the first rustc on PATH may be another's shim that does not work.
        yield from _ask(
            shutil.which("cargo", path=folder), shutil.which("rustc", path=folder) or ""
        )
    for name in sorted(_numbered(folders), key=_number, reverse=True):
        rustc = shutil.which(name.replace("cargo", "rustc"), path=os.pathsep.join(folders))
        yield from _ask(shutil.which(name, path=os.pathsep.join(folders)), rustc or "")
    home = environment.get("CARGO_HOME") or os.path.join(environment.get("HOME", "~"), ".cargo")
    own = os.path.join(os.path.expanduser(home), "bin")
    yield from _ask(shutil.which("cargo", path=own), shutil.which("rustc", path=own) or "")


def _numbered(folders: list[str]) -> set[str]:
    names = (file.name for folder in folders for file in Path(folder).glob("cargo-*"))
    return {name for name in names if _NUMBERED.fullmatch(name)}


def _number(name: str) -> tuple[int, int]:
    return _version(name.partition("-")[2])


def _ask(path: str | None, rustc: str = "") -> Iterator[Cargo]:
    """Nothing where it is not there, broken, or answers as no cargo does."""
    if path is None:
        return
    try:
        said = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_S,
            check=True,
            stdin=subprocess.DEVNULL,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return
    version = _version(said)
    if version != (0, 0):
        yield Cargo(path, version, said.partition("\n")[0], rustc)


def _version(said: str) -> tuple[int, int]:
    """Major and minor; (0, 0): it says none."""
    found = re.search(r"(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)
