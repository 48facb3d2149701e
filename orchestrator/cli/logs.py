"""``farm runs logs``: what attempts printed, byte for byte where that is asked for."""

from __future__ import annotations

import base64
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import session, view
from orchestrator.cli.options import FarmOption, JsonOption, RunArgument
from orchestrator.domain.errors import ArtifactMissing, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from orchestrator.domain.artifact import Digest
    from orchestrator.domain.run import CellResult
    from orchestrator.store.base import AttemptRecord, Store

#: In the order they are shown.
KINDS = ("stdout", "stderr", "messages")


def logs(
    run: RunArgument,
    cell: Annotated[int | None, typer.Argument(metavar="CELL", help="Of this cell only.")] = None,
    attempt: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Of this attempt, as `farm results show CELL` numbers them; default: each"
            " cell's last one that ended.",
        ),
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="What it printed.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="What it complained of.")] = False,
    messages: Annotated[
        bool, typer.Option("--messages", help="What the runtime itself said.")
    ] = False,
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what attempts printed: stdout, stderr, and the runtime's own messages.

    One stream of one attempt comes as it is, byte for byte, unless stdout is a terminal: there,
    what would command the terminal is written out.
    """
    given = zip(KINDS, (stdout, stderr, messages), strict=True)
    kinds = tuple(kind for kind, wanted in given if wanted) or KINDS
    with session.reading(farm) as store:
        store.run(run)
        found = list(_attempts(store, run, cell, attempt))
    blobs = session.this_farm(farm).data / "blobs"
    printed = [_Printed(where, one, kind) for where, one in found for kind in kinds]
    if as_json:
        kept = [(one, one.digest) for one in printed]
        view.document([_document(one, of, blobs) for one, of in kept if of is not None])
    elif len(printed) == 1:
        _pour(printed[0], blobs)
    else:
        _show(printed, blobs)


@dataclass(frozen=True, slots=True)
class _Printed:
    """One stream of one attempt."""

    cell: CellResult
    attempt: AttemptRecord
    kind: str

    @property
    def digest(self) -> Digest | None:
        """Its bytes; None: there are none."""
        finished = self.attempt.finished
        if finished is None:
            return None
        return finished.logs.get(self.kind) or (finished.output if self.kind == "stdout" else None)

    @property
    def title(self) -> str:
        """Name it."""
        cell = self.cell
        return (
            f"{self.kind} of attempt {self.attempt.attempt_id}, cell {cell.cell_id}"
            f" ({cell.workload} {cell.mode} on {self.attempt.device})"
        )

    @property
    def is_cut(self) -> bool:
        """Whether it printed more than it may, and lost the rest."""
        finished = self.attempt.finished
        return bool(finished and finished.output_truncated and self.kind != "messages")


def _attempts(
    store: Store, run: int, cell: int | None, attempt: int | None
) -> Iterator[tuple[CellResult, AttemptRecord]]:
    from orchestrator.store.base import ResultFilter

    cells = store.results(ResultFilter(run_id=run, cell_id=cell))
    if cell is not None and not cells:
        raise NotFound(f"run {run} has no cell {cell}; see: farm results list {run}")
    if attempt is None:
        for one in cells:
            ended = [told for told in store.attempts(one.cell_id) if told.finished]
            if ended:
                yield one, ended[-1]
        return
    for one in cells:
        for told in store.attempts(one.cell_id):
            if told.attempt_id == attempt:
                if told.finished is None:
                    raise NotFound(f"attempt {attempt} is {told.state}: nothing of it is here yet")
                yield one, told
                return
    where = f"cell {cell}" if cell is not None else f"run {run}"
    raise NotFound(f"{where} has no attempt {attempt}; see: farm results show CELL")


def _pour(printed: _Printed, blobs: Path) -> None:
    """Write one stream and nothing else."""
    data = _read(printed, blobs)
    if sys.stdout is not None and sys.stdout.isatty():
        view.text(data)
    else:
        view.raw(data)
    _warn(printed)


def _show(printed: Sequence[_Printed], blobs: Path) -> None:
    """Write several streams, each below its title; empty ones are left out."""
    shown = [one for one in printed if one.digest]
    if not shown:
        view.note("nothing was printed")
    for one in shown:
        view.title(f"== {one.title}")
        view.text(_read(one, blobs))
        _warn(one)


def _warn(printed: _Printed) -> None:
    if printed.is_cut:
        view.note(f"{printed.title}: it printed more than its limit of output; the rest is lost")


def _read(printed: _Printed, blobs: Path) -> bytes:
    digest = printed.digest
    if digest is None:
        return b""
    from orchestrator.blobs import blob_place

    try:
        return blob_place(blobs, digest.sha256).read_bytes()
    except FileNotFoundError:
        raise ArtifactMissing(
            f"{printed.title}: its bytes are gone (blob {digest.sha256[:12]}); run it again with:"
            f" farm runs retry {printed.cell.run_id} --cells {printed.cell.cell_id}"
        ) from None


def _document(printed: _Printed, digest: Digest, blobs: Path) -> dict[str, Any]:
    """Write one stream; as text where it is UTF-8, else as base64."""
    data = _read(printed, blobs)
    document: dict[str, Any] = {
        "run_id": printed.cell.run_id,
        "cell_id": printed.cell.cell_id,
        "attempt_id": printed.attempt.attempt_id,
        "stream": printed.kind,
        "sha256": digest.sha256,
        "size_bytes": digest.size_bytes,
        "truncated": printed.is_cut,
    }
    try:
        return {**document, "text": data.decode()}
    except UnicodeDecodeError:
        return {**document, "base64": base64.b64encode(data).decode()}
