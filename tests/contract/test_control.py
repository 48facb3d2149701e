"""The farm's contract, held by the farm in this process and by the farm over the unix socket."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.cli.control import connect
from orchestrator.domain.errors import (
    DiskFull,
    FarmUnavailable,
    MatrixError,
    NotFound,
    StateError,
)
from orchestrator.domain.order import MatrixOrder, ProgramOrder, RunProgress, SelectionOrder
from orchestrator.domain.workload import Limits
from orchestrator.rpc.control import SOCKET_FOLDER, SOCKET_NAME, serve_control
from orchestrator.service import Farm
from orchestrator.store.base import ResultFilter
from protos.states import CellState, RunState
from tests.support.farms import (
    INVENTORY,
    MATRIX,
    Rig,
    StandInBuilder,
    living,
    wait_for,
    write_files,
)


@dataclass(frozen=True)
class Asked:
    """A farm under test, and what is behind it."""

    farm: Farm
    rig: Rig

    def submit(self, *overrides: tuple[str, str]) -> int:
        return self.farm.submit(MatrixOrder(self.rig.matrix, overrides))

    def wait_for_state(self, run_id: int, state: RunState) -> RunProgress:
        wait_for(lambda: self.farm.watch_run(run_id).state is state, f"run is {state}")
        return self.farm.watch_run(run_id)


@pytest.fixture(params=["in process", "over the socket"])
def asked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asked]:
    """The same farm, asked in each way."""
    with ExitStack() as stack:
        rig = stack.enter_context(living(tmp_path))
        farm: Farm = rig.farm
        if request.param == "over the socket":
            stack.enter_context(serve_control(rig.farm, tmp_path / "data"))
            farm = stack.enter_context(connect(tmp_path / "data"))
        yield Asked(farm, rig)


def test_a_submitted_run_is_built_and_queued(asked: Asked) -> None:
    """Every cell whose artifacts are built is ready, and its run waits for devices."""
    run_id = asked.submit()
    progress = asked.wait_for_state(run_id, RunState.QUEUED)
    assert progress.cells == 2
    assert progress.cells_by_state[CellState.READY] == 2
    wait_for(lambda: asked.farm.watch_run(run_id).build.finished, "the build is finished")
    assert [step.state for step in asked.farm.watch_run(run_id).build.steps] == ["made"]


def test_overrides_count_and_are_kept(asked: Asked) -> None:
    """``--set`` replaces the file's value, and a resumed run has it still."""
    run_id = asked.submit(("repeats", "2"))
    asked.wait_for_state(run_id, RunState.QUEUED)
    recalled = asked.rig.farm.orders.recall(asked.rig.store.run_spec(run_id))
    assert [cell.counts.repeats for cell in recalled.cells] == [2, 2]


def test_a_cell_that_cannot_be_built_fails_alone(asked: Asked) -> None:
    """A compiler's no fails the cells that needed it, with its last lines; the others go on."""
    asked.rig.builder.failing = {"native"}
    run_id = asked.submit()
    progress = asked.wait_for_state(run_id, RunState.QUEUED)
    assert progress.cells_by_state[CellState.READY] == 1
    assert progress.cells_by_state[CellState.FAILED] == 1
    results = asked.rig.store.results(ResultFilter(run_id=run_id))
    failed = next(result for result in results if result.state is CellState.FAILED)
    assert "tiny.c:1: error: no" in failed.reason


def test_a_run_of_which_nothing_can_be_built_is_done(asked: Asked) -> None:
    """It does not wait for devices."""
    asked.rig.builder.failing = {"native", "wamr-fast"}
    run_id = asked.submit()
    progress = asked.wait_for_state(run_id, RunState.DONE)
    assert progress.cells_by_state[CellState.FAILED] == 2


def test_a_build_that_ends_as_a_whole_says_why(asked: Asked) -> None:
    """A full disk fails the cells that waited and is the run's error."""
    asked.rig.builder.error = DiskFull("no room")
    run_id = asked.submit()
    assert asked.wait_for_state(run_id, RunState.DONE).error == "no room"


def test_cancelling_while_building_stops_the_build(asked: Asked) -> None:
    """Nothing of a cancelled run becomes ready afterwards."""
    asked.rig.builder.open.clear()
    run_id = asked.submit()
    wait_for(lambda: bool(asked.rig.builder.asked), "the build began")
    asked.farm.cancel(run_id)
    progress = asked.wait_for_state(run_id, RunState.CANCELLED)
    assert progress.cells_by_state[CellState.CANCELLED] == 2
    wait_for(lambda: asked.farm.watch_run(run_id).build.finished, "the build has stopped")
    assert asked.farm.watch_run(run_id).state is RunState.CANCELLED


def test_a_cancelled_run_is_taken_up_again(asked: Asked) -> None:
    """Resuming builds what was cancelled and queues it."""
    run_id = asked.submit()
    asked.wait_for_state(run_id, RunState.QUEUED)
    asked.farm.cancel(run_id)
    assert asked.farm.watch_run(run_id).state is RunState.CANCELLED
    asked.farm.resume(run_id)
    progress = asked.wait_for_state(run_id, RunState.QUEUED)
    assert progress.cells_by_state[CellState.READY] == 2


