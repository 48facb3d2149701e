"""What starting the command costs: `farm --help` against a python that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from benchmarks.farms import FARM, user_environment
from benchmarks.report import Figure, tell

ROUNDS = 25
#: The limit the project sets itself.
LIMIT = 6.0


def main() -> int:
    """Measure both in turns, so that a busy moment hits both."""
    nothing: list[float] = []
    helping: list[float] = []
    _time_s([str(FARM), "--help"])  # leaves python's compiled modules
    for _ in range(ROUNDS):
        nothing.append(_time_s([sys.executable, "-c", "pass"]))
        helping.append(_time_s([str(FARM), "--help"]))
    return tell(
        f"start of the command, medians of {ROUNDS}",
        [
            Figure("python3 -c pass", median(nothing) * 1e3, "ms"),
            Figure("farm --help", median(helping) * 1e3, "ms"),
            Figure(
                "ratio", median(helping) / median(nothing), "times", LIMIT, base="python3 -c pass"
            ),
        ],
    )


def _time_s(argv: list[str]) -> float:
    environment = user_environment()
    begin = time.perf_counter()
    subprocess.run(argv, check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
