"""The commands that read, on a farm with a past: lists that are filtered, reasons, logs."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import FARM, environment, farm
from tests.support.measured import COMPLAINED, PRINTED, measured_farm


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm with three runs; see ``measured_farm``."""
    return measured_farm(tmp_path_factory.mktemp("measured") / "farm")


def cells_of(home: Path, *arguments: str) -> list[int]:
    """Number the cells a list shows, in its order."""
    said = farm("results", "list", *arguments, "--json", cwd=home)
    assert (said.code, said.err) == (0, "")
    return [row["cell_id"] for row in json.loads(said.out)]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("", [6, 5, 1, 2, 3, 4]),
        ("1", [1, 2, 3, 4]),
        ("--run 1 --run 2", [5, 1, 2, 3, 4]),
        ("--workload gemm --mode native", [2]),
        ("--workload gemm --workload noop --device emu-aarch64", [3, 4]),
        ("--arch aarch64 --outcome workload_failed", [3]),
        ("--invalid", [2]),
        ("--valid --outcome succeeded", [1]),
        ("--until 2026-11-26", [1, 2, 3, 4]),
        ("--since 2026-12-01 --until 2027-01-01T00:00", [6, 5]),
        ("--sort fastest --limit 2", [2, 1]),
        ("--sort fastest --limit 1 --offset 1", [1]),
        ("--workload sort-int --mode wamr-aot+kernels --arch armv7", []),
    ],
)
def test_results_are_filtered(home: Path, line: str, cells: list[int]) -> None:
    """What could be ordered and never was is an empty list, not a mistake."""
    if "sort-int" in line:
        folder = home / "workloads" / "sort-int"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "workload.yaml").write_text("name: sort-int\ndescription: x\nsources: [a.c]\n")
        (folder / "a.c").write_text("int main(void) { return 0; }\n")
    assert cells_of(home, *line.split()) == cells


