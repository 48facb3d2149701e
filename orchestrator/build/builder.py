"""Owns the way from cells to artifacts, and leaves what a cell needs in the farm's blobs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.blobs import Blobs
from orchestrator.build import modes
from orchestrator.build.engine import make_all, survey_all
from orchestrator.build.kit import Kit, Wanted
from orchestrator.build.modes import ResolvedMode
from orchestrator.build.recipes import Made, Target
from orchestrator.build.workshop import GC_LOCK, Workshop
from orchestrator.domain.artifact import Artifact, ArtifactKind, Digest, Provenance
from orchestrator.domain.device import DeviceType
from orchestrator.domain.errors import BuildError, ConfigError, DigestMismatch, refusal
from orchestrator.domain.matrix import CellPlan, Mode
from orchestrator.domain.order import BuildStep
from orchestrator.domain.runtime_source import RuntimeSource
from orchestrator.domain.workload import Case, CheckerKind, Grant, Workload
from orchestrator.files.below import files_below
from orchestrator.files.expected import read_digest
from orchestrator.locks import share_lock


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A blob at a place inside a folder."""

    #: Relative, with forward slashes.
    path: str
    digest: Digest
    executable: bool = False


@dataclass(frozen=True, slots=True)
class CellArtifacts:
    """All the bytes a cell needs; every one is in the farm's blobs."""

    runner: Artifact
    program: Artifact
    #: ``wasm`` (a .wasm or .aot) or ``native``.
    kind: str
    stdin: Digest | None
    #: What the output must be, or close to; None: anything is right, or its digest is known.
    expected: Digest | None
    #: (guest folder, its files)
    directories: tuple[tuple[str, tuple[StagedFile, ...]], ...]
    #: How runner and program were made, down to their sources, also when nothing had to be made.
    provenance: tuple[Provenance, ...]
    #: The digest the output must have, where only that is known.
    expected_sha256: str = ""
    #: What stderr must be; None: anything is right.
    expected_stderr: Digest | None = None


