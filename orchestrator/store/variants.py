"""Variants in SQL: the exact set of artifacts that runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from sqlalchemy import select

from orchestrator.domain.errors import NotFound
from orchestrator.store import tables as t
from orchestrator.store.base import CellOrder
from orchestrator.store.database import Database


def intern_variant(database: Database, order: CellOrder) -> int:
    """Answer the number of exactly this set of artifacts."""
    parts = {"runner": order.runner_sha256, "program": order.program_sha256}
    numbers = {digest: _artifact(database, digest) for digest in parts.values()}
    inputs = {role: _artifact(database, digest) for role, digest in order.inputs.items()}
    known = database.execute(
        select(t.variants.c.id).where(
            t.variants.c.sha256 == digest_of_parts({**order.inputs, **parts})
        )
    ).scalar()
    if known is not None:
        return int(known)
    number = database.insert(
        t.variants,
        {
            "sha256": digest_of_parts({**order.inputs, **parts}),
            "inputs_sha256": digest_of_parts(order.inputs),
            "runner_id": numbers[order.runner_sha256],
            "program_id": numbers[order.program_sha256],
        },
    )
    rows = [
        {"variant_id": number, "role": role, "artifact_id": artifact}
        for role, artifact in inputs.items()
    ]
    if rows:
        database.execute(t.variant_artifacts.insert(), rows)
    return number


def _artifact(database: Database, sha256: str) -> int:
    found = database.execute(select(t.artifacts.c.id).where(t.artifacts.c.sha256 == sha256))
    number = found.scalar()
    if number is None:
        msg = f"artifact {sha256} is not recorded"
        raise NotFound(msg)
    return int(number)


def digest_of_parts(parts: Mapping[str, str]) -> str:
    """Name a set of named parts: sha256 over names and values, in the names' order."""
    words = "".join(f"{role}\0{digest}\0" for role, digest in sorted(parts.items()))
    return hashlib.sha256(words.encode()).hexdigest()
