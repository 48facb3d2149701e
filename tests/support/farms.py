"""A farm without devices: real store, writer and service over a builder without compilers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.build.builder import CellArtifacts
from orchestrator.builds import BuildJobs, record_built
from orchestrator.clock import SystemClock
from orchestrator.domain.artifact import Artifact, ArtifactKind
from orchestrator.domain.errors import BuildError
from orchestrator.domain.matrix import CellPlan
from orchestrator.domain.order import BuildStep
from orchestrator.inventory import read_inventory
from orchestrator.orders import Orders
from orchestrator.runlife import RunLife
from orchestrator.service import LiveFarm
from orchestrator.store.base import Store
from orchestrator.store.sql import open_store, upgrade
from orchestrator.writer import Writer
from tests.support import factories

INVENTORY = """\
device_types:
  here: {arch: x86_64, cpu: x86-64-v3}
devices:
  local: {type: here, machine: this-machine}
"""
WORKLOAD = """\
name: tiny
description: A program for tests.
sources: [tiny.c]
"""
MATRIX = """\
name: tiny-modes
workloads: [tiny]
modes: [wamr-fast, native]
devices: [local]
"""


@dataclass
class StandInBuilder:
    """Makes artifacts out of nothing; can be told to fail, to wait and to break."""

    #: Modes whose cells cannot be built.
    failing: set[str] = field(default_factory=set)
    #: Cleared: builds wait until it is set, or until they are stopped.
    open: threading.Event = field(default_factory=threading.Event)
    #: Raised in place of an answer.
    error: Exception | None = None
    #: Keys of the cells it was asked for, a list per build.
    asked: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open.set()

    def build(
        self,
        cells: Sequence[CellPlan],
        *,
        progress: Callable[[BuildStep], None],
        stop: threading.Event,
    ) -> Mapping[str, CellArtifacts | BuildError]:
        """Answer for each cell what it was told to."""
        self.asked.append([cell.key for cell in cells])
        progress(BuildStep("runner", "building", "never built"))
        while not (self.open.is_set() or stop.wait(0.01)):
            pass
        if self.error is not None:
            raise self.error
        progress(BuildStep("runner", "made", "never built", 0.1, "ab" * 32, 3))
        return {cell.key: self._made(cell) for cell in cells}

    def _made(self, cell: CellPlan) -> CellArtifacts | BuildError:
        if cell.mode.label in self.failing:
            return BuildError("tiny.c does not compile", output="tiny.c:1: error: no")
        runner = factories.artifact("runner", ArtifactKind.RUNNER)
        program = factories.artifact(cell.mode.label)
        made = factories.provenance(program, sources=[_source()])
        return CellArtifacts(runner, program, "wasm", None, None, (), (made,))


def _source() -> Artifact:
    return factories.artifact("tiny.c", ArtifactKind.SOURCE)


@dataclass(frozen=True)
class Rig:
    """A farm to ask, and what is behind it."""

    farm: LiveFarm
    builder: StandInBuilder
    store: Store
    #: Holds ``tiny.yaml``, the matrix.
    folder: Path

    @property
    def matrix(self) -> Path:
        """A matrix of two cells."""
        return self.folder / "tiny.yaml"


def write_files(folder: Path) -> None:
    """Write an inventory, a workload and a matrix."""
    workload = folder / "workloads" / "tiny"
    workload.mkdir(parents=True, exist_ok=True)
    (workload / "workload.yaml").write_text(WORKLOAD)
    (workload / "tiny.c").write_text("int main(void) { return 0; }\n")
    (folder / "inventory.yaml").write_text(INVENTORY)
    (folder / "tiny.yaml").write_text(MATRIX)


@contextmanager
def living(folder: Path, builder: StandInBuilder | None = None) -> Iterator[Rig]:
    """Be a farm in a folder; a second time on the same folder goes on where the first stopped."""
    builder = builder or StandInBuilder()
    if not (folder / "inventory.yaml").exists():
        write_files(folder)
    url = f"sqlite:///{folder}/farm.db"
    upgrade(url)
    with ExitStack() as stack:
        store = open_store(url)
        stack.callback(store.close)
        writer = Writer(store)
        writer.start()
        stack.callback(writer.stop)
        orders = Orders(
            read_inventory(folder / "inventory.yaml"),
            (folder / "workloads",),
            _possible,
            folder / "data",
        )
        writer.call(lambda t: t.declare_devices(orders.inventory.devices))
        reader = open_store(url, readonly=True)
        stack.callback(reader.close)
        jobs = BuildJobs(builder, lambda built: writer.call(lambda t: record_built(t, built)))
        life = RunLife(reader, writer, jobs, orders, SystemClock(), lambda: ())
        stack.callback(jobs.close)
        life.continue_unfinished()
        yield Rig(LiveFarm(orders, life, jobs, "127.0.0.1:1"), builder, reader, folder)


def _possible(*_: object) -> str:
    return ""


def wait_for(done: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait until something is true.

    Raises:
        AssertionError: it was not in time.
    """
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if done():
            return
        pause.wait(0.01)
    raise AssertionError(f"{what}: not within {seconds:g} s")
