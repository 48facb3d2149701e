"""Events are read as far as they came."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent.events import EventLog, parse_events, read_events

LINES = [
    {"event": "start", "version": "1", "pid": 5, "monotonic_ns": 10, "realtime_ns": 20, "cpu": 1},
    {"event": "phase", "phase": "load", "ns": 7, "index": 0},
    {"event": "phase", "phase": "instantiate", "ns": 9, "index": 0},
    {"event": "repeat", "index": 0, "warmup": True, "ns": 3, "region_ns": 2, "exit_code": 0},
    {"event": "repeat", "index": 1, "warmup": False, "ns": 4, "region_ns": 0, "waited_ns": 6},
    {"event": "usage", "user_us": 1, "peak_memory_bytes": 99, "peak_memory_source": "self"},
    {"event": "metric", "name": "flops", "value": 1.5, "unit": "1/s"},
    {"event": "end", "exit_code": 0, "signal": 0, "limit": "", "stage": "done", "monotonic_ns": 9},
]
WHOLE = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)


def test_reads_a_whole_log() -> None:
    """Every event that a report needs is there."""
    log = parse_events(WHOLE)
    assert log.start is not None
    assert (log.start.pid, log.start.monotonic_ns, log.start.cpu) == (5, 10, 1)
    assert log.load_ns == 7
    assert [(one.index, one.warmup, one.execute_ns, one.region_ns) for one in log.repeats] == [
        (0, True, 3, 2),
        (1, False, 4, 0),
    ]
    assert [one.waited_ns for one in log.repeats] == [None, 6]
    assert log.usage is not None
    assert log.usage["peak_memory_bytes"] == 99
    assert log.peak_memory_source == "self"
    assert log.end is not None
    assert log.end.stage == "done"


def test_a_cut_line_is_left_out() -> None:
    """Wherever the file ends, what was whole before counts, and the end only when it is whole."""
    for length in range(len(WHOLE)):
        log = parse_events(WHOLE[:length])
        assert log.end is None or length == len(WHOLE) - 1
        assert len(log.repeats) <= 2


def test_a_missing_file_is_an_empty_log(tmp_path: Path) -> None:
    """A runner that never came up told nothing."""
    assert EventLog() == read_events(tmp_path / "none")


def test_foreign_values_do_no_harm() -> None:
    """Events of an unknown kind, wrong types and other JSON are passed over."""
    data = b'[1]\n"x"\nnull\n{"event":"later"}\n{"event":"repeat","index":"a","ns":null}\n\xff\n'
    log = parse_events(data)
    assert [(one.index, one.execute_ns) for one in log.repeats] == [(0, 0)]


@given(st.binary())
def test_no_bytes_break_it(data: bytes) -> None:
    """Whatever a file holds, reading it answers."""
    parse_events(data)
