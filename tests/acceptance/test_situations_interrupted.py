"""A command that is ended at any step: the farm is whole, and the next command goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import FARM, environment, farm, started
from tests.support.situations import NATIVE, dying, is_whole, measured_farm

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(300)]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
SLOW = """\
#include <stdio.h>
#include <time.h>
int main(void) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    do clock_gettime(CLOCK_MONOTONIC, &b); while (b.tv_sec - a.tv_sec < 2);
    return puts("slow") < 0;
}
"""


@pytest.fixture(name="model", scope="module")
def _model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = measured_farm(tmp_path_factory.mktemp("interrupted") / "farm")
    (home / "slow.c").write_text(SLOW)
    assert farm("db", "backup", "../kept.tar", cwd=home).code == 0
    return home


@pytest.fixture(name="home")
def _home(model: Path, tmp_path: Path) -> Path:
    """A measured farm of this test's own."""
    return Path(shutil.copytree(model, tmp_path / "farm"))


#: Of the 27 a new farm takes: with a draft, with part of its keys, at the very end.
INIT_STEPS = (3, 10, 27)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_farm_half_made_is_none_and_is_no_hindrance(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Who can, takes away what was made; what a kill leaves, the next one clears."""
    for step in INIT_STEPS if number is signal.SIGKILL else INIT_STEPS[1:2]:
        home = tmp_path / f"farm-{step}"
        said = dying(step, number, "init", home, cwd=tmp_path)
        killed = number is signal.SIGKILL
        assert said.code == (-number if killed else 128 + number), said.err
        assert "Traceback" not in said.err
        assert killed or not home.exists(), step
        again = farm("init", home, cwd=tmp_path)
        assert (again.code, again.err) == (0, ""), step
        assert sorted(os.listdir(home)) == ["data", "farm.toml", "inventory.yaml"]
    is_whole(home)


def test_a_killed_init_leaves_a_users_files_alone(tmp_path: Path) -> None:
    """An inventory somebody wrote since is not cleared away with the rest."""
    home = tmp_path / "farm"
    assert dying(10, signal.SIGKILL, "init", home, cwd=tmp_path).code == -signal.SIGKILL
    (home / "inventory.yaml").write_text("devices: {}\n")
    said = farm("init", home, cwd=tmp_path)
    assert (said.code, said.complaint) == (
        2,
        f"farm: {home}/inventory.yaml is there already: nothing was changed; choose another"
        " folder",
    )
    assert (home / "inventory.yaml").read_text() == "devices: {}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restore_ended_at_any_step_leaves_no_farm(
    number: signal.Signals, model: Path, tmp_path: Path
) -> None:
    """And the next one makes it whole."""
    kept = model.parent / "kept.tar"
    for step in (12, 240):
        home = tmp_path / f"farm-{step}"
        said = dying(step, number, "db", "restore", kept, home, cwd=tmp_path)
        assert said.code == (-number if number is signal.SIGKILL else 128 + number), said.err
        assert not home.exists()
        assert farm("db", "restore", kept, home, cwd=tmp_path).code == 0
        assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []
    is_whole(home)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_backup_ended_by_a_signal_leaves_nothing(number: signal.Signals, home: Path) -> None:
    """Not even a part with the farm's keys in it under some name."""
    folder = home.parent / "kept"
    folder.mkdir()
    said = dying(2, number, "db", "backup", folder / "kept.tar", cwd=home)
    assert said.code in {-number, 128 + number}
    assert os.listdir(folder) == []
    assert farm("db", "backup", folder / "kept.tar", cwd=home).code == 0
    is_whole(home)


@pytest.mark.parametrize("command", ["gc", "db upgrade", "db downgrade --yes"])
def test_care_that_is_killed_can_be_had_again(command: str, home: Path) -> None:
    """At its first changes to the disk."""
    for step in (1, 2, 3):
        assert dying(step, signal.SIGKILL, *command.split(), cwd=home).code in {0, -9}
    assert farm("db", "upgrade", cwd=home).code == 0
    assert farm("gc", cwd=home).code == 0
    is_whole(home)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("moment", ["run 2", "running"])
def test_a_run_is_taken_up_again(number: signal.Signals, moment: str, home: Path) -> None:
    """Whatever ends the command that is its own orchestrator, no block is lost or done twice."""
    with started("run", "slow.c", *NATIVE, "--attempts", "2", cwd=home) as command:
        command.wait_for_line(moment)
        os.kill(command.pid, number)
        said = command.end()
    assert "Traceback" not in said.err
    assert said.code == (-9 if number is signal.SIGKILL else 128 + number), said.err
    states = {one["run_id"]: one for one in json.loads(_listed(home))}
    if states[2]["state"] == "cancelled":
        again = farm("run", "--resume", "2", cwd=home)
    else:
        again = farm("run", "quick.c", *NATIVE, "--", "next", cwd=home)
        _wait_until_done(home, 2)
    assert again.code == 0, again.err
    is_whole(home)
    assert farm("results", "show", "2", cwd=home).code == 0


def _listed(home: Path) -> str:
    return farm("runs", "list", "--json", cwd=home).out


def _wait_until_done(home: Path, run_id: int) -> None:
    """Serve until a run is over."""
    with started("up", cwd=home) as living:
        living.wait_for_line("serves agents on")
        deadline_s = time.monotonic() + 120
        while time.monotonic() < deadline_s:
            if {one["run_id"]: one["state"] for one in json.loads(_listed(home))}[
                run_id
            ] == "done":
                break
        else:
            raise AssertionError(_listed(home))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_who_follows_may_go(number: signal.Signals, home: Path) -> None:
    """With a living orchestrator the run goes on to its end without him."""
    with started("up", cwd=home) as living:
        living.wait_for_line("serves agents on")
        with started("run", "slow.c", *NATIVE, cwd=home) as command:
            command.wait_for_line("running")
            os.kill(command.pid, number)
            said = command.end()
        assert "Traceback" not in said.err
        if number is not signal.SIGKILL:
            assert said.code == 128 + number
            assert "run 2 goes on; cancel it with: farm runs cancel 2" in said.err
        deadline_s = time.monotonic() + 120
        while '"done"' not in _listed(home).partition("}")[0]:
            assert time.monotonic() < deadline_s
    is_whole(home)


def test_a_terminal_that_closes_is_no_end_under_nohup(home: Path) -> None:
    """What is told to ignore the hangup goes on, as its user asked."""
    command: list[str | Path] = [
        "sh",
        "-c",
        'trap "" HUP; exec "$@"',
        "sh",
        FARM,
        "run",
        "slow.c",
        *NATIVE,
    ]
    with _spawned(command, home) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b"running" in line:
                process.send_signal(signal.SIGHUP)
        assert process.wait(120) == 0
    is_whole(home)


@contextmanager
def _spawned(command: list[str | Path], home: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command,
        cwd=home,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        yield process


@pytest.mark.parametrize("command", ["results list", "runs list --json", "db check", "help run"])
def test_a_reader_that_leaves_ends_a_command_quietly(command: str, home: Path) -> None:
    """Nobody reads on: no word, no error."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [FARM, *command.split()],
        cwd=home,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
