"""``farm gc``: removes what nothing needs any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import session, view
from orchestrator.cli.asking import span
from orchestrator.cli.options import FarmOption, JsonOption, new_app
from orchestrator.cli.words import count, size
from orchestrator.domain.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from orchestrator.care.gc import Rubbish

app = new_app()


@app.command()
def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")
    ] = False,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", metavar="AGE", help="Leave what was made or used since: 30d, 12h, 5m."
        ),
    ] = "30d",
    cache: Annotated[
        bool, typer.Option("--cache", help="Clear this user's build cache, not the farm.")
    ] = False,
    as_json: JsonOption = False,
    farm: FarmOption = None,
) -> None:
    """Remove blobs nothing refers to, and what killed processes left behind.

    The farm must not be running, but for --dry-run. Results, and all that made them, stay. With
    --cache it is the build cache that is cleared: products, sources and old trees of WAMR that no
    build has used for so long; what a farm needs of them it keeps, or builds anew. That waits for
    no build: where one is going on it is refused. A blob that farm and cache share takes room
    until both have let go of it.
    """
    older_s = time.time() - _age_s(older_than)
    finding = (
        _cache_found(farm, older_s) if cache else _farm_found(farm, older_s, alone=not dry_run)
    )
    with finding as found:
        if not dry_run:
            from orchestrator.care.gc import remove

            remove(found)
    if as_json:
        view.document(
            [
                {"what": one.what, "path": str(one.path), "size_bytes": one.size_bytes}
                for one in found
            ]
        )
    else:
        _tell(found, dry_run=dry_run)


def _age_s(text: str) -> float:
    age = span(text)
    if age is None:
        raise UsageError(f"--older-than {text}: write a number and a unit, such as 30d, 12h or 5m")
    return age.total_seconds()


@contextmanager
def _farm_found(farm: Path | None, older_s: float, *, alone: bool) -> Iterator[list[Rubbish]]:
    from contextlib import nullcontext

    from orchestrator.care.gc import farm_rubbish
    from orchestrator.foundation import hold_farm

    config = session.this_farm(farm)
    with hold_farm(config) if alone else nullcontext(), session.reading(farm) as store:
        yield list(farm_rubbish(config, store, older_s))


@contextmanager
def _cache_found(farm: Path | None, older_s: float) -> Iterator[list[Rubbish]]:
    from orchestrator.build.workshop import GC_LOCK
    from orchestrator.care.gc import cache_rubbish
    from orchestrator.locks import hold_lock

    place = _cache(farm)
    if not place.is_dir():
        yield []
        return
    busy = f"a build uses {place}: try again when it is done"
    with hold_lock(place / GC_LOCK, busy):
        yield list(cache_rubbish(place, older_s))


def _cache(farm: Path | None) -> Path:
    """Answer this farm's build cache, outside of a farm the user's."""
    import os

    from orchestrator.config import default_cache

    try:
        return session.this_farm(farm).cache
    except ConfigError:
        if farm is not None:
            raise
        return default_cache(os.environ)


def _tell(found: list[Rubbish], *, dry_run: bool) -> None:
    kinds: dict[str, list[int]] = {}
    for one in found:
        kinds.setdefault(one.what, []).append(one.size_bytes)
    for what, sizes in kinds.items():
        view.say(f"{what}: {len(sizes):,}, {size(sum(sizes))}")
    total = size(sum(one.size_bytes for one in found))
    ending = "would be removed, nothing was" if dry_run else "removed"
    view.say(f"{count(len(found), 'thing')}, {total} {ending}")
