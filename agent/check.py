"""Holds what a program left against what is expected of it; reads in parts, whatever the size."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from agent.collect import Collected, open_output
from agent.errors import AgentError, BlobCorrupt
from agent.order import Blob, Check, CheckKind
from agent.outcome import Verdict
from agent.stage import AttemptFolder, hash_file
from protos.states import Outcome

_CHUNK_BYTES = 64 * 1024

#: What of a differing word or line a reason shows.
_SHOWN_BYTES = 40

#: A number as C prints and reads it in decimal; ``nan`` and ``inf`` are words.
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_BLANKS = (b" ", b"\t", b"\n", b"\v", b"\f", b"\r")


@dataclass(frozen=True, slots=True)
class Output:
    """What is judged: how people call it, what it is, and how it is opened."""

    name: str
    sha256: str
    open: Callable[[], AbstractContextManager[BinaryIO]]


def check_outputs(
    place: AttemptFolder,
    check: Check,
    expected: Path | None,
    printed: Sequence[Blob],
    left: Collected,
) -> Verdict:
    """Hold what an attempt gave against what is expected of it; the first that is wrong decides.

    A check that cannot be carried out is the farm's failure, and never a success.

    Args:
        place: the attempt.
        check: what is expected.
        expected: the expected output on this device, where the check names one.
        printed: what each repeat printed.
        left: the files it left, all that were ordered.
    """
    verdict = Verdict(Outcome.SUCCEEDED)
    try:
        for output in _judged(place, check, printed, left):
            verdict = judge(output, check, expected)
            if verdict.outcome is not Outcome.SUCCEEDED:
                return verdict
    except (AgentError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        told = f"the output could not be checked: {why}"
        return Verdict(Outcome.INFRASTRUCTURE_FAILED, told)
    return verdict


def check_stderr(place: AttemptFolder, expected: Path, repeats: int) -> Verdict:
    """Hold what all repeats printed to standard error, one after another, against the right text.

    Args:
        place: the attempt.
        expected: what each repeat must print.
        repeats: how many there were, warmups included.
    """
    try:
        wanted = expected.read_bytes()
        with place.stderr.open("rb") as got:
            for index in range(repeats):
                # The last repeat takes what is left, so that nothing too much is overlooked.
                part = got.read(len(wanted) if index + 1 < repeats else -1)
                if part != wanted:
                    told = first_difference(BytesIO(part), BytesIO(wanted))
                    return Verdict(Outcome.WRONG_OUTPUT, f"stderr of repeat {index} {told}")
    except OSError as error:
        told = f"stderr could not be checked: {error.strerror}"
        return Verdict(Outcome.INFRASTRUCTURE_FAILED, told)
    return Verdict(Outcome.SUCCEEDED)


def _judged(
    place: AttemptFolder, check: Check, printed: Sequence[Blob], left: Collected
) -> Iterator[Output]:
    """Answer what a check is about: a file, or what the repeats printed, each text once."""
    if check.of:
        name, digests = "/".join(check.of), {parts: blob.sha256 for parts, blob in left.files}
        yield Output(name, digests[check.of], lambda: open_output(place.work, check.of))
        return
    seen: set[str] = set()
    for index, blob in enumerate(printed):
        if blob.sha256 not in seen:
            seen.add(blob.sha256)
            yield Output("stdout", blob.sha256, partial(_open_printed, place, index))


def _open_printed(place: AttemptFolder, index: int) -> BinaryIO:
    return place.output(index).open("rb")


def judge(output: Output, check: Check, expected: Path | None) -> Verdict:
    """Judge one output.

    Raises:
        BlobCorrupt: the expected output is not what it was: it cannot be judged by.
        OSError: it cannot be read.
    """
    by_digest = check.kind is not CheckKind.TOLERANCE
    if by_digest and output.sha256 == check.sha256:
        return Verdict(Outcome.SUCCEEDED)
    whole = expected is not None and expected.is_file() and hash_file(expected).sha256
    if expected is None or whole != check.sha256:
        if by_digest:  # certain, only the place of the difference is not known
            told = f"{output.name} is {output.sha256[:12]}, expected {check.sha256[:12]}"
            return Verdict(Outcome.WRONG_OUTPUT, told)
        raise BlobCorrupt(f"what is expected, {check.sha256[:12]}, is damaged on this device")
    with output.open() as got, expected.open("rb") as wanted:
        if check.kind is CheckKind.EXACT:
            told = first_difference(got, wanted)
        else:
            told = beyond_tolerance(got, wanted, check.relative, check.absolute)
    if not told:
        return Verdict(Outcome.SUCCEEDED)
    return Verdict(Outcome.WRONG_OUTPUT, f"{output.name} {told}")


def first_difference(got: BinaryIO, wanted: BinaryIO) -> str:
    """Say where two streams first differ; empty: nowhere."""
    offset, line, line_at = 0, 1, 0
    while True:
        ours, theirs = got.read(_CHUNK_BYTES), wanted.read(_CHUNK_BYTES)
        if ours == theirs:
            if not ours:
                return ""
            line += ours.count(b"\n")
            last = ours.rfind(b"\n")
            line_at = offset + last + 1 if last >= 0 else line_at
            offset += len(ours)
            continue
        common = _common(ours, theirs)
        line += ours[:common].count(b"\n")
        last = ours[:common].rfind(b"\n")
        line_at = offset + last + 1 if last >= 0 else line_at
        place = f"differs at byte {offset + common}, line {line}"
        return f"{place}: {_line_of(got, line_at)}, expected {_line_of(wanted, line_at)}"


def _common(one: bytes, other: bytes) -> int:
    """Count the bytes two texts begin with alike."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def _line_of(stream: BinaryIO, offset: int) -> str:
    """Show the line that begins somewhere, as much of it as a reason holds."""
    stream.seek(offset)
    line = stream.read(_SHOWN_BYTES + 1)
    if not line:
        return "its end"
    return _shown(line.partition(b"\n")[0])


