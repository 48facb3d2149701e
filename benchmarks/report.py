"""How a benchmark tells: the machine's load, each figure, its limit, and whether it held."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

#: Names the file that takes the figures as a document; set by ``run.py``.
FIGURES_FILE = "FARM_BENCHMARK_FIGURES"

#: Which way a figure should go; ``none``: it is told beside others, and neither way is worse.
Direction = Literal["less", "more", "none"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str
    #: The most it may be; None: told, not judged.
    limit: float | None = None
    direction: Direction = "less"
    #: Of a ratio: what it was divided by.
    base: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is within its limit; a figure that is no number never is."""
        return self.limit is None or self.value <= self.limit


def tell(title: str, figures: Sequence[Figure]) -> int:
    """Print figures under the machine's load at this moment, and hand them over.

    Returns:
        The exit code: 0 if every limit holds, else 1.
    """
    print(headline(title))
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        limit = "" if figure.limit is None else f"  limit {figure.limit:g} {figure.unit}"
        verdict = "" if figure.limit is None else ("  pass" if figure.holds else "  FAIL")
        print(f"  {figure.name:<{width}}  {figure.value:>10.4g} {figure.unit}{limit}{verdict}")
    failed = [figure.name for figure in figures if not figure.holds]
    print(f"FAIL: {', '.join(failed)}" if failed else "pass")
    hand_over(title, figures)
    return 1 if failed else 0


def hand_over(title: str, figures: Sequence[Figure]) -> None:
    """Write figures to the file that ``run.py`` named, if it did."""
    file = os.environ.get(FIGURES_FILE)
    if file:
        rows = [figure_row(figure) for figure in figures]
        Path(file).write_text(json.dumps({"title": title, "figures": rows}), encoding="utf-8")


def figure_row(figure: Figure) -> dict[str, object]:
    """Write a figure as a document; one that is no number has none."""
    value = figure.value if math.isfinite(figure.value) else None
    return {**asdict(figure), "value": value, "holds": figure.holds}


def headline(title: str) -> str:
    """Name what was measured, the machine, and its load at this moment."""
    load = " ".join(f"{one:.2f}" for one in os.getloadavg())
    return f"{title}: {processor()}, {os.cpu_count()} cores, load {load} (1, 5, 15 min)"


def processor() -> str:
    """Name this machine's processor."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
