"""Owns how a CMake project becomes a target: built in scratch, its headers learned from ninja."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.build.digests import FileDigests
from orchestrator.build.recipes import Command, Source, Tool
from orchestrator.build.toolchain import missing_tool, program_version

#: Takes what ninja knows of the files it saw compilers read.
_DEPS = "deps.txt"


@dataclass(frozen=True, slots=True)
class Project:
    """A CMake project below native/."""

    native: Path
    #: ``runner``
    name: str
    #: Files CMake reads, relative to native/; what compilers read is learned.
    files: tuple[str, ...]

    def sources(self) -> tuple[Source, ...]:
        """The files CMake reads, as inputs."""
        return tuple(
            Source("source", f"native/{file}", str(self.native / file)) for file in self.files
        )

    def commands(
        self, cmake: Tool, ninja: Tool, options: Sequence[str], product: str
    ) -> tuple[Command, ...]:
        """Configure, build one product into ``build/``, list what was read."""
        project = f"{{native}}/{self.name}"
        return (
            Command(cmake, ("-S", project, "-B", "build", "-G", "Ninja", *options)),
            Command(cmake, ("--build", "build", "--target", product, "--", "--quiet")),
            Command(ninja, ("-C", "build", "-t", "deps"), stdout=_DEPS),
        )


def find_program(name: str, files: FileDigests, *names: str) -> Tool:
    """A program of this machine, by the first of its names that is there.

    Raises:
        BuildError: it is not installed.
    """
    for each in (name, *names):
        path = shutil.which(each)
        if path is None:
            continue
        digest = files.digest(os.path.realpath(path))
        if digest is not None:
            return Tool(name, program_version(path, "--version"), digest.sha256, path)
    raise missing_tool(name, "it is not installed")


def read_ninja_deps(scratch: Path) -> Iterable[str]:
    """Every file a compiler read, as ninja remembers."""
    folder = scratch / "build"
    text = (scratch / _DEPS).read_text()
    return [os.path.join(folder, path) for path in parse_ninja_deps(text)]


def parse_ninja_deps(text: str) -> list[str]:
    """Paths of a ``ninja -t deps`` listing: the indented lines, each once."""
    return sorted(set(re.findall(r"^ +(\S.*)$", text, re.MULTILINE)))
