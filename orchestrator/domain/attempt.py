"""What an attempt measured, as the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.domain.artifact import Digest
from protos.states import Outcome


@dataclass(frozen=True, slots=True)
class Sample:
    """All values of one metric in one phase of one attempt, in order."""

    #: ``execute``, ``instantiate``, ``load``.
    phase: str
    #: ``wall`` (seconds).
    metric: str
    #: Warmups first.
    values: tuple[float, ...]
    #: How many of them are warmups.
    warmups: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A report, translated from the wire and judged, ready to be accepted once."""

    attempt_id: int
    device: str
    fence: int
    sequence: int
    outcome: Outcome
    reason: str
    validity: tuple[str, ...]
    exit_code: int
    signal: int
    trap: str
    #: ``bench`` or ``main``; None where nothing was timed.
    region: str | None
    samples: tuple[Sample, ...]
    #: Whole-attempt numbers: ``user_s``, ``system_s``, ``peak_memory_bytes``, ..
    numbers: Mapping[str, float] = field(default_factory=dict)
    output: Digest | None = None
    output_truncated: bool = False
    #: What was uploaded besides: ``stdout``, ``stderr``, ``messages``.
    logs: Mapping[str, Digest] = field(default_factory=dict)
    #: Files the program left, by their paths in its working folder.
    files: Mapping[str, Digest] = field(default_factory=dict)
    boot_id: str = ""
    runner_started_ns: int = 0
    runner_ended_ns: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    runner_version: str = ""
    adopted: bool = False
    #: Machine before and after, as evidence for the validity.
    conditions: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)
