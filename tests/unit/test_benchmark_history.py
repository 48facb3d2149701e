"""Documents of benchmarks and their comparison: what is kept, judged, marked and told."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks import compare, history
from benchmarks.history import Document, Machine, Measured, Program, dump, load
from benchmarks.report import FIGURES_FILE, Figure, figure_row, hand_over
from benchmarks.run import judge, names, run_program

THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MACHINE = Machine("A Processor", 2)
QUIET = (0.1, 0.1, 0.1)
PAGE = Measured("median", 0.4, "s", 0.5, holds=True, direction="less", base="")
SPEED = Measured("speed", 20.0, "GFLOP/s", None, holds=True, direction="more", base="")
PROGRAM = Program("page", "a page", history.PASSED, "", 3.0, QUIET, QUIET, (PAGE, SPEED))
OLD = Document(THEN, "a" * 40, changed=False, machine=MACHINE, programs=(PROGRAM,))


def _newer(program: Program) -> Document:
    return replace(OLD, started_at=THEN + timedelta(days=1), commit="b" * 40, programs=(program,))


def _beside(program: Program) -> compare.Beside:
    (found,) = compare.beside(_newer(program), [OLD])
    return found


def _page(value: float) -> Program:
    return replace(PROGRAM, figures=(replace(PAGE, value=value, holds=value <= 0.5), SPEED))


def test_a_document_comes_back_as_it_was_written() -> None:
    """All of it, a figure that was no number too."""
    lost = replace(PAGE, name="lost", value=None, holds=False)
    document = replace(OLD, programs=(replace(PROGRAM, figures=(PAGE, lost)),), changed=True)
    assert load(dump(document)) == document
    assert document.file_name == "20260102T030405Z-aaaaaaaaaa-changed.json"


def test_a_document_names_its_machine_by_processor_and_cores_alone() -> None:
    """Histories are shown to others."""
    assert json.loads(dump(OLD))["machine"] == {"cpu": "A Processor", "cores": 2}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1}'])
def test_what_is_no_document_is_refused(text: str) -> None:
    """Another format, and anything else."""
    with pytest.raises(history.BadDocument):
        load(text)


def test_a_history_is_read_oldest_first_and_names_a_bad_file(tmp_path: Path) -> None:
    """By their times, whatever the files are called."""
    newer = _newer(PROGRAM)
    (tmp_path / "a.json").write_text(dump(newer))
    (tmp_path / "b.json").write_text(dump(OLD))
    assert history.read_history(tmp_path) == [OLD, newer]
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(history.BadDocument, match=r"c\.json"):
        history.read_history(tmp_path)


def test_figures_are_handed_over_where_a_file_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And are what the history reads."""
    file = tmp_path / "figures"
    monkeypatch.setenv(FIGURES_FILE, str(file))
    hand_over("a page", [Figure("median", 0.4, "s", 0.5)])
    told = json.loads(file.read_text())
    assert told["title"] == "a page"
    assert history.read_figures(told["figures"]) == [PAGE]


def test_a_figure_that_is_no_number_has_none_and_does_not_hold() -> None:
    """JSON has no NaN, and a limit on nothing is not kept."""
    row = figure_row(Figure("median", float("nan"), "s", 0.5))
    assert (row["value"], row["holds"]) == (None, False)


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.4, "same"), (0.43, "same"), (0.45, "worse"), (0.3, "better")]
)
def test_less_is_better_of_times(value: float, verdict: str) -> None:
    """Within a tenth it is the same."""
    found = _beside(_page(value))
    assert found.marks == ()
    assert found.rows[0].ratio == pytest.approx(value / 0.4)
    assert [row.verdict for row in found.rows] == [verdict, "same"]


def test_more_is_better_of_speeds() -> None:
    """The same change the other way round."""
    slower = replace(PROGRAM, figures=(PAGE, replace(SPEED, value=15.0)))
    assert _beside(slower).worse == ["page: speed"]


def test_what_goes_neither_way_is_told_and_not_judged() -> None:
    """Counts that only say what was measured."""
    told = replace(PAGE, direction="none", limit=None)
    old = replace(OLD, programs=(replace(PROGRAM, figures=(told,)),))
    new = _newer(replace(PROGRAM, figures=(replace(told, value=9.0),)))
    assert [row.verdict for row in compare.beside(new, [old])[0].rows] == [""]


def test_passing_a_limit_by_little_is_worse() -> None:
    """A limit may be nearer than a tenth."""
    near = replace(OLD, programs=(_page(0.49),))
    (found,) = compare.beside(_newer(_page(0.51)), [near])
    assert found.worse == ["page: median"]


def test_a_count_that_was_none_and_is_some_is_worse() -> None:
    """There is no ratio to zero."""
    none = replace(PAGE, value=0.0, unit="targets", limit=0.0)
    old = replace(OLD, programs=(replace(PROGRAM, figures=(none,)),))
    some = replace(none, value=2.0, holds=False)
    (found,) = compare.beside(_newer(replace(PROGRAM, figures=(some,))), [old])
    assert (found.rows[0].ratio, found.rows[0].verdict) == (None, "worse")


