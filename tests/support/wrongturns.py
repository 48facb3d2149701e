"""Takes wrong turns: a command that must be refused by one line and leave nothing half-done.

A catalogue is a file of ``tests/acceptance/wrong_turns/`` with ``TURNS``, a tuple of `WrongTurn`;
``tests/acceptance/test_wrong_turns.py`` takes them all, each in a farm of its own.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.commands import Said, farm

CATALOGUES = Path(__file__).resolve().parents[1] / "acceptance" / "wrong_turns"
CHECKOUT = str(CATALOGUES.parents[2])
#: What an orchestrator leaves beside what it stores: its lock, and SQLite's companions. The
#: database is looked into instead.
_COMPANIONS = ("farm.db", "farm.db-shm", "farm.db-wal", "orchestrator.lock")


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link, to be made in place of a file."""

    to: str


@dataclass(frozen=True, slots=True)
class Sparse:
    """A file of so many zero bytes that takes no room."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Folder:
    """An empty folder, to be made in place of a file."""


@dataclass(frozen=True, slots=True)
class Pipe:
    """A named pipe nobody writes into, to be made in place of a file."""


@dataclass(frozen=True, slots=True)
class Added:
    """Text at the end of a file that the farm has."""

    text: str


Content = str | bytes | Added | Link | Sparse | Folder | Pipe


@dataclass(frozen=True)
class WrongTurn:
    """A command that must be refused."""

    #: Unique in its catalogue. Of a file's key: the key, a colon and what is wrong with it.
    name: str
    #: What follows ``farm``, as in a shell; HOME stands for the farm's folder, where it runs.
    argv: str
    #: The one line on stderr after ``farm: ``, HOME and CHECKOUT in it standing for folders; a
    #: pattern where a library's own words vary.
    says: str | re.Pattern[str]
    code: int = 2
    #: What is written into the farm before, by path below it; above it with ``../``.
    files: Mapping[str, Content] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    #: Whether its farm has two finished runs of one cell each; else it is new.
    measured: bool = False
    #: What holds around the command only: a mount, a lock, another process.
    around: Callable[[Path], AbstractContextManager[object]] | None = None


def catalogue() -> dict[str, WrongTurn]:
    """Read every wrong turn there is, by an id that is its file and its name."""
    found: dict[str, WrongTurn] = {}
    for file in sorted(CATALOGUES.glob("*.py")):
        turns = importlib.import_module(f"tests.acceptance.wrong_turns.{file.stem}").TURNS
        for turn in turns:
            assert found.setdefault(f"{file.stem}: {turn.name}", turn) is turn, turn.name
    return found


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a wrong turn."""

    said: Said
    home: Path
    before: Mapping[str, object]
    after: Mapping[str, object]


def take(turn: WrongTurn, model: Path, folder: Path) -> Taken:
    """Run a turn's command in a farm of its own.

    Args:
        turn: the turn.
        model: the farm to copy.
        folder: where, not there yet; the farm and a folder for temporary files are made in it.
    """
    home, temporary = folder / "farm", folder / "tmp"
    shutil.copytree(model, home)
    temporary.mkdir()
    for name, content in turn.files.items():
        _write(home / name, content)
    around = nullcontext() if turn.around is None else turn.around(home)
    words = [word.replace("HOME", str(home)) for word in shlex.split(turn.argv)]
    env = {name: value.replace("HOME", str(home)) for name, value in turn.env.items()}
    with around:
        before = _state(folder)
        said = farm(*words, cwd=home, env={"TMPDIR": str(temporary), **env}, stdin=turn.stdin)
        after = _state(folder)
    return Taken(said, home, before, after)


def judge(turn: WrongTurn, taken: Taken) -> None:
    """Hold what came of a turn against what should have: code, one line, nothing half-done."""
    said = taken.said
    assert "Traceback" not in said.err, said.err
    complaint = said.complaint.replace(str(taken.home), "HOME").replace(CHECKOUT, "CHECKOUT")
    if isinstance(turn.says, str):
        assert complaint == f"farm: {turn.says}"
    else:
        assert turn.says.fullmatch(complaint.removeprefix("farm: ")), complaint
        assert complaint.startswith("farm: ")
    assert (said.code, said.out) == (turn.code, "")
    assert taken.after == taken.before


def _write(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, Added):
        path.unlink(missing_ok=True)
    match content:
        case str() | bytes():
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        case Added(text):
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        case Link(to):
            path.symlink_to(to)
        case Sparse(size_bytes):
            with path.open("wb") as empty:
                empty.truncate(size_bytes)
        case Folder():
            path.mkdir()
        case Pipe():
            os.mkfifo(path)


def _state(folder: Path) -> dict[str, object]:
    """List what stands in a turn's folder, and the runs of its farm."""
    found: dict[str, object] = {"runs": _runs(folder / "farm" / "data" / "farm.db")}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        inside = name.startswith("farm/data/")
        if name.startswith("farm/data/agents") or path.name in _COMPANIONS:
            continue  # agents start with the orchestrator, and keep what is theirs
        if path.is_symlink() or not path.is_dir():
            entry = path.lstat()
            found[name] = (entry.st_mode, entry.st_size, entry.st_mtime_ns)
        elif not inside:
            found[name] = path.lstat().st_mode
    return found


def _runs(database: Path) -> list[tuple[object, ...]]:
    if not database.is_file():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as open_database:
        return open_database.execute("SELECT * FROM runs").fetchall()
