"""Expands a matrix to its cells, in a fixed order and with keys that stay the same for ever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from orchestrator.domain.device import Device, DeviceType
from orchestrator.domain.errors import MatrixError
from orchestrator.domain.matrix import CellPlan, Counts, MatrixSpec, Mode, Plan
from orchestrator.domain.workload import Case, Value

Target = Device | DeviceType
#: Says why a mode can never run a case on a device type; empty: it can.
WhyImpossible = Callable[[Case, Mode, DeviceType], str]
#: Says what a device lacks on this machine; empty: nothing.
WhyAbsent = Callable[[Device], str]

#: What an exclusion may name beside a workload's parameters; ``facts_of`` gives the values.
EXCLUDE_KEYS = (
    "workload",
    "mode",
    "runtime",
    "simd",
    "kernels",
    "opt",
    "bounds_checks",
    "cpu",
    "runtime_source",
    "device",
    "device_type",
    "arch",
    "emulated",
)


def never_absent(_: Device) -> str:
    """Say that a device is here: where nothing is measured, none has to be."""
    return ""


def expand(
    spec: MatrixSpec,
    devices: Sequence[Device],
    why_impossible: WhyImpossible,
    why_absent: WhyAbsent = never_absent,
) -> Plan:
    """Make the cells of a matrix: cases, within each its targets, within each the modes.

    Args:
        spec: the checked matrix.
        devices: all devices of the inventory.
        why_impossible: says what no device of a type can do.
        why_absent: says what a device lacks to do anything.

    Returns:
        The plan; cells no device can take are in it, with the reason.

    Raises:
        MatrixError: no cell is left.
    """
    cells = tuple(
        CellPlan(
            key=cell_key(case, mode, target),
            case=case,
            mode=mode,
            target=target,
            counts=_counts(spec, target, devices),
            timeout_s=_timeout_s(spec, case),
            impossible=_missing(target, devices)
            or why_impossible(case, mode, _type_of(target))
            or _absent(target, devices, why_absent),
        )
        for case, target, mode in points(spec, devices)
    )
    if not cells:
        raise MatrixError(
            f"matrix '{spec.name}' is empty: name workloads, modes and devices, and exclude fewer"
        )
    return Plan(spec, cells)


def points(spec: MatrixSpec, devices: Sequence[Device]) -> Iterator[tuple[Case, Target, Mode]]:
    """Yield what is left of the product once the exclusions are taken out.

    Args:
        spec: the checked matrix.
        devices: all devices of the inventory.
    """
    for case in spec.cases:
        for target in spec.targets:
            for mode in spec.modes:
                facts = facts_of(case, mode, target, devices)
                if not any(_matches(exclusion, facts) for exclusion in spec.exclude):
                    yield case, target, mode


def facts_of(
    case: Case, mode: Mode, target: Target, devices: Sequence[Device]
) -> dict[str, Value | None]:
    """Say what exclusions can be about; None where a value is the default of the architecture."""
    device_type = _type_of(target)
    return {
        **dict(case.parameters),
        "workload": case.workload.name,
        "mode": mode.label,
        "runtime": mode.runtime.value,
        "simd": mode.simd,
        "kernels": mode.kernels,
        "opt": mode.opt,
        "bounds_checks": mode.bounds_checks,
        "cpu": mode.cpu,
        "runtime_source": mode.runtime_source,
        "device": target.name if isinstance(target, Device) else None,
        "device_type": device_type.name,
        "arch": device_type.arch.value,
        "emulated": is_emulated(target, devices),
    }


def _matches(exclusion: Mapping[str, Value], facts: Mapping[str, Value | None]) -> bool:
    return all(key in facts and same(facts[key], value) for key, value in exclusion.items())


def same(one: Value | None, other: Value | None) -> bool:
    """Compare values as a person writes them: ``true`` is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _type_of(target: Target) -> DeviceType:
    return target.type if isinstance(target, Device) else target


def is_emulated(target: Target, devices: Sequence[Device]) -> bool:
    """Say whether a target's times mean nothing; the devices of one type are alike in this."""
    if isinstance(target, Device):
        return target.emulated
    return any(device.emulated for device in devices if device.type.name == target.name)


def _counts(spec: MatrixSpec, target: Target, devices: Sequence[Device]) -> Counts:
    if spec.emulated_counts is not None and is_emulated(target, devices):
        return spec.emulated_counts
    return spec.counts


def _timeout_s(spec: MatrixSpec, case: Case) -> float:
    return case.workload.limits.timeout_s if spec.timeout_s is None else spec.timeout_s


def _able(target: Target, devices: Sequence[Device]) -> Sequence[Device]:
    if isinstance(target, Device):
        return (target,)
    return [device for device in devices if device.type.name == target.name]


def _missing(target: Target, devices: Sequence[Device]) -> str:
    return "" if _able(target, devices) else f"no device of type {target.name} is declared"


def _absent(target: Target, devices: Sequence[Device], why_absent: WhyAbsent) -> str:
    """Why none of the devices a cell could go to can take it; one that can is enough."""
    lacks = [why_absent(device) for device in _able(target, devices)]
    return lacks[0] if all(lacks) else ""


def cell_key(case: Case, mode: Mode, target: Target) -> str:
    """Name a cell by what was ordered: the same over runs, processes and versions.

    Args:
        case: a workload's name and its parameters count, not its files.
        mode: its runtime and every option that is not the default.
        target: its kind and name.

    Returns:
        sha256, 64 hex digits.
    """
    kind = "device" if isinstance(target, Device) else "device_type"
    ordered = {
        "workload": case.workload.name,
        "parameters": dict(case.parameters),
        "runtime": mode.runtime.value,
        "options": mode.options,
        kind: target.name,
    }
    text = json.dumps(ordered, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
