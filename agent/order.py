"""An order to run one attempt, as frozen values: read from the wire and checked once.

Nothing from the wire becomes a path or a word of a command line before it went through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.errors import MalformedOrder
from protos.farm.v1 import agents_pb2 as pb

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")

#: NAME_MAX of every Linux filesystem in use, bytes (linux/limits.h).
NAME_MAX_BYTES = 255

#: Half of PATH_MAX (4,096 bytes, linux/limits.h): the other half is the attempt folder's own path.
PATH_MAX_BYTES = 2048


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One attempt under one lease; ordered as the agent must begin them."""

    fence: int
    sequence: int
    attempt_id: int

    @property
    def key(self) -> tuple[int, int]:
        """What only grows."""
        return (self.fence, self.sequence)

    @property
    def name(self) -> str:
        """A file name of its own."""
        return f"{self.fence}.{self.sequence}.{self.attempt_id}"


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes, named by what they are."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A blob to be placed at a relative path, given by its checked parts."""

    parts: tuple[str, ...]
    blob: Blob
    executable: bool


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder the program may use, relative to its working folder; no parts: that one itself."""

    parts: tuple[str, ...]
    files: tuple[StagedFile, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an attempt may use; 0: no limit (never for the time)."""

    timeout_s: float
    memory_bytes: int
    output_bytes: int
    processes: int
    stack_bytes: int


class CheckKind(StrEnum):
    """How an output is held against what is expected."""

    EXACT = "exact"
    DIGEST = "digest"
    TOLERANCE = "tolerance"


@dataclass(frozen=True, slots=True)
class Check:
    """What is expected of an output."""

    kind: CheckKind
    #: Of the expected output.
    sha256: str
    #: The expected output itself; None where only its digest is known.
    expected: Blob | None = None
    #: Of the tolerance: a share of the expected number, and a number.
    relative: float = 0.0
    absolute: float = 0.0
    #: The output that is judged, by its parts; empty: standard output.
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """All that is needed to run one attempt."""

    ref: Ref
    runner: Blob
    #: Run by the runner itself (True) or started by it (False).
    wasm: bool
    program: Blob
    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    stdin: Blob | None
    directories: tuple[Directory, ...]
    warmups: int
    repeats: int
    limits: Limits
    #: None: any output is right.
    check: Check | None = None
    #: Files the program leaves in its working folder, by their parts.
    outputs: tuple[tuple[str, ...], ...] = ()
    #: What each repeat must print to standard error; None: anything.
    stderr: Blob | None = None

    @property
    def repeats_agree(self) -> bool:
        """Whether all repeats must print the same: not where something else is judged.

        A tolerance leaves room between two repeats too.
        """
        return self.check is None or not (self.check.of or self.check.kind is CheckKind.TOLERANCE)

    def blobs(self) -> tuple[Blob, ...]:
        """All bytes that must be on the device before it starts, each once."""
        found = [self.runner, self.program]
        found += [self.stdin] if self.stdin else []
        found += [file.blob for directory in self.directories for file in directory.files]
        found += [self.check.expected] if self.check and self.check.expected else []
        found += [self.stderr] if self.stderr else []
        return tuple(dict.fromkeys(found))


def read_ref(wire: pb.AttemptRef) -> Ref:
    """Translate a reference from the wire."""
    return Ref(fence=wire.fence, sequence=wire.sequence, attempt_id=wire.attempt_id)


def write_ref(ref: Ref) -> pb.AttemptRef:
    """Translate a reference for the wire."""
    return pb.AttemptRef(attempt_id=ref.attempt_id, fence=ref.fence, sequence=ref.sequence)


def check_path(path: str) -> tuple[str, ...]:
    """Split a relative path into parts that cannot leave the folder they are put in.

    Args:
        path: as it came over the wire.

    Returns:
        Its parts, at least one.

    Raises:
        MalformedOrder: it is absolute, empty, too long, has a NUL, ``.`` or ``..``, or an empty
            part.
    """
    if not path or path.startswith("/"):
        raise MalformedOrder(f"path {path!r} must be relative and not empty")
    if "\0" in path or len(path.encode()) > PATH_MAX_BYTES:
        raise MalformedOrder(f"path {path[:40]!r} has a NUL or is longer than {PATH_MAX_BYTES}")
    parts = tuple(path.split("/"))
    for part in parts:
        if part in ("", ".", "..") or len(part.encode()) > NAME_MAX_BYTES:
            raise MalformedOrder(f"path {path[:80]!r} has a part that is not a plain name")
    return parts


