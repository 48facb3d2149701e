"""WAMR's sources: the pin is checked against the very bytes, and what is missing is said."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from orchestrator.blobs import Blobs
from orchestrator.build import wamr
from orchestrator.build.builder import Builder
from orchestrator.build.digests import FileDigests, tree_digest
from orchestrator.domain.errors import BuildError, ConfigError
from orchestrator.files.below import files_below
from tests.support.toynative import write_wamr

_ROOT = Path(__file__).resolve().parents[2]
#: What native/wamr-source/tree.sha256 was made with.
_SHELL = "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"


def digests(folder: Path) -> FileDigests:
    """A memory of its own."""
    return FileDigests(folder / "digests.json")


def pin(folder: Path, tree: Path) -> Path:
    """A native/ that pins a tree, and a cache that holds it."""
    sha256 = tree_digest(digests(folder), tree, files_below(tree))
    source = folder / "native" / "wamr-source"
    source.mkdir(parents=True)
    (source / "tree.sha256").write_text(f"{sha256}  wasm-micro-runtime\n")
    shutil.copytree(tree, folder / "cache" / "wamr" / sha256)
    return folder / "native"


def test_digest_of_a_tree_is_what_the_shell_says(tmp_path: Path) -> None:
    """Anyone can check the pin with find, sort and sha256sum."""
    tree = write_wamr(tmp_path)
    for name in ("b", "B", "a/z", "a.b", "Z/a"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(name)
    said = subprocess.run(
        ["sh", "-c", _SHELL], cwd=tree, capture_output=True, text=True, check=True
    ).stdout.split()[0]
    assert tree_digest(digests(tmp_path), tree, files_below(tree)) == said


def test_damaged_tree_is_not_used(tmp_path: Path) -> None:
    """A cached tree is checked each time; one that changed counts as not fetched."""
    native = pin(tmp_path, write_wamr(tmp_path))
    cache = tmp_path / "cache"
    found = wamr.find_pinned(native, cache, digests(tmp_path))
    assert found is not None
    (found.folder / "more").write_text("")
    assert wamr.find_pinned(native, cache, digests(tmp_path)) is None


def test_the_real_pin_can_be_read() -> None:
    """native/wamr-source names a digest and the folder inside the crate."""
    assert wamr.pinned_digest(_ROOT / "native")[1] == "wasm-micro-runtime"


def test_tree_of_the_user_is_looked_at(tmp_path: Path) -> None:
    """A folder that is not WAMR is refused by what it lacks."""
    with pytest.raises(BuildError, match=r"no tree of WAMR.*runtime_lib.cmake"):
        wamr.use_tree(tmp_path, digests(tmp_path))


def test_failing_fetch_has_cargos_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the build ends with what cargo said, and the cache has no half tree."""
    cargo = tmp_path / "cargo"
    cargo.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo cargo 1.90.0 && exit\n'
        "echo no network >&2\nexit 101\n"
    )
    cargo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    native = pin(tmp_path, write_wamr(tmp_path))
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(BuildError) as caught:
        wamr.fetch_pinned(
            native,
            tmp_path / "cache",
            digests(tmp_path),
            Blobs(tmp_path / "blobs"),
            threading.Event(),
        )
    assert caught.value.output == "no network"
    assert not (tmp_path / "cache" / "wamr").exists()


def test_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A cache folder below a file is one clear line with the way out."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="FARM_CACHE_DIR"):
        Builder(
            cache=tmp_path / "file" / "cache",
            blobs=Blobs(tmp_path / "blobs"),
            native=tmp_path,
            runtime_sources={},
        )
