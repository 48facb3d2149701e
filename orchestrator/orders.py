"""Turns an order into the cells it means, and a stored run's text back into its cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.domain.device import DeviceType
from orchestrator.domain.errors import MatrixError, NotFound, UsageError
from orchestrator.domain.matrix import (
    BEST_KERNELS,
    CellPlan,
    MatrixSpec,
    Mode,
    Plan,
    Runtime,
)
from orchestrator.domain.order import BuildOrder, MatrixOrder, ProgramOrder, SelectionOrder
from orchestrator.domain.runtime_source import PINNED
from orchestrator.domain.workload import Case, Workload
from orchestrator.files.matrixfile import parse_matrix, read_matrix
from orchestrator.files.programs import program_spec
from orchestrator.files.workloads import catalogue
from orchestrator.inventory import Inventory
from orchestrator.machine import why_absent
from orchestrator.matrix import expand, never_absent

#: Says why a mode cannot run a case on a class of devices; empty: it can.
WhyImpossible = Callable[[Case, Mode, DeviceType], str]


@dataclass(frozen=True)
class Orders:
    """Reads what an order names, anew for each, so that an edited workload counts at once."""

    inventory: Inventory
    #: Folders with one workload each below them.
    workload_roots: tuple[Path, ...]
    why_impossible: WhyImpossible
    #: The farm's data folder, keys included: no program is ever granted it.
    private: Path
    #: Names of runtime sources.
    sources: Collection[str] = (PINNED,)

    def catalogue(self) -> Mapping[str, Workload]:
        """Read all workloads.

        Raises:
            WorkloadFileError: one of them is wrong.
        """
        return catalogue(self.workload_roots)

    def plan(self, order: BuildOrder, *, submit: bool = False, measures: bool = True) -> Plan:
        """Expand an order to its cells.

        Args:
            order: what is wanted.
            submit: it is to be measured, so at least one cell must have a device that can take it.
            measures: without, it is only built, which needs no device.

        Raises:
            UsageError: the order's file, or what it names, is wrong.
            NotFound: it names a workload or an architecture that does not exist.
        """
        spec = self._spec(order)
        _refuse_private(spec, self.private.resolve())
        absent = why_absent if measures else never_absent
        plan = expand(spec, self.inventory.devices, self.why_impossible, absent)
        if submit and all(cell.impossible for cell in plan.cells):
            raise MatrixError(f"no device can take any of its cells: {plan.cells[0].impossible}")
        return plan

    def recall(self, text: str) -> Plan:
        """Make the plan of a stored run again, from the text it was ordered with.

        Raises:
            UsageError: a workload, mode or device it names is gone or wrong by now.
        """
        kept = json.loads(text)
        if kept["order"] == "program":
            return self.plan(_program_from(kept))
        path = Path(kept["path"])
        known = self.catalogue()
        spec = parse_matrix(kept["text"], path, known, self.inventory, (), self.sources)
        return expand(spec, self.inventory.devices, self.why_impossible)

    def _spec(self, order: BuildOrder) -> MatrixSpec:
        if isinstance(order, SelectionOrder):
            return select(order, self.inventory, self.catalogue())
        if isinstance(order, ProgramOrder):
            spec = program_spec(order, self.inventory, self.sources)
        else:
            known = self.catalogue()
            spec = read_matrix(order.path, known, self.inventory, order.overrides, self.sources)
        return replace(spec, text=order_text(order, spec.text))


def _refuse_private(spec: MatrixSpec, private: Path) -> None:
    """Keep the farm's keys out of what programs see.

    Raises:
        UsageError: a folder that is granted holds the farm's data, or lies in it.
    """
    for grant in (grant for case in spec.cases for grant in case.workload.grants):
        host = grant.host.resolve()
        is_deep = grant.names is None
        if host.is_relative_to(private) or (is_deep and private.is_relative_to(host)):
            raise UsageError(
                f"{grant.host} holds the farm's own data, its keys included: grant a folder"
                " beside it"
            )


def order_text(order: MatrixOrder | ProgramOrder, file_text: str) -> str:
    """Write an order so that ``Orders.recall`` can read it later.

    Args:
        order: what was ordered.
        file_text: the matrix file's text with the overrides in it: the file itself may change.
    """
    kept: dict[str, Any]
    if isinstance(order, MatrixOrder):
        kept = {"order": "matrix", "path": order.path, "text": file_text}
    else:
        kept = {"order": "program", **asdict(order)}
    return json.dumps(kept, default=str, sort_keys=True)


def _program_from(kept: Mapping[str, Any]) -> ProgramOrder:
    return ProgramOrder(
        path=Path(kept["path"]),
        arguments=tuple(kept["arguments"]),
        environment=dict(kept["environment"]),
        stdin=None if kept["stdin"] is None else Path(kept["stdin"]),
        directories=tuple((Path(host), guest) for host, guest in kept["directories"]),
        modes=tuple(kept["modes"]),
        devices=tuple(kept["devices"]),
        attempts=kept["attempts"],
        warmups=kept["warmups"],
        repeats=kept["repeats"],
        timeout_s=kept["timeout_s"],
        # Orders of earlier versions know none of these.
        sources=tuple(map(Path, kept.get("sources", ()))),
        outputs=tuple(kept.get("outputs", ())),
        memory_bytes=kept.get("memory_bytes"),
        output_bytes=kept.get("output_bytes"),
        flags=tuple(kept.get("flags", ())),
    )


def select(
    order: SelectionOrder, inventory: Inventory, workloads: Mapping[str, Workload]
) -> MatrixSpec:
    """Name all that some workloads need on some architectures, in every mode.

    Raises:
        NotFound: no such workload, or no device type of such an architecture.
    """
    types = _used_types(inventory)
    known = {kind.arch.value for kind in types}
    for arch in order.archs:
        if arch not in known:
            raise NotFound(f"inventory.yaml has no device of arch {arch}; it has {_list(known)}")
    for name in order.workloads:
        if name not in workloads:
            raise NotFound(f"there is no workload {name}; there are {_list(workloads)}")
    return MatrixSpec(
        name="selection",
        cases=tuple(_default_case(workloads[name]) for name in order.workloads or workloads),
        modes=(*(Mode(runtime) for runtime in Runtime), Mode(Runtime.AOT, kernels=BEST_KERNELS)),
        targets=tuple(t for t in types if not order.archs or t.arch.value in order.archs),
    )


def _used_types(inventory: Inventory) -> tuple[DeviceType, ...]:
    return tuple({device.type.name: device.type for device in inventory.devices}.values())


def _default_case(workload: Workload) -> Case:
    return Case(workload, tuple((p.name, p.default) for p in workload.parameters))


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def wanted_cells(plan: Plan) -> tuple[CellPlan, ...]:
    """The cells some device can take."""
    return tuple(cell for cell in plan.cells if not cell.impossible)
