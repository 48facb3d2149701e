"""A real program on a real input: bzip2's own sources, as a package carries them, in every mode.

The farm's folder is made as ``docs/how-to/measure-someone-elses-c.md`` says, from its very text.
``FARM_REAL_BYTES`` sets the size of the input (300,000), such as 4000000.
"""

from __future__ import annotations

import bz2
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.build.cargo import Cargo, find_cargo
from orchestrator.domain.errors import BuildError
from tests.support.commands import farm

pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "measure-someone-elses-c.md"
SIZE_BYTES = int(os.environ.get("FARM_REAL_BYTES", "300000"))
MANIFEST = """\
[package]
name = "real"
version = "0.0.0"
edition = "2018"
[lib]
path = "empty.rs"
[dependencies]
bzip2-sys = "=0.1.13"
"""
PROSE = (
    "lease fence device cell block attempt repeat sample mode runtime kernel digest recipe blob"
    " agent orchestrator measures builds keeps shows waits the a of and with every no one after"
)


@pytest.fixture(name="sources", scope="module")
def _sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with bzip2's C, fetched by cargo and checked by it."""
    folder = tmp_path_factory.mktemp("crate")
    (folder / "Cargo.toml").write_text(MANIFEST)
    (folder / "empty.rs").touch()
    try:
        cargo = find_cargo()
    except BuildError as error:
        pytest.skip(f"no cargo to fetch bzip2's sources with: {error}")
    fetched = _cargo(cargo, ["fetch"], folder)
    if fetched.returncode:
        pytest.skip(f"cargo cannot fetch bzip2's sources: {fetched.stderr.splitlines()[-1]}")
    asked = ["metadata", "--format-version", "1", "--offline"]
    packages = json.loads(_cargo(cargo, asked, folder).stdout)["packages"]
    (manifest,) = (one["manifest_path"] for one in packages if one["name"] == "bzip2-sys")
    return Path(manifest).parent / "bzip2-1.0.8"


def _cargo(cargo: Cargo, words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [cargo.path, *words],
        cwd=folder,
        env=cargo.environment(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def page_files() -> dict[str, str]:
    """Read the files that the page shows, by the name in their first line."""
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return dict(blocks)


def text_input(size_bytes: int) -> bytes:
    """Write the same prose each time."""
    rng = random.Random(7)  # noqa: S311  # prose, no secret
    words = PROSE.split()
    lines = []
    size = 0
    while size < size_bytes:
        line = " ".join(rng.choices(words, k=rng.randint(4, 14))) + f", {rng.random():.6f}.\n"
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()[:size_bytes]


def reference(data: bytes) -> bytes:
    """Compress with the machine's own bzip2, else with python's."""
    tool = shutil.which("bzip2")
    if tool is None:
        return bz2.compress(data, 9)
    done = subprocess.run([tool, "-9"], input=data, capture_output=True, check=True, timeout=120)
    assert done.stdout == bz2.compress(data, 9)
    return done.stdout


def test_bzip2_compresses_as_the_native_tool_does(
    sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Byte for byte, in four modes on two architectures, with sources nobody changed."""
    home = tmp_path / "farm"
    assert farm("init", home, cwd=tmp_path).code == 0
    workload = home / "workloads" / "bzip2"
    workload.mkdir(parents=True)
    for name, text in page_files().items():
        (home / name).write_text(text)
    for path in (*sources.glob("*.c"), *sources.glob("*.h")):
        shutil.copy(path, workload)
    data = text_input(SIZE_BYTES)
    right = reference(data)
    (workload / "input").write_bytes(data)
    (workload / "input.bz2").write_bytes(right)
    said = farm("run", "bzip2.yaml", "--set", "repeats=1", cwd=home)
    with capsys.disabled():
        sys.stdout.write(f"\n{len(data):,} bytes to {len(right):,}\n{said.out}\n")
    assert said.code == 0, said.err
    rows = json.loads(farm("results", "list", "--json", cwd=home).out)
    assert {(row["mode"], row["arch"]) for row in rows} == {
        (mode, arch)
        for mode in ("wamr-classic", "wamr-fast", "wamr-aot", "native")
        for arch in ("x86_64", "aarch64")
    }
    assert {row["outcome"] for row in rows} == {"succeeded"}
    assert {row["output_digest"] for row in rows} == {hashlib.sha256(right).hexdigest()}
    native = next(row for row in rows if (row["mode"], row["arch"]) == ("native", "x86_64"))
    assert _sources_of(home, native["cell_id"]) >= _digests(sources)


def _sources_of(home: Path, cell_id: int) -> set[str]:
    """Follow a cell's provenance down to what the compiler read."""
    shown = json.loads(farm("results", "show", str(cell_id), "--json", cwd=home).out)
    return {part["sha256"] for made in shown["provenance"] for part in made["ingredients"]}


def _digests(sources: Path) -> set[str]:
    """The C files of the page's list, as the crate carries them."""
    text = page_files()["workloads/bzip2/workload.yaml"]
    listed = re.search(r"sources: \[(.+)\]", text)
    assert listed is not None
    names = listed[1].split(", ")
    return {hashlib.sha256((sources / name).read_bytes()).hexdigest() for name in names}
