"""Shows how far a build or a run is: live on a terminal, plain lines elsewhere; on stderr."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orchestrator.cli import view, words
from orchestrator.domain.order import BuildProgress, BuildStep, RunProgress
from protos.states import CellState, RunState, is_final

#: Steps shown while they are built; the rest is counted.
_MOST_STEPS = 8
#: A step that takes longer than these says so where nothing moves on the screen.
_SLOW_S = (10.0, 60.0, 180.0, 600.0)
_BAR_COLUMNS = 40


class Progress(ABC):
    """Is told now and then how far something is."""

    @abstractmethod
    def build(self, progress: BuildProgress) -> None:
        """Show a build."""

    @abstractmethod
    def run(self, progress: RunProgress) -> None:
        """Show a run, and its build while that is what it waits for."""


@contextmanager
def showing() -> Iterator[Progress]:
    """Choose what fits stderr, and clean it up at the end."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    with Live(console=view.console(sys.stderr), transient=True, refresh_per_second=8) as live:
        yield LiveProgress(live)


class LiveProgress(Progress):
    """A view that is drawn anew in place.

    Args:
        live: where.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._spinner = Spinner("dots")

    def build(self, progress: BuildProgress) -> None:
        """Show a build."""
        self._live.update(Group(*self._build_lines(progress)))

    def run(self, progress: RunProgress) -> None:
        """Show a run, and its build while that is what it waits for."""
        parts: list[RenderableType] = []
        if not progress.build.finished:
            parts.extend(self._build_lines(progress.build))
        if progress.state is not RunState.BUILDING:
            parts.append(_bar(settled(progress), progress.cells, run_line(progress)))
        parts.extend(Text(f"  {line}") for line in progress.running)
        self._live.update(Group(*parts))

    def _build_lines(self, progress: BuildProgress) -> list[RenderableType]:
        busy = [step for step in progress.steps if step.state == "building"]
        done = sum(step.state in _ENDED for step in progress.steps)
        lines: list[RenderableType] = [_bar(done, len(progress.steps), build_line(progress.steps))]
        slowest = sorted(busy, key=lambda step: -step.elapsed_s)
        for step in slowest[:_MOST_STEPS]:
            row = Table.grid(padding=(0, 1))
            row.add_row(" ", self._spinner, step_line(step))
            lines.append(row)
        if len(busy) > _MOST_STEPS:
            lines.append(Text(f"    and {len(busy) - _MOST_STEPS} more"))
        return lines


class PlainProgress(Progress):
    """A line for each thing that happens, for logs and pipes."""

    def __init__(self) -> None:
        self._steps: dict[str, str] = {}
        self._slow: dict[str, int] = {}
        self._last_run = ""

    def build(self, progress: BuildProgress) -> None:
        """Show a build."""
        for step in progress.steps:
            if self._steps.get(step.name) != step.state:
                self._steps[step.name] = step.state
                if step.state not in {"waiting", "known"}:
                    view.note(f"build: {step_line(step)}")
            elif step.state == "building" and self._is_slower(step):
                view.note(f"build: {step_line(step)}")

    def run(self, progress: RunProgress) -> None:
        """Show a run, and its build while that is what it waits for."""
        self.build(progress.build)
        line = run_line(progress)
        if progress.state is not RunState.BUILDING and line != self._last_run:
            self._last_run = line
            view.note(line)

    def _is_slower(self, step: BuildStep) -> bool:
        reached = sum(step.elapsed_s > slow_s for slow_s in _SLOW_S)
        before = self._slow.get(step.name, 0)
        self._slow[step.name] = reached
        return reached > before


_ENDED = frozenset({"made", "known", "failed"})
_SETTLED = (CellState.DONE, CellState.FAILED, CellState.CANCELLED, CellState.IMPOSSIBLE)


def step_line(step: BuildStep) -> str:
    """Say what one target does and why: ``farm-aotc: building 12 s (never built)``."""
    why = f" ({step.reason})" if step.reason else ""
    if step.state == "building":
        return f"{step.name}: building {step.elapsed_s:.0f} s{why}"
    if step.state == "made":
        return f"{step.name}: made in {words.seconds(step.elapsed_s)}{why}"
    if step.state == "failed":
        error = words.first_line(step.error).removeprefix(f"{step.name}: ")
        return f"{step.name}: failed: {error}"
    return f"{step.name}: {step.state}{why}"


def build_line(steps: Sequence[BuildStep]) -> str:
    """Count a build's targets: ``build 12 of 31, 9 known, 1 failed``."""
    count = {state: sum(step.state == state for step in steps) for state in _ENDED}
    known = f", {count['known']} known" if count["known"] else ""
    failed = f", {count['failed']} failed" if count["failed"] else ""
    return f"build {sum(count.values())} of {len(steps)}{known}{failed}"


def run_line(progress: RunProgress) -> str:
    """Count a run's cells: ``running 7 of 12 cells, 1 failed``."""
    failed = progress.cells_by_state.get(CellState.FAILED, 0)
    more = f", {failed} failed" if failed else ""
    return f"{progress.state.value} {settled(progress)} of {progress.cells} cells{more}"


def settled(progress: RunProgress) -> int:
    """Count the cells that nothing more will happen to."""
    return sum(progress.cells_by_state.get(state, 0) for state in _SETTLED)


def is_over(progress: RunProgress) -> bool:
    """Say whether a run is done or cancelled."""
    return progress.state is RunState.CANCELLED or is_final(progress.state)


def _bar(done: int, total: int, text: str) -> RenderableType:
    row = Table.grid(padding=(0, 1))
    row.add_row(ProgressBar(total=max(total, 1), completed=done, width=_BAR_COLUMNS), Text(text))
    return row