class Builder:
    """Builds what cells need.

    Not for two threads at a time; any number of processes may share a cache.

    Args:
        cache: the user's build cache; made when missing.
        blobs: the farm's own blobs, which take what its cells need.
        native: the folder of that name.
        runtime_sources: by name; ``pinned`` is among them.
        jobs: tools started at a time; None: one per core.

    Raises:
        ConfigError: the cache cannot be used.
        DiskFull: there is no room for it.
    """

    def __init__(
        self,
        *,
        cache: Path,
        blobs: Blobs,
        native: Path,
        runtime_sources: Mapping[str, RuntimeSource],
        jobs: int | None = None,
    ) -> None:
        self._blobs = blobs
        self._cache = Path(os.path.realpath(cache))
        self._native = native.resolve()
        self._runtime_sources = runtime_sources
        self._jobs = jobs or os.cpu_count() or 1
        zig_cache = str(self._cache / "zig")
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "ZIG_GLOBAL_CACHE_DIR": zig_cache,
            "ZIG_LOCAL_CACHE_DIR": zig_cache,
        }
        try:
            self._workshop = Workshop(self._cache, environment)
        except OSError as error:
            raise ConfigError(
                f"the build cache {self._cache} cannot be used ({error.strerror});"
                " FARM_CACHE_DIR names another"
            ) from error

    def resolve_mode(
        self, mode: Mode, device_type: DeviceType, workload: Workload
    ) -> ResolvedMode:
        """Decide a mode's defaults, as ``modes.resolve_mode``."""
        return modes.resolve_mode(mode, device_type, workload)

    def build(
        self,
        cells: Sequence[CellPlan],
        *,
        progress: Callable[[BuildStep], None],
        stop: threading.Event,
    ) -> Mapping[str, CellArtifacts | BuildError]:
        """Find or make what cells need; blocks, idempotent.

        Args:
            cells: the plan; impossible ones are left out.
            progress: told every change of a step, on this thread.
            stop: the wish to stop: what runs is killed, what is not made fails.

        Returns:
            By cell key: its artifacts, or why they cannot be had.

        Raises:
            DiskFull: the farm has no room for what was made.
        """
        # `farm gc --cache` has it alone: from the look-up till all is in the farm nothing may go.
        with share_lock(self._cache / GC_LOCK):
            return self._build(cells, progress, stop)

    def _build(
        self,
        cells: Sequence[CellPlan],
        progress: Callable[[BuildStep], None],
        stop: threading.Event,
    ) -> Mapping[str, CellArtifacts | BuildError]:
        kit = self._kit(progress, stop)
        possible = _possible(cells)
        wanted = {cell.key: _wanted(kit, cell) for cell in possible}
        results = make_all(
            self._workshop,
            list(_targets(wanted.values())),
            jobs=self._jobs,
            progress=progress,
            stop=stop,
        )
        shelf = _Shelf(self._workshop, self._blobs)
        found = {cell.key: _gather(shelf, cell, wanted[cell.key], results) for cell in possible}
        told = [result for result in results.values() if isinstance(result, BuildError)]
        for step in _refusals(possible, found, {kit.fetch_error, *told}):
            progress(step)
        return found

    def survey(self, cells: Sequence[CellPlan]) -> Sequence[BuildStep]:
        """Say what ``build`` would find and what it would make.

        Makes nothing and fetches nothing; reads files whose digests are not known yet, so the
        first time may take a second. Idempotent.

        Args:
            cells: the plan; impossible ones are left out.

        Returns:
            A step for each target, needs first: known; waiting, with the reason; or failed, with
            the error, where a tool or a source is missing.
        """
        steps: list[BuildStep] = []
        kit = self._kit(steps.append, threading.Event(), fetches=False)
        possible = _possible(cells)
        wanted = {cell.key: _wanted(kit, cell) for cell in possible}
        steps += survey_all(self._workshop, list(_targets(wanted.values())))
        steps += _refusals(possible, wanted, {kit.fetch_error})
        return steps

    def _kit(
        self, progress: Callable[[BuildStep], None], stop: threading.Event, *, fetches: bool = True
    ) -> Kit:
        return Kit(
            self._workshop,
            self._cache,
            self._native,
            self._runtime_sources,
            self._jobs,
            progress,
            stop,
            fetches,
        )


@dataclass
class _Shelf:
    """Moves what one build made into the farm's blobs."""

    workshop: Workshop
    blobs: Blobs
    _closures: dict[int, dict[str, Provenance]] = field(default_factory=dict)
    _grants: dict[Grant, tuple[StagedFile, ...]] = field(default_factory=dict)

    def take(self, made: Made) -> None:
        """Put a product into the farm's blobs."""
        self.blobs.take(self.workshop.blobs, made.digest)

    def closure(self, made: Made) -> dict[str, Provenance]:
        """How a product and its parts were made, by key; their sources become the farm's blobs."""
        known = self._closures.get(id(made))
        if known is None:
            known = {made.provenance.key: made.provenance}
            for path, digest in made.sources:
                if not self.workshop.blobs.has(digest.sha256):  # `farm gc` may take a source
                    self.workshop.blobs.put_file(Path(path), expect=digest)
                self.blobs.take(self.workshop.blobs, digest)
            for part in made.parts:
                known.update(self.closure(part))
            self._closures[id(made)] = known
        return known

    def file(self, path: Path) -> Digest:
        """A file of the user's.

        Raises:
            BuildError: it is not there, or is being written to.
        """
        shown = str(path).encode(errors="backslashreplace").decode()
        if shown != str(path):
            raise BuildError(f"the name of {shown} is not UTF-8 text; rename it")
        digest = self.workshop.files.digest(str(path))
        if digest is None:
            raise BuildError(f"{path} is not there, or no regular file")
        try:
            return self.blobs.put_file(path, expect=digest)
        except DigestMismatch as error:
            raise BuildError(f"{path} is being written to; try again when it is done") from error

    def folder(self, grant: Grant) -> tuple[str, tuple[StagedFile, ...]]:
        """The files of a granted folder, read once per build."""
        files = self._grants.get(grant)
        if files is None:
            if not grant.host.is_dir():
                raise BuildError(f"{grant.host} is no folder; it was to be granted")
            files = self._grants[grant] = tuple(
                StagedFile(
                    name, self.file(grant.host / name), os.access(grant.host / name, os.X_OK)
                )
                for name in (files_below(grant.host) if grant.names is None else grant.names)
            )
        return (grant.guest, files)


