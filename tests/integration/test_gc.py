"""What nothing needs goes, what something needs stays, and nothing in use is touched."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from orchestrator.blobs import Blobs
from orchestrator.build.wamr import pinned_digest
from orchestrator.build.workshop import GC_LOCK
from orchestrator.care.gc import Rubbish, cache_rubbish, farm_rubbish, remove
from orchestrator.config import FarmConfig
from orchestrator.domain.artifact import Artifact, ArtifactKind
from orchestrator.domain.errors import StateError
from orchestrator.foundation import NATIVE, new_farm
from orchestrator.locks import hold_lock, share_lock
from orchestrator.store.base import Store
from orchestrator.store.sql import open_store

DAY_S = 86_400.0


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> FarmConfig:
    return new_farm(tmp_path / "farm")


def found(config: FarmConfig, older_s: float) -> dict[str, list[Rubbish]]:
    """Look for rubbish in a farm, by what it is."""
    store: Store = open_store(config.database_url, readonly=True)
    try:
        kinds: dict[str, list[Rubbish]] = {}
        for one in farm_rubbish(config, store, older_s):
            kinds.setdefault(one.what, []).append(one)
        return kinds
    finally:
        store.close()


def test_a_blob_nobody_names_goes_when_it_is_old_enough(config: FarmConfig) -> None:
    """By when it was linked here, not by when it was made elsewhere."""
    blobs = Blobs(config.data / "blobs")
    kept, lone = blobs.put_bytes(b"kept"), blobs.put_bytes(b"nobody's")
    store = open_store(config.database_url)
    with store.transaction() as t:
        t.record_artifact(Artifact(kept, ArtifactKind.INPUT, "kept"))
    store.close()
    os.utime(blobs.path(lone.sha256), (0, 0))  # as of a build long ago; linked just now
    now_s = time.time()
    assert found(config, now_s - DAY_S) == {}
    rubbish = found(config, now_s + 1)
    path = blobs.path(lone.sha256)
    assert rubbish == {
        "blob nothing refers to": [Rubbish("blob nothing refers to", path, len(b"nobody's"))]
    }
    os.link(path, config.data / "shared")
    assert found(config, now_s + 1)["blob nothing refers to"][0].size_bytes == 0
    remove(rubbish["blob nothing refers to"])
    remove(rubbish["blob nothing refers to"])
    assert not blobs.has(lone.sha256)
    assert blobs.has(kept.sha256)
    assert found(config, now_s + 1) == {}


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(config: FarmConfig) -> None:
    """Scratch, uploads of attempts that are over, old reports of bugs."""
    blobs = Blobs(config.data / "blobs")
    with blobs.open_scratch() as living:
        (living / "part").write_bytes(b"x" * 100)
        dead = config.data / "blobs" / "scratch" / "1-dead"
        dead.mkdir()
        (dead / "part").write_bytes(b"x" * 200)
        (dead.parent / "1-dead.lock").touch()
        uploads = config.data / "uploads"
        uploads.mkdir()
        (uploads / "7-0123").write_bytes(b"x" * 300)
        (config.data / "farm-bug-1.txt").write_text("x")
        rubbish = found(config, time.time() + 1)
        assert [one.size_bytes for one in rubbish["left by a killed process"]] == [200, 0]
        assert [one.path.name for one in rubbish["upload nobody waits for"]] == ["7-0123"]
        assert len(rubbish["old report of a bug"]) == 1
        for kind in rubbish.values():
            remove(kind)
        assert (living / "part").exists()
        assert not dead.exists()


def write_recipe(cache: Path, name: bytes, used_s: float, *blobs: str) -> Path:
    """Make a recipe with a product and headers, used at a time."""
    order = hashlib.sha256(name).hexdigest()
    path = cache / "recipes" / order[:2] / f"{order}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {"product": [blobs[0], 1], "reads": [["p", "h.h", one, 1] for one in blobs[1:]]}
    path.write_text(json.dumps([row]))
    os.utime(path, (used_s, used_s))
    (cache / "locks").mkdir(exist_ok=True)
    (cache / "locks" / order).touch()
    return path


def test_what_no_build_used_goes_from_the_cache(tmp_path: Path) -> None:
    """Recipes with their products, headers and locks, other trees of WAMR; what is used stays."""
    store = Blobs(tmp_path / "blobs")
    names = ("product", "header", "old product", "old header", "both", "source")
    blob = {name: store.put_bytes(name.encode()).sha256 for name in names}
    now_s = time.time()
    used = write_recipe(tmp_path, b"used", now_s, blob["product"], blob["header"], blob["both"])
    old = write_recipe(
        tmp_path, b"old", now_s - 9 * DAY_S, blob["old product"], blob["old header"], blob["both"]
    )
    damaged = tmp_path / "recipes" / "aa" / ("a" * 64 + ".json")
    damaged.parent.mkdir(exist_ok=True)
    damaged.write_text("{")
    for name in (pinned_digest(NATIVE)[0], "b" * 64):
        (tmp_path / "wamr" / name).mkdir(parents=True)
    assert [one.path for one in cache_rubbish(tmp_path, now_s - DAY_S)] == [old]
    # As if a day had passed since the blobs were made, but not since the recipe was used.
    os.utime(used, (now_s + 60, now_s + 60))
    os.utime(damaged, (now_s + 60, now_s + 60))
    gone = list(cache_rubbish(tmp_path, now_s + 30))
    remove(gone)
    assert used.exists()
    assert not old.exists()
    left = {path.name for path in (tmp_path / "blobs").glob("??/*")}
    assert left == {blob[name] for name in ("product", "header", "both")}
    assert [path.name for path in (tmp_path / "wamr").iterdir()] == [pinned_digest(NATIVE)[0]]
    # The lock of a recipe that went goes the next time: it went with it.
    remove(cache_rubbish(tmp_path, now_s + 30))
    assert len(list((tmp_path / "locks").iterdir())) == 1
    assert list(cache_rubbish(tmp_path, now_s + 30)) == []


def test_a_build_keeps_the_cache_to_itself(tmp_path: Path) -> None:
    """Who builds shares the lock; who clears has it alone, or is told to wait."""
    lock = tmp_path / GC_LOCK
    with (
        share_lock(lock),
        share_lock(lock),
        pytest.raises(StateError, match="a build uses it"),
        hold_lock(lock, "a build uses it"),
    ):
        pass
    with hold_lock(lock, "busy"):
        descriptor = os.open(lock, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(descriptor)
