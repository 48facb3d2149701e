"""Waiting for what happens elsewhere: asked again and again, with a deadline, never slept for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Until a test gives up: far beyond what anything takes on a busy machine.
SOON_S = 30.0


def wait_until(
    happened: Callable[[], object],
    what: str = "it did not happen in time",
    timeout_s: float = SOON_S,
) -> None:
    """Wait for something true, asked a hundred times a second.

    Args:
        happened: whether it did.
        what: said if it does not.
        timeout_s: until the test fails.
    """
    deadline_s = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline_s, what
        threading.Event().wait(0.01)
