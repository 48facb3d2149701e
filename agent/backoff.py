"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that double from 0.2 s to 15 s, each shortened by up to half at random so that a
    fleet spreads out.
    """

    FIRST_S = 0.2
    LAST_S = 15.0

    def __init__(self) -> None:
        """Begin with the shortest pause."""
        self._next_s = self.FIRST_S

    def reset(self) -> None:
        """Begin anew after a success."""
        self._next_s = self.FIRST_S

    def pause_s(self) -> float:
        """Answer the next pause, seconds."""
        shortened = random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, hides nothing
        pause_s = self._next_s * shortened
        self._next_s = min(self.LAST_S, 2 * self._next_s)
        return pause_s
