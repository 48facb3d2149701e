"""Modules of other people: benchmarks in Sightglass's layout, needs told before anything is built,
and a program that only some modes can run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import farm
from tests.support.wasmfiles import module

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(900)]

WASM = ("wamr-classic", "wamr-fast", "wamr-aot")
SHOUT = """\
#include <ctype.h>
#include <stdio.h>
__attribute__((import_module("bench"), import_name("start"))) void begin(void);
__attribute__((import_module("bench"), import_name("end"))) void end(void);
int main(void)
{
    char text[100];
    FILE *file = fopen("./default.input", "r");
    size_t size = file ? fread(text, 1, sizeof(text), file) : 0;
    begin();
    for (size_t i = 0; i < size; i++)
        text[i] = toupper(text[i]);
    end();
    fwrite(text, 1, size, stdout);
    fprintf(stderr, "[shout] %zu bytes\\n", size);
    return 0;
}
"""


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm."""
    home = tmp_path_factory.mktemp("modules") / "farm"
    assert farm("init", home, cwd=home.parent).code == 0
    return home


@pytest.fixture(name="benchmark_wasm", scope="module")
def _benchmark_wasm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark as that suite lays it out, built by somebody's own compiler call."""
    folder = tmp_path_factory.mktemp("suite") / "shout"
    folder.mkdir()
    source = folder.parent / "shout.c"
    source.write_text(SHOUT)
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-O2"]
    subprocess.run([*compiler, source, "-o", folder / "benchmark.wasm"], check=True)
    (folder / "default.input").write_text("hello\n")
    return folder / "benchmark.wasm"


def measured(home: Path, *words: str | Path) -> tuple[int, str, list[dict[str, Any]]]:
    """Run a program; its exit code, what was said, and its rows."""
    said = farm("run", *words, "--device", "local", "--json", cwd=home)
    return said.code, said.err, json.loads(said.out)


def test_a_benchmark_runs_unmodified(home: Path, benchmark_wasm: Path) -> None:
    """Its input is found, both streams are judged, its region is timed, and all that is told."""
    folder = benchmark_wasm.parent
    (folder / "benchmark.stdout.expected").write_text("HELLO\n")
    (folder / "default.stderr.expected").write_text("[shout] 6 bytes\n")
    code, told, rows = measured(home, benchmark_wasm)
    assert code == 0
    assert (
        "benchmark.wasm is a benchmark as Sightglass has them: it is given default.input and"
        " judged by benchmark.stdout.expected and default.stderr.expected"
    ) in told
    assert [(row["mode"], row["outcome"]) for row in rows] == [(m, "succeeded") for m in WASM]
    assert {row["execute_s"]["region"] for row in rows} == {"bench"}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        (
            "benchmark.stdout.expected",
            "hello\n",
            "stdout differs at byte 0, line 1: 'HELLO', expected 'hello'",
        ),
        (
            "benchmark.stderr.expected",
            "[shout] 7 bytes\n",
            "stderr of repeat 0 differs at byte 8, line 1: '[shout] 6 bytes',"
            " expected '[shout] 7 bytes'",
        ),
    ],
)
def test_a_wrong_stream_is_a_wrong_output(
    home: Path, benchmark_wasm: Path, name: str, text: str, reason: str
) -> None:
    """Whichever stream differs, the place is told, and no time is stored."""
    wrong = benchmark_wasm.parent / name
    before = wrong.read_text() if wrong.exists() else None
    wrong.write_text(text)
    try:
        code, _, (row,) = measured(home, benchmark_wasm, "--mode", "wamr-fast")
    finally:
        wrong.write_text(before) if before is not None else wrong.unlink()
    assert (code, row["outcome"], row["reason"]) == (1, "wrong_output", reason)
    assert row["execute_s"] is None or row["execute_s"]["median"] is None


def test_needs_are_told_before_anything_is_built(home: Path, tmp_path: Path) -> None:
    """A plan names a module's proposals; one that no mode has ends the command in one line."""
    (tmp_path / "plain.wasm").write_bytes(module(body=b"\x41\0\xc0\x1a\xfc\x0a\0\0"))
    said = farm("plan", tmp_path / "plain.wasm", "--device", "local", cwd=home)
    assert said.code == 0
    needs = "plain.wasm needs WebAssembly 1.0, sign-extension-ops, bulk-memory"
    assert needs in said.out + said.err
    (tmp_path / "threads.wasm").write_bytes(module(body=b"\xfe\x03\0"))
    said = farm("run", tmp_path / "threads.wasm", cwd=home)
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[-1] == (
        "farm: no device can take any of its cells: threads.wasm needs threads, which no mode has:"
        " build it for one thread (wasm32-wasip1, without -pthread)"
    )


def deep(steps: int, depth: int) -> str:
    """A function of many steps that calls itself; unoptimised, each step has a place on the
    stack.
    """
    lines = (f"a = a * {2 * i + 3}u + (a >> {i % 7 + 1} ^ x);" for i in range(steps))
    return (
        "#include <stdio.h>\n__attribute__((noinline)) unsigned down(unsigned depth, unsigned x)\n"
        f"{{\nif (!depth) return x;\nunsigned a = x;\n{chr(10).join(lines)}\n"
        "return down(depth - 1, a) + a;\n}\n"
        f'int main(void) {{ printf("%u\\n", down({depth}, 7)); return 0; }}\n'
    )


def test_a_program_that_only_compiled_code_cannot_run(home: Path, tmp_path: Path) -> None:
    """Interpreters keep a call in little; unoptimised compiled code runs out of its stack."""
    (tmp_path / "deep.c").write_text(deep(1500, 2000))
    modes = ("wamr-fast", "wamr-aot[opt=0]")
    words = [word for mode in modes for word in ("--mode", mode)]
    said = farm(
        "run", tmp_path / "deep.c", *words, "--device", "local", "--repeats", "1", cwd=home
    )
    assert said.code == 1
    fast, aot = (line for line in said.out.splitlines() if line.startswith("wamr-"))
    assert "succeeded" in fast
    assert "workload_failed: trap: native stack overflow" in aot
    assert said.err.splitlines()[-1].endswith("2 cells, 1 succeeded, 1 workload_failed")
