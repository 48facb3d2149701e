"""The runner's events: one JSON object per line, written by a program that may die in the middle
of a line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: More than the largest honest file (a repeat is about 150 bytes); a runner gone wild must not
#: fill the agent.
MAX_EVENTS_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Start:
    """The runner came up."""

    version: str
    pid: int
    monotonic_ns: int
    realtime_ns: int
    #: The core it was held to; -1: none.
    cpu: int


@dataclass(frozen=True, slots=True)
class RepeatEvent:
    """One execution of the program."""

    index: int
    warmup: bool
    execute_ns: int
    region_ns: int
    instantiate_ns: int
    #: Of ``execute_ns``: ready to run while the core ran others; None: the kernel does not say.
    waited_ns: int | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The runner's last word."""

    exit_code: int
    signal: int
    trap: str
    #: Which limit ended it: empty, ``time``, ``memory``, ``output``, ``processes``, ``stopped``.
    limit: str
    #: How far it came: ``start``, ``load``, ``instantiate``, ``execute``, ``done``.
    stage: str
    message: str
    monotonic_ns: int
    realtime_ns: int


@dataclass(frozen=True, slots=True)
class EventLog:
    """All that a runner told, as far as it came."""

    start: Start | None = None
    load_ns: int = 0
    repeats: tuple[RepeatEvent, ...] = ()
    #: Numbers of the ``usage`` event by name; empty where there was none.
    usage: Mapping[str, int] | None = None
    peak_memory_source: str = ""
    end: End | None = None


def read_events(path: Path) -> EventLog:
    """Read the events file of an attempt; a missing one is an empty one."""
    try:
        with path.open("rb") as stream:
            return parse_events(stream.read(MAX_EVENTS_BYTES))
    except FileNotFoundError:
        return EventLog()


def parse_events(data: bytes) -> EventLog:
    """Read events; a line that is cut off or no object is left out, so is an event this agent does
    not know.
    """
    start: Start | None = None
    end: End | None = None
    usage: Mapping[str, int] | None = None
    source, load_ns = "", 0
    repeats: list[RepeatEvent] = []
    for event in filter(None, map(_parse_line, data.split(b"\n"))):
        match event.get("event"):
            case "start":
                start = _start(event)
            case "phase" if event.get("phase") == "load":
                load_ns += _whole(event, "ns")
            case "repeat":
                repeats.append(_repeat(event))
            case "usage":
                usage = {name: _whole(event, name) for name, v in event.items() if _is_whole(v)}
                source = _text(event, "peak_memory_source")
            case "end":
                end = _end(event)
    return EventLog(start, load_ns, tuple(repeats), usage, source, end)


def _parse_line(line: bytes) -> Mapping[str, object] | None:
    try:
        value = json.loads(line)
    except ValueError:  # truncated, or not UTF-8
        return None
    return value if isinstance(value, dict) else None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _whole(event: Mapping[str, object], name: str, default: int = 0) -> int:
    value = event.get(name, default)
    return int(value) if isinstance(value, int | float) else default


def _text(event: Mapping[str, object], name: str) -> str:
    value = event.get(name, "")
    return value if isinstance(value, str) else ""


def _start(event: Mapping[str, object]) -> Start:
    return Start(
        version=_text(event, "version"),
        pid=_whole(event, "pid"),
        monotonic_ns=_whole(event, "monotonic_ns"),
        realtime_ns=_whole(event, "realtime_ns"),
        cpu=_whole(event, "cpu", -1),
    )


def _repeat(event: Mapping[str, object]) -> RepeatEvent:
    return RepeatEvent(
        index=_whole(event, "index"),
        warmup=event.get("warmup") is True,
        execute_ns=_whole(event, "ns"),
        region_ns=_whole(event, "region_ns"),
        instantiate_ns=_whole(event, "instantiate_ns"),
        waited_ns=_whole(event, "waited_ns") if _is_whole(event.get("waited_ns")) else None,
    )


def _end(event: Mapping[str, object]) -> End:
    return End(
        exit_code=_whole(event, "exit_code"),
        signal=_whole(event, "signal"),
        trap=_text(event, "trap"),
        limit=_text(event, "limit"),
        stage=_text(event, "stage"),
        message=_text(event, "message"),
        monotonic_ns=_whole(event, "monotonic_ns"),
        realtime_ns=_whole(event, "realtime_ns"),
    )