def read_order(wire: pb.Assignment) -> Order:
    """Translate and check an order from the wire.

    Raises:
        MalformedOrder: something in it cannot be used as written.
    """
    if wire.kind not in (pb.PROGRAM_KIND_WASM, pb.PROGRAM_KIND_NATIVE):
        raise MalformedOrder(f"program kind {wire.kind} is unknown to this agent")
    if wire.repeats < 1:
        raise MalformedOrder("an attempt needs at least one repeat")
    outputs = tuple(check_path(path) for path in wire.outputs)
    return Order(
        ref=read_ref(wire.attempt),
        runner=_blob(wire.runner, "runner"),
        wasm=wire.kind == pb.PROGRAM_KIND_WASM,
        program=_blob(wire.program, "program"),
        name=_word(wire.program_name or "program", "program name"),
        arguments=tuple(_word(word, "argument") for word in wire.arguments),
        environment=_environment(wire.environment),
        stdin=_blob(wire.stdin, "stdin") if wire.HasField("stdin") else None,
        directories=tuple(_directory(directory) for directory in wire.directories),
        warmups=wire.warmups,
        repeats=wire.repeats,
        limits=_limits(wire.limits),
        check=_check(wire.checker, outputs) if wire.HasField("checker") else None,
        outputs=outputs,
        stderr=_blob(wire.stderr, "expected stderr") if wire.HasField("stderr") else None,
    )


def _blob(wire: pb.Digest, what: str) -> Blob:
    if not _SHA256.match(wire.sha256):
        raise MalformedOrder(f"{what}: {wire.sha256[:70]!r} is not a sha256")
    return Blob(wire.sha256, wire.size_bytes)


def _word(text: str, what: str) -> str:
    if "\0" in text:
        raise MalformedOrder(f"{what} {text[:40]!r} has a NUL")
    return text


def _environment(wire: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in wire.items():
        if not name or "=" in name:
            raise MalformedOrder(f"{name!r} cannot name an environment variable")
        _word(name + value, "environment")
    return dict(sorted(wire.items()))


def _directory(wire: pb.GrantedDirectory) -> Directory:
    files = tuple(
        StagedFile(check_path(file.path), _blob(file.digest, file.path), file.executable)
        for file in wire.files
    )
    return Directory(() if wire.guest == "." else check_path(wire.guest), files)


def _limits(wire: pb.Limits) -> Limits:
    if not 0 < wire.timeout_s < float("inf"):
        raise MalformedOrder("an attempt needs a time limit")
    return Limits(
        timeout_s=wire.timeout_s,
        memory_bytes=wire.memory_bytes,
        output_bytes=wire.output_bytes,
        processes=wire.processes,
        stack_bytes=wire.stack_bytes,
    )


def _check(wire: pb.Checker, outputs: tuple[tuple[str, ...], ...]) -> Check:
    of = check_path(wire.of) if wire.of else ()
    if of and of not in outputs:
        raise MalformedOrder(f"{wire.of[:80]!r} is judged and is no output")
    match wire.WhichOneof("kind"):
        case "exact":
            expected = _blob(wire.exact, "expected output")
            return Check(CheckKind.EXACT, expected.sha256, expected, of=of)
        case "sha256":
            digest = _blob(pb.Digest(sha256=wire.sha256), "expected output").sha256
            return Check(CheckKind.DIGEST, digest, of=of)
        case "tolerance":
            return _tolerance(wire.tolerance, of)
        case _:
            raise MalformedOrder("this agent does not know how the output is to be judged")


def _tolerance(wire: pb.Tolerance, of: tuple[str, ...]) -> Check:
    for value in (wire.relative, wire.absolute):
        if not 0 <= value < float("inf"):
            raise MalformedOrder("a tolerance is a number from 0")
    expected = _blob(wire.expected, "expected output")
    kind = CheckKind.TOLERANCE
    return Check(kind, expected.sha256, expected, wire.relative, wire.absolute, of)
