"""Shows how far a build or a run is: live on a terminal, plain lines elsewhere; on stderr."""

from __future__ import annotations

import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orchestrator.cli import view, words
from orchestrator.domain.order import BuildProgress, BuildStep, RunProgress
from protos.states import CellState, RunState, is_final

#: Steps shown while they are built; the rest is counted.
_MOST_STEPS = 6
#: Different failures shown while the rest is still built; all are told at the end.
_MOST_FAILURES = 3
#: A step, or a cell on a device, that takes longer than these says so where nothing moves on the
#: screen.
_SLOW_STEP_S = (5.0, 60.0, 180.0, 600.0)
_SLOW_CELL_S = (10.0, 60.0, 180.0, 600.0)
#: Plain lines that count cells are this far apart, unless the run moved on or a cell failed.
_COUNT_S = 5.0
_BAR_COLUMNS = 40
#: Below so many columns the reason of a step gets a line of its own.
_NARROW = 90


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
    if not view.moves(sys.stderr):
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
        self._rows = 0

    def build(self, progress: BuildProgress) -> None:
        """Show a build."""
        self._live.update(self._steady(self._build_lines(progress)))

    def run(self, progress: RunProgress) -> None:
        """Show a run, and its build while that is what it waits for."""
        if progress.state is RunState.BUILDING:
            self.build(progress.build)
            return
        parts = [self._bar("run", settled(progress), progress.cells, run_line(progress))]
        parts += [Padding(Text(line), (0, 0, 0, 2)) for line in progress.running]
        self._live.update(self._steady(parts))

    def _build_lines(self, progress: BuildProgress) -> list[RenderableType]:
        steps = progress.steps
        failed = {_cause(s): s for s in reversed(steps) if s.state == "failed" and s.error}
        busy = [step for step in steps if step.state == "building"]
        lines = [self._bar("build", _ended(steps), len(steps), build_line(steps))]
        lines += [
            _one_line(Text(f"  {step_line(step)}", style="red"))
            for step in list(failed.values())[:_MOST_FAILURES]
        ]
        for step in sorted(busy, key=lambda step: -step.elapsed_s)[:_MOST_STEPS]:
            lines += self._step_lines(step)
        if len(busy) > _MOST_STEPS:
            lines.append(Text(f"    and {len(busy) - _MOST_STEPS} more"))
        return lines

    def _step_lines(self, step: BuildStep) -> list[RenderableType]:
        name = Text(f"{step.name} {step.elapsed_s:.0f} s")
        why = Text(step.reason, style="dim")
        if self._live.console.width >= _NARROW:
            return [self._row(_one_line(Text.assemble(name, "  ", why)))]
        return [self._row(_one_line(name)), Padding(_one_line(why), (0, 0, 0, 4))]

    def _row(self, text: Text) -> RenderableType:
        row = Table.grid(padding=(0, 1))
        row.add_row(" ", self._spinner, text)
        return row

    def _steady(self, lines: list[RenderableType]) -> RenderableType:
        """Never shrink: what stands below would jump at each quick step or idle device."""
        self._rows = max(self._rows, len(lines))
        return Group(*lines, *[Text("")] * (self._rows - len(lines)))

    def _bar(self, title: str, done: int, total: int, text: str) -> RenderableType:
        columns = min(_BAR_COLUMNS, self._live.console.width // 4)
        row = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(total, 1), completed=done, width=columns)
        row.add_row(Text(title), bar, _one_line(Text(text)))
        return row


def _one_line(text: Text) -> Text:
    """Have a text cut at the terminal's edge, not wrapped."""
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


class PlainProgress(Progress):
    """A line for each thing worth one, for logs and pipes.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: set[str] = set()
        self._levels: dict[str, int] = {}
        self._seen_s: dict[str, float] = {}
        self._count = ""
        self._news: tuple[RunState, int | None] | None = None
        self._counted_s = -_COUNT_S

    def build(self, progress: BuildProgress) -> None:
        """Say what was made or failed, and what takes long."""
        steps = progress.steps
        for step in steps:
            if self._is_worth_a_line(step):
                view.note(f"build {_ended(steps)}/{len(steps)}: {step_line(step)}")

    def _is_worth_a_line(self, step: BuildStep) -> bool:
        """Decide whether to tell a step; the same mistake of several targets is told once."""
        if step.state == "building":
            return self._is_slower(step.name, step.elapsed_s, _SLOW_STEP_S)
        news = step.name if step.state == "made" else step.error and _cause(step)
        if not news or news in self._told:
            return False
        self._told.add(news)
        return True

    def run(self, progress: RunProgress) -> None:
        """Say what its build does; then, now and then, how many cells are done and what waits."""
        self.build(progress.build)
        if progress.state is RunState.BUILDING:
            return
        now_s = self._clock()
        line = run_line(progress)
        news = (progress.state, progress.cells_by_state.get(CellState.FAILED))
        due = news != self._news or now_s - self._counted_s >= _COUNT_S
        if due and line != self._count:
            self._count, self._counted_s, self._news = line, now_s, news
            view.note(line)
        self._tell_slow(progress.running, now_s)

    def _tell_slow(self, lines: Sequence[str], now_s: float) -> None:
        """Say what a device does if it has done that for long, with what it waits for."""
        seen_s = {}
        for line in lines:
            what = _without_time(line)
            seen_s[what] = self._seen_s.get(what, now_s)
            if self._is_slower(what, now_s - seen_s[what], _SLOW_CELL_S):
                view.note(line)
        for gone in self._seen_s.keys() - seen_s.keys():
            self._levels.pop(gone, None)
        self._seen_s = seen_s

    def _is_slower(self, name: str, elapsed_s: float, levels_s: Sequence[float]) -> bool:
        reached = sum(elapsed_s > slow_s for slow_s in levels_s)
        before = self._levels.get(name, 0)
        self._levels[name] = reached
        return reached > before


def _without_time(line: str) -> str:
    """What a device does, without since when and what for: the same as long as it does that."""
    return re.sub(r" \d+ s$", "", line.partition(" (")[0])


_ENDED = frozenset({"made", "known", "failed"})
_SETTLED = (CellState.DONE, CellState.FAILED, CellState.CANCELLED, CellState.IMPOSSIBLE)


def step_line(step: BuildStep) -> str:
    """Say what one target does and why: ``farm-aotc: building, 12 s so far (never built)``."""
    why = f" ({step.reason})" if step.reason else ""
    if step.state == "building":
        return f"{step.name}: building, {step.elapsed_s:.0f} s so far{why}"
    if step.state == "made":
        return f"{step.name}: made in {words.seconds(step.elapsed_s)}{why}"
    if step.state == "failed":
        return f"{step.name}: failed: {_cause(step)}"
    return f"{step.name}: {step.state}{why}"


def _cause(step: BuildStep) -> str:
    """The first thing a compiler complained of, else what the farm says, else what was needed."""
    lines = [line.strip() for line in step.error.splitlines()]
    said = next((line for line in lines[1:] if "error:" in line), words.first_line(step.error))
    return said.removeprefix(f"{step.name}: ") or step.reason


def build_line(steps: Sequence[BuildStep]) -> str:
    """Count a build's targets: ``12 of 31, 9 known, 1 failed``."""
    count = {state: sum(step.state == state for step in steps) for state in _ENDED}
    known = f", {count['known']} known" if count["known"] else ""
    failed = f", {count['failed']} failed" if count["failed"] else ""
    return f"{_ended(steps)} of {len(steps)}{known}{failed}"


def _ended(steps: Sequence[BuildStep]) -> int:
    return sum(step.state in _ENDED for step in steps)


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
