"""A runner that obeys farm-runner's command line and starts any executable as its program.

It lets the agent's tests run without a C compiler. What it measures is worthless and its limits
are few: time, output of zero size, stop. Use `write_fake_runner` to make it a blob.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None)


class Stop(Exception):
    """SIGTERM came, or the time is over."""


def write_fake_runner(path: Path) -> Path:
    """Make this file an executable program of its own."""
    path.write_text(f"#!{sys.executable} -S\n" + Path(__file__).read_text())
    path.chmod(0o755)
    return path


def main() -> int:
    """Run as farm-runner does."""
    options = _parse()
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    events = os.open(options.events, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)

    def tell(**event: object) -> None:
        os.write(events, json.dumps(event).encode() + b"\n")

    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, options.timeout_s)
    tell(
        event="start",
        version="fake",
        pid=os.getpid(),
        monotonic_ns=time.monotonic_ns(),
        realtime_ns=time.time_ns(),
        cpu=options.cpu,
    )
    end = _run_all(options, tell)
    _kill_below()
    tell(
        **{"event": "end", "exit_code": 0, "signal": 0, "trap": "", "limit": "", **end},
        message="",
        monotonic_ns=time.monotonic_ns(),
        realtime_ns=time.time_ns(),
    )
    return 0


def _run_all(options: argparse.Namespace, tell: object) -> dict[str, object]:
    assert callable(tell)
    try:
        for index in range(options.warmups + options.repeats):
            began_ns = time.monotonic_ns()
            code = _run_once(options, index)
            if code:
                known = {"exit_code": code} if code > 0 else {"signal": -code}
                return {"stage": "execute", **known}
            ns = time.monotonic_ns() - began_ns
            warmup = index < options.warmups
            tell(event="repeat", index=index, warmup=warmup, ns=ns, region_ns=0, exit_code=0)
    except Stop as stop:
        return {"stage": "execute", "limit": str(stop)}
    tell(event="usage", user_us=1, system_us=2, peak_memory_bytes=4096, peak_memory_source="fake")
    return {"stage": "done"}


def _run_once(options: argparse.Namespace, index: int) -> int:
    environment = dict(pair.split("=", 1) for pair in options.env)
    environment |= {"FARM_ATTEMPT": options.token, "PATH": os.environ["PATH"]}
    stdin = Path(options.stdin).open("rb") if options.stdin else subprocess.DEVNULL  # noqa: SIM115
    with (
        Path(f"{options.stdout}.{index}").open("wb") as out,
        Path(options.stderr).open("ab") as err,
    ):
        child = subprocess.Popen(
            [options.program, *options.arguments],
            stdin=stdin,
            stdout=out,
            stderr=err,
            cwd=options.cwd,
            env=environment,
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        )
        return child.wait()


def _stop(number: int, _: FrameType | None) -> None:
    raise Stop("time" if number == signal.SIGALRM else "stopped")


def _kill_below() -> None:
    """Kill children, and theirs once they have become children, until none is left."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                _kill_children()
        except ChildProcessError:
            return


def _kill_children() -> None:
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid():
            os.kill(int(name), signal.SIGKILL)
    os.waitpid(-1, 0)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["run", "exec"])
    for name in ("events", "stdout", "stderr", "messages", "name", "cwd", "token"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("stdin", "launcher"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--env", action="append", default=[])
    for name in ("warmups", "repeats", "lock-fd"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("memory-bytes", "output-bytes", "processes", "stack-bytes"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--cpu", type=int, default=-1)
    parser.add_argument("--timeout-s", type=float, required=True)
    parser.add_argument("program")
    parser.add_argument("arguments", nargs="*")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
