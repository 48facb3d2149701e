"""What the runner adds: farm-runner beside a bare embedding of the very same WAMR, in turns."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.farms import ROOT, scratch_farm
from benchmarks.report import Figure, tell
from orchestrator.blobs import Blobs
from orchestrator.build.builder import CellArtifacts
from orchestrator.build.toolchain import PLATFORMS, find_zig
from orchestrator.build.wamr import pinned_source
from orchestrator.builds import open_builder
from orchestrator.config import FarmConfig, load_config
from orchestrator.domain.device import DeviceType
from orchestrator.domain.matrix import CellPlan, Counts, Mode, Runtime
from orchestrator.domain.workload import Case, Workload
from orchestrator.files.workloads import read_workload
from orchestrator.foundation import NATIVE
from orchestrator.inventory import read_inventory

#: The limit the project sets itself.
EXECUTE_LIMIT = 1.01
START_LIMIT_MS = 2.0
#: Each holds bare, runner, runner, bare: what drifts over a round weighs on both alike.
ROUNDS = 20
START_ROUNDS = 50
_EMBEDDING = ROOT / "benchmarks" / "embedding"
_CALLS = Workload("calls", "calls and nothing else", _EMBEDDING, ("calls.c",))
_GEMM = read_workload(ROOT / "workloads" / "gemm")
_LONGEST_S = 300.0
#: Of SCHED_RR; above all that is not real-time, so that a busy machine weighs less.
_PRIORITY = 10


@dataclass(frozen=True, slots=True)
class Trial:
    """A program in a mode, long enough to be timed to a thousandth."""

    workload: Workload
    runtime: Runtime
    arguments: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.workload.name} {' '.join(self.arguments)}, {self.runtime.value}"


TRIALS = (
    Trial(_GEMM, Runtime.FAST, ("small",), (("size", "small"),)),
    Trial(_GEMM, Runtime.AOT, ("layer",), (("size", "layer"),)),
    Trial(_CALLS, Runtime.CLASSIC, ("30",)),
    Trial(_CALLS, Runtime.FAST, ("32",)),
    Trial(_CALLS, Runtime.AOT, ("38",)),
)


#: Modes whose start is timed.
STARTED = (Runtime.FAST, Runtime.AOT)


@dataclass(frozen=True, slots=True)
class Pair:
    """The same module in both programs."""

    bare: Path
    runner: Path
    module: Path
    folder: Path

    def run_bare(self, arguments: Sequence[str]) -> tuple[float, int]:
        """Start the embedding; answers its execute time, s, and the start of its process, ns."""
        with (self.folder / "out.0").open("wb") as out, (self.folder / "err").open("w+b") as err:
            begin_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            subprocess.run(
                [self.bare, self.module, *arguments],
                check=True,
                timeout=_LONGEST_S,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.folder,
                # As the runner, which makes a session of its own: the kernel shares a busy
                # machine out by sessions (sched(7), autogroups).
                start_new_session=True,
            )
            err.seek(0)
            return int(err.read().split()[-1]) / 1e9, begin_ns

    def run_runner(self, arguments: Sequence[str]) -> tuple[float, int]:
        """Start farm-runner as an agent does; answers as ``run_bare``."""
        events = self.folder / "events"
        events.unlink(missing_ok=True)
        argv: list[str | Path] = [self.runner, "run", "--events", events, "--stdout"]
        argv += [self.folder / "out", "--stderr", self.folder / "err", "--name", "program"]
        argv += ["--cwd", self.folder, "--messages", self.folder / "messages"]
        argv += ["--repeats", "1", "--timeout-s", "300", "--", self.module, *arguments]
        begin_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        subprocess.run(
            argv,
            check=True,
            timeout=_LONGEST_S,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        lines = [json.loads(line) for line in events.read_text().splitlines()]
        (repeat,) = (line for line in lines if line["event"] == "repeat")
        return float(repeat["ns"]) / 1e9, begin_ns

    def entered_ns(self) -> int:
        """When the last run's main was entered."""
        return int((self.folder / "out.0").read_text().split()[0])


def main() -> int:
    """Build both programs of the same archive, run them in turns, judge ratio and difference."""
    with scratch_farm() as farm, tempfile.TemporaryDirectory(prefix="farm-benchmark-") as scratch:
        bench = _Bench(load_config(farm.folder), Path(scratch))
        pairs = [(trial, bench.pair(trial)) for trial in TRIALS]
        starts = [(runtime, bench.pair(Trial(_CALLS, runtime, ()))) for runtime in STARTED]
        priority = _come_first()
        figures = []
        for trial, pair in pairs:
            figures += _execute_figures(trial, pair)
        for runtime, pair in starts:
            figures += _start_figures(runtime, pair)
    return tell(
        f"farm-runner beside a bare embedding of the same libfarm-wamr.a, {ROUNDS} rounds of ABBA,"
        f" {priority} priority",
        figures,
    )


