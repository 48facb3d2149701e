"""Held calls that wait for news, at most one per device. Event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress


class Turn:
    """One held call."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._over = False

    @property
    def over(self) -> bool:
        """Whether a newer call of the device took over, or the server stops."""
        return self._over

    def begin(self) -> None:
        """Forget old news; what comes from now on will be noticed by ``wait``."""
        self._news.clear()

    def ring(self) -> None:
        """There may be news."""
        self._news.set()

    def end(self) -> None:
        """Nobody waits for this call's answer any more."""
        self._over = True
        self._news.set()

    async def wait(self, longest_s: float) -> bool:
        """Wait for news, for so long at most; answers whether the call is still wanted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._news.wait()
        return not self._over


class Bells:
    """All held calls, by device."""

    def __init__(self) -> None:
        self._turns: dict[str, Turn] = {}
        self._closed = False

    @contextmanager
    def turn(self, device: str) -> Iterator[Turn]:
        """Hold a call of a device; one that is held already is over, since its word is older."""
        turn = Turn()
        if self._closed:
            turn.end()
        older = self._turns.get(device)
        if older is not None:
            older.end()
        self._turns[device] = turn
        try:
            yield turn
        finally:
            if self._turns.get(device) is turn:
                del self._turns[device]

    def ring(self, devices: Iterable[str] | None = None) -> None:
        """Wake the calls of these devices; None: all."""
        for device in tuple(self._turns) if devices is None else devices:
            turn = self._turns.get(device)
            if turn is not None:
                turn.ring()

    def close(self) -> None:
        """End all calls, and those to come."""
        self._closed = True
        for turn in self._turns.values():
            turn.end()
