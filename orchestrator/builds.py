"""Builds as jobs of an orchestrator: one at a time, each with progress that can be watched."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from orchestrator.assignments import inputs
from orchestrator.blobs import Blobs
from orchestrator.build.builder import Builder, CellArtifacts
from orchestrator.config import FarmConfig
from orchestrator.domain.artifact import Artifact, ArtifactKind
from orchestrator.domain.errors import BuildError, FarmError, NotFound
from orchestrator.domain.matrix import CellPlan
from orchestrator.domain.order import BuildProgress, BuildStep
from orchestrator.foundation import NATIVE
from orchestrator.store.base import Transaction

#: By cell key: what a cell needs to run, or why it cannot be had.
Built = Mapping[str, CellArtifacts | BuildError]
#: Called once, in the build's thread, with what was built or with what ended the build as a whole.
Then = Callable[[Built | FarmError], None]

#: How many finished builds stay watchable.
_KEPT_JOBS = 100


def open_builder(config: FarmConfig) -> Builder:
    """Make what builds for a farm.

    Raises:
        ConfigError: the build cache cannot be used.
        DiskFull: there is no room for it.
    """
    return Builder(
        cache=config.cache,
        blobs=Blobs(config.data / "blobs"),
        native=NATIVE,
        runtime_sources=config.runtime_sources,
    )


class Builds(Protocol):
    """What makes artifacts; ``build.builder.Builder`` does."""

    def build(
        self,
        cells: Sequence[CellPlan],
        *,
        progress: Callable[[BuildStep], None],
        stop: threading.Event,
    ) -> Built:
        """Build what the cells need; a target that fails fails the cells that need it."""


class BuildJob:
    """One build; its progress may be read from any thread."""

    def __init__(self, build_id: int, cells: Sequence[CellPlan]) -> None:
        self.build_id = build_id
        self.cells = tuple(cells)
        self.stop = threading.Event()
        self.future: Future[None] | None = None
        self._lock = threading.Lock()
        self._steps: dict[str, BuildStep] = {}
        self._error = ""

    def take(self, step: BuildStep) -> None:
        """Note where one target stands."""
        with self._lock:
            self._steps[step.name] = step

    def fail(self, error: str) -> None:
        """Note why the build as a whole ended."""
        with self._lock:
            self._error = error

    def progress(self) -> BuildProgress:
        """Say how far it is.

        Raises:
            Exception: a bug ended the job; it is the bug of whoever watches.
        """
        future = self.future
        finished = future is not None and future.done()
        if future is not None and finished and not future.cancelled():
            future.result()
        with self._lock:
            return BuildProgress(finished, tuple(self._steps.values()), self._error)


class BuildJobs:
    """Runs builds one after the other, since each already uses all cores.

    Args:
        builder: what makes artifacts.
        record: stores what was built, durably.
    """

    def __init__(self, builder: Builds, record: Callable[[Built], None]) -> None:
        self._builder = builder
        self._record = record
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="farm-build")
        self._ids = itertools.count(1)
        self._jobs: OrderedDict[int, BuildJob] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, cells: Sequence[CellPlan], then: Then | None = None) -> BuildJob:
        """Begin, or queue, a build; answers at once."""
        with self._lock:
            job = BuildJob(next(self._ids), cells)
            self._jobs[job.build_id] = job
            if len(self._jobs) > _KEPT_JOBS:
                self._jobs.popitem(last=False)
            job.future = self._pool.submit(self._work, job, then)
        return job

    def find(self, build_id: int) -> BuildJob:
        """Answer a build of this orchestrator.

        Raises:
            NotFound: there is none of this id.
        """
        with self._lock:
            job = self._jobs.get(build_id)
        if job is None:
            raise NotFound(f"this orchestrator knows no build {build_id}")
        return job

    def close(self) -> None:
        """Stop what is building and wait for it; what was made stays in the cache."""
        with self._lock:
            for job in self._jobs.values():
                job.stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, job: BuildJob, then: Then | None) -> None:
        try:
            built = self._builder.build(job.cells, progress=job.take, stop=job.stop)
            self._record(built)
        except FarmError as error:
            job.fail(str(error))
            if then is not None and not job.stop.is_set():
                then(error)
            return
        if then is not None and not job.stop.is_set():
            then(built)


def record_built(t: Transaction, built: Built) -> None:
    """Remember what cells run, what it was made from, and the input it gets."""
    cells = [made for made in built.values() if isinstance(made, CellArtifacts)]
    t.record_provenance({edge.key: edge for made in cells for edge in made.provenance}.values())
    artifacts = {found.digest: found for made in cells for found in _artifacts(made)}
    for artifact in artifacts.values():
        t.record_artifact(artifact)


def _artifacts(made: CellArtifacts) -> Iterator[Artifact]:
    for role, digest in inputs(made):
        kind = ArtifactKind.EXPECTED if role.startswith("expected") else ArtifactKind.INPUT
        yield Artifact(digest, kind, role)
    yield from (made.runner, made.program)
