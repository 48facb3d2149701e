"""Brings logs and reports to the orchestrator, in parts that are taken up again where they broke
off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from agent.collect import open_output
from agent.errors import FileNotLeft, LinkDown, UploadLost
from agent.journal import Entry
from agent.link import PART_BYTES
from agent.order import Blob, Ref, check_path, write_ref
from agent.stage import AttemptFolder, hash_file, hash_stream
from protos.farm.v1 import agents_pb2 as pb

#: How often an upload is begun anew when the other side says that its digest does not match.
MAX_FRESH_STARTS = 3

#: How many answers in a row may bring an upload no further.
_MAX_STALLS = 3


class Sink(Protocol):
    """Where uploads go."""

    def upload(self, request: pb.UploadRequest) -> pb.UploadReply:
        """Send one part, as `Link.upload` does."""


def deliver(entry: Entry, place: AttemptFolder, sink: Sink) -> None:
    """Upload an attempt's logs and files, then its report, which settles it. Idempotent.

    Raises:
        LinkDown: not known how far it came; repeat it.
        Refused: the orchestrator does not want it.
    """
    report = pb.Report.FromString(entry.report)
    if report.HasField("output"):
        wanted = Blob(report.output.sha256, report.output.size_bytes)
        _send_file(sink, entry.ref, pb.UPLOAD_KIND_STDOUT, place.output(0), wanted)
    _send_file(sink, entry.ref, pb.UPLOAD_KIND_STDERR, place.stderr, None)
    _send_file(sink, entry.ref, pb.UPLOAD_KIND_MESSAGES, place.messages, None)
    for file in report.files:
        _send_output(sink, entry.ref, place, file)
    _send(sink, entry.ref, pb.UPLOAD_KIND_REPORT, _of_bytes(entry.report), _blob(entry.report))


def _send_file(
    sink: Sink, ref: Ref, kind: pb.UploadKind.ValueType, path: Path, wanted: Blob | None
) -> None:
    """Send a file; left out where there is none, or where it is an empty log or not what was
    reported.
    """
    if not path.is_file():
        return
    blob = hash_file(path)
    if wanted == blob or (wanted is None and blob.size_bytes):
        with path.open("rb") as stream:
            _send(sink, ref, kind, _of_stream(stream), blob)


def _send_output(sink: Sink, ref: Ref, place: AttemptFolder, file: pb.OutputFile) -> None:
    """Send a file the program left; left out where it is no longer what was reported."""
    wanted = Blob(file.digest.sha256, file.digest.size_bytes)
    with suppress(FileNotLeft), open_output(place.work, check_path(file.path)) as stream:
        if hash_stream(stream) == wanted:
            _send(sink, ref, pb.UPLOAD_KIND_FILE, _of_stream(stream), wanted)


def _send(
    sink: Sink, ref: Ref, kind: pb.UploadKind.ValueType, read: Callable[[int], bytes], whole: Blob
) -> None:
    for attempt in range(MAX_FRESH_STARTS):
        with _last_chance(attempt):
            return _send_once(sink, ref, kind, read, whole)
    return None


@contextmanager
def _last_chance(attempt: int) -> Iterator[None]:
    """Let a lost upload be begun again, except the last time."""
    try:
        yield
    except UploadLost:
        if attempt == MAX_FRESH_STARTS - 1:
            raise


def _send_once(
    sink: Sink, ref: Ref, kind: pb.UploadKind.ValueType, read: Callable[[int], bytes], whole: Blob
) -> None:
    offset, stalls = 0, 0
    while stalls < _MAX_STALLS:
        reply = sink.upload(
            pb.UploadRequest(
                attempt=write_ref(ref),
                kind=kind,
                whole=pb.Digest(sha256=whole.sha256, size_bytes=whole.size_bytes),
                offset=offset,
                data=read(offset),
            )
        )
        if reply.complete:
            return
        stalls = stalls + 1 if reply.next_offset <= offset else 0
        offset = min(reply.next_offset, whole.size_bytes)
    raise LinkDown("the orchestrator takes no more of an upload")


def _of_bytes(data: bytes) -> Callable[[int], bytes]:
    return lambda offset: data[offset : offset + PART_BYTES]


def _of_stream(stream: BinaryIO) -> Callable[[int], bytes]:
    def read(offset: int) -> bytes:
        stream.seek(offset)
        return stream.read(PART_BYTES)

    return read


def _blob(data: bytes) -> Blob:
    return Blob(hashlib.sha256(data).hexdigest(), len(data))
