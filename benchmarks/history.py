"""What a run of benchmarks leaves behind: one JSON document, and where the earlier ones lie."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from benchmarks.farms import ROOT
from benchmarks.report import Direction

#: One small document a run; kept with the code, so that a commit's figures are found beside it.
HISTORY = ROOT / "benchmarks" / "history"
FORMAT = 1

#: How a program ended. ``failed``: a limit did not hold, or it said so itself; ``broken``: it told
#: no figures and did not say why in its exit code.
PASSED, FAILED, BROKEN, TIMED_OUT = "passed", "failed", "broken", "timed out"


class BadDocument(Exception):
    """A file of the history is none that this version wrote."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where figures were measured; all that is said of it."""

    cpu: str
    cores: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure."""

    name: str
    #: None: it was no number.
    value: float | None
    unit: str
    limit: float | None
    holds: bool
    direction: Direction
    #: Of a ratio: what it was divided by.
    base: str


@dataclass(frozen=True, slots=True)
class Program:
    """One benchmark and how it went."""

    name: str
    title: str
    state: str
    #: Said where there is more to say than the state.
    note: str
    took_s: float
    #: Of the machine, 1, 5 and 15 minutes.
    load_before: tuple[float, ...]
    load_after: tuple[float, ...]
    figures: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One run of some benchmarks."""

    started_at: datetime
    commit: str
    #: Files of the checkout differed from the commit.
    changed: bool
    machine: Machine
    programs: tuple[Program, ...]

    @property
    def file_name(self) -> str:
        """Sorts by time."""
        end = "-changed" if self.changed else ""
        return f"{self.started_at:%Y%m%dT%H%M%SZ}-{self.commit[:10]}{end}.json"


def dump(document: Document) -> str:
    """Write a document, a line for each figure."""
    head = {
        "format": FORMAT,
        "started_at": document.started_at.isoformat(),
        "commit": document.commit,
        "changed": document.changed,
        "machine": asdict(document.machine),
    }
    lines = [f"  {_pair(name, value)}" for name, value in head.items()]
    programs = ",\n".join(_dump_program(program) for program in document.programs)
    return "{\n" + ",\n".join(lines) + f',\n  "programs": [\n{programs}\n  ]\n}}\n'


def _dump_program(program: Program) -> str:
    fields = asdict(program)
    figures = fields.pop("figures")
    lines = [f"      {_pair(name, value)}" for name, value in fields.items()]
    rows = ",\n".join(f"        {json.dumps(figure, allow_nan=False)}" for figure in figures)
    lines.append('      "figures": [' + (f"\n{rows}\n      " if rows else "") + "]")
    return "    {\n" + ",\n".join(lines) + "\n    }"


def _pair(name: str, value: object) -> str:
    return f"{json.dumps(name)}: {json.dumps(value, allow_nan=False)}"


def load(text: str) -> Document:
    """Read a document.

    Raises:
        BadDocument: it is none, or one of another format.
    """
    try:
        row = json.loads(text)
        if row["format"] != FORMAT:
            raise BadDocument(f"format {row['format']}, not {FORMAT}")
        return Document(
            started_at=datetime.fromisoformat(row["started_at"]),
            commit=row["commit"],
            changed=row["changed"],
            machine=Machine(**row["machine"]),
            programs=tuple(_program(one) for one in row["programs"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise BadDocument(f"no document of benchmarks: {error}") from error


def _program(row: Mapping[str, Any]) -> Program:
    changed = {
        "load_before": tuple(row["load_before"]),
        "load_after": tuple(row["load_after"]),
        "figures": tuple(read_figures(row["figures"])),
    }
    return Program(**{**row, **changed})


def read_figures(rows: Iterable[Mapping[str, Any]]) -> list[Measured]:
    """Read figures as ``report.hand_over`` and documents hold them.

    Raises:
        KeyError, TypeError: they are none.
    """
    return [
        Measured(
            name=row["name"],
            value=None if row["value"] is None else float(row["value"]),
            unit=row["unit"],
            limit=None if row["limit"] is None else float(row["limit"]),
            holds=bool(row["holds"]),
            direction=cast("Direction", row["direction"]),
            base=row["base"],
        )
        for row in rows
    ]


def read_history(folder: Path = HISTORY) -> list[Document]:
    """Read all documents of a folder, oldest first.

    Raises:
        BadDocument: a file is none; the message names it.
    """
    found = []
    for path in folder.glob("*.json"):
        try:
            found.append(load(path.read_text(encoding="utf-8")))
        except BadDocument as error:
            raise BadDocument(f"{path.name}: {error}") from error
    return sorted(found, key=lambda document: document.started_at)


def last_with(
    name: str, documents: Sequence[Document], before: datetime
) -> tuple[Document, Program] | None:
    """Find when a program was last run before a moment, and how it went then.

    Args:
        name: the program's.
        documents: oldest first.
        before: the moment.
    """
    for document in reversed(documents):
        for program in document.programs:
            if program.name == name and program.figures and document.started_at < before:
                return document, program
    return None
