"""What agents may ask, on the event loop: what to do, blobs, and to take logs and reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import grpc
import grpc.aio

from orchestrator.blobs import Blobs
from orchestrator.domain.artifact import Digest
from orchestrator.domain.attempt import Finished
from orchestrator.domain.device import Device
from orchestrator.domain.errors import DiskFull, StoreUnavailable
from orchestrator.domain.sync import AgentWord, Desired
from orchestrator.rpc import translate
from orchestrator.rpc.bells import Bells, Turn
from orchestrator.rpc.interceptors import CALLER
from orchestrator.rpc.uploads import Piece, Uploads
from orchestrator.scheduler import Scheduler
from orchestrator.store.base import Transaction
from orchestrator.writer import Writer
from protos.farm.v1 import agents_pb2, agents_pb2_grpc

Answer = TypeVar("Answer")
if TYPE_CHECKING:
    # Generic for the type checker only.
    _Context = grpc.aio.ServicerContext[Any, Any]

#: Of one message of a stream; gRPC takes up to 4 MB, and a quarter of it keeps memory low with
#: many agents.
CHUNK_BYTES = 1 << 20
#: An answer that was just given is not given again sooner: the agent is about to act on it.
REPEAT_S = 0.5
#: A report is a few hundred bytes and one line per repeat.
MOST_REPORT_BYTES = 16 << 20

_KINDS = {
    agents_pb2.UPLOAD_KIND_STDOUT: "stdout",
    agents_pb2.UPLOAD_KIND_STDERR: "stderr",
    agents_pb2.UPLOAD_KIND_MESSAGES: "messages",
    agents_pb2.UPLOAD_KIND_REPORT: "report",
    agents_pb2.UPLOAD_KIND_FILE: "file",
}


@dataclass(frozen=True, slots=True)
class _Said:
    """The last answer to a device, and when (the loop's clock, seconds)."""

    desired: Desired
    at_s: float


class AgentService(agents_pb2_grpc.AgentsServicer):
    """The servicer behind the ``Door``, which says who calls and translates what is raised.

    Args:
        scheduler: decides.
        writer: the thread it decides on.
        blobs: the farm's.
        uploads: unfinished ones.
        bells: held calls.
        files: threads for the disk.
        hold_s: how long a call without news is held.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        writer: Writer,
        blobs: Blobs,
        uploads: Uploads,
        bells: Bells,
        files: Executor,
        *,
        hold_s: float,
    ) -> None:
        self._scheduler = scheduler
        self._writer = writer
        self._blobs = blobs
        self._uploads = uploads
        self._bells = bells
        self._files = files
        self._hold_s = hold_s
        self._said: dict[str, _Said] = {}

    async def Synchronize(  # gRPC's name
        self, request: agents_pb2.AgentState, context: _Context
    ) -> agents_pb2.DesiredState:
        """Answer at once if the agent should do something else, else when that changes."""
        device = CALLER.get()
        try:
            word = translate.agent_word(request)
        except ValueError as error:
            await _refuse(context, str(error))
        with self._bells.turn(device) as turn:
            desired = await self._news(device, word, turn)
            if turn.over:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "this call is over; call again")
        self._said[device] = _Said(desired, asyncio.get_running_loop().time())
        return translate.desired_state(desired, call_again_s=self._hold_s)

    async def _news(self, device: str, word: AgentWord, turn: Turn) -> Desired:
        """Evaluate until there is news, time is up or the turn is over."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._hold_s
        while True:
            turn.begin()
            desired = await self._evaluate(device, word)
            wait_s = end_s - loop.time()
            if desired.differs_from(word):
                wait_s = self._pause_s(device, desired, loop.time())
            if turn.over or wait_s <= 0:
                return desired
            if not await turn.wait(wait_s):
                return desired

    def _pause_s(self, device: str, desired: Desired, now_s: float) -> float:
        """How long to wait before saying the same again; 0: it is not the same, or long ago."""
        said = self._said.get(device)
        if said is None or said.desired != desired:
            return 0.0
        return max(said.at_s + REPEAT_S - now_s, 0.0)

    async def _evaluate(self, device: str, word: AgentWord) -> Desired:
        return await self._write(lambda t: self._scheduler.synchronize(t, device, word))

    async def Fetch(  # gRPC's name
        self, request: agents_pb2.FetchRequest, context: _Context
    ) -> AsyncIterator[agents_pb2.FetchChunk]:
        """Stream a blob from an offset; an empty rest is one empty chunk, to tell the size."""
        try:
            wanted = Digest(request.sha256, 0).sha256
        except ValueError as error:
            await _refuse(context, str(error))
        path = await self._on_files(lambda: self._blobs.path(wanted))
        size_bytes = await self._on_files(lambda: path.stat().st_size)
        if request.offset > size_bytes:
            text = f"the blob has {size_bytes} bytes, not {request.offset}"
            await context.abort(grpc.StatusCode.OUT_OF_RANGE, text)
        offset = request.offset
        while True:
            data = await self._read(wanted, offset)
            yield agents_pb2.FetchChunk(offset=offset, data=data, size_bytes=size_bytes)
            offset += len(data)
            if offset >= size_bytes or not data:
                return

    async def _read(self, sha256: str, offset: int) -> bytes:
        return await self._on_files(lambda: self._blobs.read(sha256, offset, CHUNK_BYTES))

    async def Upload(  # gRPC's name
        self, request: agents_pb2.UploadRequest, context: _Context
    ) -> agents_pb2.UploadReply:
        """Take a part; a whole log or file becomes a blob, a whole report settles its attempt."""
        try:
            piece = _piece(CALLER.get(), request)
        except ValueError as error:
            await _refuse(context, str(error))
        taken = await self._on_files(lambda: self._uploads.take(piece))
        if taken.whole is None:
            return agents_pb2.UploadReply(next_offset=taken.next_offset, complete=taken.finished)
        if piece.kind != "report":
            await self._keep_log(piece, taken.whole)
        else:
            await self._settle(piece, taken.whole, context)
        return agents_pb2.UploadReply(next_offset=taken.next_offset, complete=True)

    async def _keep_log(self, piece: Piece, path: Path) -> None:
        """Make a blob of a whole log; its report will name it."""
        await self._on_files(lambda: self._blobs.put_file(path, expect=piece.whole))
        await self._on_files(lambda: self._uploads.finish(piece))

    async def _settle(self, piece: Piece, path: Path, context: _Context) -> None:
        """Have a whole report accepted or rejected, durably; a repeated one changes nothing."""
        if piece.whole.size_bytes > MOST_REPORT_BYTES:
            await _refuse(context, f"a report of {piece.whole.size_bytes} bytes is none")
        data = await self._on_files(path.read_bytes)
        logs = await self._on_files(lambda: self._uploads.logs(piece.device, piece.attempt_id))
        try:
            finished = _finished(piece, data, logs, self._scheduler.device(piece.device))
        except ValueError as error:
            await _refuse(context, str(error))
        await self._write(lambda t: self._scheduler.accept(t, finished))
        await self._on_files(lambda: self._uploads.drop(piece.attempt_id))
        self._bells.ring(self._scheduler.affected_by(piece.device))

    async def _write(self, fn: Callable[[Transaction], Answer]) -> Answer:
        return await asyncio.wrap_future(self._writer.submit(fn))

    async def _on_files(self, fn: Callable[[], Answer]) -> Answer:
        """Do something with the disk off the loop; a full one passes, so an agent tries again."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._files, fn)
        except DiskFull as error:
            raise StoreUnavailable(error.message) from error


def _piece(device: str, request: agents_pb2.UploadRequest) -> Piece:
    kind = _KINDS.get(request.kind)
    if kind is None:
        raise ValueError(f"not a kind of upload: {request.kind}")
    whole = translate.digest(request.whole)
    return Piece(
        device=device,
        attempt_id=request.attempt.attempt_id,
        # An attempt has one log of each kind, and any number of files.
        kind=f"file {whole.sha256}" if kind == "file" else kind,
        whole=whole,
        offset=request.offset,
        data=request.data,
    )


def _finished(piece: Piece, data: bytes, logs: Mapping[str, Digest], device: Device) -> Finished:
    report = translate.report(data)
    if report.attempt.attempt_id != piece.attempt_id:
        raise ValueError(f"not a report of attempt {piece.attempt_id}")
    return translate.finished(report, device, logs)


async def _refuse(context: _Context, text: str) -> NoReturn:
    """End a call whose message cannot be meant; repeating it cannot help."""
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
    raise AssertionError("abort returned")
