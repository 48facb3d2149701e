"""Builds with real tools: what is made again, what is shared, what a death or stop leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.build.engine import survey_all
from orchestrator.build.recipes import Product, Source
from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.errors import BuildError
from tests.support.builds import (
    SHELL,
    Log,
    build,
    c_object,
    content,
    made,
    script,
    workshop,
    write_counting,
)

#: How long anything here may take before a test gives up, s.
_DEADLINE_S = 30.0


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition."""
    deadline_s = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, what
        threading.Event().wait(0.02)


def write_c(folder: Path) -> None:
    """Two C files; both read common.h, one reads own.h."""
    folder.mkdir()
    (folder / "common.h").write_text("#define COMMON 1\n")
    (folder / "own.h").write_text("#define OWN 1\n")
    (folder / "a.c").write_text('#include "common.h"\nint a(void) { return COMMON; }\n')
    (folder / "b.c").write_text(
        '#include "common.h"\n#include "own.h"\nint b(void) { return COMMON + OWN; }\n'
    )


@pytest.mark.toolchain
def test_changed_header_rebuilds_what_read_it(tmp_path: Path) -> None:
    """A header's new bytes rebuild its readers and no others, and the step says which header."""
    folder = tmp_path / "c"
    write_c(folder)
    shop = workshop(tmp_path / "cache")
    build(shop, [c_object(folder, "a.c"), c_object(folder, "b.c")])
    (folder / "own.h").write_text("#define OWN 2\n")
    log = Log()
    build(shop, [c_object(folder, "a.c"), c_object(folder, "b.c")], log=log)
    assert log.made() == {"test/b.c.o wasm32": "own.h changed"}


@pytest.mark.toolchain
def test_touched_header_rebuilds_nothing(tmp_path: Path) -> None:
    """New times with old bytes are no change, in this process and in the next one."""
    folder = tmp_path / "c"
    write_c(folder)
    build(workshop(tmp_path / "cache"), [c_object(folder, "a.c"), c_object(folder, "b.c")])
    os.utime(folder / "common.h")
    for shop in (workshop(tmp_path / "cache"), workshop(tmp_path / "cache")):
        log = Log()
        build(shop, [c_object(folder, "a.c"), c_object(folder, "b.c")], log=log)
        assert log.made() == {}


@pytest.mark.toolchain
def test_header_that_goes_back_is_known(tmp_path: Path) -> None:
    """What was built before a change is still there when the change is undone."""
    folder = tmp_path / "c"
    write_c(folder)
    shop = workshop(tmp_path / "cache")
    text = (folder / "own.h").read_text()
    (first,) = build(shop, [c_object(folder, "b.c")])
    (folder / "own.h").write_text("#define OWN 2\n")
    build(shop, [c_object(folder, "b.c")])
    (folder / "own.h").write_text(text)
    log = Log()
    (again,) = build(shop, [c_object(folder, "b.c")], log=log)
    assert log.made() == {}
    assert made(again).digest == made(first).digest


@pytest.mark.toolchain
def test_same_work_elsewhere_is_the_same_bytes(tmp_path: Path) -> None:
    """Another checkout makes the same object, byte for byte, and the cache knows it already."""
    write_c(tmp_path / "one")
    write_c(tmp_path / "two")
    (one,) = build(workshop(tmp_path / "c1"), [c_object(tmp_path / "one", "b.c")])
    (two,) = build(workshop(tmp_path / "c2"), [c_object(tmp_path / "two", "b.c")])
    assert made(one).digest == made(two).digest
    assert made(one).provenance.key == made(two).provenance.key
    log = Log()
    build(workshop(tmp_path / "c1"), [c_object(tmp_path / "two", "b.c")], log=log)
    assert log.made() == {}


@pytest.mark.toolchain
def test_sources_are_kept_with_the_product(tmp_path: Path) -> None:
    """Source and headers of a product are blobs, so it can be made again when they are gone."""
    write_c(tmp_path / "c")
    shop = workshop(tmp_path / "cache")
    (result,) = build(shop, [c_object(tmp_path / "c", "b.c")])
    kept = {
        i.name: shop.blobs.read(i.digest.sha256, 0, 1 << 16)
        for i in made(result).provenance.ingredients
    }
    assert kept == {
        name: (tmp_path / "c" / name).read_bytes() for name in ("b.c", "common.h", "own.h")
    }


