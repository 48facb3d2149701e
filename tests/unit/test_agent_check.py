"""What a program left, held against what is expected of it; and files taken up safely."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.check import beyond_tolerance, check_outputs, check_stderr, first_difference
from agent.collect import Collected, collect
from agent.order import Blob, Check, CheckKind
from agent.outcome import Verdict
from agent.stage import AttemptFolder, hash_file
from protos.states import Outcome


def difference(got: bytes, wanted: bytes) -> str:
    """Compare bytes."""
    return first_difference(io.BytesIO(got), io.BytesIO(wanted))


def distance(got: bytes, wanted: bytes, relative: float = 0.0, absolute: float = 0.0) -> str:
    """Compare numbers."""
    return beyond_tolerance(io.BytesIO(got), io.BytesIO(wanted), relative, absolute)


def blob(data: bytes) -> Blob:
    """Name bytes."""
    return Blob(hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.parametrize(
    ("got", "wanted", "told"),
    [
        (b"a\nb\n", b"a\nb\n", ""),
        (b"", b"", ""),
        (b"a\nbx\n", b"a\nby\n", "differs at byte 3, line 2: 'bx', expected 'by'"),
        (b"a\n", b"a\nb\n", "differs at byte 2, line 2: its end, expected 'b'"),
        (b"a\nb", b"a\n", "differs at byte 2, line 2: 'b', expected its end"),
        (b"\xff", b"\xfe", "differs at byte 0, line 1: '\\\\xff', expected '\\\\xfe'"),
    ],
)
def test_the_first_difference_is_shown(got: bytes, wanted: bytes, told: str) -> None:
    """By byte, line, and what stands in that line on both sides."""
    assert difference(got, wanted) == told


def test_a_difference_beyond_the_first_chunk_is_found() -> None:
    """Lines and bytes are counted over chunks."""
    lines = b"0123456789abcde\n" * 10_000
    assert difference(lines + b"x\n", lines + b"y\n") == (
        "differs at byte 160000, line 10001: 'x', expected 'y'"
    )
    long = b"z" * 200_000
    assert difference(long + b"1", long + b"2").startswith("differs at byte 200000, line 1: 'zzz")


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_equal_bytes_are_the_only_right_ones(got: bytes, wanted: bytes) -> None:
    """No two texts that differ pass for equal."""
    assert (difference(got, wanted) == "") == (got == wanted)


@pytest.mark.parametrize(
    ("got", "wanted", "relative", "absolute", "right"),
    [
        (b"x = 1.0000001\n", b"x = 1.0\n", 1e-6, 0.0, True),
        (b"x = 1.00001\n", b"x = 1.0\n", 1e-6, 0.0, False),
        (b"0.001", b"0", 1e-6, 0.0, False),
        (b"0.001", b"0", 1e-6, 0.01, True),
        (b"y = 1.0", b"x = 1.0", 1.0, 1.0, False),
        (b"1.0   2.0\n\n3.0", b" 1.0 2.0 3.0\n", 0.0, 0.1, True),
        (b"1 2", b"1 2 3", 1.0, 1.0, False),
        (b"1 2 3", b"1 2", 1.0, 1.0, False),
        (b"(1.5,-2.5e0)", b"(1.4,-2.4)", 0.0, 0.2, True),
        (b"-0.0", b"0.0", 0.0, 0.0, True),
        (b"nan", b"nan", 0.0, 0.0, True),
        (b"nan", b"1.0", 1e9, 1e9, False),
        (b"5", b"1e999", 1.0, 1.0, False),
        (b"1e999", b"1e999", 0.0, 0.0, True),
        (b"", b"1", 1.0, 1.0, False),
    ],
)
def test_numbers_are_right_within_the_tolerance(
    got: bytes, wanted: bytes, relative: float, absolute: float, right: bool
) -> None:
    """Relative to the expected number or absolute, whichever allows more; all else is exact."""
    assert (distance(got, wanted, relative, absolute) == "") == right


def test_a_number_too_far_off_is_shown_with_its_line() -> None:
    """As a person would look for it."""
    assert distance(b"1.0\n2.0 9.5\n", b"1.0\n2.0 9.0\n", 0.01) == (
        "differs in line 2: '9.5', expected '9.0'"
    )
    assert distance(b"1.0\n", b"1.0 7\n") == "ends in line 1, expected '7'"


@given(st.lists(st.integers(0, 100_000), max_size=30), st.integers(0, 70_000))
def test_chunks_do_not_show(numbers: list[int], blanks: int) -> None:
    """Words that chunks cut in two, and words longer than a chunk, are compared whole."""
    words = " ".join("7" * (number // 10) + str(number) for number in numbers).encode()
    assert distance(b" " * blanks + words, words) == ""
    assert distance(words + b" 1", words) != ""


@pytest.fixture
def place(tmp_path: Path) -> AttemptFolder:
    """An attempt that has ended."""
    made = AttemptFolder(tmp_path / "attempt")
    made.work.mkdir(parents=True)
    return made


def check(
    place: AttemptFolder, how: Check, expected: Path | None, *printed: bytes, left: Collected
) -> Verdict:
    """Judge what repeats printed."""
    for index, data in enumerate(printed):
        place.output(index).write_bytes(data)
    return check_outputs(place, how, expected, [blob(one) for one in printed], left)


def test_every_text_the_repeats_printed_is_judged(place: AttemptFolder, tmp_path: Path) -> None:
    """With a tolerance repeats may differ, and each must be right."""
    expected = tmp_path / "expected"
    expected.write_bytes(b"1.0\n")
    how = Check(CheckKind.TOLERANCE, hash_file(expected).sha256, blob(b"1.0\n"), 0.1)
    none = Collected()
    assert check(place, how, expected, b"1.01\n", b"0.99\n", left=none) == Verdict(
        Outcome.SUCCEEDED
    )
    assert check(place, how, expected, b"1.01\n", b"2.0\n", left=none) == Verdict(
        Outcome.WRONG_OUTPUT, "stdout differs in line 1: '2.0', expected '1.0'"
    )


def test_a_check_that_cannot_be_carried_out_is_the_farms_failure(
    place: AttemptFolder, tmp_path: Path
) -> None:
    """Damaged or gone on the device: neither a success nor a wrong output."""
    expected = tmp_path / "expected"
    expected.write_bytes(b"1.0 damaged\n")
    how = Check(CheckKind.TOLERANCE, blob(b"1.0\n").sha256, blob(b"1.0\n"), 0.1)
    for path in (expected, tmp_path / "gone"):
        verdict = check(place, how, path, b"1.0\n", left=Collected())
        assert verdict.outcome is Outcome.INFRASTRUCTURE_FAILED
        assert verdict.reason.startswith("the output could not be checked: what is expected, ")


def test_digests_decide_without_the_bytes(place: AttemptFolder, tmp_path: Path) -> None:
    """An exact check with a damaged copy still knows right from wrong."""
    how = Check(CheckKind.EXACT, blob(b"ok").sha256, blob(b"ok"))
    gone = tmp_path / "gone"
    assert check(place, how, gone, b"ok", left=Collected()).outcome is Outcome.SUCCEEDED
    told = f"stdout is {blob(b'no').sha256[:12]}, expected {blob(b'ok').sha256[:12]}"
    wrong = Verdict(Outcome.WRONG_OUTPUT, told)
    assert check(place, how, gone, b"no", left=Collected()) == wrong
    by_digest = Check(CheckKind.DIGEST, blob(b"ok").sha256)
    assert check(place, by_digest, None, b"no", left=Collected()) == wrong


def test_a_file_is_judged_in_place_of_stdout(place: AttemptFolder, tmp_path: Path) -> None:
    """What was printed does not matter then."""
    expected = tmp_path / "expected"
    expected.write_bytes(b"right\n")
    (place.work / "out.txt").write_bytes(b"wrong\n")
    left = collect(place, (("out.txt",),), 0)
    how = Check(CheckKind.EXACT, blob(b"right\n").sha256, blob(b"right\n"), of=("out.txt",))
    assert check(place, how, expected, b"a", b"b", left=left) == Verdict(
        Outcome.WRONG_OUTPUT, "out.txt differs at byte 0, line 1: 'wrong', expected 'right'"
    )


def test_files_are_taken_up_by_name(place: AttemptFolder) -> None:
    """Those that are there, and what is wrong with the first that is not."""
    (place.work / "sub").mkdir()
    (place.work / "sub" / "a").write_bytes(b"12345")
    outputs = (("sub", "a"), ("b",), ("c",))
    assert collect(place, outputs, 5) == Collected(
        ((("sub", "a"), blob(b"12345")),), "left no file b"
    )
    assert collect(place, outputs[:1], 4).problem == "left sub/a with 5 bytes, more than 4"


def test_no_link_pipe_device_or_folder_is_taken_for_a_file(
    place: AttemptFolder, tmp_path: Path
) -> None:
    """Nothing outside is read, and nothing is waited for."""
    secret = tmp_path / "key"
    secret.write_text("secret")
    (place.work / "link").symlink_to(secret)
    (place.work / "up").symlink_to(tmp_path)
    (place.work / "zero").symlink_to("/dev/zero")
    (place.work / "folder").mkdir()
    os.mkfifo(place.work / "pipe")
    behind = "behind a link, or below something that is no folder"
    for parts, told in {
        ("link",): f"left link {behind}",
        ("up", "key"): f"left up/key {behind}",
        ("zero",): f"left zero {behind}",
        ("folder",): "left folder as something that is no regular file",
        ("pipe",): "left pipe as something that is no regular file",
        ("pipe", "x"): f"left pipe/x {behind}",
    }.items():
        assert collect(place, (parts,), 0) == Collected((), told)


def test_a_working_folder_that_is_gone_or_a_link_holds_no_files(tmp_path: Path) -> None:
    """A native program may do that to its own folder."""
    place = AttemptFolder(tmp_path / "attempt")
    place.root.mkdir()
    assert collect(place, (("a",),), 0).problem == "left no file a"
    (tmp_path / "a").write_text("not the program's")
    place.work.symlink_to(tmp_path)
    assert collect(place, (("a",),), 0).files == ()


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (b"note\nnote\n", ""),
        (b"note\n", "stderr of repeat 1 differs at byte 0, line 1: its end, expected 'note'"),
        (b"nope\nnote\n", "stderr of repeat 0 differs at byte 2, line 1: 'nope', expected 'note'"),
        (
            b"note\nnote\nmore",
            "stderr of repeat 1 differs at byte 5, line 2: 'more', expected its end",
        ),
    ],
)
def test_stderr_is_judged_repeat_by_repeat(
    place: AttemptFolder, tmp_path: Path, printed: bytes, told: str
) -> None:
    """All repeats write to one file: each must have written the whole text, and none more."""
    (tmp_path / "expected").write_bytes(b"note\n")
    place.stderr.write_bytes(printed)
    outcome = Outcome.WRONG_OUTPUT if told else Outcome.SUCCEEDED
    assert check_stderr(place, tmp_path / "expected", 2) == Verdict(outcome, told)


def test_stderr_that_cannot_be_read_is_the_farms_failure(
    place: AttemptFolder, tmp_path: Path
) -> None:
    """Nothing is called right that nobody looked at."""
    assert check_stderr(place, tmp_path / "gone", 1) == Verdict(
        Outcome.INFRASTRUCTURE_FAILED, "stderr could not be checked: No such file or directory"
    )
