"""What people see who ask the database itself: views, series, and chains of provenance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.matrix import Counts
from orchestrator.store import views
from orchestrator.store.base import Store
from orchestrator.store.queries import asked
from orchestrator.store.sql import open_store
from protos.states import Outcome
from tests.support import factories as make
from tests.support.databases import DATABASES
from tests.support.storing import PROGRAM, RUNNER, Rig


@pytest.fixture(params=sorted(DATABASES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give a fresh database of each kind."""
    with DATABASES[request.param](tmp_path) as address:
        yield address


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Give its store."""
    with closing(open_store(url)) as opened:
        yield opened


def ask(url: str, query: str) -> list[dict[str, Any]]:
    """Ask the database as a person would."""
    with asked(url, query, 30.0) as answer:
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


@pytest.mark.parametrize(
    ("medians", "expected"),
    [((1.0,), 1.0), ((1.0, 4.0), 2.5), ((9.0, 1.0, 2.0), 2.0), ((1.0, 9.0, 2.0, 3.0), 2.5)],
)
def test_a_result_is_a_row_with_its_median(
    store: Store, url: str, medians: tuple[float, ...], expected: float
) -> None:
    """The median over attempts of each one's median, odd or even in number."""
    rig = Rig(store)
    rig.order(make.plan(make.cell(counts=Counts(attempts=len(medians)))))
    for value in medians:
        rig.grant()
        told = make.finished(rig.granted()[0], measured=make.samples((99.0, value)))
        with rig.transaction() as t:
            t.accept(told, retries=0, now=rig.now())
    (row,) = ask(url, "SELECT * FROM result")
    assert (row["execute_s"], row["attempts"], row["valid"]) == (expected, len(medians), 1)
    assert (row["artifact"], row["runtime"]) == (PROGRAM.digest.sha256, RUNNER.digest.sha256)


def test_a_failed_result_has_no_time(store: Store, url: str) -> None:
    """Though a block before the failing one had one."""
    rig = Rig(store)
    rig.order(make.plan(make.cell(counts=Counts(attempts=2))))
    rig.measure()
    rig.measure(Outcome.WRONG_OUTPUT)
    (row,) = ask(url, "SELECT outcome, execute_s FROM result")
    assert row == {"outcome": "wrong_output", "execute_s": None}


def test_attempts_show_the_runners_stamps(store: Store, url: str) -> None:
    """With machine and boot: enough to say whether two overlapped."""
    rig = Rig(store)
    rig.order()
    rig.measure()
    (row,) = ask(url, "SELECT * FROM attempt")
    told = make.finished()
    assert (row["machine"], row["boot_id"]) == ("local", told.boot_id)
    assert (row["runner_started_ns"], row["runner_ended_ns"]) == (
        told.runner_started_ns,
        told.runner_ended_ns,
    )


def test_the_written_query_follows_provenance(store: Store, url: str) -> None:
    """The one in the views' own documentation, down to sources, tools and flags."""
    source = make.artifact("gemm.c", ArtifactKind.SOURCE)
    module = make.artifact("gemm.wasm", ArtifactKind.WASM)
    compiled = make.artifact("gemm.aot", ArtifactKind.AOT)
    with store.transaction() as t:
        t.record_provenance(
            [
                make.provenance(module, sources=[source]),
                make.provenance(compiled, sources=[module], tool="farm-aotc 1"),
            ]
        )
    found = re.search(r"    (WITH RECURSIVE.*?;)", views.__doc__ or "", re.DOTALL)
    assert found is not None
    query = found.group(1).replace("<sha256 of an artifact>", compiled.digest.sha256)
    chain = [(row["product"], row["tool"], row["ingredient"]) for row in ask(url, query)]
    assert chain == [
        ("gemm.aot", "farm-aotc 1", "gemm.wasm"),
        ("gemm.wasm", "zig cc 0.15.2", "gemm.c"),
    ]


def test_only_comparable_numbers_share_a_series(store: Store, url: str) -> None:
    """Another program is another point of the line; other facts, input or region another line."""
    rig = Rig(store)
    data = make.artifact("data.bin", ArtifactKind.INPUT)
    other = make.artifact("program 2")
    facts = {"kernel.release": "6.1"}
    for program, inputs, known, region in (
        (PROGRAM, (), facts, "bench"),
        (other, (), {**facts, "disk.free_bytes": "5"}, "bench"),
        (PROGRAM, (data,), facts, "bench"),
        (PROGRAM, (), {"kernel.release": "6.2"}, "bench"),
        (PROGRAM, (), facts, "main"),
    ):
        with rig.transaction() as t:
            t.record_facts("local", known, rig.now())
        rig.make_ready(rig.order(ready=False), program, inputs)
        rig.grant()
        told = replace(make.finished(rig.granted()[0]), region=region)
        with rig.transaction() as t:
            t.accept(told, retries=0, now=rig.now())
    rows = ask(url, "SELECT series_id FROM attempts ORDER BY id")
    assert [row["series_id"] for row in rows] == [1, 1, 2, 3, 4]
    points = ask(
        url,
        "SELECT DISTINCT attempt_id, variant_id FROM attempt_metrics WHERE series_id = 1",
    )
    assert [(row["attempt_id"], row["variant_id"]) for row in points] == [(1, 1), (2, 2)]
