"""The store's contract: results, samples, and how everything was made."""

from __future__ import annotations

import math
from dataclasses import replace

from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.attempt import Sample
from orchestrator.domain.matrix import Counts, Mode, Runtime
from orchestrator.store.audit import audit
from orchestrator.store.base import ResultFilter, Store
from protos.states import CellState, Outcome
from tests.support import factories as make
from tests.support.storing import PROGRAM, RUNNER, Rig


def test_a_result_says_what_ran_where_and_how_fast(store: Store) -> None:
    """One cell, measured in two blocks: the median of each attempt's kept repeats."""
    rig = Rig(store)
    case = make.case(make.workload("gemm", sizes=("small",)), size="small")
    mode = Mode(Runtime.AOT, simd=False)
    run_id = rig.order(make.plan(make.cell(case, mode, counts=Counts(attempts=2))))
    for values in ((9.0, 1.0, 3.0, 2.0), (9.0, 5.0, 4.0, 6.0)):
        rig.grant()
        told = make.finished(rig.granted()[0], measured=make.samples(values))
        with rig.transaction() as t:
            t.accept(told, retries=0, now=rig.now())
    result = rig.result(run_id)
    assert (result.workload, result.case, result.mode) == (
        "gemm",
        {"size": "small"},
        "wamr-aot[simd=false]",
    )
    assert (result.options, result.device, result.device_type) == (
        {"simd": False},
        "local",
        "local-x86_64",
    )
    assert (result.arch, result.emulated, result.state) == ("x86_64", False, CellState.DONE)
    assert (result.outcome, result.reason, result.validity) == (
        Outcome.SUCCEEDED,
        "",
        ("valid",),
    )
    assert (result.attempts, result.execute_s, result.samples) == (2, (2.0, 5.0), 6)
    assert (result.region, result.load_s, result.instantiate_s) == ("bench", 0.002, 0.001)
    assert result.peak_memory_bytes == 4096 * 300
    assert (result.artifact, result.runtime) == (PROGRAM.digest.sha256, RUNNER.digest.sha256)
    assert result.output_digest == make.digest("ok\n").sha256
    assert result.started_at == make.later(1)


def test_a_result_without_attempts_has_no_numbers(store: Store) -> None:
    """Nothing measured is nothing, not zero."""
    rig = Rig(store)
    result = rig.result(rig.order(ready=False))
    assert (result.outcome, result.attempts, result.execute_s) == (None, 0, ())
    assert (result.load_s, result.peak_memory_bytes, result.artifact) == (None, None, None)
    assert (result.validity, result.started_at, result.device) == ((), None, None)


def test_doubts_follow_a_number(store: Store) -> None:
    """What spoke against any attempt speaks against the cell; ``valid`` says nothing."""
    rig = Rig(store)
    run_id = rig.order(make.plan(make.cell(counts=Counts(attempts=3))))
    for validity in (("valid",), ("steal",), ("steal", "swap")):
        rig.grant()
        with rig.transaction() as t:
            told = make.finished(rig.granted()[0], validity=validity)
            t.accept(told, retries=0, now=rig.now())
    assert rig.result(run_id).validity == ("steal", "swap")


def test_the_mark_of_emulation_follows_every_result(store: Store) -> None:
    """Ordered by name or by type, before and after it was measured."""
    rig = Rig(store, make.emulated())
    emulated = make.emulated()
    run_id = rig.order(
        make.plan(make.cell(target=emulated), make.cell(target=make.ARM)), ready=False
    )
    assert [rig.result(run_id, n).emulated for n in (0, 1)] == [True, True]
    assert [rig.result(run_id, n).device for n in (0, 1)] == ["emu", None]
    rig.make_ready(run_id)
    rig.measure(device="emu")
    assert [rig.result(run_id, n).emulated for n in (0, 1)] == [True, True]
    assert [rig.result(run_id, n).device for n in (0, 1)] == ["emu", "emu"]


def test_pages_are_the_newest_run_first_in_the_matrixs_order(store: Store) -> None:
    """Pages neither overlap nor leave out, alone or within one run."""
    rig = Rig(store)
    cells = [make.cell(mode=Mode(Runtime.AOT, opt=n)) for n in range(3)]
    first, second = rig.order(make.plan(*cells)), rig.order(make.plan(*cells))
    found = [
        (one.run_id, one.options.get("opt", 3)) for one in store.results(ResultFilter(limit=4))
    ]
    assert found == [(second, 0), (second, 1), (second, 2), (first, 0)]
    rest = store.results(ResultFilter(limit=4, offset=4))
    assert [(one.run_id, one.options["opt"]) for one in rest] == [(first, 1), (first, 2)]
    page = ResultFilter(run_id=first, limit=1, offset=1)
    assert [one.options["opt"] for one in store.results(page)] == [1]
    assert (store.count_results(page), store.count_results(ResultFilter())) == (3, 6)
    (only,) = store.results(ResultFilter(cell_id=rest[0].cell_id))
    assert only == rest[0]


