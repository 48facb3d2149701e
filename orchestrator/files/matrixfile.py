"""Matrix files, and orders of one program: checked, and resolved to what they name."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.domain.device import Device
from orchestrator.domain.errors import MatrixError
from orchestrator.domain.matrix import Counts, MatrixSpec, Mode
from orchestrator.domain.runtime_source import PINNED
from orchestrator.domain.workload import Case, Parameter, Value, Workload
from orchestrator.files.modefile import SCHEMA as MODE_SCHEMA
from orchestrator.files.modefile import read_modes
from orchestrator.files.schema import (
    MOST,
    MOST_S,
    Schema,
    a_name,
    closed,
    named,
    seconds,
    texts,
    whole,
)
from orchestrator.files.spelling import next_step
from orchestrator.files.workloads import check_case
from orchestrator.files.yamlfile import (
    Document,
    Where,
    check,
    dump_yaml,
    parse_value,
    parse_yaml,
    read_yaml,
    show,
)
from orchestrator.inventory import Inventory
from orchestrator.matrix import points, same
from orchestrator.selection import (
    DEVICES_SCHEMA,
    EXCLUDE_SCHEMA,
    look_up,
    read_exclusions,
    read_targets,
)

_VALUE: Schema = {"type": ["string", "number", "boolean"], "says": "text, a number, true or false"}
#: Files that ``farm run`` takes too, so that other commands are given them by mistake.
_PROGRAMS = (".c", ".wasm")
_COUNTS: Mapping[str, Schema] = {
    "attempts": whole(1, MOST["attempts"]),
    "warmups": whole(0, MOST["warmups"]),
    "repeats": whole(1, MOST["repeats"]),
}
#: Of a matrix file; each key has its meaning in ``meanings.py``.
SCHEMA = closed(
    {
        "name": a_name(),
        "workloads": texts("a list of workload names"),
        "modes": {
            "type": "array",
            "minItems": 1,
            "items": MODE_SCHEMA,
            "says": "a list of modes, such as [wamr-fast, native]",
        },
        "devices": DEVICES_SCHEMA,
        "parameters": named(
            {
                "if": {"type": "array"},
                "then": {
                    "type": "array",
                    "minItems": 1,
                    "items": _VALUE,
                    "uniqueItems": True,
                    "says": "a value or a list of values",
                },
                "else": _VALUE,
            },
            "a map: parameter -> value or list of values",
        ),
        **_COUNTS,
        "emulated_counts": closed(_COUNTS, "attempts, warmups and repeats"),
        "exclude": EXCLUDE_SCHEMA,
        "timeout_s": seconds(MOST_S),
        "priority": whole(-1_000_000, 1_000_000),
    },
    "name, workloads, modes and devices",
    required=["name", "workloads", "modes", "devices"],
)
#: What ``--set`` replaces beside parameters.
_SETTABLE: Mapping[str, Where] = {
    **{key: (key,) for key in (*_COUNTS, "timeout_s", "priority")},
    **{f"emulated_counts.{key}": ("emulated_counts", key) for key in _COUNTS},
}

Catalogue = Mapping[str, Workload]
Overrides = Sequence[tuple[str, str]]


def read_matrix(
    path: Path,
    catalogue: Catalogue,
    inventory: Inventory,
    overrides: Overrides = (),
    sources: Collection[str] = (PINNED,),
) -> MatrixSpec:
    """Read a matrix file.

    Args:
        path: the file.
        catalogue: the workloads it may name.
        inventory: the devices it may name.
        overrides: ``--set`` as (key, value), the value as in YAML.
        sources: the names of runtime sources it may use.

    Returns:
        The matrix; its ``text`` holds the overrides too, so that ``parse_matrix`` of it gives the
        same again.

    Raises:
        MatrixError: with file and line, or naming the override: unknown key, mode, workload,
            device, parameter; nothing left to measure.
        WorkloadFileError: a case has no expected output to be judged by.
    """
    if path.suffix in _PROGRAMS:
        raise MatrixError("a program, not a matrix: `farm run` measures it", file=path)
    return _matrix(read_yaml(path, MatrixError), catalogue, inventory, overrides, sources)


def parse_matrix(
    content: str,
    path: Path,
    catalogue: Catalogue,
    inventory: Inventory,
    overrides: Overrides = (),
    sources: Collection[str] = (PINNED,),
) -> MatrixSpec:
    """Check the text of a matrix; as ``read_matrix``."""
    document = parse_yaml(content, path, MatrixError)
    return _matrix(document, catalogue, inventory, overrides, sources)


def _matrix(
    document: Document,
    catalogue: Catalogue,
    inventory: Inventory,
    overrides: Overrides,
    sources: Collection[str],
) -> MatrixSpec:
    check(document, SCHEMA)
    workloads = [
        look_up(document, ("workloads", index), "workload", name, catalogue)
        for index, name in enumerate(document.data["workloads"])
    ]
    document = _overridden(document, workloads, overrides)
    data: Mapping[str, Any] = document.data
    _refuse_unknown_parameters(document, workloads)
    counts = Counts(**{key: data[key] for key in _COUNTS if key in data})
    spec = MatrixSpec(
        name=data["name"],
        cases=tuple(_cases(document, workloads)),
        modes=_modes(document, sources),
        targets=read_targets(document, inventory),
        counts=counts,
        emulated_counts=_emulated_counts(data, counts),
        timeout_s=data.get("timeout_s"),
        priority=data.get("priority", 0),
        exclude=read_exclusions(document, catalogue, inventory, sources),
        text=_text(document, overrides),
    )
    for case, archs in _judged(spec, inventory):
        check_case(case, archs)
    if next(points(spec, inventory.devices), None) is None:
        raise document.complaint(("exclude",), "the matrix is empty: exclude fewer cells")
    return spec


def _overridden(
    document: Document, workloads: Sequence[Workload], overrides: Overrides
) -> Document:
    parameters = {item.name for workload in workloads for item in workload.parameters}
    for key, value in overrides:
        origin = f"--set {key}={value}"
        name = key.removeprefix("parameters.")
        if name in parameters:
            where: Where = ("parameters", name)
        elif key in _SETTABLE:
            where = _SETTABLE[key]
        else:
            hint = next_step(key, [*_SETTABLE, *sorted(parameters)])
            raise MatrixError(f"{origin}: unknown key '{key}': {hint}")
        document = document.put(where, parse_value(value), origin)
    check(document, SCHEMA)
    return document


def _text(document: Document, overrides: Overrides) -> str:
    if not overrides:
        return document.text
    said = "".join(f"# --set {key}={value!r}\n" for key, value in overrides)
    return said + dump_yaml(document.data)


def _emulated_counts(data: Mapping[str, Any], counts: Counts) -> Counts | None:
    if "emulated_counts" not in data:
        return None
    found: Mapping[str, int] = data["emulated_counts"]
    return Counts(**{key: found.get(key, getattr(counts, key)) for key in _COUNTS})


# cases


def _judged(spec: MatrixSpec, inventory: Inventory) -> list[tuple[Case, set[str]]]:
    """Say on which architectures each case is measured, so that its output must be judged."""
    found: dict[int, tuple[Case, set[str]]] = {}
    for case, target, _ in points(spec, inventory.devices):
        kind = target.type if isinstance(target, Device) else target
        found.setdefault(id(case), (case, set()))[1].add(kind.arch)
    return list(found.values())


def _refuse_unknown_parameters(document: Document, workloads: Sequence[Workload]) -> None:
    known = sorted({item.name for workload in workloads for item in workload.parameters})
    for name in document.data.get("parameters", {}):
        if name not in known:
            raise document.complaint(
                ("parameters", name),
                f"no workload here has a parameter '{name}': {next_step(name, known)}",
            )


def _cases(document: Document, workloads: Sequence[Workload]) -> Iterator[Case]:
    for workload in workloads:
        axes = [_axis(document, workload, parameter) for parameter in workload.parameters]
        for values in itertools.product(*axes):
            names = (parameter.name for parameter in workload.parameters)
            case = Case(workload, tuple(zip(names, values, strict=True)))
            yield case


def _axis(document: Document, workload: Workload, parameter: Parameter) -> tuple[Value, ...]:
    written = document.data.get("parameters", {}).get(parameter.name, parameter.default)
    if not isinstance(written, list):
        return (_fit(document, ("parameters", parameter.name), workload, parameter, written),)
    return tuple(
        _fit(document, ("parameters", parameter.name, index), workload, parameter, value)
        for index, value in enumerate(written)
    )


def _fit(
    document: Document, where: Where, workload: Workload, parameter: Parameter, value: Value
) -> Value:
    """Take a value as the workload's author wrote it, so that 1 and "1" are not two cases."""
    if isinstance(parameter.default, str) and not isinstance(value, str):
        value = str(value).lower() if isinstance(value, bool) else str(value)
    if parameter.values and not any(same(value, allowed) for allowed in parameter.values):
        allowed = ", ".join(map(str, parameter.values))
        raise document.complaint(
            where,
            f"parameter '{parameter.name}' of {workload.name} cannot be {show(value)}:"
            f" write one of {allowed}",
        )
    if not parameter.values and isinstance(value, str) != isinstance(parameter.default, str):
        raise document.complaint(
            where,
            f"parameter '{parameter.name}' of {workload.name} is {show(value)}: write a value"
            f" like its default, {show(parameter.default)}",
        )
    return value


# modes


def _modes(document: Document, sources: Collection[str]) -> tuple[Mode, ...]:
    found: list[Mode] = []
    for index, written in enumerate(document.data["modes"]):
        for mode in read_modes(document, ("modes", index), written, sources):
            if mode in found:
                raise document.complaint(
                    ("modes", index), f"mode '{mode.label}' is listed twice: keep one of them"
                )
            found.append(mode)
    return tuple(found)
