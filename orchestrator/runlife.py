"""The life of a run from order to queue: stored, built, made ready; cancelled, resumed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from orchestrator.assignments import cell_order
from orchestrator.builds import BuildJob, BuildJobs, Built
from orchestrator.clock import Clock
from orchestrator.domain.device import DeviceStatus
from orchestrator.domain.errors import FarmError, StateError
from orchestrator.domain.matrix import CellPlan, Plan
from orchestrator.domain.order import BuildProgress, RetryOrder, RunProgress
from orchestrator.domain.run import CellResult
from orchestrator.domain.sync import Activity
from orchestrator.files.spelling import shortened
from orchestrator.machine import why_absent
from orchestrator.orders import Orders
from orchestrator.retries import choose_cells, plan_again
from orchestrator.store.base import ResultFilter, Store, Transaction
from protos.states import CellState, DeviceState, IllegalMoveError, RunState, is_final

T = TypeVar("T")

#: What is said of a cell whose order can no longer be made out.
_GONE = "the workload, mode or device it was ordered with is gone; order it anew"


class Writes(Protocol):
    """The one thread that writes, durably; devices look for work after each write."""

    def call(self, fn: Callable[[Transaction], T]) -> T:
        """Do this on the database's thread and answer its result, or raise what it raised."""


@dataclass
class RunLife:
    """Carries runs from order to queue.

    Args:
        reader: reads beside the writing thread.
        writes: the writing thread.
        jobs: where builds happen.
        orders: reads orders anew when a run is taken up again.
        clock: the time.
        activities: what the devices do now.
        trouble: why requests could not be stored of late; empty: all could.
    """

    reader: Store
    writes: Writes
    jobs: BuildJobs
    orders: Orders
    clock: Clock
    activities: Callable[[], Sequence[Activity]]
    trouble: Callable[[], str] = str
    _builds: dict[int, BuildJob] = field(default_factory=dict)
    _labels: dict[int, Mapping[int, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, plan: Plan) -> int:
        """Store a plan as a run and begin to build it."""
        run_id = self.writes.call(lambda t: t.create_run(plan, self.clock.now()))
        self._build(run_id, plan)
        return run_id

    def retry(self, order: RetryOrder) -> int:
        """Measure cells of a run again, in a run of their own.

        Raises:
            NotFound: no such run, or no such cell of it.
            StateError: a cell has not ended, none failed, or one is no part of the order any more.
            UsageError: what it ordered is gone or wrong by now.
        """
        keys = choose_cells(order, self.reader.cells(order.run_id))
        text = self.reader.run_spec(order.run_id)
        return self.begin(plan_again(self.orders, text, order.run_id, keys))

    def resume(self, run_id: int) -> None:
        """Take up a cancelled run; an unfinished one goes on by itself.

        Raises:
            NotFound: no such run.
            StateError: it is done.
            UsageError: what it ordered is gone or wrong by now; the run stays cancelled.
        """
        state = self.reader.run(run_id).state
        if state is RunState.DONE:
            raise StateError(f"run {run_id} is done; see: farm results list {run_id}")
        if state is not RunState.CANCELLED:
            return
        plan = self.orders.recall(self.reader.run_spec(run_id))
        self.writes.call(lambda t: t.resume_run(run_id))
        self._build(run_id, plan)

    def continue_unfinished(self) -> None:
        """Build on what an orchestrator before this one left; what was queued needs nothing."""
        for run in self.reader.runs():
            if run.state is RunState.BUILDING:
                self._take_up(run.run_id)

    def cancel(self, run_id: int) -> None:
        """Stop a run's build, its waiting cells and its attempts.

        Raises:
            NotFound: no such run.
            StateError: it is over already.
        """
        self.writes.call(lambda t: t.cancel_run(run_id, self.clock.now()))
        with self._lock:
            job = self._builds.get(run_id)
        if job is not None:
            job.stop.set()

    def progress(self, run_id: int) -> RunProgress:
        """Say how far a run is.

        Raises:
            NotFound: no such run.
        """
        run = self.reader.run(run_id)
        with self._lock:
            job = self._builds.get(run_id)
        build = BuildProgress(finished=run.state is not RunState.BUILDING)
        return RunProgress(
            state=run.state,
            build=build if job is None else job.progress(),
            cells=run.size,
            cells_by_state=run.cells,
            running=() if is_final(run.state) else self._running(run_id),
            error=run.error,
        )

    def _take_up(self, run_id: int) -> None:
        try:
            plan = self.orders.recall(self.reader.run_spec(run_id))
        except FarmError as error:
            self._settle(run_id, {}, error)
        else:
            self._build(run_id, plan)

    def _build(self, run_id: int, plan: Plan) -> None:
        waiting = self._waiting(run_id)
        cells = {cell.key: cell for cell in plan.cells if cell.key in waiting}
        job = self.jobs.start(
            tuple(cells.values()), lambda built: self._settle(run_id, cells, built)
        )
        with self._lock:
            self._builds[run_id] = job

    def _waiting(self, run_id: int) -> dict[str, int]:
        rows = self.reader.cells(run_id)
        return {row.key: row.cell_id for row in rows if row.state is CellState.WAITING}

    def _settle(
        self, run_id: int, cells: Mapping[str, CellPlan], built: Built | FarmError
    ) -> None:
        """Make ready what was built, fail what was not, and queue the run, in one commit."""
        waiting = self._waiting(run_id)
        try:
            self.writes.call(lambda t: self._settle_in(t, run_id, waiting, cells, built))
        except IllegalMoveError:
            # A cancel was written between the look and the write: the run is no longer ours to
            # move.
            if self.reader.run(run_id).state is RunState.BUILDING:
                raise

    def _settle_in(
        self,
        t: Transaction,
        run_id: int,
        waiting: Mapping[str, int],
        cells: Mapping[str, CellPlan],
        built: Built | FarmError,
    ) -> None:
        ready = False
        for key, cell_id in waiting.items():
            made = built if isinstance(built, FarmError) else built.get(key)
            if made is None:
                t.fail_cell(cell_id, _GONE)
            elif isinstance(made, FarmError):
                t.fail_cell(cell_id, str(made))
            else:
                t.ready_cell(cell_id, cell_order(cells[key], made))
                ready = True
        after = RunState.QUEUED if ready else RunState.DONE
        error = str(built) if isinstance(built, FarmError) else ""
        t.move_run(run_id, after, self.clock.now(), error)

    def _running(self, run_id: int) -> tuple[str, ...]:
        trouble = self.trouble()
        # Devices ask and are told no: the run would stand still without a word.
        stuck = (f"not everything can be stored: {trouble}",) if trouble else ()
        lines = tuple(self._line(one) for one in self.activities() if one.run_id == run_id)
        offline = (
            self._offline(run_id, status)
            for status in self.reader.devices()
            if status.state is DeviceState.OFFLINE
        )
        return (*stuck, *lines, *filter(None, offline))

    def _offline(self, run_id: int, status: DeviceStatus) -> str:
        name = status.device.name
        absent = why_absent(status.device)
        if not absent:
            return f"{name}: offline" + (f", {status.note}" if status.note else "")
        # Plans leave it out; what waits for it was ordered while it was here.
        waits = any(slot.run_id == run_id for slot in self.reader.ready_slots(name))
        return absent if waits else ""

    def _line(self, activity: Activity) -> str:
        label = self._label(activity.run_id, activity.cell_id)
        elapsed_s = self.clock.monotonic_s() - activity.since_s
        detail = f" ({activity.detail})" if activity.detail else ""
        return f"{activity.device}: {label}, {activity.state} {elapsed_s:.0f} s{detail}"

    def _label(self, run_id: int, cell_id: int) -> str:
        labels = self._labels.get(run_id)
        if labels is None:
            cells = self.reader.results(ResultFilter(run_id=run_id))
            labels = self._labels[run_id] = {c.cell_id: _words(c) for c in cells}
        return labels.get(cell_id, f"cell {cell_id}")


def _words(cell: CellResult) -> str:
    parameters = " ".join(f"{name}={shortened(value)}" for name, value in cell.case.items())
    return " ".join(word for word in (cell.workload, parameters, cell.mode) if word)
