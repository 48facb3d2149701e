"""Orders and progress between frozen values and ``farm.v1``'s messages, both ways; pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from orchestrator.domain.errors import UsageError
from orchestrator.domain.order import (
    BuildOrder,
    BuildProgress,
    BuildStep,
    MatrixOrder,
    Order,
    ProgramOrder,
    RetryOrder,
    RunProgress,
    SelectionOrder,
    Status,
)
from protos.farm.v1 import control_pb2 as pb
from protos.states import CellState, RunState


def order_to_wire(order: BuildOrder) -> pb.Order:
    """Write an order; its paths become absolute: the orchestrator stands elsewhere."""
    if isinstance(order, MatrixOrder):
        overrides = [f"{key}={value}" for key, value in order.overrides]
        return pb.Order(matrix=pb.MatrixOrder(path=_absolute(order.path), overrides=overrides))
    if isinstance(order, ProgramOrder):
        return pb.Order(program=_program_to_wire(order))
    return pb.Order(
        selection=pb.SelectionOrder(archs=order.archs, workloads=order.workloads),
    )


def order_from_wire(message: pb.Order) -> Order:
    """Read an order to measure.

    Raises:
        UsageError: it holds none.
    """
    order = build_order_from_wire(message)
    if isinstance(order, SelectionOrder):
        raise UsageError("a selection can be built, not measured")
    return order


def build_order_from_wire(message: pb.Order) -> BuildOrder:
    """Read an order to build.

    Raises:
        UsageError: it holds none.
    """
    kind = message.WhichOneof("kind")
    if kind == "matrix":
        return _matrix_from_wire(message.matrix)
    if kind == "program":
        return _program_from_wire(message.program)
    if kind == "selection":
        chosen = message.selection
        return SelectionOrder(tuple(chosen.archs), tuple(chosen.workloads))
    raise UsageError("the order is empty")


def retry_to_wire(order: RetryOrder) -> pb.RetryOrder:
    """Write what is to be measured again."""
    return pb.RetryOrder(run_id=order.run_id, cell_ids=order.cell_ids, everything=order.everything)


def retry_from_wire(message: pb.RetryOrder) -> RetryOrder:
    """Read what is to be measured again."""
    return RetryOrder(message.run_id, tuple(message.cell_ids), message.everything)


def run_to_wire(progress: RunProgress) -> pb.RunProgress:
    """Write a run's progress."""
    return pb.RunProgress(
        state=progress.state.value,
        build=build_to_wire(progress.build),
        cells=progress.cells,
        cells_by_state={state.value: count for state, count in progress.cells_by_state.items()},
        running=progress.running,
        error=progress.error,
    )


def run_from_wire(message: pb.RunProgress) -> RunProgress:
    """Read a run's progress."""
    by_state: Mapping[str, int] = message.cells_by_state
    return RunProgress(
        state=RunState(message.state),
        build=build_from_wire(message.build),
        cells=message.cells,
        cells_by_state={CellState(name): count for name, count in by_state.items()},
        running=tuple(message.running),
        error=message.error,
    )


def build_to_wire(progress: BuildProgress) -> pb.BuildProgress:
    """Write a build's progress."""
    return pb.BuildProgress(
        finished=progress.finished,
        steps=[_step_to_wire(step) for step in progress.steps],
        error=progress.error,
    )


def build_from_wire(message: pb.BuildProgress) -> BuildProgress:
    """Read a build's progress."""
    steps = tuple(_step_from_wire(step) for step in message.steps)
    return BuildProgress(message.finished, steps, message.error)


def status_to_wire(status: Status) -> pb.StatusReply:
    """Write who answers."""
    return pb.StatusReply(
        pid=status.pid, version=status.version, agents_address=status.agents_address
    )


def status_from_wire(message: pb.StatusReply) -> Status:
    """Read who answers."""
    return Status(message.pid, message.version, message.agents_address)


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # keeps symbolic links, which Path.resolve would not


def _matrix_from_wire(message: pb.MatrixOrder) -> MatrixOrder:
    pairs = (item.partition("=") for item in message.overrides)
    return MatrixOrder(Path(message.path), tuple((key, value) for key, _, value in pairs))


def _program_to_wire(order: ProgramOrder) -> pb.ProgramOrder:
    return pb.ProgramOrder(
        path=_absolute(order.path),
        arguments=order.arguments,
        environment=order.environment,
        stdin="" if order.stdin is None else _absolute(order.stdin),
        directories=[
            pb.DirectoryGrant(host=_absolute(host), guest=guest)
            for host, guest in order.directories
        ],
        modes=order.modes,
        devices=order.devices,
        attempts=order.attempts,
        warmups=order.warmups,
        repeats=order.repeats,
        timeout_s=order.timeout_s or 0.0,
        sources=map(_absolute, order.sources),
        outputs=order.outputs,
        memory_bytes=order.memory_bytes or 0,
        output_bytes=order.output_bytes or 0,
        flags=order.flags,
    )


def _program_from_wire(message: pb.ProgramOrder) -> ProgramOrder:
    return ProgramOrder(
        path=Path(message.path),
        arguments=tuple(message.arguments),
        environment=dict(message.environment),
        stdin=Path(message.stdin) if message.stdin else None,
        directories=tuple((Path(d.host), d.guest) for d in message.directories),
        modes=tuple(message.modes),
        devices=tuple(message.devices),
        attempts=message.attempts,
        warmups=message.warmups,
        repeats=message.repeats,
        timeout_s=message.timeout_s or None,
        sources=tuple(map(Path, message.sources)),
        outputs=tuple(message.outputs),
        memory_bytes=message.memory_bytes or None,
        output_bytes=message.output_bytes or None,
        flags=tuple(message.flags),
    )


def _step_to_wire(step: BuildStep) -> pb.BuildStep:
    return pb.BuildStep(
        name=step.name,
        state=step.state,
        reason=step.reason,
        elapsed_s=step.elapsed_s,
        sha256=step.sha256,
        size_bytes=step.size_bytes,
        error=step.error,
    )


def _step_from_wire(message: pb.BuildStep) -> BuildStep:
    return BuildStep(
        name=message.name,
        state=message.state,
        reason=message.reason,
        elapsed_s=message.elapsed_s,
        sha256=message.sha256,
        size_bytes=message.size_bytes,
        error=message.error,
    )
