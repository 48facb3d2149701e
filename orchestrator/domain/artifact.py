"""Artifacts: bytes named by sha256 and size, and where they came from (D1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The name of some bytes."""

    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            msg = f"not a sha256: {self.sha256!r}"
            raise ValueError(msg)
        if self.size_bytes < 0:
            msg = f"negative size: {self.size_bytes}"
            raise ValueError(msg)


class ArtifactKind(StrEnum):
    """What some bytes are for."""

    SOURCE = "source"
    OBJECT = "object"
    ARCHIVE = "archive"
    RUNNER = "runner"
    COMPILER = "compiler"
    WASM = "wasm"
    AOT = "aot"
    NATIVE = "native"
    INPUT = "input"
    EXPECTED = "expected"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Artifact:
    """Bytes with a purpose and a name for people."""

    digest: Digest
    kind: ArtifactKind
    #: For people: ``gemm/gemm_nn.c``, ``farm-runner fast aarch64``.
    name: str
    #: Target architecture, empty where there is none.
    arch: str = ""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One input of a recipe."""

    #: ``source``, ``header``, ``object``, ``archive``, ``module``, ``tree``, ..
    role: str
    #: Name for people, relative to the recipe's folder; never a path of one machine.
    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Provenance:
    """How an artifact was made: enough to make it again."""

    #: sha256 over tool, argv, ingredients and target.
    key: str
    product: Artifact
    #: Name and version of the tool, ``zig cc 0.15.2``.
    tool: str
    #: sha256 of the tool.
    tool_sha256: str
    #: The command, with names in place of this machine's paths.
    argv: tuple[str, ...]
    ingredients: tuple[Ingredient, ...]
    wall_s: float
    made_at: datetime
