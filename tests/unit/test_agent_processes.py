"""Processes are known by more than their pid; command lines are made of checked parts only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.__main__ import choose_cpu, take_folder
from agent.config import read_config
from agent.errors import ConfigError, FolderBusy, OldRunnerAlive
from agent.execute import Launch, command_line, hold_lock, is_locked
from agent.order import Order, read_order
from agent.processes import (
    Process,
    attempt_of,
    find_members,
    kill_members,
    parse_stat,
    read_process,
    send,
)
from agent.stage import AttemptFolder
from protos.farm.v1 import agents_pb2 as pb

CONFIG = """farm_id = "f"
address = "127.0.0.1:1"
device = "d"
folder = "/s"
certificate = "/c"
key = "/k"
ca = "/ca"
"""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process of an attempt that sleeps."""
    environment = {"FARM_ATTEMPT": "feed" * 4, "PATH": os.environ["PATH"]}
    with subprocess.Popen(["sleep", "600"], env=environment) as process:
        yield process
        process.kill()


def test_reads_a_command_with_brackets_and_spaces() -> None:
    """The command in a stat line may hold anything."""
    fields = " ".join(str(number) for number in range(5, 53))
    process = parse_stat(f"42 (a) b (c) Z 1 2 3 {fields}\n")
    assert Process(pid=42, parent=1, session=3, start_ticks=20, zombie=True) == process


def test_a_used_again_pid_is_not_signalled(child: subprocess.Popen[bytes]) -> None:
    """A process that started at another time than expected is somebody else."""
    known = read_process(child.pid)
    assert known is not None
    send(replace(known, start_ticks=known.start_ticks - 1), signal.SIGKILL)
    assert child.poll() is None
    send(known, signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL
    send(known, signal.SIGKILL)


def test_finds_an_attempts_processes_by_token(child: subprocess.Popen[bytes]) -> None:
    """By the environment; an attempt with another token is left alone."""
    while attempt_of(child.pid) != "feed" * 4:
        assert child.poll() is None
    assert [child.pid] == [one.pid for one in find_members("feed" * 4)]
    assert find_members("beef") == ()
    assert kill_members(lambda: find_members("feed" * 4), 10)


def test_finds_what_descends_without_a_token() -> None:
    """A child with an empty environment belongs to its parent's attempt, and orphans to roots."""
    script = "import subprocess; subprocess.run(['sleep', '600'], env={})"
    environment = {"FARM_ATTEMPT": "cafe" * 4, "PATH": os.environ["PATH"]}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as parent:
        while len(find_members("cafe" * 4)) < 2:
            assert parent.poll() is None
        assert kill_members(lambda: find_members("cafe" * 4), 10)


def test_the_lock_is_given_back_with_its_last_holder(tmp_path: Path) -> None:
    """A child that inherited it keeps it, also when the parent has closed its own."""
    lock = tmp_path / "lock"
    with hold_lock(lock) as descriptor:
        holder = subprocess.Popen(["sleep", "600"], pass_fds=(descriptor,))
    assert is_locked(lock)
    with pytest.raises(OldRunnerAlive), hold_lock(lock):
        pass
    holder.kill()
    holder.wait()
    assert not is_locked(lock)


def test_one_agent_per_folder(tmp_path: Path) -> None:
    """A second agent is refused while the first is there."""
    first = take_folder(tmp_path)
    with pytest.raises(FolderBusy):
        take_folder(tmp_path, patience_s=0.05)
    os.close(first)
    os.close(take_folder(tmp_path))


def test_measures_on_the_last_core() -> None:
    """The last of several; none where there is one or others compute as well."""
    assert choose_cpu({0, 1, 3}, share_machine=False) == 3
    assert choose_cpu({0}, share_machine=False) == -1
    assert choose_cpu({0, 1}, share_machine=True) == -1


def order(*, wasm: bool) -> Order:
    """Make an order with hostile words."""
    digest = pb.Digest(sha256="a" * 64)
    kind = pb.PROGRAM_KIND_WASM if wasm else pb.PROGRAM_KIND_NATIVE
    return read_order(
        pb.Assignment(
            runner=digest,
            program=digest,
            kind=kind,
            program_name="--events",
            arguments=["--cpu", "; rm -rf /", ""],
            environment={"A": "--token"},
            warmups=1,
            repeats=2,
            limits=pb.Limits(timeout_s=1.5, memory_bytes=7),
        )
    )


def launch(tmp_path: Path, **changes: object) -> Launch:
    """Make a launch with everything at its place."""
    made = Launch(
        runner=Path("/r"),
        program=Path("/p"),
        stdin=None,
        place=AttemptFolder(tmp_path),
        emulator=None,
        cpu=-1,
        token="feed",  # noqa: S106  # a mark, no secret
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # any field, by name


def test_the_programs_words_stay_the_programs(tmp_path: Path) -> None:
    """Whatever its name and arguments look like, they are values, or stand after the dashes."""
    words = command_line(order(wasm=True), launch(tmp_path), 9)
    assert words[words.index("--") + 1 :] == ["/p", "--cpu", "; rm -rf /", ""]
    options = words[2 : words.index("--")]
    pairs = dict(zip(options[::2], options[1::2], strict=True))
    assert (words[0], words[1]) == ("/r", "run")
    assert pairs["--name"] == "--events"
    assert pairs["--env"] == "A=--token"
    assert pairs["--timeout-s"] == "1.500"
    assert (pairs["--memory-bytes"], pairs["--lock-fd"]) == ("7", "9")
    assert not {"--cpu", "--stdin", "--output-bytes", "--launcher"} & set(pairs)


def test_an_emulator_starts_runner_and_native_program(tmp_path: Path) -> None:
    """The runner goes through it; a native program needs it once more, a module does not."""
    emulated = launch(tmp_path, emulator=Path("/q"), cpu=1, stdin=Path("/i"))
    native = command_line(order(wasm=False), emulated, 9)
    assert native[:3] == ["/q", "/r", "exec"]
    assert native[native.index("--launcher") + 1] == "/q"
    assert native[native.index("--cpu") + 1] == "1"
    assert native[native.index("--stdin") + 1] == "/i"
    assert "--launcher" not in command_line(order(wasm=True), emulated, 9)


def test_reads_its_configuration(tmp_path: Path) -> None:
    """What the orchestrator writes is understood; what may be left out has a default."""
    path = tmp_path / "agent.toml"
    path.write_text(CONFIG)
    config = read_config(path)
    assert (config.emulator, config.share_machine, config.exit_with_stdin) == (None, False, False)
    path.write_text(CONFIG + 'emulator = "/usr/bin/qemu"\nexit_with_stdin = true\n')
    assert Path("/usr/bin/qemu") == read_config(path).emulator


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (CONFIG + "colour = 1\n", "unknown key 'colour'"),
        (CONFIG.replace('"f"', "7"), "farm_id must be a text"),
        (CONFIG.replace('farm_id = "f"\n', ""), "farm_id must be a text"),
        (CONFIG + 'emulator = "qemu"\n', "emulator must be an absolute path"),
        (CONFIG + "share_machine = 1\n", "share_machine must be a bool"),
        ("farm_id =", "Invalid value"),
    ],
)
def test_complains_about_its_configuration(tmp_path: Path, text: str, complaint: str) -> None:
    """One line with the file's name and what is wrong."""
    path = tmp_path / "agent.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        read_config(path)
    assert str(caught.value).startswith(str(path))
