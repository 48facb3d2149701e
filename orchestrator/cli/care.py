"""``farm db backup``, ``restore`` and ``check``: a farm kept, brought back, looked through."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import session, view
from orchestrator.cli.options import FarmOption, JsonOption
from orchestrator.cli.words import count, size


def backup(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Ends in .tar, .tar.gz or .tar.zst.")
    ],
    farm: FarmOption = None,
) -> None:
    """Write the whole farm into one file; also while it runs.

    In it are the database, blobs, keys and CA, farm.toml, inventory.yaml and the workloads
    folders. It holds the farm's keys, so only its owner may read it. What the farm needs but has
    not whole any more is told, left out, and makes the exit code 1.
    """
    from datetime import UTC, datetime

    from orchestrator.care.backup import back_up

    packed = back_up(session.this_farm(farm), file, datetime.now(UTC), view.note)
    view.say(
        f"{file}: {count(packed.rows, 'row')}, {count(packed.blobs, 'blob')},"
        f" {size(packed.size_bytes)}"
    )
    if packed.absent:
        view.complain(
            f"{count(len(packed.absent), 'blob')} the farm needs are missing or damaged and not"
            " in it; see: farm db check --deep"
        )
        raise typer.Exit(1)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What farm db backup wrote.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an empty one.")],
    database: Annotated[
        str | None,
        typer.Option(
            "--database", metavar="URL", help="An empty PostgreSQL one; default: SQLite in DIR."
        ),
    ] = None,
) -> None:
    """Make a farm of a backup, in a new folder, once every digest and count in it was checked.

    It is the same farm, with its id, its keys and the certificates of its devices, not a second
    one: stop the original before you start this one. Leases that were held in the backup are over,
    their attempts are measured again, and every device's fence is raised by 1000000000, so that
    nothing the original granted since counts. Agents of this machine get new certificates by
    themselves; where the agents of others dial (listen in farm.toml) has to be right for them.
    """
    from datetime import UTC, datetime

    from orchestrator.care.restore import restore as make

    made = make(file, folder, database, datetime.now(UTC))
    view.say(
        f"the farm of {made.made_at[:19]}Z in {made.config.folder}:"
        f" {count(made.rows, 'row')}, {count(made.blobs, 'blob')}"
    )
    view.note(
        f"it is {made.config.farm_id} itself: before it serves, stop the original,"
        f" which was in {made.original}"
    )
    if made.absent:
        view.note(f"{count(len(made.absent), 'blob')} were missing already when it was copied")


def check(
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every blob too and compare its digest.")
    ] = False,
    as_json: JsonOption = False,
    farm: FarmOption = None,
) -> None:
    """Look for what cannot be right in the farm's database, blobs and keys; changes nothing.

    One line for each finding, with what to do about it. Exits with 1 if there is one.
    """
    from datetime import UTC, datetime

    from orchestrator.care.check import examine

    found = examine(session.this_farm(farm), datetime.now(UTC), deep=deep)
    if as_json:
        view.document([{"finding": one.what, "step": one.step} for one in found])
    else:
        for one in found:
            view.say(f"{one.what}; {one.step}")
        if not found:
            view.say("nothing wrong was found")
    if found:
        raise typer.Exit(1)
