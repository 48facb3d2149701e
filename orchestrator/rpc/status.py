"""The one table between the farm's errors and gRPC's status, in both directions.

The class, message, file, line and tool output travel as JSON in trailing metadata, so a caller
gets the very error back.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Mapping
from typing import Any

import grpc

from orchestrator.domain import errors
from orchestrator.domain.errors import BuildError, FarmError, StoreUnavailable, UsageError

#: Where the details of an error travel; ``-bin`` lets gRPC carry any bytes.
DETAILS_KEY = "farm-error-bin"
#: Bytes of a message and of a tool's output that travel: gRPC lets all metadata of a call be 8 KB
#: by default (grpc.max_metadata_size), in base64, and the message goes as the status's details
#: once more.
MOST_MESSAGE_BYTES = 1200
MOST_OUTPUT_BYTES = 2800

#: Every class of the tree has its line here; a test walks the tree.
STATUS: Mapping[type[FarmError], grpc.StatusCode] = {
    errors.FarmError: grpc.StatusCode.UNKNOWN,
    errors.UsageError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ConfigError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InventoryError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.MatrixError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.WorkloadFileError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.FarmUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.StateError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.LeaseError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.LeaseExpired: grpc.StatusCode.ABORTED,
    errors.StaleFence: grpc.StatusCode.ABORTED,
    errors.DeviceError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.DeviceUnreachable: grpc.StatusCode.UNAVAILABLE,
    errors.TransferInterrupted: grpc.StatusCode.UNAVAILABLE,
    errors.RuntimeMissing: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnsupportedMode: grpc.StatusCode.FAILED_PRECONDITION,
    errors.DiskFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.HostKeyChanged: grpc.StatusCode.FAILED_PRECONDITION,
    errors.BuildError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ArtifactError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ArtifactMissing: grpc.StatusCode.NOT_FOUND,
    errors.DigestMismatch: grpc.StatusCode.DATA_LOSS,
    errors.StoreError: grpc.StatusCode.INTERNAL,
    errors.SchemaMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
}

_BY_NAME: Mapping[str, type[FarmError]] = {kind.__name__: kind for kind in STATUS}


def status_of(error: FarmError) -> grpc.StatusCode:
    """Answer the status of an error."""
    return STATUS[type(error)]


def to_metadata(error: FarmError) -> tuple[tuple[str, bytes], ...]:
    """Pack an error for a call's trailing metadata."""
    told: dict[str, str | int] = {
        "class": type(error).__name__,
        "message": _first(error.message),
    }
    if isinstance(error, UsageError) and error.file is not None:
        told["file"] = str(error.file)
        if error.line is not None:
            told["line"] = error.line
    if isinstance(error, BuildError):
        told["output"] = _last(error.output)
    # JSON's escapes would multiply the size of what is not ASCII, raw UTF-8 does not.
    return ((DETAILS_KEY, json.dumps(told, ensure_ascii=False).encode()),)


def to_details(error: FarmError) -> str:
    """Answer the line for people that a status carries."""
    return _first(str(error).splitlines()[0] if str(error) else type(error).__name__)


def from_status(
    code: grpc.StatusCode, message: str, metadata: Iterable[tuple[str, str | bytes]]
) -> FarmError:
    """Answer the error that a call's status stands for.

    Args:
        code: the call's status.
        message: its details.
        metadata: its trailing metadata; without the farm's own part the status must do (the other
            side is gone, or is
            something else than a farm).

    Returns:
        An error of the class that was raised; ``FarmUnavailable`` where nobody of ours answered.
    """
    for key, value in metadata:
        if key == DETAILS_KEY:
            return _unpack(value if isinstance(value, bytes) else value.encode(), message)
    if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return errors.FarmUnavailable(message)
    return FarmError(f"{code.name.lower().replace('_', ' ')}: {message}")


def _first(text: str) -> str:
    return text.encode()[:MOST_MESSAGE_BYTES].decode(errors="ignore")


def _last(text: str) -> str:
    return text.encode()[-MOST_OUTPUT_BYTES:].decode(errors="ignore")


def _unpack(packed: bytes, message: str) -> FarmError:
    try:
        told: dict[str, Any] = json.loads(packed)
        kind = _BY_NAME.get(told["class"], FarmError)
        text = str(told["message"])
    except (ValueError, KeyError, TypeError):
        return FarmError(message)
    if issubclass(kind, UsageError):
        return kind(text, file=told.get("file"), line=told.get("line"))
    if issubclass(kind, BuildError):
        return kind(text, output=str(told.get("output", "")))
    return kind(text)


def disk_trouble(error: OSError, where: object) -> FarmError | None:
    """Answer the farm's error for a full or failing disk; None if it is something else (a bug)."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreUnavailable(f"no room is left in {where}; nothing was lost, free some space")
    if error.errno in {errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE}:
        return StoreUnavailable(f"cannot write in {where}: {error.strerror}")
    return None
