"""Runs benchmarks one after the other and writes what they measured as one document."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.compare import beside, table
from benchmarks.farms import ROOT
from benchmarks.history import (
    BROKEN,
    FAILED,
    HISTORY,
    PASSED,
    TIMED_OUT,
    BadDocument,
    Document,
    Machine,
    Measured,
    Program,
    dump,
    read_figures,
    read_history,
)
from benchmarks.report import FIGURES_FILE, processor

#: Programs that measure nothing themselves.
_NOT_MEASURING = ("compare", "run")
#: No benchmark takes as long on two busy cores, but for those that build or test everything.
_LONGEST_S = 3600.0
#: How long a program may take to remove its scratch once it was told to end.
_END_S = 30.0
#: Below this a core, nobody else is at work.
_QUIET_LOAD = 0.25
_LOOK_S = 5.0


def names() -> list[str]:
    """List the benchmarks: the programs beside this one."""
    files = sorted((ROOT / "benchmarks").glob("*.py"))
    found = [file.stem for file in files if "__main__" in file.read_text(encoding="utf-8")]
    return [name for name in found if name not in _NOT_MEASURING]


def main(arguments: Sequence[str]) -> int:
    """Run them; 0 if all limits hold, 1 if not, 2 for misuse."""
    asked = _parse(arguments)
    try:
        older = read_history(asked.into)
        commit, changed = _commit()
    except BadDocument as error:
        return _refuse(f"{asked.into}/{error}")
    except (OSError, subprocess.CalledProcessError):
        return _refuse("git cannot say which commit this is")
    started_at = datetime.now(UTC).replace(microsecond=0)
    programs = []
    for name in asked.programs:
        _wait_for_quiet(asked.wait_s)
        programs.append(
            run_program(name, [sys.executable, "-m", f"benchmarks.{name}"], asked.limit_s)
        )
    machine = Machine(processor(), os.cpu_count() or 1)
    document = Document(started_at, commit, changed, machine, tuple(programs))
    asked.into.mkdir(parents=True, exist_ok=True)
    file = asked.into / document.file_name
    file.write_text(dump(document), encoding="utf-8")
    print("\n".join(table(beside(document, older))))
    print(f"written: {file}")
    return 0 if all(program.state == PASSED for program in programs) else 1


def _refuse(why: str) -> int:
    print(f"benchmarks/run: {why}", file=sys.stderr)
    return 2


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    known = names()
    parser.add_argument(
        "programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(known)}; without: all"
    )
    parser.add_argument(
        "--into", type=Path, default=HISTORY, metavar="DIR", help="the folder of the documents"
    )
    parser.add_argument(
        "--wait-s",
        type=float,
        default=0.0,
        metavar="S",
        help="so long, before each program, to wait for a quiet machine (0)",
    )
    parser.add_argument(
        "--limit-s",
        type=float,
        default=_LONGEST_S,
        metavar="S",
        help=f"so long a program may take ({_LONGEST_S:g})",
    )
    asked = parser.parse_args(arguments)
    asked.programs = [name.removesuffix(".py") for name in asked.programs] or known
    unknown = [name for name in asked.programs if name not in known]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}; there are {', '.join(known)}")
    return asked


def run_program(name: str, argv: Sequence[str], limit_s: float) -> Program:
    """Run one benchmark to its end, or end it; what it prints is passed on."""
    print(f"== {name}", file=sys.stderr, flush=True)
    before, begun_s = os.getloadavg(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="farm-benchmark-") as folder:
        file = Path(folder) / "figures.json"
        code = _run(argv, {**os.environ, FIGURES_FILE: str(file)}, limit_s)
        took_s, after = time.monotonic() - begun_s, os.getloadavg()
        title, figures = _figures(file)
    state, note = judge(code, figures, limit_s)
    return Program(name, title, state, note, round(took_s, 3), before, after, tuple(figures))


def judge(code: int | None, figures: Sequence[Measured], limit_s: float) -> tuple[str, str]:
    """Say how a program ended; pure.

    Args:
        code: its exit code; None: it took longer than it may.
        figures: what it handed over.
        limit_s: how long it may take.
    """
    if code is None:
        return TIMED_OUT, f"ended after {limit_s:g} s"
    if code == 0:
        return (PASSED, "") if figures else (BROKEN, "told no figures")
    if code == 1 and any(not figure.holds for figure in figures):
        return FAILED, ""
    ended = f"signal {-code}" if code < 0 else f"exit code {code}"
    return (FAILED, ended) if figures else (BROKEN, f"{ended}, told no figures")


def _run(argv: Sequence[str], environment: dict[str, str], limit_s: float) -> int | None:
    process = subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a benchmark as Ctrl-C would, so that it cleans up; else kill its group."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_END_S)
            return


def _figures(file: Path) -> tuple[str, list[Measured]]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return told["title"], read_figures(told["figures"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", []


def _wait_for_quiet(patience_s: float) -> None:
    deadline_s = time.monotonic() + patience_s
    most = _QUIET_LOAD * (os.cpu_count() or 1)
    while os.getloadavg()[0] > most and time.monotonic() < deadline_s:
        time.sleep(_LOOK_S)


def _commit() -> tuple[str, bool]:
    """The checkout's commit, and whether its files differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()

    # The history itself is written by this very program.
    changes = git("status", "--porcelain", "--", ".", ":(exclude)benchmarks/history")
    return git("rev-parse", "HEAD"), bool(changes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
