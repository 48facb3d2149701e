"""Writes the order an agent gets for a cell: what was planned, with what was built for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.build.builder import CellArtifacts, StagedFile
from orchestrator.domain.artifact import Digest
from orchestrator.domain.matrix import CellPlan
from orchestrator.domain.workload import Case, CheckerKind, Limits
from orchestrator.store.base import CellOrder
from protos.farm.v1 import agents_pb2 as pb

_KINDS = {
    "wasm": pb.ProgramKind.PROGRAM_KIND_WASM,
    "native": pb.ProgramKind.PROGRAM_KIND_NATIVE,
}


def cell_order(cell: CellPlan, built: CellArtifacts) -> CellOrder:
    """Join a cell with its artifacts; the attempt's number is put in when it is granted."""
    return CellOrder(
        assignment=_assignment(cell, built).SerializeToString(deterministic=True),
        runner_sha256=built.runner.digest.sha256,
        program_sha256=built.program.digest.sha256,
        inputs={role: found.sha256 for role, found in inputs(built)},
    )


def inputs(built: CellArtifacts) -> Iterator[tuple[str, Digest]]:
    """Name what a cell's program is given beside its arguments, and what its output must be."""
    if built.stdin is not None:
        yield "stdin", built.stdin
    if built.expected is not None:
        yield "expected", built.expected
    if built.expected_stderr is not None:
        yield "expected_stderr", built.expected_stderr
    for guest, files in built.directories:
        for file in files:
            yield f"{guest}/{file.path}", file.digest


def _assignment(cell: CellPlan, built: CellArtifacts) -> pb.Assignment:
    workload = cell.case.workload
    return pb.Assignment(
        runner=_digest(built.runner.digest),
        kind=_KINDS[built.kind],
        program=_digest(built.program.digest),
        program_name=workload.name,
        arguments=[cell.case.fill(argument) for argument in workload.arguments],
        environment=dict(workload.environment),
        stdin=None if built.stdin is None else _digest(built.stdin),
        directories=[_directory(guest, files) for guest, files in built.directories],
        warmups=cell.counts.warmups,
        repeats=cell.counts.repeats,
        limits=_limits(workload.limits, cell.timeout_s),
        checker=_checker(cell.case, built),
        outputs=[cell.case.fill(path) for path in workload.outputs],
        stderr=None if built.expected_stderr is None else _digest(built.expected_stderr),
    )


def _checker(case: Case, built: CellArtifacts) -> pb.Checker | None:
    checker = case.workload.checker
    if checker is None:
        return None
    of = case.fill(checker.of)
    if built.expected is None:
        return pb.Checker(sha256=built.expected_sha256, of=of)
    expected = _digest(built.expected)
    if checker.kind is CheckerKind.EXACT:
        return pb.Checker(exact=expected, of=of)
    near = pb.Tolerance(expected=expected, relative=checker.relative, absolute=checker.absolute)
    return pb.Checker(tolerance=near, of=of)


def _digest(digest: Digest) -> pb.Digest:
    return pb.Digest(sha256=digest.sha256, size_bytes=digest.size_bytes)


def _directory(guest: str, files: Iterable[StagedFile]) -> pb.GrantedDirectory:
    return pb.GrantedDirectory(
        guest=guest,
        files=[
            pb.StagedFile(path=f.path, digest=_digest(f.digest), executable=f.executable)
            for f in files
        ],
    )


def _limits(limits: Limits, timeout_s: float) -> pb.Limits:
    return pb.Limits(
        timeout_s=timeout_s,
        memory_bytes=limits.memory_bytes,
        output_bytes=limits.output_bytes,
        processes=limits.processes,
        stack_bytes=limits.stack_bytes,
    )