def test_samples_come_back_bit_by_bit(store: Store) -> None:
    """Whatever doubles are told, in their order; numbers of the whole attempt are apart."""
    rig = Rig(store)
    rig.order()
    rig.grant()
    (attempt,) = rig.granted()
    odd = (0.1, 5e-324, 1.7976931348623157e308, -0.0, math.inf)
    told = make.finished(attempt, measured=(Sample("execute", "wall", odd, 2),))
    with rig.transaction() as t:
        t.accept(told, retries=0, now=rig.now())
    (sample,) = store.samples(attempt.attempt_id)
    assert (sample.values, sample.warmups) == (odd, 2)
    assert math.copysign(1, sample.values[3]) == -1
    assert store.samples(99) == []


def test_files_an_attempt_left_come_back(store: Store, database_url: str) -> None:
    """By path with digest and size, a failure's too; gc leaves them and a backup takes them."""
    rig = Rig(store)
    rig.order(make.plan(make.cell(counts=Counts(attempts=2))))
    # The same bytes may have two names.
    files = {"out/b.bin": make.digest("b"), "a.txt": make.digest("a"), "ä c": make.digest("a")}
    for outcome in (Outcome.SUCCEEDED, Outcome.WRONG_OUTPUT):
        rig.grant()
        told = replace(make.finished(rig.granted()[0], outcome=outcome), files=files)
        with rig.transaction() as t:
            t.accept(told, retries=0, now=rig.now())
            t.accept(told, retries=0, now=rig.now())
    found = [attempt.finished for attempt in store.attempts(1)]
    assert [one and one.files for one in found] == [files, files]
    left = {digest.sha256 for digest in files.values()}
    assert left <= store.referenced_blobs()
    assert left <= audit(database_url, rig.now()).needed.keys()


def test_numbers_that_are_none_do_not_stop_a_report(store: Store) -> None:
    """Not a number, no values, only warmups: kept raw, summed up as nothing."""
    rig = Rig(store)
    run_id = rig.order()
    rig.grant()
    measured = (
        Sample("execute", "wall", (1.0,), 1),
        Sample("load", "wall", (), 0),
        Sample("execute", "odd", (math.nan,), 0),
    )
    told = make.finished(rig.granted()[0], measured=measured)
    with rig.transaction() as t:
        assert t.accept(told, retries=0, now=rig.now())
    result = rig.result(run_id)
    assert (result.attempts, result.execute_s, result.load_s) == (1, (), None)


def test_provenance_goes_down_to_the_sources(store: Store) -> None:
    """The product's recipe first, then those of what it was made of."""
    source = make.artifact("gemm.c", ArtifactKind.SOURCE)
    module = make.artifact("gemm.wasm", ArtifactKind.WASM)
    compiled = make.artifact("gemm.aot", ArtifactKind.AOT, arch="aarch64")
    first = make.provenance(module, sources=[source])
    second = make.provenance(compiled, sources=[module], tool="farm-aotc 1")
    with store.transaction() as t:
        # The user of an ingredient may be told before its maker.
        t.record_provenance([second, first])
        t.record_provenance([first])
    assert store.provenance(compiled.digest.sha256) == [second, first]
    assert store.provenance(module.digest.sha256) == [first]
    assert store.provenance(source.digest.sha256) == []


def test_a_tool_we_built_is_part_of_the_story(store: Store) -> None:
    """A compiler that is a product itself is followed like an ingredient."""
    compiler = make.artifact("aotc", ArtifactKind.COMPILER)
    built = make.provenance(compiler, sources=[make.artifact("aotc.c", ArtifactKind.SOURCE)])
    used = replace(make.provenance(), tool_sha256=compiler.digest.sha256)
    with store.transaction() as t:
        t.record_provenance([built, used])
    assert store.provenance(used.product.digest.sha256) == [used, built]


def test_two_recipes_may_give_the_same_bytes(store: Store) -> None:
    """Two ingredients may be equal too; each keeps its name, and the newest recipe is told."""
    empty = [make.artifact("", ArtifactKind.SOURCE), make.artifact("", ArtifactKind.SOURCE)]
    old = make.provenance(sources=empty)
    new = replace(make.provenance(sources=empty, tool="zig cc 2"), product=old.product)
    with store.transaction() as t:
        t.record_provenance([old, new])
    assert store.provenance(old.product.digest.sha256) == [new]


def test_every_known_digest_is_referenced(store: Store) -> None:
    """Nothing a result needs may be swept away: inputs, outputs and logs included."""
    rig = Rig(store)
    run_id = rig.order(ready=False)
    data = make.artifact("data.bin", ArtifactKind.INPUT)
    rig.make_ready(run_id, inputs=[data])
    rig.grant()
    told = replace(make.finished(rig.granted()[0]), logs={"stderr": make.digest("warn")})
    with rig.transaction() as t:
        t.accept(told, retries=0, now=rig.now())
    texts = ("ok\n", "warn")
    expected = {one.digest.sha256 for one in (RUNNER, PROGRAM, data)}
    assert store.referenced_blobs() == expected | {make.digest(text).sha256 for text in texts}
