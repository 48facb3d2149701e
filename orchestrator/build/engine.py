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
from orchestrator.build.keeper import watched
from orchestrator.build.recipes import NEVER, Made, Product, Target
from orchestrator.build.workshop import Workshop
from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.errors import BuildError, DiskFull, refusal
from orchestrator.domain.order import BuildStep

#: How often steps that are being built are told again, with their time so far, s.
_REPORT_S = 0.5
#: How many usual targets one that is marked slow stands for: WAMR, or a C library, takes 30 s to
#: 100 s; a C file or a link 0.2 s to 1 s.
_SLOW_WEIGHT = 100

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
        stop: the wish to stop; what runs is killed, what waits fails.

    Returns:
        What became of each target that was looked at, inputs included.
    """
    build = _Build(workshop, progress, stop)
    build.look_up(targets)
    if build.waiting:
        with watched(), ThreadPoolExecutor(jobs, thread_name_prefix="farm-make") as pool:
            try:
                while build.waiting or build.running:
                    build.submit_ready(pool, jobs)
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
    #: Target -> how much work, it included, must follow one after the other.
    urgency: Mapping[Target, int] = field(default_factory=dict)
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
        self.urgency = _urgency(list(self.waiting))

    def why(self, target: Target) -> str:
        """Why a waiting target has to be made, as far as it can be known before its needs are."""
        parts = self._made_parts(target)
        missing = next((part for part in _parts(target) if part not in parts), None)
        if missing is None:
            return self.workshop.why(target, parts)
        if not self.workshop.was_made(target):
            return target.slow or NEVER
        return f"{missing.name} is made first"

    def submit_ready(self, pool: ThreadPoolExecutor, jobs: int) -> None:
        """Keep the pool busy with what waits for nothing; fail what can no longer be made.

        C files go first: they are quick, and a mistake in one is told before the minutes that
        WAMR takes. Then that on which the longest chain rests.
        """
        while ready := [target for target, needs in self.waiting.items() if not needs]:
            if self.stop.is_set():
                self._settle(ready[0], BuildError("stopped before it was begun"))
            elif (broken := self._failed_part(ready[0])) is not None:
                self._settle(ready[0], broken[1], because=broken[0])
            elif len(self.running) < jobs:
                self._submit(pool, max(ready, key=self._rank))
            else:
                return

    def _rank(self, target: Target) -> tuple[bool, int]:
        return (_is_quick(target), self.urgency[target])

    def _submit(self, pool: ThreadPoolExecutor, target: Target) -> None:
        del self.waiting[target]
        self.running[target] = _Running()
        future = pool.submit(self._work, target, self._made_parts(target))
        future.add_done_callback(lambda f: self.events.put(_Ended(target, f)))

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
        except Stopped as stopped:
            return BuildError(f"{target.name}: {stopped}"), False
        except DiskFull as error:
            return BuildError(f"{target.name}: {error}"), False
        except OSError as error:
            return BuildError(f"{target.name}: {refusal(error)}"), False

    def _settle_known(self, target: Target, files: Snapshot) -> None:
        broken = self._failed_part(target)
        if broken is not None:
            self._settle(target, broken[1], because=broken[0])
        elif all(part in self.results for part in _parts(target)):
            try:
                found = self.workshop.find(target, self._made_parts(target), files)
            except BuildError as error:
                self._settle(target, error)
                return
            except OSError as error:
                self._settle(target, BuildError(f"{target.name}: {refusal(error)}"))
                return
            if found is not None:
                self._settle(target, found)

    def _settle(
        self,
        target: Target,
        result: Result,
        state: str = "known",
        run: _Running | None = None,
        because: Target | None = None,
    ) -> None:
        """Note what became of a target; a failure is told by the target it happened to alone."""
        self.results[target] = result
        self.waiting.pop(target, None)
        for needs in self.waiting.values():
            needs.discard(target)
        run = run or _Running()
        elapsed_s = 0.0 if run.started_s is None else time.monotonic() - run.started_s
        if because is not None:
            step = BuildStep(target.name, "failed", f"needs {because.name}")
        elif isinstance(result, Made):
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

    def _failed_part(self, target: Target) -> tuple[Target, BuildError] | None:
        """The first input that failed, and with what."""
        for part in _parts(target):
            result = self.results.get(part)
            if isinstance(result, BuildError):
                return part, result
        return None

    def _made_parts(self, target: Target) -> dict[Target, Made]:
        parts = ((part, self.results.get(part)) for part in _parts(target))
        return {part: made for part, made in parts if isinstance(made, Made)}


def survey_all(workshop: Workshop, targets: Sequence[Target]) -> list[BuildStep]:
    """Say what ``make_all`` would find and what it would make, without making anything.

    A product that is made anew may come out as it was, which leaves those that need it known after
    all; that shows only then.

    Args:
        workshop: finds targets.
        targets: what is wanted.

    Returns:
        A step for each target, needs first: known, waiting with the reason, or failed.
    """
    steps: dict[str, BuildStep] = {}
    build = _Build(workshop, lambda step: steps.update({step.name: step}), threading.Event())
    build.look_up(targets)
    for target in build.waiting:
        steps[target.name] = BuildStep(target.name, "waiting", build.why(target))
    workshop.files.save()
    return list(steps.values())


def _parts(target: Target) -> tuple[Target, ...]:
    return tuple(each.target for each in target.inputs if isinstance(each, Product))


def _is_quick(target: Target) -> bool:
    return target.kind is ArtifactKind.OBJECT and not target.slow


def _urgency(targets: Sequence[Target]) -> dict[Target, int]:
    """Weigh the longest chain of targets that begins with each.

    Args:
        targets: those to make, needs first.
    """
    after: dict[Target, int] = {}
    found = {}
    for target in reversed(targets):
        found[target] = after.get(target, 0) + (_SLOW_WEIGHT if target.slow else 1)
        for need in (*target.after, *_parts(target)):
            after[need] = max(after.get(need, 0), found[target])
    return found


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
