"""Progress where there is no terminal: a line for what happens, none for what does not."""

from __future__ import annotations

import io

import pytest
from rich.live import Live

from orchestrator.cli import view
from orchestrator.cli.progress import LiveProgress, PlainProgress, is_over
from orchestrator.domain.order import BuildProgress, BuildStep, RunProgress
from protos.states import CellState, RunState

WAITING = BuildStep("farm-aotc", "waiting")
BUILDING = BuildStep("farm-aotc", "building", "never built", 1.0)
SLOW = BuildStep("farm-aotc", "building", "never built", 12.0)
MADE = BuildStep("farm-aotc", "made", "never built", 30.0, "ab" * 32, 3)


def run(state: RunState, done: int, *steps: BuildStep) -> RunProgress:
    """Build the progress of a run of three cells."""
    return RunProgress(
        state=state,
        build=BuildProgress(state is not RunState.BUILDING, steps),
        cells=3,
        cells_by_state={CellState.DONE: done, CellState.READY: 3 - done},
        running=("local: gemm wamr-fast, running 3 s",),
    )


def test_plain_lines_say_what_is_built_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    """Once when it begins, once when it turns out slow, once when it is made."""
    progress = PlainProgress()
    for step in (WAITING, BUILDING, BUILDING, SLOW, SLOW, MADE, MADE):
        progress.build(BuildProgress(False, (step,)))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "build: farm-aotc: building 1 s (never built)",
        "build: farm-aotc: building 12 s (never built)",
        "build: farm-aotc: made in 30.0 s (never built)",
    ]


def test_plain_lines_count_cells_when_the_count_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is known already is not worth a line."""
    progress = PlainProgress()
    known = BuildStep("x", "known")
    for state, done in (
        (RunState.BUILDING, 0),
        (RunState.RUNNING, 1),
        (RunState.RUNNING, 1),
        (RunState.DONE, 3),
    ):
        progress.run(run(state, done, known))
    assert capsys.readouterr().err.splitlines() == [
        "running 1 of 3 cells",
        "done 3 of 3 cells",
    ]


def test_the_live_view_shows_what_is_slow_and_what_runs() -> None:
    """Build steps with their reason, cells as a bar, devices with what they do."""
    file = io.StringIO()
    live = Live(console=view.console(file), auto_refresh=False)
    shown = LiveProgress(live)
    shown.run(run(RunState.BUILDING, 0, SLOW))
    live.console.print(live.renderable)
    shown.run(run(RunState.RUNNING, 1, MADE))
    live.console.print(live.renderable)
    text = file.getvalue()
    assert "build 0 of 1" in text
    assert "farm-aotc: building 12 s (never built)" in text
    assert "running 1 of 3 cells" in text
    assert "local: gemm wamr-fast, running 3 s" in text


@pytest.mark.parametrize("state", list(RunState))
def test_a_run_is_over_when_done_or_cancelled(state: RunState) -> None:
    """A cancelled run can be resumed, but is over for who follows it."""
    assert is_over(run(state, 0)) is (state in {RunState.DONE, RunState.CANCELLED})
