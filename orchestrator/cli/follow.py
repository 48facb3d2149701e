"""Follows a build or a run to its end, and does what Ctrl-C means (D5)."""

from __future__ import annotations

import time
from collections.abc import Callable

from orchestrator.cli import view
from orchestrator.cli.main import INTERRUPTED
from orchestrator.cli.progress import Progress, is_over, showing
from orchestrator.cli.session import Session, changing
from orchestrator.config import FarmConfig
from orchestrator.domain.errors import FarmUnavailable, StateError
from orchestrator.domain.order import BuildProgress, RunProgress
from orchestrator.service import Farm

_LOOK_S = 0.15
#: How long a cancelled run's attempts may take to end: the agent hears at once, the runner kills
#: at once.
_STOP_S = 20.0


def measure(config: FarmConfig, begin: Callable[[Farm], int], show: Callable[[int], None]) -> int:
    """Begin or take up a run, follow it, show its results.

    Args:
        config: the farm.
        begin: answers the run's id.
        show: prints a run's results; called while the orchestrator still lives.

    Returns:
        0, or 130 where the user left.
    """
    run_id: int | None = None
    while True:
        try:
            with changing(config) as session:
                if run_id is None:
                    run_id = begin(session.farm)
                    view.note(f"run {run_id}")
                code = _follow_run(session, run_id)
                if code == 0:
                    show(run_id)
        except FarmUnavailable:
            if run_id is None:
                raise
            view.note(f"the orchestrator went away; going on with run {run_id}")
            time.sleep(_LOOK_S)
        else:
            if code == INTERRUPTED and session.inside:
                view.note(f"take it up again with: farm run --resume {run_id}")
            return code


def _follow_run(session: Session, run_id: int) -> int:
    try:
        with showing() as progress:
            _until_over(session.farm, run_id, progress)
    except KeyboardInterrupt:
        if not session.inside:
            view.note(f"run {run_id} goes on; cancel it with: farm runs cancel {run_id}")
            return INTERRUPTED
        view.note(f"stopping run {run_id}")
        stop_run(session.farm, run_id)
        return INTERRUPTED
    return 0


def _until_over(farm: Farm, run_id: int, progress: Progress) -> RunProgress:
    while True:
        now = farm.watch_run(run_id)
        progress.run(now)
        if is_over(now):
            return now
        time.sleep(_LOOK_S)


def stop_run(farm: Farm, run_id: int) -> None:
    """Cancel a run and wait until nothing of it runs any more; a second Ctrl-C ends the wait."""
    try:
        farm.cancel(run_id)
    except StateError:
        return  # it ended by itself
    wait_until_over(farm, run_id)


def wait_until_over(farm: Farm, run_id: int) -> bool:
    """Wait until a cancelled run has stopped, but not for ever.

    Returns:
        Whether it has.
    """
    deadline = time.monotonic() + _STOP_S
    while not is_over(farm.watch_run(run_id)):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_S)
    return True


def build(farm: Farm, build_id: int) -> BuildProgress:
    """Follow a build to its end."""
    with showing() as progress:
        while True:
            now = farm.watch_build(build_id)
            progress.build(now)
            if now.finished:
                return now
            time.sleep(_LOOK_S)