def _come_first() -> str:
    """Take a real-time priority where one may, for whatever is started from here on."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_PRIORITY))
    except PermissionError:
        return "normal"
    return "real-time"


class _Bench:
    """Builds what the trials run."""

    def __init__(self, config: FarmConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._device = read_inventory(config.inventory).devices[0].type
        self._pairs: dict[tuple[str, Runtime], Pair] = {}

    def pair(self, trial: Trial) -> Pair:
        key = (trial.workload.name, trial.runtime)
        if key not in self._pairs:
            self._pairs[key] = self._build(trial, self._folder / f"{key[0]}-{key[1].value}")
        return self._pairs[key]

    def _build(self, trial: Trial, folder: Path) -> Pair:
        folder.mkdir()
        made = self._cell(trial)
        (archive,) = (
            step.product.digest.sha256
            for step in made.provenance
            if step.product.name.startswith("libfarm-wamr.a")
        )
        blobs = Blobs(self._config.data / "blobs")
        runner = folder / "farm-runner"
        runner.write_bytes(blobs.path(made.runner.digest.sha256).read_bytes())
        runner.chmod(0o755)
        bare = folder / "bare"
        _link_bare(
            Blobs(self._config.cache / "blobs").path(archive), self._config, bare, self._device
        )
        return Pair(bare, runner, blobs.path(made.program.digest.sha256), folder)

    def _cell(self, trial: Trial) -> CellArtifacts:
        case = Case(trial.workload, trial.parameters)
        mode = Mode(trial.runtime)
        cell = CellPlan(trial.name, case, mode, self._device, Counts(), _LONGEST_S)
        built = open_builder(self._config).build(
            [cell], progress=lambda _: None, stop=threading.Event()
        )
        result = built[cell.key]
        if isinstance(result, CellArtifacts):
            return result
        raise result


def _link_bare(archive: Path, config: FarmConfig, program: Path, device: DeviceType) -> None:
    """Compile the embedding as native/runner is compiled, against the same archive."""
    zig = find_zig()
    headers = pinned_source(NATIVE, config.cache).folder / "core" / "iwasm" / "include"
    words: list[str | Path] = [zig.path, "cc", *PLATFORMS[device.arch].flags(), "-O3", "-DNDEBUG"]
    # By its name: zig goes by the ends of names.
    named = program.with_name("libfarm-wamr.a")
    named.symlink_to(archive)
    words += ["-std=gnu11", "-g0", "-static", "-s", "-I", headers]
    # Where an interpreter lies decides its speed, so WAMR lies as it does in the runner.
    words += ["-Wl,--whole-archive", named, "-Wl,--no-whole-archive", _EMBEDDING / "bare.c"]
    subprocess.run([*words, "-lm", "-o", program], check=True, timeout=_LONGEST_S)


def _execute_figures(trial: Trial, pair: Pair) -> list[Figure]:
    ratios, bare_s, runner_s = [], [], []
    for _ in range(ROUNDS):
        took = [
            run(trial.arguments)[0]
            for run in (pair.run_bare, pair.run_runner, pair.run_runner, pair.run_bare)
        ]
        bare_s += [took[0], took[3]]
        runner_s += took[1:3]
        ratios.append((took[1] + took[2]) / (took[0] + took[3]))
    low, high = interval(ratios)
    name = trial.name
    return [
        Figure(f"{name}: bare", median(bare_s) * 1e3, "ms"),
        Figure(f"{name}: runner", median(runner_s) * 1e3, "ms"),
        Figure(
            f"{name}: runner / bare", median(ratios), "times", EXECUTE_LIMIT, base=f"{name}: bare"
        ),
        Figure(f"{name}: 95 % of it, from", low, "times", direction="none"),
        Figure(f"{name}: 95 % of it, to", high, "times", direction="none"),
    ]


def _start_figures(runtime: Runtime, pair: Pair) -> list[Figure]:
    def to_main_ms(run: Callable[[Sequence[str]], tuple[float, int]]) -> float:
        begin_ns = run(("1",))[1]
        return (pair.entered_ns() - begin_ns) / 1e6

    bare_ms, runner_ms, more_ms = [], [], []
    for _ in range(START_ROUNDS):
        one, two = to_main_ms(pair.run_bare), to_main_ms(pair.run_runner)
        three, four = to_main_ms(pair.run_runner), to_main_ms(pair.run_bare)
        bare_ms += [one, four]
        runner_ms += [two, three]
        more_ms.append((two + three - one - four) / 2)
    low, high = interval(more_ms)
    name = f"start to main, {runtime.value}"
    return [
        Figure(f"{name}: bare", median(bare_ms), "ms"),
        Figure(f"{name}: runner", median(runner_ms), "ms"),
        Figure(f"{name}: runner - bare", median(more_ms), "ms", START_LIMIT_MS),
        Figure(f"{name}: 95 % of it, from", low, "ms", direction="none"),
        Figure(f"{name}: 95 % of it, to", high, "ms", direction="none"),
    ]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bound a median from the ranks of its values, whatever their distribution.

    Source:
        Hollander and Wolfe, Nonparametric Statistical Methods, on the sign test: ranks at
        n/2 -+ 1.96 sqrt(n)/2 hold the median in at least 95 of 100 cases.
    """
    ordered = sorted(values)
    rank = max(0, math.floor(len(ordered) / 2 - 0.98 * math.sqrt(len(ordered))))
    return ordered[rank], ordered[-1 - rank]


if __name__ == "__main__":
    sys.exit(main())
