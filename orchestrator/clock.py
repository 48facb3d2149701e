"""The time, as the orchestrator's parts ask for it, so that tests can turn the hands."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


class Clock(ABC):
    """Answers the time. Thread-safe."""

    @abstractmethod
    def now(self) -> datetime:
        """Answer the wall clock's instant, aware UTC. It may jump."""

    @abstractmethod
    def monotonic_s(self) -> float:
        """Answer seconds from an arbitrary start; only grows."""


class SystemClock(Clock):
    """This machine's clocks."""

    def now(self) -> datetime:
        """Answer the wall clock's instant, aware UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Answer the monotonic clock, which stands still while the machine is suspended."""
        return time.monotonic()


@dataclass
class ManualClock(Clock):
    """A clock that moves only when told to."""

    instant: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    elapsed_s: float = 0.0

    def now(self) -> datetime:
        """Answer the instant it was set to."""
        return self.instant

    def monotonic_s(self) -> float:
        """Answer the seconds it was advanced."""
        return self.elapsed_s

    def advance(self, seconds: float) -> None:
        """Let time pass on both hands."""
        self.instant += timedelta(seconds=seconds)
        self.elapsed_s += seconds