@pytest.mark.toolchain
def test_compile_error_carries_the_compilers_words(tmp_path: Path) -> None:
    """A failing target has the compiler's own last lines; the others are made."""
    write_c(tmp_path / "c")
    (tmp_path / "c" / "a.c").write_text("int a(void) { return nothing; }\n")
    shop = workshop(tmp_path / "cache")
    bad, good = build(shop, [c_object(tmp_path / "c", "a.c"), c_object(tmp_path / "c", "b.c")])
    assert isinstance(bad, BuildError)
    assert "a.c:1:22: error: use of undeclared identifier 'nothing'" in bad.output
    assert bad.message == "test/a.c.o wasm32: zig failed (exit code 1)"
    made(good)


def test_missing_source_is_named(tmp_path: Path) -> None:
    """A source that is not there fails its target without a tool being started."""
    source = Source("source", "gone.c", str(tmp_path / "gone.c"))
    (result,) = build(workshop(tmp_path / "cache"), [script("x", "true", source)])
    assert isinstance(result, BuildError)
    assert result.message == "x: gone.c is missing"


def test_failure_reaches_those_that_need_it_only(tmp_path: Path) -> None:
    """A target built from a failed one fails with the same words; its neighbour is made."""
    bad = script("bad", "echo no such luck >&2; exit 3")
    user = script("user", "cp part product", Product("part", "part", bad))
    good = script("good", "echo fine > product")
    shop = workshop(tmp_path / "cache")
    results = build(shop, [user, good])
    assert isinstance(results[0], BuildError)
    assert results[0].message == "bad: sh failed (exit code 3)"
    assert results[0].output == "no such luck"
    assert content(shop, results[1]) == b"fine\n"


def test_changed_input_with_the_same_product_goes_no_further(tmp_path: Path) -> None:
    """What is made from an input that came out the same is not made again."""
    source = tmp_path / "in"
    source.write_text("one\n")
    shop = workshop(tmp_path / "cache")

    def user() -> tuple[object, ...]:
        part = script("part", "true > product", Source("source", "in", str(source)))
        log = Log()
        build(shop, [script("user", "cp part product", Product("part", "part", part))], log=log)
        return tuple(log.made())

    assert user() == ("part", "user")
    source.write_text("two\n")
    assert user() == ("part",)


def test_what_comes_before_is_made_only_if_needed(tmp_path: Path) -> None:
    """A step that only prepares runs ahead of what has to be made, and not for what is known."""
    shop = workshop(tmp_path / "cache")
    (tmp_path / "f").mkdir()
    places = {"folder": tmp_path / "f"}

    def run(word: str) -> list[str]:
        first = script("prepare", "echo ready > {folder}/ready; true > product", places=places)
        text = f"cat {{folder}}/ready; echo {word} > product"
        log = Log()
        results = build(shop, [script("main", text, places=places, after=(first,))], log=log)
        made(results[0])
        return list(log.last())

    assert sorted(run("one")) == ["main", "prepare"]
    assert run("one") == ["main"]


def test_source_edited_during_the_build_is_built_again(tmp_path: Path) -> None:
    """A product never stands under the digest of bytes it was not made from."""
    source = tmp_path / "in"
    source.write_text("old\n")
    once = tmp_path / "once"
    edit = f"[ -e {once} ] || {{ touch {once}; echo new > {{folder}}/in; }}"
    text = f"cat {{folder}}/in > product; {edit}"
    target = script(
        "edited", text, Source("source", "in", str(source)), places={"folder": tmp_path}
    )
    shop = workshop(tmp_path / "cache")
    (result,) = build(shop, [target])
    (ingredient,) = made(result).provenance.ingredients
    assert content(shop, result) == b"new\n"
    assert shop.blobs.read(ingredient.digest.sha256, 0, 9) == b"new\n"