@pytest.mark.parametrize(
    "program",
    [
        replace(_page(2.0), load_before=(7.0, 3.0, 1.0)),
        replace(_page(2.0), load_after=(7.0, 3.0, 1.0)),
    ],
)
def test_another_load_is_marked_and_not_judged(program: Program) -> None:
    """Whether others came before it began or while it ran."""
    found = _beside(program)
    assert len(found.marks) == 1
    assert "7.00 now" in found.marks[0]
    assert {row.verdict for row in found.rows} == {""}


def test_two_busy_machines_are_not_comparable_either() -> None:
    """Alike loads that are high say little of a time."""
    busy = replace(PROGRAM, load_before=(6.0, 6.0, 6.0), load_after=(6.0, 6.0, 6.0))
    (found,) = compare.beside(_newer(busy), [replace(OLD, programs=(busy,))])
    assert found.marks == ("a busy machine both times",)


def test_another_machine_is_marked_and_not_judged() -> None:
    """By its processor, or how many cores it has."""
    other = replace(OLD, machine=Machine("A Processor", 4))
    (found,) = compare.beside(_newer(_page(2.0)), [other])
    assert found.marks == ("another machine: A Processor, 4 cores",)
    assert found.worse == []


def test_each_program_stands_beside_its_own_last_run() -> None:
    """A run of a few programs is no gap in the others' history, nor is one that told nothing."""
    other = replace(PROGRAM, name="other")
    between = replace(_newer(other), started_at=THEN + timedelta(hours=1))
    silent = replace(_newer(replace(PROGRAM, figures=())), started_at=THEN + timedelta(hours=2))
    new = _newer(PROGRAM)
    (found,) = compare.beside(new, [OLD, between, silent, new])
    assert (found.old, found.commit) == (PROGRAM, OLD.commit)


def test_new_and_gone_figures_are_told() -> None:
    """Nothing is compared with what is not there."""
    found = _beside(replace(PROGRAM, figures=(PAGE, replace(SPEED, name="pace"))))
    assert found.gone == ("speed",)
    assert [row.old for row in found.rows] == [PAGE, None]


def test_the_table_tells_loads_limits_and_what_became_worse() -> None:
    """A person sees all that the judgement went by."""
    text = "\n".join(compare.table([_beside(_page(0.8))]))
    assert "load 0.10 before, 0.10 after" in text
    assert "aaaaaaaaaa" in text
    assert "limit 0.5 FAIL" in text
    assert "x 2.00" in text
    assert "worse: page: median" in text
    marked = "\n".join(compare.table([_beside(replace(_page(0.8), load_before=(9.0,)))]))
    assert "NOT JUDGED: load before it 0.10 then, 9.00 now" in marked
    assert "worse: nothing that was judged" in marked
    assert "against a limit, or failed: page: median" in marked


def test_compare_prints_two_files_and_refuses_what_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """1: something became worse; 2: misuse."""
    new, old = tmp_path / "new.json", tmp_path / "old.json"
    new.write_text(dump(_newer(_page(0.45))))
    old.write_text(dump(OLD))
    assert compare.main([str(new), str(old)]) == 1
    assert "worse: page: median" in capsys.readouterr().out
    assert compare.main([str(old), str(old)]) == 0
    assert compare.main([str(tmp_path / "none.json")]) == 2
    assert compare.main(["--help"]) == 2


@pytest.mark.parametrize(
    ("code", "figures", "state", "note"),
    [
        (0, [PAGE], history.PASSED, ""),
        (0, [], history.BROKEN, "told no figures"),
        (1, [replace(PAGE, holds=False)], history.FAILED, ""),
        (1, [PAGE], history.FAILED, "exit code 1"),
        (1, [], history.BROKEN, "exit code 1, told no figures"),
        (-9, [], history.BROKEN, "signal 9, told no figures"),
        (None, [PAGE], history.TIMED_OUT, "ended after 5 s"),
    ],
)
def test_how_a_program_ended(
    code: int | None, figures: list[Measured], state: str, note: str
) -> None:
    """A limit that does not hold needs no further words."""
    assert judge(code, figures, 5.0) == (state, note)


def test_a_program_that_breaks_or_takes_too_long_is_a_row() -> None:
    """Neither ends the run, and no process is left."""
    broken = run_program("broken", [sys.executable, "-c", "raise SystemExit(3)"], 60.0)
    assert (broken.state, broken.note) == (history.BROKEN, "exit code 3, told no figures")
    endless = [sys.executable, "-c", "import time; time.sleep(600)"]
    assert run_program("endless", endless, 0.2).state == history.TIMED_OUT


def test_a_program_hands_its_figures_over() -> None:
    """Through the file that its environment names, whatever it prints."""
    text = "from benchmarks.report import *; exit(tell('t', [Figure('f', 2.0, 's', 1.0)]))"
    found = run_program("told", [sys.executable, "-c", text], 60.0)
    assert (found.state, found.title) == (history.FAILED, "t")
    (figure,) = found.figures
    assert (figure.value, figure.limit, figure.holds) == (2.0, 1.0, False)


def test_every_benchmark_can_be_run() -> None:
    """And neither the runner nor the comparison is one."""
    found = names()
    assert {"startup", "results_page", "noop_build", "workload_table"} <= set(found)
    assert not {"run", "compare", "history", "report", "farms"} & set(found)
