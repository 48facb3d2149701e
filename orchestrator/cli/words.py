"""Numbers and names as people read them; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from orchestrator.domain.workload import Checker, CheckerKind, Value
from orchestrator.files.spelling import shortened

_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
#: Of a sha256, what tells artifacts apart in a table.
_SHORT_DIGEST = 12

NOTHING = "-"


def seconds(value_s: float | None) -> str:
    """Write a duration with three digits and the unit that fits: ``28.6 ms``."""
    if value_s is None:
        return NOTHING
    for unit_s, name in _SECONDS:
        if value_s >= unit_s:
            return f"{_three(value_s / unit_s)} {name}"
    return "0 s" if value_s == 0 else f"{value_s:.2g} s"


def size(value_bytes: float | None) -> str:
    """Write a size with three digits and a decimal unit: ``9.10 MB``."""
    if value_bytes is None:
        return NOTHING
    for unit_bytes, name in _BYTES:
        if value_bytes >= unit_bytes:
            return f"{_three(value_bytes / unit_bytes)} {name}"
    return f"{value_bytes:.0f} B"


def ratio(value: float | None) -> str:
    """Write how many times as long: ``1.05x``."""
    return NOTHING if value is None else f"{_three(value)}x"


def moment(when: datetime | None) -> str:
    """Write an instant in the reader's own time zone, to the second."""
    return NOTHING if when is None else when.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def digest(sha256: str | None) -> str:
    """Write the start of a digest."""
    return sha256[:_SHORT_DIGEST] if sha256 else NOTHING


def case(workload: str, parameters: Mapping[str, Value]) -> str:
    """Write a workload with its parameters: ``gemm size=layer``."""
    values = (f"{name}={shortened(value)}" for name, value in parameters.items())
    return " ".join((workload, *values))


def count(number: int, thing: str) -> str:
    """Write how many: ``1 cell``, ``12 cells``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def checker(expected: Checker | None) -> str:
    """Write what an output must be: ``exact expected/{size}.txt``."""
    if expected is None:
        return "any"
    told = f"{expected.kind} {expected.expected}"
    if expected.kind is CheckerKind.TOLERANCE:
        told += f" (relative {expected.relative:g}, absolute {expected.absolute:g})"
    return f"{expected.of}: {told}" if expected.of else told


def first_line(text: str) -> str:
    """Answer the first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _three(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
