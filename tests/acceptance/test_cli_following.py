"""Following a run from the installed command line: one orchestrator a farm, Ctrl-C both ways."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.commands import Started, farm, started

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(900)]

ENDLESS = """\
#include <time.h>
int main(void) { for (;;) { struct timespec t = {1, 0}; nanosleep(&t, 0); } }
"""
QUICK = """\
#include <stdio.h>
int main(int argc, char **argv) { puts(argv[argc - 1]); return argc > 2; }
"""
FAILING = "int main(void) { return 3; }\n"
BROKEN = "int main(void) { return nothing_of_this_name; }\n"
NATIVE = ("--mode", "native", "--device", "local", "--warmups", "0", "--repeats", "1")


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Path:
    """A new farm with some programs."""
    home = tmp_path / "farm"
    assert farm("init", home, cwd=tmp_path).code == 0
    for name, text in (
        ("endless", ENDLESS),
        ("quick", QUICK),
        ("failing", FAILING),
        ("broken", BROKEN),
    ):
        (home / f"{name}.c").write_text(text)
    return home


def wait_until_running(command: Started) -> None:
    """Wait until a device works on the command's run."""
    command.wait_for_line("running 0 of 1 cells")


def state_of_run(home: Path, run: int = 1) -> str:
    """Read a run's state as scripts do."""
    return str(json.loads(farm("runs", "show", str(run), "--json", cwd=home).out)["state"])


def test_a_program_is_built_measured_and_shown(home: Path) -> None:
    """Without an orchestrator running; documents on stdout, prose on stderr."""
    said = farm("run", "quick.c", *NATIVE, "--json", "--", "word", cwd=home)
    assert said.code == 0, said.err
    (row,) = json.loads(said.out)
    assert (row["outcome"], row["mode"], row["device"]) == ("succeeded", "native", "local")
    assert row["execute_s"]["samples"] == 1
    assert row["case"] == {"arguments": "word"}
    assert json.loads(farm("results", "list", "1", "--json", cwd=home).out) == [row]
    shown = json.loads(farm("results", "show", str(row["cell_id"]), "--json", cwd=home).out)
    sources = [
        ingredient["name"]
        for made in shown["provenance"]
        for ingredient in made["ingredients"]
        if ingredient["name"].endswith("quick.c")
    ]
    assert sources
    devices = json.loads(farm("devices", "list", "--json", cwd=home).out)
    assert {device["state"] for device in devices} == {"offline"}, "nobody serves them now"


def test_an_outcome_that_failed_is_exit_code_1(home: Path) -> None:
    """The program's exit code is data: it is told in the table, and no time is stored."""
    said = farm("run", "failing.c", *NATIVE, cwd=home)
    assert said.code == 1
    assert "workload_failed" in said.out
    (row,) = json.loads(farm("results", "list", "--json", cwd=home).out)
    assert row["execute_s"]["median"] is None


def test_c_that_does_not_compile_shows_the_compilers_own_lines(home: Path) -> None:
    """The cell fails with them; the farm does not."""
    said = farm("run", "broken.c", *NATIVE, cwd=home)
    assert said.code == 1
    assert "nothing_of_this_name" in said.err
    assert state_of_run(home) == "done"


def test_a_second_orchestrator_is_refused(home: Path) -> None:
    """In one line that names the first; which goes on, and stops cleanly when told."""
    with started("up", cwd=home) as first:
        first.wait_for_line("serves agents on 127.0.0.1:")
        said = farm("up", cwd=home)
        assert (said.code, said.out) == (2, "")
        assert said.complaint == (
            f"farm: an orchestrator of this farm is running already (pid {first.pid});"
            " stop it first"
        )
        refused = farm("db", "upgrade", cwd=home)
        assert (refused.code, refused.complaint) == (2, said.complaint)
        first.interrupt(signal.SIGTERM)
        assert first.end().code == 0


def test_ctrl_c_leaves_a_run_of_a_living_orchestrator_alone(home: Path) -> None:
    """It says how to cancel; the cancel ends the program."""
    with started("up", cwd=home) as living:
        living.wait_for_line("serves agents on")
        with started("run", "endless.c", *NATIVE, cwd=home) as follower:
            wait_until_running(follower)
            follower.interrupt()
            said = follower.end()
        assert said.code == 130
        assert said.err.splitlines()[-1] == ("run 1 goes on; cancel it with: farm runs cancel 1")
        assert state_of_run(home) == "running"
        cancelled = farm("runs", "cancel", "1", cwd=home)
        assert (cancelled.code, cancelled.out) == (0, "")
        assert cancelled.complaint == (
            "run 1 is cancelled; take it up again with: farm run --resume 1"
        )
        assert state_of_run(home) == "cancelled"
        again = farm("runs", "cancel", "1", cwd=home)
        assert (again.code, again.complaint) == (2, "farm: run 1 is cancelled already")


def test_ctrl_c_with_the_orchestrator_inside_stops_and_can_be_resumed(home: Path) -> None:
    """Nothing is left running; what was cancelled is taken up again."""
    with started("run", "endless.c", *NATIVE, cwd=home) as command:
        wait_until_running(command)
        command.interrupt()
        said = command.end()
    assert said.code == 130
    assert said.out == ""
    assert said.err.splitlines()[-2:] == [
        "stopping run 1",
        "take it up again with: farm run --resume 1",
    ]
    assert state_of_run(home) == "cancelled"
    (home / "endless.c").write_text(QUICK)
    resumed = farm("run", "--resume", "1", "--json", cwd=home)
    assert resumed.code == 0, resumed.err
    (row,) = json.loads(resumed.out)
    assert (row["run_id"], row["outcome"]) == (1, "succeeded")


def test_a_detached_run_needs_a_living_orchestrator(home: Path) -> None:
    """Without one it is refused and nothing is stored; with one its number is told."""
    (home / "slow.c").write_text("#include <unistd.h>\nint main(void) { sleep(5); return 0; }\n")
    refused = farm("run", "quick.c", "--detach", cwd=home)
    assert (refused.code, refused.complaint) == (
        3,
        "farm: no orchestrator of this farm is running; start one with: farm up",
    )
    with started("up", cwd=home) as living:
        living.wait_for_line("serves agents on")
        # Long enough to be unfinished when it is followed: a finished run cannot be taken up.
        said = farm("run", "slow.c", *NATIVE, "--detach", "--json", cwd=home)
        assert (said.code, json.loads(said.out)) == (0, {"run_id": 1})
        followed = farm("run", "--resume", "1", "--json", cwd=home)
        assert (followed.code, json.loads(followed.out)[0]["outcome"]) == (0, "succeeded")


def test_a_follower_takes_over_when_its_orchestrator_dies(home: Path) -> None:
    """kill -9 of the orchestrator: the follower becomes it, and the run ends complete."""
    (home / "endless.c").write_text(
        "#include <unistd.h>\nint main(void) { sleep(6); return 0; }\n"
    )
    with started("up", cwd=home) as living:
        living.wait_for_line("serves agents on")
        with started("run", "endless.c", *NATIVE, "--json", cwd=home) as follower:
            wait_until_running(follower)
            living.interrupt(signal.SIGKILL)
            said = follower.end()
        assert said.code == 0, said.err
        assert "going on with run 1" in said.err
        assert json.loads(said.out)[0]["outcome"] == "succeeded"
