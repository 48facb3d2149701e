"""What a command or a script may ask of a farm: the contract, and the farm in this process.

``Farm`` is the contract. ``LiveFarm`` keeps it inside the orchestrator; ``cli/control.py`` keeps
it over the unix socket.
One test suite runs over both. Reads of results and runs are not here: they go straight to SQL
(``reads.py``, D5).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass

from orchestrator.builds import BuildJobs
from orchestrator.domain.order import (
    BuildOrder,
    BuildProgress,
    Order,
    RetryOrder,
    RunProgress,
    Status,
)
from orchestrator.orders import Orders, wanted_cells
from orchestrator.runlife import RunLife
from orchestrator.version import farm_version


class Farm(ABC):
    """What may be asked of a farm.

    Every method is thread-safe and answers at once; none waits for a build or a run.

    Raises:
        FarmError: any leaf, the same over the wire as in process.
    """

    @abstractmethod
    def submit(self, order: Order) -> int:
        """Take an order to measure.

        Returns:
            The run's id. The run is stored durably; building has begun.

        Raises:
            UsageError: the order's file, or what it names, is wrong (file and line).
        """

    @abstractmethod
    def build(self, order: BuildOrder) -> int:
        """Begin to build what an order needs, without measuring.

        Returns:
            An id for ``watch_build``, valid while this orchestrator lives.

        Raises:
            UsageError: the order's file, or what it names, is wrong (file and line).
        """

    @abstractmethod
    def watch_run(self, run_id: int) -> RunProgress:
        """Say how far a run has come.

        Raises:
            NotFound: no such run.
        """

    @abstractmethod
    def watch_build(self, build_id: int) -> BuildProgress:
        """Say how far a build has come.

        Raises:
            NotFound: no such build in this orchestrator.
        """

    @abstractmethod
    def cancel(self, run_id: int) -> None:
        """Stop a run: what has not begun never will, what runs is stopped.

        Raises:
            NotFound: no such run.
            StateError: it is over already.
        """

    @abstractmethod
    def resume(self, run_id: int) -> None:
        """Take up a cancelled run again; of an unfinished one it changes nothing.

        Raises:
            NotFound: no such run.
            StateError: it is done.
        """

    @abstractmethod
    def retry(self, order: RetryOrder) -> int:
        """Measure cells of an earlier run again; that run stays as it is.

        Returns:
            The new run's id. It is stored durably; building has begun.

        Raises:
            NotFound: no such run, or no such cell of it.
            StateError: a cell has not ended, none failed, or one is no part of the order any more.
            UsageError: what it ordered is gone or wrong by now.
        """

    @abstractmethod
    def status(self) -> Status:
        """Say who answers."""


@dataclass(frozen=True)
class LiveFarm(Farm):
    """The farm inside an orchestrator's process."""

    orders: Orders
    life: RunLife
    jobs: BuildJobs
    #: ``host:port`` where agents connect.
    agents_address: str

    def submit(self, order: Order) -> int:
        """Store the order as a run and begin to build it."""
        return self.life.begin(self.orders.plan(order, submit=True))

    def build(self, order: BuildOrder) -> int:
        """Begin a build."""
        plan = self.orders.plan(order, measures=False)
        return self.jobs.start(wanted_cells(plan)).build_id

    def watch_run(self, run_id: int) -> RunProgress:
        """Say how far a run has come."""
        return self.life.progress(run_id)

    def watch_build(self, build_id: int) -> BuildProgress:
        """Say how far a build has come."""
        return self.jobs.find(build_id).progress()

    def cancel(self, run_id: int) -> None:
        """Stop a run."""
        self.life.cancel(run_id)

    def resume(self, run_id: int) -> None:
        """Take up a cancelled run."""
        self.life.resume(run_id)

    def retry(self, order: RetryOrder) -> int:
        """Measure cells of a run again."""
        return self.life.retry(order)

    def status(self) -> Status:
        """Say who answers."""
        return Status(os.getpid(), farm_version(), self.agents_address)