def test_resuming_an_unfinished_run_changes_nothing(asked: Asked) -> None:
    """A repeated resume does no harm."""
    run_id = asked.submit()
    asked.wait_for_state(run_id, RunState.QUEUED)
    asked.farm.resume(run_id)
    assert len(asked.rig.builder.asked) == 1


def test_what_is_over_can_be_neither_cancelled_nor_resumed(asked: Asked) -> None:
    """Both say so."""
    asked.rig.builder.failing = {"native", "wamr-fast"}
    run_id = asked.submit()
    asked.wait_for_state(run_id, RunState.DONE)
    with pytest.raises(StateError):
        asked.farm.cancel(run_id)
    with pytest.raises(StateError, match=f"farm results list {run_id}"):
        asked.farm.resume(run_id)


def test_a_resume_whose_workload_is_gone_leaves_the_run_cancelled(asked: Asked) -> None:
    """The complaint comes before anything is changed."""
    run_id = asked.submit()
    asked.wait_for_state(run_id, RunState.QUEUED)
    asked.farm.cancel(run_id)
    (asked.rig.folder / "workloads" / "tiny" / "workload.yaml").unlink()
    with pytest.raises(MatrixError, match="tiny"):
        asked.farm.resume(run_id)
    assert asked.farm.watch_run(run_id).state is RunState.CANCELLED


def test_a_build_is_followed_to_its_end(asked: Asked) -> None:
    """A build makes no run."""
    build_id = asked.farm.build(SelectionOrder(workloads=("tiny",), archs=("x86_64",)))
    wait_for(lambda: asked.farm.watch_build(build_id).finished, "the build is finished")
    steps = asked.farm.watch_build(build_id).steps
    assert [(step.name, step.state, step.size_bytes) for step in steps] == [("runner", "made", 3)]
    assert list(asked.rig.store.runs()) == []


def test_a_program_of_the_users_own_is_measured(asked: Asked) -> None:
    """Arguments, stdin, folder and environment arrive, also over the wire."""
    source = asked.rig.folder / "workloads" / "tiny" / "tiny.c"
    order = ProgramOrder(
        path=source,
        arguments=("-x", "{"),
        environment={"A": "b"},
        stdin=source,
        directories=((source.parent, "data"),),
        modes=("native",),
        devices=("local",),
        repeats=2,
        timeout_s=1.5,
        sources=(source,),
        outputs=("left.txt", "{x}"),
        memory_bytes=1 << 20,
        output_bytes=7,
        flags=("-DX=1",),
    )
    run_id = asked.farm.submit(order)
    asked.wait_for_state(run_id, RunState.QUEUED)
    result = asked.rig.store.results(ResultFilter(run_id=run_id))[0]
    assert dict(result.case) == {
        "arguments": "-x '{'",
        "environment": "A=b",
        "flags": "-DX=1",
        "stdin": "tiny.c",
    }
    cell = asked.rig.farm.orders.recall(asked.rig.store.run_spec(run_id)).cells[0]
    workload = cell.case.workload
    assert cell.mode.label == "native"
    assert (workload.sources, workload.flags) == (("tiny.c",), ("-DX=1",))
    assert [cell.case.fill(output) for output in workload.outputs] == ["left.txt", "{x}"]
    assert workload.limits == Limits(1.5, 1 << 20, 7)


def test_a_run_of_an_earlier_version_is_understood(asked: Asked) -> None:
    """Its order knows nothing of what a program may be given since."""
    source = asked.rig.folder / "workloads" / "tiny" / "tiny.c"
    run_id = asked.farm.submit(ProgramOrder(source))
    kept = json.loads(asked.rig.store.run_spec(run_id))
    for name in ("sources", "outputs", "memory_bytes", "output_bytes", "flags"):
        del kept[name]
    plan = asked.rig.farm.orders.recall(json.dumps(kept))
    assert plan.cells[0].case.workload.sources == ("tiny.c",)


def test_a_wrong_file_is_named_with_its_line(asked: Asked) -> None:
    """An error is the same over the wire, and nothing was stored."""
    asked.rig.matrix.write_text("name: x\nworkloads: [tiny]\nmodes: [natve]\ndevices: [local]\n")
    with pytest.raises(MatrixError) as caught:
        asked.submit()
    assert (caught.value.file, caught.value.line) == (asked.rig.matrix, 3)
    assert list(asked.rig.store.runs()) == []


def test_what_is_not_there_is_not_found(asked: Asked) -> None:
    """Runs, builds, workloads and architectures."""
    for ask in (
        lambda: asked.farm.watch_run(99),
        lambda: asked.farm.cancel(99),
        lambda: asked.farm.resume(99),
        lambda: asked.farm.watch_build(99),
        lambda: asked.farm.build(SelectionOrder(workloads=("no",))),
        lambda: asked.farm.build(SelectionOrder(archs=("armv7",))),
    ):
        with pytest.raises(NotFound):
            ask()


