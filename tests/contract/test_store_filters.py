"""The store's contract: pages of results and runs, held to what was asked for by the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.store.base import Noun, ResultFilter, RunFilter, Sort, Store
from protos.states import Outcome, RunState
from tests.support import factories as make
from tests.support.storing import Rig

FAST, NATIVE = Mode(Runtime.FAST), Mode(Runtime.NATIVE)
GEMM, SORT = make.workload("gemm"), make.workload("sort")
LOCAL, EMU = make.device("local"), make.emulated("emu")


@dataclass(frozen=True)
class Filled:
    """A store with two runs: cells 1 to 4 measured, 5 and 6 not."""

    store: Store
    first: int
    second: int

    def found(self, **wanted: Any) -> list[int]:
        """Number the cells a filter finds, in its order; the count must agree."""
        results = self.store.results(ResultFilter(**wanted))
        page = {name: value for name, value in wanted.items() if name not in {"limit", "offset"}}
        if page == wanted:
            assert self.store.count_results(ResultFilter(**wanted)) == len(results)
        return [result.cell_id for result in results]


@pytest.fixture(name="filled")
def _filled(store: Store) -> Filled:
    """Cell 1 gemm fast 3 s, 2 gemm native 1 s but doubted, 3 sort fast (by type) 2 s, 4 failed."""
    rig = Rig(store, LOCAL, EMU)
    first = rig.order(
        make.plan(
            make.cell(make.case(GEMM), FAST, LOCAL),
            make.cell(make.case(GEMM), NATIVE, LOCAL),
            make.cell(make.case(SORT), FAST, make.ARM),
            make.cell(make.case(SORT), NATIVE, EMU),
        )
    )
    told: dict[int, dict[str, Any]] = {
        1: {"measured": make.samples((3.0,), warmups=0)},
        2: {"measured": make.samples((1.0,), warmups=0), "validity": ("steal",)},
        3: {"measured": make.samples((2.0,), warmups=0)},
        4: {"outcome": Outcome.WRONG_OUTPUT},
    }
    for device in ("local", "emu"):
        while store.ready_slots(device):
            rig.grant(device)
            for attempt in rig.granted(device):
                finished = make.finished(attempt, device, **told[attempt.cell_id])
                with rig.transaction() as t:
                    t.accept(finished, retries=0, now=rig.now())
    rig.moment = 1000.0
    second = rig.order(
        make.plan(make.cell(make.case(GEMM), FAST, LOCAL), make.cell(make.case(GEMM), NATIVE, EMU))
    )
    return Filled(store, first, second)


@pytest.mark.parametrize(
    ("wanted", "cells"),
    [
        ({}, [5, 6, 1, 2, 3, 4]),
        ({"workloads": ["sort"]}, [3, 4]),
        ({"workloads": ["sort", "gemm"], "modes": ["native"]}, [6, 2, 4]),
        ({"modes": ["wamr-fast"]}, [5, 1, 3]),
        ({"devices": ["local"]}, [5, 1, 2]),
        ({"devices": ["emu"]}, [6, 3, 4]),
        ({"archs": ["aarch64"]}, [6, 3, 4]),
        ({"outcomes": [Outcome.WRONG_OUTPUT]}, [4]),
        ({"outcomes": [Outcome.WRONG_OUTPUT, Outcome.SUCCEEDED]}, [1, 2, 3, 4]),
        ({"valid": True}, [1, 3, 4]),
        ({"valid": False}, [2]),
        ({"run_ids": [1]}, [1, 2, 3, 4]),
        ({"run_ids": [1, 2], "cell_id": 6}, [6]),
        ({"since": make.later(500)}, [5, 6]),
        ({"until": make.later(500)}, [1, 2, 3, 4]),
        ({"since": make.later(500), "until": make.later(500)}, []),
        ({"workloads": ["nothing"]}, []),
        ({"sort": Sort.OLDEST}, [1, 2, 3, 4, 5, 6]),
        ({"sort": Sort.FASTEST}, [2, 3, 1, 5, 6, 4]),
        ({"sort": Sort.SLOWEST}, [1, 3, 2, 5, 6, 4]),
        ({"sort": Sort.WORKLOAD}, [5, 6, 1, 2, 3, 4]),
        ({"sort": Sort.MODE}, [6, 2, 4, 5, 1, 3]),
        ({"sort": Sort.DEVICE}, [6, 4, 3, 5, 1, 2]),
        ({"sort": Sort.FASTEST, "limit": 2, "offset": 1}, [3, 1]),
    ],
)
def test_a_filter_finds_these_cells_in_this_order(
    filled: Filled, wanted: dict[str, Any], cells: list[int]
) -> None:
    """Every filter alone and joined with others."""
    assert filled.found(**wanted) == cells


def test_the_store_knows_the_words_of_its_filters(filled: Filled) -> None:
    """What was ordered or declared, each once, sorted."""
    assert {noun: list(filled.store.names(noun)) for noun in Noun} == {
        Noun.WORKLOAD: ["gemm", "sort"],
        Noun.MODE: ["native", "wamr-fast"],
        Noun.DEVICE: ["emu", "local"],
        Noun.ARCH: ["aarch64", "x86_64"],
    }


@pytest.mark.parametrize(
    ("wanted", "runs"),
    [
        (RunFilter(), [2, 1]),
        (RunFilter(states=(RunState.DONE,)), [1]),
        (RunFilter(states=(RunState.DONE, RunState.QUEUED)), [2, 1]),
        (RunFilter(since=make.later(500)), [2]),
        (RunFilter(until=make.later(500)), [1]),
        (RunFilter(limit=1, offset=1), [1]),
    ],
)
def test_runs_are_found_by_state_and_time(
    filled: Filled, wanted: RunFilter, runs: list[int]
) -> None:
    """Newest first."""
    assert [run.run_id for run in filled.store.runs(wanted)] == runs


def test_open_slots_are_those_of_all_devices(filled: Filled) -> None:
    """In the order devices would get them."""
    assert [slot.cell_id for slot in filled.store.open_slots()] == [5, 6]