def test_stop_ends_what_runs_at_once(tmp_path: Path) -> None:
    """The wish to stop kills a tool with its children, whatever their group, and what waits."""
    (tmp_path / "f").mkdir()
    child_code = (
        "import os, time; os.setpgid(0, 0);"
        " open('{folder}/child', 'w').write(str(os.getpid())); time.sleep(600)"
    )
    text = f'{sys.executable} -c "{child_code}" & wait'
    slow = script("slow", text, places={"folder": tmp_path / "f"})
    waits = script("waits", "true > product", Product("part", "part", slow))
    stop = threading.Event()
    log = Log()
    child = tmp_path / "f" / "child"

    def stop_when_running() -> None:
        until(lambda: child.exists() and child.read_text().strip(), "the tool did not start")
        stop.set()

    thread = threading.Thread(target=stop_when_running)
    thread.start()
    results = build(workshop(tmp_path / "cache"), [slow, waits], log=log, stop=stop)
    thread.join()
    assert [str(result) for result in results] == [
        "slow: stopped before it was finished",
        "stopped before it was begun",
    ]
    assert max(step.elapsed_s for step in log.steps) < _DEADLINE_S
    pid = int(child.read_text())
    until(lambda: not _runs(pid), "the tool's child outlived the stop")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_tools_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    """After kill -9 of the builder nothing it started goes on, whatever session it moved to."""
    folder = tmp_path / "f"
    folder.mkdir()
    process = _builder(tmp_path, "lingering")
    pids = [folder / "tool", folder / "child"]
    until(lambda: all(p.exists() and p.read_text().strip() for p in pids), "it did not start")
    tool, child = (int(path.read_text()) for path in pids)
    assert _runs(tool)
    assert _runs(child)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not _runs(tool) and not _runs(child), "a tool outlived its builder")


def test_failure_is_told_once(tmp_path: Path) -> None:
    """What needs a failed target says which, without repeating its tool's words."""
    bad = script("bad", "echo wrong >&2; exit 3")
    above = script("above", "true", Product("part", "part", bad))
    log = Log()
    results = build(workshop(tmp_path / "cache"), [above, bad], log=log)
    assert [str(result) for result in results] == ["bad: sh failed (exit code 3)\nwrong"] * 2
    told = log.last()
    assert told["bad"].error == "bad: sh failed (exit code 3)\nwrong"
    assert (told["above"].state, told["above"].reason) == ("failed", "needs bad")
    assert told["above"].error == ""


def test_longest_chain_is_begun_first_after_the_c_files(tmp_path: Path) -> None:
    """A target on which a slow one rests goes before those on which nothing does.

    C files go before all, since a mistake in one is worth knowing early.
    """
    wasm = ArtifactKind.WASM
    quick = [replace(script(f"link {n}", f"echo {n} > product"), kind=wasm) for n in range(2)]
    first = replace(script("first", "echo first > product"), kind=wasm)
    slow = script("slow", "true > product", Product("part", "part", first))
    slow = replace(slow, slow="big", kind=wasm)
    source = script("c file", "echo c > product")
    log = Log()
    build(workshop(tmp_path / "cache"), [*quick, slow, source], log=log, jobs=1)
    begun = [step.name for step in log.steps if step.state == "building"]
    assert begun == ["c file", "first", "slow", "link 0", "link 1"]


def test_survey_says_what_would_be_made_and_makes_nothing(tmp_path: Path) -> None:
    """Known, new and changed targets are told apart; what rests on a change says on which."""
    source = tmp_path / "in"
    source.write_text("1\n")
    reads = Source("source", "in", str(source))
    part = script("part", "cat {folder}/in > product", reads, places={"folder": tmp_path})
    above = script("above", "cat ./part > product", Product("part", "part", part))
    other = script("other", "true > product")
    shop = workshop(tmp_path / "cache")

    def survey() -> dict[str, tuple[str, str]]:
        return {s.name: (s.state, s.reason) for s in survey_all(shop, [above, other])}

    new = ("waiting", "never built")
    assert survey() == {"part": new, "above": new, "other": new}
    build(shop, [above])
    assert survey() == {"part": ("known", ""), "above": ("known", ""), "other": new}
    source.write_text("2\n")
    assert survey() == {
        "part": ("waiting", "in changed"),
        "above": ("waiting", "part is made first"),
        "other": new,
    }
    source.write_text("1\n")
    assert survey()["above"] == ("known", "")
    source.unlink()
    assert survey()["above"] == ("failed", "needs part")
    assert list((tmp_path / "cache" / "blobs" / "scratch").iterdir()) == []