def test_status_says_who_answers(asked: Asked) -> None:
    """The process that serves."""
    assert asked.farm.status().pid == os.getpid()
    assert asked.farm.status().agents_address == "127.0.0.1:1"


def test_a_run_in_building_goes_on_in_the_next_orchestrator(tmp_path: Path) -> None:
    """Also when the first one was stopped in the middle of the build."""
    builder = StandInBuilder()
    builder.open.clear()
    with living(tmp_path, builder) as first:
        run_id = first.farm.submit(MatrixOrder(first.matrix))
        wait_for(lambda: bool(builder.asked), "the build began")
    with living(tmp_path) as second:
        wait_for(
            lambda: second.farm.watch_run(run_id).state is RunState.QUEUED, "the run is queued"
        )


def test_a_run_whose_emulator_went_away_says_what_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was ordered while the emulator was here waits for it, and a new run leaves it out."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "qemu-here-static").write_text("#!/bin/sh\n")
    (tools / "qemu-here-static").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    farm = tmp_path / "farm"
    farm.mkdir()
    write_files(farm)
    emulated = "  emu: {type: there, machine: this-machine, emulator: qemu-here-static}\n"
    kind = "  there: {arch: armv7, cpu: cortex-a7}\ndevices:\n"
    (farm / "inventory.yaml").write_text(INVENTORY.replace("devices:\n", kind) + emulated)
    (farm / "tiny.yaml").write_text(MATRIX.replace("[local]", "[local, emu]"))
    with living(farm) as rig:
        order = MatrixOrder(rig.matrix)
        before = rig.farm.submit(order)
        wait_for(lambda: rig.farm.watch_run(before).state is RunState.QUEUED, "it is built")
        assert "emu: offline" in rig.farm.watch_run(before).running
        (tools / "qemu-here-static").unlink()
        after = rig.farm.submit(order)
        wait_for(lambda: rig.farm.watch_run(after).state is RunState.QUEUED, "it is built")
        lacks = "emu needs qemu-here-static, which is not installed; farm doctor says how"
        assert rig.farm.watch_run(before).running == (lacks, "local: offline")
        assert rig.farm.watch_run(after).running == ("local: offline",)
        assert rig.farm.watch_run(after).cells_by_state[CellState.IMPOSSIBLE] == 2


def test_a_bug_in_a_build_is_told_to_who_watches(tmp_path: Path) -> None:
    """The watcher gets the bug; the orchestrator lives on."""
    builder = StandInBuilder(error=ZeroDivisionError("oh"))
    with living(tmp_path, builder) as rig:
        build_id = rig.farm.build(SelectionOrder())

        def finished() -> bool:
            try:
                return rig.farm.watch_build(build_id).finished
            except ZeroDivisionError:
                return True

        wait_for(finished, "the build has ended")
        with pytest.raises(ZeroDivisionError):
            rig.farm.watch_build(build_id)
        builder.error = None
        again = rig.farm.build(SelectionOrder())
        wait_for(lambda: rig.farm.watch_build(again).finished, "the next build is finished")


def test_the_socket_is_for_its_user_only(tmp_path: Path) -> None:
    """The folder is the permission, and the socket's own mode says the same."""
    with living(tmp_path) as rig, serve_control(rig.farm, tmp_path / "data"):
        folder = tmp_path / "data" / SOCKET_FOLDER
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / SOCKET_NAME).stat().st_mode) == 0o600


def test_a_farm_may_lie_deeper_than_a_socket_address_reaches(tmp_path: Path) -> None:
    """AF_UNIX takes 107 bytes; a path of 400 works."""
    data = tmp_path.joinpath(*("deep" * 10 for _ in range(10)))
    with (
        living(tmp_path) as rig,
        serve_control(rig.farm, data),
        connect(data) as farm,
    ):
        assert farm.status().pid == os.getpid()


def test_a_farm_without_orchestrator_is_unavailable(tmp_path: Path) -> None:
    """Whether there never was one, or it died and left its socket."""
    with pytest.raises(FarmUnavailable, match="farm up"), connect(tmp_path):
        pass
    folder = tmp_path / SOCKET_FOLDER
    folder.mkdir()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(folder / SOCKET_NAME))
    left.close()
    with pytest.raises(FarmUnavailable), connect(tmp_path):
        pass


def test_a_dead_orchestrators_socket_is_taken_over(tmp_path: Path) -> None:
    """Its successor listens in the same place."""
    (tmp_path / "data" / SOCKET_FOLDER).mkdir(parents=True)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "data" / SOCKET_FOLDER / SOCKET_NAME))
    left.close()
    with (
        living(tmp_path) as rig,
        serve_control(rig.farm, tmp_path / "data"),
        connect(tmp_path / "data") as farm,
    ):
        assert farm.status().pid == os.getpid()
