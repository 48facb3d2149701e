"""Whose database it is."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from orchestrator.store.columns import key, metadata

# One row; two farms that name one database by mistake would spoil each other's devices.
farm = Table("farm", metadata, key(), Column("farm_id", String, nullable=False, unique=True))
