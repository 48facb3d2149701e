"""What surrounds a command goes wrong: powers taken away, a death at a chosen step, a clock's day.

Each test of ``tests/acceptance/test_situations_*.py`` is one situation, each case of a table too.
"""

from __future__ import annotations

import importlib
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import PATIENCE_S, Said, environment, farm

QUICK = '#include <stdio.h>\nint main(void) { puts("quick"); return 0; }\n'
NATIVE = ("--mode", "native", "--device", "local", "--warmups", "0", "--repeats", "1")
WHOLE = "nothing wrong was found\n"

_TESTS = Path(__file__).resolve().parents[1]
#: Somebody else: nobody of Debian.
STRANGER = 65534
_SHEDS = ("--bounding-set=-all", "--inh-caps=-all")
#: Ends, or signals, its own process as it is about to change the disk for the n-th time.
_STEPS = """\
import os, signal, sys
at, number = int(sys.argv[1]), int(sys.argv[2])
sys.argv = ["farm", *sys.argv[3:]]
changes = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.link", "os.truncate",
    "shutil.rmtree", "sqlite3.connect"}
seen = 0
def look(event, values):
    global seen
    writes = event == "open" and isinstance(values[2], int) and values[2] & (
        os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if not (writes or event in changes) or "__pycache__" in str(values):
        return
    seen += 1
    if seen == at:
        os.kill(os.getpid(), number)
from orchestrator.cli.main import main
sys.addaudithook(look)
main()
"""


def situations() -> int:
    """Count the situations there are."""
    found = 0
    for file in sorted((_TESTS / "acceptance").glob("test_situations_*.py")):
        module = importlib.import_module(f"tests.acceptance.{file.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_"):
                marks = [
                    one for one in getattr(test, "pytestmark", []) if one.name == "parametrize"
                ]
                found += math.prod(len(mark.args[1]) for mark in marks)
    return found


def without_powers() -> tuple[str, ...]:
    """Answer what starts a command to which the modes of files apply, also for root."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root's powers cannot be shed here: no setpriv")
    return (setpriv, *_SHEDS)


def give_away(home: Path) -> None:
    """Make a farm somebody else's."""
    if os.geteuid() != 0:
        pytest.skip("giving files away needs root: there is no second user to try")
    for path in (home, *home.rglob("*")):
        os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


def dying(step: int, number: signal.Signals, *arguments: str | Path, cwd: Path) -> Said:
    """Run a command that gets a signal as it is about to change the disk for the n-th time."""
    done = subprocess.run(
        [sys.executable, "-c", _STEPS, str(step), str(int(number)), *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def new_farm(home: Path) -> Path:
    """Make a farm with a program in it."""
    said = farm("init", home, cwd=home.parent)
    assert said.code == 0, said.err
    (home / "quick.c").write_text(QUICK)
    return home


def measured_farm(home: Path) -> Path:
    """Make a farm with one result."""
    said = farm("run", "quick.c", *NATIVE, cwd=new_farm(home))
    assert said.code == 0, said.err
    return home


def is_whole(home: Path) -> None:
    """Hold a farm against its own check, and its logs against traces of bugs."""
    said = farm("db", "check", cwd=home)
    assert (said.code, said.out, said.err) == (0, WHOLE, "")
    for log in home.glob("data/agents/*/agent.log*"):
        assert "Traceback" not in log.read_text(), log
    assert list(home.glob("data/farm-bug-*")) == []
