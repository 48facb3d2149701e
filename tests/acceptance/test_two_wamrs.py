"""Three WAMRs beside each other in one matrix: the pinned one, a changed tree, other flags."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.blobs import Blobs
from orchestrator.build import wamr
from orchestrator.build.digests import FileDigests
from orchestrator.domain.errors import BuildError
from orchestrator.foundation import NATIVE
from tests.support.builds import user_cache
from tests.support.commands import farm

# The first time two runners and two AOT compilers are built; they stay in the user's cache.
pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(1800)]

MATRIX = """\
name: wamrs
workloads: [noop]
modes:
  - {mode: wamr-fast, runtime_source: [pinned, mine, lean]}
  - {mode: wamr-aot, runtime_source: [pinned, mine, lean]}
devices: [local]
attempts: 1
warmups: 0
repeats: 2
"""
SOURCES = """
[runtime_sources]
mine = "../wamr"
lean = {flags = {TAIL_CALL = 0, WAMR_BUILD_AOT_INTRINSICS = 0}}
gone = "../nowhere"
"""
#: The words of a trap, where WAMR's loader of AOT files and its fast interpreter have them.
CHANGED = {
    "core/iwasm/common/wasm_runtime_common.c": '"unreachable", ',
    "core/iwasm/interpreter/wasm_interp_fast.c": '"unreachable")',
}


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm, and beside it a copy of the pinned tree that words one trap in its own way."""
    folder = tmp_path_factory.mktemp("wamrs")
    cache = user_cache()
    files = FileDigests(cache / "digests.json")
    try:
        pinned = wamr.find_pinned(NATIVE, cache, files) or wamr.fetch_pinned(
            NATIVE, cache, files, Blobs(cache / "blobs"), threading.Event()
        )
    except BuildError as error:
        pytest.skip(f"WAMR's sources cannot be had: {error}")
    shutil.copytree(pinned.folder, folder / "wamr")
    for name, words in CHANGED.items():
        file = folder / "wamr" / name
        text = file.read_text()
        assert words in text
        file.write_text(text.replace(words, words.replace("unreachable", "no way past here")))
    assert farm("init", "farm", cwd=folder, env=cached()).code == 0
    with (folder / "farm" / "farm.toml").open("a") as config:
        config.write(SOURCES)
    (folder / "farm" / "wamrs.yaml").write_text(MATRIX)
    (folder / "farm" / "stop.c").write_text("int main(void) { __builtin_trap(); }\n")
    return folder / "farm"


def cached() -> dict[str, str]:
    """The variable that names the cache of all tests."""
    return {"FARM_CACHE_DIR": str(user_cache())}


@pytest.fixture(name="results", scope="module")
def _results(folder: Path) -> dict[str, Any]:
    """What the matrix measured, by mode."""
    done = farm("run", "wamrs.yaml", cwd=folder, env=cached())
    assert done.code == 0, done.err
    listed = json.loads(farm("results", "list", "--json", cwd=folder).out)
    return {each["mode"]: each for each in listed if each["workload"] == "noop"}


def test_they_run_beside_each_other_and_are_told_apart(results: dict[str, Any]) -> None:
    """Six cells of one matrix, each with its source in label and options, all outputs right."""
    names = ("", "mine", "lean")
    labels = [
        f"{mode}[runtime_source={name}]" if name else mode
        for mode in ("wamr-fast", "wamr-aot")
        for name in names
    ]
    assert sorted(results) == sorted(labels)
    assert {each["outcome"] for each in results.values()} == {"succeeded"}
    assert [results[label]["options"].get("runtime_source", "") for label in labels] == [
        *names,
        *names,
    ]


def test_only_the_runtime_differs(results: dict[str, Any]) -> None:
    """Each WAMR is other bytes, interpreter and AOT loader are one runner, modules are one."""
    fast, aot = (
        [results[mode + end] for end in ("", "[runtime_source=mine]", "[runtime_source=lean]")]
        for mode in ("wamr-fast", "wamr-aot")
    )
    assert len({each["runtime"] for each in fast}) == 3
    assert [each["runtime"] for each in fast] == [each["runtime"] for each in aot]
    assert len({each["artifact"] for each in fast}) == 1


@pytest.mark.parametrize("mode", ["wamr-fast", "wamr-aot"])
@pytest.mark.parametrize(
    ("source", "words"), [("mine", "no way past here"), ("lean", "unreachable")]
)
def test_it_is_really_that_tree(folder: Path, mode: str, source: str, words: str) -> None:
    """A program's trap is worded as the tree that ran it words it."""
    label = f"{mode}[runtime_source={source}]"
    done = farm("run", "stop.c", "--mode", label, "--device", "local", cwd=folder, env=cached())
    assert done.code == 1, done.err
    assert words in done.out + done.err


def test_a_source_that_is_gone_is_told_by_plan_doctor_and_run(folder: Path) -> None:
    """One line that names it; the cells beside it run."""
    label = "wamr-fast[runtime_source=gone]"
    (folder / "gone.yaml").write_text(
        f'name: gone\nworkloads: [noop]\nmodes: [wamr-fast, "{label}"]\ndevices: [local]\n'
    )
    told = f"runtime source gone: {folder.parent}/nowhere is no tree of WAMR"
    plan = farm("plan", "gone.yaml", cwd=folder, env=cached())
    assert told in " ".join((plan.out + plan.err).split())
    assert f"runtime source gone: {folder.parent}/nowhere" in plan.err
    doctor = json.loads(farm("doctor", "--json", cwd=folder).out)
    found = {each["feature"]: each for each in doctor}
    assert found["runtime source mine"]["found"].startswith("WAMR 2.")
    assert not found["runtime source gone"]["present"]
    done = farm("run", "gone.yaml", cwd=folder, env=cached())
    assert done.code == 1
    listed = json.loads(farm("results", "list", "--json", cwd=folder).out)
    newest = max(each["run_id"] for each in listed)
    outcomes = {each["mode"]: each["outcome"] for each in listed if each["run_id"] == newest}
    assert outcomes.pop("wamr-fast") == "succeeded"
    assert set(outcomes) <= {label}


def test_native_code_takes_no_source(folder: Path) -> None:
    """Refused with the reason: it would change nothing."""
    label = "native[runtime_source=lean]"
    done = farm("run", "stop.c", "--mode", label, "--device", "local", cwd=folder, env=cached())
    assert done.code == 2
    assert "runtime_source changes nothing in native" in done.err