def _possible(cells: Sequence[CellPlan]) -> list[CellPlan]:
    return [cell for cell in cells if not cell.impossible]


def _refusals(
    cells: Sequence[CellPlan],
    found: Mapping[str, object],
    told: Collection[BuildError | None],
) -> Iterable[BuildStep]:
    """What failed apart from targets, each message once: a missing tool, a missing input.

    Args:
        cells: the plan.
        found: by cell key, what was found; errors among it count.
        told: errors that a step has told.
    """
    said = set()
    for cell in cells:
        error = found[cell.key]
        if isinstance(error, BuildError) and error not in told and str(error) not in said:
            said.add(str(error))
            name = f"{cell.case.workload.name} {cell.mode.label} {cell.device_type.name}"
            yield BuildStep(name, "failed", error=str(error))


def _wanted(kit: Kit, cell: CellPlan) -> Wanted | BuildError:
    try:
        return kit.wanted(cell)
    except BuildError as error:
        return error
    except OSError as error:
        return BuildError(f"{cell.case.workload.name}: {refusal(error)}")


def _targets(wanted: Iterable[Wanted | BuildError]) -> Iterable[Target]:
    """All that cells need, programs first."""
    found = [each for each in wanted if isinstance(each, Wanted)]
    yield from (each.program for each in found if isinstance(each.program, Target))
    yield from (each.runner for each in found)


def _gather(
    shelf: _Shelf,
    cell: CellPlan,
    wanted: Wanted | BuildError,
    results: Mapping[Target, Made | BuildError],
) -> CellArtifacts | BuildError:
    """Put what a cell needs into the farm's blobs."""
    if isinstance(wanted, BuildError):
        return wanted
    try:
        return _artifacts(shelf, cell, wanted, results)
    except BuildError as error:
        return error
    except OSError as error:
        return BuildError(f"{cell.case.workload.name}: {refusal(error)}")


def _artifacts(
    shelf: _Shelf, cell: CellPlan, wanted: Wanted, results: Mapping[Target, Made | BuildError]
) -> CellArtifacts:
    workload = cell.case.workload
    runner = _made(wanted.runner, results)
    edges = dict(shelf.closure(runner))
    shelf.take(runner)
    if isinstance(wanted.program, Path):
        kind = ArtifactKind.NATIVE if wanted.kind == "native" else ArtifactKind.WASM
        program = Artifact(shelf.file(wanted.program), kind, wanted.program.name)
    else:
        made = _made(wanted.program, results)
        edges.update(shelf.closure(made))
        shelf.take(made)
        program = made.provenance.product
    expected, expected_sha256 = _expected(shelf, cell.case, cell.device_type.arch)
    return CellArtifacts(
        runner=runner.provenance.product,
        program=program,
        kind=wanted.kind,
        stdin=None if workload.stdin is None else shelf.file(workload.stdin),
        expected=expected,
        directories=tuple(shelf.folder(grant) for grant in workload.grants),
        provenance=tuple(edges.values()),
        expected_sha256=expected_sha256,
        expected_stderr=(
            None if workload.expected_stderr is None else shelf.file(workload.expected_stderr)
        ),
    )


def _expected(shelf: _Shelf, case: Case, arch: str) -> tuple[Digest | None, str]:
    """What the output must be, or the digest it must have."""
    checker = case.workload.checker
    if checker is None:
        return None, ""
    path = case.expected_path(checker, arch)
    if path is None:
        return None, checker.expected
    if checker.kind is not CheckerKind.DIGEST:
        return shelf.file(path), ""
    found = read_digest(path)
    if not found:
        raise BuildError(f"{path} holds no sha256: write what sha256sum prints")
    return None, found


def _made(target: Target, results: Mapping[Target, Made | BuildError]) -> Made:
    result = results[target]
    if isinstance(result, BuildError):
        raise result
    return result
