"""A build that has nothing to do, in a started process, beside ninja's; and what changes cost.

Ninja gets the same C files, the same compiler commands and as many jobs. What differs: ours runs
in a process that lives, and plans its targets anew; ninja is started, and reads its file and its
log. Ours looks a product up by the digests of all it was made from, and keeps each as a blob with
its recipe; ninja compares times and overwrites.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from benchmarks.report import Figure, tell
from orchestrator.build.engine import make_all
from orchestrator.build.recipes import SCRATCH, Target, real_argument
from orchestrator.build.toolchain import WASM, Unit, compile_c, find_zig
from orchestrator.build.workshop import Workshop
from orchestrator.domain.order import BuildStep

#: The limit the project sets itself: a no-op build of 1,000 targets in a started process, s.
LIMIT_S = 0.1
TARGETS = 1000
ROUNDS = 10
#: Headers; each target reads the first and one of the others.
HEADERS = 20
#: C files edited in each round that has something to do, and such rounds: ours first in every
#: other one.
CHANGED = 100
CHANGED_ROUNDS = 4


class Rig:
    """Many C files over a few headers, and builds of them."""

    def __init__(self, folder: Path, cache: Path) -> None:
        zig_cache = str(cache / "zig")
        self.folder = folder
        self._workshop = Workshop(cache, environment(zig_cache))
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(HEADERS):
            self.write(f"h{number}.h", f"#define H{number} {number}\n")
        for number in range(TARGETS):
            self.write_source(number, 0)
        self._names = [f"t{number}.c" for number in range(TARGETS)]

    def write(self, name: str, text: str) -> None:
        """Write a file unless it says that already."""
        path = self.folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)

    def write_source(self, number: int, edition: int) -> None:
        """Write a C file; another edition is another function of the same size."""
        header = 1 + number % (HEADERS - 1)
        self.write(
            f"t{number}.c",
            f'#include "h0.h"\n#include "h{header}.h"\n'
            f"int f{number}_{edition}(void) {{ return {number} + H0 + H{header}; }}\n",
        )

    def build(self) -> tuple[float, list[str]]:
        """Build all; answers seconds, and why each target was made that was not known."""
        steps: dict[str, BuildStep] = {}
        started_s = time.perf_counter()
        make_all(
            self._workshop,
            self.targets(),
            jobs=os.cpu_count() or 1,
            progress=lambda step: steps.update({step.name: step}),
            stop=threading.Event(),
        )
        took_s = time.perf_counter() - started_s
        return took_s, [step.reason for step in steps.values() if step.state != "known"]

    def targets(self) -> list[Target]:
        """Planned anew for each build, as an order from a user is."""
        zig = find_zig()
        return [
            compile_c(zig, Unit("bench", self.folder, name), WASM, ("-O0",), label="", places={})
            for name in self._names
        ]


class Ninja:
    """Ninja over a rig's C files, with objects and a compiler's cache of its own."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self._folder = folder
        self._environment = environment(str(folder / "zig"))
        self._environment["LC_ALL"] = "C"
        folder.mkdir(parents=True)
        self._sources = rig.folder
        rules = [f"builddir = {folder}", "rule cc", "  command = $words"]
        rules += ["  depfile = $out.d", "  deps = gcc"]
        for target in rig.targets():
            rules += self._edge(target)
        (folder / "build.ninja").write_text("\n".join(rules) + "\n")

    def _edge(self, target: Target) -> list[str]:
        (command,) = target.commands
        places = {**target.places, SCRATCH: self._folder}
        output = f"{self._folder}/{target.file_name}"
        words = [real_argument(word, places) for word in command.arguments]
        words = [word.replace(f"{self._folder}/.depends", f"{output}.d") for word in words]
        source = words[words.index("-c") + 1]
        return [f"build {output}: cc {source}", f"  words = {find_zig().path} {' '.join(words)}"]

    def build(self) -> float:
        """Start it and answer how long it took, s."""
        started_s = time.perf_counter()
        subprocess.run(
            [
                *("ninja", "-C", self._sources, "-f", self._folder / "build.ninja"),
                *("-j", str(os.cpu_count() or 1), "--quiet"),
            ],
            check=True,
            env=self._environment,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - started_s


def environment(zig_cache: str) -> dict[str, str]:
    """What compilers see."""
    return {
        "PATH": os.environ["PATH"],
        "ZIG_GLOBAL_CACHE_DIR": zig_cache,
        "ZIG_LOCAL_CACHE_DIR": zig_cache,
    }


def main() -> int:
    """Build all once with both, then time builds after no change, and after changes."""
    with tempfile.TemporaryDirectory(prefix="farm-benchmark-") as folder:
        rig = Rig(Path(folder) / "sources", Path(folder) / "cache")
        ninja = Ninja(rig, Path(folder) / "ninja")
        first_s, made = rig.build()
        figures = [
            Figure("first build", first_s, "s"),
            Figure("first build, ninja", ninja.build(), "s"),
            Figure("first build, made", len(made), "targets", direction="none"),
            *_nothing_changed(rig, ninja),
            *_sources_changed(rig, ninja),
            *_header_changed(rig),
        ]
    return tell(f"build of {TARGETS} C files that read 2 of {HEADERS} headers each", figures)


def _nothing_changed(rig: Rig, ninja: Ninja) -> list[Figure]:
    ours_s, ninjas_s = [], []
    for _ in range(ROUNDS):
        ours_s.append(rig.build()[0])
        ninjas_s.append(ninja.build())
    return [
        Figure(f"no-op build, median of {ROUNDS}", median(ours_s), "s", LIMIT_S),
        Figure("no-op build, fastest", min(ours_s), "s"),
        Figure("no-op build, slowest", max(ours_s), "s"),
        Figure("no-op build, ninja's median", median(ninjas_s), "s"),
        Figure(
            "no-op build, ours / ninja's",
            median(ours_s) / median(ninjas_s),
            "times",
            base="no-op build, ninja's median",
        ),
    ]


def _sources_changed(rig: Rig, ninja: Ninja) -> list[Figure]:
    ours_s, ninjas_s, made = [], [], []
    for edition in range(1, CHANGED_ROUNDS + 1):
        for number in range(CHANGED):
            rig.write_source(number * (TARGETS // CHANGED), edition)
        if edition % 2 == 0:
            ninjas_s.append(ninja.build())
        took_s, reasons = rig.build()
        ours_s.append(took_s)
        made.append(len(reasons))
        if edition % 2:
            ninjas_s.append(ninja.build())
    wrong = sum(abs(count - CHANGED) for count in made)
    name = f"{CHANGED} files changed"
    return [
        Figure(f"{name}, median of {CHANGED_ROUNDS}", median(ours_s), "s"),
        Figure(f"{name}, ninja's median", median(ninjas_s), "s"),
        Figure(
            f"{name}, ours / ninja's",
            median(ours_s) / median(ninjas_s),
            "times",
            base=f"{name}, ninja's median",
        ),
        Figure(f"{name}, wrongly made or not", wrong, "targets", 0),
    ]


def _header_changed(rig: Rig) -> list[Figure]:
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
    return [
        Figure("header touched", touched_s, "s"),
        Figure("header touched, made", len(after_touch), "targets", 0),
        Figure("header changed", changed_s, "s"),
        Figure("header changed, made", len(after_change), "targets", direction="none"),
        Figure("header changed, wrongly made or not", missed, "targets", 0),
        Figure("change undone, made", len(after_undoing), "targets", 0),
    ]


if __name__ == "__main__":
    sys.exit(main())
