"""All workloads in all modes, each device's times beside its own native ones.

Takes a matrix, by default matrices/workloads.yaml: every workload, small, on three architectures.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.farms import ROOT, ScratchFarm, scratch_farm
from benchmarks.report import Direction, Figure, hand_over, headline

#: The mode that the others are held against.
NATIVE = "native"
#: Its time is the clock's own, and no ratio is told of it.
_FLOOR = "noop"


@dataclass(frozen=True, slots=True)
class Cell:
    """One result."""

    device: str
    case: str
    mode: str
    outcome: str
    #: Median of the timed region; None: it failed.
    seconds: float | None


def main(arguments: Sequence[str]) -> int:
    """Run the matrix and print a table for each device; 1 if a cell has no time."""
    matrix = Path(arguments[0]) if arguments else ROOT / "matrices" / "workloads.yaml"
    with scratch_farm() as farm:
        cells = [_cell(result) for result in _run(farm, matrix)]
    print(headline(matrix.name))
    for device in dict.fromkeys(cell.device for cell in cells):
        print("\n".join(["", *_table(device, [cell for cell in cells if cell.device == device])]))
    failed = [cell for cell in cells if cell.seconds is None]
    for cell in failed:
        print(f"FAIL: {cell.case} {cell.mode} on {cell.device}: {cell.outcome or 'no time'}")
    print(f"\n{len(cells) - len(failed)} of {len(cells)} cells printed what is right")
    hand_over(matrix.name, _figures(cells))
    return 1 if failed or not cells else 0


def _run(farm: ScratchFarm, matrix: Path) -> list[dict[str, Any]]:
    farm.call("run", str(matrix), may_fail=True)
    newest = max(run["run_id"] for run in farm.read("runs", "list"))
    results: list[dict[str, Any]] = farm.read("results", "list", str(newest))
    return sorted(results, key=lambda result: int(result["cell_id"]))


def _cell(result: dict[str, Any]) -> Cell:
    median_s = (result["execute_s"] or {}).get("median")
    emulated = ", emulated" if result["emulated"] else ""
    parameters = [f"{name}={value}" for name, value in result["case"].items()]
    return Cell(
        device=f"{result['device']} ({result['arch']}{emulated})",
        case=" ".join([result["workload"], *parameters]),
        mode=result["mode"],
        outcome=result["outcome"],
        seconds=None if median_s is None else float(median_s),
    )


def _table(device: str, cells: Sequence[Cell]) -> list[str]:
    """Write a device's table: a row for each case, each mode's time with its ratio to native."""
    modes = list(dict.fromkeys(cell.mode for cell in cells))
    cases = list(dict.fromkeys(cell.case for cell in cells))
    times = {(cell.case, cell.mode): cell.seconds for cell in cells}
    ratios = {
        (case, mode): _ratio(times.get((case, mode)), times.get((case, NATIVE)))
        for case in cases
        if case != _FLOOR
        for mode in modes
    }
    rows = [
        [case, *(_words(times.get((case, mode)), ratios.get((case, mode))) for mode in modes)]
        for case in cases
    ]
    means = [_mean(ratios.get((case, mode)) for case in cases) for mode in modes]
    return _align([[device, *modes], *rows, ["geometric mean", *map(_times, means)]])


def _figures(cells: Sequence[Cell]) -> list[Figure]:
    """Sum the table up: each device's means, and how many cells failed."""
    failed = sum(cell.seconds is None for cell in cells)
    figures = [Figure("cells without a time", failed, "cells", 0)]
    for device in dict.fromkeys(cell.device for cell in cells):
        here = [cell for cell in cells if cell.device == device and cell.case != _FLOOR]
        natives = {cell.case: cell.seconds for cell in here if cell.mode == NATIVE}
        for mode in dict.fromkeys(cell.mode for cell in here if cell.mode != NATIVE):
            pairs = [(cell.seconds, natives.get(cell.case)) for cell in here if cell.mode == mode]
            mean = _mean(_ratio(seconds, native_s) for seconds, native_s in pairs)
            if mean is not None:
                name = f"{device}, {mode}: geometric mean"
                # An emulator's times are its own.
                way: Direction = "none" if "emulated" in device else "less"
                figures.append(Figure(name, mean, "times", direction=way, base=NATIVE))
    return figures


def _ratio(seconds: float | None, native_s: float | None) -> float | None:
    if seconds is None or native_s is None:
        return None
    return seconds / native_s


def _mean(ratios: Iterable[float | None]) -> float | None:
    logarithms = [math.log(ratio) for ratio in ratios if ratio is not None]
    return math.exp(math.fsum(logarithms) / len(logarithms)) if logarithms else None


def _words(seconds: float | None, ratio: float | None) -> str:
    return "failed" if seconds is None else f"{seconds * 1e3:.3g} ms {_times(ratio):>6}"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
