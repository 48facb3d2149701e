"""A run of benchmarks beside the last one: old, new, their ratio, the limits, and what got worse.

Takes the files of a newer and an older document; without them the newest of the history stands
beside, for each program, the one in which it was last run. Figures of another machine, or measured
under a very different load, are shown and marked, but not judged.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.history import (
    BadDocument,
    Document,
    Machine,
    Measured,
    Program,
    last_with,
    load,
    read_history,
)

#: Medians of the same code on a quiet machine lie within this of each other.
SAME_WITHIN = 0.10
#: So much more runs besides on one core when a figure is no longer comparable: the minute's
#: average of an idle machine stays below it. Before a program that is what others do; after it,
#: the program's own work is in both averages.
LOAD_APART = 0.25
#: Busier than this a core, before it began, no figure of any run is judged.
BUSY = 0.75


@dataclass(frozen=True, slots=True)
class Row:
    """A figure beside its older self."""

    new: Measured
    #: None: it was not measured then.
    old: Measured | None
    #: New by old; None: there is nothing to divide, or by.
    ratio: float | None
    #: ``worse``, ``better``, ``same``, or empty: not judged.
    verdict: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A program beside the last time it was run."""

    new: Program
    old: Program | None
    #: The older document's commit.
    commit: str
    #: Why nothing is judged; empty: it is.
    marks: tuple[str, ...]
    rows: tuple[Row, ...]
    #: Names of figures that are no longer measured.
    gone: tuple[str, ...]

    @property
    def worse(self) -> list[str]:
        """Name what became worse."""
        return [f"{self.new.name}: {row.new.name}" for row in self.rows if row.verdict == "worse"]


def beside(new: Document, older: Sequence[Document]) -> list[Beside]:
    """Put each program of a document beside its last run; pure.

    Args:
        new: the document.
        older: others, oldest first.
    """
    found = []
    for program in new.programs:
        last = last_with(program.name, older, new.started_at)
        if last is None:
            rows = tuple(Row(figure, None, None, "") for figure in program.figures)
            found.append(Beside(program, None, "", (), rows, ()))
        else:
            found.append(_compare(new.machine, program, *last))
    return found


def _compare(machine: Machine, new: Program, document: Document, old: Program) -> Beside:
    marks = _marks(machine, new, document.machine, old)
    before = {figure.name: figure for figure in old.figures}
    rows = tuple(
        _row(figure, before.pop(figure.name, None), judged=not marks) for figure in new.figures
    )
    return Beside(new, old, document.commit, marks, rows, tuple(before))


def _marks(machine: Machine, new: Program, old_machine: Machine, old: Program) -> tuple[str, ...]:
    if machine != old_machine:
        return (f"another machine: {old_machine.cpu}, {old_machine.cores} cores",)
    marks = []
    for when, now, then in (
        ("before", new.load_before, old.load_before),
        ("after", new.load_after, old.load_after),
    ):
        if abs(now[0] - then[0]) > LOAD_APART * machine.cores:
            marks.append(f"load {when} it {then[0]:.2f} then, {now[0]:.2f} now")
    if min(new.load_before[0], old.load_before[0]) > BUSY * machine.cores:
        marks.append("a busy machine both times")
    return tuple(marks)


def _row(new: Measured, old: Measured | None, *, judged: bool) -> Row:
    if old is None or old.unit != new.unit:
        return Row(new, None, None, "")
    if new.value is None or old.value is None:
        lost = judged and old.value is not None
        return Row(new, old, None, "worse" if lost else "")
    ratio = new.value / old.value if old.value else None
    return Row(new, old, ratio, _verdict(new, new.value, old, old.value) if judged else "")


def _verdict(new: Measured, now: float, old: Measured, then: float) -> str:
    if new.direction == "none":
        return ""
    if old.holds and not new.holds and old.limit == new.limit:
        return "worse"
    more, less = now > then * (1 + SAME_WITHIN), now < then / (1 + SAME_WITHIN)
    if not more and not less:
        return "same"
    return "worse" if more == (new.direction == "less") else "better"


def table(found: Sequence[Beside]) -> list[str]:
    """Write all of it for people."""
    lines: list[str] = []
    for one in found:
        lines += [*_head(one), *_align([_cells(row) for row in one.rows])]
        lines += [f"  no longer measured: {name}" for name in one.gone]
    worse = [name for one in found for name in one.worse]
    failed = [f"{one.new.name}: {n}" for one in found for n in _failures(one.new)]
    unjudged = [one.new.name for one in found if one.marks]
    lines.append("")
    lines.append(f"worse: {'; '.join(worse) or 'nothing that was judged'}")
    lines.append(f"against a limit, or failed: {'; '.join(failed) or 'nothing'}")
    if unjudged:
        lines.append(f"not judged: {', '.join(unjudged)}")
    return lines


def _failures(program: Program) -> list[str]:
    over = [figure.name for figure in program.figures if not figure.holds]
    ended = [program.note or program.state] if program.state != "passed" and not over else []
    return [*over, *ended]


def _head(one: Beside) -> list[str]:
    new, old = one.new, one.old
    lines = ["", f"{new.name}: {new.state}{f' ({new.note})' if new.note else ''}"]
    lines.append(f"  now   load {_load(new)}, took {new.took_s:.0f} s")
    if old is None:
        return [*lines, "  never measured before"]
    lines.append(f"  then  load {_load(old)}, took {old.took_s:.0f} s, {one.commit[:10]}")
    return [*lines, *(f"  NOT JUDGED: {mark}" for mark in one.marks)]


def _load(program: Program) -> str:
    return f"{program.load_before[0]:.2f} before, {program.load_after[0]:.2f} after"


def _cells(row: Row) -> tuple[str, ...]:
    new, old = row.new, row.old
    limit = "" if new.limit is None else f"limit {new.limit:g} {'pass' if new.holds else 'FAIL'}"
    return (
        f"  {new.name}",
        "" if old is None else _number(old.value),
        _number(new.value),
        new.unit,
        "" if row.ratio is None else f"x {row.ratio:.2f}",
        limit,
        row.verdict,
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


#: Columns that are set to the right.
_RIGHT = (1, 2, 4)


def _align(rows: Sequence[tuple[str, ...]]) -> list[str]:
    head = ("  figure", "then", "now", "", "", "", "")
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in _RIGHT else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]


def main(arguments: Sequence[str]) -> int:
    """Print the comparison; 1 if something became worse or a limit does not hold, 2 for misuse."""
    if len(arguments) > 2 or any(word.startswith("-") for word in arguments):
        return _refuse("say no file, a newer one, or a newer and an older one")
    try:
        given = [load(Path(word).read_text(encoding="utf-8")) for word in arguments]
        older = given[1:] or read_history()
    except (OSError, BadDocument) as error:
        return _refuse(str(error))
    if not given and not older:
        return _refuse("there is no history yet; see benchmarks/run")
    found = beside(given[0] if given else older[-1], older)
    print("\n".join(table(found)))
    return 1 if any(one.worse or _failures(one.new) for one in found) else 0


def _refuse(why: str) -> int:
    print(f"benchmarks/compare: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
