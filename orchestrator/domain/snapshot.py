"""Snapshots: facts of a device at a moment, and what of them decides comparability."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

#: First words of the names of facts that change what a program costs: a new kernel or another
#: clock breaks a series. Everything else (disk space, agent, addresses) is information.
IDENTITY: frozenset[str] = frozenset(
    {"board", "cpu", "emulator", "kernel", "machine", "memory", "os"}
)

#: Words of those families' facts that move while the machine stays the same.
VOLATILE: frozenset[str] = frozenset(
    {"available", "free", "hostname", "load", "temperature", "uptime"}
)


def decides(name: str) -> bool:
    """Say whether a fact decides comparability."""
    family, _, rest = name.partition(".")
    return family in IDENTITY and not VOLATILE.intersection(rest.replace("_", ".").split("."))


def facts_key(facts: Mapping[str, str]) -> str:
    """Name facts by what they say: sha256 over all names and values."""
    return hashlib.sha256(json.dumps(sorted(facts.items())).encode()).hexdigest()


def comparability_key(facts: Mapping[str, str]) -> str:
    """Name facts by what decides comparability: equal keys, comparable numbers."""
    return facts_key({name: value for name, value in facts.items() if decides(name)})
