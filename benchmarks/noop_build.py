"""Print how long a build takes that has nothing to do, and that it sees a changed header.

Compiles each target once before; ``--cache`` keeps that for the next time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.build.engine import make_all
from orchestrator.build.recipes import Target
from orchestrator.build.toolchain import WASM, Unit, compile_c, find_zig
from orchestrator.build.workshop import Workshop
from orchestrator.domain.order import BuildStep

#: Issue 1 of 6: a no-op build of 1,000 targets in a started process, s.
LIMIT_S = 0.1
#: Headers; each target reads the first and one of the others.
HEADERS = 20


class Rig:
    """Many C files over a few headers, and builds of them."""

    def __init__(self, folder: Path, cache: Path, targets: int) -> None:
        zig_cache = str(cache / "zig")
        environment = {
            "PATH": os.environ["PATH"],
            "ZIG_GLOBAL_CACHE_DIR": zig_cache,
            "ZIG_LOCAL_CACHE_DIR": zig_cache,
        }
        self.folder = folder
        self._workshop = Workshop(cache, environment)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(HEADERS):
            self.write(f"h{number}.h", f"#define H{number} {number}\n")
        for number in range(targets):
            header = 1 + number % (HEADERS - 1)
            self.write(
                f"t{number}.c",
                f'#include "h0.h"\n#include "h{header}.h"\n'
                f"int f{number}(void) {{ return {number} + H0 + H{header}; }}\n",
            )
        self._names = [f"t{number}.c" for number in range(targets)]

    def write(self, name: str, text: str) -> None:
        """Write a file unless it says that already."""
        path = self.folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)

    def build(self) -> tuple[float, Counter[str], list[str]]:
        """Build all; answers seconds, targets by state, and why some were made."""
        steps: dict[str, BuildStep] = {}
        started_s = time.perf_counter()
        make_all(
            self._workshop,
            self._targets(),
            jobs=os.cpu_count() or 1,
            progress=lambda step: steps.update({step.name: step}),
            stop=threading.Event(),
        )
        took_s = time.perf_counter() - started_s
        reasons = sorted({step.reason for step in steps.values() if step.state == "made"})
        return took_s, Counter(step.state for step in steps.values()), reasons

    def _targets(self) -> list[Target]:
        """Planned anew for each build, as an order from a user is."""
        zig = find_zig()
        return [
            compile_c(zig, Unit("bench", self.folder, name), WASM, ("-O0",), label="", places={})
            for name in self._names
        ]


def main() -> int:
    """Measure and print; 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--cache", type=Path, help="keep the compiled targets here")
    parser.add_argument("--builds", type=int, default=10, help="no-op builds to time")
    wanted = parser.parse_args()
    with _folder(wanted.cache) as cache:
        return _measure(Rig(cache / "sources", cache, wanted.targets), wanted.builds)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="farm-noop-build-") as folder:
        yield Path(folder)


def _measure(rig: Rig, builds: int) -> int:
    took_s, states, _ = rig.build()
    print(f"first build                   {took_s:8.3f} s  {dict(states)}")
    times_s = [rig.build()[0] for _ in range(builds)]
    median_s = statistics.median(times_s)
    print(
        f"no-op build, median of {builds:<4}   {median_s:8.3f} s  (limit {LIMIT_S} s, "
        f"{min(times_s):.3f} to {max(times_s):.3f} s)"
    )
    header = rig.folder / "h3.h"
    os.utime(header)
    took_s, touched, _ = rig.build()
    print(f"h3.h touched, same bytes      {took_s:8.3f} s  {dict(touched)}")
    text = header.read_text()
    header.write_text(f"{text}#define CHANGED {time.time_ns()}\n")
    took_s, changed, reasons = rig.build()
    print(f"h3.h changed                  {took_s:8.3f} s  {dict(changed)}  {reasons}")
    header.write_text(text)
    took_s, back, _ = rig.build()
    print(f"h3.h as before                {took_s:8.3f} s  {dict(back)}")
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"load of the machine {load}; {os.cpu_count()} cores")
    readers = sum(states.values()) // (HEADERS - 1)
    right = not touched["made"] and abs(changed["made"] - readers) <= 1 and not back["made"]
    return 0 if right and median_s <= LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
