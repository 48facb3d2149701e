"""Attempt folders are made without ever following a link or writing outside."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import BlobCorrupt, LinkDown, MalformedOrder
from agent.order import Blob, Order, read_order
from agent.stage import (
    AttemptFolder,
    BlobCache,
    attempt_folder,
    hash_file,
    make_attempt_folder,
    remove_folder,
)
from protos.farm.v1 import agents_pb2 as pb


class Shelf:
    """A source with scripted streams; then all of it."""

    def __init__(self, data: bytes, *cuts: int) -> None:
        self._data = data
        self._cuts = list(cuts)
        #: Offsets asked for.
        self.asked: list[int] = []

    def fetch(self, sha256: str, offset: int) -> Iterator[pb.FetchChunk]:
        """Stream two bytes at a time, cut where the script says so."""
        self.asked.append(offset)
        end = self._cuts.pop(0) if self._cuts else len(self._data)
        for here in range(offset, end, 2):
            yield pb.FetchChunk(offset=here, data=self._data[here : min(here + 2, end)])
        if end < len(self._data):
            raise LinkDown("cut")


def blob_of(data: bytes) -> Blob:
    """Name bytes."""
    return Blob(hashlib.sha256(data).hexdigest(), len(data))


def order_with(*directories: pb.GrantedDirectory) -> Order:
    """Make an order whose only blob is `x`."""
    digest = pb.Digest(sha256=blob_of(b"x").sha256, size_bytes=1)
    return read_order(
        pb.Assignment(
            attempt=pb.AttemptRef(attempt_id=1, fence=1, sequence=1),
            runner=digest,
            program=digest,
            kind=pb.PROGRAM_KIND_NATIVE,
            repeats=1,
            limits=pb.Limits(timeout_s=1),
            directories=directories,
        )
    )


def file_at(path: str, *, executable: bool = False) -> pb.StagedFile:
    """Place `x` at a path."""
    digest = pb.Digest(sha256=blob_of(b"x").sha256, size_bytes=1)
    return pb.StagedFile(path=path, digest=digest, executable=executable)


@pytest.fixture
def cache(tmp_path: Path) -> BlobCache:
    """A cache that has `x`."""
    made = BlobCache(tmp_path / "blobs")
    made.obtain(blob_of(b"x"), Shelf(b"x"), lambda: None)
    return made


def test_resumes_at_the_offset_it_reached(tmp_path: Path) -> None:
    """Each try asks for what is missing only."""
    shelf, pauses = Shelf(b"abcdefgh", 4, 6), []
    cache = BlobCache(tmp_path)
    path = cache.obtain(blob_of(b"abcdefgh"), shelf, lambda: pauses.append(1))
    assert shelf.asked == [0, 4, 6]
    assert len(pauses) == 2
    assert path.read_bytes() == b"abcdefgh"
    assert [one.read_text() for one in tmp_path.iterdir()] == ["abcdefgh"]


def test_does_not_fetch_what_is_there(tmp_path: Path) -> None:
    """A verified blob costs no call, in a second process's cache neither."""
    shelf = Shelf(b"abc")
    BlobCache(tmp_path).obtain(blob_of(b"abc"), shelf, lambda: None)
    BlobCache(tmp_path).obtain(blob_of(b"abc"), shelf, lambda: None)
    assert shelf.asked == [0]


def test_gives_up_bytes_that_never_match(tmp_path: Path) -> None:
    """Three fresh starts, then it is the source's fault, and nothing is kept."""
    shelf = Shelf(b"abc")
    with pytest.raises(BlobCorrupt):
        BlobCache(tmp_path).obtain(Blob("0" * 64, 3), shelf, lambda: None)
    assert shelf.asked == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []


def test_more_bytes_than_announced_are_not_written(tmp_path: Path) -> None:
    """A source cannot fill the disk beyond the size the order names."""
    with pytest.raises(BlobCorrupt):
        BlobCache(tmp_path).obtain(Blob(blob_of(b"abc").sha256, 1), Shelf(b"abc"), lambda: None)


def test_an_empty_blob_needs_no_bytes(tmp_path: Path) -> None:
    """The blob of no bytes is made without a stream."""
    path = BlobCache(tmp_path).obtain(blob_of(b""), Shelf(b""), lambda: None)
    assert path.read_bytes() == b""


def test_makes_a_fresh_copy(tmp_path: Path, cache: BlobCache) -> None:
    """Granted files are copies with the right mode; what an earlier attempt left is gone."""
    place = attempt_folder(tmp_path, order_with().ref)
    place.work.mkdir(parents=True)
    (place.work / "left").touch()
    grant = pb.GrantedDirectory(guest="a/b", files=[file_at("c/d", executable=True)])
    make_attempt_folder(place, order_with(grant), cache)
    made = place.work / "a/b/c/d"
    assert made.read_bytes() == b"x"
    assert made.stat().st_mode & 0o777 == 0o755
    made.write_bytes(b"changed")
    assert blob_of(b"x") == hash_file(cache.path(blob_of(b"x")))
    assert not (place.work / "left").exists()


@pytest.mark.parametrize(
    "files",
    [
        [file_at("a"), file_at("a")],
        [file_at("a"), file_at("a/b")],
        [file_at("a/b"), file_at("a")],
    ],
)
def test_refuses_two_things_at_one_place(
    tmp_path: Path, cache: BlobCache, files: list[pb.StagedFile]
) -> None:
    """A path that is twice a file, or a file and a folder, is malformed."""
    order = order_with(pb.GrantedDirectory(guest="data", files=files))
    with pytest.raises(MalformedOrder):
        make_attempt_folder(AttemptFolder(tmp_path / "attempt"), order, cache)


def test_removes_a_folder_without_following_links(tmp_path: Path) -> None:
    """A program may leave links; what they point to stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    place = AttemptFolder(tmp_path / "attempt")
    place.work.mkdir(parents=True)
    (place.work / "link").symlink_to(outside)
    remove_folder(place)
    assert (outside / "file").exists()
    assert not place.root.exists()
