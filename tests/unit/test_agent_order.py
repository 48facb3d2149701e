"""Orders are checked once, before anything of them becomes a path or a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import MalformedOrder
from agent.order import (
    NAME_MAX_BYTES,
    PATH_MAX_BYTES,
    Blob,
    Check,
    CheckKind,
    check_path,
    read_order,
)
from protos.farm.v1 import agents_pb2 as pb

DIGEST = pb.Digest(sha256="a" * 64, size_bytes=3)


def wire(**changes: object) -> pb.Assignment:
    """Make a good assignment, changed."""
    good: dict[str, object] = {
        "attempt": pb.AttemptRef(attempt_id=1, fence=2, sequence=3),
        "runner": DIGEST,
        "kind": pb.PROGRAM_KIND_WASM,
        "program": DIGEST,
        "program_name": "gemm",
        "repeats": 1,
        "limits": pb.Limits(timeout_s=5),
    }
    return pb.Assignment(**(good | changes))  # type: ignore[arg-type]  # any field, by name


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../a",
        "a/..",
        "a/../b",
        ".",
        "./a",
        "a//b",
        "a/",
        "a\0b",
        "x" * (NAME_MAX_BYTES + 1),
        "é" * (NAME_MAX_BYTES // 2 + 1),
        "/".join(["abcdefg"] * (PATH_MAX_BYTES // 8 + 1)),
    ],
)
def test_refuses_a_path_that_could_leave(path: str) -> None:
    """Absolute, upward, empty, too long, or with a NUL: refused."""
    with pytest.raises(MalformedOrder):
        check_path(path)


@pytest.mark.parametrize("path", ["a", "a/b.txt", "..a/b..", "sp ace/ü", "x" * NAME_MAX_BYTES])
def test_splits_a_good_path(path: str) -> None:
    """A path of plain names is taken as it is."""
    assert path == "/".join(check_path(path))


@given(st.text())
def test_no_part_is_ever_special(path: str) -> None:
    """Whatever comes, the parts of an accepted path are plain names."""
    try:
        parts = check_path(path)
    except MalformedOrder:
        return
    assert parts
    for part in parts:
        assert part not in ("", ".", "..")
        assert "/" not in part
        assert "\0" not in part


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": pb.PROGRAM_KIND_UNSPECIFIED},
        {"kind": 17},
        {"repeats": 0},
        {"limits": pb.Limits()},
        {"limits": pb.Limits(timeout_s=float("inf"))},
        {"limits": pb.Limits(timeout_s=float("nan"))},
        {"program": pb.Digest(sha256="../../etc/passwd")},
        {"runner": pb.Digest(sha256="A" * 64)},
        {"program_name": "a\0b"},
        {"arguments": ["a\0b"]},
        {"environment": {"": "x"}},
        {"environment": {"A=B": "x"}},
        {"environment": {"A": "x\0"}},
        {"stdin": pb.Digest(sha256="a" * 63)},
        {"checker": pb.Checker(exact=pb.Digest())},
        {"directories": [pb.GrantedDirectory(guest="../up")]},
    ],
)
def test_refuses_what_cannot_be_used_as_written(changes: dict[str, object]) -> None:
    """Each such field alone makes the order malformed."""
    with pytest.raises(MalformedOrder):
        read_order(wire(**changes))


def test_reads_a_good_order() -> None:
    """Every field arrives, blobs are named once."""
    order = read_order(
        wire(
            arguments=["a", ""],
            environment={"B": "2", "A": "1"},
            stdin=pb.Digest(sha256="b" * 64),
            checker=pb.Checker(exact=pb.Digest(sha256="c" * 64, size_bytes=9)),
        )
    )
    assert order.ref.key == (2, 3)
    assert order.arguments == ("a", "")
    assert order.environment == {"A": "1", "B": "2"}
    assert order.wasm
    assert [blob.sha256 for blob in order.blobs()] == ["a" * 64, "b" * 64, "c" * 64]
    assert order.check == Check(CheckKind.EXACT, "c" * 64, Blob("c" * 64, 9))
    assert order.repeats_agree


def test_reads_how_the_output_is_judged() -> None:
    """A digest needs no bytes here, a tolerance does; a file is one of the outputs."""
    expected = pb.Digest(sha256="c" * 64, size_bytes=9)
    near = pb.Tolerance(expected=expected, relative=0.5, absolute=2)
    order = read_order(
        wire(outputs=["a/b.txt", "c"], checker=pb.Checker(tolerance=near, of="a/b.txt"))
    )
    assert order.outputs == (("a", "b.txt"), ("c",))
    blob = Blob("c" * 64, 9)
    kind = CheckKind.TOLERANCE
    assert order.check == Check(kind, blob.sha256, blob, 0.5, 2.0, ("a", "b.txt"))
    assert blob in order.blobs()
    assert not order.repeats_agree
    order = read_order(wire(checker=pb.Checker(sha256="d" * 64)))
    assert order.check == Check(CheckKind.DIGEST, "d" * 64)
    assert order.repeats_agree


def test_refuses_a_check_it_could_not_carry_out() -> None:
    """Above all one of a kind it does not know: that would pass for any output."""
    near = pb.Tolerance(expected=DIGEST, relative=-1)
    for checker in (
        pb.Checker(),
        pb.Checker(sha256="short"),
        pb.Checker(tolerance=near),
        pb.Checker(exact=DIGEST, of="not-an-output"),
    ):
        with pytest.raises(MalformedOrder):
            read_order(wire(checker=checker))
    with pytest.raises(MalformedOrder):
        read_order(wire(outputs=["../up"]))
