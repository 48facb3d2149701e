"""The native side for tests: what the builder makes, and what a runner tells of it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import secrets
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.blobs import Blobs
from orchestrator.build.builder import Builder, CellArtifacts
from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.device import Arch
from orchestrator.domain.matrix import CellPlan, Counts, Mode, Runtime
from orchestrator.domain.order import BuildStep
from orchestrator.domain.runtime_source import PINNED, RuntimeSource
from orchestrator.domain.workload import Case, Workload
from orchestrator.files.workloads import read_workload
from orchestrator.machine import EMULATORS, emulated_cpu
from tests.support.builds import user_cache
from tests.support.factories import ARM, ARMV7, X86

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "native"
#: Behaves as its first argument says.
CONDUCT = Workload(
    name="conduct",
    description="what the tests of the runner want of a program",
    folder=Path(__file__).parent / "programs",
    sources=("conduct.c",),
)
GEMM = read_workload(ROOT / "workloads" / "gemm")
NOOP = read_workload(ROOT / "workloads" / "noop")
#: Calls a kernel with matrices inside and outside its memory.
MATRICES = Workload(
    name="matrices",
    description="what the tests of kernels want of a module",
    folder=Path(__file__).parent / "programs",
    sources=("matrices.c",),
    kernels={"gemm_nn": ("plain", "tiled")},
)
TYPES = {Arch.X86_64: X86, Arch.AARCH64: ARM, Arch.ARMV7: ARMV7}


@dataclass(frozen=True, slots=True)
class Built:
    """What a cell runs."""

    runner: Path
    program: Path
    #: ``run`` or ``exec``.
    command: str
    arch: Arch

    @property
    def emulator(self) -> str:
        """Absolute path of what runs foreign programs; empty: they are this machine's own."""
        return emulator_of(self.arch)


def emulator_of(arch: Arch) -> str:
    """Answer the path of what runs an architecture's programs; empty: this machine does."""
    return "" if arch == platform.machine() else str(shutil.which(EMULATORS[arch].program))


@functools.cache
def _builder() -> tuple[Builder, Blobs]:
    """One builder for all tests, on the user's cache: a runner takes half a minute when cold."""
    cache = user_cache()
    blobs = Blobs(cache / "native-tests")
    return Builder(
        cache=cache, blobs=blobs, native=NATIVE, runtime_sources={PINNED: RuntimeSource()}, jobs=2
    ), blobs


_built: dict[tuple[str, Mode, Arch], Built] = {}


def build(workload: Workload, mode: Mode, arch: Arch) -> Built:
    """Build what a workload needs in a mode, once per session."""
    key = (workload.name, mode, arch)
    if key not in _built:
        _built[key] = _build(workload, mode, arch)
    return _built[key]


def _build(workload: Workload, mode: Mode, arch: Arch) -> Built:
    cell = CellPlan(
        key=f"{workload.name} {mode.label} {arch.value}",
        case=Case(workload, tuple((each.name, each.default) for each in workload.parameters)),
        mode=mode,
        target=TYPES[arch],
        counts=Counts(),
        timeout_s=60,
    )
    builder, blobs = _builder()
    result = builder.build([cell], progress=_ignore, stop=threading.Event())[cell.key]
    assert isinstance(result, CellArtifacts), str(result)
    _compilers.extend(
        Blobs(user_cache() / "blobs").path(step.product.digest.sha256)
        for step in result.provenance
        if step.product.kind is ArtifactKind.COMPILER
    )
    return Built(
        runner=blobs.path(result.runner.digest.sha256),
        program=blobs.path(result.program.digest.sha256),
        command="exec" if result.kind == "native" else "run",
        arch=arch,
    )


def _ignore(_step: BuildStep) -> None:
    """Tests of the runner do not watch its build."""


def runner(arch: Arch, interpreter: str, kernels: str = "none") -> Path:
    """Build a runner.

    Args:
        arch: what it runs on.
        interpreter: ``classic`` or ``fast``.
        kernels: the variant of the kernels it is linked with.
    """
    kind = Runtime.CLASSIC if interpreter == "classic" else Runtime.FAST
    workload = CONDUCT if kernels == "none" else GEMM
    return build(workload, Mode(kind, kernels=kernels), arch).runner


def compiler() -> Path:
    """The AOT compiler, as an AOT module's provenance names it."""
    build(NOOP, Mode(Runtime.AOT), Arch.X86_64)
    return _compilers[0]


#: Only the build cache has its bytes: no cell needs them.
_compilers: list[Path] = []


@dataclass
class Attempt:
    """One start of a runner: where it writes, and what it wrote."""

    folder: Path
    process: subprocess.Popen[str]
    #: What the runner itself said on stderr; known once it ended.
    complaint: str = ""

    def wait(self, timeout_s: float = 60) -> Attempt:
        """Wait for the runner's end."""
        _, self.complaint = self.process.communicate(timeout=timeout_s)
        return self

    @property
    def code(self) -> int:
        """The runner's own exit code."""
        assert self.process.returncode is not None
        return self.process.returncode

    @property
    def events(self) -> list[dict[str, Any]]:
        """All whole lines so far."""
        path = self.folder / "events"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]

    def all(self, kind: str) -> list[dict[str, Any]]:
        """All events of a kind."""
        return [event for event in self.events if event["event"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        """The only event of a kind."""
        (event,) = self.all(kind)
        return event

    def stdout(self, index: int = 0) -> str:
        """What a repeat printed."""
        return (self.folder / f"stdout.{index}").read_text()

    @property
    def stderr(self) -> str:
        """What all repeats printed there."""
        return (self.folder / "stderr").read_text()


def start(
    built: Built,
    folder: Path,
    arguments: Sequence[str] = (),
    *,
    options: Mapping[str, object] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
    token: str = "",
) -> Attempt:
    """Start a runner.

    Args:
        built: what it runs.
        folder: gets what it writes.
        arguments: of the program.
        options: options in place of, or beside, generous ones; None as a value leaves one out.
        pairs: options that may come several times.
        token: marks all processes, as an agent does.
    """
    token = token or secrets.token_hex(8)
    chosen: dict[str, object] = {
        "events": folder / "events",
        "stdout": folder / "stdout",
        "stderr": folder / "stderr",
        "messages": folder / "messages",
        "cwd": folder,
        "name": "conduct",
        "timeout-s": 30,
        "memory-bytes": 256 << 20,
        "output-bytes": 1 << 20,
        "processes": 16,
        "token": token,
    }
    if built.command == "exec" and built.emulator:
        chosen["launcher"] = built.emulator
    chosen |= options or {}
    words = [str(w) for k, v in chosen.items() if v is not None for w in (f"--{k}", v)]
    words += [word for name, value in pairs for word in (f"--{name}", value)]
    command = [*filter(None, [built.emulator]), str(built.runner), built.command, *words]
    process = subprocess.Popen(
        [*command, "--", str(built.program), *arguments],
        env={**os.environ, "QEMU_CPU": emulated_cpu(TYPES[built.arch]), "FARM_ATTEMPT": token},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Attempt(folder, process)


def measure(built: Built, folder: Path, *arguments: str, **options: object) -> Attempt:
    """Run an attempt to its end; options with underscores."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    return start(built, folder, arguments, options=named).wait()


def marked(token: str) -> list[int]:
    """Living processes that an attempt started, and its runner."""
    entry = f"FARM_ATTEMPT={token}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if entry in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found
