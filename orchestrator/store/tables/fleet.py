"""The fleet: types, devices, their snapshots and sessions, and the leases on them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from orchestrator.store.columns import Instant, key, metadata, reference, sha256, words
from protos.states import DeviceState, Health, Hold, LeaseState

device_types = Table(
    "device_types",
    metadata,
    key(),
    # A type whose CPU is declared anew is another type: old results keep saying what they ran on.
    Column("name", String, nullable=False),
    Column("arch", String(20), nullable=False),
    Column("cpu", String, nullable=False),
    Column("os_bits", Integer, nullable=False),
    UniqueConstraint("name", "arch", "cpu", "os_bits"),
)

devices = Table(
    "devices",
    metadata,
    key(),
    Column("name", String, nullable=False, unique=True),
    reference("device_type_id", "device_types"),
    Column("machine", String, nullable=False),
    Column("emulator", String),
    Column("share_machine", Boolean, nullable=False),
    Column("local", Boolean, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("declared", Boolean, nullable=False),
    Column("state", words(DeviceState), nullable=False),
    Column("health", words(Health), nullable=False),
    Column("hold", words(Hold), nullable=False),
    Column("note", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("seen_at", Instant),
    Column("agent_version", String, nullable=False),
    Column("boot_id", String, nullable=False),
    # The current snapshot; no foreign key, since snapshots point here.
    sha256("snapshot_sha256", nullable=True),
)

snapshots = Table(
    "snapshots",
    metadata,
    key(),
    reference("device_id", "devices"),
    sha256("sha256"),
    sha256("comparability"),
    Column("facts", JSON, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    UniqueConstraint("device_id", "sha256"),
)

sessions = Table(
    "sessions",
    metadata,
    key(),
    reference("device_id", "devices"),
    Column("boot_id", String, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    UniqueConstraint("device_id", "boot_id"),
)

leases = Table(
    "leases",
    metadata,
    key(),
    reference("device_id", "devices"),
    Column("fence", BigInteger, nullable=False),
    # What the device was when it was leased; the inventory may change.
    reference("device_type_id", "device_types"),
    Column("machine", String, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("emulator", String),
    reference("snapshot_id", "snapshots", nullable=True),
    Column("state", words(LeaseState), nullable=False),
    Column("granted_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("reason", Text, nullable=False),
    UniqueConstraint("device_id", "fence"),
)
_held = text("state = 'held'")
_held_alone = text("state = 'held' AND NOT shared")
Index("held_device", leases.c.device_id, unique=True, sqlite_where=_held)
Index(
    "held_machine",
    leases.c.machine,
    unique=True,
    sqlite_where=_held_alone,
)