def beyond_tolerance(got: BinaryIO, wanted: BinaryIO, relative: float, absolute: float) -> str:
    """Say which word of two texts first differs by more than is allowed; empty: none.

    Blanks and line breaks only separate words. A word is cut into numbers and what stands between
    them, which must be equal.
    """
    theirs = _words(wanted)
    line = 1
    for line, word in _words(got):
        _, expected = next(theirs, (0, None))
        if expected is None:
            return f"differs in line {line}: {_shown(word)}, expected its end"
        if word != expected and not _close(word, expected, relative, absolute):
            return f"differs in line {line}: {_shown(word)}, expected {_shown(expected)}"
    _, expected = next(theirs, (0, None))
    if expected is not None:
        return f"ends in line {line}, expected {_shown(expected)}"
    return ""


def _close(word: bytes, expected: bytes, relative: float, absolute: float) -> bool:
    """Say whether two words are alike but for numbers, and those close."""
    if _NUMBER.split(word) != _NUMBER.split(expected):
        return False
    pairs = zip(_NUMBER.findall(word), _NUMBER.findall(expected), strict=True)
    return all(_near(float(one), float(other), relative, absolute) for one, other in pairs)


def _near(value: float, expected: float, relative: float, absolute: float) -> bool:
    if value == expected:
        return True
    if math.isinf(value) or math.isinf(expected):  # 1e999: no tolerance reaches it
        return False
    return abs(value - expected) <= max(absolute, relative * abs(expected))


def _words(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield each word with its line, from 1; a word longer than a chunk comes in chunks."""
    line, rest = 1, b""
    while True:
        chunk = stream.read(_CHUNK_BYTES)
        text = rest + chunk
        # What is after the last blank may go on in the next chunk.
        cut = max(map(text.rfind, _BLANKS)) + 1 if chunk else len(text)
        for part in text[:cut].split(b"\n"):
            for word in part.split():
                for start in range(0, len(word), _CHUNK_BYTES):
                    yield line, word[start : start + _CHUNK_BYTES]
            line += 1
        line -= 1  # the last part goes on
        rest = text[cut:]
        if len(rest) >= _CHUNK_BYTES:
            yield line, rest[:_CHUNK_BYTES]
            rest = rest[_CHUNK_BYTES:]
        if not chunk:
            return


def _shown(text: bytes) -> str:
    cut = text[:_SHOWN_BYTES]
    return repr(cut.decode(errors="backslashreplace")) + (".." if len(text) > len(cut) else "")
