"""``farm results files``: what the attempts of a cell left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import session, view, words
from orchestrator.cli.options import FarmOption, JsonOption
from orchestrator.domain.errors import NotFound

if TYPE_CHECKING:
    from orchestrator.store.base import AttemptRecord


def files(
    cell: Annotated[
        int, typer.Argument(metavar="CELL", help="Its number, as `farm results list` shows it.")
    ],
    attempt: Annotated[
        int | None,
        typer.Option(
            "--attempt",
            metavar="N",
            help="Its number, as `farm results show` shows it.",
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Write the files into this folder.")
    ] = None,
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the files an attempt left, or write them into a folder, over nothing that is there."""
    config = session.this_farm(farm)
    with session.reading(farm) as store:
        attempts = store.attempts(cell)
    chosen = _chosen(cell, attempts, attempt)
    left = dict(chosen.finished.files) if chosen.finished else {}
    if to is not None:
        if not left:
            raise NotFound(
                f"cell {cell} has no files; name what a program leaves with --output, or in its"
                " workload's outputs"
            )
        from orchestrator.handout import hand_out

        hand_out(left, config.data / "blobs", to)
        view.note(f"attempt {chosen.attempt_id}: {words.count(len(left), 'file')} in {to}")
    if as_json:
        from orchestrator.reads import files_document

        view.document(files_document(chosen.attempt_id, left))
    elif to is None:
        from orchestrator.cli.details import files_table

        view.table(files_table([(chosen.attempt_id, left)]))


def _chosen(cell: int, attempts: Sequence[AttemptRecord], number: int | None) -> AttemptRecord:
    """Answer the attempt that was asked for, or else the last that left files, accepted first.

    Raises:
        NotFound: there is none of that number, or no attempt at all.
    """
    from protos.states import AttemptState

    if number is not None:
        attempts = [one for one in attempts if one.attempt_id == number]
    if not attempts:
        which = f"attempt {number}" if number is not None else "attempt"
        raise NotFound(f"cell {cell} has no {which}; see: farm results list")
    left = [one for one in attempts if one.finished is not None and one.finished.files]
    accepted = [one for one in left if one.state is AttemptState.ACCEPTED]
    return (accepted or left or attempts)[-1]
