"""Starts the runner, watches it, ends it with everything it started, and finds it again after the
agent's own restart.

A runner holds the folder's lock for as long as it lives: an inherited, flocked descriptor which
the kernel gives back only with the last process that has it. Whoever cannot take the lock does not
start anything, so two runners never overlap.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ArgumentsTooLong, OldRunnerAlive, StartFailed
from agent.order import Order
from agent.outcome import StopCause
from agent.processes import (
    Process,
    attempt_of,
    find_members,
    kill_members,
    read_process,
    reap,
    send,
)
from agent.stage import AttemptFolder

#: The runner kills what it started and writes its last word within this time; then it is killed
#: itself.
TERMINATE_PATIENCE_S = 5.0

#: Even a big process tree is gone in a second; a process in uninterruptible sleep may take longer,
#: or for ever.
KILL_PATIENCE_S = 20.0

#: How much later than its own time limit a runner is believed to be stuck.
OVERDUE_S = 30.0

#: How long a runner that holds the lock may stay unknown: between fork and exec it looks like the
#: agent.
ADOPT_PATIENCE_S = 5.0

#: How often the lease is looked at while nothing happens.
_LOOK_S = 1.0

#: Of the agent's environment, what the runner gets too; the program gets what its order says and
#: nothing else.
_PASSED_ON = ("PATH", "LANG", "TZ", "QEMU_CPU", "QEMU_RESERVED_VA", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Launch:
    """What a command line is made of, besides the order."""

    runner: Path
    program: Path
    stdin: Path | None
    place: AttemptFolder
    emulator: Path | None
    #: The core to hold the program to; -1: none.
    cpu: int
    token: str


@dataclass(slots=True)
class Runner:
    """A living runner; a child of this process, or adopted."""

    process: Process
    token: str
    child: subprocess.Popen[bytes] | None


def command_line(order: Order, launch: Launch, lock_fd: int) -> list[str]:
    """Make the runner's command line; pure.

    Args:
        order: what to run.
        launch: where everything is.
        lock_fd: the inherited lock.
    """
    place = launch.place
    words = [str(launch.emulator)] if launch.emulator else []
    words += [str(launch.runner), "run" if order.wasm else "exec"]
    words += ["--events", str(place.events), "--stdout", str(place.stdout)]
    words += ["--stderr", str(place.stderr), "--messages", str(place.messages)]
    words += ["--stdin", str(launch.stdin)] if launch.stdin else []
    words += ["--name", order.name, "--cwd", str(place.work)]
    for name, value in order.environment.items():
        words += ["--env", f"{name}={value}"]
    words += ["--warmups", str(order.warmups), "--repeats", str(order.repeats)]
    words += _limits(order)
    words += ["--cpu", str(launch.cpu)] if launch.cpu >= 0 else []
    words += ["--launcher", str(launch.emulator)] if launch.emulator and not order.wasm else []
    words += ["--token", launch.token, "--lock-fd", str(lock_fd)]
    return [*words, "--", str(launch.program), *order.arguments]


def _limits(order: Order) -> list[str]:
    limits = order.limits
    words = ["--timeout-s", f"{limits.timeout_s:.3f}"]
    for option, value in (
        ("--memory-bytes", limits.memory_bytes),
        ("--output-bytes", limits.output_bytes),
        ("--processes", limits.processes),
        ("--stack-bytes", limits.stack_bytes),
    ):
        words += [option, str(value)] if value else []
    return words


@contextmanager
def hold_lock(path: Path) -> Iterator[int]:
    """Take the runner's lock and answer its descriptor; closing it here leaves it with who
    inherited it.

    Raises:
        OldRunnerAlive: a runner has it.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError as error:
        raise OldRunnerAlive("a runner still holds the lock") from error
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Say whether a runner lives."""
    try:
        with hold_lock(path):
            return False
    except OldRunnerAlive:
        return True


def start(order: Order, launch: Launch, lock: Path) -> Runner:
    """Start the runner in a session of its own, so that it survives this agent.

    Raises:
        OldRunnerAlive: another one lives.
        ArgumentsTooLong: what the program is given does not fit a command line.
        StartFailed: the system refuses to execute it.
    """
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment["FARM_ATTEMPT"] = launch.token
    with hold_lock(lock) as lock_fd, launch.place.runner_log.open("wb") as log:
        try:
            child = subprocess.Popen(
                command_line(order, launch, lock_fd),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=launch.place.root,
                env=environment,
                pass_fds=(lock_fd,),
                start_new_session=True,
            )
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise ArgumentsTooLong(
                    "its arguments and environment are longer than the kernel takes"
                ) from error
            raise StartFailed(f"the runner cannot be executed: {error.strerror}") from error
    process = read_process(child.pid)
    if process is None:  # cannot be: a child stays at least as a zombie
        raise StartFailed("the runner's process cannot be seen in /proc")
    _write_pid(launch.place.pid_file, process)
    return Runner(process, launch.token, child)


def _write_pid(path: Path, process: Process) -> None:
    """Note who the runner is; not flushed, since it matters in this boot only."""
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(json.dumps({"pid": process.pid, "start_ticks": process.start_ticks}))
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)  # a full disk: it is found by its token


def adopt(place: AttemptFolder, token: str, lock: Path) -> Runner | None:
    """Find the living runner of an attempt that was running when the agent went away; None: it is
    over.

    A runner that holds the lock but cannot be found is killed by its token.

    Raises:
        OldRunnerAlive: the lock is held and nobody with the token can be found or killed.
    """
    deadline_s = time.monotonic() + ADOPT_PATIENCE_S
    while is_locked(lock):
        process = _by_pid_file(place, token) or _by_token(token)
        if process is not None:
            return Runner(process, token, None)
        if time.monotonic() > deadline_s:
            end_everything(token, lock)
            return None
        time.sleep(0.02)
    return None


def _by_pid_file(place: AttemptFolder, token: str) -> Process | None:
    try:
        known = json.loads(place.pid_file.read_text())
    except (OSError, ValueError):
        return None
    process = read_process(known["pid"])
    if process is None or process.zombie or process.start_ticks != known["start_ticks"]:
        return None
    return process if attempt_of(process.pid) == token else None


def _by_token(token: str) -> Process | None:
    """The runner leads its session; what it started carries the token too but came later."""
    leaders = [one for one in find_members(token) if one.session == one.pid]
    return min(leaders, key=lambda one: one.start_ticks, default=None)


def watch(
    runner: Runner, timeout_s: float, cause: Callable[[], StopCause | None], wake_fd: int
) -> StopCause | None:
    """Block until the runner ends, or end it for a cause.

    Args:
        runner: whom to watch.
        timeout_s: the attempt's own limit; a runner that outlives it by far is stuck.
        cause: asked whenever ``wake_fd`` becomes readable, and every second.
        wake_fd: an eventfd.

    Returns:
        Why it was ended; None: it ended by itself.
    """
    deadline_s = time.monotonic() + timeout_s + OVERDUE_S
    with _pidfd(runner.process) as pidfd:
        while not _ended(runner, pidfd):
            why = cause()
            if why is None and time.monotonic() > deadline_s:
                why = StopCause.OVERDUE
            if why is not None:
                _terminate(runner, pidfd)
                return why
            _sleep(pidfd, wake_fd, _LOOK_S)
    return None


def describe_end(runner: Runner, place: AttemptFolder) -> str:
    """Answer how the runner itself ended, as far as this process can know."""
    if runner.child is None:
        return ""
    code = runner.child.wait()
    if code == 0:
        return ""
    lines = place.runner_log.read_text(errors="replace").strip().splitlines()
    said = f": {lines[-1][:300]}" if lines else ""
    return f"signal {-code}{said}" if code < 0 else f"exit code {code}{said}"


def end_everything(token: str, lock: Path) -> None:
    """Kill whatever is left of an attempt, and prove it.

    Raises:
        OldRunnerAlive: something cannot be killed, or the lock is held by a stranger.
    """
    me = os.getpid()
    gone = kill_members(lambda: find_members(token, roots=(me,)), KILL_PATIENCE_S)
    reap()
    deadline_s = (
        time.monotonic() + 1.0
    )  # the kernel closes files a moment after a process is a zombie
    while gone and is_locked(lock):
        if time.monotonic() > deadline_s:
            gone = False
        time.sleep(0.005)
    if not gone:
        raise OldRunnerAlive("processes of an earlier attempt cannot be killed")


def _terminate(runner: Runner, pidfd: int) -> None:
    """Ask the runner to end everything; the caller kills what is left."""
    send(runner.process, signal.SIGTERM)
    deadline_s = time.monotonic() + TERMINATE_PATIENCE_S
    while not _ended(runner, pidfd) and time.monotonic() < deadline_s:
        _sleep(pidfd, -1, 0.1)
    if not _ended(runner, pidfd):
        send(runner.process, signal.SIGKILL)


@contextmanager
def _pidfd(process: Process) -> Iterator[int]:
    """Open what becomes readable when the process ends; -1 where the kernel has no such thing."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:  # gone already, or a kernel before 5.3: then /proc is asked
        descriptor = -1
    now = read_process(process.pid)
    if descriptor >= 0 and (now is None or now.start_ticks != process.start_ticks):
        os.close(descriptor)  # somebody else's by now
        descriptor = -1
    try:
        yield descriptor
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _ended(runner: Runner, pidfd: int) -> bool:
    if runner.child is not None:
        return runner.child.poll() is not None
    if pidfd >= 0 and select.select([pidfd], [], [], 0)[0]:
        return True
    now = read_process(runner.process.pid)
    return now is None or now.zombie or now.start_ticks != runner.process.start_ticks


def _sleep(pidfd: int, wake_fd: int, seconds: float) -> None:
    watched = [one for one in (pidfd, wake_fd) if one >= 0]
    limit_s = seconds if pidfd >= 0 else min(seconds, 0.1)
    ready, _, _ = select.select(watched, [], [], limit_s)
    if wake_fd in ready:
        os.eventfd_read(wake_fd)