def test_killed_build_leaves_nothing_half_written(tmp_path: Path) -> None:
    """After kill -9 the cache knows nothing of the target, and the next build makes it."""
    (tmp_path / "f").mkdir()
    target, notes = write_counting(tmp_path / "f")
    process = _builder(tmp_path)
    until(notes.exists, "the build did not start")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    shop = workshop(tmp_path / "cache")
    assert list((tmp_path / "cache" / "recipes").rglob("*.json")) == []
    (result,) = build(shop, [target])
    assert content(shop, result) == b"done\n"
    until(lambda: _swept(tmp_path / "cache"), "scratch of the dead was kept")


def _swept(cache: Path) -> bool:
    workshop(cache)
    return list((cache / "blobs" / "scratch").iterdir()) == []


def test_two_processes_make_a_thing_once(tmp_path: Path) -> None:
    """Of two processes that want the same, one makes it and the other takes it."""
    (tmp_path / "f").mkdir()
    target, notes = write_counting(tmp_path / "f")
    processes = [_builder(tmp_path), _builder(tmp_path)]
    codes = [process.wait(timeout=_DEADLINE_S) for process in processes]
    assert codes == [0, 0]
    assert notes.read_text() == "made\n"
    shop = workshop(tmp_path / "cache")
    log = Log()
    (result,) = build(shop, [target], log=log)
    assert log.made() == {}
    assert content(shop, result) == b"done\n"


def _builder(folder: Path, what: str = "counted") -> subprocess.Popen[bytes]:
    """Start a process that builds a target of tests/support/builds.py."""
    root = Path(__file__).resolve().parents[2]
    folders = [str(folder / "cache"), str(folder / "f")]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.builds", what, *folders],
        cwd=root,
        stdin=subprocess.DEVNULL,
    )


def test_damaged_memory_is_made_again(tmp_path: Path) -> None:
    """A torn record, or a product that is gone, costs a rebuild and nothing else."""
    target = script("x", "echo fine > product")
    (first,) = build(workshop(tmp_path / "cache"), [target])
    for record in (tmp_path / "cache" / "recipes").rglob("*.json"):
        record.write_text("{")
    shop = workshop(tmp_path / "cache")
    log = Log()
    (second,) = build(shop, [target], log=log)
    assert list(log.made()) == ["x"]
    shop.blobs.path(made(second).digest.sha256).unlink()
    log = Log()
    (third,) = build(shop, [target], log=log)
    assert log.made() == {"x": "not in the cache"}
    assert made(first).digest == made(third).digest


@pytest.mark.toolchain
@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: bytes(len(data)), lambda _: b""]
)
def test_what_a_loss_of_power_leaves_of_a_recipe_is_none(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """Recipes are not flushed: cut off, zeros or empty, the target is made again."""
    folder, cache = tmp_path / "c", tmp_path / "cache"
    write_c(folder)
    targets = [c_object(folder, "a.c")]
    (first,) = build(workshop(cache), targets)
    for file in (cache / "recipes").glob("*/*.json"):
        file.write_bytes(damage(file.read_bytes()))
    log = Log()
    (again,) = build(workshop(cache), targets, log=log)
    assert list(log.made()) == ["test/a.c.o wasm32"]
    assert made(again).digest == made(first).digest
    known = Log()
    build(workshop(cache), targets, log=known)
    assert known.made() == {}


@pytest.mark.toolchain
def test_a_target_waits_for_its_bytes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of product and source, each flushed once before it gets its name; of nothing else."""
    folder = tmp_path / "c"
    write_c(folder)
    shop = workshop(tmp_path / "cache")
    build(shop, [c_object(folder, "a.c")])
    (folder / "a.c").write_text('#include "common.h"\nint a(void) { return COMMON + 5; }\n')
    flush, flushed = os.fsync, []

    def count(descriptor: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", count)
    build(shop, [c_object(folder, "a.c")])
    assert len(flushed) == 2
    assert all("/blobs/scratch/" in path for path in flushed)


def test_missing_tool_names_the_doctor(tmp_path: Path) -> None:
    """A tool that is not there is said in one line with the next step."""
    tool = replace(SHELL, path="/nowhere/sh")
    target = script("x", "true > product")
    target = replace(target, commands=(replace(target.commands[0], tool=tool),))
    (result,) = build(workshop(tmp_path / "cache"), [target])
    assert isinstance(result, BuildError)
    assert "cannot start sh" in result.message
    assert "farm doctor" in result.message
