"""A build that has nothing to do, in a started process, and whether it sees a changed header."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from benchmarks.report import Figure, tell
from orchestrator.build.engine import make_all
from orchestrator.build.recipes import Target
from orchestrator.build.toolchain import WASM, Unit, compile_c, find_zig
from orchestrator.build.workshop import Workshop
from orchestrator.domain.order import BuildStep

#: Issue 1 of 6: a no-op build of 1,000 targets in a started process, s.
LIMIT_S = 0.1
TARGETS = 1000
ROUNDS = 10
#: Headers; each target reads the first and one of the others.
HEADERS = 20


class Rig:
    """Many C files over a few headers, and builds of them."""

    def __init__(self, folder: Path, cache: Path) -> None:
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
        for number in range(TARGETS):
            header = 1 + number % (HEADERS - 1)
            self.write(
                f"t{number}.c",
                f'#include "h0.h"\n#include "h{header}.h"\n'
                f"int f{number}(void) {{ return {number} + H0 + H{header}; }}\n",
            )
        self._names = [f"t{number}.c" for number in range(TARGETS)]

    def write(self, name: str, text: str) -> None:
        """Write a file unless it says that already."""
        path = self.folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)

    def build(self) -> tuple[float, list[str]]:
        """Build all; answers seconds, and why each target was made that was not known."""
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
        return took_s, [step.reason for step in steps.values() if step.state != "known"]

    def _targets(self) -> list[Target]:
        """Planned anew for each build, as an order from a user is."""
        zig = find_zig()
        return [
            compile_c(zig, Unit("bench", self.folder, name), WASM, ("-O0",), label="", places={})
            for name in self._names
        ]


def main() -> int:
    """Compile all once, then time builds after no change, a touch, a change, and its undoing."""
    with tempfile.TemporaryDirectory(prefix="farm-benchmark-") as folder:
        rig = Rig(Path(folder) / "sources", Path(folder) / "cache")
        first_s, made = rig.build()
        times_s = [rig.build()[0] for _ in range(ROUNDS)]
        header = rig.folder / "h3.h"
        text = header.read_text()
        os.utime(header)
        touched_s, after_touch = rig.build()
        header.write_text(f"{text}#define CHANGED 1\n")
        changed_s, after_change = rig.build()
        header.write_text(text)
        _, after_undoing = rig.build()
    readers = len(range(2, TARGETS, HEADERS - 1))
    missed = abs(len(after_change) - readers) + sum("h3.h" not in why for why in after_change)
    return tell(
        f"build of {TARGETS} C files that read 2 of {HEADERS} headers each",
        [
            Figure("first build", first_s, "s"),
            Figure("first build, made", len(made), "targets"),
            Figure(f"no-op build, median of {ROUNDS}", median(times_s), "s", LIMIT_S),
            Figure("no-op build, fastest", min(times_s), "s"),
            Figure("no-op build, slowest", max(times_s), "s"),
            Figure("header touched", touched_s, "s"),
            Figure("header touched, made", len(after_touch), "targets", 0),
            Figure("header changed", changed_s, "s"),
            Figure("header changed, made", len(after_change), "targets"),
            Figure("header changed, wrongly made or not", missed, "targets", 0),
            Figure("change undone, made", len(after_undoing), "targets", 0),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
