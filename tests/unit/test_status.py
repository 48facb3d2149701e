"""The table between the farm's errors and gRPC's status."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import grpc
import pytest

from orchestrator.domain import errors
from orchestrator.domain.errors import BuildError, FarmError, MatrixError, NotFound, UsageError
from orchestrator.rpc.status import (
    DETAILS_KEY,
    STATUS,
    disk_trouble,
    from_status,
    status_of,
    to_details,
    to_metadata,
)


def _tree(kind: type[FarmError]) -> Iterator[type[FarmError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


TREE = sorted(set(_tree(FarmError)), key=lambda kind: kind.__name__)


def _there_and_back(error: FarmError) -> FarmError:
    return from_status(status_of(error), to_details(error), to_metadata(error))


def test_table_names_the_tree_and_nothing_else() -> None:
    """Each class of the error tree has exactly one status."""
    assert set(TREE) == set(STATUS)


@pytest.mark.parametrize("kind", TREE)
def test_an_error_comes_back_as_itself(kind: type[FarmError]) -> None:
    """Class, message and what is printed survive the way over the wire."""
    error = kind("what is wrong; what to do")
    back = _there_and_back(error)
    assert type(back) is kind
    assert str(back) == str(error)
    assert back.exit_code == error.exit_code


def test_place_in_a_file_comes_back() -> None:
    """File and line of a user's mistake survive."""
    back = _there_and_back(MatrixError("unknown key 'modus'", file="/m/gemm.yaml", line=3))
    assert isinstance(back, UsageError)
    assert str(back) == "/m/gemm.yaml:3: unknown key 'modus'"
    assert back.line == 3


def test_a_files_mistake_without_a_line_comes_back() -> None:
    """A mistake of a whole file has no line, before and after."""
    back = _there_and_back(MatrixError("no such file", file="/m/gemm.yaml"))
    assert isinstance(back, UsageError)
    assert back.line is None


def test_last_lines_of_a_tool_survive() -> None:
    """Of a compiler's long output the end comes back, and the details stay one line."""
    error = BuildError("gemm.c: zig cc failed", output="é" * 9000 + "\nerror: the end")
    back = _there_and_back(error)
    assert isinstance(back, BuildError)
    assert back.output.endswith("\nerror: the end")
    assert to_details(error) == "gemm.c: zig cc failed"


def test_metadata_fits_grpcs_limit() -> None:
    """The longest error stays below the 8 KB that gRPC takes for all metadata, in base64."""
    error = BuildError("é" * 9000, output="é" * 9000)
    size_bytes = sum(len(value) for _, value in to_metadata(error))
    assert size_bytes * 4 / 3 + len(to_details(error).encode()) < 8000


def test_nobody_of_ours_is_farm_unavailable() -> None:
    """A refused connection carries no details of ours: the orchestrator is gone."""
    error = from_status(grpc.StatusCode.UNAVAILABLE, "connection refused", ())
    assert type(error) is errors.FarmUnavailable


def test_foreign_status_is_told() -> None:
    """A status that is not ours is a plain error that names it."""
    error = from_status(grpc.StatusCode.RESOURCE_EXHAUSTED, "too large", ())
    assert type(error) is FarmError
    assert str(error) == "resource exhausted: too large"


@pytest.mark.parametrize("packed", [b"", b"[]", b"{}", b"\xff", b'{"class": "NotFound"}'])
def test_damaged_details_do_no_harm(packed: bytes) -> None:
    """Details that cannot be read leave the status's message."""
    back = from_status(grpc.StatusCode.NOT_FOUND, "no run 3", [(DETAILS_KEY, packed)])
    assert str(back) == "no run 3"


def test_unknown_class_is_still_an_error_of_the_farm() -> None:
    """An error of a newer farm keeps its message."""
    packed = b'{"class": "Novel", "message": "new trouble"}'
    back = from_status(grpc.StatusCode.UNKNOWN, "", [("other", "x"), (DETAILS_KEY, packed)])
    assert type(back) is FarmError
    assert str(back) == "new trouble"


def test_full_disk_is_unavailable() -> None:
    """A full disk passes: callers try again."""
    trouble = disk_trouble(OSError(errno.ENOSPC, "No space left on device"), "/data")
    assert trouble is not None
    assert status_of(trouble) is grpc.StatusCode.UNAVAILABLE
    assert "/data" in str(trouble)


def test_failing_disk_is_unavailable() -> None:
    """So does one that became read-only."""
    trouble = disk_trouble(OSError(errno.EROFS, "Read-only file system"), "/data")
    assert trouble is not None
    assert status_of(trouble) is grpc.StatusCode.UNAVAILABLE


def test_other_os_errors_are_bugs() -> None:
    """A missing file is none of the disk's trouble."""
    assert disk_trouble(OSError(errno.ENOENT, "No such file"), "/data") is None


def test_not_found_is_not_found() -> None:
    """The one status agents act upon by name."""
    assert status_of(NotFound("no run 3")) is grpc.StatusCode.NOT_FOUND
