"""Owns the order in which targets are made: a thread pool over their graph."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from orchestrator.build.command import Stopped
from orchestrator.build.digests import Snapshot
from orchestrator.build.recipes import Made, Product, Target
from orchestrator.build.workshop import Workshop
from orchestrator.domain.errors import BuildError, DiskFull
from orchestrator.domain.order import BuildStep

#: How often steps that are being built are told again, with their time so far, s.
_REPORT_S = 0.5

Progress = Callable[[BuildStep], None]
Result = Made | BuildError


def make_all(
    workshop: Workshop,
    targets: Sequence[Target],
    *,
    jobs: int,
    progress: Progress,
    stop: threading.Event,
) -> Mapping[Target, Result]:
    """Find or make targets and all they need; blocks.

    A target that fails fails those that need it, and no others. If ``progress`` raises, what runs
    is killed and the exception goes on.

    Args:
        workshop: finds and makes one target.
        targets: what is wanted.
        jobs: how many are made at a time.
        progress: told every change of a target, and twice a second how long the running ones take;
            called by this thread.
        stop: the wish to stop; what runs is killed, what waits fails with ``Stopped``.

    Returns:
        What became of each target that was looked at, inputs included.
    """
    build = _Build(workshop, progress, stop)
    build.look_up(targets)
    if build.waiting:
        with ThreadPoolExecutor(jobs, thread_name_prefix="farm-make") as pool:
            try:
                while build.waiting or build.running:
                    build.submit_ready(pool)
                    build.take_event()
            except BaseException:
                stop.set()
                raise
    workshop.files.save()
    return build.results


@dataclass(slots=True)
class _Running:
    """A target in the pool."""

    reason: str = ""
    #: None: no tool has been started.
    started_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Started:
    target: Target
    reason: str


@dataclass(frozen=True, slots=True)
class _Ended:
    target: Target
    future: Future[tuple[Result, bool]]


@dataclass(slots=True)
class _Build:
    """One call of ``make_all``; all but ``_work`` runs in its thread."""

    workshop: Workshop
    progress: Progress
    stop: threading.Event
    results: dict[Target, Result] = field(default_factory=dict)
    #: Target -> those it still waits for.
    waiting: dict[Target, set[Target]] = field(default_factory=dict)
    running: dict[Target, _Running] = field(default_factory=dict)
    events: queue.SimpleQueue[_Started | _Ended] = field(default_factory=queue.SimpleQueue)

    def look_up(self, targets: Sequence[Target]) -> None:
        """Settle what is known; the rest waits for its inputs and for what must come before it."""
        files = self.workshop.files.snapshot()
        wanted = _dependencies_first(targets, _parts)
        for target in wanted:
            self._settle_known(target, files)
        pending = [target for target in wanted if target not in self.results]
        for target in _dependencies_first(pending, lambda t: (*t.after, *_parts(t))):
            if target not in self.results:
                self._settle_known(target, files)
            if target not in self.results:
                before = {*target.after, *_parts(target)}
                self.waiting[target] = {t for t in before if t not in self.results}
                self.progress(BuildStep(target.name, "waiting"))

    def submit_ready(self, pool: ThreadPoolExecutor) -> None:
        """Hand to the pool what waits for nothing; fail what can no longer be made."""
        for target in [t for t, needs in self.waiting.items() if not needs]:
            failed = self._failed_part(target)
            if self.stop.is_set() or failed is not None:
                self._settle(target, failed or Stopped("stopped before it was begun"))
                continue
            del self.waiting[target]
            self.running[target] = _Running()
            future = pool.submit(self._work, target, self._made_parts(target))
            future.add_done_callback(lambda f, t=target: self.events.put(_Ended(t, f)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    def take_event(self) -> None:
        """Wait for the next thing that happens, or tell how long the running ones take."""
        if not self.running:
            return
        try:
            event = self.events.get(timeout=_REPORT_S)
        except queue.Empty:
            self._tell_running()
            return
        if isinstance(event, _Started):
            self.running[event.target] = _Running(event.reason, time.monotonic())
            self.progress(BuildStep(event.target.name, "building", event.reason))
        else:
            self._end(event)

    def _work(self, target: Target, parts: Mapping[Target, Made]) -> tuple[Result, bool]:
        """Make one target; in a thread of the pool."""
        try:
            return self.workshop.make(
                target, parts, lambda reason: self.events.put(_Started(target, reason)), self.stop
            )
        except BuildError as error:
            return error, False
        except (DiskFull, OSError) as error:
            return BuildError(f"{target.name}: {error}"), False

    def _settle_known(self, target: Target, files: Snapshot) -> None:
        failed = self._failed_part(target)
        if failed is not None:
            self._settle(target, failed)
        elif all(part in self.results for part in _parts(target)):
            try:
                found = self.workshop.find(target, self._made_parts(target), files)
            except BuildError as error:
                self._settle(target, error)
                return
            except OSError as error:
                self._settle(target, BuildError(f"{target.name}: {error}"))
                return
            if found is not None:
                self._settle(target, found)

    def _settle(
        self,
        target: Target,
        result: Result,
        state: str = "known",
        run: _Running | None = None,
    ) -> None:
        self.results[target] = result
        self.waiting.pop(target, None)
        for needs in self.waiting.values():
            needs.discard(target)
        run = run or _Running()
        elapsed_s = 0.0 if run.started_s is None else time.monotonic() - run.started_s
        if isinstance(result, Made):
            digest = result.digest
            step = BuildStep(
                target.name, state, run.reason, elapsed_s, digest.sha256, digest.size_bytes
            )
        else:
            step = BuildStep(target.name, "failed", run.reason, elapsed_s, error=str(result))
        self.progress(step)

    def _end(self, event: _Ended) -> None:
        result, is_new = event.future.result()
        run = self.running.pop(event.target)
        self._settle(event.target, result, "made" if is_new else "known", run)

    def _tell_running(self) -> None:
        now_s = time.monotonic()
        for target, run in self.running.items():
            if run.started_s is not None:
                self.progress(
                    BuildStep(target.name, "building", run.reason, now_s - run.started_s)
                )

    def _failed_part(self, target: Target) -> BuildError | None:
        for part in _parts(target):
            result = self.results.get(part)
            if isinstance(result, BuildError):
                return result
        return None

    def _made_parts(self, target: Target) -> dict[Target, Made]:
        parts = ((part, self.results[part]) for part in _parts(target))
        return {part: made for part, made in parts if isinstance(made, Made)}


def _parts(target: Target) -> tuple[Target, ...]:
    return tuple(each.target for each in target.inputs if isinstance(each, Product))


def _dependencies_first(
    targets: Iterable[Target], needs: Callable[[Target], Iterable[Target]]
) -> list[Target]:
    """Targets and all they need, each once and after its needs; graphs are a few levels deep."""
    ordered: dict[Target, None] = {}

    def visit(target: Target) -> None:
        if target not in ordered:
            for need in needs(target):
                visit(need)
            ordered[target] = None

    for target in targets:
        visit(target)
    return list(ordered)