def test_results_as_csv_have_a_name_for_each_value(home: Path) -> None:
    """A flat row per cell; what is absent is empty."""
    said = farm("results", "list", "1", "--csv", cwd=home)
    assert (said.code, said.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["cell_id"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0]["execute_median_s"] == "0.003"
    assert (rows[2]["emulated"], rows[2]["reason"]) == ("true", "exit code 3")
    assert (rows[3]["execute_median_s"], rows[3]["state"]) == ("", "impossible")
    assert all(None not in row and None not in row.values() for row in rows)


def test_another_order_is_a_plain_list_with_its_marks(home: Path) -> None:
    """Runs and cases are columns; emulation is marked in each row."""
    said = farm("results", "list", "--sort", "slowest", cwd=home)
    first, *rows = said.out.splitlines()
    assert first.split()[:5] == ["run", "cell", "case", "mode", "device"]
    assert [row.split()[1] for row in rows[:2]] == ["1", "2"]
    assert next(row for row in rows if row.split()[1] == "3").count("(emulated)") == 1


@pytest.mark.parametrize(
    ("line", "runs"),
    [
        ("", [3, 2, 1]),
        ("--state done", [1]),
        ("--state queued --state building", [3, 2]),
        ("--since 2026-12-01", [3, 2]),
        ("--until 2026-11-30", [1]),
        ("--limit 1 --offset 1", [2]),
    ],
)
def test_runs_are_filtered(home: Path, line: str, runs: list[int]) -> None:
    """By state and time, in pages, as JSON and as CSV."""
    said = farm("runs", "list", *line.split(), "--json", cwd=home)
    assert [row["run_id"] for row in json.loads(said.out)] == runs
    rows = csv.DictReader(io.StringIO(farm("runs", "list", *line.split(), "--csv", cwd=home).out))
    assert [int(row["run_id"]) for row in rows] == runs


def test_a_page_says_that_there_is_more(home: Path) -> None:
    """On stderr, with the command that shows it."""
    assert farm("runs", "list", "--limit", "2", cwd=home).err == (
        "there are more; see them with --offset 2\n"
    )
    assert farm("results", "list", "--limit", "2", cwd=home).err == (
        "4 more; see them with --offset 2\n"
    )


def test_explain_says_of_each_cell_what_is_the_matter(home: Path) -> None:
    """Ended, failed, impossible, waiting for a device, waiting for its build."""

    def why(*arguments: str) -> dict[int, str]:
        said = farm("explain", *arguments, "--json", cwd=home)
        assert (said.code, said.err) == (0, "")
        document = json.loads(said.out)
        assert document["orchestrator"] is False
        return {cell["cell_id"]: "; ".join(cell["why"]) for cell in document["cells"]}

    assert why("1") == {
        1: "succeeded, 1 accepted",
        2: "succeeded, 1 accepted; not valid: busy: others",
        3: "workload_failed: exit code 3; what it printed: farm runs logs 1 3",
        4: "no device can ever take it: no SIMD there",
    }
    nobody = "no orchestrator of this farm is running; start one with: farm up"
    assert why("2")[5].startswith(f"{nobody}; local is offline, last seen ")
    assert why("3", "6") == {6: f"{nobody}; its run is being built"}
    said = farm("explain", "2", cwd=home)
    assert said.code == 0
    assert "local is offline" in said.out
    assert said.err == "run 2: wait, queued, 1: 1 ready\n"


def raw(home: Path, *arguments: str) -> bytes:
    """Run a command and answer its stdout's bytes."""
    return subprocess.run(
        [FARM, *arguments], cwd=home, env=environment(), capture_output=True, check=True
    ).stdout


def test_one_stream_of_one_attempt_is_byte_exact(home: Path) -> None:
    """What is no text as well."""
    assert raw(home, "runs", "logs", "1", "1", "--stdout") == PRINTED
    assert raw(home, "runs", "logs", "1", "--attempt", "1", "--stderr") == COMPLAINED
    assert raw(home, "runs", "logs", "1", "2", "--stdout") == b""


def test_several_streams_have_titles(home: Path) -> None:
    """Of failed attempts too; what was cut off is said on stderr."""
    said = farm("runs", "logs", "1", "3", cwd=home)
    assert said.code == 0
    assert said.out == (
        "== stdout of attempt 3, cell 3 (noop native on emu-aarch64)\naaaa\n"
        "== messages of attempt 3, cell 3 (noop native on emu-aarch64)\nno memory\n"
    )
    assert said.complaint.endswith("it printed more than its limit of output; the rest is lost")
    assert farm("runs", "logs", "2", cwd=home).err == "nothing was printed\n"


def test_logs_as_json_keep_every_byte(home: Path) -> None:
    """As text where it is some, else as base64."""
    said = farm("runs", "logs", "1", "--json", cwd=home)
    streams = {(one["cell_id"], one["stream"]): one for one in json.loads(said.out)}
    assert streams[3, "messages"]["text"] == "no memory\n"
    assert "base64" in streams[1, "stdout"]
    assert streams[3, "stdout"]["truncated"] is True
    assert streams[1, "stdout"]["size_bytes"] == len(PRINTED)


def test_a_lost_blob_is_told_with_its_remedy(tmp_path: Path) -> None:
    """Not as an empty output."""
    home = measured_farm(tmp_path / "farm")
    for blob in (home / "data" / "blobs").glob("??/*"):
        blob.unlink()
    said = farm("runs", "logs", "1", "1", "--stdout", cwd=home)
    assert (said.code, said.out) == (3, "")
    assert said.complaint.endswith("run it again with: farm runs retry 1 --cells 1")


MISTAKES = {
    "results list --workload gem": "farm: --workload: unknown 'gem': did you mean 'gemm'?",
    "results list --mode wamr-fst": "farm: --mode: unknown 'wamr-fst': did you mean 'wamr-fast'?",
    "results list --device locl": "farm: --device: unknown 'locl': did you mean 'local'?",
    "results list --arch x86": "farm: --arch: unknown 'x86': did you mean 'x86_64'?",
    "results list --outcome suceeded": (
        "farm: --outcome: unknown 'suceeded': did you mean 'succeeded'?"
    ),
    "results list --sort fast": "farm: --sort: unknown 'fast': did you mean 'fastest'?",
    "results list --since 7x": (
        "farm: --since: '7x' is no time: write 7d, 12h, 30m or 2w ago, a date such as"
        " 2026-11-25, or 2026-11-25T14:30"
    ),
    "results list --since 999999w": None,
    "results list --until 2026-13-01": None,
    "results list --run 99": "farm: no run 99; see: farm runs list",
    "results list --json --csv": "farm: --json and --csv are two forms of the same: take one",
    "runs list --state don": "farm: --state: unknown 'don': did you mean 'done'?",
    "runs list --json --csv": "farm: --json and --csv are two forms of the same: take one",
    "runs list --limit -1": None,
    "explain 99": "farm: no run 99; see: farm runs list",
    "explain 1 5": "farm: run 1 has no cell 5; see: farm results list 1",
    "runs logs 99": "farm: no run 99; see: farm runs list",
    "runs logs 1 5": "farm: run 1 has no cell 5; see: farm results list 1",
    "runs logs 1 1 --attempt 2": "farm: cell 1 has no attempt 2; see: farm results show CELL",
    "runs retry 99": "farm: no run 99; see: farm runs list",
    "runs retry 2": "farm: run 2 has no failed cell; measure all again with: --cells all",
    "runs retry 2 --cells all": (
        "farm: cell 5 of run 2 is ready, it has not ended yet: wait, or cancel it with:"
        " farm runs cancel 2"
    ),
    "runs retry 1 --cells 5": "farm: run 1 has no cell 5; see: farm results list 1",
    "runs retry 1 --cells some": (
        "farm: --cells: 'some' is no cell's number; 'failed' and 'all' stand alone"
    ),
    "runs retry 1 --cells 1,all": (
        "farm: --cells: 'all' is no cell's number; 'failed' and 'all' stand alone"
    ),
}


@pytest.mark.parametrize("line", list(MISTAKES))
def test_a_mistake_is_one_line_and_exit_code_2(line: str, home: Path) -> None:
    """Nothing on stdout, one line on stderr that says the next step."""
    said = farm(*line.split(), cwd=home)
    assert (said.code, said.out) == (2, "")
    assert said.complaint.startswith("farm: ")
    if MISTAKES[line] is not None:
        assert said.complaint == MISTAKES[line]


def test_a_retry_that_is_not_followed_needs_an_orchestrator(home: Path) -> None:
    """Nobody is there to carry it on."""
    said = farm("runs", "retry", "1", "--detach", cwd=home)
    assert (said.code, said.out) == (3, "")
    assert "farm up" in said.complaint
