"""Owns the memory of what each recipe once made, in files that any number of processes share."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from orchestrator.build.digests import write_whole
from orchestrator.build.recipes import Read, Record, Target
from orchestrator.domain.artifact import Digest, Ingredient, Provenance

#: A use is noted once a day: that tells what is not used for weeks, and costs a build nothing.
_NOTED_S = 86_400.0
#: Records kept per order key, newest first: a header that goes back and forth stays known.
_KEPT_RECORDS = 16


class RecipeBook:
    """Records on disk, in a folder any number of processes share.

    Reading takes no lock; writing needs the order key's lock held (see ``engine``).

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Record, ...]] = {}

    def records(self, order: str, *, fresh: bool = False) -> tuple[Record, ...]:
        """What an order key made, newest first.

        Args:
            order: the key.
            fresh: look at what other processes wrote since.
        """
        known = None if fresh else self._known.get(order)
        if known is None:
            known = self._known[order] = _load_records(self._file(order))
        return known

    def add(self, order: str, record: Record) -> None:
        """Remember what an order key made."""
        others = [r for r in self.records(order, fresh=True) if r.reads != record.reads]
        records = (record, *others)[:_KEPT_RECORDS]
        write_whole(self._file(order), json.dumps([_dump(r) for r in records]).encode())
        self._known[order] = records

    def note_use(self, order: str) -> None:
        """Note by its file's time that a record served, so that `farm gc` leaves it."""
        path = self._file(order)
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _NOTED_S:
                os.utime(path)

    def remember(self, target: Target, made: Provenance) -> None:
        """Keep how a target was made, to say next time what changed."""
        row = {
            "name": target.name,
            "tool": made.tool,
            "tool_sha256": made.tool_sha256,
            "argv": made.argv,
            "ingredients": [
                [i.role, i.name, i.digest.sha256, i.digest.size_bytes] for i in made.ingredients
            ],
        }
        write_whole(self._last(target), json.dumps(row).encode())

    def has_made(self, target: Target) -> bool:
        """Whether a target was ever made on this machine."""
        return self._last(target).exists()

    def previous(self, target: Target, wanted: Provenance) -> Provenance | None:
        """How a target was made last on this machine; None: never, or the memory is damaged."""
        with suppress(OSError, ValueError, KeyError):
            row = json.loads(self._last(target).read_bytes())
            return Provenance(
                key="",
                product=wanted.product,
                tool=row["tool"],
                tool_sha256=row["tool_sha256"],
                argv=tuple(row["argv"]),
                ingredients=tuple(
                    Ingredient(role, name, Digest(sha256, size_bytes))
                    for role, name, sha256, size_bytes in row["ingredients"]
                ),
                wall_s=0.0,
                made_at=wanted.made_at,
            )
        return None

    def _file(self, order: str) -> Path:
        return self._folder / order[:2] / f"{order}.json"

    def _last(self, target: Target) -> Path:
        return self._folder / "last" / f"{target.identity}.json"


def _dump(record: Record) -> dict[str, object]:
    return {
        "reads": [[r.place, r.name, r.digest.sha256, r.digest.size_bytes] for r in record.reads],
        "product": [record.product.sha256, record.product.size_bytes],
        "wall_s": record.wall_s,
        "made_at": record.made_at.isoformat(),
    }


def _load_records(path: Path) -> tuple[Record, ...]:
    """Damage reads as nothing known: the target is made again."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return tuple(
            Record(
                reads=tuple(
                    Read(place, name, Digest(sha256, size_bytes))
                    for place, name, sha256, size_bytes in row["reads"]
                ),
                product=Digest(*row["product"]),
                wall_s=row["wall_s"],
                made_at=datetime.fromisoformat(row["made_at"]),
            )
            for row in json.loads(path.read_bytes())
        )
    return ()
