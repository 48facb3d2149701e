"""``farm sql``: the database asked in SQL, read-only."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import session, view
from orchestrator.cli.asking import CsvOption, one_form
from orchestrator.cli.options import FarmOption, JsonOption, LimitOption, new_app, page_limit
from orchestrator.domain.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.store.queries import Answer

app = new_app()

#: Rows that are laid out together; each such part of a longer table has widths of its own.
_PART = 1000


@app.command()
def sql(
    statement: Annotated[
        str | None,
        typer.Argument(metavar="[STATEMENT]", help="One statement; without it stdin is read."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Read the statement from here.")
    ] = None,
    timeout_s: Annotated[
        float,
        typer.Option(
            "--timeout", metavar="SECONDS", min=0, max=86_400, help="Stop it then; 0: never."
        ),
    ] = 30.0,
    views: Annotated[
        bool, typer.Option("--views", help="Describe the views made for this.")
    ] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    limit: LimitOption = None,
    farm: FarmOption = None,
) -> None:
    """Ask the database in SQL; nothing can be changed.

    The views result, attempt and made are for this (--views): they stay as they are where tables
    may change. Rows are printed as they come, so any number will do. Booleans are 0 and 1 on
    SQLite; bytes are base64 in JSON and CSV.
    """
    one_form(as_json=as_json, as_csv=as_csv)
    if timeout_s != timeout_s:
        raise UsageError("--timeout nan: write a number of seconds, 0: never")
    if views:
        if statement is not None or file is not None:
            raise UsageError("--views takes no statement: leave one of them out")
        _describe(as_json=as_json)
        return
    from orchestrator.store.queries import asked

    text = _statement(statement, file)
    most = page_limit(limit, as_json or as_csv)
    with asked(session.this_farm(farm).database_url, text, timeout_s) as answer:
        if as_json:
            view.documents(_objects(answer, most))
        elif as_csv:
            rows = (map(_field, row) for row in islice(answer.rows, most))
            view.records(answer.columns, map(list, rows))
        else:
            _draw(answer, most)


def _statement(written: str | None, file: Path | None) -> str:
    if written is not None and file is not None:
        raise UsageError("a statement and --file: give one of them")
    if written is not None and written != "-":
        return written
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("no statement: write one, such as: farm sql 'SELECT * FROM result'")
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise UsageError("not UTF-8 text: save it as UTF-8", file=file) from None
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror}): name a file", file=file) from error


def _objects(answer: Answer, most: int | None) -> Iterator[Mapping[str, Any]]:
    names = _unique(answer.columns)
    for row in islice(answer.rows, most):
        yield dict(zip(names, map(_value, row), strict=True))


def _unique(columns: Sequence[str]) -> list[str]:
    """Number columns that have one name, so that an object keeps each."""
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _value(value: Any) -> Any:
    """Answer a value as JSON has it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        # JSON has no words for these.
        return value if value - value == 0 else str(value)
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [_value(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _value(one) for key, one in value.items()}
    return _plain(value)


def _plain(value: Any) -> Any:
    """Answer dates as ISO 8601, decimal numbers as numbers, anything else as it prints."""
    from datetime import date, time
    from decimal import Decimal

    if isinstance(value, Decimal):
        whole = value == value.to_integral_value() if value.is_finite() else False
        return int(value) if whole else _value(float(value))
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _field(value: Any) -> str:
    """Answer a value as one field of CSV."""
    import json

    found = _value(value)
    if found is None:
        return ""
    return json.dumps(found) if isinstance(found, dict | list | bool) else str(found)


def _draw(answer: Answer, most: int | None) -> None:
    """Draw tables, a part of the rows each, so that a million rows need no more room than one."""
    from orchestrator.cli.tables import Column, Section, Table

    if not answer.columns:
        return
    shown = islice(answer.rows, most)
    begun = False
    while part := list(islice(shown, _PART)):
        numbers = [all(_is_number(row[place]) for row in part) for place in _places(answer)]
        columns = tuple(map(Column, answer.columns, numbers))
        rows = tuple(tuple(map(_cell, row)) for row in part)
        view.table(Table(columns, (Section("", rows),)))
        begun = True
    if not begun:
        view.say("no rows")
    elif most is not None and next(answer.rows, None) is not None:
        view.note(f"only the first {most:,} rows; see all with --limit 0, --json or --csv")


def _places(answer: Answer) -> Iterable[int]:
    return range(len(answer.columns))


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bytes | memoryview):
        return f"({len(value)} bytes)"
    text = _field(value)
    # What a program wrote must not move the cursor or end the line.
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _describe(*, as_json: bool) -> None:
    from orchestrator.store.views import DESCRIPTIONS

    if as_json:
        view.document(
            {
                name: {"about": one.about, "columns": dict(one.columns)}
                for name, one in DESCRIPTIONS.items()
            }
        )
        return
    from orchestrator.cli.tables import Column, Section, Table

    parts = tuple(
        Section(f"{name}: {one.about}", tuple(one.columns.items()))
        for name, one in DESCRIPTIONS.items()
    )
    view.table(Table((Column("column"), Column("what it says")), parts))
